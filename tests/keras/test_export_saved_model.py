"""`model.export(path)` and `keras.export.ExportArchive`: SavedModels that TensorFlow runs without kerasflow."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from exchange import samples
from exported_models import OfTheBatch, mlp

import kerasflow
from kerasflow.bridge.files import folder_written_whole
from kerasflow.compiler import registry
from kerasflow.errors import ExportError, KerasflowError, UnknownBackendError
from kerasflow.testing.keras_cases import attention, convolution, layers, preprocessing, recurrent
from kerasflow.testing.keras_cases.zoo import ARCHITECTURES

L = keras.layers

X = np.random.default_rng(0).standard_normal((8, 20)).astype("float32")

# Loads SavedModels in a process of TensorFlow's own: every one of a folder, run on each of the batches beside it, and
# one with several endpoints.
ALONE = """
import json, sys
from pathlib import Path
import numpy as np
import tensorflow as tf

models, archive = map(Path, sys.argv[1:])
for folder in models.iterdir():
    loaded = tf.saved_model.load(str(folder / "model"))
    with np.load(folder / "given.npz") as arrays:
        batches = {}
        for key in arrays:
            batches.setdefault(key.partition("/")[0], []).append(arrays[key])
    several = (folder / "several").exists()
    found = {
        f"{n}/{i}": y.numpy()
        for n, xs in batches.items()
        for i, y in enumerate(tf.nest.flatten(loaded.serve(xs if several else xs[0])))
    }
    np.savez(folder / "found.npz", **found)

