"""Every primitive on its own: what its graph says and gives is what NumPy says and gives."""

import numpy as np
import pytest

from kerasflow.graph import evaluate, infer, shaped, verify
from kerasflow.primitives import PRIMITIVES
from kerasflow.testing import SPECS, OpSpec
from kerasflow.tracing import Trace, recording


def spec_and_dtype() -> list:
    return [pytest.param(spec, dtype, id=f"{spec}-{dtype}") for spec in SPECS for dtype in spec.dtypes]


def assert_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    if ours.dtype.kind in "fV":
        np.testing.assert_array_equal(np.signbit(ours), np.signbit(theirs))
        # bfloat16's NaN is unequal to itself in NumPy's test tools.
        ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("spec", "dtype"), spec_and_dtype())
def test_forward(spec: OpSpec, dtype: str) -> None:
    primitive, params = PRIMITIVES[spec.primitive], spec.parameters(dtype)
    arrays = spec.arrays(dtype)
    with np.errstate(all="ignore"):
        direct = primitive.evaluate(*arrays, **params)
    expected = [np.asarray(x) for x in (direct if primitive.multiple_results else (direct,))]

    # The shape rule says what NumPy gives.
    avals = infer(primitive, [shaped(x) for x in arrays], params)
    assert [str(a) for a in avals] == [str(shaped(x)) for x in expected]

    # A recorded graph is valid and gives it too; the operands stay as they are.
    trace = Trace()
    with recording(trace):
        results = spec.function(dtype)(*(trace.add_input(shaped(x)) for x in arrays))
    graph = trace.graph(list(results) if primitive.multiple_results else [results])
    verify(graph)
    outputs, _ = evaluate(graph, [], arrays)
    for ours, theirs in zip(outputs, expected, strict=True):
        assert_same(np.asarray(ours), theirs)
    for before, after in zip(spec.arrays(dtype), arrays, strict=True):
        assert_same(after, before)
