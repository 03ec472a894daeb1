"""What a traced array cannot do says so, with the user's own line and a remedy."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

from kerasflow.errors import TracingError
from kerasflow.graph import ShapedArray
from kerasflow.tracing import Trace, recording


def ask_truth(x: Any) -> None:
    if x[0, 0] > 0:
        pass


def assign(x: Any) -> None:
    x[0] = 1.0


def add_into_array(x: Any) -> None:
    total = np.zeros((3, 4), np.float32)
    total += x


VALUE_NEEDED: list[tuple[Callable[[Any], Any], str]] = [
    (ask_truth, "np.where"),
    (assign, "cannot be changed in place"),
    (add_into_array, "Use the result that it returns"),
    (lambda x: x[0, 0] and True, "keras.ops.cond"),
    (lambda x: not x[0, 0], "keras.ops.cond"),
    (lambda x: max(x[0, 0], 0.0), "keras.ops.cond"),
    (lambda x: sorted(x[0]), "keras.ops.cond"),
    (lambda x: 1.0 in x[0], "keras.ops.cond"),
    (lambda x: float(x[0, 0]), "a Python float|A Python float"),
    (lambda x: int(x[0, 0]), "Python int"),
    (lambda x: complex(x[0, 0]), "Python complex"),
    (lambda x: math.sqrt(x[0, 0]), "Python float"),
    (lambda x: range(x[0, 0]), "must be known while tracing"),
    (lambda x: [1, 2, 3][x[0, 0]], "must be known while tracing"),
    (lambda x: x.item(), "item"),
    (lambda x: x.tolist(), "tolist"),
    (lambda x: x.numpy(), "numpy"),
    (lambda x: np.array(x), "convert_to_tensor"),
    (lambda x: np.asarray(x), "convert_to_tensor"),
    (lambda x: np.array([x, x]), "convert_to_tensor"),
    (lambda x: np.sum([x, x]), "convert_to_tensor"),
    (lambda x: np.take(np.arange(9.0), x.astype(int)), "convert_to_tensor"),
    (lambda x: np.arange(9.0)[x.astype(int)], "NumPy array was asked for|must be known"),
    (lambda x: x[x > 0], "np.where"),
    (lambda x: x[x[0, 0] > 0], "depend on values.*np.where"),
    (lambda x: x[..., x.any()], "depend on values.*np.where"),
    (lambda x: x.sort(), "np.sort"),
    (lambda x: np.nonzero(x), "depends on values"),
    (lambda x: np.where(x > 0), "depends on values"),
    (lambda x: np.unique(x), "depends on values"),
    (lambda x: np.flatnonzero(x), "depends on values"),
    (lambda x: x.compress([True, False]), "depends on values"),
    (lambda x: np.repeat(x, x[:, 0].astype(int), axis=0), "cannot be traced"),
    (lambda x: np.bincount(x[0].astype(int)), "minlength"),
    (lambda x: np.add.at(x, [0], 1.0), "np.add.at"),
    (lambda x: np.add.reduceat(x, [0, 1]), "np.add.reduceat"),
    (lambda x: np.add(x, x, out=np.zeros((3, 4))), "write a traced result"),
    (lambda x: np.add(np.ones((3, 4)), 1, out=x), "write a traced result"),
    (lambda x: np.sum(x, out=np.zeros(())), "write a traced result"),
    (lambda x: np.sum(x, None, None, np.zeros(())), "write a traced result"),
    (lambda x: x.clip(0, 1, np.zeros((3, 4))), "write a traced result"),
    (lambda x: np.add(x, x, where=x > 0), "where"),
    (lambda x: np.copyto(np.zeros((3, 4)), x), "np.copyto"),
    (lambda x: np.put(x, [0], 1.0), "np.put"),
    (lambda x: np.put_along_axis(x, np.zeros((3, 1), int), 1.0, 1), "scatter_update"),
    (lambda x: np.histogram(x, "auto"), "np.histogram"),
    (lambda x: np.apply_along_axis(np.sum, 0, x), "np.apply_along_axis"),
    (lambda x: np.frexp(x), "np.frexp"),
    (lambda x: np.quantile(x, 0.5, weights=x, method="inverted_cdf"), "weights"),
    (lambda x: np.linalg.pinv(x, np.ones(3)), "rcond"),
    (lambda x: np.linalg.qr(x, "raw"), "raw"),
    (lambda x: np.real_if_close(x * 1j), "depends on values"),
    (lambda x: np.einsum(x, [0, 1]), "subscripts as a string"),
    (lambda x: np.pad(x, 1, mode="linear_ramp"), "linear_ramp"),
]


@pytest.fixture
def traced() -> Any:
    trace = Trace()
    with recording(trace):
        yield trace.add_input(ShapedArray((3, 4), np.dtype(np.float32)))


@pytest.mark.parametrize(("use", "remedy"), VALUE_NEEDED, ids=range(len(VALUE_NEEDED)))
def test_error_names_the_line_and_a_remedy(use: Callable[[Any], Any], remedy: str, traced: Any) -> None:
    with pytest.raises(TracingError, match=remedy) as caught:
        use(traced)
    assert f"{__file__}:" in str(caught.value)


def test_error_shows_the_code(traced: Any) -> None:
    with pytest.raises(TracingError, match=r"test_tracing_errors\.py:\d+: if x\[0, 0\] > 0:"):
        ask_truth(traced)


def test_error_names_what_was_called(traced: Any) -> None:
    with pytest.raises(TracingError, match=r"`scipy\.special\.expit` cannot be traced"):
        scipy.special.expit(traced)
    with pytest.raises(TracingError, match=r"`np\.frexp` cannot be traced"):
        np.frexp(traced)
    with pytest.raises(TracingError, match=r"`<lambda> \(vectorized\)` cannot be traced"):
        np.frompyfunc(lambda a: a, 1, 1)(traced)


def test_error_in_a_library_shows_the_line_that_called_it(traced: Any) -> None:
    with pytest.raises(TracingError, match=r"test_tracing_errors\.py:\d+: statistics\.fmean\(traced\[0\]\)"):
        statistics.fmean(traced[0])


BAD_ARGUMENTS: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda x: x + np.ones(3), ValueError, r"\(3, 4\).*\(3,\)"),
    (lambda x: x @ x, ValueError, "matmul"),
    (lambda x: np.sum(x, axis=2), ValueError, "axis 2"),
    (lambda x: np.sum(x, axis=(0, 0)), ValueError, "duplicate"),
    (lambda x: np.reshape(x, (5, 2)), ValueError, "cannot reshape"),
    (lambda x: np.concatenate([x, x[:, :2]]), ValueError, "must match"),
    (lambda x: np.stack([x, x[0]]), ValueError, "same shape"),
    (lambda x: np.broadcast_to(x, (2, 2)), ValueError, "broadcast"),
    (lambda x: x[5], IndexError, "out of bounds"),
    (lambda x: x[0, 0, 0], IndexError, "too many indices"),
    (lambda x: x[..., ...], IndexError, "single ellipsis"),
    (lambda x: x[1.5], IndexError, "integer"),
    (lambda x: x[[0, 7]], IndexError, "out of bounds"),
    (lambda x: x[np.ones(5, bool)], IndexError, "boolean index"),
    (lambda x: np.take(x, 9, axis=0), IndexError, "out of bounds"),
    (lambda x: x & 1, TypeError, "bitwise_and"),
    (lambda x: ~x, TypeError, "invert"),
    (lambda x: np.einsum("ij,jk->ik", x, x), ValueError, "einsum"),
    (lambda x: np.einsum("ijk->i", x), ValueError, "einsum"),
    (lambda x: np.max(x[:0]), ValueError, "zero-size"),
    (lambda x: np.split(x, 3, axis=1), ValueError, "equal division"),
    (lambda x: x.astype(np.uint8) + 300, OverflowError, "300"),
    (lambda x: len(x[0, 0]), TypeError, "unsized"),
    (lambda x: np.transpose(x, (0, 0)), ValueError, "axes"),
    (lambda x: np.squeeze(x, 0), ValueError, "squeeze"),
]


@pytest.mark.parametrize(("use", "error", "message"), BAD_ARGUMENTS, ids=range(len(BAD_ARGUMENTS)))
def test_bad_arguments_are_numpys_errors(
    use: Callable[[Any], Any], error: type[Exception], message: str, traced: Any
) -> None:
    with pytest.raises(error, match=message):
        use(traced)


def test_a_tracer_outlives_its_trace(traced: Any) -> None:
    with recording(Trace()), pytest.raises(TracingError, match="outside the call that traced it"):
        traced + 1


def test_it_prints(traced: Any) -> None:
    assert repr(traced) == "Tracer(float32[3,4])"
    assert f"{traced}" == "Tracer(float32[3,4])"
    assert f"{traced:.2f}" == "Tracer(float32[3,4])"


def test_foreign_objects_may_take_over(traced: Any) -> None:
    class Foreign:
        __array_ufunc__ = None

        def __radd__(self, other: Any) -> str:
            return "mine"

    assert traced + Foreign() == "mine"
    with pytest.raises(TypeError):
        traced + object()
