"""`fit`, `evaluate`, `predict` and the calls on single batches: what goes in, what comes out."""

from __future__ import annotations

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import layers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4)).astype("float32")
Y = (X.sum(1, keepdims=True) > 0).astype("float32")


def make(metrics=("accuracy",), **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [layers.Input((4,)), layers.Dense(8, activation="tanh"), layers.Dense(1, "sigmoid")]
    )
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=list(metrics), **options)
    return model


def fit(model, *args, **kwargs):
    kwargs = {"verbose": 0, "batch_size": 10, "epochs": 2, "shuffle": False, **kwargs}
    return model.fit(*args, **kwargs).history


def assert_same(history, expected, rtol=1e-5):
    assert history.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=rtol, err_msg=name)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 5

    def __getitem__(self, i):
        return X[i * 10 : i * 10 + 10], Y[i * 10 : i * 10 + 10]


def endless():
    while True:
        for i in range(5):
            yield Batches()[i]


def dataframe():
    pandas = pytest.importorskip("pandas")
    return fit(make(), pandas.DataFrame(X), pandas.DataFrame(Y))


SOURCES = {
    "float64": lambda: fit(make(), X.astype("float64"), Y.astype("float64")),
    "integer labels": lambda: fit(make(), X, Y.astype("uint8")),
    "labels without an axis": lambda: fit(make(), X, Y[:, 0]),
    "read-only and strided": lambda: fit(make(), np.asfortranarray(X), np.broadcast_to(Y, (2, 50, 1))[1]),
    "pandas": dataframe,
    "generator": lambda: fit(make(), endless(), steps_per_epoch=5, batch_size=None),
    "PyDataset": lambda: fit(make(), Batches(), batch_size=None),
    "PyDataset with threads": lambda: fit(make(), Batches(workers=3), batch_size=None),
    "several steps at once": lambda: fit(make(steps_per_execution=2), X, Y),
    "with values": lambda: fit(make(run_eagerly=True), X, Y),
    "sample weights of one": lambda: fit(make(), X, Y, sample_weight=np.ones(50)),
    "class weights of one": lambda: fit(make(), X, Y, class_weight={0: 1.0, 1: 1.0}),
    "two calls": lambda: (lambda m: {k: a + b for (k, a), b in zip(
        fit(m, X, Y, epochs=1).items(), fit(m, X, Y, initial_epoch=1).values(), strict=True)})(make()),
}  # fmt: skip


@pytest.fixture(scope="module")
def expected():
    return fit(make(), X, Y)


@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")
@pytest.mark.parametrize("source", SOURCES)
def test_however_the_data_come_the_numbers_are_the_same(source, expected):
    assert_same(SOURCES[source](), expected)


def test_training_learns():
    history = fit(make(), X, Y, epochs=30)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["accuracy"][-1] > 0.9


def test_uint8_images_are_numbers():
    images = (X * 50 + 128).clip(0, 255).astype("uint8")
    assert_same(fit(make(), images, Y), fit(make(), images.astype("float32"), Y))


def test_the_short_last_batch_counts_for_what_it_is():
    model = make()
    model.optimizer.learning_rate = 0.0
    history = fit(model, X, Y, batch_size=32, epochs=1)
    np.testing.assert_allclose(history["loss"][0], model.evaluate(X, Y, verbose=0)[0], rtol=1e-5)


def test_shuffling_follows_the_seed():
    first, second, plain = (fit(make(), X, Y, shuffle=s)["loss"] for s in (True, True, False))
    assert first == second != plain


def test_validation():
    model = make()
    history = fit(model, X, Y, epochs=4, validation_split=0.2, validation_freq=2)
    assert len(history["loss"]) == 4
    assert len(history["val_loss"]) == 2
    given = fit(make(), X[:40], Y[:40], epochs=4, validation_data=(X[40:], Y[40:]), validation_freq=[2, 4])
    assert_same(given, history)
    evaluated = model.evaluate(X[40:], Y[40:], verbose=0, return_dict=True)
    np.testing.assert_allclose(evaluated["loss"], history["val_loss"][-1], rtol=1e-5)


def test_weights_of_samples_and_classes():
    weights = np.where(Y[:, 0] == 1, 3.0, 0.5)
    by_sample = fit(make(weighted_metrics=["mse"]), X, Y, sample_weight=weights)
    by_class = fit(make(weighted_metrics=["mse"]), X, Y, class_weight={0: 0.5, 1: 3.0})
    assert_same(by_class, by_sample)
    model = make()
    losses = keras.ops.convert_to_numpy(keras.losses.binary_crossentropy(Y, model(X)))
    found = model.evaluate(X, Y, sample_weight=weights, verbose=0, return_dict=True)["loss"]
    np.testing.assert_allclose(found, np.mean(losses * weights), rtol=1e-5)


