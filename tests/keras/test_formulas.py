"""Where stock Keras on TensorFlow cannot be the reference: the formulas, written out in NumPy."""

from typing import Any

import keras
import numpy as np
import pytest

import kerasflow
from kerasflow.testing.keras_cases.case import normal, rng, set_weights


def test_binary_crossentropy_of_a_softmax() -> None:
    """The MNIST workflow's loss. On TensorFlow, Keras takes the logits of the softmax for those of a sigmoid."""
    x, y = normal(32, 12), np.eye(5, dtype="float32")[rng().integers(0, 5, 32)]
    model = keras.Sequential([keras.layers.Input((12,)), keras.layers.Dense(5, activation="softmax")])
    model.compile(keras.optimizers.SGD(1.0), "binary_crossentropy")
    set_weights(model.trainable_variables)
    kernel, bias = (w.astype("float64") for w in model.get_weights())
    z = np.exp(x @ kernel + bias)
    p = z / z.sum(1, keepdims=True)
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    of_p = (p - y) / (p * (1 - p)) / p.size
    of_logits = p * (of_p - np.sum(of_p * p, axis=1, keepdims=True))
    np.testing.assert_allclose(model.train_on_batch(x, y), loss, 1e-6)
    np.testing.assert_allclose(model.get_weights()[0], kernel - x.T @ of_logits, 1e-5, 1e-6)
    np.testing.assert_allclose(model.get_weights()[1], bias - of_logits.sum(0), 1e-5, 1e-6)


@pytest.mark.skipif(not hasattr(keras.optimizers, "ScheduleFreeAdamW"), reason="newer than this Keras")
@pytest.mark.parametrize("options", [{}, {"warmup_steps": 5}, {"beta_1": 0.8, "weight_decay": 0.05}], ids=str)
def test_schedule_free_adamw(options: dict) -> None:
    """What Keras's update keeps as the old momentum is, on TensorFlow, the variable that the update then changes."""
    optimizer = keras.optimizers.ScheduleFreeAdamW(0.02, **options)
    beta_1, beta_2, epsilon = optimizer.beta_1, optimizer.beta_2, optimizer.epsilon
    variable = keras.Variable(normal(3, 4))
    y = variable.numpy().astype("float64")
    z, v = y.copy(), np.zeros_like(y)

    @kerasflow.jit
    def step(gradient: np.ndarray) -> np.ndarray:
        optimizer.apply([gradient], [variable])
        return variable.value

    optimizer.build([variable])
    for t in range(1, 21):
        g = normal(3, 4, seed=t)
        got = step(g)
        y -= y * (options.get("weight_decay", 0.0) * 0.02)
        rate = 0.02 * min(t / options.get("warmup_steps", 1), 1.0)
        x = (y - (1 - beta_1) * z) / beta_1
        v += (1 - beta_2) * (g.astype("float64") ** 2 - v)
        z -= rate * g / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        x += (z - x) / t
        y = (1 - beta_1) * z + beta_1 * x
        np.testing.assert_allclose(got, y, 1e-4, 1e-5)


@pytest.mark.skipif(not hasattr(keras.optimizers, "ScheduleFreeAdamW"), reason="newer than this Keras")
@pytest.mark.parametrize("inputs", [[], [keras.layers.Input((4,))]], ids=["not built", "built"])
def test_what_an_optimizer_assigns_when_it_is_built(inputs: list) -> None:
    """ScheduleFreeAdamW's momentum begins as the weight, once; in a program it would begin anew at every step."""

    def variables(eagerly: bool) -> list[np.ndarray]:
        model = keras.Sequential([*inputs, keras.layers.Dense(3, kernel_initializer="ones")])
        model.compile(keras.optimizers.ScheduleFreeAdamW(0.02), "mse", run_eagerly=eagerly)
        model.fit(normal(32, 4), normal(32, 3, seed=1), 8, verbose=0, shuffle=False)
        return [v.numpy() for v in model.optimizer.variables]

    for ours, plain in zip(variables(False), variables(True), strict=True):
        np.testing.assert_allclose(ours, plain, 1e-5)


@pytest.mark.parametrize("inputs", [[], [keras.layers.Input((4,))]], ids=["not built", "built"])
def test_the_scale_of_the_loss_is_no_constant(inputs: list) -> None:
    """It doubles every second step; scales that are powers of two change nothing in the weights."""

    def weights(optimizer: Any) -> list[np.ndarray]:
        model = keras.Sequential([*inputs, keras.layers.Dense(3, kernel_initializer="ones")])
        model.compile(optimizer, "mse")
        model.fit(normal(64, 4), normal(64, 3, seed=1), 8, verbose=0, shuffle=False)
        return model.get_weights()

    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), 4.0, dynamic_growth_steps=2)
    for ours, plain in zip(weights(scaled), weights(keras.optimizers.SGD(0.1)), strict=True):
        np.testing.assert_allclose(ours, plain, 1e-5)


@pytest.mark.parametrize(("layer", "second"), [("Maximum", [0.5, 0.0, 1.0]), ("Minimum", [0.5, 1.0, 0.0])])
def test_ties_share_the_gradient(layer: str, second: list[float]) -> None:
    """As on JAX and PyTorch; TensorFlow gives all of it to the first."""

    def total(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.sum(getattr(keras.layers, layer)()([x, y]))

    x, y = np.array([[1.0, 2.0, 3.0]], "float32"), np.array([[1.0, 1.0, 4.0]], "float32")
    of_x, of_y = kerasflow.grad(total, argnums=(0, 1))(x, y)
    np.testing.assert_array_equal(of_y, [second])
    np.testing.assert_array_equal(of_x + of_y, np.ones((1, 3)))
