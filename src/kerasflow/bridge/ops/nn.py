"""Keras's neural-network operations (`keras.src.backend.numpy.nn`), gathered from the families."""

from __future__ import annotations

from kerasflow.bridge.ops.activations import (
    celu,
    elu,
    gelu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    tanh,
    tanh_shrink,
    threshold,
)
from kerasflow.bridge.ops.attention import dot_product_attention
from kerasflow.bridge.ops.convolution import (
    conv,
    conv_transpose,
    depthwise_conv,
    fold,
    separable_conv,
    unfold,
)
from kerasflow.bridge.ops.ctc import ctc_decode, ctc_loss
from kerasflow.bridge.ops.encodings import multi_hot, one_hot
from kerasflow.bridge.ops.losses import (
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from kerasflow.bridge.ops.normalization import batch_normalization, moments, psnr
from kerasflow.bridge.ops.pooling import adaptive_average_pool, adaptive_max_pool, average_pool, max_pool
from kerasflow.bridge.ops.rearrange import depth_to_space, space_to_depth
from kerasflow.bridge.ops.unavailable import unavailable


__all__ = [
    "adaptive_average_pool",
    "adaptive_max_pool",
    "average_pool",
    "batch_normalization",
    "binary_crossentropy",
    "categorical_crossentropy",
    "celu",
    "conv",
    "conv_transpose",
    "ctc_decode",
    "ctc_loss",
    "depth_to_space",
    "depthwise_conv",
    "dot_product_attention",
    "elu",
    "fold",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "max_pool",
    "moments",
    "multi_hot",
    "one_hot",
    "psnr",
    "relu",
    "relu6",
    "selu",
    "separable_conv",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "space_to_depth",
    "sparse_categorical_crossentropy",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "tanh",
    "tanh_shrink",
    "threshold",
    "unfold",
]
