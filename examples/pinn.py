"""A physics-informed network: it solves Burgers' equation, of waves that break, by learning to obey it.

u_t + u·u_x = ν·u_xx,  u(0, x) = -sin(πx),  u(t, ±1) = 0. No solution is shown to it: what it is trained on are points,
and its loss is by how much the equation is violated there.
"""

import argparse

import kerasflow  # before keras
import keras
import numpy as np
from keras import layers

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE", help="draw the solution into this picture")
options = parser.parse_args()
NU = 0.03 / np.pi

keras.utils.set_random_seed(0)
network = keras.Sequential([*(layers.Dense(32, activation="tanh") for _ in range(4)), layers.Dense(1)])
network.build((None, 2))


def u(t, x):
    """The solution: what is known at the beginning and at the ends, and the network for all between."""
    return -np.sin(np.pi * x) + t * (1 - x**2) * network(np.stack([t, x], axis=-1))[:, 0]


def derivative(function, of):
    """The derivative of a function of (t, x) at each point."""
    return kerasflow.grad(lambda t, x: np.sum(function(t, x)), argnums=of)


u_t, u_x = derivative(u, 0), derivative(u, 1)
u_xx = derivative(u_x, 1)


class Residual(keras.Model):
    """By how much the equation is violated at points (t, x)."""

    def call(self, points):
        t, x = points[:, 0], points[:, 1]
        return u_t(t, x) + u(t, x) * u_x(t, x) - NU * u_xx(t, x)


rng = np.random.default_rng(0)
points = rng.uniform((0, -1), (1, 1), (8192, 2)).astype("float32")
model = Residual()
model.network = network  # what is trained
model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(5e-3, 6400)), loss="mse")
model.fit(points, np.zeros(len(points), "float32"), batch_size=1024, epochs=800, verbose=0)


def exact(t, x):
    """The solution by the Cole-Hopf transformation, an integral over the normal distribution."""
    nodes, weights = np.polynomial.hermite.hermgauss(200)
    y = x[..., None] - np.sqrt(4 * NU * t[..., None]) * nodes
    weights = weights * np.exp(-np.cos(np.pi * y) / (2 * np.pi * NU))
    return -np.sum(weights * np.sin(np.pi * y), axis=-1) / np.sum(weights, axis=-1)


t, x = np.meshgrid(np.linspace(0, 1, 101), np.linspace(-1, 1, 201), indexing="ij")
found = np.asarray(u(t.ravel().astype("float32"), x.ravel().astype("float32"))).reshape(t.shape)
error = abs(found - exact(t, x))
print(f"against the exact solution: largest error {error.max():.4f}, mean error {error.mean():.5f}")

if options.plot:
    import matplotlib.pyplot as plt

    figure, (whole, cuts) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    colours = whole.imshow(found.T, extent=(0, 1, -1, 1), origin="lower", aspect="auto", cmap="RdBu_r")
    figure.colorbar(colours)
    whole.set(title="u(t, x), learned", xlabel="t", ylabel="x")
    for i in (0, 25, 50, 100):
        line = cuts.plot(x[i], exact(t, x)[i], linewidth=5, alpha=0.3)[0]
        cuts.plot(x[i], found[i], color=line.get_color(), label=f"t = {t[i, 0]:.2f}")
    cuts.set(title="thin: learned, broad: exact", xlabel="x", ylabel="u")
    cuts.legend(fontsize=8)
    figure.savefig(options.plot, dpi=100)
