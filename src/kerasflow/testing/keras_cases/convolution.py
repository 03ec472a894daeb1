"""Convolutional and pooling layers: value, gradients."""

import keras
import numpy as np

from .case import Case, normal
from .layer_use import Use, use_cases

L = keras.layers

X1 = normal(3, 9, 4)
X2 = normal(3, 8, 7, 4)
X3 = normal(2, 6, 5, 6, 2)
USES: dict[str, dict[str, Use]] = {
    "Conv1D": {
        "": Use(lambda: L.Conv1D(5, 3), X1),
        "same, strided": Use(lambda: L.Conv1D(5, 3, strides=2, padding="same", activation="tanh"), X1),
        "causal, dilated": Use(lambda: L.Conv1D(4, 3, padding="causal", dilation_rate=2), X1),
        "groups": Use(lambda: L.Conv1D(6, 2, groups=2), X1),
    },
    "Conv2D": {
        "": Use(lambda: L.Conv2D(5, 3), X2),
        "same": Use(lambda: L.Conv2D(3, (3, 2), padding="same"), X2),
        "strided": Use(lambda: L.Conv2D(3, 3, strides=2, padding="same", use_bias=False), X2),
        "dilated": Use(lambda: L.Conv2D(3, 2, dilation_rate=(3, 2)), X2),
        "of one": Use(lambda: L.Conv2D(5, 1), X2),
        "of one, strided": Use(lambda: L.Conv2D(5, 1, strides=2), X2),
        "groups": Use(lambda: L.Conv2D(6, 3, groups=2, padding="same"), X2),
        "many channels": Use(lambda: L.Conv2D(20, 3), normal(2, 6, 6, 12)),
    },
    "Conv3D": {
        "": Use(lambda: L.Conv3D(4, 3), X3),
        "same, strided": Use(lambda: L.Conv3D(4, (2, 3, 2), strides=(1, 2, 2), padding="same"), X3),
    },
    "Conv1DTranspose": {
        "": Use(lambda: L.Conv1DTranspose(3, 3), X1),
        "same, strided": Use(lambda: L.Conv1DTranspose(3, 4, strides=2, padding="same"), X1),
        "strides beyond the window": Use(lambda: L.Conv1DTranspose(3, 2, strides=3), X1),
        "output padding": Use(lambda: L.Conv1DTranspose(3, 3, strides=3, output_padding=1), X1),
    },
    "Conv2DTranspose": {
        "": Use(lambda: L.Conv2DTranspose(3, 3), X2),
        "same, strided": Use(lambda: L.Conv2DTranspose(3, 3, strides=2, padding="same"), X2),
        "output padding": Use(
            lambda: L.Conv2DTranspose(3, (3, 2), strides=2, padding="valid", output_padding=1), X2
        ),
        "many channels": Use(lambda: L.Conv2DTranspose(16, 4, strides=2), normal(2, 5, 5, 20)),
    },
    "Conv3DTranspose": {
        "": Use(lambda: L.Conv3DTranspose(3, 2), X3),
        "same, strided": Use(lambda: L.Conv3DTranspose(3, 3, strides=2, padding="same"), X3),
    },
    "DepthwiseConv1D": {
        "": Use(lambda: L.DepthwiseConv1D(3), X1),
        "multiplier": Use(lambda: L.DepthwiseConv1D(3, depth_multiplier=2, padding="same"), X1),
    },
    "DepthwiseConv2D": {
        "": Use(lambda: L.DepthwiseConv2D(3), X2),
        "same, strided": Use(lambda: L.DepthwiseConv2D(3, strides=2, padding="same"), X2),
        "multiplier": Use(lambda: L.DepthwiseConv2D((3, 2), depth_multiplier=3), X2),
        "dilated": Use(lambda: L.DepthwiseConv2D(2, dilation_rate=2, padding="same"), X2),
    },
    "SeparableConv1D": {"": Use(lambda: L.SeparableConv1D(5, 3, padding="same"), X1)},
    "SeparableConv2D": {
        "": Use(lambda: L.SeparableConv2D(5, 3), X2),
        "multiplier": Use(lambda: L.SeparableConv2D(5, 3, depth_multiplier=2, strides=2, padding="same"), X2),
    },
    "MaxPooling1D": {
        "": Use(lambda: L.MaxPooling1D(2), X1),
        "overlapping": Use(lambda: L.MaxPooling1D(3, strides=2, padding="same"), X1),
    },
    "MaxPooling2D": {
        "": Use(lambda: L.MaxPooling2D(2), X2),
        "rest": Use(lambda: L.MaxPooling2D((3, 2)), X2),
        "overlapping": Use(lambda: L.MaxPooling2D(3, strides=2, padding="same"), X2),
        "ties": Use(lambda: L.MaxPooling2D(2), np.rint(X2)),
    },
    "MaxPooling3D": {"": Use(lambda: L.MaxPooling3D((2, 1, 2)), X3)},
    "AveragePooling1D": {
        "": Use(lambda: L.AveragePooling1D(3), X1),
        "same": Use(lambda: L.AveragePooling1D(3, strides=2, padding="same"), X1),
    },
    "AveragePooling2D": {
        "": Use(lambda: L.AveragePooling2D(2), X2),
        "same": Use(lambda: L.AveragePooling2D((3, 2), strides=2, padding="same"), X2),
        "whole": Use(lambda: L.AveragePooling2D((8, 7)), X2),
    },
    "AveragePooling3D": {"": Use(lambda: L.AveragePooling3D(2, padding="same"), X3)},
    "GlobalAveragePooling1D": {"": Use(L.GlobalAveragePooling1D, X1)},
    "GlobalAveragePooling2D": {"": Use(lambda: L.GlobalAveragePooling2D(keepdims=True), X2)},
    "GlobalAveragePooling3D": {"": Use(L.GlobalAveragePooling3D, X3)},
    "GlobalMaxPooling1D": {"": Use(L.GlobalMaxPooling1D, X1)},
    "GlobalMaxPooling2D": {"": Use(L.GlobalMaxPooling2D, X2)},
    "GlobalMaxPooling3D": {"": Use(lambda: L.GlobalMaxPooling3D(keepdims=True), X3)},
    "AdaptiveAveragePooling1D": {"": Use(lambda: L.AdaptiveAveragePooling1D(4), X1)},
    "AdaptiveAveragePooling2D": {"": Use(lambda: L.AdaptiveAveragePooling2D((3, 5)), X2)},
    "AdaptiveAveragePooling3D": {"": Use(lambda: L.AdaptiveAveragePooling3D((3, 2, 4)), X3)},
    "AdaptiveMaxPooling1D": {"": Use(lambda: L.AdaptiveMaxPooling1D(4), X1)},
    "AdaptiveMaxPooling2D": {"": Use(lambda: L.AdaptiveMaxPooling2D((3, 5)), X2)},
    "AdaptiveMaxPooling3D": {"": Use(lambda: L.AdaptiveMaxPooling3D((3, 2, 4)), X3)},
}


def cases() -> list[Case]:
    return use_cases(USES)
