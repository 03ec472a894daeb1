"""Convolution and pooling against loops, in every geometry, and with bad input."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kerasflow  # isort: skip  (before Keras)
from keras import ops

from kerasflow.bridge.ops import nn
from kerasflow.graph import Graph, Node, Value, infer, shaped
from kerasflow.primitives import PRIMITIVES
from kerasflow.testing import check_grads
from kerasflow_numpy import NumpyBackend
from kerasflow_numpy.run import patches


def windows(x: np.ndarray, window: Any, strides: Any, dilation: Any, padding: str, fill: float = 0.0) -> Any:
    """Every window of a channels-last array: (batch, *places, *window, channels), by loops."""
    widths, sizes = [(0, 0)], []
    for n, k, s, d in zip(x.shape[1:-1], window, strides, dilation, strict=True):
        reach = (k - 1) * d + 1
        if padding == "same":
            sizes.append(-(-n // s))
            total = max((sizes[-1] - 1) * s + reach - n, 0)
        else:
            sizes.append((n - reach) // s + 1)
            total = 0
        widths.append((total // 2, total - total // 2))
    x = np.pad(x, [*widths, (0, 0)], constant_values=fill)
    found = np.empty((len(x), *sizes, *window, x.shape[-1]), x.dtype)
    for place in itertools.product(*map(range, sizes)):
        for inside in itertools.product(*map(range, window)):
            at = tuple(p * s + i * d for p, s, i, d in zip(place, strides, inside, dilation, strict=True))
            found[(slice(None), *place, *inside)] = x[(slice(None), *at)]
    return found


@st.composite
def geometries(draw: st.DrawFn) -> dict[str, Any]:
    spatial = draw(st.integers(1, 3))
    numbers = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(spatial))  # noqa: E731
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    dilated = draw(st.booleans())
    return {
        "window": numbers(1, 3),
        "strides": (1,) * spatial if dilated else numbers(1, 3),
        "dilation": numbers(1, 2) if dilated else (1,) * spatial,
        "padding": draw(st.sampled_from(["valid", "same"])),
        "groups": groups,
        "channels": groups * draw(st.integers(1, 9)),
        "filters": groups * draw(st.integers(1, 3)),
        "sizes": numbers(5, 7),
        "samples": draw(st.integers(1, 3)),
        "first": draw(st.booleans()),
    }


QUICK = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


@QUICK
@given(geometries())
def test_conv(g: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(g["samples"], *g["sizes"], g["channels"]))
    kernel = rng.normal(size=(*g["window"], g["channels"] // g["groups"], g["filters"]))
    seen = windows(x, g["window"], g["strides"], g["dilation"], g["padding"])
    spatial = len(g["window"])
    parts = [
        np.tensordot(a, b, axes=spatial + 1)
        for a, b in zip(
            np.split(seen, g["groups"], axis=-1), np.split(kernel, g["groups"], axis=-1), strict=True
        )
    ]
    expected = np.concatenate(parts, axis=-1)
    data_format = "channels_first" if g["first"] else "channels_last"
    if g["first"]:
        x, expected = np.moveaxis(x, -1, 1), np.moveaxis(expected, -1, 1)

    def convolve(x: Any, kernel: Any) -> Any:
        return nn.conv(x, kernel, g["strides"], g["padding"], data_format, g["dilation"])

    np.testing.assert_allclose(convolve(x, kernel), expected, atol=1e-10)
    np.testing.assert_allclose(kerasflow.jit(convolve)(x, kernel), expected, atol=1e-10)

    # The derivatives are the transposes: <y', conv(x, k)> is the same for all three.
    def pairing(x: Any, kernel: Any) -> Any:
        return np.sum(convolve(x, kernel) * weights)

    weights = rng.normal(size=expected.shape)
    of_x, of_kernel = kerasflow.jit(kerasflow.grad(pairing, argnums=(0, 1)))(x, kernel)
    value = np.sum(expected * weights)
    np.testing.assert_allclose(np.sum(of_x * x), value, rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(np.sum(of_kernel * kernel), value, rtol=1e-9, atol=1e-8)


@QUICK
@given(geometries())
def test_pools(g: dict[str, Any]) -> None:
    x = np.random.default_rng(0).normal(size=(g["samples"], *g["sizes"], g["channels"]))
    ones, axes = (1,) * len(g["window"]), tuple(range(1 + len(g["window"]), 1 + 2 * len(g["window"])))
    largest = windows(x, g["window"], g["strides"], ones, g["padding"], -np.inf).max(axis=axes)
    means = np.nanmean(windows(x, g["window"], g["strides"], ones, g["padding"], np.nan), axis=axes)
    for function, expected in ((nn.max_pool, largest), (nn.average_pool, means)):

        def pool(x: Any, function: Any = function) -> Any:
            return function(x, g["window"], g["strides"], g["padding"])

        np.testing.assert_allclose(pool(x), expected, atol=1e-12)
        np.testing.assert_allclose(kerasflow.jit(pool)(x), expected, atol=1e-12)


@pytest.mark.parametrize("size", [(2, 3), (1, 7), (5, 7), (3, 2)])
def test_adaptive_pools(size: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 7, 3))
    rows = [(i * 5 // size[0], -(-(i + 1) * 5 // size[0])) for i in range(size[0])]
    columns = [(i * 7 // size[1], -(-(i + 1) * 7 // size[1])) for i in range(size[1])]
    for function, reduce in ((nn.adaptive_max_pool, np.max), (nn.adaptive_average_pool, np.mean)):
        expected = np.stack(
            [np.stack([reduce(x[:, a:b, c:d], axis=(1, 2)) for c, d in columns], 1) for a, b in rows], 1
        )
        np.testing.assert_allclose(function(x, size), expected, atol=1e-12)
        first = function(np.moveaxis(x, -1, 1), size, "channels_first")
        np.testing.assert_allclose(first, np.moveaxis(expected, -1, 1), atol=1e-12)
        np.testing.assert_allclose(kerasflow.jit(lambda x, f=function: f(x, size))(x), expected, atol=1e-12)


def test_derivatives() -> None:
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 5, 4, 3)), rng.normal(size=(3, 2, 3, 2))
    check_grads(lambda x, k: nn.conv(x, k, 2, "same"), (x, kernel), order=2)
    check_grads(
        lambda x, k: nn.conv_transpose(x, np.swapaxes(k, -1, -2), 2, "same"), (x[..., :2], kernel[:, :, :2])
    )
    check_grads(lambda x: nn.max_pool(x, 2), (x,))
    check_grads(lambda x: nn.average_pool(x, 3, 2, "same"), (x,))


def test_the_first_of_several_largest_gets_the_gradient() -> None:
    x = np.zeros((1, 2, 2, 1), np.float32)
    for values, place in (
        ([[1, 1], [1, 1]], (0, 0)),
        ([[0, 1], [1, 1]], (0, 1)),
        ([[0, 0], [1, 1]], (1, 0)),
        ([[-0.0, 0.0], [0.0, -0.0]], (0, 0)),
    ):
        x[0, :, :, 0] = values
        expected = np.zeros((2, 2))
        expected[place] = 1
        for strides in (None, 1):
            gradient = kerasflow.grad(lambda x, s=strides: np.sum(nn.max_pool(x, 2, s)))
            for function in (gradient, kerasflow.jit(gradient)):
                np.testing.assert_array_equal(function(x)[0, :, :, 0], expected)


def test_unfold_and_fold() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 5)).astype(np.float32)
    patches_of = windows(np.moveaxis(x, 1, -1), (2, 3), (2, 1), (1, 1), "valid")
    expected = patches_of.transpose(0, 5, 3, 4, 1, 2).reshape(2, 18, -1)
    found = ops.unfold(x, (2, 3), stride=(2, 1))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    counts = ops.fold(np.ones_like(expected), (6, 5), (2, 3), stride=(2, 1))
    np.testing.assert_allclose(ops.fold(found, (6, 5), (2, 3), stride=(2, 1)), x * counts, rtol=1e-6)
    with pytest.raises(ValueError, match="fold"):
        ops.fold(expected, (9, 5), (2, 3), stride=(2, 1))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtypes(dtype: str) -> None:
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype(kind)
    kernel = np.random.default_rng(1).normal(size=(3, 3, 3, 4)).astype(kind)
    wide = nn.conv(x.astype("float64"), kernel.astype("float64"))
    for y in (nn.conv(x, kernel), kerasflow.jit(nn.conv)(x, kernel)):
        assert y.dtype == kind
        rough = {"float16": 5e-3, "bfloat16": 5e-2}.get(dtype, 1e-5)
        np.testing.assert_allclose(y.astype("float64"), wide, rtol=rough, atol=rough * 10)
    assert nn.max_pool(x, 2).dtype == nn.average_pool(x, 2).dtype == kind
    assert nn.max_pool(np.arange(16).reshape(1, 4, 4, 1), 2)[0, :, :, 0].tolist() == [[5, 7], [13, 15]]


@pytest.mark.parametrize("what", ["forward", "input", "kernel"])
def test_memory_is_bounded(what: str) -> None:
    """No matrix of all patches: nine times the input, 36 MB here."""
    x = np.random.default_rng(0).normal(size=(1, 256, 256, 16)).astype(np.float32)
    kernel = np.zeros((3, 3, 16, 16), np.float32)
    loss = lambda x, k: np.sum(np.square(nn.conv(x, k, padding="same")))  # noqa: E731
    function = {
        "forward": lambda x, k: nn.conv(x, k, padding="same"),
        "input": kerasflow.grad(loss, argnums=0),
        "kernel": kerasflow.grad(loss, argnums=1),
    }[what]
    compiled = kerasflow.jit(function)
    compiled(x, kernel)
    tracemalloc.start()
    compiled(x, kernel)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2.2 * x.nbytes + 4 * patches.PATCH_BYTES


def test_threads_agree() -> None:
    rng = np.random.default_rng(0)
    x, kernel = (rng.normal(size=s).astype(np.float32) for s in ((5, 9, 9, 12), (3, 3, 12, 8)))
    params = {"strides": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    inputs = [Value(shaped(x)), Value(shaped(kernel))]
    primitive = PRIMITIVES["convolution"]
    node = Node(primitive, inputs, params, infer(primitive, [v.aval for v in inputs], params))
    graph = Graph(inputs, [node], list(node.outputs))
    one, three = (NumpyBackend(threads=n).compile(graph)([], [x, kernel])[0][0] for n in (1, 3))
    np.testing.assert_allclose(one, three, rtol=1e-5, atol=1e-5)


X, K = np.zeros((2, 6, 6, 4)), np.zeros((3, 3, 4, 5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.conv(X, np.zeros((3, 3, 3, 5))), "channels must be evenly divisible"),
        (lambda: nn.conv(X, np.zeros((3, 4, 5))), r"kernel of shape"),
        (lambda: nn.conv(X, np.zeros((7, 7, 4, 5))), "empty output"),
        (lambda: nn.conv(X, K, strides=0), "strides"),
        (lambda: nn.conv(X, K, strides=(1, 2, 3)), "strides"),
        (lambda: nn.conv(X, K, padding="full"), 'must be "valid" or "same"'),
        (lambda: nn.depthwise_conv(X, np.zeros((3, 3, 2, 1))), "the input has 4"),
        (lambda: nn.conv_transpose(X, np.zeros((3, 3, 5, 3))), "the input has 4"),
        (lambda: nn.max_pool(X, 9), "empty output"),
        (lambda: nn.max_pool(X, 2, padding="full"), 'must be "valid" or "same"'),
        (lambda: nn.max_pool(np.zeros((3, 4)), 2), "batch"),
        (lambda: nn.average_pool(X, (2, 2, 2)), "pool_size"),
        (lambda: nn.adaptive_max_pool(np.zeros((3, 4)), 2), "1D, 2D and 3D"),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
