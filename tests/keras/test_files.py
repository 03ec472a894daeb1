"""Files both ways: what kerasflow saves stock Keras loads and trains on, on TensorFlow and on JAX, and the reverse."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kerasflow  # isort: skip  (before Keras)
import exchange
import numpy as np
import pytest
from exchange import REFUSED, STEPS

from kerasflow.testing.keras_cases.case import Losses
from kerasflow.testing.keras_cases.zoo import ARCHITECTURES, Task
from kerasflow.testing.keras_cases.zoo.pace import SLOWER, slow_down
from kerasflow.testing.keras_cases.zoo_steps import set_kernels

NAMES = [architecture.__name__ for architecture in ARCHITECTURES]
# By framework the networks that stock Keras trains on. (Training steps of their own need a tape, which JAX does not
# have.)
WITH_TAPE = ("variational_autoencoder", "wasserstein_gan")
STOCK = {
    framework: [name for name in NAMES if framework != "jax" or name not in WITH_TAPE]
    for framework in ("tensorflow", "jax")
    if importlib.util.find_spec(framework)
}
# The backends of kerasflow on which what comes back from there goes on; "numpy" otherwise.
THEN = {("tensorflow", "siamese"): "tensorflow", ("jax", "siamese"): "pytensor"}
# Of each kind of file, what it brings back (see `exchange.REFUSED`).
KINDS = {"keras": ("weight", "optimizer"), "weights": ("weight", "optimizer"), "h5": ("weight",)}
# Predictions relative to their largest, and losses.
CLOSE = 1e-5
CURVE = 1e-4


def make(architecture: Callable[..., Task]) -> Task:
    """A network of the zoo with the weights that it has in all comparisons of losses."""
    task = architecture(exact=True)
    task.model(exchange.samples(architecture.__name__, task))
    set_kernels(task)
    slow_down(task, SLOWER.get(architecture.__name__, 1.0))
    if len(both := exchange.optimizers(task.model)) == 2:
        task.model.compile(*both)  # the slower ones
    return task


def train(model: Any, task: Task, begin: int, steps: int = STEPS) -> np.ndarray:
    return exchange.train(model, task, begin, steps, Losses())


def assert_close(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    np.testing.assert_allclose(found, expected, CLOSE, CLOSE * np.abs(expected).max(), err_msg=what)


def assert_loaded(found: Mapping[str, np.ndarray], state: exchange.Results, x: Any, name: str) -> None:
    """Every kind of file has given the state, to the bit, and predicts `x`."""
    assert str(found["refused"]) == REFUSED.get(name, ""), name
    for kind, parts in KINDS.items():
        expected = {f"{kind}: {key}": value for key, value in state.items() if key.startswith(parts)}
        loaded = {key for key in found if key.startswith(tuple(f"{kind}: {part}" for part in parts))}
        assert loaded == set(expected), (name, kind)
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value, f"{name}, {key}")
        assert_close(found[f"{kind} predicts"], x, f"{name}, {kind}")


class Stock:
    """Stock Keras in a process of its own, at work on the files of a folder, one network after the other."""

    def __init__(self, backend: str, folder: Path, names: Sequence[str]) -> None:
        self.folder, self.log = folder / backend, folder / f"{backend}.log"
        program = str(Path(__file__).with_name("exchange.py"))
        trained = [name for name in names if name in STOCK[backend]]
        # XLA need not compile well what runs once.
        flags = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
        stock = {"KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "-1", "XLA_FLAGS": flags}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, program, str(folder), ",".join(names), ",".join(trained)],
                env={**os.environ, **stock},
                stdout=log,
                stderr=log,
            )

    def found(self, name: str) -> dict[str, np.ndarray]:
        path = self.folder / f"{name}.npz"
        while not path.exists() and self.process.poll() is None:
            time.sleep(0.02)
        assert path.exists(), f"the program failed at {name}:\n{self.log.read_text()[-5000:]}"
        with np.load(path) as stored:
            return dict(stored)


@dataclass(frozen=True)
class Saved:
    """A network whose files have been written, and what it was then."""

    task: Task
    state: exchange.Results
    predictions: np.ndarray


@dataclass(frozen=True)
class Exchange:
    saved: Mapping[str, Saved]
    stock: Mapping[str, Stock]


@pytest.fixture(scope="session")
def exchanged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """The networks that this session tests, trained and saved, and stock Keras at work on their files."""
    folder = tmp_path_factory.mktemp("files")
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    chosen = [c.params["both_ways"] for c in calls if c is not None and "both_ways" in c.params]
    saved = {}
    for architecture in chosen:
        name = architecture.__name__
        task = make(architecture)
        train(task.model, task, 0)
        exchange.save(task.model, folder / name)
        x = exchange.samples(name, task)
        saved[name] = Saved(task, exchange.state(task.model), np.asarray(task.model(x, training=False)))
    running = {backend: Stock(backend, folder, list(saved)) for backend in STOCK}
    yield Exchange(saved, running)
    for stock in running.values():
        stock.process.kill()
        stock.process.wait()


# What goes on on every backend; a class of its own with a step of its own; state that is not trained.
ALWAYS = ("siamese", "variational_autoencoder", "resnet")


@pytest.mark.skipif(not STOCK, reason="neither TensorFlow nor JAX is installed")
@pytest.mark.parametrize(
    "both_ways",
    [pytest.param(f, marks=() if f.__name__ in ALWAYS else pytest.mark.slow) for f in ARCHITECTURES],
    ids=lambda f: f.__name__,
)
def test_both_ways(both_ways: Callable[..., Task], exchanged: Exchange) -> None:
    """The network trains here, then on stock Keras, then here again: one curve, one state in all files."""
    name = both_ways.__name__
    saved = exchanged.saved[name]
    task = saved.task
    x = exchange.samples(name, task)
    undisturbed = train(task.model, task, STEPS, 2 * STEPS)
    for backend, stock in exchanged.stock.items():
        found = stock.found(name)
        assert_loaded(found, saved.state, saved.predictions, name)
        model, ours = exchange.describe(stock.folder / name, type(task.model), x)
        after = {key.removeprefix("after: "): found[key] for key in found if key.startswith("after: ")}
        assert_loaded(ours, after, found["after predicts"], name)
        if name in STOCK[backend]:
            with kerasflow.use_backend(THEN.get((backend, name), "numpy")):
                then = train(model, task, 2 * STEPS)
            curve = np.concatenate([found["losses"], then])
            np.testing.assert_allclose(curve, undisturbed, CURVE, err_msg=f"{name}, {backend}")
