"""One training on several backends, one after the other."""

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from graphs import installed_backends

OTHERS = [name for name in installed_backends() if name != "numpy"]
X = np.random.default_rng(0).normal(size=(48, 5)).astype("float32")
Y = (X[:, :1] > X[:, 1:2]).astype("float32")


def trained(*backends: str) -> keras.Model:
    """A model with dropout that is fitted for an epoch on each of the backends, with its losses in `losses`."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    model.losses_by_epoch = []
    for name in backends:
        with kerasflow.use_backend(name):
            model.losses_by_epoch += model.fit(X, Y, batch_size=16, verbose=0).history["loss"]
    return model


@pytest.mark.parametrize("name", OTHERS)
def test_in_the_middle_of_training(name: str) -> None:
    plain, mixed = trained(*["numpy"] * 6), trained("numpy", name, name, "numpy", name, "numpy")
    np.testing.assert_allclose(mixed.losses_by_epoch, plain.losses_by_epoch, rtol=1e-5)
    states = [[v.numpy() for v in (*m.variables, *m.optimizer.variables)] for m in (plain, mixed)]
    for a, b in zip(*states, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", OTHERS)
def test_state_stays_with_the_backend(name: str) -> None:
    """No copy to the host and back between steps: only the first step of a training takes state over."""
    backend = installed_backends()[name]
    taken: list[object] = []
    keep = type(backend).from_host
    model = trained("numpy")
    with pytest.MonkeyPatch.context() as patch, kerasflow.use_backend(name):
        patch.setattr(
            type(backend), "from_host", lambda self, array: taken.append(array) or keep(self, array)
        )
        model.train_on_batch(X, Y)
        first = len(taken)
        for _ in range(3):
            model.train_on_batch(X, Y)
    # `train_on_batch` resets the metrics on the host each time: a total and a count.
    assert first >= len(model.trainable_variables)
    assert len(taken) <= first + 3 * 2


@pytest.mark.parametrize("name", OTHERS)
def test_masks_and_weights_are_the_same_bits(name: str) -> None:
    def drawn(backend: str) -> list[np.ndarray]:
        keras.utils.set_random_seed(5)
        dropout = keras.Sequential([keras.Input((64,)), keras.layers.Dense(8), keras.layers.Dropout(0.3)])
        noise = kerasflow.jit(
            lambda: keras.random.randint((7, 3), 0, 1000, seed=keras.random.SeedGenerator(1))
        )
        with kerasflow.use_backend(backend):
            mask = kerasflow.jit(lambda x: dropout.layers[-1](x, training=True))(np.ones((5, 8), "float32"))
            return [mask, noise(), *dropout.get_weights()]

    for ours, numpys in zip(drawn(name), drawn("numpy"), strict=True):
        np.testing.assert_array_equal(ours, numpys)
