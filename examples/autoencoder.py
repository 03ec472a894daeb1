"""A denoising autoencoder: it learns to take the noise out of images, through a layer of 32 numbers."""

import argparse

import kerasflow  # noqa: F401  (before keras)
import keras
import numpy as np
from keras import layers

from kerasflow.datasets import mnist

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE", help="draw digits, spoilt and mended, into this picture")
options = parser.parse_args()

keras.utils.set_random_seed(0)
(x_train, _), (x_test, _) = mnist.load_data()
x_train, x_test = (x.reshape(-1, 784).astype("float32") / 255 for x in (x_train, x_test))

images = keras.Input((784,))
noisy = layers.GaussianNoise(0.3)(images)  # in training only
code = layers.Dense(32, activation="relu", name="code")(layers.Dense(128, activation="relu")(noisy))
decoded = layers.Dense(784, activation="sigmoid")(layers.Dense(128, activation="relu")(code))
autoencoder = keras.Model(images, decoded)
encoder = keras.Model(images, code)

autoencoder.compile(optimizer="adam", loss="mse")
autoencoder.fit(x_train, x_train, batch_size=256, epochs=10, validation_data=(x_test, x_test))

spoilt = np.clip(x_test + np.random.default_rng(0).normal(0, 0.3, x_test.shape), 0, 1).astype("float32")
mended = autoencoder.predict(spoilt, batch_size=500, verbose=0)
print(
    f"mean square error: spoilt {np.mean((spoilt - x_test) ** 2):.4f}, mended {np.mean((mended - x_test) ** 2):.4f}"
)
print("the code of the first image:", np.round(encoder.predict(x_test[:1], verbose=0)[0], 1))


def drawn(image):
    """An image in characters, every second row."""
    return ["".join(" .:*#"[min(int(p * 5), 4)] for p in row) for row in image.reshape(28, 28)[::2]]


for row in zip(*(drawn(x[0]) for x in (x_test, spoilt, mended)), strict=True):
    print("   ".join(row))

if options.plot:
    import matplotlib.pyplot as plt

    figure, rows = plt.subplots(3, 1, figsize=(9, 3), layout="constrained")
    for axes, images, name in zip(rows, (x_test, spoilt, mended), ("right", "spoilt", "mended"), strict=True):
        axes.imshow(images[:12].reshape(12, 28, 28).swapaxes(0, 1).reshape(28, -1), cmap="gray_r")
        axes.set(xticks=[], yticks=[], ylabel=name)
    figure.savefig(options.plot, dpi=100)
