"""What is wrong with data and labels is said before it does harm, in errors of the kinds that Keras raises."""

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from graphs import installed_backends
from keras import layers

SPARSE, ONE_HOT = "sparse_categorical_crossentropy", "categorical_crossentropy"
X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
NUMBERS = np.arange(12) % 3
PLACES = np.eye(3, dtype="float32")[NUMBERS]
NAMES = np.array(["cat", "cow", "dog"])[NUMBERS]


def model(loss, units=3, outputs=1, **how):
    given = keras.Input((3,))
    made = [layers.Dense(units, "softmax", name=f"out{i}")(given) for i in range(outputs)]
    made = keras.Model(given, made if outputs > 1 else made[0])
    made.compile("sgd", loss, **how)
    return made


def batches(x, y):
    """A generator of batches."""
    return (pair for pair in zip(np.split(x, 3), np.split(y, 3), strict=True))


STEPS = {
    "fit": lambda model, y: model.fit(X, y, verbose=0),
    "the last batch": lambda model, y: model.fit(X, y, batch_size=11, shuffle=False, verbose=0),
    "generator": lambda model, y: model.fit(batches(X, y), verbose=0),
    "validation": lambda model, y: model.fit(X, NUMBERS, validation_data=(X, y), verbose=0),
    "evaluate": lambda model, y: model.evaluate(X, y, verbose=0),
    "train_on_batch": lambda model, y: model.train_on_batch(X, y),
    "test_on_batch": lambda model, y: model.test_on_batch(X, y),
}


# -- labels that are no class ---------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", installed_backends())
@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_labels_out_of_range(step, eager, backend):
    y = NUMBERS.copy()
    y[11] = 3
    labelled = model(SPARSE, run_eagerly=eager)
    said = (
        r"numbers of classes, from 0 to 2 for an output of shape \(\d+, 3\); received labels from \d to 3\. "
    )
    with kerasflow.use_backend(backend), pytest.raises(ValueError, match=said):
        STEPS[step](labelled, y)


def test_the_step_that_failed_has_changed_nothing():
    labelled = model(SPARSE)
    before = labelled.get_weights()
    with pytest.raises(ValueError, match="received labels from 1 to 3"):
        labelled.fit(X, NUMBERS + 1, verbose=0)
    for a, b in zip(before, labelled.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    labelled.fit(X, NUMBERS, verbose=0)
    with pytest.raises(ValueError, match="received labels from 1 to 3"):  # Its program is there by now.
        labelled.fit(X, NUMBERS + 1, verbose=0)


@pytest.mark.parametrize(
    ("units", "y", "remedy"),
    [
        (3, NUMBERS + 1, "Count the classes from 0, `y - 1`, or give the last layer 4 units."),
        (3, NUMBERS - 1, r"SparseCategoricalCrossentropy\(ignore_class=-1\)"),
        (3, NUMBERS * 50, "one unit for each class, 101, or number the classes that there are"),
        (1, NUMBERS % 2, "For two classes and one output the loss is `binary_crossentropy`"),
        (3, np.where(NUMBERS == 1, np.nan, NUMBERS), "labels from nan to nan. Leave out the samples"),
    ],
)
def test_what_to_do_about_them(units, y, remedy):
    with pytest.raises(ValueError, match=remedy):
        model(SPARSE, units).fit(X, y, verbose=0)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "float32", "bool"])
@pytest.mark.parametrize("shape", [(12,), (12, 1)])
def test_labels_in_range(dtype, shape):
    y = (NUMBERS % 2 if dtype == "bool" else NUMBERS).astype(dtype).reshape(shape)
    model(SPARSE, metrics=["accuracy"]).fit(X, y, verbose=0)
    with pytest.raises(ValueError, match="received labels from"):
        model(SPARSE, units=1, metrics=["accuracy"]).fit(X, y, verbose=0)


