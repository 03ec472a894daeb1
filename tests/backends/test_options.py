"""What a user asks of a program besides its backend: a device, just-in-time compilation."""

import kerasflow  # isort: skip  (before Keras)
import subprocess
import sys
import textwrap
from dataclasses import replace

import keras
import numpy as np
import pytest

from kerasflow.compiler import CompiledFunction, current_backend
from kerasflow.errors import UnknownDeviceError, UnsupportedPrimitiveError
from kerasflow.testing import SPECS, OpSpec, assert_backends_agree

WITHOUT_XLA = pytest.importorskip("kerasflow_tensorflow.lowering").WITHOUT_XLA

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")


def compiled(**options) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)])
    model.compile("adam", "mse", **options)
    return model


def by_xla(model: keras.Model) -> bool:
    """Whether TensorFlow's compiler has compiled the model's training step, and nothing else has run it."""
    (entry,) = model.train_function.step.compiled.entries.values()
    return entry.program.function.function_def.attr["_XlaMustCompile"].b


def test_jit_compile():
    losses = {}
    for asked, expected in ((True, True), (False, False), ("auto", False)):
        model = compiled(jit_compile=asked)
        with kerasflow.use_backend("tensorflow"):
            losses[asked] = [model.train_on_batch(X, X[:, :1]) for _ in range(3)]
        if asked == "auto" and any(
            name.startswith("gpu") for name in current_backend("tensorflow").devices()
        ):
            expected = True
        assert by_xla(model) == expected
    np.testing.assert_allclose(losses[True], losses[False], rtol=1e-5)


def test_jit_compile_is_kept_by_a_saved_model(tmp_path):
    for asked in (True, False, "auto"):
        compiled(jit_compile=asked).save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert loaded.get_compile_config()["jit_compile"] == asked


def test_jit_compile_after_run_eagerly_is_off():
    with pytest.warns(UserWarning, match="run_eagerly"):
        model = compiled(jit_compile=True, run_eagerly=True)
    assert not model.jit_compile


def test_what_xla_cannot_compile():
    function = CompiledFunction(np.linalg.eig, "tensorflow")
    function.jit_compile = True
    with pytest.raises(UnsupportedPrimitiveError, match=r"XLA cannot compile `eig`.*jit_compile=False"):
        function(np.eye(3))
    function.jit_compile = None
    np.testing.assert_allclose(function(np.eye(3))[0], np.ones(3))


@pytest.mark.parametrize("name", ["banana", "cpu:x", "", 0, None])
def test_a_name_that_no_device_has(name):
    with pytest.raises(UnknownDeviceError, match="is no device"), keras.device(name):
        pass


@pytest.mark.parametrize("backend", ["numpy", "tensorflow"])
def test_a_device_that_is_not_there(backend):
    model = compiled()
    before = model.get_weights()
    refusal = pytest.raises(UnknownDeviceError, match=rf"'{backend}' has no device 'gpu:7'. It has: cpu:0")
    with kerasflow.use_backend(backend), keras.device("gpu:7"), refusal:
        model.fit(X, X[:, :1], verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with kerasflow.use_backend(backend), keras.device("cpu"):
        model.fit(X, X[:, :1], verbose=0)


TWO_PROCESSORS = """
    import kerasflow
    import keras
    import numpy as np
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    kerasflow.set_backend("tensorflow")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    x = np.ones((4, 3), "float32")
    losses = []
    for device in ("cpu:1", "cpu:0", "CPU:1"):
        with keras.device(device):
            losses.append(model.train_on_batch(x, x[:, :2]))
    assert losses[0] > losses[1] > losses[2]
    entries = model.train_function.step.compiled.entries.values()
    used = [{op.device for op in e.program.function.graph.get_operations() if op.type == "MatMul"} for e in entries]
    assert [len(u) for u in used] == [1, 1], used  # one program a device
    assert [u.pop()[-5:] for u in used] == ["CPU:1", "CPU:0"], used
"""


def test_a_device_is_chosen():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TWO_PROCESSORS)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


class ByXla(type(current_backend("tensorflow"))):
    """The TensorFlow backend with every program compiled by XLA."""

    def compile(self, graph):
        return super().compile(graph, jit_compile=True)


# Compiled by XLA for a processor, an extremum of numbers with a NaN among them may be any of them.
LOSE_NAN = {"maximum", "minimum", "max", "min"}


def some() -> list[OpSpec]:
    """The first two specifications of each primitive, and the last one."""
    found: dict[str, list[OpSpec]] = {}
    for spec in SPECS:
        if not (spec.primitive in LOSE_NAN and "nan" in str(spec)):
            found.setdefault(spec.primitive, []).append(spec)
    return [spec for specs in found.values() for spec in dict.fromkeys((*specs[:2], specs[-1]))]


@pytest.mark.parametrize("spec", some(), ids=str)
def test_by_xla(spec):
    dtype = "float32" if "float32" in spec.dtypes else spec.dtypes[0]
    kinds = {x.dtype.kind for x in spec.arrays(dtype)}
    if kinds & set(WITHOUT_XLA.get(spec.primitive, "")):
        with pytest.raises(UnsupportedPrimitiveError, match=f"`{spec.primitive}`"):
            ByXla().compile(spec.graph(dtype))
    else:
        # XLA's approximations of single functions are coarser than TensorFlow's.
        assert_backends_agree(
            ByXla(), replace(spec, backend_tolerance=max(spec.backend_tolerance, 256)), dtype
        )
