"""`kerasflow.export_numpy`: the file computes what the model predicts, with NumPy alone.

The zoo's models and the layers are exported as ONNX here too, since making them takes the longest.
"""

import collections
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from exported_models import Branching
from imported import imported
from onnx_files import assert_same_arrays, exported_onnx, runs
from scipy import special

import kerasflow
from kerasflow.bridge.exported import known_inputs
from kerasflow.errors import ExportError, KerasflowError
from kerasflow.exporting.numpy import helpers
from kerasflow.primitives import PRIMITIVES
from kerasflow.testing.keras_cases import attention, convolution, layers, preprocessing, recurrent
from kerasflow.testing.keras_cases.layer_use import Use
from kerasflow.testing.keras_cases.zoo import ARCHITECTURES, Task

L = keras.layers

# Imports an exported file where no other package can be imported.
IMPORTS = """
import importlib.util, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"kerasflow", "kerasflow_numpy", "keras", "scipy", "tensorflow", "ml_dtypes"}:
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Blocked())
import numpy as np

path, given, found = sys.argv[1:]
spec = importlib.util.spec_from_file_location("exported", path)
exported = importlib.util.module_from_spec(spec)
spec.loader.exec_module(exported)
"""

# Runs it so: x from a file, the results into another.
ALONE = (
    IMPORTS
    + """
with np.load(given) as arrays:
    batches = {}
    for key in arrays:
        batches.setdefault(key.partition("/")[0], []).append(arrays[key])
results = {n: exported.predict(xs if len(xs) > 1 else xs[0]) for n, xs in batches.items()}
np.savez(found, **results)
"""
)


def alone(path: Path, batches: dict[int, Any]) -> dict[int, np.ndarray]:
    """What an exported file predicts, by number of samples, in a process that has NumPy alone."""
    given, found = path.with_name("given.npz"), path.with_name("found.npz")
    arrays = {
        f"{n}/{i}": x for n, xs in batches.items() for i, x in enumerate(xs if isinstance(xs, list) else [xs])
    }
    np.savez(given, **arrays)
    command = [sys.executable, "-I", "-c", ALONE, str(path), str(given), str(found)]
    subprocess.run(command, check=True, timeout=120)
    with np.load(found) as results:
        return {int(n): results[n] for n in results}


def first(x: Any, n: int) -> Any:
    return [a[:n] for a in x] if isinstance(x, list) else x[:n]


def assert_same(found: Any, expected: Any) -> None:
    """Of the same structure, shapes and dtypes, and to 1e-5 the same numbers."""
    keras.tree.assert_same_structure(found, expected)
    assert_same_arrays(keras.tree.flatten(found), expected)


def mlp() -> Any:
    return keras.Sequential(
        [L.Input((20,)), L.Dense(16, "relu"), L.Dropout(0.2), L.Dense(10, "softmax")], name="mlp"
    )


X = np.random.default_rng(0).standard_normal((8, 20)).astype("float32")


def drawn(task: Task) -> Any:
    """What a generator predicts from; None for all other models."""
    size = getattr(task.model, "size", None)
    return np.random.default_rng(1).standard_normal((64, size)).astype("float32") if size else None


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda f: f.__name__)
def test_zoo(architecture: Callable[..., Task], tmp_path: Path) -> None:
    """A trained model of each architecture, for one sample, for three, and for a batch as it was trained on."""
    keras.utils.set_random_seed(1)
    task = architecture()
    x = keras.tree.map_structure(lambda a: a[: 2 * task.batch_size], task.train)
    task.model.fit(*x, batch_size=task.batch_size, verbose=0)
    samples = drawn(task)
    samples = x[0] if samples is None else samples
    samples = list(samples) if isinstance(samples, (list, tuple)) else samples
    sizes = (1, 3, task.batch_size)
    # A model that is a class of its own does not know the shape of its inputs.
    example = None if getattr(task.model, "inputs", None) else samples
    path = kerasflow.export_numpy(task.model, tmp_path / "exported.py", example)
    found = alone(path, {n: first(samples, n) for n in sizes})
    signature = (
        None if example is None else [keras.InputSpec(shape=(None, *samples.shape[1:]), dtype="float32")]
    )
    onnx = runs(exported_onnx(task.model, tmp_path, input_signature=signature))
    for n in sizes:
        expected = task.model.predict(first(samples, n), batch_size=n, verbose=0)
        assert_same(found[n], expected)
        assert_same_arrays(onnx(first(samples, n)), expected)


