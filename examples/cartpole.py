"""Reinforcement learning: a network finds out how to balance a pole on a cart, by policy gradients.

The cart is a few lines of NumPy, many carts at once. What is learned from is `fit`'s own loss: the cross-entropy of the
chosen actions, each weighted by how much better than usual things went after it.
"""

import argparse

import kerasflow  # noqa: F401  (before keras)
import keras
import numpy as np
from keras import layers

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE", help="draw the learning and the balancing into this picture")
options = parser.parse_args()
CARTS, STEPS, ROUNDS = 32, 300, keras.config.max_epochs() or 60


def moved(state, push):
    """The carts 1/50 s later. State: place, speed, angle, angular speed; (carts, 4). Push: -1 or 1; (carts,)."""
    _, speed, angle, turn = state.T
    sine, cosine = np.sin(angle), np.cos(angle)
    force = (10 * push + 0.05 * turn**2 * sine) / 1.1
    angular = (9.8 * sine - cosine * force) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
    linear = force - 0.05 * angular * cosine / 1.1
    return (state + 0.02 * np.stack([speed, linear, turn, angular], axis=-1)).astype("float32")


keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((4,)), layers.Dense(64, activation="tanh"), layers.Dense(1)])
model.compile(keras.optimizers.Adam(0.01), keras.losses.BinaryCrossentropy(from_logits=True))
rng = np.random.default_rng(0)


def episodes():
    """A round of all carts: states (steps, carts, 4), actions and whether the pole stood (steps, carts)."""
    state, stands = rng.uniform(-0.05, 0.05, (CARTS, 4)).astype("float32"), np.ones(CARTS, bool)
    seen = []
    for _ in range(STEPS):
        action = rng.logistic(size=CARTS) < model.predict_on_batch(state)[:, 0]
        seen.append((state, action, stands))
        state = moved(state, np.where(action, 1, -1))
        stands = stands & (abs(state[:, 0]) < 2.4) & (abs(state[:, 2]) < 0.21)
    return map(np.array, zip(*seen, strict=True))


history, lasted = [], []
for number in range(ROUNDS):
    states, actions, stands = episodes()
    history.append((states, stands))
    lasted.append(stands.sum(axis=0))
    to_come = np.zeros((STEPS + 1, CARTS), "float32")
    for step in reversed(range(STEPS)):  # what is near counts more
        to_come[step] = stands[step] * (1 + 0.99 * to_come[step + 1])
    usual = to_come[:-1].sum(axis=1, keepdims=True) / np.maximum(stands.sum(axis=1, keepdims=True), 1)
    better = (to_come[:-1] - usual) * stands
    better /= better.std() + 1e-6
    model.train_on_batch(states.reshape(-1, 4), actions.reshape(-1, 1), sample_weight=better.ravel())
    if number % 10 == 9 or number == ROUNDS - 1:
        print(f"round {number + 1}: the pole stands for {lasted[-1].mean():.0f} of {STEPS} steps")

if options.plot:
    import matplotlib.pyplot as plt

    figure, (learning, first, last) = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
    learning.plot(np.mean(lasted, axis=1))
    learning.fill_between(range(ROUNDS), np.min(lasted, axis=1), np.max(lasted, axis=1), alpha=0.2)
    learning.set(title="steps for which the pole stands", xlabel="round")
    for axes, (states, stands), name in ((first, history[0], "first"), (last, history[-1], "last")):
        axes.plot(np.degrees(np.where(stands, states[..., 2], np.nan)), linewidth=0.8)
        axes.set(title=f"angles in the {name} round, degrees", xlabel="step", xlim=(0, STEPS), ylim=(-12, 12))
    figure.savefig(options.plot, dpi=100)
