"""`model.export(path, format="onnx")`: onnxruntime computes from the file what the model predicts.

The zoo and every layer are in `test_export_numpy.py`, where the models are made and predict.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from exported_models import Branching, OfTheBatch, mlp
from onnx_files import assert_same_arrays, exported_onnx, runs

from kerasflow.errors import ExportError, KerasflowError
from kerasflow.exporting.onnx import OPSET, check_onnx, onnx_model
from kerasflow.graph import Graph, evaluate
from kerasflow.testing.table import SPECS

L = keras.layers

X = np.random.default_rng(0).standard_normal((8, 20)).astype("float32")


# What onnxruntime leaves open: NaN among the numbers of a maximum, and where it is.
NAN_LOSES = ("max", "min", "argmax", "argmin")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_primitives(dtype: str) -> None:
    """Each primitive means what it means in NumPy: all specifications of a dtype as one program."""
    inputs, nodes, outputs, arrays, expected = [], [], [], [], []
    tried = set()
    for spec in SPECS:
        if dtype not in spec.dtypes or (spec.primitive in NAN_LOSES and "nan" in str(spec)):
            continue
        graph = spec.graph(dtype)
        try:
            check_onnx(graph)
        except ExportError:
            continue
        tried.add(spec.primitive)
        operands = spec.arrays(dtype)
        inputs += graph.inputs
        nodes += graph.nodes
        outputs += graph.outputs
        arrays += operands
        expected += evaluate(graph, [], operands)[0]
    names = [f"x{i}" for i in range(len(inputs))]
    program = Graph(inputs, nodes, outputs)
    model = onnx_model(program, [], names, [f"y{i}" for i in range(len(outputs))], "all", "0")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found = session.run(None, dict(zip(names, arrays, strict=True)))
    assert len(tried) > (20 if dtype == "bool" else 40)
    for node_output, ours, theirs in zip(outputs, found, expected, strict=True):
        tolerance = {"float32": 1e-5, "float64": 1e-12}.get(ours.dtype.name, 0)
        np.testing.assert_allclose(
            ours, theirs, tolerance, tolerance, err_msg=str(node_output.node.primitive), strict=True
        )


def test_names(tmp_path: Path) -> None:
    """Inputs, outputs and weights have Keras's names, the batch has any size, and nobody else's operators are used."""
    model = mlp()
    file = onnx.load(exported_onnx(model, tmp_path))
    assert [x.name for x in file.graph.input] == ["pixels"]
    assert [x.name for x in file.graph.output] == ["digit"]
    assert file.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert {w.path for w in model.weights} <= {x.name for x in file.graph.initializer}
    assert [(x.domain, x.version) for x in file.opset_import] == [("", OPSET)]
    assert [n.op_type for n in file.graph.node].count("MatMul") == 2
    onnx.checker.check_model(file, full_check=True)


def test_structures(tmp_path: Path) -> None:
    """Inputs and outputs by name, some of them several times, one that is an input."""
    a, b = keras.Input((20,), name="a"), keras.Input((3,), dtype="int32", name="b")
    h = L.Dense(4)(a)
    outputs = {"sum": L.Add()([h, L.Dense(4)(b)]), "pair": (h, h), "a": a}
    model = keras.Model({"a": a, "b": b}, outputs)
    path = exported_onnx(model, tmp_path)
    x = {"a": X, "b": np.arange(24, dtype="int32").reshape(8, 3)}
    assert_same_arrays(runs(path)(x), model.predict(x, verbose=0))
    names = [x.name for x in onnx.load(path).graph.output]
    assert names == ["a_1", "pair/0", "pair/1", "sum"]


def test_loops_and_branches(tmp_path: Path) -> None:
    model = keras.Sequential([L.Input((20,)), Branching()])
    run = runs(exported_onnx(model, tmp_path))
    for n in range(1, 9):
        assert_same_arrays(run(X[:n]), model.predict(X[:n], batch_size=n, verbose=0))


def test_sizes_of_the_batch(tmp_path: Path) -> None:
    model = keras.Sequential([L.Input((20,)), OfTheBatch()])
    run = runs(exported_onnx(model, tmp_path))
    for n in (1, 2, 8):
        assert_same_arrays(run(X[:n]), model.predict(X[:n], batch_size=n, verbose=0))


@pytest.mark.parametrize("dtype", ["float64", "mixed_float16", "int8"])
def test_dtypes(dtype: str, tmp_path: Path) -> None:
    """Other precisions give what the model gives in them; quantized weights stay integers."""
    policy = "float32" if dtype == "int8" else dtype
    model = keras.Sequential(
        [L.Input((20,)), L.Dense(16, "tanh", dtype=policy), L.Dense(4, "silu", dtype=policy)]
    )
    if dtype == "int8":
        model.quantize("int8")
    path = exported_onnx(model, tmp_path)
    tolerance = {"float64": 1e-12, "mixed_float16": 5e-3, "int8": 1e-5}[dtype]
    assert_same_arrays(runs(path)(X), model.predict(X, verbose=0), tolerance)
    if dtype == "int8":
        assert {x.data_type for x in onnx.load(path).graph.initializer} >= {onnx.TensorProto.INT8}


def test_unknown_sizes(tmp_path: Path) -> None:
    """A sequence of any length: the signature says for which; and a model that is a class of its own."""
    model = keras.Sequential([L.Input((None, 5)), L.GRU(3)])
    x = X.reshape(8, 4, 5)
    with pytest.raises(KerasflowError, match=r"not known in full\. Give them as `input_signature"):
        exported_onnx(model, tmp_path)
    path = exported_onnx(
        model, tmp_path, input_signature=[keras.InputSpec(shape=(None, 4, 5), dtype="float32")]
    )
    assert_same_arrays(runs(path)(x), model.predict(x, verbose=0))

    class Own(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs * 2

    own = Own()
    own(X)
    assert_same_arrays(runs(exported_onnx(own, tmp_path))(X), X * 2)


def test_opset_and_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, path = mlp(), tmp_path / "model.onnx"
    model.export(path, format="onnx", opset_version=18)
    assert "* input 'pixels': float32(batch, 20)" in capsys.readouterr().out
    assert onnx.load(path).opset_import[0].version == 18
    assert_same_arrays(runs(path)(X), model.predict(X, verbose=0))
    with pytest.raises(ValueError, match="`opset_version` has to be from 18 to"):
        exported_onnx(model, tmp_path, opset_version=9)


# -- what cannot be exported --------------------------------------------------------------------------------


def noisy(x: Any) -> Any:
    return x + keras.random.normal(x.shape, seed=SEED)


SEED = keras.random.SeedGenerator(0)

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "primitive": (lambda: L.Lambda(keras.ops.erfinv, name="inverse"), r"`erfinv` \(in .*inverse\)"),
    "complex": (
        lambda: L.Lambda(lambda x: keras.ops.rfft(x)[0], output_shape=(11,), name="spectrum"),
        r"`rfft` \(in .*spectrum\), the dtype complex64",
    ),
    "double": (
        lambda: L.Lambda(lambda x: keras.ops.arctan(keras.ops.cast(x, "float64")), name="angle"),
        r"`arctan` in float64 \(in .*angle\)",
    ),
    "dtype": (lambda: L.Dense(2, dtype="bfloat16", name="coarse"), r"dtype bfloat16 \(in .*coarse\)"),
    "state": (lambda: L.Lambda(noisy, output_shape=(20,)), "depend on state that they change, .*seed"),
    "batch": (
        lambda: L.Lambda(lambda x: x * x.shape[0] ** 2, output_shape=(20,)),
        "depends on the batch size",
    ),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses(make: Callable[[], Any], message: str, tmp_path: Path) -> None:
    """The error names the cause and the layer, and the file that was there is as it was."""
    path = tmp_path / "model.onnx"
    path.write_text("before")
    with pytest.raises(ExportError, match=message):
        exported_onnx(keras.Sequential([L.Input((20,)), make()]), tmp_path)
    assert path.read_text() == "before" and len(list(tmp_path.iterdir())) == 1


def test_bad_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = mlp()
    with pytest.raises(KerasflowError, match=r"has to end in \.onnx"):
        model.export(tmp_path / "model", format="onnx")
    with pytest.raises(KerasflowError, match="takes no argument 'is_static'"):
        exported_onnx(model, tmp_path, is_static=True)
    with pytest.raises(KerasflowError, match="structure of the inputs"):
        exported_onnx(model, tmp_path, input_signature=[keras.InputSpec(shape=(None, 20))] * 2)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(KerasflowError, match=r'pip install "kerasflow\[onnx\]"'):
        exported_onnx(model, tmp_path)
    assert not list(tmp_path.iterdir())


def test_failing_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.onnx").write_text("before")

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(KerasflowError, match="No space left"):
        exported_onnx(mlp(), tmp_path)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("model.onnx", "before")]
