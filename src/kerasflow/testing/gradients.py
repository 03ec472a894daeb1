"""Derivatives against numerical ones."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from kerasflow.autodiff import grad
from kerasflow.graph import evaluate, shaped
from kerasflow.testing.spec import COMPLEX, OpSpec
from kerasflow.tracing import Trace, recording


def check_grads(
    function: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    *,
    argnums: Sequence[int] | None = None,
    complex_step: bool = False,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> None:
    """Compare the gradients of a function with numerical ones.

    The function's results are projected on random weights, which gives a scalar
    to differentiate; for the next order the gradient is projected in the same way.
    Every element of every argument is tried, a complex one in both directions.

    Args:
        function: written in NumPy or `keras.ops`; returns an array or a tuple of arrays. It runs on plain arrays
            and on traced ones.
        args: arrays; those to differentiate become float64 or complex128.
        order: the highest order of derivatives to check.
        argnums: the positions of the arguments to differentiate; all of floating or complex dtype if None.
        complex_step: take the first derivative along an imaginary step instead of by central differences: exact,
            for analytic functions of real arguments that accept complex numbers.
        tolerance: relative to the largest element of each gradient, and to each element.

    Raises:
        AssertionError: naming the order, the argument, the element and both numbers.
    """
    given = [np.asarray(x) for x in args]
    if argnums is None:
        argnums = [i for i, x in enumerate(given) if x.dtype.kind in "fcV"]
    at = [given[i].astype(np.complex128 if given[i].dtype.kind == "c" else np.float64) for i in argnums]

    def filled(*xs: Any) -> Any:
        operands = list(given)
        for i, x in zip(argnums, xs, strict=True):
            operands[i] = x
        return function(*operands)

    scalar: Callable[..., Any] = _projection(filled, seed, complex_step)
    value = scalar
    for level in range(1, order + 1):
        gradient = grad(scalar, argnums=tuple(range(len(at))))
        found = _recorded(gradient, at)(*at)
        numeric = _complex_step(value, at) if complex_step and level == 1 else _central_differences(value, at)
        for position, ours, theirs in zip(argnums, found, numeric, strict=True):
            _compare(
                ours, theirs, tolerance, f"derivative of order {level} with respect to argument {position}"
            )
        scalar = _projection(gradient, seed + level)
        value = _recorded(scalar, at)


def _projection(function: Callable[..., Any], seed: int, complex_step: bool = False) -> Callable[..., Any]:
    """The sum of all floating-point results of a function, and of both parts of complex ones, weighted at random.

    Args:
        complex_step: complex results come from an imaginary step, and are weighted as they are.
    """

    def weighted(result: Any, rng: np.random.Generator) -> Any:
        weights = rng.uniform(0.5, 1.5, result.shape)
        if result.dtype.kind == "c" and not complex_step:
            return np.sum(np.real(result * (weights - 1j * rng.uniform(0.5, 1.5, result.shape))))
        return np.sum(result * weights)

    def scalar(*xs: Any) -> Any:
        results = function(*xs)
        results = results if isinstance(results, (tuple, list)) else (results,)
        rng = np.random.default_rng(seed)
        parts = [weighted(r, rng) for r in results if r.dtype.kind in "fc"]
        return functools.reduce(np.add, parts)

    return scalar


def _recorded(function: Callable[..., Any], at: Sequence[Any]) -> Callable[..., Any]:
    """A function as a recorded graph, which is faster to call many times; returns an array, or a list of arrays."""
    trace = Trace()
    with recording(trace):
        outputs = function(*(trace.add_input(shaped(x)) for x in at))
    several = isinstance(outputs, (tuple, list))
    graph = trace.graph(list(outputs) if several else [outputs])

    def call(*xs: Any) -> Any:
        results, _ = evaluate(graph, [], xs)
        return results if several else results[0]

    return call


def _steps(at: Sequence[Any], change: complex) -> Iterator[tuple[int, tuple[int, ...], list[Any]]]:
    """For every element that can be changed so: the argument, the element's index, the arguments with it changed."""
    for i, x in enumerate(at):
        if isinstance(change, complex) and x.dtype.kind != "c":
            continue
        for index in np.ndindex(x.shape):
            moved = x.copy()
            moved[index] += change
            yield i, index, [*at[:i], moved, *at[i + 1 :]]


def _complex_step(value: Callable[..., Any], at: Sequence[Any]) -> list[Any]:
    step = 1e-30
    result = [np.zeros_like(x) for x in at]
    with np.errstate(all="ignore"):
        for i, index, xs in _steps([x.astype(complex) for x in at], 1j * step):
            result[i][index] = value(*xs).imag / step
    return result


def _central_differences(value: Callable[..., Any], at: Sequence[Any]) -> list[Any]:
    """With Richardson's extrapolation from two step sizes: the error is of the fourth order.

    For complex arguments the derivatives along both parts, as ∂/∂x + i ∂/∂y.
    """
    result = [np.zeros_like(x) for x in at]
    directions = (1.0, 1j) if any(x.dtype.kind == "c" for x in at) else (1.0,)
    with np.errstate(all="ignore"):
        for step, weight in ((2e-3, -1 / 3), (1e-3, 4 / 3)):
            for change in (sign * step * way for way in directions for sign in (1, -1)):
                for i, index, xs in _steps(at, change):
                    result[i][index] += weight * value(*xs) / (2 * np.conj(change))
    return result


def _compare(ours: Any, theirs: Any, tolerance: float, what: str) -> None:
    ours = np.asarray(ours)
    assert ours.shape == theirs.shape, f"{what}: it has shape {ours.shape}, the argument {theirs.shape}"
    scale = np.max(np.abs(theirs), initial=0.0)
    error = np.abs(ours - theirs)
    wrong = ~(error <= tolerance * (scale + np.abs(theirs)) + 1e-9)
    if wrong.any():
        index = np.unravel_index(
            np.argmax(np.where(wrong, np.nan_to_num(error, nan=np.inf), -1)), error.shape
        )
        place = tuple(int(i) for i in index)
        raise AssertionError(
            f"{what}: {wrong.sum()} of {wrong.size} elements are wrong. The worst is at {place}: "
            f"automatic differentiation gives {ours[place]}, a numerical derivative {theirs[place]}"
        )


def check_spec_grads(spec: OpSpec, order: int | None = None) -> None:
    """`check_grads` on the call that a spec describes, in double precision, up to the order that it claims."""
    dtype = "complex128" if set(spec.dtypes) <= set(COMPLEX) else "float64"
    function, prepare = spec.function(dtype), spec.prepare
    check_grads(
        function if prepare is None else lambda *drawn: function(*prepare(*drawn)),
        spec.drawn(dtype),
        spec.order if order is None else order,
        argnums=spec.differentiable,
        complex_step=spec.complex_step,
        tolerance=spec.tolerance,
    )
