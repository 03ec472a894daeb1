"""Layers that belong to no other table: value, gradients, new state."""

import functools
from typing import Any

import keras
import numpy as np

from .case import Case
from .layer_use import IDS, MASKED, PAIR, TRIPLE, X2, X3, X4, X5, L, Use, layer_results, use_cases

ABSTRACT = {
    "Layer": "the base class",
    "Wrapper": "a base class",
    "InputLayer": "holds no computation; in every model",
}
FOREIGN = dict.fromkeys(
    ("TFSMLayer", "FlaxLayer", "JaxLayer", "TorchModuleWrapper"), "wraps another framework's code"
)
LOOKUPS = dict.fromkeys(
    ("IntegerLookup", "StringLookup", "TextVectorization", "HashedCrossing", "Hashing"),
    "gives integers, and has no gradient; it runs before a program",
)
# What has no case here, each with its reason.
EXCLUDED = ABSTRACT | FOREIGN | LOOKUPS


def spectral() -> Any:
    return L.SpectralNormalization(L.Dense(6), power_iterations=2)


def normalization(**kwargs: Any) -> Any:
    layer = L.Normalization(**kwargs)
    layer.adapt(X3 * 3 + 1)
    return layer


USES: dict[str, dict[str, Use]] = {
    "Activation": {"": Use(lambda: L.Activation("tanh"), X3)},
    "ActivityRegularization": {"": Use(lambda: L.ActivityRegularization(0.1, 0.2), X3)},
    "Add": {"": Use(L.Add, TRIPLE), "broadcast": Use(L.Add, (X3, X3[:, :1]))},
    "AlphaDropout": {"": Use(lambda: L.AlphaDropout(0.3), X3, random=True)},
    "Average": {"": Use(L.Average, TRIPLE)},
    "BatchNormalization": {
        "": Use(L.BatchNormalization, X3),
        "training": Use(L.BatchNormalization, X3, call=(("training", True),)),
        "images": Use(lambda: L.BatchNormalization(momentum=0.8), X4, call=(("training", True),)),
        "axis 1, plain": Use(
            lambda: L.BatchNormalization(1, scale=False, center=False), X4, call=(("training", True),)
        ),
        "masked": Use(L.BatchNormalization, X3, call=(("training", True), ("mask", MASKED[..., 0] != 0))),
        "frozen": Use(lambda: L.BatchNormalization(trainable=False), X3, call=(("training", True),)),
    },
    "CategoryEncoding": {
        "multi hot": Use(lambda: L.CategoryEncoding(7), IDS, differentiable=False),
        "one hot": Use(lambda: L.CategoryEncoding(7, output_mode="one_hot"), IDS[:, 0], differentiable=False),
        "count": Use(lambda: L.CategoryEncoding(7, output_mode="count"), IDS, differentiable=False),
    },
    "Concatenate": {"": Use(L.Concatenate, TRIPLE), "axis": Use(lambda: L.Concatenate(1), PAIR)},
    "Cropping1D": {"": Use(lambda: L.Cropping1D((1, 2)), X3)},
    "Cropping2D": {"": Use(lambda: L.Cropping2D(((1, 0), (2, 1))), X4)},
    "Cropping3D": {"": Use(lambda: L.Cropping3D(((1, 0), (2, 1), (0, 1))), X5)},
    "Dense": {
        "": Use(lambda: L.Dense(5), X2),
        "3D": Use(lambda: L.Dense(5, activation="gelu", use_bias=False), X3),
        "regularized": Use(
            lambda: L.Dense(
                5, kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2), activity_regularizer="l2"
            ),
            X2,
        ),
    },
    "Discretization": {
        "": Use(lambda: L.Discretization([-1.0, 0.0, 0.5]), X3, differentiable=False),
        "one hot": Use(
            lambda: L.Discretization([-1.0, 0.5], output_mode="one_hot"), X2[:, :1], differentiable=False
        ),
    },
    "Dot": {
        "": Use(lambda: L.Dot(2), PAIR),
        "normalized": Use(lambda: L.Dot((1, 1), normalize=True), PAIR),
        "2D": Use(lambda: L.Dot(-1), (X2, X2[::-1].copy())),
    },
    "Dropout": {
        "": Use(lambda: L.Dropout(0.3), X3, random=True),
        "noise shape": Use(lambda: L.Dropout(0.3, noise_shape=(None, 1, 6)), X3, random=True),
    },
    "ELU": {"": Use(lambda: L.ELU(0.7), X3)},
    "EinsumDense": {
        "": Use(lambda: L.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d"), X3),
        "heads": Use(
            lambda: L.EinsumDense("abc,cde->abde", (5, 2, 3), bias_axes="de", activation="relu"), X3
        ),
        "ellipsis": Use(lambda: L.EinsumDense("...x,xy->...y", 4, bias_axes="y"), X4),
        "over two": Use(lambda: L.EinsumDense("abc,bcd->ad", 4), X3),
    },
    "Embedding": {
        "": Use(lambda: L.Embedding(7, 3), IDS, differentiable=False),
        "masking": Use(lambda: L.Embedding(7, 3, mask_zero=True), IDS, differentiable=False),
    },
    "Flatten": {"": Use(L.Flatten, X4), "channels first": Use(lambda: L.Flatten("channels_first"), X4)},
    "GaussianDropout": {"": Use(lambda: L.GaussianDropout(0.3), X3, random=True)},
    "GaussianNoise": {"": Use(lambda: L.GaussianNoise(0.3), X3, random=True)},
    "GroupNormalization": {
        "": Use(lambda: L.GroupNormalization(3), X4),
        "instance": Use(lambda: L.GroupNormalization(-1), X4),
        "axis 1": Use(lambda: L.GroupNormalization(2, axis=1, scale=False), X4),
    },
    "Identity": {"": Use(L.Identity, X3)},
    "Lambda": {"": Use(lambda: L.Lambda(lambda x: keras.ops.tanh(x) * 2 + x[:, ::-1]), X3)},
    "LayerNormalization": {
        "": Use(L.LayerNormalization, X3),
        "two axes": Use(lambda: L.LayerNormalization(axis=(1, 2), center=False), X4),
        "axis 1": Use(lambda: L.LayerNormalization(axis=1, epsilon=0.1), X3),
    },
    "LeakyReLU": {"": Use(lambda: L.LeakyReLU(0.2), X3)},
    "Masking": {"": Use(L.Masking, MASKED)},
    "Maximum": {"": Use(L.Maximum, TRIPLE)},
    "Minimum": {"": Use(L.Minimum, TRIPLE)},
    "Multiply": {"": Use(L.Multiply, TRIPLE)},
    "Normalization": {
        "adapted": Use(normalization, X3),
        "axis 1": Use(lambda: normalization(axis=1), X3),
        "given": Use(lambda: L.Normalization(mean=0.5, variance=2.0), X3),
        "inverse": Use(lambda: normalization(invert=True), X3),
    },
    "PReLU": {"": Use(L.PReLU, X3), "shared": Use(lambda: L.PReLU(shared_axes=[1]), X3)},
    "Permute": {"": Use(lambda: L.Permute((3, 1, 2)), X4)},
    "Pipeline": {"": Use(lambda: L.Pipeline([L.Rescaling(0.5), L.Rescaling(2.0, 1.0)]), X3)},
    "RMSNormalization": {"": Use(L.RMSNormalization, X3)},
    "ReLU": {"": Use(L.ReLU, X3), "options": Use(lambda: L.ReLU(1.5, 0.1, 0.2), X3)},
    "RepeatVector": {"": Use(lambda: L.RepeatVector(3), X2)},
    "Rescaling": {
        "": Use(lambda: L.Rescaling(0.5, -1.0), X3),
        "list": Use(lambda: L.Rescaling([1.0, 2, 3, 4, 5, 6]), X3),
    },
    "Reshape": {"": Use(lambda: L.Reshape((-1, 3)), X3)},
    "ReversibleEmbedding": {
        "": Use(lambda: L.ReversibleEmbedding(7, 3), IDS, differentiable=False),
        "reverse": Use(lambda: L.ReversibleEmbedding(7, 6), X3, call=(("reverse", True),)),
        "untied": Use(lambda: L.ReversibleEmbedding(7, 6, tie_weights=False), X3, call=(("reverse", True),)),
    },
    "Softmax": {
        "": Use(L.Softmax, X3),
        "masked": Use(L.Softmax, X3, call=(("mask", np.abs(X3) < 1.5),)),
        "two axes": Use(lambda: L.Softmax((1, 2)), X3),
    },
    "SpatialDropout1D": {"": Use(lambda: L.SpatialDropout1D(0.3), X3, random=True)},
    "SpatialDropout2D": {"": Use(lambda: L.SpatialDropout2D(0.3), X4, random=True)},
    "SpatialDropout3D": {"": Use(lambda: L.SpatialDropout3D(0.3), X5, random=True)},
    "SpectralNormalization": {
        "": Use(spectral, X2),
        "training": Use(spectral, X2, call=(("training", True),)),
    },
    "Subtract": {"": Use(L.Subtract, PAIR)},
    "UnitNormalization": {
        "": Use(L.UnitNormalization, X3),
        "axis": Use(lambda: L.UnitNormalization((1, 2)), X3),
    },
    "UpSampling1D": {"": Use(lambda: L.UpSampling1D(3), X3)},
    "UpSampling2D": {
        "": Use(lambda: L.UpSampling2D((2, 3)), X4),
        "bilinear": Use(lambda: L.UpSampling2D(2, interpolation="bilinear"), X4),
    },
    "UpSampling3D": {"": Use(lambda: L.UpSampling3D((2, 1, 2)), X5)},
    "ZeroPadding1D": {"": Use(lambda: L.ZeroPadding1D((1, 2)), X3)},
    "ZeroPadding2D": {"": Use(lambda: L.ZeroPadding2D(((1, 0), (2, 1))), X4)},
    "ZeroPadding3D": {"": Use(lambda: L.ZeroPadding3D(1), X5)},
}
NOT_ACTIVATIONS = {"deserialize", "get", "serialize"}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "threshold": {"threshold": 0.5, "default_value": -1.0},
    "gelu": {"approximate": True},
}


def activation_names() -> list[str]:
    functions = vars(keras.activations).items()
    return sorted(
        {
            f.__name__
            for n, f in functions
            if callable(f) and not n.startswith("_") and n not in NOT_ACTIVATIONS
        }
    )


def cases() -> list[Case]:
    found = use_cases(USES)
    extremes = np.concatenate([X3, X3 + 30, X3 - 30])
    for name in activation_names():
        function = functools.partial(getattr(keras.activations, name), **ARGUMENTS.get(name, {}))
        use = Use(functools.partial(L.Activation, function), extremes)
        found.append(Case(f"activation/{name}", functools.partial(layer_results, use)))
    return found
