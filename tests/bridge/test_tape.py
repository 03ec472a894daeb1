"""`GradientTape`, `grad`, `value_and_grad`: as TensorFlow's and JAX's, outside programs and inside."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasflow import GradientTape, grad, jit, value_and_grad
from kerasflow.errors import GradientError
from kerasflow.tracing.tensor import Tensor

A = np.array([0.5, -1.0, 2.0])


def dense(units=2):
    layer = layers.Dense(units)
    layer.build((None, 3))
    return layer


# -- what is watched ----------------------------------------------------------------------------------------


def test_plain_arrays_are_known_to_keras_and_by_their_traced_counterpart():
    with GradientTape(persistent=True) as tape:
        z = tape.watch(A)
        with_keras = ops.sum(ops.power(A, 3))
        with_numpy = np.sum(z**3)
    for target in (with_keras, with_numpy):
        for source in (A, z):
            np.testing.assert_allclose(tape.gradient(target, source), 3 * A**2)


WAYS = {
    "a function of each number": lambda x: ops.vectorize(lambda a: a * a)(x),
    "a function of each row": lambda x: ops.vectorize(lambda a: ops.sum(a * a), signature="(n)->()")(x[None]),
    "operators": lambda x: 2.0 * x + x * np.ones(3) - np.ones(3) / x,
    "in place": lambda x: _in_place(x),
    "functions": lambda x: np.concatenate([x, np.exp(x)]),
    "beside an array of NumPy's": lambda x: (
        np.where([True, False, True], x, 1.0) + np.dot(np.ones((2, 3)), x)[0]
    ),
    "methods": lambda x: x.reshape(3, 1).T.astype("float32").sum(axis=0) + x.mean() + x.max(),
    "subscripts": lambda x: x[::-1] * x[0] + np.stack(list(x)),
    "products": lambda x: np.ones((4, 3)) @ x + x @ np.ones((3, 4)),
    "Keras": lambda x: ops.concatenate([x, ops.exp(x)]) * ops.sum(x),
}


def _in_place(x):
    x *= x
    return x


@pytest.mark.parametrize("way", WAYS)
def test_watched_tensors_are_known_whatever_is_done_with_them(way):
    x = ops.convert_to_tensor(A)
    with GradientTape() as tape:
        tape.watch(x)
        y = WAYS[way](x)
    with GradientTape() as other:
        expected = WAYS[way](other.watch(A))
    np.testing.assert_allclose(tape.gradient(y, x), other.gradient(expected, A), rtol=1e-6)


def test_a_watched_tensor_is_a_tensor_as_before():
    x, b = ops.convert_to_tensor(A), ops.convert_to_tensor([1.0, 2.0], "bfloat16")
    with GradientTape() as outer:
        outer.watch([x, b])
        with GradientTape() as inner:
            inner.watch(x)
            y = x**3
        slope = inner.gradient(y, x)
        half = b * 2.5
    np.testing.assert_allclose(outer.gradient(slope, x), 6 * A)
    assert half.dtype == b.dtype
    for tensor, plain in (
        (x * 2, A * 2),
        (x.T, A),
        (x[1:], A[1:]),
        (np.sort(x), np.sort(A)),
        (copy.deepcopy(x), A),
    ):
        assert type(tensor) is Tensor
        np.testing.assert_array_equal(tensor, plain)
    assert type(pickle.loads(pickle.dumps(x))) is np.ndarray
    assert (b * 2.5).dtype == b.dtype
    np.testing.assert_array_equal(jit(lambda y: y * x)(A), A * A)
    with pytest.raises(TypeError, match="cannot be changed in place"):
        x[0] = 1.0


def test_a_tensor_in_a_layers_own_code():
    x = ops.convert_to_tensor(np.arange(6.0, dtype="float32").reshape(2, 3))
    with GradientTape() as tape:
        tape.watch(x)
        y = layers.Lambda(lambda t: ops.tanh(t) + t[:, ::-1] ** 2)(x)
    np.testing.assert_allclose(tape.gradient(y, x), 1 - np.tanh(x) ** 2 + 2 * x, rtol=1e-6)


def test_arrays_through_a_layer():
    layer, x = dense(), np.ones((2, 3), "float32")
    with GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    np.testing.assert_allclose(tape.gradient(y, x), np.tile(layer.kernel.numpy().sum(1), (2, 1)), rtol=1e-6)


def test_structures():
    data = {"a": A, "b": (2 * A, np.float64(3.0))}
    with GradientTape() as tape:
        traced = tape.watch(data)
        y = np.sum(traced["a"] * traced["b"][0]) * traced["b"][1]
    found = tape.gradient(y, traced)
    np.testing.assert_allclose(found["a"], 6 * A)
    np.testing.assert_allclose(found["b"][0], 3 * A)
    np.testing.assert_allclose(found["b"][1], np.sum(2 * A * A))


def test_trainable_variables_that_are_read_are_watched():
    layer, fixed, unread = dense(), keras.Variable(2.0, trainable=False), keras.Variable(1.0)
    with GradientTape() as tape:
        y = ops.sum(layer(np.ones((1, 3), "float32")) * fixed)
    assert [v.path for v in tape.watched_variables()] == [layer.kernel.path, layer.bias.path]
    of_kernel, of_fixed, of_unread = tape.gradient(y, [layer.kernel, fixed, unread])
    np.testing.assert_array_equal(of_kernel, np.full((3, 2), 2.0))
    assert of_fixed is None
    assert of_unread is None


def test_variables_watched_by_hand():
    v, other = keras.Variable(3.0), keras.Variable(4.0, trainable=False)
    with GradientTape(watch_accessed_variables=False, persistent=True) as tape:
        tape.watch(other)
        y = v * other
    assert tape.watched_variables() == (other,)
    assert tape.gradient(y, v) is None
    assert tape.gradient(y, other) == 3.0


def test_unconnected_gradients():
    v = keras.Variable([1.0, 2.0])
    with GradientTape(persistent=True) as tape:
        x = tape.watch(A)
        y = np.sum(x)
    assert tape.gradient(y, [v, x])[0] is None
    np.testing.assert_array_equal(tape.gradient(y, v, unconnected_gradients="zero"), [0.0, 0.0])
    assert tape.gradient(np.ones(3), x) is None
    with pytest.raises(ValueError, match="'none' or 'zero'"):
        tape.gradient(y, v, unconnected_gradients="nothing")


# -- the block ----------------------------------------------------------------------------------------------


def test_persistent_or_once():
    with GradientTape(persistent=True) as tape:
        x = tape.watch(A)
        y, z = np.sum(x), np.sum(x * x)
    np.testing.assert_allclose(tape.gradient(y, x) * 2 * A, tape.gradient(z, x))
    with GradientTape() as tape:
        x = tape.watch(A)
        y = np.sum(x)
    tape.gradient(y, x)
    with pytest.raises(GradientError, match="persistent=True"):
        tape.gradient(y, x)


def test_stop_recording_and_reset():
    with GradientTape(persistent=True) as tape:
        x = tape.watch(A)
        with tape.stop_recording():
            hidden = x * x
        y = np.sum(hidden * x)
        assert tape.gradient(y, x).tolist() == (A * A).tolist()
        tape.reset()
        assert tape.watched_variables() == ()
        z = tape.watch(A)
        y = np.sum(z * z)
    np.testing.assert_allclose(tape.gradient(y, A), 2 * A)


def test_a_tape_that_is_entered_again_goes_on():
    v = keras.Variable(2.0)
    tape = GradientTape(persistent=True)
    with tape:
        y = v * v
    v.assign(5.0)
    with tape:
        z = y * v
        with pytest.raises(GradientError, match="already recording"):
            tape.__enter__()
    assert tape.gradient(z, v) == 2 * 2.0 * 5.0 + 4.0  # 2.0 where it was read first, 5.0 then


def test_variables_assigned_in_the_block():
    v = keras.Variable(3.0)
    with GradientTape() as tape:
        before = v * v
        v.assign(10.0)
        after = v * v
        y = before + after
    assert float(y) == 109.0
    assert tape.gradient(y, v) == 6.0 + 20.0
    assert float(v.numpy()) == 10.0


def test_output_gradients():
    with GradientTape(persistent=True) as tape:
        x = tape.watch(A)
        y = x * x
    weights = np.array([1.0, 10.0, 100.0])
    np.testing.assert_allclose(tape.gradient(y, x, output_gradients=weights), 2 * A * weights)
    both = tape.gradient({"a": y, "b": y}, x, output_gradients={"a": weights, "b": 1.0})
    np.testing.assert_allclose(both, 2 * A * (weights + 1))


def test_used_the_wrong_way():
    tape = GradientTape()
    with pytest.raises(GradientError, match="recorded nothing"):
        tape.gradient(A, A)
    with pytest.raises(GradientError, match="inside the `with"):
        tape.watch(A)
    with tape:
        y = np.sum(tape.watch(A))
    with pytest.raises(GradientError, match=r"tape\.watch\(x\)") as error:
        tape.gradient(y, np.ones(3))
    assert __file__ in str(error.value)


# -- higher derivatives -------------------------------------------------------------------------------------


def test_nested_tapes():
    x = A.copy()
    with GradientTape() as outer:
        outer.watch(x)
        with GradientTape() as inner:
            inner.watch(x)
            y = ops.sum(ops.power(x, 3))
        slope = inner.gradient(y, x)
    np.testing.assert_allclose(np.asarray(slope), 3 * A**2)
    np.testing.assert_allclose(outer.gradient(slope, x), 6 * A)


def test_second_derivatives_with_respect_to_variables():
    v = keras.Variable(2.0, dtype="float64")
    with GradientTape() as outer:
        with GradientTape() as inner:
            y = v**4
        slope = inner.gradient(y, v)
    assert outer.gradient(slope, v) == 12 * 4.0


def test_one_persistent_tape_differentiates_its_own_gradients():
    with GradientTape(persistent=True) as tape:
        x = tape.watch(A)
        slope = tape.gradient(np.sum(x**3), x)
    np.testing.assert_allclose(tape.gradient(slope, x), 6 * A)


def test_jacobians():
    m = np.arange(6.0).reshape(2, 3)
    with GradientTape(persistent=True) as tape:
        x, unused = tape.watch((A, A.copy()))
        y = np.tanh(m @ x)
    expected = (1 - np.tanh(m @ A) ** 2)[:, None] * m
    np.testing.assert_allclose(tape.jacobian(y, x), expected)
    assert tape.jacobian(y, [x, unused])[1] is None
    assert tape.jacobian(y, unused, unconnected_gradients="zero").shape == (2, 3)
    batch = np.stack([A, -A, 2 * A, A])
    with GradientTape() as tape:
        x = tape.watch(batch)
        y = np.tanh(x @ m.T)
    found = tape.batch_jacobian(y, x)
    assert found.shape == (4, 2, 3)
    np.testing.assert_allclose(found[0], expected)
    np.testing.assert_allclose(found[2], (1 - np.tanh(m @ (2 * A)) ** 2)[:, None] * m)


# -- training loops of one's own ----------------------------------------------------------------------------


def test_a_training_loop():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    y = x @ np.array([[1.0], [2.0], [3.0]], "float32")
    model = keras.Sequential([layers.Dense(1)])
    optimizer, loss_function = keras.optimizers.Adam(0.1), keras.losses.MeanSquaredError()
    metric = keras.metrics.MeanAbsoluteError()
    losses = []
    for _ in range(100):
        with GradientTape() as tape:
            y_pred = model(x, training=True)
            loss = loss_function(y, y_pred)
        optimizer.apply(tape.gradient(loss, model.trainable_weights), model.trainable_weights)
        metric.update_state(y, y_pred)
        losses.append(float(loss))
    assert losses[-1] < 0.1 * losses[0]
    assert float(metric.result()) > 0
    assert int(optimizer.iterations.numpy()) == 100


def test_a_result_that_is_kept_keeps_nothing_else():
    x = np.ones((4, 3), "float32")
    layer = dense()
    with GradientTape() as tape:
        hidden = layer(x) * 2
        loss = ops.mean(hidden)
    gone = weakref.ref(hidden.owner.arrays[hidden.value])
    tape.gradient(loss, layer.trainable_weights)
    del tape, hidden
    gc.collect()
    assert gone() is None
    assert np.isfinite(float(loss))


# -- functions ----------------------------------------------------------------------------------------------


def f(x):
    return np.sum(np.sin(x) ** 2)


@pytest.mark.parametrize(
    "derivative",
    [
        grad(f),
        jit(grad(f)),
        grad(jit(f)),
        lambda x: value_and_grad(f)(x)[1],
        lambda x: jit(value_and_grad(f))(x)[1],
    ],
    ids=["grad", "jit(grad)", "grad(jit)", "value_and_grad", "jit(value_and_grad)"],
)
def test_derivatives_of_functions(derivative):
    found = derivative(A)
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, np.sin(2 * A))


def test_second_derivatives_of_functions():
    for second in (grad(lambda x: np.sum(grad(f)(x))), jit(grad(lambda x: np.sum(jit(grad(f))(x))))):
        np.testing.assert_allclose(second(A), 2 * np.cos(2 * A))


def test_arguments_and_auxiliary_results():
    def g(w, x, scale=1.0):
        prediction = np.sum(w["a"] * x) * scale
        return prediction**2, {"prediction": prediction}

    weights = {"a": A}
    (value, aux), (of_w, of_x) = value_and_grad(g, argnums=(0, 1), has_aux=True)(weights, A, scale=2.0)
    s = np.sum(A * A)
    assert value == pytest.approx(4 * s**2)
    assert aux["prediction"] == pytest.approx(2 * s)
    np.testing.assert_allclose(of_w["a"], 8 * s * A)
    np.testing.assert_allclose(of_x, 8 * s * A)
    found, aux = grad(g, has_aux=True)(weights, A)
    np.testing.assert_allclose(found["a"], 2 * s * A)
    np.testing.assert_array_equal(grad(lambda x: np.float64(3.0))(A), np.zeros(3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grad(np.sum)(np.arange(3)), "floating-point"),
        (lambda: grad(lambda x: x)(A), r"must return a scalar, received shape \(3,\)"),
    ],
    ids=["integers", "not a scalar"],
)
def test_wrong_functions(call, message):
    with pytest.raises(GradientError, match=message):
        call()


# -- what a tape leaves behind ------------------------------------------------------------------------------


def test_what_is_computed_of_what_a_tape_has_left_are_tensors():
    with GradientTape():
        y = dense()(np.ones((4, 3), "float32"))
        loss = ops.mean(y)
    for later in (
        loss * 2,
        loss + loss,
        sum([loss, loss]) / 2,
        y[0],
        y[0, 0],
        y.astype("float64"),
        y.T,
        np.exp(y),
    ):
        assert type(later) is Tensor
        later.numpy()
    kept = total = y * 1
    total += 1
    np.testing.assert_allclose(total, kept + 1)
    # NumPy's functions give what they give of a tensor.
    assert type(np.mean(y)) is np.float32 and type(np.argmax(y[0])) is np.int64


def test_numpy_does_what_it_does_with_what_a_tape_has_left(tmp_path):
    with GradientTape():
        y = dense()(np.ones((4, 3), "float32"))
        loss = ops.mean(y)
    np.save(tmp_path / "y.npy", y)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), y)
    np.testing.assert_array_equal(np.unwrap(y), np.unwrap(y.numpy()))
    total = same = np.zeros((4, 2))
    total += y
    assert total is same and type(total) is np.ndarray
    np.sum(y, axis=1, out=(sums := np.zeros(4)))
    np.copyto(total, y)
    np.testing.assert_allclose(sums, total.sum(axis=1), rtol=1e-6)
    assert round(loss, 2) == round(float(loss), 2)
    assert type(pickle.loads(pickle.dumps(loss))) is np.ndarray
    assert copy.deepcopy({"loss": loss})["loss"] is loss


def test_a_copy_of_what_is_recorded_has_its_gradient():
    def f(x):
        return np.sum(copy.deepcopy(x) * copy.copy(x))

    np.testing.assert_allclose(grad(f)(A), 2 * A)
    np.testing.assert_allclose(jit(grad(f))(A), 2 * A)