def test_ignored_and_computed_labels():
    ignoring = keras.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    model(ignoring).fit(X, NUMBERS - 1, verbose=0)
    # Numbers that the program computes are nobody's labels.
    model(lambda y, p: keras.losses.sparse_categorical_crossentropy(y % 3, p)).fit(X, NUMBERS + 5, verbose=0)


def test_labels_of_several_outputs_and_of_places_in_images():
    with pytest.raises(ValueError, match="received labels from 0 to 4"):
        model([ONE_HOT, SPARSE], outputs=2).fit(X, [PLACES, NUMBERS * 2], verbose=0)
    images = keras.Sequential([keras.Input((4, 4, 2)), layers.Conv2D(3, 1, activation="softmax")])
    images.compile("sgd", SPARSE)
    wrong = np.zeros((2, 4, 4), "int32")
    images.fit(np.ones((2, 4, 4, 2)), wrong, verbose=0)
    wrong[1, 2, 3] = 3
    with pytest.raises(ValueError, match=r"output of shape \(2, 4, 4, 3\); received labels from 0 to 3"):
        images.fit(np.ones((2, 4, 4, 2)), wrong, verbose=0)


# -- labels of another form -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "units", "y", "remedy"),
    [
        (ONE_HOT, 3, NUMBERS, r"`sparse_categorical_crossentropy`; or .*to_categorical\(y, 3\)"),
        (ONE_HOT, 3, NUMBERS[:, None], r"`sparse_categorical_crossentropy`; or .*to_categorical\(y, 3\)"),
        (
            "binary_crossentropy",
            3,
            NUMBERS,
            r"`sparse_categorical_crossentropy`; or .*to_categorical\(y, 3\)",
        ),
        (SPARSE, 3, PLACES, r"`categorical_crossentropy`; or .*np.argmax\(y, axis=-1\)"),
        ("binary_crossentropy", 1, PLACES[:, :2], r"the labels have 2 places: .*`y\[:, 1:\]`"),
    ],
)
def test_one_hot_and_numbers(loss, units, y, remedy):
    with pytest.raises(
        ValueError, match=f"Arguments `target` and `output` must have the same shape.* {remedy}"
    ):
        model(loss, units).fit(X, y, verbose=0)


@pytest.mark.parametrize("names", [NAMES, NAMES.astype(object)])
@pytest.mark.parametrize("loss", [SPARSE, "mse"])
def test_names_as_labels(loss, names):
    with pytest.raises(
        ValueError, match=r"The labels `y` are strings .* np.unique\(y, return_inverse=True\)"
    ):
        model(loss).fit(X, names, verbose=0)
    _, y = np.unique(names, return_inverse=True)
    model(SPARSE).fit(X, y, verbose=0)


@pytest.mark.parametrize("what", ["x", "y", "sample_weight"])
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_lists(method, what):
    data = {"x": X, "y": NUMBERS, "sample_weight": np.ones(12)}
    data[what] = data[what].tolist()
    with pytest.raises(
        ValueError, match=rf"Unrecognized data type: `{what}` is a list .*`np.array\({what}\)`"
    ):
        getattr(model(SPARSE), method)(**data, verbose=0)


def test_lists_elsewhere():
    for call, said in (
        (lambda: model(SPARSE).predict(X.tolist()), "`x` is a list .*float"),
        (lambda: model(SPARSE).predict(["a", "b"]), "`x` is a list .*str"),
        (lambda: model(SPARSE).fit({"a": X.tolist()}, NUMBERS), "`x` is a dict .*float"),
        (
            lambda: model(SPARSE).fit(X, NUMBERS, validation_data=(X, NUMBERS.tolist())),
            r"`validation_data\[1\]` is",
        ),
    ):
        with pytest.raises(ValueError, match=f"Unrecognized data type: {said}"):
            call()
    model(SPARSE).fit([X], [NUMBERS], verbose=0)
    model(SPARSE).train_on_batch(X.tolist(), NUMBERS.tolist())  # as ever


# -- too many, too few, none ----------------------------------------------------------------------------------


