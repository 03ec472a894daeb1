"""Models of sparse tensors: they train as on dense ones, in programs that do not depend on how much is stored."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import scipy.sparse
from keras import layers, ops

import kerasflow
from kerasflow import SparseTensor
from kerasflow.bridge.sparse_rows import SparseRows
from kerasflow.compiler import backends

FEATURES, SAMPLES = 40, 70


def data() -> tuple[Any, Any]:
    """Rows with few features each, a different number in each, one with none; and what to make of them."""
    rng = np.random.default_rng(0)
    x = scipy.sparse.random(SAMPLES, FEATURES, density=0.1, format="csr", dtype="float32", random_state=rng)
    x = x.multiply(np.arange(SAMPLES)[:, None] != 5).tocsr()
    y = (x @ rng.normal(size=FEATURES) > 0).astype("float32")
    return x, y


def classifier(sparse: bool = True, **compiled: Any) -> Any:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((FEATURES,), sparse=sparse)
    outputs = layers.Dense(1, "sigmoid")(layers.Dense(8, "relu")(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "binary_crossentropy", metrics=["mae"], **compiled)
    return model


def history(model: Any, *args: Any, **options: Any) -> dict[str, list[float]]:
    keras.utils.set_random_seed(1)
    found: dict[str, list[float]] = model.fit(*args, batch_size=16, epochs=2, verbose=0, **options).history
    return found


def assert_same(found: Any, expected: Any) -> None:
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected
    )


@pytest.mark.parametrize("backend", sorted(backends()))
def test_training_is_that_on_dense_data(backend: str) -> None:
    x, y = data()
    with kerasflow.use_backend(backend):
        sparse, dense = classifier(), classifier(sparse=False)
        options = {"validation_split": 0.2, "sample_weight": np.linspace(0, 1, SAMPLES)}
        assert_same(history(sparse, x, y, **options), history(dense, x.toarray(), y, **options))
        assert_same(sparse.evaluate(x, y, verbose=0), dense.evaluate(x.toarray(), y, verbose=0))
        assert_same(sparse.predict(x, verbose=0), dense.predict(x.toarray(), verbose=0))
        assert_same(sparse.train_on_batch(x[:9], y[:9]), dense.train_on_batch(x[:9].toarray(), y[:9]))
        assert_same(sparse.get_weights(), dense.get_weights())


def test_values_are_there_where_they_are_asked_for() -> None:
    x, y = data()
    eager, compiled = classifier(run_eagerly=True), classifier()
    assert_same(history(eager, x, y), history(compiled, x, y))


def tensor_of(matrix: Any) -> SparseTensor:
    found = matrix.tocoo()
    order = np.random.default_rng(0).permutation(found.nnz)
    return SparseTensor(np.stack(found.coords, axis=1)[order], found.data[order], found.shape)


@pytest.mark.parametrize(
    "form",
    [
        lambda x: x.tocoo(),
        scipy.sparse.csr_matrix,
        lambda x: x.astype("float64"),
        tensor_of,
    ],
    ids=["coo", "matrix", "float64", "places in any order"],
)
def test_forms(form: Callable[[Any], Any]) -> None:
    x, y = data()
    assert_same(history(classifier(), form(x), y), history(classifier(), x, y))


class Batches(keras.utils.PyDataset):
    def __init__(self, x: Any, y: Any) -> None:
        super().__init__()
        self.x, self.y = x, y

    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> Any:
        return self.x[i * 20 : (i + 1) * 20], self.y[i * 20 : (i + 1) * 20]


@pytest.mark.parametrize("kind", ["scipy", "sparse tensor", "generator"])
def test_batches_of_a_dataset(kind: str) -> None:
    x, y = data()

    def batches() -> Iterator[Any]:
        for i in range(3):
            yield SparseTensor(*parts(x[i * 20 : (i + 1) * 20])), y[i * 20 : (i + 1) * 20]

    def parts(matrix: Any) -> Any:
        found = matrix.tocoo()
        return np.stack(found.coords, axis=1), found.data, found.shape

    class Tensors(Batches):
        def __getitem__(self, i: int) -> Any:
            rows, labels = super().__getitem__(i)
            return SparseTensor(*parts(rows)), labels

    given = {"scipy": Batches(x, y), "sparse tensor": Tensors(x, y), "generator": batches()}[kind]
    model, dense = classifier(), classifier(sparse=False)
    found = model.fit(given, verbose=0, shuffle=False).history
    for entry in model.train_function.step.compiled.entries.values():
        assert "sparse_matmul" in {node.primitive.name for node in entry.graph.nodes}
    expected = dense.fit(Batches(x.toarray(), y), verbose=0, shuffle=False).history
    assert_same(found, expected)


def test_what_is_stored_makes_no_program() -> None:
    model = classifier()
    for count in range(70, 120):
        places = np.stack([np.arange(count) % 16, np.arange(count) % FEATURES], axis=1)
        model.train_on_batch(SparseTensor(places, np.ones(count, "float32"), (16, FEATURES)), np.ones(16))
    (entry,) = model.train_function.step.compiled.entries.values()
    assert [node.primitive.name for node in entry.graph.nodes].count("sparse_matmul") == 2


def test_a_model_is_called_with_scipys_matrices() -> None:
    x, _ = data()
    model = classifier()
    assert_same(model(x[:3]), model(x[:3].toarray()))
    layer = layers.Dense(3)
    assert_same(layer(x[:3]), layer(x[:3].toarray()))
    assert isinstance(layers.Rescaling(2.0)(x[:3]), SparseTensor) is False
    assert isinstance(layers.Reshape((2, 20))(x[:3]), SparseTensor)


def test_a_dense_input_takes_sparse_data() -> None:
    x, y = data()
    assert_same(history(classifier(sparse=False), x, y), history(classifier(), x, y))


def test_several_inputs(tmp_path: Path) -> None:
    x, y = data()
    other = np.linspace(-1, 1, SAMPLES * 2, dtype="float32").reshape(SAMPLES, 2)

    def model(sparse: bool) -> Any:
        keras.utils.set_random_seed(0)
        a, b = keras.Input((FEATURES,), sparse=sparse, name="a"), keras.Input((2,), name="b")
        joined = layers.Concatenate()([layers.Dense(4)(a), b])
        found = keras.Model({"a": a, "b": b}, layers.Dense(1)(joined))
        found.compile("sgd", "mse")
        return found

    sparse = model(True)
    found = history(sparse, {"a": x, "b": other}, y, validation_data=({"a": x, "b": other}, y))
    expected = history(
        model(False), {"a": x.toarray(), "b": other}, y, validation_data=({"a": x.toarray(), "b": other}, y)
    )
    assert_same(found, expected)
    sparse.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert [t.sparse for t in keras.tree.flatten(again.inputs)] == [True, False]
    assert_same(
        again.predict({"a": x, "b": other}, verbose=0), sparse.predict({"a": x, "b": other}, verbose=0)
    )


def test_sparse_targets_and_outputs() -> None:
    x, _ = data()
    inputs = keras.Input((FEATURES,), sparse=True)
    model = keras.Model(inputs, [ops.multiply(inputs, 2.0), ops.sum(inputs, axis=1)])
    doubled, sums = model(x)
    assert isinstance(doubled, SparseTensor) and isinstance(sums, SparseTensor)
    assert_same(np.asarray(doubled), 2 * x.toarray())
    found = model.predict(x, batch_size=16, verbose=0)
    assert_same([np.asarray(part) for part in found], [2 * x.toarray(), x.toarray().sum(axis=1)])
    autoencoder = keras.Sequential([keras.Input((FEATURES,), sparse=True), layers.Dense(FEATURES)])
    autoencoder.compile("sgd", "mse")
    expected = autoencoder.evaluate(x.toarray(), x.toarray(), verbose=0)
    assert_same(autoencoder.evaluate(x, x, verbose=0), expected)


TEXTS = np.array(["a good film", "a bad one", "good, good!", "nothing"])


def of_texts(mode: str, sparse: bool) -> Any:
    keras.utils.set_random_seed(0)
    texts = layers.TextVectorization(output_mode=mode, sparse=sparse)
    texts.adapt(TEXTS)
    assert isinstance(texts(TEXTS), SparseTensor) == sparse
    model = keras.Sequential([texts, layers.Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    return model


@pytest.mark.parametrize("mode", ["multi_hot", "count", "tf_idf"])
def test_text(mode: str) -> None:
    options = {"batch_size": 3, "epochs": 3, "verbose": 0, "shuffle": False}
    sparse, dense = (of_texts(mode, sparse) for sparse in (True, False))
    assert_same(*(m.fit(TEXTS, np.array([1, 0, 1, 0]), **options).history for m in (sparse, dense)))
    assert_same(sparse.predict(TEXTS, verbose=0), dense.predict(TEXTS, verbose=0))


def test_a_model_of_texts_is_saved(tmp_path: Path) -> None:
    model = of_texts("count", sparse=True)
    expected = model.predict(TEXTS, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[0].get_config()["sparse"]
    assert_same(again.predict(TEXTS, verbose=0), expected)


NUMBERS, WORDS = np.array([[1, 2], [3, 1]]), np.array([["a", "b"], ["c", "a"]])


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
@pytest.mark.parametrize(
    ("make", "x"),
    [
        (lambda **o: layers.StringLookup(vocabulary=["a", "b"], **o), WORDS),
        (lambda **o: layers.IntegerLookup(vocabulary=[1, 2], **o), NUMBERS),
        (lambda **o: layers.Hashing(num_bins=5, **o), WORDS),
        (lambda **o: layers.CategoryEncoding(num_tokens=5, **o), NUMBERS),
        (lambda **o: layers.Discretization(bin_boundaries=[1.5, 2.5], **o), NUMBERS.astype("float32")),
    ],
    ids=["StringLookup", "IntegerLookup", "Hashing", "CategoryEncoding", "Discretization"],
)
def test_categories(make: Callable[..., Any], x: Any, mode: str) -> None:
    sparse, dense = make(output_mode=mode, sparse=True), make(output_mode=mode)
    for given in (x, x[0]):
        found, expected = sparse(given), dense(given)
        assert isinstance(found, SparseTensor)
        assert found.shape == expected.shape and found.dtype == expected.dtype
        np.testing.assert_array_equal(np.asarray(found), expected)
    if not isinstance(sparse, layers.CategoryEncoding):  # Keras's does not keep it in its configuration.
        assert type(sparse).from_config(sparse.get_config()).sparse


def test_crossing() -> None:
    features = np.array(["a", "b", "a"]), np.array([1, 2, 2])
    found = layers.HashedCrossing(5, output_mode="one_hot", sparse=True)(features)
    assert isinstance(found, SparseTensor)
    np.testing.assert_array_equal(
        np.asarray(found), layers.HashedCrossing(5, output_mode="one_hot")(features)
    )


@pytest.mark.parametrize("cls", [layers.StringLookup, layers.IntegerLookup, layers.TextVectorization])
def test_numbers_are_not_sparse(cls: Any) -> None:
    with pytest.raises(ValueError, match=r"`sparse` may only be true .* sparse=True and output_mode=int"):
        cls(sparse=True)


def test_encoding_within_the_program() -> None:
    numbers = np.array([[1, 2, 2], [4, 5, 0]])
    inputs = keras.Input((3,), dtype="int32")
    encoded = layers.CategoryEncoding(6, output_mode="count", sparse=True)(inputs)
    assert encoded.sparse
    model = keras.Model(inputs, layers.Dense(2)(encoded))
    kernel, bias = model.get_weights()
    counts = np.array([np.bincount(row, minlength=6) for row in numbers])
    assert_same(model.predict(numbers, verbose=0), counts @ kernel + bias)


@pytest.mark.parametrize("indices", [slice(2, 5), slice(0, 0), [3, 0, 3], np.array([5]), []])
def test_rows(indices: Any) -> None:
    dense = np.where(np.arange(24).reshape(6, 4) % 3 == 0, np.arange(24).reshape(6, 4), 0)
    places = np.stack(np.nonzero(dense), axis=1)[::-1]
    x = SparseTensor(places, dense[tuple(places.T)], dense.shape)
    indices = np.array(indices, int) if isinstance(indices, list) else indices
    found = SparseRows(x)[indices]
    np.testing.assert_array_equal(np.asarray(found), dense[indices])
    assert found.shape == dense[indices].shape


def test_optimizers_take_sparse_gradients() -> None:
    gradient = SparseTensor([[0], [2]], np.ones((2, 3), "float32"), (4, 3))
    found = []
    for given in (gradient, np.asarray(gradient)):
        variable = keras.Variable(np.ones((4, 3), "float32"))
        optimizer = keras.optimizers.Adam(0.1)
        for _ in range(3):
            optimizer.apply([ops.convert_to_tensor(given)], [variable])
        found.append(variable.numpy())
    assert_same(*found)


def test_half_precision() -> None:
    x, _ = data()
    layer = layers.Dense(3, dtype="mixed_float16")
    found = layer(x)
    assert found.dtype == np.float16
    expected = x.toarray() @ layer.kernel.numpy()
    np.testing.assert_allclose(found, expected, rtol=2e-2, atol=2e-2)


def test_the_batch_of_a_program() -> None:
    """How many samples there are the arrays of a sparse tensor do not tell, and processes share samples out."""
    x, y = data()
    model = classifier()
    model.train_on_batch(x[:16], y[:16])
    (entry,) = model.train_function.step.compiled.entries.values()
    assert entry.samples == 16
    assert entry.graph.inputs[0].aval.shape[0] != 16


def test_what_runs_is_shown() -> None:
    x, _ = data()
    text = str(kerasflow.explain(classifier(), x[:16]))
    assert "predicts for 16 samples" in text
    assert "sparse_matmul(x_values, x_axis_0, x_axis_1, " in text


def test_exported_files_take_dense_arrays(tmp_path: Path) -> None:
    x, _ = data()
    model = classifier()
    kerasflow.export_numpy(model, tmp_path / "model.py")
    names = runpy.run_path(str(tmp_path / "model.py"))
    assert_same(names["predict"](x.toarray()), model.predict(x, verbose=0))


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
@pytest.mark.parametrize(
    "make",
    [
        lambda **o: layers.CategoryEncoding(6, sparse=True, **o),
        lambda **o: layers.Discretization(bin_boundaries=[1.0, 3.0], sparse=True, **o),
    ],
    ids=["CategoryEncoding", "Discretization"],
)
def test_exported_files_encode_as_dense_arrays(make: Callable[..., Any], mode: str, tmp_path: Path) -> None:
    numbers = np.array([[1, 2, 2], [4, 5, 0]])
    inputs = keras.Input((3,), dtype="int32")
    encoded = make(output_mode=mode)(inputs)
    model = keras.Model(inputs, [encoded, layers.Dense(2)(encoded)])
    kerasflow.export_numpy(model, tmp_path / "model.py")
    found = runpy.run_path(str(tmp_path / "model.py"))["predict"](numbers)
    expected = model.predict(numbers, verbose=0)
    assert_same(found[0], np.asarray(expected[0]))
    assert_same(found[1], expected[1])
