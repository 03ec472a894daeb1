"""Products of matrices and tensors, on tracers: all in terms of matmul and einsum."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.errors import TracingError
from kerasflow.tracing.functions.missing import present, unknown_function
from kerasflow.tracing.normalize import as_operand, canonical_axis, cast, promote
from kerasflow.tracing.source import at_user_line
from kerasflow.tracing.trace import apply


def matmul(x1: Any, x2: Any, /, *, dtype: Any = None, **options: Any) -> Any:
    if "axes" in options or "axis" in options:
        raise unknown_function("np.matmul(axes=…)")
    x, y = promote([as_operand(x1), as_operand(x2)])
    if dtype is not None:
        x, y = cast(x, dtype), cast(y, dtype)
    if x.ndim == 0 or y.ndim == 0:
        raise ValueError(
            at_user_line("matmul: Input operand does not have enough dimensions (it is a scalar)")
        )
    columns, rows = x.shape[-1], y.shape[-2 if y.ndim > 1 else 0]
    if columns != rows:
        raise ValueError(
            at_user_line(
                f"matmul: operands of shapes {x.shape} and {y.shape} do not fit: {columns} columns, {rows} rows"
            )
        )
    left = x if x.ndim > 1 else np.reshape(x, (1, -1))
    right = y if y.ndim > 1 else np.reshape(y, (-1, 1))
    if right.ndim == 2 and left.ndim > 2:
        # One product of two matrices instead of a loop over the batch.
        flat = apply("matmul", np.reshape(left, (-1, left.shape[-1])), right)
        result = np.reshape(flat, (*left.shape[:-1], right.shape[-1]))
    else:
        result = apply("matmul", left, right)
    shape = list(result.shape)
    if y.ndim == 1:
        del shape[-1]
    if x.ndim == 1:
        del shape[-1 if y.ndim == 1 else -2]
    return np.reshape(result, tuple(shape))


def dot(a: Any, b: Any, out: Any = None) -> Any:
    a, b = as_operand(a), as_operand(b)
    if a.ndim == 0 or b.ndim == 0:
        return np.multiply(a, b)
    if b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, ([-1], [-2]))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = promote([as_operand(a), as_operand(b)])
    if isinstance(axes, (int, np.integer)):
        left, right = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        left, right = (list(np.atleast_1d(side).tolist()) for side in axes)
        left = [canonical_axis(i, a.ndim) for i in left]
        right = [canonical_axis(i, b.ndim) for i in right]
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ValueError(
            at_user_line(f"tensordot: shapes {a.shape} and {b.shape} do not fit over axes {left} and {right}")
        )
    rows = [i for i in range(a.ndim) if i not in left]
    columns = [i for i in range(b.ndim) if i not in right]
    inner = int(np.prod([a.shape[i] for i in left], dtype=np.int64))
    x = np.reshape(
        np.transpose(a, rows + left),
        (-1, inner) if a.size else (int(np.prod([a.shape[i] for i in rows])), inner),
    )
    y = np.reshape(
        np.transpose(b, right + columns),
        (inner, -1) if b.size else (inner, int(np.prod([b.shape[i] for i in columns]))),
    )
    shape = tuple(a.shape[i] for i in rows) + tuple(b.shape[i] for i in columns)
    return np.reshape(apply("matmul", x, y), shape)


def inner(a: Any, b: Any, /) -> Any:
    a, b = as_operand(a), as_operand(b)
    if a.ndim == 0 or b.ndim == 0:
        return np.multiply(a, b)
    return tensordot(a, b, ([-1], [-1]))


def einsum(
    subscripts: str, *operands: Any, out: Any = None, optimize: Any = False, dtype: Any = None, **_: Any
) -> Any:
    if not isinstance(subscripts, str):
        raise TracingError(at_user_line("`np.einsum` on traced arrays takes its subscripts as a string."))
    xs = promote([as_operand(x) for x in operands])
    if dtype is not None:
        xs = [cast(x, dtype) for x in xs]
    explicit = explicit_subscripts(subscripts, [x.ndim for x in xs])
    inputs, output = explicit.split("->")
    # NumPy broadcasts axes of size 1 under a common letter; the primitive wants equal sizes.
    sizes: dict[str, int] = {}
    for letters, x in zip(inputs.split(","), xs, strict=True):
        for letter, n in zip(letters, x.shape, strict=True):
            sizes[letter] = max(sizes.get(letter, 1), n)
    terms = []
    for i, letters in enumerate(inputs.split(",")):
        kept = [n == sizes[letter] for letter, n in zip(letters, xs[i].shape, strict=True)]
        if not all(kept) and all(k or n == 1 for k, n in zip(kept, xs[i].shape, strict=True)):
            xs[i] = np.squeeze(xs[i], tuple(j for j, k in enumerate(kept) if not k))
            letters = "".join(letter for letter, k in zip(letters, kept, strict=True) if k)
        terms.append(letters)
    return apply("einsum", *xs, subscripts=f"{','.join(terms)}->{output}")


def explicit_subscripts(subscripts: str, ndims: list[int]) -> str:
    """Subscripts with an output and without ellipses."""
    subscripts = subscripts.replace(" ", "")
    given, arrow, output = subscripts.partition("->")
    terms = given.split(",")
    if len(terms) != len(ndims):
        raise ValueError(
            at_user_line(f"einsum: {subscripts!r} is for {len(terms)} operands, received {len(ndims)}")
        )
    unused = [c for c in string.ascii_letters if c not in subscripts]
    dots = [n - len(t.replace("...", "")) if "..." in t else 0 for t, n in zip(terms, ndims, strict=True)]
    batch = "".join(unused[: max(dots)])
    terms = [t.replace("...", batch[len(batch) - n :]) for t, n in zip(terms, dots, strict=True)]
    if arrow:
        output = output.replace("...", batch)
    else:
        letters = "".join(terms)
        output = batch + "".join(c for c in sorted(set(letters)) if letters.count(c) == 1 and c not in batch)
    for term, n in zip(terms, ndims, strict=True):
        if len(term) != n:
            raise ValueError(
                at_user_line(
                    f"einsum: the term {term!r} of {subscripts!r} does not fit an operand with {n} dimensions"
                )
            )
    return f"{','.join(terms)}->{output}"


def outer(a: Any, b: Any, out: Any = None) -> Any:
    return np.multiply(np.reshape(a, (-1, 1)), np.reshape(b, (1, -1)))


def kron(a: Any, b: Any) -> Any:
    a, b = as_operand(a), as_operand(b)
    ndim = max(a.ndim, b.ndim)
    left = (1,) * (ndim - a.ndim) + a.shape
    right = (1,) * (ndim - b.ndim) + b.shape
    product = np.reshape(a, tuple(n for m in left for n in (m, 1))) * np.reshape(
        b, tuple(n for m in right for n in (1, m))
    )
    return np.reshape(product, tuple(m * n for m, n in zip(left, right, strict=True)))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    # Vectors in the plane NumPy takes, warns of or refuses, by its version: it is asked, with no vectors at all.
    np.cross(np.empty((0, as_operand(a).shape[axisa])), np.empty((0, as_operand(b).shape[axisb])))
    return cross_product(a, b, axisa, axisb, axisc)


def cross_product(a: Any, b: Any, axisa: int, axisb: int, axisc: int) -> Any:
    """Of vectors in space, and of vectors in the plane: of two of these the one component that is not zero."""
    a, b = np.moveaxis(as_operand(a), axisa, -1), np.moveaxis(as_operand(b), axisb, -1)
    if a.shape[-1] not in (2, 3) or b.shape[-1] not in (2, 3):
        raise ValueError("incompatible dimensions for cross product\n(dimension must be 2 or 3)")
    flat = a.shape[-1] == b.shape[-1] == 2
    a0, a1, a2 = a[..., 0], a[..., 1], a[..., 2] if a.shape[-1] == 3 else 0
    b0, b1, b2 = b[..., 0], b[..., 1], b[..., 2] if b.shape[-1] == 3 else 0
    last = a0 * b1 - a1 * b0
    if flat:
        return last
    parts = np.broadcast_arrays(a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, last)
    return np.moveaxis(np.stack(parts, -1), -1, axisc)


def vdot(a: Any, b: Any, /) -> Any:
    return dot(np.conjugate(np.ravel(a)), np.ravel(b))


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1, **_: Any) -> Any:
    x, y = promote([as_operand(x1), as_operand(x2)])
    return np.sum(np.conjugate(np.moveaxis(x, axis, -1)) * np.moveaxis(y, axis, -1), axis=-1, dtype=x.dtype)


UFUNCS: dict[Any, Callable[..., Any]] = {
    np.matmul: matmul,
    **present(
        vecdot=vecdot,
        matvec=lambda x1, x2, /: np.squeeze(matmul(x1, np.expand_dims(x2, -1)), -1),
        vecmat=lambda x1, x2, /: np.squeeze(matmul(np.expand_dims(np.conjugate(x1), -2), x2), -2),
    ),
}

FUNCTIONS: dict[Any, Any] = {
    np.dot: dot,
    np.vdot: vdot,
    np.inner: inner,
    np.outer: outer,
    np.tensordot: tensordot,
    np.einsum: einsum,
    np.kron: kron,
    np.cross: cross,
    np.linalg.matmul: lambda x1, x2, /: matmul(x1, x2),
    np.linalg.tensordot: lambda x1, x2, /, *, axes=2: tensordot(x1, x2, axes),
    np.linalg.vecdot: vecdot,
    np.linalg.outer: lambda x1, x2, /: outer(x1, x2),
    np.linalg.cross: lambda x1, x2, /, *, axis=-1: cross(x1, x2, axis=axis),
}
