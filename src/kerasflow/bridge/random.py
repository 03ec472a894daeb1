"""Random numbers (`keras.src.backend.numpy.random`).

Every draw is a function of one seed, two unsigned integers, and nothing else,
so that each backend can repeat it. The source is the primitive `random_bits`
(Philox4x64-10, defined in `kerasflow.primitives.random`); the distributions are
arithmetic on its bits:

- *Unit interval*, float32: the upper 24 of 32 bits, times 2^-24; float64: the
  upper 53 of 64 bits, times 2^-53. In [0, 1), every value equally likely.
- `uniform`: `minval + u * (maxval - minval)`; what rounding brings to `maxval`
  becomes the number below it.
- `normal`: Box and Muller. For n numbers, m = ceil(n / 2), the bits have the
  shape (2, m). With u = 1 - unit(bits[0]) and v = unit(bits[1]), the numbers are
  sqrt(-2 ln u) cos(2 pi v), m of them, then sqrt(-2 ln u) sin(2 pi v).
- `truncated_normal`: the inverse of the normal distribution function (Wichura's
  AS 241) at P(-2) + u * (P(2) - P(-2)).
- `randint`: 64 bits, modulo the number of values. The bias is below n / 2^64.
- `categorical`: the largest of the logits plus Gumbel noise, -ln(-ln u), with
  u = (b + 1/2) * 2^-52 of the upper 52 of 64 bits, in float64.
- `shuffle`: the order in which 64 bits for each place along the axis sort;
  slices move as a whole.
- `dropout`: an element stays where its bits are below the keep probability, in
  units of 2^-8 if that is exact, of 2^-16 if both probabilities are 0.01 or
  more, else of 2^-32.
- `gamma`: Marsaglia and Tsang's method (2000), eight proposals of which the first
  accepted counts; all eight fail with a probability below 10^-10. `beta` is
  x / (x + y) of two gammas.
- `binomial`, of the smaller of p and 1 - p: with a mean below 10 by inversion, the
  probabilities added up one by one; else by Hörmann's BTRS (1993), in rounds until
  every number is accepted. Round i has a stream of its own: the key (k0, k1 + 2^32 i).

float16 and bfloat16 are computed in float32 and rounded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras.src.backend.config import floatx
from keras.src.random.seed_generator import SeedGenerator, draw_seed, make_default_seed

from kerasflow.bridge.ops.activations import sigmoid
from kerasflow.bridge.ops.precision import compute_dtype, constant
from kerasflow.bridge.ops.tensors import cast, tensor
from kerasflow.bridge.variates import (
    PROPOSALS,
    binomial_variates,
    bits,
    log_gamma_variates,
    standard_normal,
    unit,
)
from kerasflow.tracing import Tracer, apply

Shape = Sequence[int]


def _word(dtype: Any) -> Any:
    """The dtype of the bits for numbers of a floating dtype."""
    return np.uint64 if compute_dtype(dtype) == "float64" else np.uint32


def _is(x: Any, number: float) -> bool:
    """Whether x is known to be a number."""
    return not isinstance(x, Tracer) and np.ndim(x) == 0 and bool(x == number)


def _scaled(x: Any, factor: Any, offset: Any) -> Any:
    """`x * factor + offset`, without operations that change nothing."""
    factor, offset = tensor(factor, x.dtype), tensor(offset, x.dtype)
    x = x if _is(factor, 1) else x * factor
    return x if _is(offset, 0) else x + offset


def uniform(shape: Shape, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    dtype = dtype or floatx()
    draws = unit(bits(draw_seed(seed), shape, _word(dtype)))
    compute = draws.dtype
    minval, maxval = tensor(minval, compute), tensor(maxval, compute)
    if compute == np.dtype(dtype) and _is(minval, 0) and _is(maxval, 1):
        return draws
    result = cast(minval + draws * (maxval - minval), dtype)
    return np.minimum(result, np.nextafter(cast(maxval, dtype), cast(minval, dtype)))


def normal(shape: Shape, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    dtype = dtype or floatx()
    count = math.prod(shape)
    pairs = standard_normal(bits(draw_seed(seed), (2, -(-count // 2)), _word(dtype)))
    draws = np.reshape(np.reshape(pairs, -1)[:count], tuple(shape))
    return cast(_scaled(draws, stddev, mean), dtype)


# The normal distribution function at -2, and the probability between -2 and 2.
_BELOW = 0.022750131948179212
_BETWEEN = 1 - 2 * _BELOW

# Wichura (1988), algorithm AS 241, PPND16: numerators and denominators, lowest power first.
_CENTRE = (
    (3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
     45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727),
    (1.0, 42.313330701600911252, 687.18700749205790830, 5394.1960214247511077,
     21213.794301586595867, 39307.895800092710610, 28729.085735721942674, 5226.4952788528545610),
)  # fmt: skip
_TAIL = (
    (1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
     1.27045825245236838258, 0.241780725177450611770, 0.0227238449892691845833, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187, 1.67638483018380384940, 0.689767334985100004550,
     0.148103976427480074590, 0.0151986665636164571966, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip


def _ratio(x: Any, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> Any:
    """A ratio of two polynomials."""
    values = []
    for polynomial in coefficients:
        value: Any = polynomial[-1]
        for c in polynomial[-2::-1]:
            value = value * x + c
        values.append(value)
    return values[0] / values[1]


def _normal_quantile(p: Any) -> Any:
    """The inverse of the normal distribution function for p in [P(-5), P(5)]."""
    centred = p - 0.5
    centre = centred * _ratio(0.180625 - np.square(centred), _CENTRE)
    tail = _ratio(np.sqrt(-np.log(np.minimum(p, 1 - p))) - 1.6, _TAIL)
    return np.where(np.absolute(centred) <= 0.425, centre, np.copysign(tail, centred))


def truncated_normal(
    shape: Shape, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None
) -> Any:
    """Normal numbers, given that they are within two standard deviations of the mean."""
    dtype = dtype or floatx()
    draws = unit(bits(draw_seed(seed), shape, _word(dtype)))
    numbers = np.clip(_normal_quantile(draws * _BETWEEN + _BELOW), -2.0, 2.0)
    return cast(_scaled(numbers, stddev, mean), dtype)


def randint(shape: Shape, minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None) -> Any:
    """Integers from minval up to, not including, maxval."""
    if (
        not isinstance(minval, Tracer)
        and not isinstance(maxval, Tracer)
        and np.any(np.asarray(minval) >= maxval)
    ):
        raise ValueError(f"`minval` must be less than `maxval`. Received: minval={minval}, maxval={maxval}")
    words = bits(draw_seed(seed), shape, np.uint64)
    # Modulo 2^64, in which two's complement makes negative bounds right.
    low, high = (_modulo_2_64(x) for x in (minval, maxval))
    return cast(words % (high - low) + low, dtype)


def _modulo_2_64(x: Any) -> Any:
    x = np.asarray(x % 2**64, np.uint64) if isinstance(x, int) else tensor(x)
    return x if x.dtype == np.uint64 else cast(cast(x, "int64"), "uint64")


def categorical(logits: Any, num_samples: int, dtype: Any = "int64", seed: Any = None) -> Any:
    """Classes, drawn with the probabilities softmax(logits), for each row of logits."""
    logits = cast(logits, "float64")
    words = bits(draw_seed(seed), (logits.shape[0], num_samples, logits.shape[-1]), np.uint64)
    draws = (cast(words >> np.uint64(12), "float64") + 0.5) * 2.0**-52
    return cast(np.argmax(np.expand_dims(logits, 1) - np.log(-np.log(draws)), axis=-1), dtype)


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """The slices along an axis in random order."""
    x = tensor(x)
    order = np.argsort(bits(draw_seed(seed), (x.shape[axis],), np.uint64), kind="stable")
    return np.moveaxis(apply("gather", np.moveaxis(x, axis, 0), order), 0, axis)


def _keep_mask(seed: Any, keep: float, shape: Shape) -> Any:
    """True with probability `keep`; as few random bits as that allows."""
    dtype: Any
    if (keep * 256).is_integer():
        dtype, threshold = np.uint8, int(keep * 256)
    elif min(keep, 1 - keep) >= 0.01:
        dtype, threshold = np.uint16, round(keep * 2**16)
    else:
        dtype, threshold = np.uint32, min(max(round(keep * 2**32), 1), 2**32 - 1)
    return bits(seed, shape, dtype) < np.asarray(threshold, dtype)


def dropout(
    inputs: Any, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Any = None
) -> Any:
    """The inputs, each element zero with probability `rate`, the others divided by 1 - rate."""
    inputs, rate = tensor(inputs), float(rate)
    if not 0 <= rate <= 1:
        raise ValueError(f"`rate` must be between 0 and 1. Received: rate={rate}")
    if rate == 1:
        return np.zeros_like(inputs)
    if rate == 0:
        return inputs
    shape = inputs.shape
    if noise_shape is not None:
        shape = tuple(inputs.shape[i] if n is None else n for i, n in enumerate(noise_shape))
    kept = _keep_mask(draw_seed(seed), 1 - rate, shape)
    return np.where(kept, inputs * constant(1 / (1 - rate), inputs), constant(0, inputs))


def _parameter(x: Any, word: Any) -> Any:
    return tensor(x, "float64" if word == np.uint64 else "float32")


def gamma(shape: Shape, alpha: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Gamma variates with scale 1; alpha's gradient moves each one as its distribution moves."""
    dtype = dtype or floatx()
    word = _word(dtype)
    words = bits(draw_seed(seed), (4, PROPOSALS, *shape), word)
    return cast(np.exp(log_gamma_variates(words, _parameter(alpha, word))), dtype)


def beta(shape: Shape, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Beta variates; gradients flow to the parameters as with `gamma`."""
    dtype = dtype or floatx()
    word = _word(dtype)
    words = bits(draw_seed(seed), (2, 4, PROPOSALS, *shape), word)
    x = log_gamma_variates(words[0], _parameter(alpha, word))
    y = log_gamma_variates(words[1], _parameter(beta, word))
    # exp(x) / (exp(x) + exp(y)), without the variates themselves: those may be too small for the dtype.
    return cast(sigmoid(x - y), dtype)


def binomial(shape: Shape, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Numbers of successes in `counts` trials; NaN where a parameter makes no sense."""
    counts, probabilities = (apply("stop_gradient", tensor(x, "float64")) for x in (counts, probabilities))
    return cast(binomial_variates(draw_seed(seed), tuple(shape), counts, probabilities), dtype or floatx())


__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "draw_seed",
    "dropout",
    "gamma",
    "make_default_seed",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]
