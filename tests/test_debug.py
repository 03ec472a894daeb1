"""Two backends in step: the first operation that differs is found, wherever it is; what is only rounding is not."""

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from graphs import installed_backends
from keras import layers, ops
from plugins import POINTS, SOURCE

from kerasflow.errors import BackendDisagreement, UnknownBackendError, UnsupportedPrimitiveError

OTHERS = [name for name in installed_backends() if name != "numpy"]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 5, 3)).astype("float32")
Y = (X[:, 0, :1] > X[:, 1, :1]).astype("float32")


@pytest.fixture(autouse=True)
def strange_backends(plugin):
    plugin("strange_backends", SOURCE, POINTS)


@pytest.fixture
def broken(monkeypatch):
    return lambda primitive: monkeypatch.setenv("BROKEN", primitive)


def make(*hidden):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5, 3)), *hidden, layers.Dense(1, "sigmoid", name="last")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def disagreement(function, *arguments, other="wrong", **options):
    with (
        kerasflow.debug_backends("numpy", other, **options),
        pytest.raises(BackendDisagreement) as error,
    ):
        function(*arguments)
    return error.value


# -- what is wrong is found -----------------------------------------------------------------------------------


def test_the_operation_and_the_layer_are_named(broken):
    broken("tanh")
    model = make(layers.Flatten(), layers.Dense(4, name="first"), layers.Dense(4, "tanh", name="second"))
    before = model.get_weights()
    found = disagreement(model.fit, X, Y)
    assert found.primitive == "tanh"
    assert found.layer.endswith("second")
    text = str(found)
    assert text.startswith("The backends differ at `tanh` in ")
    assert "float32[24,4] = tanh(float32[24,4])" in text
    place, operand = text.partition("at [")[2], text.partition("operands: ")[2]
    row, column = (int(n) for n in place.partition("]")[0].split(","))
    assert 0 <= row < 24 and 0 <= column < 4
    numbers = text.partition("numpy has ")[2].partition("\n")[0].split(", wrong has ")
    assert float(numbers[0]) == pytest.approx(np.tanh(float(operand)), rel=1e-5)
    assert float(numbers[1]) == pytest.approx(1.001 * float(numbers[0]), rel=1e-5)
    # The failed step has changed nothing, and the model goes on as if nothing had been.
    assert kerasflow.backend() == "numpy"
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.fit(X, Y, verbose=0)


def test_in_a_gradient(broken):
    broken("sign")  # of which the derivative of the absolute value is made
    model = make(layers.Flatten(), layers.Dense(4, ops.absolute, name="bent"))
    with kerasflow.debug_backends("numpy", "wrong"):
        model.predict(X, verbose=0)
    found = disagreement(model.fit, X, Y)
    assert found.primitive == "sign"
    assert found.layer.startswith("grad ") and found.layer.endswith("bent")


def test_inside_a_recurrent_layer(broken):
    broken("tanh")
    found = disagreement(make(layers.SimpleRNN(4, name="memory")).predict, X)
    assert found.primitive == "tanh"
    assert "memory" in found.layer
    assert "inside `scan`" in str(found) and "round 1\n" in str(found)


def test_inside_a_branch_and_a_loop(broken):
    broken("tanh")

    def branch(x):
        return ops.cond(x[0] > 0, lambda: np.tanh(x), lambda: x)

    x = np.array([1.0, 2.0, -3.0])
    assert "inside `switch`" in str(disagreement(kerasflow.jit(branch), x))
    with kerasflow.debug_backends("numpy", "wrong"):
        np.testing.assert_array_equal(kerasflow.jit(branch)(-x), -x)

    def loop(x):
        def step(i, x):
            return i + 1, ops.cond(i > 1, lambda: np.tanh(x), lambda: x + 1)

        return ops.while_loop(lambda i, x: i < 4, step, (0, x))[1]

    found = disagreement(kerasflow.jit(loop), x)
    assert found.primitive == "tanh"
    assert "inside `while_loop`, round 3\n" in str(found) and "inside `switch`, round 1\n" in str(found)


def test_a_loop_that_is_wrong_itself_is_blamed_itself():
    def sums(x):
        return ops.scan(lambda total, row: (total + row, total), np.zeros(3), x)

    found = disagreement(kerasflow.jit(sums), X[0].astype("float64"), other="backwards")
    assert found.primitive == "scan"