def test_other_numbers_of_arrays_than_of_outputs():
    for kind, loss, outputs, y, said in (
        (KeyError, "mse", 2, PLACES, r"2 outputs \('out0' \(12, 3\), 'out1' \(12, 3\)\), `y` has 1 array"),
        (ValueError, ["mse", "mse"], 2, PLACES, "2 outputs .*, `y` has 1 array"),
        (ValueError, "mse", 2, [PLACES] * 3, "2 outputs .*, `y` has 3 arrays"),
        (ValueError, "mse", 1, [PLACES] * 2, "1 output .*, `y` has 2 arrays"),
    ):
        with pytest.raises(kind, match=f"The model has {said}") as error:
            model(loss, outputs=outputs).fit(X, y, verbose=0)
        assert "can't be found" in str(error.value) or "different structures" in str(
            error.value
        )  # Keras's words


@pytest.mark.parametrize("loss", ["mse", SPARSE])
@pytest.mark.parametrize("eager", [False, True])
def test_no_labels(loss, eager):
    for method in ("fit", "evaluate"):
        step = getattr(model(loss, run_eagerly=eager), method)
        with pytest.raises(ValueError, match=r"There are no labels, and the loss needs them: `fit\(x, y\)`"):
            step(X, verbose=0)


def test_none_is_no_tensor():
    for x in (None, [1.0, None]):
        with pytest.raises(ValueError, match="None values not supported"):
            keras.ops.convert_to_tensor(x)


def test_no_labels_where_none_are_needed():
    class Adding(layers.Layer):
        def call(self, x):
            self.add_loss(keras.ops.mean(x**2))
            return x

    adding = keras.Sequential([keras.Input((3,)), layers.Dense(2), Adding()])
    adding.compile("sgd")
    adding.fit(X, verbose=0)

    class Own(keras.losses.Loss):
        def __call__(self, y_true, y_pred, sample_weight=None):
            return keras.ops.mean(y_pred**2)

    model(Own()).fit(X, verbose=0)


def test_other_errors_stay_what_they_are():
    def strict(y, p):
        raise ValueError("my own")

    with pytest.raises(ValueError, match=r"my own$"):
        model(strict).fit(X, PLACES, verbose=0)


RAGGED = {
    "lists": [[1.0, 2.0], [3.0]],
    "an array of arrays": np.array([np.ones(2), np.ones(1)], dtype=object),
}


@pytest.mark.parametrize("given", RAGGED.values(), ids=RAGGED)
def test_sequences_of_different_lengths(given):
    said = r"`x` is ragged: .* from 1 to 2\. Give all sequences one length, `keras\.utils\.pad_sequences"
    for use in (lambda: model("mse").fit(given, np.ones(2)), lambda: model("mse").predict(given)):
        with pytest.raises(ValueError, match=said):
            use()
    with pytest.raises(ValueError, match=said.replace("`x`", "`y`")):
        model("mse").fit(np.ones((2, 3)), given)
    with pytest.raises(ValueError, match=r"A tensor is not ragged.*pad_sequences"):
        keras.ops.convert_to_tensor(given.tolist() if isinstance(given, np.ndarray) else given)
    # What the remedy makes.
    padded = keras.utils.pad_sequences(given, 3, padding="post", dtype="float32")
    assert model("mse").predict(padded, verbose=0).shape == (2, 3)


def test_ragged_tensors_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"`ragged=True` is not supported.*pad_sequences"):
        keras.ops.convert_to_tensor([[1, 2], [3]], ragged=True)


def test_inputs_in_lists_of_different_lengths_are_not_ragged():
    """Lists of arrays are inputs, which may stand in lists of their own."""
    a, b, c = (keras.Input((2,)) for _ in range(3))
    nested = keras.Model([[a, b], [c]], keras.layers.Concatenate()([a, b, c]))
    x = np.ones((4, 2), "float32")
    assert nested.predict([[x, x], [x]], verbose=0).shape == (4, 6)
