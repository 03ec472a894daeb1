"""`keras.distribution` with one device, as a program for several finds it on a small machine."""

from __future__ import annotations

from types import SimpleNamespace

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras.src.distribution import distribution_lib
from keras.src.trainers.data_adapters import get_data_adapter

from kerasflow.errors import UnknownDeviceError


def fit() -> list[float]:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    x = np.linspace(-1, 1, 64).reshape(16, 4)
    return model.fit(x, x.sum(axis=1, keepdims=True), epochs=2, verbose=0).history["loss"]


def test_the_devices_are_the_backend_s() -> None:
    assert keras.distribution.list_devices() == keras.distribution.list_devices("CPU") == ["cpu:0"]
    assert keras.distribution.list_devices("gpu") == []
    assert keras.distribution.get_device_count() == 1


def test_data_parallel_over_one_device_changes_nothing() -> None:
    expected = fit()
    keras.distribution.initialize()
    with keras.distribution.DataParallel().scope():
        assert fit() == expected


def test_model_parallel_over_one_device_changes_nothing() -> None:
    expected = fit()
    mesh = keras.distribution.DeviceMesh((1, 1), ["batch", "model"])
    layouts = keras.distribution.LayoutMap(mesh)
    layouts[".*kernel"] = (None, "model")
    layouts[".*/output"] = ("batch", None)
    with keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch").scope():
        assert fit() == expected
    assert layouts[".*kernel"].backend_layout and mesh.backend_mesh


def test_several_devices_are_refused() -> None:
    mesh = keras.distribution.DeviceMesh((2,), ["batch"], ["cpu:0", "cpu:1"])
    layout = keras.distribution.TensorLayout(("batch",), mesh)
    with pytest.raises(UnknownDeviceError, match=r"2 devices.*shape \(2,\).*on one.*kerasflow run"):
        keras.distribution.distribute_tensor(np.ones(2), layout)
    with (
        keras.distribution.DataParallel(device_mesh=mesh).scope(),
        pytest.raises(UnknownDeviceError, match="set_distribution"),
    ):
        fit()


def test_a_device_that_there_is_not_is_refused() -> None:
    with (
        keras.distribution.DataParallel(devices=["gpu:0"]).scope(),
        pytest.raises(UnknownDeviceError, match=r"'gpu:0'\. The backend 'numpy' has: cpu:0"),
    ):
        fit()
    with keras.distribution.DataParallel(devices=["CPU:0"]).scope():
        fit()


@pytest.mark.parametrize(
    "arguments", [{"process_id": 1}, {"num_processes": 0}, {"num_processes": 1, "process_id": 5}]
)
def test_a_process_that_there_is_not_is_refused(arguments: dict[str, int]) -> None:
    keras.distribution.initialize(num_processes=1, process_id=0)
    with pytest.raises(UnknownDeviceError, match="no launcher has started any"):
        keras.distribution.initialize(**arguments)


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_DISTRIBUTION_NUM_PROCESSES", "2")
    with pytest.raises(UnknownDeviceError, match=r"2 processes.*kerasflow run"):
        keras.distribution.initialize("10.0.0.1:1234", process_id=0)
    with pytest.raises(ValueError, match="3 addresses"):
        keras.distribution.initialize("10.0.0.1,10.0.0.2,10.0.0.3")


class Slices(keras.utils.PyDataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> np.ndarray:
        return np.full(2, index)


@pytest.mark.parametrize("x", [np.arange(8), Slices()], ids=["arrays", "PyDataset"])
def test_keras_cuts_no_data(x: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever distribution is set: each process has all batches, and takes its rows of them."""
    half = SimpleNamespace(auto_shard_dataset=True, num_data_shards=2, data_shard_id=1)
    monkeypatch.setattr(distribution_lib, "distribution", lambda: half)
    adapter = get_data_adapter(x, batch_size=2 if isinstance(x, np.ndarray) else None)
    assert adapter.num_batches == len(list(adapter.get_numpy_iterator())) == 4


def test_each_backend_lists_its_own_devices() -> None:
    with kerasflow.use_backend("pytensor"):
        assert keras.distribution.list_devices() == ["cpu:0"]
