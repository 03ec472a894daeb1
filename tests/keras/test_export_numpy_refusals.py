"""What `kerasflow.export_numpy` cannot write, and what is left then."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kerasflow
from kerasflow.errors import ExportError, KerasflowError

L = keras.layers
X = np.random.default_rng(0).standard_normal((8, 20)).astype("float32")


def mlp() -> Any:
    return keras.Sequential([L.Input((20,)), L.Dense(10, "softmax")])


def batch_root(x: Any) -> Any:
    """Something else for each batch size."""
    return x * x.shape[0] ** 2


def noisy(x: Any) -> Any:
    return x + keras.random.normal(x.shape, seed=SEED)


SEED = keras.random.SeedGenerator(0)

REFUSED = {
    "primitive": (lambda: L.Lambda(keras.ops.erfinv, name="inverse"), r"`erfinv` \(in .*inverse\)"),
    "dtype": (lambda: L.Dense(2, dtype="bfloat16", name="coarse"), r"dtype bfloat16 \(in .*coarse\)"),
    "batch size": (
        lambda: L.Lambda(batch_root, output_shape=(20,), name="root"),
        r"batch size .*\(in .*root\)",
    ),
    "state": (lambda: L.Lambda(noisy, output_shape=(20,)), "depend on state that they change, .*seed"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses(make: Callable[[], Any], message: str, tmp_path: Path) -> None:
    """The error names the cause and the layer, and the files that were there are as they were."""
    path, weights = tmp_path / "model.py", tmp_path / "model.npz"
    path.write_text("before")
    weights.write_text("before too")
    with pytest.raises(ExportError, match=message):
        kerasflow.export_numpy(keras.Sequential([L.Input((20,)), make()]), path)
    assert path.read_text() == "before" and weights.read_text() == "before too"
    assert len(list(tmp_path.iterdir())) == 2


def test_refuses_a_fixed_batch(tmp_path: Path) -> None:
    """A constant of four rows fits four samples only."""
    four = np.ones((4, 20), "float32")
    model = keras.Sequential([L.Input((20,)), L.Lambda(lambda x: x + four, output_shape=(20,))])
    with pytest.raises(ExportError, match="cannot be traced for a made-up batch of"):
        kerasflow.export_numpy(model, tmp_path / "model.py")


def test_keras_module_of_that_name() -> None:
    """Keras's public module `export` is still there under our name."""
    assert kerasflow.export is keras.export


UNIMPORTABLE = {
    "my-model.py": "my_model.py",
    "1m.py": "model_1m.py",
    "class.py": "model_class.py",
    "numpy.py": "model_numpy.py",
    "random.py": "model_random.py",
}


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(KerasflowError, match=r"has to end in \.py"):
        kerasflow.export_numpy(mlp(), tmp_path / "model.txt")
    with pytest.raises(KerasflowError, match="there is no folder"):
        kerasflow.export_numpy(mlp(), tmp_path / "missing" / "model.py")
    for name, suggested in UNIMPORTABLE.items():
        with pytest.raises(
            ExportError, match=f"'{name}' could not be imported: .* Give another one, '{suggested}' say"
        ):
            kerasflow.export_numpy(mlp(), tmp_path / name)
    with pytest.raises(KerasflowError, match="structure of the inputs"):
        kerasflow.export_numpy(mlp(), tmp_path / "model.py", {"x": X})
    assert not list(tmp_path.iterdir())


def test_failing_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the second file cannot be written, the first is not replaced either."""
    (tmp_path / "model.npz").write_text("before")

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(KerasflowError, match="No space left"):
        kerasflow.export_numpy(mlp(), tmp_path / "model.py")
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]
    assert (tmp_path / "model.npz").read_bytes() == b"before"
