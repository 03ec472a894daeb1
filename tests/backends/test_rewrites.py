"""What the NumPy backend computes in another way than the graph says: sums by BLAS, products without copies, erf."""

from __future__ import annotations

from typing import Any

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import numpy as np
import pytest
from graphs import aval, graph_of, names
from scipy import special

from kerasflow_numpy import NumpyBackend
from kerasflow_numpy.plan.prepare import prepare
from kerasflow_numpy.run import depthwise, kernels


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    ("axis", "rest"),
    [
        *((axis, 0) for axis in (0, (0, 1), (0, 1, 2), 3, (2, 3), (1, 2, 3), 1, (1, 2))),
        # The axes that have the most elements are summed first; of what is left, the others.
        *(((0, 3), 8 * 60), ((0, 2), 10 * 48), ((0, 1, 3), 8 * 10), ((0, 2, 3), 16 * 6)),
    ],
)
def test_sums_over_axes_are_products(axis: Any, rest: int, keepdims: bool) -> None:
    graph = graph_of(lambda x: np.sum(x, axis=axis, keepdims=keepdims), aval(16, 6, 10, 8))
    assert "matmul" in names(prepare(graph))
    assert sum(n.inputs[0].aval.size for n in prepare(graph).nodes if n.primitive.name == "sum") == rest
    x = np.random.default_rng(0).normal(size=(16, 6, 10, 8)).astype(np.float32)
    (ours,), _ = NumpyBackend().compile(graph)([], [x])
    expected = np.sum(x, axis=axis, keepdims=keepdims)
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("axis", "shape", "dtype", "exact"),
    [
        (None, (64, 128), np.float32, False),
        (0, (64, 128), np.int32, False),
        (0, (64, 128), np.float16, False),
        (0, (6, 5), np.float32, False),
        (0, (64, 128), np.float32, True),
    ],
)
def test_other_sums_stay(axis: Any, shape: tuple[int, ...], dtype: Any, exact: bool) -> None:
    graph = graph_of(lambda x: np.sum(x, axis=axis, dtype=dtype), aval(*shape, dtype=dtype))
    assert names(prepare(graph, exact)) == ["sum"]


def test_a_depthwise_kernel_lies_as_the_images_do() -> None:
    """In one run with the rows of an image: NumPy's own copy of repeated numbers has the channels apart."""
    kernel, image = np.arange(36.0).reshape(3, 3, 1, 4), np.zeros((2, 5, 6, 4))
    row = depthwise._row(kernel, (1, 2), image)
    assert row.flags.c_contiguous
    np.testing.assert_array_equal(row, np.tile(kernel[1, 2], (6, 1)))


def test_a_long_sum_is_accurate() -> None:
    """Rounding errors of a sum of many rows stay small beside its terms."""
    x = np.random.default_rng(0).random((100_000, 8), np.float32)
    graph = graph_of(lambda x: np.sum(x, axis=0), aval(*x.shape))
    (ours,), _ = NumpyBackend().compile(graph)([], [x])
    np.testing.assert_allclose(ours, x.sum(axis=0, dtype=np.float64), rtol=2e-5)


def test_one_copy_serves_several_products() -> None:
    """The operand of two products, once as it is and once transposed, is copied at most once."""

    def both(x: Any, w: Any, y: Any) -> Any:
        g = np.transpose(x * np.float32(2), (0, 2, 1, 3))
        return np.einsum("bthe,dhe->btd", g, w), np.einsum("btd,bthe->dhe", y, g)

    graph = prepare(graph_of(both, aval(4, 3, 5, 2), aval(6, 3, 2), aval(4, 5, 6)))
    assert "einsum" not in names(graph)
    source = NumpyBackend().compile(graph).source
    assert source.count("np.copyto") == 1


def test_channels_are_repeated_along_rows() -> None:
    """Beside an image, a number for each of a few channels becomes a row: long inner loops, the same bits."""
    graph = graph_of(lambda x, w: (x - w) * np.reshape(w, (1, 1, 16)), aval(8, 20, 12, 16), aval(16))
    rewritten = prepare(graph, exact=True)
    rows = {v.aval.shape for n in rewritten.nodes if n.outputs[0].aval.ndim == 4 for v in n.inputs}
    assert rows == {(8, 20, 12, 16), (12, 16)}
    x, w = (np.random.default_rng(0).normal(size=s).astype(np.float32) for s in ((8, 20, 12, 16), (16,)))
    (ours,), _ = NumpyBackend().compile(graph)([], [x, w])
    np.testing.assert_array_equal(ours, (x - w) * w)


def test_erf() -> None:
    x = np.linspace(-9, 9, 100_003).astype(np.float32)
    x = np.concatenate([x, np.float32([np.inf, -np.inf, 1e-30, -0.0])])
    out = np.empty_like(x)
    kernels.erf(x, out)
    np.testing.assert_allclose(out, special.erf(x.astype(np.float64)), rtol=4e-7)
    assert np.signbit(out[-1]) and out[-4] == 1 and out[-3] == -1
    kernels.erf(x, x)
    np.testing.assert_array_equal(x, out)
    odd = np.linspace(-2, 2, 24, dtype=np.float32).reshape(4, 6).T
    strided = np.empty((4, 6), np.float32).T
    kernels.erf(odd, strided)
    np.testing.assert_allclose(strided, special.erf(odd), rtol=4e-7)
    kernels.erf(np.float32([np.nan]), out[:1])
    assert np.isnan(out[0])


def test_few_rows_times_a_transposed_matrix_are_computed_turned_around() -> None:
    def turned(rows: int, k: int = 128, n: int = 600, exact: bool = False) -> bool:
        graph = prepare(graph_of(lambda x, w: x @ w.T, aval(rows, k), aval(n, k)), exact)
        (product,) = (node for node in graph.nodes if node.primitive.name == "matmul")
        return product.outputs[0].aval.shape == (n, rows)

    assert turned(2) and turned(16)
    assert not (turned(1) or turned(17) or turned(2, n=500) or turned(2, exact=True))
    x, w = (np.random.default_rng(0).random(s, np.float32) / 8 for s in ((3, 128), (600, 128)))
    graph = graph_of(lambda x, w: [x @ w.T, np.exp(x @ w.T)], aval(3, 128), aval(600, 128))
    (ours, after), _ = NumpyBackend(poison=True).compile(graph)([], [x, w])
    assert ours.flags.c_contiguous
    np.testing.assert_allclose(ours, x @ w.T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(after, np.exp(ours), rtol=1e-5)
