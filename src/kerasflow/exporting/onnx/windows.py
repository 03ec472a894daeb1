"""Convolution and pooling, in ONNX's operators: those have the channels before the spatial axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kerasflow.exporting.onnx.builder import Builder, Tensor
from kerasflow.exporting.onnx.elementwise import HALF, via
from kerasflow.graph import Node
from kerasflow.primitives.convolution import Pairs, Sizes

Windowed = Callable[..., Tensor]


def _channels_first(b: Builder, x: Tensor, spatial: int) -> Tensor:
    return b.transpose(x, (0, spatial + 1, *range(1, spatial + 1)))


def _channels_last(b: Builder, x: Tensor, spatial: int) -> Tensor:
    return b.transpose(x, (0, *range(2, spatial + 2), 1))


def _filters_first(b: Builder, kernel: Tensor, spatial: int) -> Tensor:
    return b.transpose(kernel, (spatial + 1, spatial, *range(spatial)))


def _widths(padding: Pairs, sign: int) -> list[int]:
    """How much is put before each axis and how much behind, as ONNX lists it; with -1 how much is cut off."""
    return [max(sign * pair[side], 0) for side in (0, 1) for pair in padding]


def _cut(b: Builder, x: Tensor, padding: Pairs, sizes: Sequence[int]) -> Tensor:
    """x, channels first, with its spatial axes cut where the padding is negative."""
    if not any(_widths(padding, -1)):
        return x
    starts = [max(-before, 0) for before, _ in padding]
    ends = [n - max(-behind, 0) for n, (_, behind) in zip(sizes, padding, strict=True)]
    return b.op("Slice", x, b.dims(starts), b.dims(ends), b.dims(range(2, len(sizes) + 2)))


def _convolution(
    b: Builder,
    x: Tensor,
    kernel: Tensor,
    node: Node,
    *,
    strides: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> Tensor:
    spatial = len(strides)
    x = _cut(b, _channels_first(b, x, spatial), padding, node.inputs[0].aval.shape[1:-1])
    y = b.op(
        "Conv", x, _filters_first(b, kernel, spatial), strides=strides, pads=_widths(padding, 1),
        dilations=dilation, group=groups,
    )  # fmt: skip
    return _channels_last(b, y, spatial)


def _convolution_transpose(
    b: Builder,
    y: Tensor,
    kernel: Tensor,
    node: Node,
    *,
    strides: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
    sizes: Sizes,
) -> Tensor:
    """What the windows reach is cut off, or filled up with zeros, to the wanted sizes."""
    spatial = len(strides)
    given, window = node.inputs[0].aval.shape[1:-1], node.inputs[1].aval.shape[:-2]
    reached = [
        (n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(given, strides, window, dilation, strict=True)
    ]
    margins = tuple(
        (before, all - before - n) for n, all, (before, _) in zip(sizes, reached, padding, strict=True)
    )
    x = b.op(
        "ConvTranspose", _channels_first(b, y, spatial), _filters_first(b, kernel, spatial), strides=strides,
        pads=_widths(margins, 1), dilations=dilation, group=groups,
    )  # fmt: skip
    missing = _widths(margins, -1)
    if any(missing):
        x = b.op("Pad", x, b.dims([0, 0, *missing[:spatial], 0, 0, *missing[spatial:]]))
    return _channels_last(b, x, spatial)


def _max_pool(b: Builder, x: Tensor, *, window: Sizes, strides: Sizes, padding: Pairs) -> Tensor:
    spatial = len(window)
    y = b.op(
        "MaxPool",
        _channels_first(b, x, spatial),
        kernel_shape=window,
        strides=strides,
        pads=_widths(padding, 1),
    )
    return _channels_last(b, y, spatial)


# Onnxruntime pools floats and single bytes.
_POOLED: dict[str, Any] = {
    **HALF, "bool": "uint8", "int16": "float32", "uint16": "float32", "int32": "float64", "uint32": "float64",
    "int64": "float64",
}  # fmt: skip

WITH_NODE: dict[str, Windowed] = {
    "convolution": via(_convolution, HALF),
    "convolution_transpose": via(_convolution_transpose, HALF),
}

LOWERINGS: dict[str, Windowed] = {"max_pool": via(_max_pool, _POOLED)}
