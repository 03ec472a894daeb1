"""Places and counts are NumPy's own integers, `np.intp`, of 32 bits on some machines: here as if this were one.

Such a machine itself is the Debian "i386" of `tests/systems`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse

from kerasflow.graph import ShapedArray, shaped
from kerasflow.primitives import PRIMITIVES
from kerasflow.tracing import Trace, recording

import keras  # isort: skip


@pytest.fixture(autouse=True)
def own_integers_of_32_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """`np.intp`, and the functions in use that cast to it by the rule "safe"."""
    repeat = np.repeat

    def checked(a: Any, repeats: Any, axis: Any = None) -> Any:
        if not np.can_cast(np.asarray(repeats).dtype, np.int32) and not isinstance(
            repeats, (int, np.generic)
        ):
            raise TypeError(
                "Cannot cast array data from dtype('int64') to dtype('int32') according to the rule 'safe'"
            )
        return repeat(a, repeats, axis)

    bincount = np.bincount

    def counted(x: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(x, np.ndarray) and not np.can_cast(x.dtype, np.int32):
            raise TypeError(
                "Cannot cast array data from dtype('int64') to dtype('int32') according to the rule 'safe'"
            )
        return bincount(x, *args, **kwargs)

    monkeypatch.setattr(np, "intp", np.int32)
    monkeypatch.setattr(np, "repeat", checked)
    monkeypatch.setattr(np, "bincount", counted)


@pytest.mark.parametrize(
    "name, others, params",
    [
        ("argmax", (), {"axis": 0}),
        ("argmin", (), {"axis": 0}),
        ("argsort", (), {"axis": 0}),
        ("searchsorted", ((2,),), {"side": "left"}),
        ("top_k", (), {"k": 2}),
    ],
)
def test_a_primitive_says_that_its_places_are_such(name: str, others: Any, params: dict[str, Any]) -> None:
    operands = [ShapedArray(shape, np.dtype(np.float32)) for shape in ((3,), *others)]
    assert PRIMITIVES[name].shape_rule(*operands, **params).dtype == np.int32


@pytest.mark.parametrize(
    "expression",
    [
        "x.argmax()",
        "np.nanargmin(x)",
        "np.argsort(x)",
        "np.argsort(x[0])",
        "np.searchsorted(x, x)",
        "np.digitize(x, np.array([0.0, 1.0]))",
        "np.bincount(i, minlength=4)",
        "np.histogram(x, bins=2, range=(0, 1))[0]",
        "np.unravel_index(i, (2, 2))[0]",
    ],
)
def test_numpys_functions_do(expression: str) -> None:
    trace = Trace()
    with recording(trace):
        x, i = (trace.add_input(shaped(a)) for a in (np.ones(3, np.float32), np.ones(3, np.int64)))
        assert eval(expression, {"np": np, "x": x, "i": i}).dtype == np.int32


def test_counts_of_64_bits_become_such() -> None:
    counts = np.array([2, 0, 1], np.int64)
    with pytest.raises(TypeError, match="Cannot cast"):
        np.repeat(np.arange(3.0), counts)
    np.testing.assert_array_equal(keras.ops.repeat(np.arange(3.0), counts), [0, 0, 2])
    trace = Trace()
    with recording(trace):
        assert np.repeat(trace.add_input(shaped(np.arange(3.0))), counts.astype(np.int32)).shape == (3,)
        from kerasflow.tracing.functions.shapes import repeat

        assert repeat(trace.add_input(shaped(np.arange(3.0))), counts).shape == (3,)


@pytest.mark.parametrize("mode", ["int", "multi_hot", "count", "tf_idf"])
def test_layers_of_text(mode: str) -> None:
    texts = np.array(["a good film", "a bad one", "good", ""])
    vectors = keras.layers.TextVectorization(ngrams=2, output_mode=mode)
    vectors.adapt(texts)
    assert len(vectors(texts)) == 4
    counts = keras.layers.CategoryEncoding(4, output_mode="count")
    np.testing.assert_array_equal(counts(np.array([[1, 1], [0, 3]])), [[0, 2, 0, 0], [1, 0, 0, 1]])


def test_batches_of_sparse_rows() -> None:
    rows = scipy.sparse.random_array((12, 5), density=0.4, rng=np.random.default_rng(0), format="csr")
    model = keras.Sequential([keras.Input((5,), sparse=True), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(rows, np.zeros((12, 1)), batch_size=4, verbose=0)
    np.testing.assert_allclose(
        model.predict(rows, batch_size=5, verbose=0), model(rows.toarray()), rtol=1e-5, atol=1e-6
    )
