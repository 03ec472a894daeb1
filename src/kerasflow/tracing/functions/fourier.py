"""`np.fft` on tracers: each transform along one axis after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasflow.tracing.normalize import as_operand, canonical_axis, cast
from kerasflow.tracing.source import at_user_line
from kerasflow.tracing.trace import apply

# By how much the unscaled forward transform of n numbers, and the backward one scaled by 1 / n, are multiplied.
_SCALES: dict[str | None, tuple[Callable[[int], float], Callable[[int], float]]] = {
    None: (lambda n: 1.0, lambda n: 1.0),
    "backward": (lambda n: 1.0, lambda n: 1.0),
    "ortho": (lambda n: n**-0.5, lambda n: n**0.5),
    "forward": (lambda n: 1 / n, lambda n: float(n)),
}


def _numbers(a: Any, *, complex: bool) -> Any:
    """An operand with at least single precision, as real or as complex numbers.

    Raises:
        TypeError: where real numbers are wanted, for complex ones.
    """
    a = as_operand(a)
    if not complex and a.dtype.kind == "c":
        raise TypeError(at_user_line(f"a transform of real numbers was given {a.dtype}"))
    single = a.dtype.itemsize == 2 and a.dtype.kind in "fV"
    dtype = np.float32 if single else (np.float64 if a.dtype.kind in "iub" else a.dtype)
    return cast(a, np.result_type(dtype, np.complex64) if complex else dtype)


def _fit(a: Any, n: int, axis: int) -> Any:
    """The axis cut, or filled up with zeros, to n elements."""
    if a.shape[axis] == n:
        return a
    if a.shape[axis] > n:
        return a[(*[slice(None)] * axis, slice(n))]
    return np.pad(a, [(0, n - a.shape[axis] if i == axis else 0) for i in range(a.ndim)])


def _along(name: str, a: Any, n: int, axis: Any, norm: str | None, fitted: int | None = None) -> Any:
    """One transform of length n along one axis.

    Args:
        fitted: how many elements of the axis it takes, n if None.

    Raises:
        ValueError: if there is nothing to transform, or `norm` is none of NumPy's.
    """
    if n < 1:
        raise ValueError(at_user_line(f"Invalid number of FFT data points ({n}) specified."))
    if norm not in _SCALES:
        raise ValueError(
            f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".',
        )
    axis = canonical_axis(axis, a.ndim)
    last = np.moveaxis(_fit(a, n if fitted is None else fitted, axis), axis, -1)
    result = apply(name, last, n=n) if name == "irfft" else apply(name, last)
    scale = _SCALES[norm][name.startswith("i")](n)
    return np.moveaxis(result if scale == 1 else result * scale, -1, axis)


# -- one axis -----------------------------------------------------------------------------------------------


def _of_complex(name: str) -> Callable[..., Any]:
    def handler(
        a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None
    ) -> Any:
        a = _numbers(a, complex=True)
        return _along(name, a, a.shape[axis] if n is None else n, axis, norm)

    return handler


def rfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Any:
    a = _numbers(a, complex=False)
    return _along("rfft", a, a.shape[axis] if n is None else n, axis, norm)


def irfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Any:
    a = _numbers(a, complex=True)
    n = (a.shape[axis] - 1) * 2 if n is None else n
    return _along("irfft", a, n, axis, norm, n // 2 + 1)


# The transforms of Hermitian signals are those of real ones in the other direction.
_SWAPPED = {"backward": "forward", None: "forward", "ortho": "ortho", "forward": "backward"}


def hfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Any:
    return irfft(np.conjugate(as_operand(a)), n, axis, _SWAPPED.get(norm, norm))


def ihfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Any:
    return np.conjugate(rfft(a, n, axis, _SWAPPED.get(norm, norm)))


# -- several axes -------------------------------------------------------------------------------------------


def _sizes(a: Any, s: Any, axes: Any) -> tuple[list[int], list[int]]:
    """The length of each transform and its axis; of NumPy's many forms of `s` and `axes`."""
    if axes is None:
        axes = range(a.ndim) if s is None else range(-len(s), 0)
    axes = [canonical_axis(i, a.ndim) for i in axes]
    sizes = [a.shape[i] for i in axes] if s is None else [n.__index__() for n in s]
    if len(sizes) != len(axes):
        raise ValueError("Shape and axes have different lengths.")
    return [a.shape[i] if n == -1 else n for n, i in zip(sizes, axes, strict=True)], axes


def _over(name: str, a: Any, sizes: Sequence[int], axes: Sequence[int], norm: str | None) -> Any:
    """Transforms of complex numbers along several axes, the last one first."""
    for n, axis in reversed(list(zip(sizes, axes, strict=True))):
        a = _along(name, a, n, axis, norm)
    return a


def _of_several(name: str, default: Any) -> Callable[..., Any]:
    def handler(a: Any, s: Any = None, axes: Any = default, norm: str | None = None, out: Any = None) -> Any:
        a = _numbers(a, complex=True)
        return _over(name, a, *_sizes(a, s, axes), norm)

    return handler


def _rfft_of_several(default: Any) -> Callable[..., Any]:
    def handler(a: Any, s: Any = None, axes: Any = default, norm: str | None = None, out: Any = None) -> Any:
        a = _numbers(a, complex=False)
        sizes, axes = _sizes(a, s, axes)
        a = _along("rfft", a, sizes[-1], axes[-1], norm)
        return _over("fft", a, sizes[:-1], axes[:-1], norm)

    return handler


def _irfft_of_several(default: Any) -> Callable[..., Any]:
    def handler(a: Any, s: Any = None, axes: Any = default, norm: str | None = None, out: Any = None) -> Any:
        a = _numbers(a, complex=True)
        sizes, axes = _sizes(a, s, axes)
        for n, axis in zip(sizes[:-1], axes[:-1], strict=True):
            a = _along("ifft", a, n, axis, norm)
        return irfft(a, None if s is None else sizes[-1], axes[-1], norm)

    return handler


# -- order of frequencies -----------------------------------------------------------------------------------


def _shift(half: Callable[[int], int]) -> Callable[..., Any]:
    def handler(x: Any, axes: Any = None) -> Any:
        x = as_operand(x)
        axes = range(x.ndim) if axes is None else np.atleast_1d(axes).tolist()
        return np.roll(x, tuple(half(x.shape[i]) for i in axes), tuple(axes))

    return handler


FUNCTIONS = {
    np.fft.fft: _of_complex("fft"),
    np.fft.ifft: _of_complex("ifft"),
    np.fft.rfft: rfft,
    np.fft.irfft: irfft,
    np.fft.hfft: hfft,
    np.fft.ihfft: ihfft,
    np.fft.fft2: _of_several("fft", (-2, -1)),
    np.fft.ifft2: _of_several("ifft", (-2, -1)),
    np.fft.fftn: _of_several("fft", None),
    np.fft.ifftn: _of_several("ifft", None),
    np.fft.rfft2: _rfft_of_several((-2, -1)),
    np.fft.rfftn: _rfft_of_several(None),
    np.fft.irfft2: _irfft_of_several((-2, -1)),
    np.fft.irfftn: _irfft_of_several(None),
    np.fft.fftshift: _shift(lambda n: n // 2),
    np.fft.ifftshift: _shift(lambda n: -(n // 2)),
}
