"""Branches and loops: the same in all modes, with their gradients; programs of bounded size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from control_flow import RNG, XS, H, W, X, cell, leaves, scalar
from keras import ops

import kerasflow
from kerasflow.bridge import rnn
from kerasflow.bridge.ops import gradients
from kerasflow.graph import Graph, all_nodes
from kerasflow.testing import check_grads


def affine(f: Any, g: Any) -> Any:
    """Two affine functions, one after the other."""
    return f[0] * g[0], f[1] * g[0] + g[1]


def collatz(n: Any, count: Any) -> Any:
    return ops.where(n % 2 == 0, n // 2, 3 * n + 1), count + 1


def newton(x: Any, a: Any) -> Any:
    """The square roots of a, to within rounding."""
    return ops.while_loop(
        lambda x: ops.any(ops.absolute(x * x - a) > 1e-12),
        lambda x: (x + a / x) / 2,
        x,
        maximum_iterations=50,
    )


def nested(x: Any, w: Any) -> Any:
    """A scan in a conditional in a scan; a conditional in a loop with a condition."""

    def inner(c: Any, y: Any) -> Any:
        return ops.cond(ops.sum(c) > 0, lambda: ops.sin(c @ w) + y, lambda: c * 0.5 - y), c

    def outer(c: Any, y: Any) -> Any:
        found = ops.cond(
            ops.sum(y) > 0, lambda: ops.scan(inner, c, ops.stack([y, y * 2]))[0], lambda: ops.cos(c) + y
        )
        _, again = ops.while_loop(lambda i, z: i < 2, lambda i, z: (i + 1, ops.tanh(z) + w[0]), (0, found))
        return again, ops.sum(found)

    return ops.scan(outer, w[1], x)


# What can be differentiated with respect to every argument.
SMOOTH: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "cond": (lambda x, w: ops.cond(ops.sum(x) > 0, lambda: x @ w, lambda: ops.sin(x)), (X, W)),
    "cond, false": (lambda x, w: ops.cond(ops.sum(x) > 99, lambda: x @ w, lambda: ops.sin(x) * w[0]), (X, W)),
    "cond of one": (lambda x: ops.cond(x[:1, 0] < 9, lambda: {"a": x}, lambda: {"a": -x})["a"], (X,)),
    "switch": (
        lambda x, w: ops.switch(
            ops.cast(ops.sum(x) > 99, "int32") + 1, [lambda a: a * 2, lambda a: a @ w, ops.exp], x
        ),
        (X, W),
    ),
    "switch beyond the end": (lambda x: ops.switch(ops.cast(x[0, 0] * 0 + 7, "int32"), [ops.sin, ops.cos], x), (X,)),
    "scan": (lambda x, w, h: ops.scan(cell(w), h, x), (XS, W, H)),
    "scan backwards": (lambda x, w, h: ops.scan(cell(w), h, x, reverse=True), (XS, W, H)),
    "scan of a structure": (
        lambda x, w: ops.scan(
            lambda c, s: ((c[0] + s["a"], c[1] * ops.sin(s["b"][0])), c[0] * c[1]),
            (w[0], w[1]),
            {"a": x, "b": [x * 2]},
        ),
        (X, W),
    ),
    "scan without inputs": (lambda w: ops.scan(lambda c, _: (ops.sin(c @ w), c), w[0], length=4), (W,)),
    "scan unrolled": (lambda x, w, h: ops.scan(cell(w), h, x, unroll=True), (XS, W, H)),
    "scan that only carries": (lambda x: ops.scan(lambda c, y: (c * ops.cos(y), y), x[0], x)[0], (X,)),
    "scan of one step": (lambda x, w, h: ops.scan(cell(w), h, x[:1]), (XS, W, H)),
    "fori": (lambda x, w: ops.fori_loop(0, 4, lambda i, c: ops.sin(c @ w) + ops.cast(i, c.dtype), x), (X, W)),
    "fori to a number": (
        lambda x, w: ops.fori_loop(
            ops.cast(x[0, 0] * 0, "int32"), 3, lambda i, c: ops.tanh(c @ w) * (ops.cast(i, c.dtype) + 1), x
        ),
        (X, W),
    ),
    "while": (newton, (np.abs(X) + 0.5, np.abs(X[::-1]) + 1)),
    "while, many steps": (
        lambda x, w: ops.while_loop(lambda i, c: i < 700, lambda i, c: (i + 1, c + 0.01 * ops.sin(c @ w)), (0, x))[1],
        (X[:1], W),
    ),
    "while, no step": (lambda x: ops.while_loop(lambda c: ops.sum(c) > 99, ops.exp, x), (X,)),
    "while, cut short": (
        lambda x: ops.while_loop(lambda c: ops.sum(c) < 99, lambda c: c * 1.1, x, maximum_iterations=3), (X,)
    ),
    "map": (lambda x, w: ops.map(lambda a: ops.sin(a @ w), x), (XS, W)),
    "vectorized map": (lambda x, w: ops.vectorized_map(lambda a: ops.sin(a @ w) + ops.sum(a), x), (XS, W)),
    "vectorized map of two": (
        lambda x, w: ops.vectorized_map(lambda s: [s[0] @ s[1], s[1][0]], [x, ops.stack([w] * 6)]), (XS, W)
    ),
    "vectorized map of a loop": (
        lambda x, w: ops.vectorized_map(lambda a: ops.scan(cell(w), a[0], a)[0], x), (XS, W)
    ),
    "associative scan": (lambda x, w: ops.associative_scan(affine, (x, x * w[0])), (X, W)),
    "associative scan backwards": (lambda x: ops.associative_scan(affine, (x, x + 1), reverse=True, axis=1), (X,)),
    "nested": (nested, (X, W)),
}  # fmt: skip
EXACT: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "integers": (lambda n: ops.while_loop(lambda n, _: n > 1, collatz, (n, 0)), (np.int32(27),)),
    "a list of variables": (
        lambda a: ops.while_loop(lambda a, b: ops.sum(a) > b, lambda a, b: [a - 1, b], [a, np.int64(3)]),
        (np.arange(4),),
    ),
    "booleans": (lambda x: ops.associative_scan(lambda a, b: ops.logical_or(a, b), x > 1), (X,)),
    "sums": (lambda x: ops.associative_scan(lambda a, b: a + b, x, axis=-1), (np.arange(26).reshape(2, 13),)),
    "sums of one": (lambda x: ops.associative_scan(lambda a, b: a + b, x), (np.arange(3).reshape(1, 3),)),
    "no step": (lambda x: ops.fori_loop(3, 3, lambda i, c: c + i, x), (X,)),
    "no result": (lambda x: [y * x[0] for y in ops.scan(lambda c, y: (c + y, None), x[0], x)], (X,)),
    "empty": (lambda x: ops.scan(lambda c, y: (c + y, c), x[0] * 0, x[:0])[0], (X,)),
    "an empty loop": (lambda x: ops.scan(lambda c, y: (c + y, c * 2), x[0], x[:0])[0], (X,)),
}
ALL = SMOOTH | EXACT


@pytest.mark.parametrize("name", ALL)
def test_all_modes_agree(name: str, traced: Any) -> None:
    function, arrays = ALL[name]
    with np.errstate(all="ignore"):
        expected = leaves(function(*arrays))
    with kerasflow.GradientTape() as tape:
        recorded = leaves(function(*map(tape.watch, map(np.asarray, arrays))))
    compiled = kerasflow.jit(function)
    for found in (
        leaves(traced(function, *arrays)),
        recorded,
        *(leaves(compiled(*arrays)) for _ in range(2)),
    ):
        assert len(found) == len(expected)
        for x, y in zip(found, expected, strict=True):
            assert x.shape == y.shape and x.dtype == y.dtype
            np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients(name: str) -> None:
    function, arrays = SMOOTH[name]
    places = tuple(range(len(arrays)))
    gradient = kerasflow.grad(scalar(function), places)
    with np.errstate(all="ignore"):
        expected = gradient(*arrays)  # on values: every operation by itself
        check_grads(scalar(function), arrays, 1, tolerance=1e-5)
    for ours, theirs in zip(kerasflow.jit(gradient)(*arrays), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", [n for n in SMOOTH if "many" not in n])
def test_second_derivatives(name: str) -> None:
    function, arrays = SMOOTH[name]
    places = tuple(range(len(arrays)))
    twice = kerasflow.grad(scalar(kerasflow.grad(scalar(function), places)), places)
    with np.errstate(all="ignore"):
        expected = twice(*arrays)
    for ours, theirs in zip(kerasflow.jit(twice)(*arrays), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-7)


def test_only_what_is_asked_for_is_differentiated() -> None:
    """Carries of integers, and operations without a derivative beside the way, are no obstacle."""

    def function(x: Any) -> Any:
        def step(c: Any, y: Any) -> Any:
            total, count, order = c
            return (total * y, count + 1, ops.argsort(order + ops.stop_gradient(y))), ops.argmax(y)

        (total, count, order), places = ops.scan(step, (x[0], 0, np.arange(3, dtype="int32")), x)
        return ops.sum(total) + ops.cast(count + places[0] + order[0], "float64") * 0

    found = kerasflow.jit(kerasflow.grad(function))(X)
    np.testing.assert_allclose(found, kerasflow.grad(function)(X))


# -- the size of programs -----------------------------------------------------------------------------------


def graph_of(function: Callable[..., Any], *arrays: Any) -> tuple[Graph, str]:
    entry, _ = kerasflow.jit(function).entry(arrays)
    return entry.graph, entry.program.source


@pytest.mark.parametrize("name", ["scan", "fori", "map", "vectorized map", "rnn"])
def test_a_program_is_as_large_for_many_steps_as_for_few(name: str) -> None:
    def loss(x: Any, w: Any) -> Any:
        n = x.shape[0]
        found = {
            "scan": lambda: ops.scan(cell(w), x[0], x)[0],
            "fori": lambda: ops.fori_loop(0, n, lambda i, c: ops.tanh(c @ w), x[0]),
            "map": lambda: ops.map(lambda a: ops.sin(a @ w), x),
            "vectorized map": lambda: ops.vectorized_map(lambda a: ops.sin(a @ w), x),
            "rnn": lambda: rnn.rnn(
                lambda y, s: (y @ w + s[0], [ops.tanh(y @ w + s[0])]), x, [x[0] * 0], time_major=True
            )[1],
        }[name]()
        return ops.sum(found)

    gradient = kerasflow.grad(loss, (0, 1))
    sizes = []
    for n in (10, 1000):
        graph, source = graph_of(gradient, RNG.normal(size=(n, 2, 3)), W)
        sizes.append((len(list(all_nodes(graph))), len(source.splitlines())))
    assert sizes[0] == sizes[1]


def test_an_associative_scan_grows_with_the_logarithm() -> None:
    def count(n: int) -> int:
        calls = []

        def combine(a: Any, b: Any) -> Any:
            calls.append(a)
            return a + b

        kerasflow.jit(lambda x: ops.associative_scan(combine, x))(np.ones(n))
        return len(calls)

    assert count(1024) <= 20


def test_weights_are_multiplied_once_for_all_steps() -> None:
    """Input projections, outputs that no step needs, and the gradients of weights are products outside of the loop."""

    def loss(x: Any, w: Any, u: Any, v: Any) -> Any:
        def step(h: Any, y: Any) -> Any:
            h = ops.tanh(y @ w + h @ u)
            return h, h @ v

        return ops.sum(ops.scan(step, ops.zeros((2, 3), "float64"), x)[1] ** 2)

    graph, _ = graph_of(kerasflow.grad(loss, (1, 2, 3)), XS, W, W, W)
    products = [len([n for n in g.nodes if n.primitive.name == "matmul"]) for g in (graph, *bodies(graph))]
    # In front, behind: y w, h v, and of the gradients that of h, and those of w, u, v. In each loop one of u.
    assert products == [6, 1, 1]


def bodies(graph: Graph) -> list[Graph]:
    return [node.params["body"] for node in graph.nodes if node.primitive.name == "scan"]


def test_nothing_is_kept_for_derivatives_that_nobody_asks_for() -> None:
    forward, _ = graph_of(lambda x, w: ops.scan(cell(w), x[0], x)[0], XS, W)
    (body,) = bodies(forward)
    assert len(body.outputs) == 1 and len(body.inputs) == 3  # w, the carry, the projected slice

    def loss(x: Any, w: Any) -> Any:
        return ops.sum(ops.scan(lambda h, y: (h * ops.sin(y) + ops.tanh(h), h @ w), x[0], x)[0])

    graph, _ = graph_of(kerasflow.grad(loss), XS, W)
    assert len(bodies(graph)) == 2 and "matmul" not in {n.primitive.name for n in all_nodes(graph)}
    assert len(bodies(graph)[0].outputs) == 4, "the carry, and at each step h, sin(y) and tanh(h)"


# -- gradients of one's own ---------------------------------------------------------------------------------


@ops.custom_gradient
def tripled(x: Any) -> Any:
    """sin(x) with three times the gradient, which uses what the function has computed, and a number from outside."""
    y = ops.cos(x)

    def grad(*gs: Any, upstream: Any = None) -> Any:
        return (gs[0] if gs else upstream) * y * OUTSIDE["three"]

    return ops.sin(x), grad


OUTSIDE: dict[str, Any] = {"three": 3.0}
PLACES: dict[str, Callable[[Callable[[Any], Any], Any], Any]] = {
    "cond": lambda f, x: ops.cond(ops.sum(x) > 0, lambda: f(x), lambda: f(x) * 1.0),
    "scan": lambda f, x: ops.scan(lambda c, y: (f(c) + y, c), x[0], x)[0],
    "while": lambda f, x: ops.while_loop(lambda i, c: i < 3, lambda i, c: (i + 1, f(c)), (0, x))[1],
    "map": lambda f, x: ops.map(f, x),
    "vectorized map": lambda f, x: ops.vectorized_map(f, x),
    "scan in cond in scan": lambda f, x: ops.scan(
        lambda c, y: (
            ops.cond(ops.sum(y) > 0, lambda: ops.scan(lambda d, z: (f(d), d), c, length=2)[0], lambda: f(y)), c
        ),
        x[0],
        x,
    )[0],
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_custom_gradients_inside(place: str) -> None:
    def gradient(x: Any) -> Any:
        OUTSIDE["three"] = ops.sum(x) * 0 + 3.0  # A tracer of the program, in a program.
        try:
            return kerasflow.grad(lambda x: ops.sum(PLACES[place](tripled, x) * 2))(x)
        finally:
            OUTSIDE["three"] = 3.0

    expected = gradient(X)
    np.testing.assert_allclose(kerasflow.jit(gradient)(X), expected, rtol=1e-10)
    plain = kerasflow.grad(lambda x: ops.sum(PLACES[place](ops.sin, x) * 2))(X)
    assert np.abs(expected - plain).max() > 0.1, "the gradient is its own"
    twice = kerasflow.grad(lambda x: ops.sum(gradient(x) ** 2))
    np.testing.assert_allclose(kerasflow.jit(twice)(X), twice(X), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("place", PLACES)
def test_stopped_gradients_and_rematerialization_inside(place: str) -> None:
    def stopped(x: Any) -> Any:
        return ops.stop_gradient(ops.sin(x)) * ops.cos(x)

    for function in (stopped, keras.remat(lambda x: ops.sin(x) * x)):
        gradient = kerasflow.grad(lambda x, f=function: ops.sum(PLACES[place](f, x)))
        np.testing.assert_allclose(kerasflow.jit(gradient)(X), gradient(X), rtol=1e-10)


def test_grad_is_that_of_the_sum() -> None:
    """`keras.ops.grad`, which Keras 3.16 has."""
    grad = gradients.grad
    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    np.testing.assert_array_equal(grad(lambda x, y: x * y)(x, y), y)
    by_y, by_x = grad(lambda x, y: x * x * y, (-1, 0))(x, y)
    np.testing.assert_array_equal(by_y, x * x)
    np.testing.assert_array_equal(by_x, 2 * x * y)
    variable = keras.Variable([2.0, 3.0])
    found = grad(lambda v, tree: v**3 + tree["x"])(variable, {"x": x})
    np.testing.assert_allclose(found, 3 * variable.numpy() ** 2, rtol=1e-6)
    np.testing.assert_array_equal(kerasflow.jit(grad(lambda x: 5.0))(x), 0)
    np.testing.assert_array_equal(kerasflow.jit(grad(lambda x, factor: x * factor))(x, 3.0), 3)


@pytest.mark.parametrize(
    ("argnums", "error", "message"),
    [
        ("x", TypeError, "an int or a tuple of ints. Received: argnums=x"),
        (2, ValueError, "positional argument 2, but the function was called with 1"),
        ((0, -1), ValueError, "must not repeat a position"),
    ],
)
def test_grad_of_what_is_no_argument(argnums: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        gradients.grad(lambda x: x, argnums)(X)


# -- mistakes -----------------------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "scan, another shape": (
        lambda x: ops.scan(lambda c, y: (c[:2], y), x[0], x),
        r"becomes float64\[2\] from float64\[3\]",
    ),
    "scan, another dtype": (
        lambda x: ops.scan(
            lambda c, y: ({"a": c["a"], "b": ops.cast(y, "float32")}, y), {"a": x[0], "b": x[0]}, x
        ),
        r"value \['b'\] becomes float32\[3\] from float64\[3\]",
    ),
    "scan, another structure": (lambda x: ops.scan(lambda c, y: ([c, y], y), x[0], x), "the same structure"),
    "scan, unequal lengths": (
        lambda x: ops.scan(lambda c, y: (c, c), x[0], [x, x[:2]]),
        r"first dimension; received shapes \[\(5, 3\), \(2, 3\)\]",
    ),
    "scan, wrong length": (lambda x: ops.scan(lambda c, y: (c, c), x[0], x, length=3), "first dimension 3"),
    "scan of a number": (lambda x: ops.scan(lambda c, y: (c, c), x[0], x[0, 0]), r"received shapes \[\(\)\]"),
    "while, another dtype": (
        lambda x: ops.while_loop(lambda c: ops.sum(c) < 9, lambda c: ops.cast(c, "float32"), x),
        "becomes float32",
    ),
    "while, another number of variables": (
        lambda x: ops.while_loop(lambda a, b: ops.sum(a) < 9, lambda a, b: (a,), (x, x)),
        "the same structure",
    ),
    "while, no boolean": (
        lambda x: ops.while_loop(lambda c: ops.sum(c), lambda c: c, x),
        "boolean scalar, received float64",
    ),
    "while, no scalar": (
        lambda x: ops.while_loop(lambda c: c > 0, lambda c: c, x),
        r"boolean scalar, received bool\[5, 3\]",
    ),
    "fori, another shape": (
        lambda x: ops.fori_loop(0, 3, lambda i, c: c[0], x),
        r"becomes float64\[3\] from float64\[5, 3\]",
    ),
    "cond, another structure": (
        lambda x: ops.cond(x[0, 0] > 0, lambda: (x, x), lambda: x),
        "the same structure",
    ),
    "cond, another shape": (
        lambda x: ops.cond(x[0, 0] > 0, lambda: x, lambda: x[0]),
        r"shapes \(5, 3\) and \(3,\)",
    ),
    "cond, nothing": (lambda x: ops.cond(x[0, 0] > 0, lambda: x, lambda: None), r"shapes \(5, 3\) and None"),
    "cond of several": (lambda x: ops.cond(x > 0, lambda: x, lambda: x), r"received shape \(5, 3\)"),
    "switch, a fraction": (
        lambda x: ops.switch(x[0, 0], [lambda: x, lambda: x]),
        "an integer scalar, received float64",
    ),
    "switch, none": (lambda x: ops.switch(ops.cast(x[0, 0], "int32"), []), "no branches"),
    "switch, another shape": (
        lambda x: ops.switch(ops.cast(x[0, 0], "int32"), [lambda: x, lambda: x, lambda: x[0]]),
        "`branch 0` and `branch 2`",
    ),
    "map, unequal lengths": (
        lambda x: ops.vectorized_map(lambda s: s[0], [x, x[:2]]),
        "vectorized_map: all arrays",
    ),
    "associative scan": (lambda x: ops.associative_scan(affine, (x, x[:2])), "same first dimension"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    function, message = MISTAKES[name]
    with pytest.raises(ValueError, match=message):
        kerasflow.jit(function)(X)


def test_a_condition_that_assigns() -> None:
    v = keras.Variable(0.0, name="touched")

    def condition(c: Any) -> Any:
        v.assign_add(1.0)
        return ops.sum(c) < 9

    with pytest.raises(ValueError, match=r"the condition assigns '.*touched'; only the body may"):
        kerasflow.jit(lambda x: ops.while_loop(condition, lambda c: c + 1, x))(X)


def test_what_a_loop_keeps_is_not_used_outside() -> None:
    kept = []

    def step(c: Any, y: Any) -> Any:
        kept.append(y)
        return c + y, c

    with pytest.raises(kerasflow.errors.TracingError, match="outside the call that traced it"):
        kerasflow.jit(lambda x: (ops.scan(step, x[0], x), kept[0] + 1))(X)
