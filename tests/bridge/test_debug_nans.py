"""`kerasflow.debug_nans`: the first operation that makes NaN or infinity is found, wherever it runs, and no other."""

import kerasflow  # isort: skip  (before Keras)
import os
import subprocess
import sys

import keras
import ml_dtypes
import numpy as np
import pytest
from graphs import installed_backends
from keras import layers, ops

from kerasflow._settings import settings
from kerasflow.compiler.finite import check_results
from kerasflow.errors import NonFiniteError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3)).astype("float32")
Y = (X[:, :1] > X[:, 1:2]).astype("float32")
FINITE = "finite numbers"


def model(function, last="sigmoid", **how):
    """A model that calls `function` on what its hidden layer gives, in a layer called `bent`."""
    keras.utils.set_random_seed(0)
    made = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, name="hidden"),
            layers.Lambda(function, output_shape=(4,), name="bent"),
            layers.Dense(1, last, name="last"),
        ]
    )
    made.compile(**{"optimizer": "sgd", "loss": "mse", **how})
    return made


def found(function, *arguments, **named):
    with kerasflow.debug_nans(), pytest.raises(NonFiniteError) as error:
        function(*arguments, **named)
    return error.value


def not_found(function, *arguments, **named):
    with kerasflow.debug_nans():
        return function(*arguments, **named)


