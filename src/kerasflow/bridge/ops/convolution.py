"""Convolutions in Keras's terms, and patches: `unfold` and its transpose `fold`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras.src.backend.config import standardize_data_format

from kerasflow.bridge.ops.precision import common_dtype
from kerasflow.bridge.ops.tensors import cast, convert_to_tensor
from kerasflow.primitives.convolution import Pairs, Sizes, output_sizes
from kerasflow.tracing import apply

Number = int | Sequence[int]


def spatial(value: Number, count: int, name: str) -> Sizes:
    """A number for each spatial axis, from one number or several.

    Raises:
        ValueError: if there is another number of them, or one is not positive.
    """
    numbers = (value,) * count if isinstance(value, (int, np.integer)) else tuple(value)
    numbers = numbers * count if len(numbers) == 1 else numbers
    if len(numbers) != count or any(n < 1 for n in numbers):
        raise ValueError(
            f"`{name}` must be a positive integer or {count} of them. Received: {name}={value!r}"
        )
    return tuple(int(n) for n in numbers)


def same_padding(sizes: Sizes, window: Sizes, strides: Sizes, dilation: Sizes) -> Pairs:
    """The padding with which there is a result for each stride begun; an odd one goes behind."""
    pairs = []
    for n, k, s, d in zip(sizes, window, strides, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)


def window_padding(padding: str, sizes: Sizes, window: Sizes, strides: Sizes, dilation: Sizes) -> Pairs:
    """The padding that `"valid"` or `"same"` stands for."""
    name = str(padding).lower()
    if name not in ("valid", "same"):
        raise ValueError(f'`padding` must be "valid" or "same". Received: padding={padding!r}')
    if name == "valid":
        return ((0, 0),) * len(sizes)
    return same_padding(sizes, window, strides, dilation)


def channels_last(x: Any, data_format: str) -> Any:
    """x with its channels last."""
    return x if data_format == "channels_last" else np.moveaxis(x, 1, -1)


def as_given(x: Any, data_format: str) -> Any:
    """A channels-last result in the caller's data format."""
    return x if data_format == "channels_last" else np.moveaxis(x, -1, 1)


def _operands(inputs: Any, kernel: Any, data_format: str | None) -> tuple[Any, Any, str]:
    """The inputs channels last, the kernel, both of one dtype, and the data format."""
    data_format = standardize_data_format(data_format)
    inputs, kernel = convert_to_tensor(inputs), convert_to_tensor(kernel)
    if inputs.ndim < 3 or kernel.ndim != inputs.ndim:
        raise ValueError(
            "A convolution takes inputs of shape (batch, *spatial, channels) and a kernel of shape "
            f"(*window, channels, filters). Received: inputs.shape={inputs.shape}, kernel.shape={kernel.shape}"
        )
    dtype = common_dtype(inputs, kernel)
    return channels_last(cast(inputs, dtype), data_format), cast(kernel, dtype), data_format


def _convolve(x: Any, kernel: Any, strides: Number, padding: str, dilation_rate: Number, groups: int) -> Any:
    count, sizes, window = x.ndim - 2, x.shape[1:-1], kernel.shape[:-2]
    strides, dilation = spatial(strides, count, "strides"), spatial(dilation_rate, count, "dilation_rate")
    pairs = window_padding(padding, sizes, window, strides, dilation)
    if 0 in output_sizes(sizes, window, strides, pairs, dilation) and 0 not in x.shape:
        raise ValueError(
            "The convolution operation resulted in an empty output: the input is too small for the window. "
            f"Received: spatial shape {sizes}, window {window}, strides={strides}, "
            f"dilation_rate={dilation}, padding={padding!r}"
        )
    return apply("convolution", x, kernel, strides=strides, padding=pairs, dilation=dilation, groups=groups)


def conv(
    inputs: Any,
    kernel: Any,
    strides: Number = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Number = 1,
) -> Any:
    """Convolution with a kernel (*window, channels // groups, filters); the shapes tell the number of groups."""
    x, kernel, data_format = _operands(inputs, kernel, data_format)
    channels, own = x.shape[-1], kernel.shape[-2]
    if own == 0 or channels % own:
        raise ValueError(
            "The number of input channels must be evenly divisible by kernel's in_channels. "
            f"Received input channels {channels} and kernel in_channels {own}."
        )
    return as_given(_convolve(x, kernel, strides, padding, dilation_rate, channels // own), data_format)


def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Number = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Number = 1,
) -> Any:
    """Convolution of each channel with kernels of its own, (*window, channels, multiplier)."""
    x, kernel, data_format = _operands(inputs, kernel, data_format)
    channels = _check_channels(x, kernel.shape[-2], kernel)
    kernel = np.reshape(kernel, (*kernel.shape[:-2], 1, channels * kernel.shape[-1]))
    return as_given(_convolve(x, kernel, strides, padding, dilation_rate, channels), data_format)


def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Number = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Number = 1,
) -> Any:
    """A depthwise convolution, then one with a window of 1."""
    x = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(x, pointwise_kernel, 1, "valid", data_format)


