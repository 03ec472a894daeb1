"""Every operation of `keras.ops`: the same numbers on arrays, with values, traced and compiled; its gradient."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import optree
import pytest
from op_calls import CALLS, NOT_CALLED, is_there, operands

import kerasflow
from kerasflow.errors import TracingError
from kerasflow.graph import evaluate, shaped, verify
from kerasflow.testing import assert_close, check_grads
from kerasflow.tracing import Trace, Tracer, recording

import keras  # isort: skip


def used(expression: str) -> dict[str, Any]:
    """The operands that stand in an expression."""
    words = set(re.findall(r"\b[a-z]+\b", expression))
    return {name: x for name, x in operands().items() if name in words}


def call(expression: str, names: list[str]) -> Any:
    """The expression as a function of its operands."""
    return eval(f"lambda {', '.join(names)}: {expression}", {"ops": keras.ops})


def in_float32(x: Any) -> Any:
    return x.astype(np.float32) if x.dtype == np.float64 else x.astype(np.int32) if x.dtype == np.int64 else x


def leaves(result: Any) -> list[Any]:
    return [np.asarray(x) for x in optree.tree_leaves(result)]


def public_operations() -> list[str]:
    names = [
        name for name in dir(keras.ops) if not name.startswith("_") and callable(getattr(keras.ops, name))
    ]
    image = [name for name in dir(keras.ops.image) if not name.startswith("_")]
    return [*names, *(f"image.{name}" for name in image)]


@pytest.mark.parametrize("name", public_operations())
def test_every_operation_is_called(name: str) -> None:
    called = any(re.search(rf"\bops\.{re.escape(name)}\(", expression) for expression in CALLS)
    assert called or name in NOT_CALLED, f"keras.ops.{name}: a call, or a reason for none"


@pytest.mark.parametrize("expression", list(filter(is_there, CALLS)))
def test_every_mode_gives_the_same(expression: str) -> None:
    arrays = {name: in_float32(x) for name, x in used(expression).items()}
    function = call(expression.lstrip("~"), list(arrays))
    with np.errstate(all="ignore"):
        eager = leaves(function(*arrays.values()))

        trace = Trace(concrete=True)
        with recording(trace):
            found = function(*map(trace.lift, arrays.values()))
        recorded = leaves(optree.tree_map(lambda x: np.array(x) if isinstance(x, Tracer) else x, found))

        trace = Trace()
        with recording(trace):
            found = optree.tree_leaves(function(*(trace.add_input(shaped(x)) for x in arrays.values())))
            graph = trace.graph(found)
        verify(graph)
        traced, _ = evaluate(graph, [], list(arrays.values()))
        compiled = leaves(kerasflow.jit(function)(*arrays.values()))
    for mode, results in (("recorded", recorded), ("traced", traced), ("compiled", compiled)):
        assert len(results) == len(eager)
        for ours, theirs in zip(results, eager, strict=True):
            assert_close(ours, theirs, 64, f"{mode}: {expression}")


@pytest.mark.parametrize("expression", [e for e in CALLS if not e.startswith("~") and is_there(e)])
def test_gradients_are_differences(expression: str) -> None:
    arrays = used(expression)
    floats = [i for i, x in enumerate(arrays.values()) if x.dtype == np.float64]
    function = call(expression, list(arrays))

    def real(*xs: Any) -> Any:
        """The parts of the result that can be differentiated, as real numbers."""
        parts = [x for x in optree.tree_leaves(function(*xs)) if x.dtype.kind in "fc"]
        return tuple(
            part for x in parts for part in ((np.real(x), np.imag(x)) if x.dtype.kind == "c" else (x,))
        )

    if floats and real(*arrays.values()):
        check_grads(real, list(arrays.values()), 1, argnums=floats, tolerance=1e-5)


@pytest.mark.parametrize(
    "expression",
    [e for e in ("nonzero(x)", "where(x > 0)", "unique(x)", "bincount(j)") if is_there(f"ops.{e}")],
)
def test_shapes_that_depend_on_values(expression: str) -> None:
    arrays = used(expression)
    function = call(f"ops.{expression}", list(arrays))
    function(*arrays.values())
    with pytest.raises(TracingError, match=r"depends? on values|`size`"):
        kerasflow.jit(function)(*arrays.values())
