"""Random programs: lists of small instructions, each of which makes a value from earlier ones.

They run on arrays and on tracers alike. All they do is exact in floating-point
arithmetic or correctly rounded, whatever the order: sums and products of matrices
are of small integers. So results can be compared to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from graphs import branch, shaped
from hypothesis import strategies as st

from kerasflow.tracing import Tracer, apply

SHAPES = ((), (3,), (2, 3), (3, 1), (8, 9), (1, 1), (0, 2))
STATE_SHAPES = ((2, 3), (3,), (8, 9), ())
NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -4.0, 1.5, 3.0, 0.1, np.inf, np.nan)
FINITE = (2.0, 0.5, -4.0, 1.5, 3.0, 0.1)
LARGE = 400

Operation = Callable[[Any, Any, int], Any]


def const(k: int, numbers: Sequence[float] = NUMBERS) -> Any:
    return np.float32(numbers[k % len(numbers)])


def small(x: Any) -> Any:
    """x as integers between -8 and 8, of which sums are exact; none is -0, of which a sum may be 0 or -0."""
    return np.rint(np.minimum(np.maximum(x, np.float32(-8.5)), np.float32(8.5))) + np.float32(0)


def pair(x: Any, y: Any) -> tuple[Any, Any]:
    """x and y, or y's total if their shapes do not go together."""
    try:
        size = int(np.prod(np.broadcast_shapes(x.shape, y.shape)))
    except ValueError:
        size = LARGE + 1
    return (x, y) if size <= LARGE else (x, np.sum(small(y)))


def axis(x: Any, k: int) -> Any:
    return None if x.ndim == 0 or k % 3 == 0 else k % x.ndim


def matrix(x: Any) -> Any:
    x = small(x)
    return x if x.ndim == 2 else np.reshape(x, (1, x.size))


def binary(name: str) -> Operation:
    return lambda x, y, k: apply(name, *pair(x, y))


