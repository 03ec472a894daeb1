"""`x[key]` for keys of any kind: as NumPy's, or NumPy's error."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from kerasflow.graph import evaluate, shaped, verify
from kerasflow.tracing import Trace, recording


@st.composite
def arrays_and_keys(draw: Any) -> tuple[np.ndarray, Any]:
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    x = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    common = draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    parts: list[Any] = []
    for n in shape[: draw(st.integers(0, len(shape)))]:
        kinds = [st.slices(n)]
        if n:
            entries = hnp.arrays(np.int64, common, elements=st.integers(-n, n - 1))
            kinds += [st.integers(-n, n - 1), entries, hnp.arrays(bool, (n,)).filter(lambda m: m.sum() == 1)]
        parts.append(draw(st.one_of(kinds)))
    for _ in range(draw(st.integers(0, 2))):
        parts.insert(draw(st.integers(0, len(parts))), None)
    if draw(st.booleans()):
        parts.append(Ellipsis)
    return x, tuple(parts)


@settings(max_examples=300, deadline=None)
@given(arrays_and_keys(), st.booleans())
def test_getitem(case: tuple[np.ndarray, Any], traced_indices: bool) -> None:
    x, key = case
    expected = x[key]
    trace = Trace()
    given_arrays = [x]
    with recording(trace):
        tracer = trace.add_input(shaped(x))
        parts = []
        for part in key:
            if traced_indices and isinstance(part, np.ndarray) and part.dtype != bool:
                given_arrays.append(part)
                part = trace.add_input(shaped(part))
            parts.append(part)
        result = tracer[tuple(parts)]
    graph = trace.graph([result])
    verify(graph)
    (found,), _ = evaluate(graph, [], given_arrays)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)
