"""The one source of randomness: Philox4x64-10 bits, a function of the seed alone; and the gamma variate's derivative.

Definition. A seed is two unsigned integers `(k0, k1)`, the state of a Keras
`SeedGenerator`. The stream of 64-bit words is Philox4x64-10 (Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", SC11) with key `(k0, k1)` and
counters `(1, 0, 0, 0), (2, 0, 0, 0), ...`, four words a counter: NumPy's
`Philox(key=[k0, k1])`. Read as little-endian bytes, the stream gives the
elements of the wanted unsigned dtype in C order.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from kerasflow.graph import Primitive, ShapedArray
from kerasflow.primitives.elementwise import broadcast_shapes

_local = threading.local()


def philox(seed: Any) -> np.random.Philox:
    """A Philox bit generator at the start of the stream of `seed`.

    The object is this thread's own and is set anew by the next call: making one costs ten times as much.
    """
    if not hasattr(_local, "bits"):
        _local.bits = np.random.Philox(0)
        _local.state = _local.bits.state
        _local.state["state"]["counter"] = np.zeros(4, np.uint64)
        _local.state.update(buffer_pos=4, has_uint32=0, uinteger=0)
    _local.state["state"]["key"] = np.asarray(seed).astype(np.uint64)
    bits: np.random.Philox = _local.bits
    bits.state = _local.state
    return bits


def random_bits(seed: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Random bits of the given shape and unsigned dtype; see the module's definition."""
    count = int(np.prod(shape, dtype=np.int64))
    words = -(-count * dtype.itemsize // 8)
    bits = philox(seed).random_raw(words).view(dtype)[:count]
    return bits.reshape(shape)


def _rule(seed: ShapedArray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> ShapedArray:
    if seed.shape != (2,) or seed.dtype.kind not in "ui":
        raise ValueError(f"a seed is two integers, received {seed}")
    return ShapedArray(shape, dtype)


def random_gamma_grad(alpha: Any, x: Any) -> Any:
    """The derivative of a gamma variate x by its parameter alpha, at the same place of the distribution.

    Implicit reparameterisation (Figurnov, Mohamed and Mnih, 2018): minus the derivative of the distribution function by
    alpha, divided by the density. The former by central differences, in the tail in which x is, where all digits of
    the function count. For large alpha those digits do not suffice, and Wilson and Hilferty's approximation (1931)
    does: the cube root of a gamma variate is normal.
    """
    from scipy.special import gammainc, gammaincc, gammaln

    a, z = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (alpha, x)))
    step = 1e-4 * np.sqrt(a) * np.minimum(1, np.sqrt(a))
    lower = z < a

    def tail(a: Any) -> Any:
        return np.where(lower, -gammainc(a, z), gammaincc(a, z))

    density = np.exp((a - 1) * np.log(z) - z - gammaln(a))
    found = (tail(a + step) - tail(a - step)) / (2 * step * density)
    root = np.cbrt(z / a)
    normal = 3 * np.sqrt(a) * (root - 1 + 1 / (9 * a))
    large = root**3 + 3 * a * root**2 * (1 / (9 * a**2) - normal / (6 * a**1.5))
    return np.where(a < 1e5, found, large).astype(alpha.dtype)


def _gamma_rule(alpha: ShapedArray, x: ShapedArray) -> ShapedArray:
    if alpha.dtype != x.dtype or alpha.dtype.kind not in "fV":
        raise ValueError(
            f"random_gamma_grad: operands of one floating dtype are needed, received {alpha} and {x}"
        )
    return ShapedArray(broadcast_shapes(alpha.shape, x.shape), x.dtype)


PRIMITIVES: tuple[Primitive, ...] = (
    Primitive("random_bits", random_bits, _rule),
    Primitive("random_gamma_grad", random_gamma_grad, _gamma_rule, elementwise=True),
)