def test_several_inputs_and_outputs():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    h = layers.concatenate([a, b])
    outputs = {
        "number": layers.Dense(1, name="number")(h),
        "kind": layers.Dense(2, "softmax", name="kind")(h),
    }
    model = keras.Model({"a": a, "b": b}, outputs)
    model.compile(
        "sgd",
        {"number": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"number": 1.0, "kind": 0.5},
        metrics={"number": ["mae"], "kind": ["accuracy"]},
    )
    labels = {"number": Y, "kind": Y[:, 0].astype(int)}
    history = fit(model, {"a": X, "b": X}, labels)
    assert set(history) == {"loss", "number_loss", "kind_loss", "number_mae", "kind_accuracy"}
    np.testing.assert_allclose(
        history["loss"], np.add(history["number_loss"], np.multiply(0.5, history["kind_loss"])), rtol=1e-5
    )
    predicted = model.predict({"a": X, "b": X}, verbose=0, batch_size=16)
    assert {name: part.shape for name, part in predicted.items()} == {"number": (50, 1), "kind": (50, 2)}
    as_lists = keras.Model([a, b], list(outputs.values())).predict([X, X], verbose=0)
    np.testing.assert_array_equal(as_lists[1], model.predict({"a": X, "b": X}, verbose=0)["kind"])


def test_single_batches():
    model, twin = make(), make()
    logs = model.train_on_batch(X, Y, return_dict=True)
    history = fit(twin, X, Y, epochs=1, batch_size=50)
    assert_same({name: [value] for name, value in logs.items()}, history)
    model.reset_metrics()
    loss, accuracy = model.test_on_batch(X, Y)
    np.testing.assert_allclose([loss, accuracy], model.evaluate(X, Y, verbose=0, batch_size=50), rtol=1e-6)
    np.testing.assert_array_equal(model.predict_on_batch(X), model.predict(X, verbose=0, batch_size=50))
    assert isinstance(loss, float)
    one, other = make(), make()
    one.train_on_batch(X, Y, class_weight={0: 1.0, 1: 2.0})
    other.train_on_batch(X, Y, sample_weight=1.0 + Y[:, 0])
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="cannot be specified at the same time"):
        one.train_on_batch(X, Y, sample_weight=Y[:, 0], class_weight={0: 1.0, 1: 2.0})


def test_predict_gives_arrays_of_ones_own():
    model = make()
    for predict in (model.predict_on_batch, lambda x: model.predict(x, verbose=0)):
        first = predict(X)
        kept = first.copy()
        predict(-X)
        np.testing.assert_array_equal(first, kept)
        assert type(first) is np.ndarray
        assert first.flags.writeable


def test_several_steps_at_once_do_not_ask_for_more(recwarn):
    ends = []

    class Counting(Batches):
        def on_epoch_end(self):
            ends.append(1)

    seen = []
    recorder = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    fit(make(steps_per_execution=2), X, Y, callbacks=[recorder], epochs=1)
    assert seen == [1, 3, 5]
    fit(make(), Counting(), batch_size=None)
    once = len(ends)
    fit(make(steps_per_execution=2), Counting(), batch_size=None)
    assert len(ends) == 2 * once
    assert not [w for w in recwarn if "ran out of data" in str(w.message)]


def test_a_generator_that_ends_early_warns():
    with pytest.warns(UserWarning, match="ran out of data"):
        history = fit(make(), (Batches()[i] for i in range(3)), batch_size=None, steps_per_epoch=5, epochs=1)
    assert len(history["loss"]) == 1


def test_progress_bar(capsys):
    model = make()
    model.fit(X, Y, epochs=2, batch_size=25, verbose=1, validation_split=0.2)
    bar = capsys.readouterr().out
    assert "Epoch 1/2" in bar
    assert "2/2" in bar
    for name in ("accuracy:", "loss:", "val_accuracy:", "val_loss:", "/step"):
        assert name in bar
    model.fit(X, Y, batch_size=25, verbose=2)
    assert capsys.readouterr().out.splitlines()[-1].startswith("2/2 - ")
    model.fit(X, Y, verbose=0)
    model.predict(X, verbose=0)
    assert capsys.readouterr().out == ""


def test_summary_and_counts(capsys):
    model = make()
    model.summary()
    assert "Total params: 49" in capsys.readouterr().out
    assert model.count_params() == 49
