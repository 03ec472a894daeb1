"""Moments, batch normalization, signal-to-noise ratio."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.backend.common import standardize_dtype

from kerasflow.bridge.ops.precision import HALVES, compute_dtype, constant, floating
from kerasflow.bridge.ops.sums import mean
from kerasflow.bridge.ops.tensors import cast, tensor
from kerasflow.tracing import Tracer, apply


def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> tuple[Any, Any]:
    if synchronized:
        raise NotImplementedError(
            "Argument `synchronized=True` is not supported: there is one device. Use `synchronized=False`."
        )
    x = floating(x)
    axes = tuple(axes) if isinstance(axes, (list, tuple)) else axes
    dtype = x.dtype
    x = cast(x, compute_dtype(dtype))
    centre = mean(x, axes, keepdims=True)
    # A variance is E[(x - c)²] - (E[x] - c)² for any number c. With the mean itself for c, held fixed, the second term
    # is 0, and so is its gradient: none goes through all of x once more, to add up to nothing.
    fixed = apply("stop_gradient", centre) if isinstance(centre, Tracer) else centre
    variance = mean(np.square(x - fixed), axes, keepdims=True)
    if fixed is not centre:
        variance = variance - np.square(centre - fixed)
    if not keepdims:
        centre, variance = np.squeeze(centre, axes), np.squeeze(variance, axes)
    if standardize_dtype(dtype) in HALVES:
        limit = float(np.finfo(np.float16).max)
        centre, variance = np.clip(centre, -limit, limit), np.clip(variance, -limit, limit)
    return cast(centre, dtype), cast(variance, dtype)


def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    x, mean, variance = tensor(x), tensor(mean), tensor(variance)
    shape = [1] * x.ndim
    shape[axis] = mean.shape[0]
    factor = constant(1, variance) / np.sqrt(variance + constant(epsilon, variance))
    if scale is not None:
        factor = factor * tensor(scale)
    shift = -mean * factor
    if offset is not None:
        shift = shift + tensor(offset)
    # Two operations on all elements; everything before is one number a channel.
    return x * np.reshape(factor, shape) + np.reshape(shift, shape)


def psnr(x1: Any, x2: Any, max_val: float) -> Any:
    x1, x2 = tensor(x1), tensor(x2)
    if x1.shape != x2.shape:
        raise ValueError(f"Input shapes {x1.shape} and {x2.shape} must match for PSNR calculation.")
    x1, x2 = floating(x1), floating(x2)
    noise = np.mean(np.square(x1 - x2))
    peak = np.log10(tensor(max_val, dtype=x2.dtype))
    return peak * constant(20, peak) - np.log10(noise) * constant(10, noise)