loaded = tf.saved_model.load(str(archive / "model"))
x = np.load(archive / "x.npy")
plain = loaded.serve(x).numpy()
np.save(archive / "plain.npy", plain)
named = loaded.signatures["serving_default"](pixels=x)
loaded.variables[1].assign_add(np.ones(16, "float32"))
print(json.dumps({
    "same": bool((plain == named["output_0"].numpy()).all()),
    "changed": bool((plain != loaded.serve(x).numpy()).any()),
    "both": {key: value.shape.as_list() for key, value in loaded.both(x, {"b": x[:, :3]}).items()},
    "variables": [v.name for v in loaded.variables],
    "trainable": len(loaded.trainable_variables),
    "optimizer": [v.shape.as_list() for v in loaded.optimizer_variables],
}))
assert "kerasflow" not in sys.modules
"""


def alone(program: str, *arguments: Any) -> str:
    """What a program prints that runs without this process's modules and paths."""
    command = [sys.executable, "-I", "-c", program, *map(str, arguments)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def networks() -> dict[str, tuple[Any, list[np.ndarray]]]:
    """The models of the zoo, and a few samples of each."""
    found = {}
    for architecture in ARCHITECTURES:
        task = architecture(exact=True)
        x = samples(architecture.__name__, task)
        task.model(x)
        found[architecture.__name__] = task.model, keras.tree.flatten(x)
    return found


# Layers by whose primitives the shape of a batch passes in ways that the zoo does not have.
USES = [
    (convolution, "Conv1DTranspose"),
    (convolution, "Conv3D"),
    (recurrent, "ConvLSTM1D"),
    (attention, "GroupedQueryAttention"),
    (layers, "Embedding"),
    (layers, "GroupNormalization"),
    (preprocessing, "ContrastLimitedAdaptiveHistogramEqualization"),
    (preprocessing, "MelSpectrogram"),
]


def singles() -> dict[str, tuple[Any, list[np.ndarray]]]:
    """Models of one layer, one use of each class; and of what depends on the batch size."""
    found = {}
    for table, name in USES:
        use = next(iter(table.USES[name].values()))
        arrays = [
            np.asarray(a) for a in (use.inputs if isinstance(use.inputs, (tuple, list)) else [use.inputs])
        ]
        inputs = [keras.Input(a.shape[1:], dtype=a.dtype.name) for a in arrays]
        found[name] = keras.Model(inputs, use.make()(inputs if len(inputs) > 1 else inputs[0])), arrays
    found["OfTheBatch"] = keras.Sequential([L.Input((20,)), OfTheBatch()]), [X]
    return found


def test_loaded_by_tensorflow(tmp_path: Path) -> None:
    """TensorFlow finds what the models predict, without kerasflow, for one sample and for several."""
    pytest.importorskip("tensorflow")
    keras.utils.set_random_seed(1)
    archive = tmp_path / "archive"
    archive.mkdir()
    model = an_archive(archive)
    models = {**networks(), **singles()}
    expected = {}
    for name, (network, arrays) in models.items():
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        several = isinstance(getattr(network, "_inputs_struct", None), list)
        if several:
            (folder / "several").touch()
        given = {}
        for n in (1, len(arrays[0])):
            batch = [a[:n] for a in arrays]
            given |= {f"{n}/{i}": a for i, a in enumerate(batch)}
            expected[name, n] = network.predict(batch if several else batch[0], batch_size=n, verbose=0)
        np.savez(folder / "given.npz", **given)
        network.export(folder / "model", verbose=False)

    printed = json.loads(alone(ALONE, tmp_path / "models", archive))
    for (name, n), result in expected.items():
        with np.load(tmp_path / "models" / name / "found.npz") as found:
            for i, theirs in enumerate(keras.tree.flatten(result)):
                assert_close(found[f"{n}/{i}"], theirs, f"{name}, {n} samples")

    assert_close(np.load(archive / "plain.npy"), model.predict(X, verbose=0), "archive")
    assert printed["same"] and printed["changed"]
    assert printed["both"] == {"sum": [8, 16], "x": [8, 20]}
    assert [name.removesuffix(":0") for name in printed["variables"]] == [v.path for v in model.variables]
    assert printed["trainable"] == 2
    assert printed["optimizer"] == [list(v.shape) for v in model.optimizer.variables]


def assert_close(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    largest = np.abs(expected).max(initial=0)
    np.testing.assert_allclose(found, expected, 1e-5, 1e-5 * largest, err_msg=what, strict=True)


def an_archive(folder: Path) -> Any:
    """A model in an archive of several endpoints, with structures, that share its variables; trained after that."""
    model = mlp()
    model.layers[0].trainable = False
    other = L.Dense(16, use_bias=False)
    other.build((None, 3))
    archive = keras.export.ExportArchive()
    pixels = keras.InputSpec(shape=(None, 20), dtype="float32", name="pixels")
    archive.track_and_add_endpoint("serve", model, [pixels])

    def both(x: Any, more: Any) -> Any:
        return {"sum": model.layers[0](x) + other(more["b"]), "x": x}

    specs = [pixels, {"b": keras.InputSpec(shape=(None, 3), dtype="float32")}]
    archive.add_endpoint("both", both, specs)
    with pytest.raises(ValueError, match="already taken"):
        archive.add_endpoint("both", both, specs)
    model.compile("sgd", "mse")
    model.fit(X, np.zeros((8, 10)), verbose=0)
    archive.add_variable_collection("optimizer_variables", model.optimizer.variables)
    archive.write_out(folder / "model", verbose=False)
    np.save(folder / "x.npy", X)
    assert len(archive.trainable_variables) == 2 and len(archive.non_trainable_variables) == 2
    return model


def test_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow")
    mlp().export(tmp_path / "model")
    assert "* Endpoint 'serve'\n    pixels: float32(None, 20) -> float32(None, 10)" in capsys.readouterr().out


def test_one_onnx_file_of_any_backend(tmp_path: Path) -> None:
    """The backend that a model has run on makes no difference to the file."""
    pytest.importorskip("tensorflow")
    model, path = mlp(), tmp_path / "model.onnx"
    model.export(path, format="onnx", verbose=False)
    before = path.read_bytes()
    with kerasflow.use_backend("tensorflow"):
        model.predict(X, verbose=0)
        model.export(path, format="onnx", verbose=False)
    assert path.read_bytes() == before


# -- what cannot be exported --------------------------------------------------------------------------------


def test_tensorflow_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = registry._load

    def without(name: str) -> Any:
        if name == "numpy":
            return load(name)
        point = registry._entry_points()[name]
        raise UnknownBackendError(f"{name} needs: {registry._remedy(point, name)}")

    monkeypatch.setattr(registry, "_load", without)
    with pytest.raises(ExportError, match=r"'tf_saved_model'.*kerasflow\[tensorflow\]"):
        mlp().export(tmp_path / "model")
    assert not list(tmp_path.iterdir())


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "random": (lambda: L.Lambda(noisy, output_shape=(20,)), "depend on state that they change, .*seed"),
    "batch": (
        lambda: L.Lambda(lambda x: x * x.shape[0] ** 2, output_shape=(20,)),
        "depends on the batch size",
    ),
}


def noisy(x: Any) -> Any:
    return x + keras.random.normal(x.shape, seed=SEED)


SEED = keras.random.SeedGenerator(0)


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses(make: Callable[[], Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=message):
        keras.Sequential([L.Input((20,)), make()]).export(tmp_path / "model", verbose=False)
    assert not list(tmp_path.iterdir())


def test_bad_arguments(tmp_path: Path) -> None:
    model, archive = mlp(), keras.export.ExportArchive()
    with pytest.raises(ValueError, match="takes no argument 'is_static'"):
        model.export(tmp_path / "model", is_static=True)
    with pytest.raises(ExportError, match="OpenVINO reads ONNX files"):
        model.export(tmp_path / "model.xml", format="openvino")
    with pytest.raises(KerasflowError, match="not known in full"):
        keras.Sequential([L.Input((None, 5)), L.GRU(3)]).export(tmp_path / "model")
    with pytest.raises(ValueError, match="has not been built"):
        archive.track(L.Dense(2))
    with pytest.raises(ValueError, match="A layer or a model can be tracked"):
        archive.track(object())
    with pytest.raises(ValueError, match="needs an `input_signature`"):
        archive.add_endpoint("serve", model)
    with pytest.raises(ValueError, match="No endpoints"):
        archive.write_out(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_folders(tmp_path: Path) -> None:
    """A folder is replaced as a whole, but for files of others, and one of something else is left alone."""
    path = tmp_path / "deep" / "model"

    def write(content: str, fails: type[Exception] | None = None) -> None:
        with folder_written_whole(path, "mark") as draft:
            draft.mkdir()
            (draft / "mark").write_text(content)
            if fails:
                raise fails("on purpose")

    write("first")
    (path / "README").write_text("mine")
    write("second")
    for error, raised in ((OSError, KerasflowError), (ZeroDivisionError, ZeroDivisionError)):
        with pytest.raises(raised, match="on purpose"):
            write("third", fails=error)
    assert sorted((p.name, p.read_text()) for p in path.iterdir()) == [("README", "mine"), ("mark", "second")]
    (path / "mark").unlink()
    with pytest.raises(KerasflowError, match=r"holds something else \(it has no mark\)"):
        write("fourth")
    assert [p.name for p in path.iterdir()] == ["README"] and len(list(path.parent.iterdir())) == 1
    with pytest.raises(KerasflowError, match="is a file"), folder_written_whole(path / "README", "mark"):
        pass
