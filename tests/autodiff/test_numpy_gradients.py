"""The gradient of every NumPy function that has one, through `kerasflow.autodiff.grad`, against differences.

The calls are those of `tests/tracing/numpy_calls`, in double precision, with respect to every real or complex operand
in them.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
from numpy_calls import CLOSE, EXACT, operands

from kerasflow.testing import check_grads

# One of the calls is the cross product of vectors in the plane.
pytestmark = pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors:DeprecationWarning")

NUMBERS = set("xyvwszcqptdko")

# Of the calls, those whose derivative differences cannot find, and why.
UNSUITABLE = {
    r"nextafter|spacing": "the neighbouring number: constant offset, no derivative rule by intention",
    r"round\(.*[1-9]\)|astype|float16|float32|dtype=(int|bool|np\.int32)": "steps as small as the difference's",
    r"linalg\.norm\(v, 0\)|norm\(x, 0": "counts",
    r"x - x|s \* 0|k \* np\.inf|x / 0|std\(s\)|log\(np.zeros_like": "no finite derivative",
    r"floor_divide\(d|(remainder|fmod|mod)\(d|7 // p": "jumps close to the point",
    r"k == |k\.astype|isclose": "no derivative",
    r"(svd|eigh?)\(o": "determined but for phases; see tests/bridge/test_linalg.py",
    r"svd\(x\)": "singular vectors that are any orthonormal ones",
    r"histogram\(x, 4, weights": "jumps where a bin's edge moves with the largest value",
    r"lstsq\(d, |matrix_rank": "does not depend on it, but for rounding",
}


def names_in(expression: str) -> list[str]:
    return sorted(set(re.findall(r"(?<![\w.\"'])[a-z](?![\w\"'=(])", expression)))


def suitable(expression: str) -> bool:
    names = names_in(expression)
    if (
        not names
        or not set(names) <= NUMBERS
        or any(re.search(pattern, expression) for pattern in UNSUITABLE)
    ):
        return False
    arrays = {name: doubled(array) for name, array in operands().items() if name in names}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            results = flat(eval(expression, {"np": np, **arrays}))
        except (TypeError, ValueError, OverflowError, AttributeError):
            return False
    kept = [np.asarray(r) for r in results if getattr(r, "dtype", np.dtype(int)).kind in "fc"]
    return bool(kept) and all(np.isfinite(r).all() for r in kept)


def doubled(array: Any) -> Any:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def flat(result: Any) -> list[Any]:
    return [leaf for part in result for leaf in flat(part)] if isinstance(result, (list, tuple)) else [result]


@pytest.mark.parametrize("expression", list(filter(suitable, dict.fromkeys(EXACT + CLOSE))))
def test_gradient(expression: str) -> None:
    names = names_in(expression)
    arrays = operands()

    def function(*xs: Any) -> Any:
        return tuple(flat(eval(expression, {"np": np, **dict(zip(names, xs, strict=True))})))

    check_grads(function, [doubled(arrays[name]) for name in names], order=1)