def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Number = 1,
    padding: str = "valid",
    output_padding: Number | None = None,
    data_format: str | None = None,
    dilation_rate: Number = 1,
) -> Any:
    """The transpose of a convolution, with a kernel (*window, filters, channels)."""
    y, kernel, data_format = _operands(inputs, kernel, data_format)
    _check_channels(y, kernel.shape[-1], kernel)
    count, window = y.ndim - 2, kernel.shape[:-2]
    strides, dilation = spatial(strides, count, "strides"), spatial(dilation_rate, count, "dilation_rate")
    if str(padding).lower() not in ("valid", "same"):
        raise ValueError(f'`padding` must be "valid" or "same". Received: padding={padding!r}')
    extra: tuple[int | None, ...] = (None,) * count
    if output_padding is not None:
        extra = (output_padding,) * count if isinstance(output_padding, int) else tuple(output_padding)
    sizes, pairs = [], []
    for n, k, s, d, more in zip(y.shape[1:-1], window, strides, dilation, extra, strict=True):
        before, behind = _transposed_cut(k, s, d, str(padding).lower(), more)
        full = (n - 1) * s + (k - 1) * d + 1
        sizes.append(full - before - behind)
        pairs.append((before, behind))
    x = apply(
        "convolution_transpose",
        y,
        kernel,
        strides=strides,
        padding=tuple(pairs),
        dilation=dilation,
        groups=1,
        sizes=tuple(sizes),
    )
    return as_given(x, data_format)


def _transposed_cut(
    window: int, stride: int, dilation: int, padding: str, extra: int | None
) -> tuple[int, int]:
    """What Keras cuts off before and behind a full transposed convolution; negative where it adds zeros.

    Without `output_padding`, "same" makes `stride` times as much as there was, and "valid" leaves room for the last
    stride. With it, so much is added behind the shortest result.
    """
    reach = (window - 1) * dilation + 1
    if padding == "valid":
        return 0, -(max(stride - reach, 0) if extra is None else extra)
    kept = stride + reach - 2 if extra is None else reach + reach % 2 - 2 + extra
    before = reach - 1 - min(kept - kept // 2, reach - 1)
    return before, 2 * (reach - 1) - kept - before


def _check_channels(x: Any, expected: int, kernel: Any) -> int:
    channels: int = x.shape[-1]
    if channels != expected:
        raise ValueError(
            f"The number of input channels does not fit the kernel: the input has {channels}, the kernel is for "
            f"{expected}. Received: kernel.shape={kernel.shape}"
        )
    return channels


def _pair(value: Number) -> Sizes:
    return (value, value) if isinstance(value, int) else tuple(value)


def _patches(channels: int, window: Sizes, dtype: Any) -> Any:
    """A kernel that puts each place of a window into a filter of its own, for each channel."""
    places = window[0] * window[1]
    return np.tile(np.eye(places, dtype=dtype).reshape(*window, 1, places), (1, 1, 1, channels))


def unfold(
    input: Any, kernel_size: Number, dilation: Number = 1, padding: Number = 0, stride: Number = 1
) -> Any:
    """The patches of images (N, C, H, W), as (N, C * window, patches)."""
    x = np.moveaxis(convert_to_tensor(input), 1, -1)
    channels, window = x.shape[-1], _pair(kernel_size)
    y = apply(
        "convolution",
        x,
        _patches(channels, window, x.dtype),
        strides=_pair(stride),
        padding=tuple((p, p) for p in _pair(padding)),
        dilation=_pair(dilation),
        groups=channels,
    )
    return np.moveaxis(np.reshape(y, (y.shape[0], -1, y.shape[-1])), -1, 1)


def fold(
    x: Any,
    output_size: Number,
    kernel_size: Number,
    dilation: Number = 1,
    padding: Number = 0,
    stride: Number = 1,
) -> Any:
    """The sum of patches (N, C * window, patches) at their places in images (N, C, H, W)."""
    x = convert_to_tensor(x)
    window, sizes = _pair(kernel_size), _pair(output_size)
    pairs = tuple((p, p) for p in _pair(padding))
    channels = x.shape[1] // (window[0] * window[1])
    patches = output_sizes(sizes, window, _pair(stride), pairs, _pair(dilation))
    if channels * window[0] * window[1] != x.shape[1] or patches[0] * patches[1] != x.shape[2]:
        raise ValueError(
            f"`fold` to {sizes} with a window of {window} takes (N, C * {window[0] * window[1]}, "
            f"{patches[0] * patches[1]}). Received: shape {x.shape}"
        )
    y = np.reshape(np.moveaxis(x, 1, -1), (x.shape[0], *patches, x.shape[1]))
    result = apply(
        "convolution_transpose",
        y,
        _patches(channels, window, x.dtype),
        strides=_pair(stride),
        padding=pairs,
        dilation=_pair(dilation),
        groups=channels,
        sizes=sizes,
    )
    return np.moveaxis(result, -1, 1)
