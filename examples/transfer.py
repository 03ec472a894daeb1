"""Transfer learning: a network that has learned the digits 0 to 4 learns 5 to 9 from a hundred examples each."""

import kerasflow  # noqa: F401  (before keras)
import keras
import numpy as np
from keras import layers

from kerasflow.datasets import mnist

keras.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_test = (x[..., None].astype("float32") / 255 for x in (x_train, x_test))

base = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
    ],
    name="base",
)


def with_head(name):
    """The base with a new output layer, compiled."""
    model = keras.Sequential([base, layers.Dense(5, activation="softmax", name=name)])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def accuracy(model):
    later = y_test >= 5
    return model.evaluate(x_test[later], y_test[later] - 5, batch_size=500, verbose=0)[1]


early = y_train < 5
with_head("zero_to_four").fit(x_train[early], y_train[early], batch_size=128, epochs=2)

few = np.concatenate([np.flatnonzero(y_train == digit)[:100] for digit in range(5, 10)])
base.trainable = False  # frozen: only the new head learns
model = with_head("five_to_nine")
model.fit(x_train[few], y_train[few] - 5, batch_size=32, epochs=10, verbose=0)
print(f"new head on the frozen base: test accuracy on 5 to 9 {accuracy(model):.4f}")

base.trainable = True
model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train[few], y_train[few] - 5, batch_size=32, epochs=10, verbose=0)
print(f"after fine-tuning all of it: {accuracy(model):.4f}")
