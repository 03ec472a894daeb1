"""Uses of what the project's own tables of tests have cases for, and of what is called alike in a whole module."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
from keras.src.applications import imagenet_utils
from public_names import public_names

from kerasflow.testing.keras_cases.tables import all_cases, run

sys.path.append(str(Path(__file__).parents[1] / "bridge"))
from op_calls import CALLS, is_there, operands

Use = Callable[[], Any]
L = keras.layers
X = np.linspace(-1, 1, 12, dtype="float32").reshape(3, 4)
MODULES = {
    "layer": "keras.layers",
    "recurrent": "keras.layers",
    "loss": "keras.losses",
    "metric": "keras.metrics",
    "optimizer": "keras.optimizers",
    "constraint": "keras.constraints",
    "regularizer": "keras.regularizers",
    "activation": "keras.activations",
}


def from_cases() -> dict[str, Use]:
    """Layers, losses, metrics and optimizers: every use that the tests compare with stock Keras's."""
    # A case names what a class calls itself.
    paths = {
        (path.rpartition(".")[0], getattr(_thing(path), "__name__", "")): path for path in public_names()
    }
    found: dict[str, list[Any]] = {}
    for case in all_cases().values():
        family, _, name = case.name.partition("/")
        path = paths.get((MODULES.get(family, ""), case.covers or name.split()[0]))
        if path:
            found.setdefault(path, []).append(case)
    return {path: functools.partial(_all, cases) for path, cases in found.items()}


def _thing(path: str) -> Any:
    return functools.reduce(getattr, path.split(".")[1:], keras)


def _all(cases: Iterable[Any]) -> None:
    for case in cases:
        run(case)


def from_calls() -> dict[str, Use]:
    """Operations: their calls in the tests of all of them."""
    found: dict[str, list[str]] = {}
    for line in filter(is_there, CALLS):
        for name in re.findall(r"\bops\.([a-z][\w.]*)\(", line):
            found.setdefault(f"keras.ops.{name}", []).append(line.removeprefix("~ "))
    return {path: functools.partial(_evaluate, lines) for path, lines in found.items()}


def _evaluate(lines: Iterable[str]) -> None:
    for line in lines:
        eval(line.removeprefix("~"), {"ops": keras.ops, **operands()})


def _functions(module: str) -> list[str]:
    return [path for path in public_names() if path.rpartition(".")[0] == module]


PROBABLE = np.array([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1]], "float32")
ONE_HOT = np.array([[0, 1, 0], [1, 0, 0]], "float32")


def _of_pairs(path: str) -> Use:
    """A loss or metric as a function."""
    name = path.rpartition(".")[2]
    function = _thing(path)
    if name.startswith("sparse_"):
        return lambda: function(np.array([1, 0]), PROBABLE)
    if name == "categorical_generalized_cross_entropy":
        return lambda: function(np.array([1, 0]), PROBABLE, 0.5)
    if name == "ctc":
        return lambda: function(np.array([[1], [2]]), np.ones((2, 3, 4), "float32"))
    if name == "circle":
        return lambda: function(np.array([1, 0]), PROBABLE, np.array([1, 0]), PROBABLE)
    return lambda: function(ONE_HOT, PROBABLE)


def from_rules() -> dict[str, Use]:
    """What all in a module are called with."""
    found: dict[str, Use] = {}
    for path in (*_functions("keras.losses"), *_functions("keras.metrics")):
        if path.rpartition(".")[2][0].islower():
            found[path] = _of_pairs(path)
    for path in _functions("keras.initializers"):
        if (name := path.rpartition(".")[2])[0].isupper() and name != "Initializer":
            shape = (4, 1, 6) if name == "STFT" else (4, 4)
            found[path] = lambda name=name, shape=shape: getattr(keras.initializers, name)()(shape)
    for path in (*_functions("keras.regularizers"), *_functions("keras.constraints")):
        module, name = path.split(".")[1:]
        found[path] = lambda module=module, name=name: getattr(getattr(keras, module), name)()(X)
    for path in _functions("keras.activations"):
        name = path.rpartition(".")[2]
        found[path] = lambda name=name: getattr(keras.activations, name)(X)
    arguments = {"PiecewiseConstantDecay": ([1, 2], [0.3, 0.2, 0.1]), "CosineDecayRestarts": (0.1, 4)}
    arguments |= {"ExponentialDecay": (0.1, 4, 0.5), "InverseTimeDecay": (0.1, 4, 0.5)}
    for path in _functions("keras.optimizers.schedules"):
        name = path.rpartition(".")[2]
        given = arguments.get(name, (0.1, 4))
        found[path] = lambda name=name, given=given: getattr(keras.optimizers.schedules, name)(*given)(2)
    return found


def both_ways(module: str, thing: Callable[[], Any]) -> dict[str, Use]:
    """`serialize`, `deserialize` and `get`, which many modules have."""
    functions = getattr(keras, module) if "." not in module else keras.optimizers.schedules

    def again() -> Any:
        return functions.deserialize(functions.serialize(thing()))

    uses = {f"keras.{module}.{name}": again for name in ("serialize", "deserialize")}
    if hasattr(functions, "get"):
        uses[f"keras.{module}.get"] = lambda: functions.get(functions.serialize(thing()))
    return uses


NETWORKS = {
    # The smallest images that they take.
    "keras.applications.InceptionResNetV2": 75,
    "keras.applications.InceptionV3": 75,
    "keras.applications.Xception": 71,
}


def _predicts(path: str) -> None:
    size = NETWORKS.get(path, 32)
    make = getattr(keras.applications, path.rpartition(".")[2])
    model = make(weights=None, input_shape=(size, size, 3), classes=5)
    result = model.predict(np.ones((1, size, size, 3), "float32"), verbose=0)
    assert result.shape == (1, 5) and np.isfinite(result).all()


def from_networks() -> dict[str, Use]:
    """Networks without their weights, each of which is built and predicts; what goes in, and what comes out."""
    found = {path: functools.partial(_predicts, path) for path in _functions("keras.applications")}
    for path in public_names():
        name = path.rpartition(".")[2]
        if name == "preprocess_input":
            found[path] = lambda path=path: _thing(path)(np.ones((1, 8, 8, 3), "float32"))
        elif name == "decode_predictions":
            found[path] = lambda path=path: _decodes(_thing(path))
    return found


def _decodes(decode: Callable[..., Any]) -> None:
    """With the names of the classes, which it would download."""
    names = {str(i): [f"n{i}", f"class {i}"] for i in range(1000)}
    with mock.patch.object(imagenet_utils, "CLASS_INDEX", names):
        assert decode(np.eye(1, 1000), top=1) == [[("n0", "class 0", 1.0)]]


def table_uses() -> dict[str, Use]:
    """All of this file."""
    found = from_rules() | from_networks()
    for module, thing in {
        "layers": lambda: L.Dense(2),
        "losses": keras.losses.MeanSquaredError,
        "metrics": keras.metrics.MeanSquaredError,
        "optimizers": keras.optimizers.Adam,
        "optimizers.schedules": lambda: keras.optimizers.schedules.CosineDecay(0.1, 4),
        "activations": lambda: keras.activations.relu,
        "initializers": keras.initializers.GlorotUniform,
        "regularizers": keras.regularizers.L1L2,
        "constraints": keras.constraints.UnitNorm,
        "dtype_policies": lambda: keras.DTypePolicy("mixed_float16"),
        "quantizers": keras.quantizers.AbsMaxQuantizer,
    }.items():
        found |= both_ways(module, thing)
    return found | from_calls() | from_cases()