# -- what is wrong is found -----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", installed_backends())
def test_operation_layer_line_place_and_operands(backend):
    bad = model(lambda x: ops.log(ops.relu(x)))
    before = bad.get_weights()
    with kerasflow.use_backend(backend):
        error = found(bad.fit, X, Y, verbose=0, batch_size=24, shuffle=False)
    text = str(error)
    assert error.primitive == "log"
    assert error.layer.endswith("bent")
    assert isinstance(error, FloatingPointError)
    assert "makes -inf of finite numbers" in text
    assert "float32[24,4] = log(float32[24,4])" in text
    hidden = np.maximum(X @ before[0] + before[1], 0)
    first = np.argwhere(hidden == 0)[0]
    assert f"result at {first.tolist()}: -inf ({np.sum(hidden == 0)} of 96 are such)" in text
    assert "operand 0: float32[24,4] from 0.0 to " in text and ", there 0.0" in text
    assert f"at {__file__}:" in text and "bad = model(lambda x: ops.log(ops.relu(x)))" in text
    # The step that failed has changed nothing, and without looking it goes on.
    for a, b in zip(before, bad.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with kerasflow.use_backend(backend):
        assert np.isnan(bad.fit(X, Y, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("eager", [False, True])
def test_in_every_step(eager):
    bad = model(lambda x: x / ops.relu(x), run_eagerly=eager)
    for step in (
        lambda: bad.fit(X, Y, verbose=0),
        lambda: bad.evaluate(X, Y, verbose=0),
        lambda: bad.predict(X, verbose=0),
        lambda: bad.train_on_batch(X, Y),
        lambda: bad.predict_on_batch(X),
    ):
        error = found(step)
        assert error.primitive == "divide" or "`divide` in " in str(error)
        assert "bent" in str(error) and FINITE in str(error)


def test_in_a_gradient():
    bad = model(lambda x: ops.where(x > 0, ops.sqrt(ops.relu(x)), x))
    not_found(bad.predict, X, verbose=0)
    error = found(bad.fit, X, Y, verbose=0)
    assert error.primitive == "divide"
    assert error.layer.startswith("grad ") and error.layer.endswith("bent")
    assert "bad = model(lambda x: ops.where(" in str(error)
    assert "Guard the operand as well" in str(error)
    guarded = model(lambda x: ops.where(x > 0, ops.sqrt(ops.where(x > 0, x, 1)), x))
    not_found(guarded.fit, X, Y, verbose=0)


def test_in_an_update():
    fast = model(lambda x: x, optimizer=keras.optimizers.SGD(1e38, name="steep"))
    error = found(fast.fit, X, Y * 1e3, verbose=0)
    assert error.primitive in ("multiply", "subtract") and error.layer.startswith("steep")


def test_in_a_loop_and_a_branch():
    def growing(x):
        return ops.while_loop(lambda i, x: i < 5, lambda i, x: (i + 1, x * 1e20), (0, x))[1]

    error = found(kerasflow.jit(growing), np.float32([1, 2]))
    assert error.primitive == "multiply"
    assert "inside `while_loop`, round 2\n" in str(error)

    def branch(x):
        return ops.cond(x[0] > 0, lambda: np.log(x), lambda: x)

    assert "inside `switch`, round 1\n" in str(found(kerasflow.jit(branch), np.float32([1, 0])))
    not_found(kerasflow.jit(branch), np.float32([0, 0]))

    def summed(x):
        return ops.scan(lambda total, row: (total + row, np.log(total)), np.ones(3, "float32"), x)

    rows = np.float32([[1, 1, 1], [-2, 1, 1], [1, 1, 1]])
    assert "inside `scan`, round 3\n" in str(found(kerasflow.jit(summed), rows))


def test_in_a_recurrent_layers_gradient():
    memory = keras.Sequential(
        [
            keras.Input((5, 3)),
            layers.SimpleRNN(4, lambda x: ops.sqrt(ops.relu(x)), name="memory"),
            layers.Dense(1),
        ]
    )
    memory.compile("sgd", "mse")
    error = found(memory.fit, RNG.normal(size=(8, 5, 3)), Y[:8], verbose=0)
    assert error.layer.startswith("grad ") and "memory" in error.layer
    assert "inside `scan`" in str(error)


def test_on_tapes_in_grad_and_at_once():
    def root():
        with kerasflow.GradientTape() as tape:
            x = tape.watch(np.zeros(3, "float32"))
            y = np.sqrt(x)
        return tape.gradient(y, x)

    assert found(root).layer == "grad"
    assert found(kerasflow.grad(lambda x: np.sum(np.sqrt(x))), np.zeros(3)).layer == "grad"
    assert found(kerasflow.jit(kerasflow.grad(lambda x: np.sum(np.sqrt(x)))), np.zeros(3)).layer == "grad"
    error = found(ops.log, ops.zeros(2))
    assert error.primitive == "log" and f"at {__file__}:" in str(error)
    assert "operand 1: int64[] 0" in str(found(ops.divide, ops.ones(2), 0))
    assert "`log` in " in str(found(model(ops.log), X))  # a layer


def test_numbers_too_large_for_a_dtype():
    error = found(kerasflow.jit(lambda x: ops.cast(x, "float16")), np.float32([1, 1e6]))
    assert "bfloat16" in str(error)
    not_found(kerasflow.jit(lambda x: ops.cast(x, "bfloat16")), np.float32([1, 1e6]))


def test_nan_of_infinite_numbers():
    error = found(kerasflow.jit(lambda x: ops.softmax(np.where(x < 9, -np.inf, x))), X)
    assert "makes nan of infinite numbers" in str(error)


@pytest.mark.parametrize("place", ["data", "weights"])
def test_what_was_not_a_number_before(place):
    well, x = model(lambda x: x), X.copy()
    if place == "data":
        x[3, 2] = np.nan
        said = (
            r"input 0 of the program \(float32\[24,3\]\) has NaN before the first one, at \[3, 2\] \(1 of 72"
        )
    else:
        well.get_layer("hidden").bias.assign([0, np.nan, 0, 0])
        said = r"the variable .*hidden/bias \(float32\[4\]\) has NaN before the first one, at \[1\] \(1 of 4"
    with kerasflow.debug_nans(), pytest.raises(NonFiniteError, match=said):
        well.fit(x, Y, verbose=0, batch_size=24, shuffle=False)


# -- what is not wrong is not found ---------------------------------------------------------------------------


def test_infinite_constants_and_masks():
    def masked(x):
        return ops.softmax(np.where(np.tri(3, dtype=bool), x[:3], -np.inf))

    np.testing.assert_allclose(not_found(kerasflow.jit(masked), X), masked(X), rtol=1e-6)
    attention = layers.MultiHeadAttention(2, 4)
    sequence = RNG.normal(size=(2, 5, 8)).astype("float32")
    not_found(attention, sequence, sequence, use_causal_mask=True)


def test_an_infinite_place_hides_no_other():
    x = np.float32([np.inf, 0.0])
    assert "result at [1]: -inf (1 of 2 are such)" in str(found(kerasflow.jit(np.log), x))


@pytest.mark.parametrize("eager", [False, True])
def test_a_scaled_loss_may_overflow(eager):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), initial_scale=2.0**40)
        half = model(lambda x: x, optimizer=optimizer, run_eagerly=eager)
        not_found(half.fit, X, Y, verbose=0, batch_size=24)
        assert float(optimizer.dynamic_scale.value) == 2.0**39, "nothing has overflowed"
        half.compile("adam", "mse", auto_scale_loss=False, run_eagerly=eager)
        assert "`astype` in " in str(found(half.fit, X * 1e6, Y, verbose=0))
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("backend", installed_backends())
def test_what_no_scale_of_the_loss_mends(backend):
    """Gradients that are not finite without the scale either are no overflow on purpose."""
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    bad = model(lambda x: ops.where(x > 0, ops.sqrt(ops.relu(x)), 0.0), optimizer=optimizer)
    before = bad.get_weights()
    with kerasflow.use_backend(backend):
        error = found(bad.fit, X, Y, verbose=0, batch_size=24)
    assert "`divide` in grad sequential" in str(error) and "/bent" in str(error)
    assert float(optimizer.dynamic_scale.value) == 2.0**15
    for a, b in zip(before, bad.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_left_out():
    def quiet(x):
        with kerasflow.debug_nans(False):
            y = np.log(x)
        return np.where(x > 0, y, x)

    zero = np.float32([0, 1])
    not_found(kerasflow.jit(quiet), zero)
    not_found(quiet, ops.convert_to_tensor(zero))
    found(kerasflow.jit(np.log), zero)


def test_an_ignored_class():
    keras.utils.set_random_seed(0)
    small = keras.Sequential([keras.Input((3,)), layers.Dense(3, "softmax")])
    loss, labels = keras.losses.SparseCategoricalCrossentropy(ignore_class=2), np.arange(24) % 3
    for eager in (False, True):
        small.compile("sgd", loss, run_eagerly=eager)
        not_found(small.fit, X, labels, verbose=0)
    not_found(loss, labels, small(X))


def test_the_results_are_the_same():
    losses = []
    for block in (kerasflow.debug_nans(), kerasflow.debug_nans(False)):
        with block:
            losses.append(model(ops.tanh, optimizer="adam").fit(X, Y, epochs=3, verbose=0).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-6)


def test_dtypes_that_numpy_does_not_know():
    for dtype in (ml_dtypes.bfloat16, ml_dtypes.float8_e5m2):
        with pytest.raises(NonFiniteError, match=r"operand 0: .* \[1.0\]"):
            check_results("log", "", [np.ones(1, dtype)], [np.full(1, np.inf, dtype)])
    for array in (np.array([1]), np.array(["a"]), np.ones(1, ml_dtypes.int4), np.ones(0, "float32")):
        check_results("identity", "", [array], [array])


# -- the switch -----------------------------------------------------------------------------------------------


def test_the_setting_and_blocks(monkeypatch):
    monkeypatch.setattr(settings, "debug_nans", False)
    log = kerasflow.jit(np.log)
    zero = np.zeros(2)
    log(zero)
    kerasflow.set_debug_nans()
    with pytest.raises(NonFiniteError):
        log(zero)
    with kerasflow.debug_nans(False):
        log(zero)
    kerasflow.set_debug_nans(False)
    log(zero)


@pytest.mark.parametrize(("value", "code"), [("1", 1), ("0", 0), ("", 0)])
def test_the_environment(value, code):
    program = "import kerasflow, numpy; kerasflow.jit(numpy.log)(numpy.zeros(2))"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "KERASFLOW_DEBUG_NANS": value},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == code
    assert ("NonFiniteError: `log` makes -inf" in ended.stderr) == bool(code)