# Trains with it so: batches from a file, the metrics into another.
TRAINS = (
    IMPORTS
    + """
with np.load(given, allow_pickle=True) as arrays:
    batches = arrays["batches"]
logs = []
for batch in batches:
    exported.reset_metrics()
    logs.append(exported.train_step(*batch))
state = {f"state/{name}": array for name, array in exported.state.items()}
np.savez(found, **{name: [log[name] for log in logs] for name in logs[0]}, **state)
"""
)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda f: f.__name__)
def test_zoo_trains(architecture: Callable[..., Task], double: None, tmp_path: Path) -> None:
    """Each architecture trains in the file as in Keras, dropout and all, with a last batch that is smaller.

    In double precision: in single, rounding decides whether an activation beside 0 passes a gradient on.
    """
    keras.utils.set_random_seed(1)
    task = architecture()
    size = task.batch_size
    parts = [slice(0, size), slice(size, 2 * size), slice(2 * size, 2 * size + 3)]
    batches = [keras.tree.map_structure(lambda a, s=s: a[s], task.train) for s in parts]
    path = kerasflow.export_numpy(task.model, tmp_path / "exported.py", drawn(task), training=batches[0])
    given, found = tmp_path / "given.npz", tmp_path / "found.npz"
    listed = np.empty(len(batches), object)
    listed[:] = batches
    np.savez(given, batches=listed)
    subprocess.run(
        [sys.executable, "-I", "-c", TRAINS, str(path), str(given), str(found)], check=True, timeout=120
    )
    logs = [task.model.train_on_batch(*batch, return_dict=True) for batch in batches]
    with np.load(found) as results:
        for name in logs[0]:
            np.testing.assert_allclose(results[name], [log[name] for log in logs], rtol=1e-9, err_msg=name)
        for variable in task.model.trainable_variables:
            ours = results[f"state/{variable.path}"]
            np.testing.assert_allclose(ours, variable.numpy(), rtol=1e-9, atol=1e-9, err_msg=variable.path)


Y = np.arange(8) % 10


def trainable() -> Any:
    keras.utils.set_random_seed(2)
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("embed", [False, True])
def test_training_goes_on(embed: bool, tmp_path: Path) -> None:
    """An epoch in the file is one in Keras; what it has learned is saved, and the file that loads it goes on."""
    model = trainable()
    path = kerasflow.export_numpy(model, tmp_path / "mlp.py", training=(X, Y), embed=embed)
    exported = imported(path)
    history = model.fit(X, Y, batch_size=3, shuffle=False, epochs=2, verbose=0).history
    for epoch in range(2):
        if epoch == 1:
            np.savez(tmp_path / "mlp.npz", **exported.state)
            again = imported(path)
            if embed:
                with np.load(tmp_path / "mlp.npz") as state:
                    again.state.update(state)
            exported = again
        exported.reset_metrics()
        for i in range(0, 8, 3):
            logs = exported.train_step(X[i : i + 3], Y[i : i + 3])
        assert {name: pytest.approx(value, rel=1e-5) for name, value in logs.items()} == {
            name: values[epoch] for name, values in history.items()
        }
    assert_same(exported.predict(X), model.predict(X, verbose=0))


class Pair(NamedTuple):
    low: Any
    high: Any


class Parts(L.Layer):
    """Results in structures that Python's `collections` has."""

    def call(self, x: Any) -> Any:
        ordered = collections.OrderedDict([("z", x * 2), ("a", x + 1)])
        return {"pair": Pair(x, x * 3), "ordered": ordered, "none": None, 'q"\u2028': [x[:, :1]]}