def test_integers_have_to_be_equal(broken):
    broken("argmax")
    found = disagreement(kerasflow.jit(lambda x: np.argmax(x, axis=1)), X[0], tolerance=10.0)
    assert found.primitive == "argmax"


# -- what is not wrong is not found ---------------------------------------------------------------------------


def test_rounding_of_terms_that_cancel():
    x = RNG.normal(size=(50, 1000)).astype("float32")
    x = np.concatenate([x, -x[:, RNG.permutation(1000)]], axis=1)
    total = kerasflow.jit(lambda x: np.sum(x, axis=1))
    with kerasflow.debug_backends("numpy", "another") as both:
        found = total(x)
    assert both.compared
    with kerasflow.use_backend("another"):
        assert np.max(np.abs(found - total(x))) > 0.1 * np.max(np.abs(found)), "the case is too easy"


def test_of_decompositions_only_what_is_determined(broken):
    x = RNG.normal(size=(4, 4))
    svd = kerasflow.jit(lambda x: np.linalg.svd(x))
    eigh = kerasflow.jit(lambda x: np.linalg.eigh(x + x.T))
    with kerasflow.debug_backends("numpy", "another") as both:
        svd(x), eigh(x)
    assert both.programs == 2
    for name, function in (("svd", svd), ("eigh", eigh)):
        broken(name)
        assert disagreement(function, x).primitive == name


def test_the_tolerance_is_the_blocks_own(broken):
    broken("tanh")
    function = kerasflow.jit(np.tanh)
    assert disagreement(function, X).primitive == "tanh"
    with kerasflow.debug_backends("numpy", "wrong", tolerance=0.01) as both:
        np.testing.assert_array_equal(function(X), np.tanh(X))
    assert both.compared == 1


@pytest.mark.parametrize("other", [*OTHERS, "right"])
def test_a_real_training_is_what_it_is_without(other):
    def hidden():
        if other == "right":
            return [layers.LSTM(4), layers.Dropout(0.3), layers.BatchNormalization()]
        return [
            layers.Flatten(),
            layers.Dropout(0.3),
        ]  # Frameworks take their time to compile each operation.

    def trained(*backends):
        keras.utils.set_random_seed(0)  # of which dropout draws its own seed
        model = make(*hidden())
        with kerasflow.debug_backends(*backends) if backends else kerasflow.use_backend("numpy") as both:
            model.fit(X, Y, batch_size=8, epochs=2, validation_data=(X, Y), verbose=0)
            results = [*model.evaluate(X, Y, verbose=0), *model.predict(X, verbose=0)]
        assert not backends or both.compared > 500
        # The state is where it was: the backend that is chosen now goes on with it.
        return [*results, *model.get_weights(), model.train_on_batch(X, Y)[0]]

    for ours, theirs in zip(trained("numpy", other), trained(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


# -- the block ------------------------------------------------------------------------------------------------


def test_what_the_block_does_not_reach():
    bound = kerasflow.Sequential([layers.Input((3,)), layers.Dense(1)], backend="numpy")
    with kerasflow.debug_backends("numpy", "right") as both:
        bound.predict(X[0], verbose=0)
        with kerasflow.use_backend("numpy"):
            kerasflow.jit(np.tanh)(X)
    assert both.compared == 0


def test_what_one_of_the_two_lacks(monkeypatch):
    right = kerasflow.compiler.current_backend("right")
    monkeypatch.setattr(type(right), "primitives", right.primitives - {"tanh"})
    monkeypatch.setattr(type(right), "refused", {"tanh": "It is not straight."}, raising=False)
    with (
        kerasflow.debug_backends("numpy", "right"),
        pytest.raises(UnsupportedPrimitiveError, match=r"'numpy\+right' .* `tanh`\. It is not straight\."),
    ):
        kerasflow.jit(np.tanh)(X)


def test_unknown_backends():
    with (
        pytest.raises(UnknownBackendError, match="no backend 'nowhere'"),
        kerasflow.debug_backends("numpy", "nowhere"),
    ):
        pass
    assert kerasflow.backend() == "numpy"