def with_constant(name: str, numbers: Sequence[float] = NUMBERS) -> Operation:
    """Beside a scalar, a row or a full array of one number, on either side."""

    def operation(x: Any, y: Any, k: int) -> Any:
        shape = ((), x.shape[-1:], x.shape)[k // 3 % 3]
        c = np.full(shape, const(k, numbers))
        return apply(name, c, x) if k % 2 else apply(name, x, c)

    return operation


def conditional(x: Any, y: Any, k: int) -> Any:
    def yes(a: Any, b: Any) -> Any:
        return [
            apply("negative", a),
            (a * np.float32(1) - (-b if a.shape == b.shape else a)) * const(k, FINITE),
        ]

    def no(a: Any, b: Any) -> Any:
        return [a, np.sum(small(b)) + a * a] if k % 2 else [np.minimum(a, np.float32(0.5)), a]

    operands = shaped_like(x), shaped_like(y)
    branches = branch(no, *operands), branch(yes, *operands)
    return list(apply("switch", np.sum(small(x)) > k % 5, x, y, branches=branches))


def shaped_like(x: Any) -> Any:
    return x.aval if isinstance(x, Tracer) else shaped(np.asarray(x))


def sliced(x: Any, k: int) -> tuple[tuple[int, int | None, int], ...]:
    kinds = (lambda n: (0, n, 1), lambda n: (0, n, 2), lambda n: (n - 1, None, -1), lambda n: (n // 2, n, 1))
    return tuple(kinds[(k + i) % 4](n) if n else (0, 0, 1) for i, n in enumerate(x.shape))


def set_item(x: Any, y: Any, k: int) -> Any:
    index = sliced(x, k)
    value = apply("getitem", x, index=index) * np.float32(2) if k % 2 else np.sum(small(y))
    return apply("setitem", x, value, index=index)


def padded(x: Any, y: Any, k: int) -> Any:
    if x.size > LARGE:
        return x
    return apply(
        "pad", x, np.sum(small(y)), pad_width=tuple(((k + i) % 2, (k + i) % 3) for i in range(x.ndim))
    )


def gathered(x: Any, y: Any, k: int) -> Any:
    if x.ndim == 0 or x.shape[0] == 0:
        return x
    return apply("gather", x, np.array([0, -1, k % x.shape[0]]))


def scattered(x: Any, y: Any, k: int) -> Any:
    if x.ndim == 0 or x.shape[0] == 0:
        return x
    mode = ("set", "add", "maximum", "minimum", "multiply")[k % 5]
    return apply("scatter", small(x), np.sum(small(y)), np.array([0, -1, k % x.shape[0], 0]), mode=mode)


def counted(x: Any, y: Any, k: int) -> Any:
    """By way of integers and booleans."""
    n = apply("astype", small(x), dtype=np.dtype((np.int32, np.uint8, np.int64, np.bool_)[k % 4]))
    return n.astype(np.float32) if k % 3 else (n == n[..., :1] if n.ndim else ~(n > 0)).astype(np.float32)


def ordered(x: Any, y: Any, k: int) -> Any:
    if x.ndim == 0 or x.shape[k % x.ndim] == 0:
        return x
    a = k % x.ndim
    if k % 3 == 0:
        return apply("sort", x, axis=a)
    if k % 3 == 1:
        return apply("argsort", x, axis=a).astype(np.float32)
    return apply("argmax", x, axis=a).astype(np.float32)


def reduced(name: str, exact: bool) -> Operation:
    def operation(x: Any, y: Any, k: int) -> Any:
        if x.size == 0 and name != "sum":
            return x
        axes = tuple(range(x.ndim)) if axis(x, k) is None else (axis(x, k),)
        return apply(name, x if exact else small(x), axis=axes, keepdims=bool(k % 2))

    return operation


OPERATIONS: dict[str, Operation] = {
    **{name: (lambda x, y, k, name=name: apply(name, x)) for name in
       ("negative", "absolute", "sqrt", "square", "reciprocal", "floor", "rint", "sign", "identity",
        "stop_gradient")},
    **{name: binary(name) for name in ("add", "subtract", "multiply", "divide")},
    "maximum": lambda x, y, k: np.maximum(x, const(k, FINITE)),
    "clip": lambda x, y, k: apply("clip", x, np.float32(-1.5), const(k, (0.5, 2.0))),
    **{f"{name} constant": with_constant(name) for name in ("add", "subtract", "multiply", "divide")},
    "power": lambda x, y, k: apply("power", np.abs(x), const(k, (1.0, 2.0, -1.0, 0.5))),
    "minus a negative": lambda x, y, k: apply(("add", "subtract", "multiply")[k % 3], *pair(x, -y)),
    "where": lambda x, y, k: np.where(x > const(k), *pair(x, y)),
    "where zero": lambda x, y, k: np.where(x < 1, *((x, const(k)) if k % 2 else (const(k), x))),
    "sum": reduced("sum", False),
    "max": reduced("max", True),
    "min": reduced("min", True),
    "any": lambda x, y, k: np.any(x > 0, axis=axis(x, k)).astype(np.float32),
    "cumsum": lambda x, y, k: np.cumsum(small(x), axis=axis(x, k) or 0) if x.ndim else x,
    "flatten": lambda x, y, k: np.reshape(x, (x.size,)),
    "unsqueeze": lambda x, y, k: np.reshape(x, (1, *x.shape)) if x.ndim < 3 else x,
    "transpose": lambda x, y, k: np.transpose(x, np.roll(range(x.ndim), k).tolist()),
    "broadcast": lambda x, y, k: np.broadcast_to(x, (2, *x.shape)) if x.size <= LARGE and x.ndim < 3 else x,
    "broadcast sum": lambda x, y, k: np.broadcast_to(np.sum(small(x)), y.shape),
    "getitem": lambda x, y, k: apply("getitem", x, index=sliced(x, k)),
    "setitem": set_item,
    "concatenate": lambda x, y, k: np.concatenate([x, x], axis=k % x.ndim) if x.ndim and x.size < LARGE else x,
    "pad": padded,
    # Which sign a sum of products that are all zero has is not said: adding 0 makes it positive.
    "matmul": lambda x, y, k: np.matmul(matrix(x), np.transpose(matrix(x))) + np.float32(0),
    "product": lambda x, y, k: np.matmul(np.transpose(matrix(x)), matrix(x)[:, : k % 3 + 1]) + np.float32(0),
    "einsum": lambda x, y, k: np.einsum(("ij,ij->ij", "ij,ij->i", "ij,kj->ki", "ij,ik->kj")[k % 4],
                                        matrix(x), matrix(x)) + np.float32(0),
    "gather": gathered,
    "scatter": scattered,
    "integers": counted,
    "order": ordered,
    "double": lambda x, y, k: (x.astype(np.float64) * 2).astype(np.float32),
    "cond": conditional,
}  # fmt: skip

# Instructions that read and assign state: the cell, and values for it.
Update = Callable[[Any, Any, int], Any]


def fitted(x: Any, shape: tuple[int, ...]) -> Any:
    """x if it has this shape or can have it, else its total."""
    try:
        fits = np.broadcast_shapes(x.shape, shape) == shape
    except ValueError:
        fits = False
    return np.broadcast_to(x if fits else np.sum(small(x)), shape)


UPDATES: dict[str, Update] = {
    "replace": lambda old, x, k: fitted(x, old.shape),
    "accumulate": lambda old, x, k: old + fitted(x, old.shape),
    "average": lambda old, x, k: old * np.float32(0.5) + fitted(x, old.shape) * np.float32(0.5),
    "shift": lambda old, x, k: np.reshape(np.transpose(old), old.shape) - const(k),
    "mask": lambda old, x, k: np.where(fitted(x, old.shape) > 0, old, const(k)),
}

# Updates of all variables alike: g is something that is not element by element.
FORMULAS: tuple[Callable[[Any, Any, Any], Any], ...] = (
    lambda w, g, s: w - g * s,
    lambda w, g, s: (w + (g - w) * np.float32(0.25)) * s,
    lambda w, g, s: w - s * g / (np.sqrt(np.abs(w)) + np.float32(1)),
    lambda w, g, s: np.where(g > s, w, np.minimum(g, w)),
)

Instruction = tuple[str, int, int, int]


@st.composite
def recipes(draw: st.DrawFn, operations: Sequence[str] = tuple(OPERATIONS), state: bool = True) -> list[Any]:
    kinds = [*operations, *((*UPDATES, "read", "update all") if state else ())]
    place = st.integers(0, 30)
    return draw(st.lists(st.tuples(st.sampled_from(kinds), place, place, place), min_size=1, max_size=12))


def run(recipe: Sequence[Instruction], inputs: Sequence[Any], variables: Sequence[Any] = ()) -> list[Any]:
    """Carry a recipe out on arrays or tracers.

    Args:
        variables: objects with a `value` and a method `assign`.
    """
    values = list(inputs)
    for name, i, j, k in recipe:
        # The newest values are the likeliest operands.
        x, y = values[-1 - i % len(values)], values[-1 - j % len(values)]
        if name in OPERATIONS:
            result = OPERATIONS[name](x, y, k)
            values.extend(result if isinstance(result, list) else [result])
        elif name in UPDATES:
            v = variables[j % len(variables)]
            v.assign(UPDATES[name](v.value, x, k))
        elif name == "read":
            values.append(variables[j % len(variables)].value)
        else:
            gs = [np.cumsum(small(v.value), axis=0) if v.value.ndim else v.value for v in variables]
            for v, g in zip(variables, gs, strict=True):
                v.assign(FORMULAS[k % len(FORMULAS)](v.value, g, np.sum(small(x))))
        values = [v if isinstance(v, Tracer) else np.asarray(v) for v in values]
    return [values[0], *values[-3:]]
