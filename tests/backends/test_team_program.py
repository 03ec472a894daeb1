"""Programs that several processes run: what one process gives, whatever host code does between the steps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kerasflow
from kerasflow.compiler import current_backend
from kerasflow.errors import RankError
from kerasflow.testing.keras_cases.zoo import ARCHITECTURES, Task
from kerasflow_numpy.team import memory
from kerasflow_numpy.team import team as teams
from kerasflow_numpy.team.program import TeamProgram
from kerasflow_numpy.team.start import available

pytestmark = pytest.mark.skipif(available() is not None, reason="no processes can be started here")


@contextmanager
def processes(count: int) -> Iterator[list[TeamProgram]]:
    """In the block, every program that can be shared out runs on so many processes; the programs that did."""
    backend: Any = current_backend("numpy")
    ran: list[TeamProgram] = []
    plain = TeamProgram.__call__

    def call(self: TeamProgram, *args: Any) -> Any:
        ran.append(self)
        return plain(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend, "processes", count)
        patch.setattr("kerasflow_numpy.LEAST_SECONDS", 0.0)
        patch.setattr("kerasflow_numpy.LEAST_CHANGED", 0)
        patch.setattr(TeamProgram, "__call__", call)
        yield ran


class Few(keras.callbacks.Callback):
    """Ends the training after a few steps, and keeps their losses."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.losses: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.losses.append(next(iter(logs.values())))
        self.model.stop_training = len(self.losses) >= self.steps


def train(architecture: Callable[..., Task], steps: int) -> list[float]:
    """The first losses, from one seed."""
    keras.utils.set_random_seed(2)
    task = architecture()
    few = Few(steps)
    task.model.fit(*task.train, batch_size=task.batch_size, epochs=3, verbose=0, callbacks=[few])
    return few.losses


# Batch statistics, a recurrence, attention; the others show at length what these do.
SHORT = ("resnet", "lstm_tagger", "transformer_encoder")


@pytest.mark.parametrize(
    "architecture",
    [
        pytest.param(a, id=a.__name__, marks=() if a.__name__ in SHORT else pytest.mark.slow)
        for a in ARCHITECTURES
    ],
)
def test_the_curve_of_one(architecture: Callable[..., Task], double: None) -> None:
    with processes(1):
        expected = train(architecture, 6)
    with processes(2) as ran:
        found = train(architecture, 6)
    assert len(ran) >= 6
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def small(**options: Any) -> keras.Model:
    keras.utils.set_random_seed(3)
    made = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(4),
        ]
    )
    made.compile(**{"optimizer": keras.optimizers.Adam(0.01), "loss": "mse", "metrics": ["mae"], **options})
    return made


X = np.random.default_rng(0).normal(size=(50, 8)).astype("float32")
Y = X[:, :4] * 2


def weights(model: keras.Model) -> np.ndarray:
    return np.concatenate([np.ravel(v.numpy()) for v in model.variables if v.dtype == "float32"])


def same(use: Callable[[], Any], counts: tuple[int, ...] = (2, 3)) -> None:
    """What `use` gives is the same on several processes as on one."""
    with processes(1):
        expected = use()
    for count in counts:
        with processes(count) as ran:
            found = use()
        assert ran, "nothing was shared out"
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)


def test_epochs_with_an_uneven_last_batch() -> None:
    """50 samples in batches of 16: the last has 2, less than there are processes where these are three."""

    def use() -> list[Any]:
        model = small()
        history = model.fit(X, Y, batch_size=16, epochs=2, verbose=0, validation_data=(X, Y))
        scores = model.evaluate(X, Y, batch_size=16, verbose=0)
        return [*history.history.values(), scores, model.predict(X, batch_size=16, verbose=0), weights(model)]

    same(use)


def test_weights_of_samples_and_classes() -> None:
    def use() -> list[Any]:
        model = small(loss="sparse_categorical_crossentropy", metrics=[], weighted_metrics=["accuracy"])
        labels = np.arange(50) % 4
        model.fit(X, labels, batch_size=25, verbose=0, sample_weight=np.linspace(0, 2, 50), shuffle=False)
        model.fit(X, labels, batch_size=25, verbose=0, class_weight={0: 1.0, 1: 2.0, 2: 0.5, 3: 1.0})
        return [weights(model)]

    same(use)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.Adam(0.01, clipnorm=1.0),
        lambda: keras.optimizers.SGD(0.01, momentum=0.9, global_clipnorm=1.0, nesterov=True),
        lambda: keras.optimizers.AdamW(0.01, use_ema=True, ema_overwrite_frequency=2),
        lambda: keras.optimizers.RMSprop(0.01, gradient_accumulation_steps=2),
        lambda: keras.optimizers.Lamb(0.01),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)),
    ],
)
def test_optimizers(optimizer: Callable[[], Any]) -> None:
    def use() -> list[Any]:
        model = small(optimizer=optimizer())
        model.fit(X, Y, batch_size=16, epochs=2, verbose=0)
        return [weights(model)]

    same(use, (2,))


