"""Each rule of the simplifier: a graph that it changes, and ones that look alike and must stay as they are.

Everything is compared to the bit on numbers that rounding and arithmetic treat specially.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import assert_equivalent, aval, graph_of, names

from kerasflow.graph import Graph
from kerasflow.passes import eliminate_dead_code, simplify
from kerasflow.testing import as_dtype
from kerasflow.tracing import apply

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.1, -3.7, 2.5, 1e30, -1e-30, 1e-40, np.inf, -np.inf, np.nan, 3e38, 5.0]
FLOATS = ("float16", "bfloat16", "float32", "float64")
SIGNED = ("int8", "int32", "int64")
UNSIGNED = ("uint8", "uint32")


def sample(shape: tuple[int, ...], dtype: Any, shift: int = 0) -> np.ndarray:
    """Special numbers, in another order for each shift."""
    dtype = np.dtype(dtype)
    pool = np.array(SPECIAL if dtype.kind in "fVc" else [0, 1, 2, 3, 100, 126, 127, -1, -2, -127, -128])
    rolled = np.resize(np.roll(pool, 4 * shift), shape)
    with np.errstate(all="ignore"):
        return rolled.astype(np.float32 if dtype.kind == "V" else dtype).astype(dtype)


def simplified(function: Callable[..., Any], *avals: Any) -> Graph:
    """The graph after simplification, checked to be equivalent and to be simplified for good."""
    before = graph_of(function, *avals)
    after = eliminate_dead_code(simplify(before))
    for shift in range(4):
        inputs = [sample(a.shape, a.dtype, i * shift + shift) for i, a in enumerate(avals)]
        assert_equivalent(before, after, [], inputs)
    assert names(eliminate_dead_code(simplify(after))) == names(after)
    return after


def scalar(number: float, dtype: Any) -> np.ndarray:
    return np.array(number).astype(dtype)


def of(name: str, *operands: Any, **params: Any) -> Any:
    return apply(name, *operands, **params)


def types(*dtypes: str) -> Any:
    return pytest.mark.parametrize("dtype", [as_dtype(t) for t in dtypes], ids=dtypes)


# -- adding and subtracting ---------------------------------------------------------------------------------


@types(*FLOATS)
def test_only_the_neutral_zero_is_dropped(dtype: np.dtype) -> None:
    x = aval(15, dtype=dtype)
    assert names(simplified(lambda x: of("add", x, scalar(-0.0, dtype)), x)) == []
    assert names(simplified(lambda x: of("add", scalar(-0.0, dtype), x), x)) == []
    assert names(simplified(lambda x: of("subtract", x, scalar(0.0, dtype)), x)) == []
    # -0 + 0 is 0, and so is -0 - -0.
    assert names(simplified(lambda x: of("add", x, scalar(0.0, dtype)), x)) == ["add"]
    assert names(simplified(lambda x: of("add", scalar(0.0, dtype), x), x)) == ["add"]
    assert names(simplified(lambda x: of("subtract", x, scalar(-0.0, dtype)), x)) == ["subtract"]
    assert names(simplified(lambda x: of("subtract", scalar(0.0, dtype), x), x)) == ["subtract"]


@types(*SIGNED, *UNSIGNED)
def test_zero_is_zero_among_integers(dtype: np.dtype) -> None:
    for f in (
        lambda x: of("add", x, scalar(0, dtype)),
        lambda x: of("add", scalar(0, dtype), x),
        lambda x: of("subtract", x, scalar(0, dtype)),
        lambda x: of("add", x, np.zeros((1, 15), dtype)),
    ):
        assert names(simplified(f, aval(2, 15, dtype=dtype))) == []


def test_false_is_zero_among_booleans() -> None:
    assert names(simplified(lambda x: of("add", x, np.False_), aval(4, dtype=bool))) == []


def test_a_zero_that_widens_stays() -> None:
    wide, double = np.zeros((2, 3), np.int32), np.zeros((), np.int64)
    assert names(simplified(lambda x: of("add", x, wide), aval(3, dtype=np.int32))) == ["add"]
    assert names(simplified(lambda x: of("add", x, double), aval(3, dtype=np.int32))) == ["add"]
    assert names(simplified(lambda x: of("subtract", x, wide), aval(3, dtype=np.int32))) == ["subtract"]


def test_zeros_of_both_signs_are_not_one_zero() -> None:
    zeros = np.array([-0.0, 0.0, -0.0], np.float32)
    assert names(simplified(lambda x: of("add", x, zeros), aval(3))) == ["add"]
    graph = simplified(lambda x: of("maximum", x, zeros), aval(2, 3))
    assert graph.nodes[0].inputs[1].aval.shape == (3,)


@types(*FLOATS, *SIGNED, *UNSIGNED)
def test_adding_the_negative_is_subtracting(dtype: np.dtype) -> None:
    x, y = aval(15, dtype=dtype), aval(4, 15, dtype=dtype)
    assert names(simplified(lambda x, y: of("add", x, of("negative", y)), x, y)) == ["subtract"]
    assert names(simplified(lambda x, y: of("add", of("negative", x), y), x, y)) == ["subtract"]
    assert names(simplified(lambda x, y: of("subtract", x, of("negative", y)), x, y)) == ["add"]
    assert names(simplified(lambda x: of("negative", of("negative", x)), x)) == []


def test_not_if_it_is_negated_in_another_dtype() -> None:
    for name in ("add", "subtract", "multiply"):
        graph = simplified(
            lambda x, y, name=name: of(name, x, of("negative", y)), aval(11, dtype="i8"), aval(11, dtype="i1")
        )
        assert names(graph) == ["negative", name]


@types(*SIGNED, *UNSIGNED)
def test_the_negative_of_a_difference_of_integers(dtype: np.dtype) -> None:
    x = aval(11, dtype=dtype)
    graph = simplified(lambda x, y: of("negative", of("subtract", x, y)), x, x)
    assert names(graph) == ["subtract"] and graph.nodes[0].inputs == tuple(reversed(graph.inputs))


@types(*FLOATS)
def test_not_of_floating_point_numbers(dtype: np.dtype) -> None:
    x = aval(15, dtype=dtype)  # -(x - x) is -0.
    assert "negative" in names(simplified(lambda x, y: of("negative", of("subtract", x, y)), x, x))


# -- multiplying and dividing -------------------------------------------------------------------------------


@types(*FLOATS, *SIGNED, *UNSIGNED, "bool")
def test_times_one(dtype: np.dtype) -> None:
    x = aval(2, 15, dtype=dtype)
    for one in (scalar(1, dtype), np.ones(15, dtype), np.ones((2, 15), dtype)):
        assert names(simplified(lambda x, one=one: of("multiply", x, one), x)) == []
        assert names(simplified(lambda x, one=one: of("multiply", one, x), x)) == []


def test_times_one_that_widens_stays() -> None:
    for one in (np.ones((2, 1, 1), np.float32), np.float64(1)):
        assert names(simplified(lambda x, one=one: of("multiply", x, one), aval(15, 1))) == ["multiply"]
    assert names(simplified(lambda x: of("multiply", x, np.complex64(1)), aval(15, dtype="c8"))) == [
        "multiply"
    ]


@types(*FLOATS, *SIGNED)
def test_times_minus_one(dtype: np.dtype) -> None:
    x = aval(15, dtype=dtype)
    assert names(simplified(lambda x: of("multiply", x, scalar(-1, dtype)), x)) == ["negative"]


def test_times_255_is_not_times_minus_one() -> None:
    x = aval(11, dtype=np.uint8)
    assert names(simplified(lambda x: of("multiply", x, np.uint8(255)), x)) == ["multiply"]


@types(*FLOATS, *SIGNED)
def test_negatives_move_out_of_products(dtype: np.dtype) -> None:
    x = aval(15, dtype=dtype)
    graph = simplified(lambda x, y: of("multiply", of("negative", x), y), x, x)
    assert names(graph) == ["multiply", "negative"]
    graph = simplified(lambda x, y: of("multiply", of("negative", x), of("negative", y)), x, x)
    assert names(graph) == ["multiply"]
    graph = simplified(lambda x, y, z: of("add", x, of("multiply", of("negative", y), z)), x, x, x)
    assert names(graph) == ["multiply", "subtract"]


def test_and_into_constants() -> None:
    graph = simplified(lambda x: of("multiply", of("negative", x), np.float32(0.1)), aval(15))
    assert names(graph) == ["multiply"] and graph.nodes[0].inputs[1].array == np.float32(-0.1)


@types("float16", "float32", "float64")
def test_products_with_several_constants_are_not_regrouped(dtype: np.dtype) -> None:
    x = aval(15, dtype=dtype)
    graph = simplified(lambda x: of("multiply", of("multiply", x, scalar(0.1, dtype)), scalar(10, dtype)), x)
    assert names(graph) == ["multiply", "multiply"]


@types("float16", "float32", "float64")
def test_division_by_powers_of_two(dtype: np.dtype) -> None:
    x = aval(15, dtype=dtype)
    for c in (2.0, -4.0, 0.5, 0.0078125):
        graph = simplified(lambda x, c=c: of("divide", x, scalar(c, dtype)), x)
        assert names(graph) == ["multiply"] and graph.nodes[0].inputs[1].array == 1 / c
    assert names(simplified(lambda x: of("divide", x, scalar(1, dtype)), x)) == []


@types("float16", "float32", "float64")
def test_division_by_other_numbers_stays(dtype: np.dtype) -> None:
    x, info = aval(15, dtype=dtype), np.finfo(dtype)
    for c in (3.0, 10.0, 0.0, -0.0, np.inf, np.nan, info.smallest_subnormal, 2.0 ** (info.maxexp - 1)):
        assert names(simplified(lambda x, c=c: of("divide", x, scalar(c, dtype)), x)) == ["divide"]


def test_division_that_widens_or_converts_stays() -> None:
    for x, two in ((aval(15), np.full((2, 1), 2, np.float32)), (aval(15), np.float64(2))):
        assert "divide" in names(simplified(lambda x, two=two: of("divide", x, two), x))
    assert names(simplified(lambda x: of("divide", x, np.int32(1)), aval(4, dtype="i4"))) == ["divide"]


# -- power, where, astype -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exponent", "dtype", "expected"),
    [
        (1, "float32", []), (1, "int32", []), (2, "float64", ["square"]), (2, "float16", ["square"]),
        (2, "int32", ["square"]), (2, "uint8", ["square"]), (-1, "float32", ["reciprocal"]),
        (0.5, "float32", ["sqrt"]), (0.5, "float64", ["sqrt"]), (0.5, "float16", ["power"]),
        (3, "float32", ["power"]), (0, "float32", ["power"]), (0, "int32", ["power"]),
    ],
)  # fmt: skip
def test_power(exponent: float, dtype: str, expected: list[str]) -> None:
    if expected in (["reciprocal"], ["sqrt"]) and np.lib.NumpyVersion(np.__version__) < "2.3.0":
        pytest.skip("before NumPy 2.3 `np.power` takes fewer short cuts than `**`")
    x = aval(15, dtype=dtype)
    assert names(simplified(lambda x: of("power", x, scalar(exponent, dtype)), x)) == expected


def test_power_with_an_array_of_exponents_is_numpys_other_function() -> None:
    graph = simplified(lambda x: of("power", x, np.full(15, 2, np.float32)), aval(15))
    assert names(graph) == ["power"] and graph.nodes[0].inputs[1].aval.shape == (15,)


def test_power_that_widens_or_converts_stays() -> None:
    for x, two in (
        (aval(4, dtype="i4"), np.float64(2)),
        (aval(4), np.float64(1)),
        (aval(4), np.full((1, 1), 1, np.float32)),
        (aval(4, dtype="c8"), np.complex64(2)),
    ):
        assert names(simplified(lambda x, two=two: of("power", x, two), x)) == ["power"]


def test_where_with_a_known_condition() -> None:
    x, y = aval(3, 4), aval(4)
    assert names(simplified(lambda x, y: of("where", np.True_, x, y), x, y)) == []
    assert names(simplified(lambda x, y: of("where", np.zeros(4, bool), x, y), x, y)) == ["broadcast_to"]
    mixed = np.array([True, False, True, True])
    assert names(simplified(lambda x, y: of("where", mixed, x, y), x, y)) == ["where"]


def test_astype() -> None:
    x = aval(4, dtype=np.int32)
    assert names(simplified(lambda x: of("astype", x, dtype=np.dtype(np.int32)), x)) == []
    assert names(simplified(lambda x: of("astype", x, dtype=np.dtype(np.uint32)), x)) == ["astype"]
    # There and back loses digits.
    narrow = lambda x: of("astype", of("astype", x, dtype=np.dtype(np.int8)), dtype=np.dtype(np.int32))  # noqa: E731
    assert names(simplified(narrow, x)) == ["astype", "astype"]


@pytest.mark.parametrize("name", ["identity", "stop_gradient"])
def test_what_only_derivatives_see_disappears(name: str) -> None:
    assert names(simplified(lambda x: of(name, x), aval(4))) == []


def test_custom_derivatives_disappear() -> None:
    def function(x: Any, y: Any) -> Any:
        unused = np.exp(x)
        return of("custom_vjp", unused, x, y, outputs=2, vjp=lambda *gs: gs)

    graph = simplified(function, aval(4), aval(3))
    assert graph.nodes == [] and graph.outputs == graph.inputs


# -- shapes -------------------------------------------------------------------------------------------------


def test_reshape() -> None:
    x = aval(2, 6)
    assert names(simplified(lambda x: np.reshape(np.reshape(x, (3, 4)), (12,)), x)) == ["reshape"]
    assert names(simplified(lambda x: np.reshape(np.reshape(x, (3, 4)), (2, 6)), x)) == []
    assert names(simplified(lambda x: np.reshape(np.transpose(x), (12,)), x)) == ["transpose", "reshape"]
    row = lambda x: np.reshape(np.broadcast_to(x, (4, 6)), (24,))  # noqa: E731
    assert names(simplified(row, aval(6))) == ["broadcast_to", "reshape"]
    assert names(simplified(row, aval(1, 1))) == ["reshape", "broadcast_to"]


def test_transpose() -> None:
    x = aval(2, 3, 5)
    assert names(simplified(lambda x: of("transpose", x, axes=(0, 1, 2)), x)) == []
    turn = lambda x, *axes: of("transpose", x, axes=axes)  # noqa: E731
    graph = simplified(lambda x: turn(turn(x, 1, 2, 0), 2, 1, 0), x)
    assert names(graph) == ["transpose"] and graph.nodes[0].params == {"axes": (0, 2, 1)}
    assert names(simplified(lambda x: turn(turn(x, 1, 2, 0), 2, 0, 1), x)) == []


def test_broadcast_to() -> None:
    x = aval(3, 1)
    assert names(simplified(lambda x: of("broadcast_to", x, shape=(3, 1)), x)) == []
    twice = simplified(lambda x: np.broadcast_to(np.broadcast_to(x, (3, 4)), (2, 3, 4)), x)
    assert names(twice) == ["broadcast_to"]


def test_operations_broadcast_themselves() -> None:
    x, y = aval(3, 4), aval(4)
    graph = simplified(lambda x, y: of("add", x, np.broadcast_to(y, (3, 4))), x, y)
    assert names(graph) == ["add"] and graph.nodes[0].inputs == tuple(graph.inputs)
    graph = simplified(lambda x: of("add", x, np.full((3, 4), 7, np.float32)), x)
    assert graph.nodes[0].inputs[1].aval.shape == ()
    # Not if the result would be smaller.
    graph = simplified(lambda y: of("add", y, np.broadcast_to(y, (3, 4))), y)
    assert names(graph) == ["broadcast_to", "add"]
    graph = simplified(lambda y: of("add", y, np.full((3, 4), 7, np.float32)), y)
    assert graph.nodes[0].inputs[1].aval.shape == (3, 4)
    graph = simplified(lambda y: of("exp", np.broadcast_to(y, (3, 4))), y)
    assert names(graph) == ["broadcast_to", "exp"]
    # Only one of two that are broadcast: the other then makes the shape.
    graph = simplified(lambda y: of("add", np.broadcast_to(y, (3, 4)), np.broadcast_to(y, (3, 4))), y)
    assert names(graph) == ["broadcast_to", "add"]


def test_setitem_of_everything() -> None:
    x, everything = aval(2, 3), ((0, 2, 1), (0, 3, 1))
    assert names(simplified(lambda x, y: of("setitem", x, y, index=everything), x, x)) == []
    assert names(simplified(lambda x, y: of("setitem", x, y, index=everything), x, aval(3))) == ["setitem"]
    double = aval(2, 3, dtype="f8")
    assert names(simplified(lambda x, y: of("setitem", x, y, index=everything), x, double)) == ["setitem"]
    for index in (((0, 2, 1), (2, None, -1)), ((0, 1, 1), (0, 3, 1))):
        graph = simplified(lambda x, y, i=index: of("setitem", x, y[: i[0][1]], index=i), x, x)
        assert "setitem" in names(graph)


@types(*FLOATS, *SIGNED, *UNSIGNED, "bool")
def test_a_sum_over_nothing_but_ones(dtype: np.dtype) -> None:
    x = aval(15, 1, dtype=dtype)
    for params in ({"axis": (1,), "keepdims": False}, {"axis": (1,), "keepdims": True}):
        graph = simplified(lambda x, p=params: of("sum", x, **p), x)
        # NumPy's sum of -0 alone is 0.
        assert "sum" not in names(graph) and ("add" in names(graph)) == (dtype.kind in "fV")
    assert names(simplified(lambda x: of("sum", x, axis=(0,), keepdims=False), x)) == ["sum"]
    assert names(simplified(lambda x: of("sum", x, axis=(0, 1), keepdims=False), x)) == ["sum"]


@types("float16", "float32", "uint8")
@pytest.mark.parametrize("n", [0, 3, 300])
def test_the_sum_of_a_broadcast_is_not_a_product(dtype: np.dtype, n: int) -> None:
    # It rounds otherwise, and a count can be zero or too large for the dtype.
    graph = simplified(
        lambda x: of("sum", np.broadcast_to(x, (n,)), axis=(0,), keepdims=False), aval(dtype=dtype)
    )
    assert "multiply" not in names(graph)


# -- complex numbers ----------------------------------------------------------------------------------------


def test_complex_numbers_are_not_taken_apart_and_put_together() -> None:
    x, z = aval(15, dtype="float64"), aval(15, dtype="complex128")
    assert names(simplified(lambda x: of("conjugate", x), x)) == []
    assert names(simplified(lambda z: of("conjugate", of("conjugate", z)), z)) == []
    assert names(simplified(lambda z: of("conjugate", of("negative", z)), z)) == ["negative", "conjugate"]
    assert names(simplified(lambda z: of("complex", of("real", z), of("imag", z)), z)) == []
    for part in ("real", "imag"):
        assert names(simplified(lambda x, y, part=part: of(part, of("complex", x, y)), x, x)) == []
    # One of the parts is broadcast; the parts are those of two numbers, or the other way round.
    assert names(simplified(lambda x, y: of("imag", of("complex", x, y)), x, aval(dtype="float64"))) == [
        "complex",
        "imag",
    ]
    assert len(names(simplified(lambda z, w: of("complex", of("real", z), of("imag", w)), z, z))) == 3
    assert len(names(simplified(lambda z: of("complex", of("imag", z), of("real", z)), z))) == 3


def test_axes_that_are_taken_whole_need_no_index() -> None:
    def indices(graph: Graph) -> int:
        (taken,) = (n for n in graph.nodes if n.primitive.name == "gather")
        return len(taken.inputs) - 1

    x, i = aval(3, 4, 5, 2), aval(3, 2, 1, 1, dtype=np.int64)
    graph = simplified(lambda x, i: np.take_along_axis(x, np.clip(i, 0, 3), axis=1), x, i)
    assert indices(graph) == 2 and graph.outputs[0].aval.shape == (3, 2, 5, 2)
    rows = lambda x, i: of("gather", x, np.clip(i, 0, 2), np.arange(4), np.zeros((1, 1), int))  # noqa: E731
    assert indices(simplified(rows, x, aval(1, 1, dtype=np.int64))) == 3, "the last one is not whole"
    rows = lambda x, i: of("gather", x, np.clip(i, 0, 2), np.arange(4))  # noqa: E731
    assert indices(simplified(rows, x, aval(6, 1, dtype=np.int64))) == 1
    assert indices(simplified(rows, x, aval(dtype=np.int64))) == 1
    assert indices(simplified(rows, x, aval(4, dtype=np.int64))) == 2, "one by one"
    for wrong in (np.arange(3), np.arange(4)[::-1], np.arange(4)[:, None, None]):
        part = lambda x, i, wrong=wrong: of("gather", x, np.clip(i, 0, 2), wrong)  # noqa: E731
        assert indices(simplified(part, x, aval(6, 1, dtype=np.int64))) == 2
    assert "gather" not in names(simplified(lambda x: of("gather", x, np.arange(3)[None]), x))
