"""Convolutional networks: LeNet, a VGG block, a residual network, a MobileNet block, U-Net."""

from typing import Any

import keras

from . import data
from .task import Task, accuracy

L = keras.layers


def _classifier(model: Any, optimizer: Any, side: int, in_colour: bool = False, **task: Any) -> Task:
    """A network that is to read digits."""
    x, y, x_test, y_test = data.digits(2000, 500, side)
    if in_colour:
        x, x_test = data.coloured(x, 1), data.coloured(x_test, 2)
    model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
    score, blind = accuracy(x_test, y_test)
    return Task(model, (x, y), score, blind=blind, **task)


def lenet(exact: bool = False) -> Task:
    """LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998), with softmax at its end."""
    model = keras.Sequential(
        [
            L.Input((28, 28, 1)),
            L.Conv2D(6, 5, padding="same", activation="tanh"),
            L.AveragePooling2D(2),
            L.Conv2D(16, 5, activation="tanh"),
            L.AveragePooling2D(2),
            L.Flatten(),
            L.Dense(120, activation="tanh"),
            L.Dense(84, activation="tanh"),
            L.Dense(10, activation="softmax"),
        ]
    )
    return _classifier(model, keras.optimizers.Adam(3e-3), 28, pass_mark=0.8, epochs=5)


def vgg_block(exact: bool = False) -> Task:
    """Two blocks of two 3 × 3 convolutions and a maximum (Simonyan and Zisserman 2014)."""
    model = keras.Sequential([L.Input((14, 14, 1))])
    for filters in (16, 32):
        model.add(L.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(L.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(L.MaxPooling2D(2))
    model.add(L.Flatten())
    model.add(L.Dense(64, activation="relu"))
    model.add(L.Dropout(0.0 if exact else 0.5))
    model.add(L.Dense(10, activation="softmax"))
    return _classifier(model, keras.optimizers.Adam(2e-3), 14, pass_mark=0.9, epochs=5)


def resnet(exact: bool = False) -> Task:
    """Three stages of a residual block each, with batch normalization (He, Zhang, Ren and Sun 2015), on colours."""

    def normalized(x: Any, filters: int, size: int, strides: int) -> Any:
        x = L.Conv2D(filters, size, strides, padding="same", use_bias=False)(x)
        return L.BatchNormalization(momentum=0.9)(x)

    inputs = keras.Input((14, 14, 3))
    x = L.Activation("relu")(normalized(inputs, 8, 3, 1))
    for filters, strides in ((8, 1), (16, 2), (32, 2)):
        h = L.Activation("relu")(normalized(x, filters, 3, strides))
        h = normalized(h, filters, 3, 1)
        shortcut = normalized(x, filters, 1, strides) if x.shape[-1] != filters else x
        x = L.Activation("relu")(L.Add()([h, shortcut]))
    outputs = L.Dense(10, activation="softmax")(L.GlobalAveragePooling2D()(x))
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-4)
    return _classifier(keras.Model(inputs, outputs), optimizer, 14, True, pass_mark=0.85, epochs=6)


def mobilenet_block(exact: bool = False) -> Task:
    """Depthwise separable convolutions with batch normalization and ReLU6 (Howard et al. 2017)."""

    def rectified(x: Any) -> Any:
        return L.ReLU(6.0)(L.BatchNormalization(momentum=0.9)(x))

    inputs = keras.Input((14, 14, 1))
    x = rectified(L.Conv2D(12, 3, padding="same", use_bias=False)(inputs))
    for filters, strides in ((24, 2), (32, 1), (48, 2)):
        x = rectified(L.DepthwiseConv2D(3, strides, padding="same", use_bias=False)(x))
        x = rectified(L.Conv2D(filters, 1, use_bias=False)(x))
    outputs = L.Dense(10, activation="softmax")(L.GlobalAveragePooling2D()(x))
    optimizer = keras.optimizers.RMSprop(4e-3, momentum=0.5)
    # Its score still goes up and down by some hundredths from epoch to epoch, as rounding has it.
    return _classifier(keras.Model(inputs, outputs), optimizer, 14, pass_mark=0.8, epochs=8)


def unet(exact: bool = False) -> Task:
    """U-Net (Ronneberger, Fischer and Brox 2015) with two levels: of each pixel whether it is in a disc or a cross."""

    def twice(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = L.Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer="he_normal")(x)
        return x

    inputs = keras.Input((24, 24, 1))
    first = twice(inputs, 8)
    second = twice(L.MaxPooling2D(2)(first), 16)
    x = twice(L.MaxPooling2D(2)(second), 32)
    for skipped, filters in ((second, 16), (first, 8)):
        x = L.Conv2DTranspose(filters, 2, strides=2, activation="relu")(x)
        x = twice(L.Concatenate()([skipped, x]), filters)
    model = keras.Model(inputs, L.Conv2D(3, 1, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(4e-3), "sparse_categorical_crossentropy", jit_compile=False)
    x_test, y_test = data.shapes(100, 2)
    # The paper is easily told; so of the pixels inside a shape: which shape is it?
    score, blind = accuracy(x_test, y_test, y_test > 0)
    return Task(model, data.shapes(640, 1), score, pass_mark=0.85, blind=blind, epochs=8, batch_size=16)
