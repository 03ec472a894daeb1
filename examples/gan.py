"""A generative adversarial network: one network draws digits, another tells them from real ones, and both learn."""

import argparse

import kerasflow  # before keras
import keras
import numpy as np
from keras import layers

from kerasflow.datasets import mnist

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE", help="draw real digits and made-up ones into this picture")
options = parser.parse_args()

NOISE = 64
keras.utils.set_random_seed(0)
(images, labels), _ = mnist.load_data()
images, labels = images.reshape(-1, 784).astype("float32") / 127.5 - 1, labels.astype("int32")


def network(inputs, name, *others):
    """A network that is told, besides its inputs, which digit it is about."""
    x, digit = keras.Input((inputs,)), keras.Input((), dtype="int32")
    y = layers.Concatenate()([x, keras.ops.one_hot(digit, 10)])
    return keras.Model([x, digit], keras.Sequential(others)(y), name=name)


def leaky(units, then):
    return layers.Dense(units), layers.LeakyReLU(0.2), then


norms, drops = [layers.BatchNormalization() for _ in range(2)], [layers.Dropout(0.4) for _ in range(2)]
last = layers.Dense(784, activation="tanh")
draw = network(NOISE, "draw", *leaky(256, norms[0]), *leaky(512, norms[1]), last)
judge = network(784, "judge", *leaky(512, drops[0]), *leaky(256, drops[1]), layers.Dense(1))


class GAN(keras.Model):
    """Both networks. A step of its training is a step of each: of the judge, then of the one that draws."""

    def __init__(self):
        super().__init__()
        self.noise, self.rates = keras.random.SeedGenerator(1), []
        for network in (judge, draw):
            self.rates.append(keras.optimizers.Adam(3e-4, beta_1=0.5))
            self.rates[-1].build(network.trainable_variables)

    def train_step(self, data):
        real, digit = data
        noise = keras.random.normal((len(real), NOISE), seed=self.noise)
        with kerasflow.GradientTape(persistent=True) as tape:
            drawn = draw([noise, digit], training=True)
            says = [judge([x, digit], training=True) for x in (real, drawn)]  # above 0: real
            judging = keras.ops.mean(keras.ops.softplus(-says[0]) + keras.ops.softplus(says[1]))
            drawing = keras.ops.mean(keras.ops.softplus(-says[1]))
        for network, loss, rate in zip((judge, draw), (judging, drawing), self.rates, strict=True):
            rate.apply(tape.gradient(loss, network.trainable_variables), network.trainable_variables)
        return {"judging": judging, "drawing": drawing}


gan = GAN()
gan.compile()
gan.fit(images, labels, batch_size=128, epochs=34, verbose=2)
noise = np.random.default_rng(0).normal(size=(6, NOISE)).astype("float32")
drawn = draw.predict([np.repeat(noise, 10, axis=0), np.tile(np.arange(10, dtype="int32"), 6)], verbose=0)
real = np.stack([images[np.flatnonzero(labels == digit)[:6]] for digit in range(10)], axis=1)
print(f"ink of the digits: real {np.mean(real + 1) / 2:.3f}, made up {np.mean(drawn + 1) / 2:.3f}")

if options.plot:
    import matplotlib.pyplot as plt

    figure, panes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    for axes, sheet, name in zip(panes, (real, drawn), ("real", "made up"), strict=True):
        axes.imshow(sheet.reshape(6, 10, 28, 28).swapaxes(1, 2).reshape(168, 280), cmap="gray_r")
        axes.set_title(name)
        axes.axis("off")
    figure.savefig(options.plot, dpi=100)