def test_an_update_reads_what_another_changes() -> None:
    """Lion's weights are updated from the momentum as it was, in a formula of their own."""

    def use() -> list[Any]:
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(64), keras.layers.Dense(4)])
        model.compile(keras.optimizers.Lion(0.01), "mse")
        model.fit(X, Y, batch_size=16, epochs=2, verbose=0)
        return [weights(model), *(v.numpy() for v in model.optimizer.variables)]

    same(use)


def test_what_host_code_assigns() -> None:
    """Rates that change at each batch, weights that are read, kept, and set: every process sees them."""
    kept = []

    class Meddle(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = 0.01 / (batch + 1)
            kept.append(self.model.layers[0].kernel.numpy())
            if batch == 2:
                self.model.layers[0].kernel.assign(self.model.layers[0].kernel * 0.5)
                self.model.layers[1].moving_mean.assign(np.ones(64))

    def use() -> list[Any]:
        kept.clear()
        model = small()
        model.fit(X, Y, batch_size=16, epochs=2, verbose=0, callbacks=[Meddle()])
        return [weights(model), *kept]

    same(use)


def test_two_models_and_other_batches_in_turn() -> None:
    def use() -> list[Any]:
        first, second = small(), small(optimizer="sgd")
        for n in (16, 20, 16, 8):
            first.train_on_batch(X[:n], Y[:n])
            second.train_on_batch(X[-n:], Y[-n:])
            second.set_weights(first.get_weights())
        return [weights(first), weights(second)]

    same(use)


def test_threads_take_turns() -> None:
    """Two trainings at the same time are two trainings."""

    def use() -> list[Any]:
        models = [small(), small(optimizer="sgd")]
        workers = [
            threading.Thread(
                target=lambda m=m: [m.train_on_batch(X[:16], Y[:16]) for _ in range(20)]  # type: ignore[misc]
            )
            for m in models
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        return list(map(weights, models))

    same(use, (2,))


def test_runs_agree_to_the_bit() -> None:
    def use() -> np.ndarray:
        model = small()
        model.fit(X, Y, batch_size=16, epochs=2, verbose=0)
        return weights(model)

    with processes(3):
        np.testing.assert_array_equal(use(), use())


def test_an_error_in_another_process() -> None:
    """An index out of bounds in the rows of another process is the error that it is in one; training goes on."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((4,), dtype="int32"), keras.layers.Embedding(9, 8), keras.layers.Flatten()]
    )
    model.compile("adam", "mse")
    places = np.zeros((8, 4), "int32")
    target = np.ones((8, 32), "float32")
    with processes(2):
        model.train_on_batch(places, target)
        before = weights(model)
        wrong = places.copy()
        wrong[-1, -1] = 99
        with pytest.raises(IndexError, match="99"):
            model.train_on_batch(wrong, target)
        np.testing.assert_array_equal(weights(model), before)
        assert np.isfinite(model.train_on_batch(places, target))
        assert not np.array_equal(weights(model), before)


@pytest.mark.parametrize("least", [1, 2000])  # where there is none, and where some of it is there
def test_without_memory_that_can_be_shared_one_process_runs(
    least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Descriptors have run out, say: the state is where it was, and the step is done."""
    create = memory.create

    def none(nbytes: int, contents: bool = True) -> Any:
        if nbytes > least:
            raise OSError(24, "Too many open files")
        return create(nbytes, contents)

    def use() -> list[Any]:
        model = small()
        return [model.train_on_batch(X[:16], Y[:16]), model.train_on_batch(X[:16], Y[:16]), weights(model)]

    with processes(1):
        expected = use()
    monkeypatch.setattr(memory, "create", none)
    with processes(2) as ran:
        found = use()
    assert ran
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4)


def test_a_process_that_dies_is_an_error_and_the_next_step_runs() -> None:
    model = small()
    with processes(2):
        model.train_on_batch(X[:16], Y[:16])
        crew = teams.team(2)
        os.kill(crew._children._processes[0].pid, signal.SIGKILL)
        crew._children._processes[0].wait(5)
        with_a_new_one = model.train_on_batch(X[:16], Y[:16])
        assert np.isfinite(with_a_new_one).all()
        assert teams.team(2) is not crew


def test_a_process_that_dies_in_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small()
    with processes(2):
        model.train_on_batch(X[:16], Y[:16])
        crew = teams.team(2)
        begin = crew.begin

        def fatal(key: int) -> None:
            crew._children._processes[0].send_signal(signal.SIGSTOP)
            begin(key)
            crew._children._processes[0].kill()

        monkeypatch.setattr(crew, "begin", fatal)
        with pytest.raises(RankError, match="SIGKILL"):
            model.train_on_batch(X[:16], Y[:16])
        assert np.isfinite(model.train_on_batch(X[:16], Y[:16])).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_its_own_weights(tmp_path: Path) -> None:
    model = small()
    with processes(2):
        model.train_on_batch(X[:16], Y[:16])
        before = weights(model)
        pid = os.fork()
        if pid == 0:
            try:
                model.set_weights([w + 1 for w in model.get_weights()])
                model.train_on_batch(X[:16], Y[:16])
                model.set_weights([np.zeros_like(w) for w in model.get_weights()])
                np.save(tmp_path / "child.npy", weights(model))
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        np.testing.assert_array_equal(weights(model), before)
        assert np.load(tmp_path / "child.npy")[:64].max() == 0
        model.train_on_batch(X[:16], Y[:16])
        assert not np.array_equal(weights(model), before)


def test_a_saved_model_and_a_copy() -> None:
    def use() -> list[Any]:
        model = small()
        model.fit(X, Y, batch_size=25, verbose=0)
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        model.fit(X, Y, batch_size=25, verbose=0)
        return [copy.predict(X, verbose=0), weights(model)]

    same(use, (2,))


def test_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    model = small()
    with processes(3):
        model.fit(X, Y, batch_size=16, verbose=0)
        text = kerasflow.explain(model, X[:16], Y[:16], as_run=True)
        profile = kerasflow.profile(model, X[:16], Y[:16], repeats=3)
    report = str(profile)
    waits = {profile.place(line)[0] for line in profile.lines if "kernels.barrier()" in line.line}
    assert waits == {"meetings"}, "waiting is no layer's time"
    assert text.startswith("# Shared out among 3 processes, rows of the batch: 5 + 5 + 6.")
    assert "kernels.barrier()" in text
    assert "(3 processes), 16 samples" in report
    assert "They meet" in report


def test_small_programs_and_one_core_start_nothing() -> None:
    backend: Any = current_backend("numpy")
    model = small()
    model.train_on_batch(X[:16], Y[:16])
    entries = [
        e for step in (model.train_function,) for e in getattr(step, "step", step).compiled.entries.values()
    ]
    assert entries and not any(isinstance(entry.program, TeamProgram) for entry in entries)
    assert backend.ranks(entries[0].graph) == 1


SCRIPT = """
import kerasflow
import keras
import numpy as np

model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(512, activation="relu"), keras.layers.Dense(10)])
model.compile("adam", "mse")
x, y = np.ones((256, 784), "float32"), np.ones((256, 10), "float32")
print("run", flush=True)  # once: nothing imports this file again
model.fit(x, y, batch_size=128, epochs=2, verbose=0)
from kerasflow_numpy.team import team
print(*[process.pid for process in team.team(2)._children._processes], flush=True)
"""


@pytest.mark.parametrize(
    "ending", ["", "import sys; sys.exit(3)", "raise ValueError", "import os; os._exit(0)"]
)
def test_a_script_without_a_guard(ending: str, tmp_path: Path) -> None:
    """Long steps run on two processes, as they are, and none is left however the script ends."""
    (tmp_path / "train.py").write_text(SCRIPT + ending + "\n")
    found = subprocess.run(
        [sys.executable, "train.py"],
        cwd=tmp_path,
        env={**os.environ, "KERASFLOW_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    first, pid = found.stdout.splitlines()
    assert first == "run"
    deadline = time.monotonic() + 10
    while runs(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not runs(int(pid))
    assert "resource_tracker" not in found.stderr and "Warning" not in found.stderr


def runs(pid: int) -> bool:
    """Whether there is such a process; one that has ended and is not waited for is none."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
