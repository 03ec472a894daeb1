"""Random smooth programs: derivatives against numerical ones, also of the optimized and the compiled gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from graphs import assert_runs, branch, graph_of, shaped
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasflow.autodiff import grad
from kerasflow.graph import evaluate
from kerasflow.passes import optimize
from kerasflow.testing import assert_close, check_grads
from kerasflow.tracing import Tracer, apply
from kerasflow_numpy import NumpyBackend

SHAPES = ((2, 3), (3,), (), (2, 1))
MASK = np.array([True, False, True])


def calm(x: Any) -> Any:
    """x within (-2, 2), so that numerical derivatives are good."""
    return 2 * np.tanh(x / 2)


def together(x: Any, y: Any) -> tuple[Any, Any]:
    """x and y, or y's mean if their shapes do not go together."""
    try:
        fits = np.prod(np.broadcast_shapes(x.shape, y.shape)) <= 40
    except ValueError:
        fits = False
    return (x, y) if fits else (x, np.mean(y))


def matrix(x: Any) -> Any:
    return x if x.ndim == 2 else np.reshape(x, (1, x.size))


def rows(x: Any) -> Any:
    return x if x.ndim else np.reshape(x, (1,))


def conditional(x: Any, y: Any, k: int) -> Any:
    operands = [v.aval if isinstance(v, Tracer) else shaped(np.asarray(v)) for v in (x, y)]
    yes = branch(lambda a, b: [np.sin(a) * np.mean(b)], *operands)
    no = branch(lambda a, b: [a * a], *operands)
    return apply("switch", np.asarray(k % 2 == 0), x, y, branches=(no, yes))[0]


def ratio(x: Any, y: Any, k: int) -> Any:
    a, b = together(x, y)
    return a / (2 + b * b)


OPERATIONS: dict[str, Callable[[Any, Any, int], Any]] = {
    "tanh": lambda x, y, k: np.tanh(x),
    "sin": lambda x, y, k: np.sin(x),
    "exp": lambda x, y, k: np.exp(-np.square(x)),
    "log": lambda x, y, k: np.log(1 + np.square(x)),
    "sqrt": lambda x, y, k: np.sqrt(1 + x * x),
    "sigmoid": lambda x, y, k: 1 / (1 + np.exp(-x)),
    "softplus": lambda x, y, k: np.logaddexp(x, 0.0),
    "power": lambda x, y, k: (1.5 + np.sin(x)) ** (k % 4 - 1),
    "add": lambda x, y, k: np.add(*together(x, y)),
    "subtract": lambda x, y, k: np.subtract(*together(x, y)),
    "multiply": lambda x, y, k: np.multiply(*together(x, y)),
    "divide": ratio,
    "where": lambda x, y, k: np.where(np.resize(MASK, x.shape), *together(x, y)),
    "sum": lambda x, y, k: np.sum(x, axis=k % x.ndim if x.ndim else None, keepdims=bool(k & 4)),
    "mean": lambda x, y, k: np.mean(x),
    "var": lambda x, y, k: np.var(x, axis=-1) if x.ndim else x,
    "softmax": lambda x, y, k: np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True) if x.ndim else x,
    "cumsum": lambda x, y, k: np.cumsum(x, axis=k % x.ndim) if x.ndim else x,
    "prod": lambda x, y, k: np.prod(1.5 + np.sin(x), axis=None),
    "reshape": lambda x, y, k: np.reshape(x, (x.size, 1)),
    "transpose": lambda x, y, k: np.transpose(x),
    "broadcast": lambda x, y, k: np.broadcast_to(x, (2, *x.shape)) if x.size < 20 and x.ndim < 3 else x,
    "getitem": lambda x, y, k: rows(x)[::-1][: k % 3 + 1],
    "setitem": lambda x, y, k: apply("setitem", rows(x), np.mean(y), index=((0, 1, 1),) * rows(x).ndim),
    "concatenate": lambda x, y, k: np.concatenate([rows(x), rows(x) * 2]) if x.size < 20 else x,
    "matmul": lambda x, y, k: np.matmul(matrix(x), np.transpose(matrix(x))),
    "einsum": lambda x, y, k: np.einsum(("ij,kj->ik", "ij,ij->j", "ij,ik->jk")[k % 3], matrix(x), matrix(x)),
    "gather": lambda x, y, k: apply("gather", rows(x), np.array([0, -1, k % rows(x).shape[0]])),
    "scatter": lambda x, y, k: apply("scatter", rows(x), np.mean(y), np.array([0, -1, 0]), mode="add"),
    "cond": conditional,
}

Recipe = list[tuple[str, int, int, int]]


def run(recipe: Recipe, xs: Sequence[Any]) -> Any:
    values = list(xs)
    for name, i, j, k in recipe:
        result = OPERATIONS[name](values[-1 - i % len(values)], values[-1 - j % len(values)], k)
        values.append(calm(result if isinstance(result, Tracer) else np.asarray(result)))
    return values[-1]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Recipe, list[np.ndarray]]:
    place = st.integers(0, 7)
    step = st.tuples(st.sampled_from(list(OPERATIONS)), place, place, place)
    recipe = draw(st.lists(step, min_size=1, max_size=6))
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=2))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    return recipe, [rng.uniform(-1.5, 1.5, shape) for shape in shapes]


@given(cases())
def test_first_derivatives(case: tuple[Recipe, list[np.ndarray]]) -> None:
    recipe, xs = case
    check_grads(lambda *args: run(recipe, args), xs, order=1)


@settings(max_examples=max(settings().max_examples // 4, 15))
@given(cases())
def test_second_derivatives(case: tuple[Recipe, list[np.ndarray]]) -> None:
    recipe, xs = case
    check_grads(lambda *args: run(recipe[:4], args), xs, order=2, tolerance=1e-5)


@given(cases())
def test_optimized_and_compiled_derivatives(case: tuple[Recipe, list[np.ndarray]]) -> None:
    recipe, xs = case

    def loss(*args: Any) -> Any:
        return np.sum(np.square(run(recipe, args)))

    gradient = grad(loss, argnums=tuple(range(len(xs))))
    graph = graph_of(lambda *args: list(gradient(*args)), *map(shaped, xs))
    expected, _ = evaluate(graph, [], xs)
    best = optimize(graph)
    for ours, theirs in zip(evaluate(best, [], xs)[0], expected, strict=True):
        assert_close(ours, theirs, 1e4)
    assert_runs(
        NumpyBackend(poison=True), best, [], xs, compare=lambda ours, theirs: assert_close(ours, theirs, 1e4)
    )
