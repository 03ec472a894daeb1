"""The table of specs: one or more for every primitive, in the order of the families."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow.testing import algebra, collective, control, windows
from kerasflow.testing.spec import ALL, COMPLEX, FLOATS, INTEGERS, NUMBERS, Operand, OpSpec, as_dtype

# What rounding, division and comparison treat specially.
_SPECIAL = (0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan)


def _unary(
    names: str, low: float, high: float, dtypes: tuple[str, ...] = ALL, *, kind: str = "analytic"
) -> list[OpSpec]:
    """Specs of elementwise functions of one operand between `low` and `high`.

    Args:
        kind: `"analytic"`, `"smooth"` (but not for complex numbers) or `"constant"` (nothing to differentiate).
    """
    specs = []
    for name in names.split():
        differentiable = () if kind == "constant" else (0,)
        for shape in ((2, 3), ()):
            operand = Operand(shape, low, high)
            specs.append(
                OpSpec(name, (operand,), {}, dtypes, differentiable, complex_step=kind == "analytic")
            )
        specs.append(OpSpec(name, (Operand((0, 2)),), {}, dtypes[:2]))
        if dtypes[0] in FLOATS:
            specs.append(OpSpec(name, (Operand(values=_SPECIAL),), {}, FLOATS))
    return specs


def _binary(
    names: str,
    x: tuple[float, float],
    y: tuple[float, float],
    dtypes: tuple[str, ...] = ALL,
    *,
    kind: str = "analytic",
    special: bool = True,
) -> list[OpSpec]:
    """Specs of elementwise functions of two operands: equal shapes, broadcast shapes, scalars; x and y are ranges."""
    specs = []
    for name in names.split():
        differentiable = () if kind == "constant" else (0, 1)
        for left, right in (((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2, 2)), ((1, 2), ())):
            operands = (Operand(left, *x), Operand(right, *y))
            specs.append(OpSpec(name, operands, {}, dtypes, differentiable, complex_step=kind == "analytic"))
        specs.append(OpSpec(name, (Operand((0, 1)), Operand((1, 3))), {}, dtypes[:2]))
        if special and dtypes[0] in FLOATS:
            column = tuple((v,) for v in _SPECIAL)
            specs.append(OpSpec(name, (Operand(values=column), Operand(values=_SPECIAL)), {}, FLOATS))
    return specs


_NO_BOOL = NUMBERS
_BITS = (*INTEGERS, "bool")

_ELEMENTWISE = [
    *_unary("negative", -2, 2, _NO_BOOL),
    *_unary("square conjugate", -2, 2, kind="smooth"),
    *_unary("exp exp2 expm1 sin cos tanh arctan arcsinh", -1.4, 1.4),
    *_unary("tan arcsin arccos arctanh", -0.8, 0.8),
    *_unary("sinh cosh", -2, 2),
    *_unary("sqrt log log2 log10 log1p reciprocal", 0.4, 3),
    *_unary("arccosh", 1.3, 3),
    *_unary("cbrt deg2rad rad2deg", 0.4, 3, kind="smooth"),
    *_unary("absolute", -2, 2, kind="smooth"),
    *_unary("sign", -2, 2, _NO_BOOL, kind="constant"),
    *_unary("floor ceil trunc rint logical_not isnan isinf isfinite signbit spacing", -2, 2, kind="constant"),
    *_unary("invert", -3, 9, _BITS, kind="constant"),
    *_unary("erf erfc", -1.5, 1.5, FLOATS),
    *_unary("logistic", -3, 3, FLOATS),
    *_unary("erfinv", -0.8, 0.8, FLOATS, kind="smooth"),
    *_unary("ndtri", 0.15, 0.85, FLOATS, kind="smooth"),
    *_unary("gammaln digamma", 0.6, 4, FLOATS, kind="smooth"),
    *(OpSpec("polygamma", (Operand((2, 3), 0.6, 4),), {"n": n}, FLOATS, (0,)) for n in (1, 2)),
    # By its parameter it has a first derivative alone; there is no closed form for the second.
    *_binary("gammainc", (0.6, 4), (0.3, 5), FLOATS, kind="constant"),
    OpSpec("gammainc", (Operand((2, 3), 0.6, 4), Operand((3,), 0.3, 5)), {}, FLOATS, (1,)),
    *_unary("i0 i1", -2, 2, FLOATS, kind="smooth"),
    *_binary("add multiply", (-2, 2), (-2, 2)),
    *_binary("subtract", (-2, 2), (-2, 2), _NO_BOOL),
    *_binary("divide", (-2, 2), (0.6, 2)),
    *_binary("maximum minimum fmax fmin", (-2, 2), (-1.5, 1), kind="smooth"),
    *_binary("arctan2 hypot", (-2, 2), (0.5, 2.5), kind="smooth"),
    *_binary("remainder fmod", (-6, 5), (0.7, 1.9), kind="smooth"),
    *_binary("power", (0.5, 2), (0.5, 3)),
    *_binary("logaddexp logaddexp2", (-2, 2), (-2, 2), kind="smooth"),
    *_binary("floor_divide", (-3, 3), (0.7, 1.9), kind="constant"),
    *_binary("heaviside nextafter logical_and logical_or logical_xor", (-2, 2), (-2, 2), kind="constant"),
    *_binary("equal not_equal less less_equal greater greater_equal", (-2, 2), (-2, 2), kind="constant"),
    *_binary("gcd lcm", (0, 12), (1, 12), INTEGERS, kind="constant"),
    *_binary("bitwise_and bitwise_or bitwise_xor", (-3, 9), (0, 9), _BITS, kind="constant"),
    *_binary("left_shift right_shift", (-3, 9), (0, 3), INTEGERS, kind="constant"),
    OpSpec("heaviside", (Operand(values=(-1.0, 0.0, 2.0)), Operand((2, 3))), differentiable=(1,)),
    OpSpec("copysign", (Operand((2, 3)), Operand((3,))), differentiable=(0,)),
    OpSpec("ldexp", (Operand((2, 3)), Operand((3,), -2, 2, "int32")), differentiable=(0,)),
    # Constant exponents have short cuts of their own.
    *(OpSpec("power", (Operand((2, 3)), Operand(values=n)), differentiable=(0,)) for n in (1.0, 2.0, 3.0)),
    OpSpec("power", (Operand((2,), 0.5, 2), Operand((2,), -3, 3)), differentiable=(0,)),
    OpSpec("power", (Operand(values=(0.0, 0.5, 2.0)), Operand(values=(2.0, 0.5, -1.0)))),
    OpSpec("where", (Operand((2, 3), dtype="bool"), Operand((2, 3)), Operand((2, 3))), {}, ALL, (1, 2)),
    OpSpec(
        "where",
        (Operand(dtype="bool", values=(True, False, True)), Operand((2, 1)), Operand(())),
        {},
        ALL,
        (1, 2),
    ),
    OpSpec("clip", (Operand((3, 4)), Operand(values=-0.7), Operand(values=0.9)), {}, _NO_BOOL, (0,)),
    OpSpec("clip", (Operand((3, 4)), Operand((4,), -1, 0), Operand((3, 1), 0.3, 1)), {}, _NO_BOOL, (0, 1, 2)),
    # Where the bounds are the wrong way round, the upper one wins.
    OpSpec("clip", (Operand((3,)), Operand((3,), 0.5, 1), Operand((3,), -1, 0)), {}, _NO_BOOL, (2,)),
    OpSpec("clip", (Operand(values=_SPECIAL), Operand(values=-1.0), Operand(values=1.0))),
    *(
        OpSpec("astype", (Operand((2, 3)),), {"dtype": as_dtype(to)}, ALL, (0,) if to == "float64" else ())
        for to in ALL
    ),
    OpSpec("stop_gradient", (Operand((2, 3)),), {}, ALL),
    OpSpec("identity", (Operand((2, 3)),), {}, ALL, (0,)),
    OpSpec("identity", (Operand(()),), {}, ALL, (0,)),
]


def _reduction(
    names: str, dtypes: tuple[str, ...], *, low: float = -2, high: float = 2, kind: str = "smooth"
) -> list[OpSpec]:
    cases: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((2, 3, 2), (0,)),
        ((2, 3, 2), (1, 2)),
        ((2, 3), (0, 1)),
        ((5,), (0,)),
        ((2, 1, 3), (1,)),
        ((0, 3), (1,)),
    ]
    specs = []
    for name in names.split():
        for shape, axis in cases:
            for keepdims in (False, True):
                differentiable = (0,) if kind != "constant" and 0 not in shape else ()
                params = {"axis": axis, "keepdims": keepdims}
                operand = Operand(shape, low, high)
                specs.append(
                    OpSpec(name, (operand,), params, dtypes, differentiable, complex_step=kind == "analytic")
                )
    return specs


_NAN_ROW = ((1.0, np.nan, 2.0), (-0.0, 0.0, np.inf))

_REDUCTIONS = [
    *_reduction("sum prod", ALL, kind="analytic"),
    *_reduction("max min", ALL),
    *_reduction("any all", ("bool",), kind="constant"),
    *(
        OpSpec(name, (Operand((0, 3)),), {"axis": (0,), "keepdims": False}, FLOATS)
        for name in ("sum", "prod")
    ),
    *(
        OpSpec(name, (Operand(values=_NAN_ROW),), {"axis": (1,), "keepdims": False}, FLOATS)
        for name in ("sum", "prod", "max", "min")
    ),
    # The smallest integer has no negative.
    *(
        OpSpec(name, (Operand(values=(5, -(2**31), 7)),), {"axis": (0,), "keepdims": False}, ("int32",))
        for name in ("max", "min")
    ),
    # A zero among the factors.
    OpSpec(
        "prod",
        (Operand(values=((0.0, 2.0, 3.0), (0.0, 0.0, 2.0))),),
        {"axis": (1,), "keepdims": False},
        FLOATS,
        (0,),
    ),
    *(
        OpSpec(name, (Operand(shape),), {"axis": axis}, ALL)
        for name in ("argmax", "argmin")
        for shape, axis in (((2, 3, 2), 1), ((4,), 0), ((3, 1), 1), ((0, 2), 1))
    ),
    *(OpSpec(name, (Operand(values=_NAN_ROW),), {"axis": 1}) for name in ("argmax", "argmin")),
    *(
        OpSpec(
            name, (Operand(shape),), {"axis": axis}, ALL, (0,) if 0 not in shape else (), complex_step=True
        )
        for name in ("cumsum", "cumprod")
        for shape, axis in (((2, 3, 2), 1), ((4,), 0), ((2, 1), 1), ((0, 2), 0))
    ),
    OpSpec("cumprod", (Operand(values=(2.0, 0.0, 3.0, 0.0, 1.5)),), {"axis": 0}, FLOATS, (0,)),
]

_SHAPE = [
    *(
        OpSpec("reshape", (Operand(shape),), {"shape": to}, ALL, (0,) if 0 not in shape else ())
        for shape, to in (((2, 3), (3, 2)), ((2, 3), (6,)), ((), (1, 1)), ((1,), ()), ((0, 3), (3, 0, 2)))
    ),
    *(
        OpSpec("transpose", (Operand(shape),), {"axes": axes}, ALL, (0,))
        for shape, axes in (((2, 3), (1, 0)), ((2, 3, 4), (2, 0, 1)), ((2, 1, 3), (0, 2, 1)), ((), ()))
    ),
    *(
        OpSpec("broadcast_to", (Operand(shape),), {"shape": to}, ALL, (0,) if 0 not in to else ())
        for shape, to in (
            ((3,), (2, 3)),
            ((2, 1), (4, 2, 3)),
            ((), (2, 2)),
            ((1, 1), (1, 1)),
            ((1, 2), (0, 2)),
        )
    ),
    *(
        OpSpec("getitem", (Operand(shape),), {"index": index}, ALL, (0,) if empty else ())
        for shape, index, empty in (
            ((4, 5), ((1, 3, 1), (0, 5, 2)), True),
            ((4, 5), ((3, None, -1), (4, 1, -2)), True),
            ((4, 5), ((2, 3, 1), (0, 5, 1)), True),
            ((4, 5), ((2, 2, 1), (0, 5, 1)), False),
            ((), (), True),
        )
    ),
    *(
        OpSpec(
            "setitem",
            (Operand(shape), Operand(value)),
            {"index": index},
            ALL,
            (0, 1) if shape != (3,) else (1,),
        )
        for shape, value, index in (
            ((4, 5), (2, 3), ((1, 3, 1), (0, 5, 2))),
            ((4, 5), (3,), ((3, None, -1), (4, 0, -2))[:1] + ((4, None, -2),)),
            ((4, 5), (), ((2, 3, 1), (0, 5, 1))),
            ((3,), (1,), ((0, 3, 1),)),
        )
    ),
    *(
        OpSpec("concatenate", tuple(map(Operand, shapes)), {"axis": axis}, ALL, tuple(range(len(shapes))))
        for shapes, axis in ((((2, 3), (1, 3)), 0), (((2, 1), (2, 2), (2, 3)), 1), (((3,),), 0))
    ),
    OpSpec("concatenate", (Operand((2, 0)), Operand((2, 3))), {"axis": 1}, ALL, (1,)),
    *(
        OpSpec("pad", (Operand(shape), Operand(())), {"pad_width": widths}, ALL, (0, 1))
        for shape, widths in (((2, 3), ((1, 2), (0, 1))), ((3, 1), ((0, 0), (2, 0))))
    ),
]


_SHAPE += [
    *(
        OpSpec("view", (Operand(shape, dtype=source),), {"dtype": as_dtype(to)}, (source,))
        for source, to in (
            ("float32", "int32"),
            ("int64", "uint8"),
            ("uint8", "uint8"),
            ("bfloat16", "uint8"),
        )
        for shape in ((2, 3), (0, 2))
    ),
    OpSpec("view", (Operand((2, 4), dtype="float16"),), {"dtype": np.dtype("float64")}, ("float16",)),
    OpSpec("view", (Operand((), dtype="float32"),), {"dtype": np.dtype("uint32")}, ("float32",)),
]


def _index(*values: Any) -> Operand:
    """An operand of constant indices."""
    return Operand(dtype="int64", values=values[0] if len(values) == 1 else values)


_ROWS, _COLUMNS = ((0, 2), (2, 1)), ((1, 0), (1, 1))
_PLACES: Sequence[tuple[tuple[int, ...], tuple[Operand, ...], tuple[int, ...]]] = (
    # (shape of x, indices, shape of what they select); the first has a row twice.
    ((3, 2), (_index((1, 0, 1)),), (3, 2)),
    ((3, 2), (_index(_ROWS), _index(_COLUMNS)), (2, 2)),
    ((3, 4), (_index(((0,), (2,))), _index((1, 3))), (2, 2)),
    ((3, 5), (_index(1),), (5,)),
    ((3, 2), (Operand(dtype="int32", values=()),), (0, 2)),
)

_INDEXING = [
    *(
        OpSpec("gather", (Operand(shape), *indices), {}, ALL, (0,) if 0 not in selected else ())
        for shape, indices, selected in _PLACES
    ),
    *(
        OpSpec(
            "scatter",
            (Operand(shape), Operand(selected), *indices),
            {"mode": mode},
            NUMBERS,
            (0, 1) if 0 not in selected else (),
        )
        for mode in ("set", "add", "multiply", "maximum", "minimum")
        for shape, indices, selected in _PLACES
    ),
    # Updates are broadcast.
    *(
        OpSpec("scatter", (Operand((3, 2)), Operand(()), _index((1, 0, 1))), {"mode": mode}, NUMBERS, (0, 1))
        for mode in ("set", "add", "multiply", "maximum")
    ),
    *(
        OpSpec("collect_rows", (Operand(shape), index), {"size": 9}, NUMBERS, (0,) if 0 not in shape else ())
        for shape, index in (
            ((5, 2), _index((3, -1, 0, 3, 8))),
            ((4,), _index((2, 1, 0, 1))),
            ((2, 3, 2), _index((4, 5))),
            ((3, 2), _index((0, 1, 2))),
            ((0, 2), Operand(dtype="int32", values=())),
        )
    ),
    # Zeros among the factors.
    OpSpec(
        "scatter",
        (Operand(values=(0.0, 2.0, 3.0)), Operand(values=(0.0, 0.0, 2.0, 5.0)), _index((0, 1, 1, 2))),
        {"mode": "multiply"},
        FLOATS,
        (0, 1),
        order=1,
    ),
    *(
        OpSpec(
            name, (Operand(shape),), {"axis": axis}, ALL, (0,) if name == "sort" and 0 not in shape else ()
        )
        for name in ("sort", "argsort")
        for shape, axis in (((2, 5), 1), ((3, 2), 0), ((3,), 0), ((0, 2), 0))
    ),
    *(
        OpSpec("top_k", (Operand(shape),), {"k": k}, ALL)
        for shape, k in (((2, 5), 2), ((3, 2, 4), 1), ((3,), 3), ((2, 3), 0), ((0, 2), 1))
    ),
    OpSpec("top_k", (Operand(values=(1.0, 2.0, 0.0, 2.0, 1.0, 2.0, 1.0)),), {"k": 5}, ALL),
    OpSpec("top_k", (Operand(values=_NAN_ROW),), {"k": 2}, FLOATS[:3]),
    # NumPy leaves the NaNs of bfloat16 where they are.
    *(OpSpec(name, (Operand(values=_NAN_ROW),), {"axis": 1}, FLOATS[:3]) for name in ("sort", "argsort")),
    *(
        OpSpec(
            "searchsorted",
            (Operand(values=(0.0, 1.0, 1.0, 2.0)), Operand(shape, 0, 3)),
            {"side": side},
            NUMBERS,
        )
        for side in ("left", "right")
        for shape in ((2, 3), ())
    ),
]

_SPARSE = [
    *(
        OpSpec(
            "sparse_matmul",
            (Operand((len(rows),)), _index(*rows), _index(*columns), Operand(shape)),
            {"size": size},
            NUMBERS + COMPLEX,
            (0, 3),
        )
        # The same place twice; rows and columns without a number; more rows than numbers; places from the end.
        for rows, columns, shape, size in (
            ((0, 1, 1, 0), (2, 0, 0, 1), (4, 3), 3),
            ((5, 9), (1, 0), (2, 2), 12),
            ((-1, 0, 1), (0, -2, 1), (3, 2), 2),
            ((0, 0), (1, 1), (2, 1), 1),
        )
    ),
    OpSpec(
        "sparse_matmul",
        (Operand((0,)), *[Operand(dtype="int32", values=())] * 2, Operand((2, 3))),
        {"size": 2},
        ALL[:-1],
    ),
]

_LINALG = [
    *(
        OpSpec("matmul", (Operand(x), Operand(y)), {}, ALL, (0, 1) if 0 not in x else (), complex_step=True)
        for x, y in (
            ((2, 3), (3, 2)),
            ((2, 2, 3), (3, 2)),
            ((2, 1, 1, 3), (2, 3, 2)),
            ((1, 3), (3, 1)),
            ((0, 2), (2, 3)),
            ((2, 0), (0, 3)),
        )
    ),
    *(
        OpSpec(
            "einsum",
            tuple(map(Operand, shapes)),
            {"subscripts": subscripts},
            NUMBERS,
            tuple(range(len(shapes))),
        )
        for subscripts, *shapes in (
            ("ij,jk->ik", (2, 3), (3, 2)),
            ("bij,bjk->bki", (2, 2, 3), (2, 3, 2)),
            ("ij->i", (2, 3)),
            ("ij->", (2, 3)),
            ("ii->i", (3, 3)),
            ("iji->j", (2, 3, 2)),
            ("ij->ji", (2, 3)),
            ("i,j->ij", (2,), (3,)),
            ("ij,ij->", (2, 3), (2, 3)),
            ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)),
            (",i->i", (), (3,)),
            ("ii,jk->k", (2, 2), (2, 3)),
        )
    ),
]

_RANDOM = (
    [
        OpSpec(
            "random_bits",
            (Operand(dtype=seed, values=(7, 2**31 + 5)),),
            {"shape": shape, "dtype": np.dtype(bits)},
            (seed,),
        )
        for seed in ("uint32", "uint64")
        for shape in ((2, 3), (), (0, 2), (5,))
        for bits in ("uint8", "uint16", "uint32", "uint64")
    ]
    + [
        # In the lower and in the upper tail, and for a large parameter.
        OpSpec(
            "random_gamma_grad",
            (Operand((n,), 2, 4), Operand((2, 1), low, high)),
            {},
            dtypes,
            (1,),
            order=1,
            # A difference quotient: in double precision half of the digits count.
            backend_tolerance=2**20 if dtypes == ("float64",) else 8,
        )
        for n, low, high in ((3, 0.4, 1.8), (4, 4.2, 9))
        for dtypes in (("float64",), ("float32", "float16", "bfloat16"))
    ]
    + [OpSpec("random_gamma_grad", (Operand(values=2e5), Operand((3,), 199e3, 201e3)), {}, FLOATS[:2])]
)


SPECS: tuple[OpSpec, ...] = (
    *_ELEMENTWISE,
    *_REDUCTIONS,
    *_SHAPE,
    *_INDEXING,
    *_LINALG,
    *_SPARSE,
    *algebra.SPECS,
    *windows.SPECS,
    *_RANDOM,
    *control.SPECS,
    *collective.SPECS,
)

# For primitives whose results are one choice among several: what every backend must agree on, made of the results.
DETERMINED = {spec.primitive: spec.determined for spec in SPECS if spec.determined is not None}
