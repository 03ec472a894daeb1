"""Convolution and its two transposes.

TensorFlow's own kernels where it has them (`Kernels`): one or two spatial axes, floating point, without groups or with
a group for each channel. The rest as the primitives define it, place by place of the window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from kerasflow.primitives.convolution import Pairs, Sizes, output_sizes, windows
from kerasflow_tensorflow.dtypes import HALF, INTEGERS, Lowering, Tensor, via
from kerasflow_tensorflow.places import pad, padding_name, spread, unpad
from kerasflow_tensorflow.sizes import shape

# -- TensorFlow's kernels -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kernels:
    """A convolution as TensorFlow's kernels take it: two spatial axes, and padding by name.

    Attributes:
        padding: what is padded before a kernel runs (nothing, where TensorFlow has a name for it).
        sizes: the input's spatial shape then. ones: the axes that one-dimensional arrays lack.
        options: the kernels' own parameters.
    """

    padding: Pairs
    sizes: Sizes
    ones: Sizes
    groups: int
    options: dict[str, Any]

    def _input(self, x: Tensor) -> Tensor:
        return self._two_axes(pad(x, self.padding))

    def _two_axes(self, x: Tensor) -> Tensor:
        return tf.reshape(x, [shape(x)[0], *self.ones, *x.shape[1:]])

    def _kernel(self, window: Sizes, channels: int, filters: int) -> list[int]:
        """The shape of a kernel; depthwise ones have the filters of each channel last."""
        last = (channels, filters) if self.groups == 1 else (self.groups, filters // self.groups)
        return [*self.ones, *window, *last]

    def convolve(self, x: Tensor, kernel: Tensor) -> Tensor:
        function = tf.raw_ops.Conv2D if self.groups == 1 else tf.raw_ops.DepthwiseConv2dNative
        wanted = self._kernel(kernel.shape[:-2], *kernel.shape[-2:])
        return function(input=self._input(x), filter=tf.reshape(kernel, wanted), **self.options)

    def transpose(self, y: Tensor, kernel: Tensor) -> Tensor:
        function = (
            tf.raw_ops.Conv2DBackpropInput
            if self.groups == 1
            else tf.raw_ops.DepthwiseConv2dNativeBackpropInput
        )
        channels = kernel.shape[-2] * self.groups
        wanted = self._kernel(kernel.shape[:-2], *kernel.shape[-2:])
        x = function(
            input_sizes=[shape(y)[0], *self.ones, *self.sizes, channels],
            filter=tf.reshape(kernel, wanted),
            out_backprop=self._two_axes(y),
            **self.options,
        )
        return unpad(tf.reshape(x, [shape(y)[0], *self.sizes, channels]), self.padding)

    def correlate(self, x: Tensor, y: Tensor, window: Sizes) -> Tensor:
        function = (
            tf.raw_ops.Conv2DBackpropFilter
            if self.groups == 1
            else tf.raw_ops.DepthwiseConv2dNativeBackpropFilter
        )
        return function(
            input=self._input(x),
            filter_sizes=self._kernel(window, x.shape[-1] // self.groups, y.shape[-1]),
            out_backprop=self._two_axes(y),
            **self.options,
        )


def _kernels(
    arrays: tuple[Tensor, ...],
    sizes: Sizes,
    channels: int,
    window: Sizes,
    params: dict[str, Any],
    *,
    backward: bool,
) -> Kernels | None:
    """TensorFlow's kernels for a convolution, if it has any.

    Args:
        sizes, channels: of the input. backward: dilated windows have kernels forwards alone.
    """
    strides, padding, dilation = params["strides"], params["padding"], params["dilation"]
    groups, dilated = params["groups"], any(d > 1 for d in dilation)
    if len(window) > 2 or not arrays[0].dtype.is_floating or any(0 in a.shape for a in arrays):
        return None
    if dilated and (backward or groups > 1 or any(s > 1 for s in strides)):
        return None
    if groups > 1 and (channels != groups or len(set(strides)) > 1):
        return None
    name = padding_name(sizes, window, strides, padding, dilation)
    if name is None:
        sizes = tuple(n + sum(pair) for n, pair in zip(sizes, padding, strict=True))
    if min(*sizes, *window) < 1:
        return None
    ones = (1,) * (2 - len(window))
    options = {
        "strides": [1, *(strides if ones else ()), *strides, 1],  # depthwise kernels want equal ones
        "dilations": [1, *ones, *dilation, 1],
        "padding": name or "VALID",
    }
    return Kernels(padding if name is None else ((0, 0),) * len(window), sizes, ones, groups, options)


# -- place by place -----------------------------------------------------------------------------------------


def _grouped(x: Tensor, groups: int) -> Tensor:
    return tf.reshape(x, [*shape(x)[:-1], groups, x.shape[-1] // groups])


def _products(subscripts: str, x: Tensor, kernel: Tensor) -> Tensor:
    """An einsum of x, its batch and spatial axes as one, with one place of a kernel."""
    kept = shape(x)[:-2]
    found = tf.einsum(subscripts, tf.reshape(x, [math.prod(kept), *x.shape[-2:]]), kernel)
    return tf.reshape(found, [*kept, found.shape[-2] * found.shape[-1]])


def _convolution(x: Tensor, kernel: Tensor, **params: Any) -> Tensor:
    sizes, window = tuple(x.shape[1:-1]), tuple(kernel.shape[:-2])
    strides, padding, dilation = params["strides"], params["padding"], params["dilation"]
    outputs = output_sizes(sizes, window, strides, padding, dilation)
    wanted = [shape(x)[0], *outputs, kernel.shape[-1]]
    kernels = _kernels((x, kernel), sizes, x.shape[-1], window, params, backward=False)
    if kernels and x.shape[0] != 0 and 0 not in wanted[1:]:
        return tf.reshape(kernels.convolve(x, kernel), wanted)
    x, groups = pad(x, padding), params["groups"]
    total = tf.zeros(wanted, x.dtype)
    for place, seen in windows(window, strides, dilation, outputs):
        part = _grouped(x[(slice(None), *seen)], groups)
        total += _products("agc,cgf->agf", part, _grouped(kernel[place], groups))
    return total


def _convolution_transpose(y: Tensor, kernel: Tensor, sizes: Sizes, **params: Any) -> Tensor:
    window, groups, padding = tuple(kernel.shape[:-2]), params["groups"], params["padding"]
    channels = kernel.shape[-2] * groups
    kernels = _kernels((y, kernel), sizes, channels, window, params, backward=True)
    if kernels:
        return kernels.transpose(y, kernel)
    padded = [max(n + before + behind, 0) for n, (before, behind) in zip(sizes, padding, strict=True)]
    wanted = [shape(y)[0], *padded, channels]
    total, grouped = tf.zeros(wanted, y.dtype), _grouped(y, groups)
    for place, seen in windows(window, params["strides"], params["dilation"], tuple(y.shape[1:-1])):
        total += spread(wanted, seen, _products("agf,cgf->agc", grouped, _grouped(kernel[place], groups)))
    return unpad(total, padding)


def _convolution_kernel(x: Tensor, y: Tensor, sizes: Sizes, **params: Any) -> Tensor:
    groups = params["groups"]
    wanted = [*sizes, x.shape[-1] // groups, y.shape[-1]]
    kernels = _kernels((x, y), tuple(x.shape[1:-1]), x.shape[-1], sizes, params, backward=True)
    if kernels:
        return tf.reshape(kernels.correlate(x, y, sizes), wanted)
    if 0 in wanted or 0 in x.shape or 0 in y.shape:
        return tf.zeros(wanted, x.dtype)
    x, right = pad(x, params["padding"]), _grouped(y, groups)
    found = []
    for _, seen in windows(sizes, params["strides"], params["dilation"], tuple(y.shape[1:-1])):
        part = _grouped(x[(slice(None), *seen)], groups)
        left, behind = (tf.reshape(z, [-1, *z.shape[-2:]]) for z in (part, right))
        found.append(tf.einsum("ngc,ngf->cgf", left, behind))
    return tf.reshape(tf.stack(found), wanted)


_WIDE = {**HALF, **INTEGERS}

LOWERINGS: dict[str, Lowering] = {
    "convolution": via(_convolution, _WIDE),
    "convolution_transpose": via(_convolution_transpose, _WIDE),
    "convolution_kernel": via(_convolution_kernel, _WIDE),
}
