"""KerasTuner on kerasflow: its searches, the same by seed, taken up again from their folder; without TensorFlow."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import textwrap
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

keras_tuner = pytest.importorskip("keras_tuner")

PROGRAM = """
    import json, sys

    import kerasflow
    import keras
    import keras_tuner
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(160, 4)).astype("float32")
    y = (x[:, 0] * x[:, 1] > 0).astype("int32")
    DATA = {"x": x[:96], "y": y[:96], "validation_data": (x[96:], y[96:]), "epochs": 5, "verbose": 0}
    rates = []


    class Rates(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            rates.append(float(self.model.optimizer.learning_rate))


    def build(hp):
        model = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(hp.Int("units", 4, 32, step=4), hp.Choice("activation", ["relu", "tanh"])),
                keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5)),
                keras.layers.Dense(2, "softmax"),
            ]
        )
        rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model


    def search(kind, folder, **options):
        keras.utils.set_random_seed(0)
        tuner = kind(build, objective="val_loss", seed=1, directory=folder, project_name="search", **options)
        callbacks = [
            keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, min_delta=10.0, patience=1),
            keras.callbacks.EarlyStopping("val_loss", min_delta=10.0, patience=2),
            Rates(),
        ]
        rates.clear()
        tuner.search(**DATA, callbacks=callbacks)
        return tuner


    def trials(tuner):
        return [[t.trial_id, t.hyperparameters.values, t.score] for t in tuner.oracle.trials.values()]


    KINDS = {
        "random": (keras_tuner.RandomSearch, {"max_trials": 3}),
        "bayesian": (keras_tuner.BayesianOptimization, {"max_trials": 3, "num_initial_points": 2}),
        "hyperband": (keras_tuner.Hyperband, {"max_epochs": 3, "factor": 3}),
    }
    found = {}
    for name, (kind, options) in KINDS.items():
        first, again = (search(kind, f"{name}{i}", **options) for i in range(2))
        model = first.get_best_models()[0]
        loss = model.evaluate(*DATA["validation_data"], verbose=0)[0]
        best = first.oracle.get_best_trials()[0]
        found[name] = {"first": trials(first), "again": trials(again), "best": best.score, "loss": loss}

    # A search that was broken off after two trials goes on from its folder.
    two = search(keras_tuner.RandomSearch, "resumed", max_trials=2)
    found["rates"] = list(rates)
    found["begun"] = trials(two)
    found["resumed"] = trials(search(keras_tuner.RandomSearch, "resumed", max_trials=3))
    found["epochs after it was taken up"] = len(rates)
    found["tensorflow"] = "tensorflow" in sys.modules
    print(json.dumps(found))
"""


def test_searches(tmp_path):
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    # Where TensorFlow is missing, its import fails.
    (tmp_path / "tensorflow.py").write_text("raise ModuleNotFoundError('no TensorFlow', name='tensorflow')")
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert not found["tensorflow"]
    for kind, trials in (("random", 3), ("bayesian", 3), ("hyperband", 4)):
        result = found[kind]
        assert len(result["first"]) >= trials
        assert result["first"] == result["again"]
        assert result["loss"] == pytest.approx(result["best"], rel=1e-6)
        assert result["best"] == min(score for _, _, score in result["first"])
    # The loss never falls by ten: an epoch without gain halves the rate, the second such epoch of five is the last.
    a, b = (found["begun"][i][1]["rate"] for i in range(2))
    assert found["rates"] == pytest.approx([a, a / 2, a / 4, b, b / 2, b / 4])
    assert found["resumed"][:2] == found["begun"]
    assert len(found["resumed"]) == 3
    assert found["epochs after it was taken up"] == 3


def brought(requirements: list[str], extras: frozenset[str] = frozenset({""})) -> set[str]:
    """The distributions that requirements bring, with all that these require."""
    found = set()
    for requirement in map(Requirement, requirements):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            found.add(canonicalize_name(requirement.name))
            found |= brought(metadata.requires(requirement.name) or [], frozenset({"", *requirement.extras}))
    return found


def test_the_extra_brings_what_kerastuner_imports() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    there = brought([*project["dependencies"], *project["optional-dependencies"]["tune"]])
    imported = set()
    for file in Path(keras_tuner.__file__).parent.rglob("*.py"):
        for statement in ast.parse(file.read_text()).body:  # Not what stands within `try`.
            if isinstance(statement, ast.Import):
                imported |= {name.name.partition(".")[0] for name in statement.names}
            elif isinstance(statement, ast.ImportFrom):
                imported.add((statement.module or "").partition(".")[0])
    distributions = metadata.packages_distributions()
    missing = {
        module
        for module in imported - set(sys.stdlib_module_names) - {"google"}
        if not there & {canonicalize_name(name) for name in distributions.get(module, [])}
    }
    assert not missing
