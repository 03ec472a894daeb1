"""The specs of complex numbers, of decompositions and solvers, and of Fourier transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow.testing.spec import COMPLEX, Operand, OpSpec

SINGLE_AND_DOUBLE = ("float32", "float64")
# Numbers that differ in the last bits add up in products of matrices, and in what is made of them.
_SUMS = 256.0

# -- complex numbers ----------------------------------------------------------------------------------------

_UNARY: tuple[tuple[str, float, float], ...] = (
    (
        "negative square conjugate exp exp2 expm1 sin cos tanh arctan arcsinh sinh cosh sign absolute",
        -1.4,
        1.4,
    ),
    ("tan arcsin arccos arctanh", -0.8, 0.8),
    ("sqrt log log2 log10 log1p reciprocal", 0.4, 3),
    ("arccosh", 1.3, 3),
    ("real imag identity", -2, 2),
)
_BINARY: tuple[tuple[str, float, float], ...] = (
    ("add subtract multiply", -2, 2),
    ("divide power maximum minimum", 0.6, 2),
)
_CONSTANT = "isnan isinf isfinite rint equal not_equal less greater_equal"


def _call(name: str, *operands: Operand, differentiable: Sequence[int] = (0,), **params: Any) -> OpSpec:
    return OpSpec(name, operands, params, COMPLEX, tuple(differentiable), backend_tolerance=32)


_X, _Y = Operand((2, 3)), Operand((3,))
_PLACES = Operand(dtype="int64", values=(1, 0, 1))

_NUMBERS = [
    *(
        _call(name, Operand(shape, low, high), differentiable=(0,) if 0 not in shape else ())
        for names, low, high in _UNARY
        for name in names.split()
        for shape in ((2, 3), ())
    ),
    *(
        _call(name, Operand((2, 3), low, high), Operand(shape, low, high), differentiable=(0, 1))
        for names, low, high in _BINARY
        for name in names.split()
        for shape in ((2, 3), (3,))
    ),
    _call("arccosh", Operand((3, 2), -3, -1.3)),  # the other side of a branch cut
    *(_call("power", Operand((2, 3)), Operand(values=n)) for n in (2.0, 3.0, -1.0)),
    *(
        _call(name, *[Operand((2, 3))] * (1 if name[0] in "ir" else 2), differentiable=())
        for name in _CONSTANT.split()
    ),
    # Zeros, of which the derivatives of absolute value and sign are taken to be 0, and what is not finite.
    *(
        _call(name, Operand(values=(0.0, 1 - 2j, complex(np.inf, 1), complex(1, np.nan))), differentiable=())
        for name in ("absolute", "sign", "real", "imag", "conjugate")
    ),
    OpSpec("complex", (_X, _X), {}, SINGLE_AND_DOUBLE, (0, 1)),
    OpSpec("complex", (_X, _Y), {}, SINGLE_AND_DOUBLE, (0, 1)),
    OpSpec("complex", (_X, Operand(values=(np.inf, np.nan, -0.0))), {}, SINGLE_AND_DOUBLE),
    *(
        OpSpec(
            "astype", (_X,), {"dtype": np.dtype(to)}, SINGLE_AND_DOUBLE, (0,) if to == "complex128" else ()
        )
        for to in COMPLEX
    ),
    _call("astype", _X, dtype=np.dtype(np.complex128)),
    _call("where", Operand((2, 3), dtype="bool"), _X, _Y, differentiable=(1, 2)),
    *(_call(name, _X, axis=(1,), keepdims=True) for name in ("sum", "prod", "max")),
    *(_call(name, _X, axis=1) for name in ("cumsum", "cumprod", "sort")),
    _call("reshape", _X, shape=(3, 2)),
    _call("transpose", _X, axes=(1, 0)),
    _call("broadcast_to", _Y, shape=(2, 3)),
    _call("getitem", _X, index=((1, None, -1), (0, 3, 2))),
    _call("setitem", _X, Operand((2, 1)), index=((0, 2, 1), (1, 2, 1)), differentiable=(0, 1)),
    _call("concatenate", _X, Operand((2, 1)), axis=1, differentiable=(0, 1)),
    _call("pad", _X, Operand(()), pad_width=((1, 0), (0, 2)), differentiable=(0, 1)),
    _call("gather", Operand((3, 2)), _PLACES),
    *(
        _call("scatter", Operand((3, 2)), Operand((3, 2)), _PLACES, mode=mode, differentiable=(0, 1))
        for mode in ("set", "add", "multiply")
    ),
    _call("matmul", Operand((2, 2, 3)), Operand((3, 2)), differentiable=(0, 1)),
    _call("einsum", Operand((2, 3)), Operand((3, 3)), subscripts="ij,jj->i", differentiable=(0, 1)),
    _call("argsort", _X, axis=1, differentiable=()),
]

# -- matrices -----------------------------------------------------------------------------------------------


def _adjoint(x: Any) -> Any:
    return np.conjugate(np.swapaxes(x, -1, -2))


def _positive(x: Any) -> Sequence[Any]:
    return (np.matmul(x, _adjoint(x)) + np.eye(x.shape[-1], dtype=x.dtype),)


def _hermitian(x: Any) -> Sequence[Any]:
    return (x + _adjoint(x),)


def _with_real_eigenvalues(x: Any) -> Sequence[Any]:
    n = x.shape[-1]
    return (x * np.asarray(0.1, x.dtype) + np.diag(np.arange(1, n + 1)).astype(x.dtype),)


def _with_strong_diagonal(a: Any, *others: Any) -> Sequence[Any]:
    return (a + np.asarray(6, a.dtype) * np.eye(*a.shape[-2:], dtype=a.dtype), *others)


def _of_rank_two(a: Any, b: Any) -> Sequence[Any]:
    return np.matmul(a[:, :2], a[:2]), b


# Of a decomposition, its product and what its factors are: their columns' signs or phases, and the order of
# eigenvalues, are the backend's choice.


def _of_svd(u: Any, s: Any, vh: Any) -> Sequence[Any]:
    k = s.shape[-1]
    return s, (u[..., :k] * s[..., None, :]) @ vh[..., :k, :], _adjoint(u) @ u, vh @ _adjoint(vh)


def _of_qr(q: Any, r: Any) -> Sequence[Any]:
    return q @ r, _adjoint(q) @ q, np.tril(r, -1)


def _of_eigh(w: Any, v: Any) -> Sequence[Any]:
    return w, (v * w[..., None, :]) @ _adjoint(v), _adjoint(v) @ v


def _of_eig(w: Any, v: Any) -> Sequence[Any]:
    lengths = np.linalg.norm(v, axis=-2)
    return np.sort(w, axis=-1), (v * w[..., None, :]) @ np.linalg.inv(v), lengths


_SQUARE = ((3, 3), (2, 2, 2))
_TALL, _WIDE = (2, 4, 2), (2, 2, 3)
_EMPTY = ((0, 3, 3), (2, 0, 0))


def _matrices(name: str, *shapes: tuple[int, ...], phases: bool = False, **options: Any) -> list[OpSpec]:
    """Specs of a function of matrices of these shapes, real and complex.

    Args:
        phases: complex results are determined but for their phases, so that a difference quotient finds no derivative.
    """
    prepare, params, determined = options.get("prepare"), options.get("params", {}), options.get("determined")
    differentiable = options.get("differentiable", range(len(shapes)))
    count = 0 if any(0 in shape for shape in shapes) else len(shapes)
    specs = []
    for dtypes in (SINGLE_AND_DOUBLE, COMPLEX):
        known = tuple(i for i in differentiable if i < count) if not (phases and dtypes is COMPLEX) else ()
        operands = tuple(map(Operand, shapes))
        specs.append(
            OpSpec(
                name, operands, params, dtypes, known,
                tolerance=1e-5, backend_tolerance=_SUMS, prepare=prepare, determined=determined,
            )
        )  # fmt: skip
    return specs


_SQUARE_MATRICES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("cholesky", {"prepare": _positive}),
    ("det", {}),
    ("cofactors", {"prepare": _with_strong_diagonal}),
    ("slogdet", {"prepare": _with_strong_diagonal}),
    ("eigh", {"prepare": _hermitian, "phases": True, "determined": _of_eigh}),
    ("eig", {"prepare": _with_real_eigenvalues, "phases": True, "determined": _of_eig}),
)

_MATRICES = [
    *(
        spec
        for name, options in _SQUARE_MATRICES
        for shape in (*_SQUARE, *_EMPTY)
        for spec in _matrices(name, shape, **options)
    ),
    *(
        spec
        for name, params in (
            ("solve", {}),
            ("solve_triangular", {"lower": True}),
            ("solve_triangular", {"lower": False}),
        )
        for a, b in (
            ((3, 3), (3, 2)),
            ((2, 2, 2), (2, 1)),
            ((2, 2), (3, 2, 1)),
            ((0, 3, 3), (3, 2)),
            ((0, 0), (0, 2)),
        )
        for spec in _matrices(name, a, b, params=params, prepare=_with_strong_diagonal)
    ),
    *(
        spec
        for a, b in (((3, 3), (3, 1)), (_TALL, (2, 4, 1)), (_WIDE, (2, 2)), ((0, 3, 2), (3, 2)))
        for spec in _matrices("lstsq", a, b, params={"rcond": 1e-6}, prepare=_with_strong_diagonal)
    ),
    *_matrices("lstsq", (4, 3), (4, 1), params={"rcond": 1e-4}, prepare=_of_rank_two),
    *(
        spec
        for shape in (*_SQUARE, *_EMPTY, _TALL, _WIDE)
        for spec in _matrices("lu", shape, prepare=_with_strong_diagonal)
    ),
    *(
        spec
        for mode in ("reduced", "complete")
        for shape in (*_SQUARE, *_EMPTY, _TALL, _WIDE)
        for spec in _matrices(
            "qr",
            shape,
            params={"mode": mode},
            determined=_of_qr,
            # The last columns of a complete Q are any orthonormal ones.
            differentiable=() if mode == "complete" and shape == _TALL else (0,),
        )
    ),
    *(
        spec
        for full in (False, True)
        for shape in (*_SQUARE, *_EMPTY, _TALL, _WIDE)
        for spec in _matrices(
            "svd",
            shape,
            params={"full_matrices": full},
            determined=_of_svd,
            phases=True,
            differentiable=() if full and shape in (_TALL, _WIDE) else (0,),
        )
    ),
]

# -- transforms ---------------------------------------------------------------------------------------------

_TRANSFORMS = [
    *(
        _call(name, Operand(shape), differentiable=(0,) if 0 not in shape else ())
        for name in ("fft", "ifft")
        for shape in ((2, 6), (5,), (2, 1), (0, 4))
    ),
    *(
        OpSpec(
            "rfft",
            (Operand(shape),),
            {},
            SINGLE_AND_DOUBLE,
            (0,) if 0 not in shape else (),
            backend_tolerance=32,
        )
        for shape in ((2, 6), (5,), (2, 1), (0, 4))
    ),
    *(
        _call("irfft", Operand(shape), n=n, differentiable=(0,) if 0 not in shape else ())
        for shape, n in (((2, 4), 6), ((3,), 5), ((2, 1), 1), ((0, 3), 4))
    ),
]

SPECS: tuple[OpSpec, ...] = (*_NUMBERS, *_MATRICES, *_TRANSFORMS)