def test_structures_of_results(tmp_path: Path) -> None:

    class Model(keras.Model):
        def call(self, x: Any) -> Any:
            return Parts()(x)

    model = Model()
    model(X)
    exported = imported(kerasflow.export_numpy(model, tmp_path / "parts.py", X))
    found = exported.predict(X)
    assert list(found["ordered"]) == ["z", "a"] and isinstance(found["ordered"], collections.OrderedDict)
    assert type(found["pair"]).__name__ == "Pair" and found["pair"]._fields == ("low", "high")
    np.testing.assert_array_equal(found["pair"].high, X * 3)
    np.testing.assert_array_equal(found["ordered"]["z"], X * 2)
    np.testing.assert_array_equal(found['q"\u2028'][0], X[:, :1])
    assert found["none"] is None


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_constants_that_grow_and_are_no_numbers(number: float, dtype: str, tmp_path: Path) -> None:
    def beside(x: Any) -> Any:
        column = keras.ops.full((keras.ops.shape(x)[0], 1), number, dtype)
        row = np.array([[1.0, number, number]], dtype)
        return keras.ops.concatenate(
            [keras.ops.cast(x, dtype), column, keras.ops.repeat(row, x.shape[0], 0)], 1
        )

    model = keras.Sequential([L.Input((20,)), L.Lambda(beside)])
    exported = imported(kerasflow.export_numpy(model, tmp_path / "filled.py"))
    for n in (1, 3):
        np.testing.assert_array_equal(exported.predict(X[:n]), model.predict(X[:n], verbose=0))


