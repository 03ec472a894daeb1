"""Random numbers that are made by rejection: gamma, beta, binomial (see `kerasflow.bridge.random`)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kerasflow.bridge.ops.control import while_loop
from kerasflow.bridge.ops.gradients import custom_vjp
from kerasflow.bridge.ops.precision import constant
from kerasflow.bridge.ops.tensors import cast
from kerasflow.tracing import Tracer, apply


def bits(seed: Any, shape: Any, dtype: Any) -> Any:
    return apply("random_bits", seed, shape=tuple(int(n) for n in shape), dtype=np.dtype(dtype))


def unit(words: Any) -> Any:
    """Random bits as numbers in [0, 1): float32 from 32 bits, float64 from 64."""
    used, dtype = (24, np.float32) if words.dtype.itemsize == 4 else (53, np.float64)
    unused = words.dtype.itemsize * 8 - used
    return cast(words >> np.asarray(unused, words.dtype), dtype) * constant(2.0**-used, np.zeros((), dtype))


def standard_normal(words: Any) -> Any:
    """Normal numbers from bits of shape (2, m, ...): of shape (2, m, ...)."""
    radius = np.sqrt(np.log(1 - unit(words[0])) * -2)
    angle = unit(words[1]) * (2 * math.pi)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)])


# -- gamma --------------------------------------------------------------------------------------------------

PROPOSALS = 8


def log_gamma_variates(words: Any, alpha: Any) -> Any:
    """Logarithms of gamma variates with the derivatives that alpha gives them, from bits (4, proposals, *shape)."""
    # For alpha below 1: a variate for alpha + 1, times a uniform number to the power 1 / alpha.
    small = alpha < 1
    boost = np.log(1 - unit(words[3, 0])) / np.where(small, alpha, 1)
    return _at_least_one(words, np.where(small, alpha + 1, alpha)) + np.where(small, boost, 0)


def _at_least_one(words: Any, alpha: Any) -> Any:
    """The same for alpha of at least 1."""
    fixed = apply("stop_gradient", alpha)
    d = fixed - 1 / 3
    normals = standard_normal(words[:2])[0]
    cube = normals / np.sqrt(9 * d) + 1
    possible = cube > 0
    log_v = np.log(np.where(possible, cube, 1)) * 3
    log_u = np.log(1 - unit(words[2]))
    accepted = np.logical_and(possible, log_u < np.square(normals) * 0.5 + d * (1 - np.exp(log_v) + log_v))
    first = np.expand_dims(np.argmax(accepted, axis=0), 0)
    result = np.log(d) + np.take_along_axis(log_v, first, axis=0)[0]
    if not isinstance(alpha, Tracer):
        return result
    # Which proposal is accepted depends on alpha too: the derivative is that of the distribution's place.
    alphas = np.broadcast_to(alpha, result.shape)

    def derivative(g: Any) -> list[Any]:
        variates = np.exp(result)
        return [g * apply("random_gamma_grad", alphas, variates) / variates]

    return custom_vjp([alphas], [result], derivative)[0]


# -- binomial -----------------------------------------------------------------------------------------------

# Above this mean numbers of successes are proposed and accepted or not; below, they are counted.
_COUNTED = 10.0
# A sum of Poisson's probabilities of more than this, with a mean of 10, is below 2^-53.
_MOST = 60
_ROUNDS = 64


def binomial_variates(seed: Any, shape: tuple[int, ...], counts: Any, probabilities: Any) -> Any:
    """Numbers of successes, in float64.

    Args:
        counts, probabilities: float64, of shapes that fit `shape`.
    """
    counts, probabilities = np.broadcast_to(counts, shape), np.broadcast_to(probabilities, shape)
    rare = np.minimum(probabilities, 1 - probabilities)
    often = counts * rare >= _COUNTED
    few = _by_inversion(seed, counts, np.where(often, 0.0, rare))
    many = _by_rejection(seed, often, np.where(often, counts, 4 * _COUNTED), np.where(often, rare, 0.25))
    found = np.where(often, many, few)
    found = np.where(probabilities > 0.5, counts - found, found)
    valid = np.logical_and(counts >= 0, np.logical_and(probabilities >= 0, probabilities <= 1))
    return np.where(valid, found, np.nan)


def _round_bits(seed: Any, number: Any, shape: tuple[int, ...]) -> Any:
    """A stream for each round: the round's number stands above the seed's 32 bits."""
    number = cast(number, "uint64") << np.uint64(32)
    return bits(cast(seed, "uint64") + np.stack([np.zeros_like(number), number]), (2, *shape), np.uint64)


def _by_inversion(seed: Any, counts: Any, p: Any) -> Any:
    """How many of the probabilities of 0, 1, 2, ... a uniform number exceeds, added up."""
    u = unit(_round_bits(seed, np.uint64(_ROUNDS), counts.shape)[0])
    odds = p / (1 - p)

    def step(k: Any, probability: Any, total: Any, found: Any) -> tuple[Any, ...]:
        found = found + cast(u >= total, "float64")
        probability = probability * odds * (counts - k) / (k + 1)
        return k + 1, probability, total + probability, found

    first = np.exp(counts * np.log1p(-p))
    state = (np.zeros(()), first, first, np.zeros(counts.shape))
    *_, found = while_loop(
        lambda k, p, total, found: np.any(u >= total), step, state, maximum_iterations=_MOST
    )
    return np.minimum(found, counts)


def _stirling(k: Any) -> Any:
    """What Stirling's approximation of log(k!) lacks, for k of at least 0: of the series for k + 1."""
    n = k + 1
    squared = np.square(n)
    return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * squared)) / squared) / squared) / n


def _by_rejection(seed: Any, wanted: Any, n: Any, p: Any) -> Any:
    """Hörmann's transformed rejection, BTRS (1993), for n p of at least 10 and p of at most 1/2."""
    q = 1 - p
    spread = np.sqrt(n * p * q)
    b = 2.53 * spread + 1.15
    a = 0.0248 * b + 0.01 * p - 0.0873
    centre = n * p + 0.5
    odds = p / q
    alpha = (5.1 / b + 2.83) * spread
    mode = np.floor((n + 1) * p)
    height = (
        (mode + 0.5) * np.log((mode + 1) / (odds * (n - mode + 1))) + _stirling(mode) + _stirling(n - mode)
    )

    def step(number: Any, waiting: Any, found: Any) -> tuple[Any, ...]:
        words = _round_bits(seed, number, n.shape)
        u, v = unit(words[0]) - 0.5, 1 - unit(words[1])
        distance = 0.5 - np.absolute(u)
        k = np.floor((2 * a / distance + b) * u + centre)
        possible = np.logical_and(k >= 0, k <= n)
        k = np.clip(k, 0, n)
        level = np.log(v * alpha / (a / np.square(distance) + b))
        bound = height + (n + 1) * np.log((n - mode + 1) / (n - k + 1))
        bound = bound + (k + 0.5) * np.log(odds * (n - k + 1) / (k + 1)) - _stirling(k) - _stirling(n - k)
        accepted = np.logical_and(np.logical_and(possible, level <= bound), waiting)
        return number + 1, np.logical_and(waiting, np.logical_not(accepted)), np.where(accepted, k, found)

    state = (np.zeros((), np.int64), wanted, mode)
    *_, found = while_loop(
        lambda number, waiting, found: np.any(waiting), step, state, maximum_iterations=_ROUNDS
    )
    return found
