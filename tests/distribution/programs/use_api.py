"""`keras.distribution` as a program uses it that is started by `mpiexec python`, with `import kerasflow`."""

import kerasflow  # isort: skip

import sys

import keras
import numpy as np

from kerasflow.compiler.ranks import sharing
from kerasflow.errors import KerasflowError, RankError, UnknownDeviceError

api = keras.distribution


def refused(kind: type[KerasflowError], *words: str, **arguments: object) -> None:
    """What `initialize` says of arguments that contradict the launcher, or each other."""
    try:
        api.initialize(**arguments)
    except (kind, ValueError) as error:
        assert all(word in str(error) for word in words), error
    else:
        raise AssertionError(f"{arguments} was not refused")


def fit(x: np.ndarray, units: int = 3, seed: int = 0) -> list[float]:
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(units, activation="tanh"), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    return model.fit(x, x.sum(axis=1, keepdims=True), epochs=2, batch_size=8, verbose=0).history["loss"]


def differing(what: str, x: np.ndarray, **arguments: int) -> None:
    """Ranks that differ are found, by all of them."""
    try:
        fit(x, **arguments)
    except RankError as error:
        assert f"Rank 1 has {what} than rank 0" in str(error), error
    else:
        raise AssertionError(f"other {what} were not found")


x = np.random.default_rng(0).normal(size=(30, 4))
alone = fit(x)
keras.utils.set_random_seed(17 + int(sys.argv[1] == "own seeds"))
assert api.list_devices() == ["cpu:0"]
api.initialize()
api.initialize(num_processes=2)
rank, size = (
    keras.src.backend.distribution_lib.process_id(),
    keras.src.backend.distribution_lib.num_processes(),
)
assert size == 2 and api.list_devices() == api.list_devices("CPU") == ["cpu:0", "cpu:1"]
assert api.list_devices("gpu") == [] and api.get_device_count() == 2
refused(RankError, "of 3", num_processes=3)
refused(RankError, f"process {1 - rank} of", process_id=1 - rank)
refused(RankError, "3 addresses", job_addresses="a,b,c", num_processes=2)

assert fit(x) == alone and sharing() is None
with api.DataParallel(devices=["cpu:1", "cpu:0"]).scope():
    assert sharing() is not None
    np.testing.assert_allclose(fit(x), alone, rtol=1e-5)
    differing("other data", x + rank)
    differing("other weights", x, seed=rank)
    differing("another step to run", x, units=3 + rank)
assert sharing() is None
api.set_distribution(api.DataParallel())
np.testing.assert_allclose(fit(x), alone, rtol=1e-5)

mesh = api.DeviceMesh((1, 2), ["batch", "model"])
layouts = api.LayoutMap(mesh)
layouts[".*kernel"] = (None, "model")
for wrong in (
    api.ModelParallel(layout_map=layouts, batch_dim_name="batch"),
    api.DataParallel(devices=["cpu:0"]),
):
    try:
        api.set_distribution(wrong)
    except UnknownDeviceError as error:
        assert "DataParallel" in str(error)
    else:
        raise AssertionError(wrong)
try:
    api.distribute_tensor(x, api.TensorLayout(("batch", None), api.DeviceMesh((2,), ["batch"])))
except UnknownDeviceError as error:
    assert "DataParallel" in str(error)
else:
    raise AssertionError("a layout was not refused")
assert api.distribute_tensor(x, api.TensorLayout((None, None), mesh)) is x
np.testing.assert_allclose(fit(x), alone, rtol=1e-5)  # as before
# Without a seed of one's own all ranks draw the same.
layer = keras.layers.Dense(2)
layer.build((None, 2))
print(f"rank {rank}: {np.asarray(layer.kernel).sum()} {kerasflow.backend()}", flush=True)
