"""Every primitive on the NumPy backend amid buffers that are taken over, reused and spoilt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from graphs import assert_runs, graph_of, shaped

from kerasflow.testing import SPECS, OpSpec, assert_close
from kerasflow.tracing import apply
from kerasflow_numpy import NumpyBackend


def agree(spec: OpSpec, dtype: str) -> Callable[[Any, Any], None]:
    return lambda ours, theirs: assert_close(ours, theirs, spec.backend_tolerance, f"{spec} in {dtype}")


def moved(x: Any) -> Any:
    """x in a buffer of its own."""
    return (
        apply("logical_or", x, np.False_) if x.dtype == bool else apply("multiply", x, np.ones((), x.dtype))
    )


def wrapped(spec: OpSpec, dtype: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The call with operands and results in the workspace: operands that die with it, and that are read later."""
    call = spec.function(dtype)

    def results(*xs: Any) -> list[Any]:
        found = call(*xs)
        return [moved(r) for r in (found if isinstance(found, (tuple, list)) else [found])]

    yield "operands die", lambda *xs: results(*map(moved, xs))
    yield "constant operands", lambda *xs: results(moved(xs[0]), *spec.arrays(dtype)[1:])

    def shared(*xs: Any) -> list[Any]:
        kept = [moved(x) for x in xs]
        return [*results(*kept), *results(*kept), *map(moved, kept)]

    yield "operands live on", shared


@pytest.mark.parametrize("spec", [s for s in SPECS if s.primitive in NumpyBackend.primitives], ids=str)
def test_amid_other_buffers(spec: OpSpec) -> None:
    for dtype in spec.dtypes:
        arrays = spec.arrays(dtype)
        for _, function in wrapped(spec, dtype):
            graph = graph_of(function, *map(shaped, arrays))
            for poison in (False, True):
                backend = NumpyBackend(poison=poison)
                assert_runs(backend, graph, [], arrays, calls=2, compare=agree(spec, dtype))


@pytest.mark.parametrize("spec", [s for s in SPECS if s.primitive in NumpyBackend.primitives], ids=str)
def test_on_strided_and_read_only_operands(spec: OpSpec) -> None:
    """Every second element of a larger array, backwards along the first axis."""
    for dtype in spec.dtypes:
        strided = []
        for x in spec.arrays(dtype):
            larger = np.empty(tuple(2 * n for n in x.shape), x.dtype)
            view = larger[(..., *(slice(None, None, -2 if i == 0 else 2) for i in range(x.ndim)))]
            view[...] = x
            view.flags.writeable = False
            strided.append(view)
        assert_runs(NumpyBackend(True), spec.graph(dtype), [], strided, calls=1, compare=agree(spec, dtype))