def test_a_size_that_comes_from_the_data_is_none(tmp_path: Path) -> None:
    """What a `Sequential` without an `Input` took from its first batch is no size; with state for each sample it is."""
    model = keras.Sequential([L.Dense(4, activation="relu"), L.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(X, np.arange(8) % 3, batch_size=4, verbose=0)
    assert model.inputs[0].shape[0] == 4
    exported = imported(kerasflow.export_numpy(model, tmp_path / "mlp.py", training=(X[:1], np.ones(1, int))))
    np.testing.assert_allclose(exported.predict(X[:7]), model.predict(X[:7], verbose=0), rtol=1e-6)
    exported.train_step(X, np.arange(8) % 3)
    stateful = keras.Sequential([L.LSTM(2, stateful=True)])
    stateful(np.ones((4, 5, 3), "float32"))
    assert known_inputs(stateful).shape == (4, 5, 3)


def test_training_with_weights(tmp_path: Path) -> None:
    model = trainable()
    weights = np.linspace(0, 2, 8)
    exported = imported(kerasflow.export_numpy(model, tmp_path / "mlp.py", training=(X, Y, weights)))
    expected = model.train_on_batch(X, Y, weights, return_dict=True)
    assert {
        name: pytest.approx(value, rel=1e-5) for name, value in exported.train_step(X, Y, weights).items()
    } == expected


def test_a_step_changes_all_or_nothing(tmp_path: Path) -> None:
    exported = imported(kerasflow.export_numpy(trainable(), tmp_path / "mlp.py", training=(X, Y)))
    before = dict(exported.state)
    with pytest.raises(ValueError, match=r"y has to be of shape \(n,\), received \(1,\)"):
        exported.train_step(X, Y[:1])
    assert before == exported.state


def test_refuses_training(tmp_path: Path) -> None:
    path = tmp_path / "mlp.py"
    with pytest.raises(KerasflowError, match=r"'mlp' has no training step yet: call `model.compile"):
        kerasflow.export_numpy(mlp(), path, training=(X, Y))
    with pytest.raises(KerasflowError, match=r"has to be a batch .*; received ndarray"):
        kerasflow.export_numpy(trainable(), path, training=X)
    with pytest.raises(ExportError, match=r"in training cannot be traced for a made-up batch"):
        kerasflow.export_numpy(trainable(), path, training=(X, np.zeros((8, 3, 3))))
    assert not list(tmp_path.iterdir())


TABLES = (layers, convolution, recurrent, attention, preprocessing)
USES = [
    pytest.param(use, id=f"{name}/{what}")
    for name, uses in itertools.chain(*(module.USES.items() for module in TABLES))
    for what, use in uses.items()
    # A state of four samples is no model for any number of them (`test_refuses_a_fixed_batch`); masks are inputs too.
    if what != "initial state" and {key for key, _ in use.call} <= {"training"} and name != "Equalization"
]


@pytest.mark.parametrize("use", USES)
def test_layers(use: Use, tmp_path: Path) -> None:
    """Each layer, at inference, for two batch sizes."""
    keras.utils.set_random_seed(0)
    several = isinstance(use.inputs, (tuple, list))
    arrays = [np.asarray(a) for a in (use.inputs if several else [use.inputs])]
    inputs = [keras.Input(a.shape[1:], dtype=a.dtype.name) for a in arrays]
    model = keras.Model(inputs, use.make()(inputs if several else inputs[0]))
    exported = imported(kerasflow.export_numpy(model, tmp_path / "layer.py"))
    if use in preprocessing.USES.get("MelSpectrogram", {}).values():
        with pytest.raises(ExportError, match="cannot be written as ONNX: it needs `rfft`"):
            exported_onnx(model, tmp_path)
        onnx = None
    else:
        onnx = runs(exported_onnx(model, tmp_path))
    for n in (1, len(arrays[0])):
        batch = [a[:n] for a in arrays]
        expected = model.predict(batch, batch_size=n, verbose=0)
        assert_same(exported.predict(batch), expected)
        if onnx:
            assert_same_arrays(onnx(batch), expected)


def test_text(tmp_path: Path) -> None:
    """A dense network is a line for each layer, and softmax; its weights have Keras's names."""
    text = kerasflow.export_numpy(mlp(), tmp_path / "mlp.py").read_text()
    (dense,) = (line for line in text.splitlines() if "np.maximum" in line)
    assert dense.strip().endswith(
        "= np.maximum(x @ dense_kernel + dense_bias, 0.0)".replace("dense", dense.split()[0])
    )
    body = text[text.index("received {x.shape}") :].splitlines()[1:]
    assert len([line for line in body if not line.strip().startswith("#")]) == 5
    with np.load(tmp_path / "mlp.npz") as arrays:
        assert all(key.startswith("mlp/dense") for key in arrays) and len(arrays.files) == 4


def test_weights_alone_are_computed_once(tmp_path: Path) -> None:
    """What batch normalization makes of its weights stands outside of `predict`."""
    model = keras.Sequential([L.Input((20,)), L.BatchNormalization()])
    text = kerasflow.export_numpy(model, tmp_path / "model.py").read_text()
    before, inside = text.split("def predict")
    assert "np.sqrt" in before and "np.sqrt" not in inside


def test_embedded(tmp_path: Path) -> None:
    """With `embed=True` the Python file is all there is."""
    model = mlp()
    path = kerasflow.export_numpy(model, str(tmp_path / "model.py"), embed=True)
    assert [p.name for p in tmp_path.iterdir()] == ["model.py"]
    moved = path.rename(path.with_name("elsewhere.py"))
    assert_same(alone(moved, {8: X})[8], model.predict(X, verbose=0))


def test_structures(tmp_path: Path) -> None:
    """Inputs and outputs by name, some of them several times, one that is an input."""
    a, b = keras.Input((20,), name="a"), keras.Input((3,), dtype="int32", name="b")
    h = L.Dense(4)(a)
    outputs = {"sum": L.Add()([h, L.Dense(4)(b)]), "pair": (h, h), "a": a}
    model = keras.Model({"a": a, "b": b}, outputs)
    exported = imported(kerasflow.export_numpy(model, tmp_path / "model.py"))
    x = {"a": X, "b": np.arange(24).reshape(8, 3)}
    assert_same(exported.predict(x), model.predict(x, verbose=0))


def test_unknown_sizes(tmp_path: Path) -> None:
    """A sequence of any length: a batch says for which."""
    model = keras.Sequential([L.Input((None, 5)), L.GRU(3)])
    path = tmp_path / "model.py"
    with pytest.raises(KerasflowError, match=r"Give a batch.*x\[:1\]"):
        kerasflow.export_numpy(model, path)
    x = X.reshape(8, 4, 5)
    exported = imported(kerasflow.export_numpy(model, path, x[:1]))
    assert_same(exported.predict(x), model.predict(x, verbose=0))


def test_loops_and_branches(tmp_path: Path) -> None:
    """Statements of Python."""
    model = keras.Sequential([L.Input((20,)), Branching()])
    exported = imported(kerasflow.export_numpy(model, tmp_path / "model.py"))
    for n in range(1, 9):
        assert_same(exported.predict(X[:n]), model.predict(X[:n], batch_size=n, verbose=0))


@pytest.mark.parametrize("dtype", ["float64", "mixed_float16"])
def test_dtypes(dtype: str, tmp_path: Path) -> None:
    """Other precisions give what the model gives in them."""
    model = keras.Sequential(
        [
            L.Input((20,)),
            L.Reshape((5, 4), dtype=dtype),
            L.Conv1D(3, 2, activation="gelu", dtype=dtype),
            L.Dense(4, dtype=dtype),
        ]
    )
    exported = imported(kerasflow.export_numpy(model, tmp_path / "model.py"))
    found, expected = exported.predict(X), model.predict(X, verbose=0)
    assert found.dtype == expected.dtype == np.dtype("float64" if dtype == "float64" else "float16")
    tolerance = {"float64": 1e-12, "mixed_float16": 5e-3}[dtype]
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_complex(tmp_path: Path) -> None:
    """The imaginary part that is nothing but zeros is an array all the same."""
    part = L.Lambda(lambda x: keras.ops.fft((x, keras.ops.zeros_like(x)))[1], output_shape=(20,))
    model = keras.Sequential([L.Input((20,)), part])
    exported = imported(kerasflow.export_numpy(model, tmp_path / "model.py"))
    assert_same(exported.predict(X), model.predict(X, verbose=0))


def test_odd_names(tmp_path: Path) -> None:
    """Names that are Python's, NumPy's, the file's own, or no names at all."""
    names = ["np", "predict", "math", "for", "2nd", 'quo"te{s}', "ünï", "convolution", "each", "windows"]
    inputs = {f"to {name}": keras.Input((20,), name=f"to {name}") for name in names}
    h = [L.Dense(3, "gelu", name=name)(x) for name, x in zip(names, inputs.values(), strict=True)]
    h = L.Conv1D(2, 2, name="pad")(L.Reshape((10, 3))(L.Concatenate()(h)))
    model = keras.Model(inputs, h, name='"""\\')
    exported = imported(kerasflow.export_numpy(model, tmp_path / "model.py"))
    x = {name: X * (i + 1) for i, name in enumerate(inputs)}
    assert_same(exported.predict(x), model.predict(x, verbose=0))


def test_error_function() -> None:
    """To the precision of the dtype, from the smallest numbers to infinity."""
    x = np.concatenate([np.linspace(-6, 6, 2001), [1e-30, -1e-6, np.inf, -np.inf, 0.0]])
    for dtype, tolerance in (("float32", 5e-7), ("float64", 1e-15)):
        y = x.astype(dtype)
        np.testing.assert_allclose(helpers.erf(y), special.erf(y), rtol=tolerance)
    assert np.isnan(helpers.erf(np.float32("nan")))


def test_random_bits() -> None:
    seed = np.array([7, 2**31], "uint32")
    for dtype in map(np.dtype, ("uint8", "uint32", "uint64")):
        expected = PRIMITIVES["random_bits"].evaluate(seed, shape=(3, 5), dtype=dtype)
        np.testing.assert_array_equal(helpers.random_bits(seed, (3, 5), dtype), expected, strict=True)


def test_wrong_shape(tmp_path: Path) -> None:
    exported = imported(kerasflow.export_numpy(mlp(), tmp_path / "model.py"))
    with pytest.raises(ValueError, match=r"x has to be of shape \(n, 20\), received \(8, 19\)"):
        exported.predict(X[:, 1:])
