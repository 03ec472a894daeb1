"""Transfer learning: a network that has learned the digits 0 to 4 learns 5 to 9 from a hundred examples each."""

import argparse

import kerasflow  # noqa: F401  (before keras)
import keras
import numpy as np
from keras import layers

from kerasflow.datasets import mnist

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE", help="draw both stages of learning into this picture")
options = parser.parse_args()

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
    return model.evaluate(*later, batch_size=500, verbose=0)[1]


later = x_test[y_test >= 5], y_test[y_test >= 5] - 5
early = y_train < 5
with_head("zero_to_four").fit(x_train[early], y_train[early], batch_size=128, epochs=2)

few = np.concatenate([np.flatnonzero(y_train == digit)[:100] for digit in range(5, 10)])
base.trainable = False  # frozen: only the new head learns
model = with_head("five_to_nine")
learning = {"batch_size": 32, "epochs": 10, "validation_data": later, "verbose": 0}
head = model.fit(x_train[few], y_train[few] - 5, **learning).history
print(f"new head on the frozen base: test accuracy on 5 to 9 {accuracy(model):.4f}")

base.trainable = True
model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
whole = model.fit(x_train[few], y_train[few] - 5, **learning).history
print(f"after fine-tuning all of it: {accuracy(model):.4f}")

if options.plot:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 3), layout="constrained")
    for key, name in {"accuracy": "the images that it learns from", "val_accuracy": "test images"}.items():
        axes.plot(head[key] + whole[key], marker=".", label=name)
    axes.axvline(
        len(head["loss"]) - 0.5, color="grey", linestyle=":", label="from here on the base learns, too"
    )
    axes.set(
        xticks=range(0, 20, 5), xlabel="epoch", ylabel="accuracy", title="a network for 0 to 4 learns 5 to 9"
    )
    axes.legend()
    figure.savefig(options.plot, dpi=100)
