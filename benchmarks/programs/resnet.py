"""A residual network with batch normalization on 3,200 colour images of 32 by 32 pixels, in plain Keras."""

import keras
import numpy as np
from measure import Run, epoch_clock

layers = keras.layers
run = Run(epochs=5, batch_size=64)


def coloured(images: np.ndarray, seed: int) -> np.ndarray:
    """Digits in a random colour on a random ground, 32 by 32 by 3."""
    rng = np.random.default_rng(seed)
    ink, ground = rng.random((2, len(images), 1, 1, 3), np.float32)
    shapes = np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., None].astype("float32") / 255
    return ground + shapes * (ink - ground)


def convolved(x, filters, window=3, strides=1):
    x = layers.Conv2D(filters, window, strides, padding="same", use_bias=False)(x)
    return layers.BatchNormalization()(x)


def stage(x, filters, strides):
    """A residual stage; the shortcut is convolved where shapes change."""
    y = layers.ReLU()(convolved(x, filters, strides=strides))
    y = convolved(y, filters)
    if strides > 1:
        x = convolved(x, filters, 1, strides)
    return layers.ReLU()(layers.Add()([x, y]))


with np.load(run.data) as data:
    x_train, y_train = coloured(data["x_train"][:3200], 0), data["y_train"][:3200]
    x_test, y_test = coloured(data["x_test"][:3200], 1), data["y_test"][:3200]

keras.utils.set_random_seed(run.seed)
inputs = keras.Input((32, 32, 3))
x = layers.ReLU()(convolved(inputs, 16))
for filters, strides in ((16, 1), (32, 2), (64, 2)):
    x = stage(x, filters, strides)
model = keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    x_train,
    y_train,
    epochs=run.epochs,
    batch_size=run.batch_size,
    callbacks=[epoch_clock(keras, run)],
    verbose=0,
)
run.finish(*model.evaluate(x_test, y_test, batch_size=run.batch_size, verbose=0))
