"""What is computed element by element with PyTensor's own operations; the dtypes for which these mean what NumPy's do.

Kinds of dtypes are NumPy's letters: f, i, u, c, b. Each framework's table has the framework's own functions and its own
doubts about dtypes in it; what they have in common are NumPy's names.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt

from kerasflow_pytensor.dtypes import Lowering, Tensor


def _isfinite(x: Tensor) -> Tensor:
    return pt.invert(pt.or_(pt.isnan(x), pt.isinf(x)))


def _clip(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return pt.minimum(pt.maximum(x, low), high)


def _logaddexp(x: Tensor, y: Tensor) -> Tensor:
    # Equal infinities have no distance.
    distance = pt.switch(pt.eq(x, y), np.zeros((), x.dtype), pt.abs(x - y))
    return pt.maximum(x, y) + pt.log1p(pt.exp(-distance))


def _identity(x: Tensor) -> Tensor:
    return x


# For each ufunc the operation and the kinds of its operands.
UFUNCS: dict[str, tuple[Lowering, str]] = {
    "negative": (pt.neg, "fi"),
    "absolute": (pt.abs, "fi"),
    "sign": (pt.sign, "fi"),
    "sqrt": (pt.sqrt, "f"),
    "square": (pt.sqr, "fi"),
    "reciprocal": (pt.reciprocal, "f"),
    "exp": (pt.exp, "f"),
    "exp2": (pt.exp2, "f"),
    "expm1": (pt.expm1, "f"),
    "log": (pt.log, "f"),
    "log2": (pt.log2, "f"),
    "log10": (pt.log10, "f"),
    "log1p": (pt.log1p, "f"),
    "sin": (pt.sin, "f"),
    "cos": (pt.cos, "f"),
    "tan": (pt.tan, "f"),
    "arcsin": (pt.arcsin, "f"),
    "arccos": (pt.arccos, "f"),
    "arctan": (pt.arctan, "f"),
    "sinh": (pt.sinh, "f"),
    "cosh": (pt.cosh, "f"),
    "tanh": (pt.tanh, "f"),
    "arcsinh": (pt.arcsinh, "f"),
    "arccosh": (pt.arccosh, "f"),
    "arctanh": (pt.arctanh, "f"),
    "floor": (pt.floor, "f"),
    "ceil": (pt.ceil, "f"),
    "trunc": (pt.trunc, "f"),
    "deg2rad": (pt.deg2rad, "f"),
    "rad2deg": (pt.rad2deg, "f"),
    "conjugate": (_identity, "fi"),
    "invert": (pt.invert, "iub"),
    "logical_not": (pt.invert, "b"),
    "isnan": (pt.isnan, "f"),
    "isinf": (pt.isinf, "f"),
    "isfinite": (_isfinite, "f"),
    "add": (pt.add, "fiuc"),
    "subtract": (pt.sub, "fiuc"),
    "multiply": (pt.mul, "fiuc"),
    "divide": (pt.true_div, "f"),
    "power": (pt.pow, "f"),
    "maximum": (pt.maximum, "fiu"),
    "minimum": (pt.minimum, "fiu"),
    "logaddexp": (_logaddexp, "f"),
    "arctan2": (pt.arctan2, "f"),
    "bitwise_and": (pt.and_, "iub"),
    "bitwise_or": (pt.or_, "iub"),
    "bitwise_xor": (pt.xor, "iub"),
    "logical_and": (pt.and_, "b"),
    "logical_or": (pt.or_, "b"),
    "logical_xor": (pt.xor, "b"),
    "equal": (pt.eq, "fiub"),
    "not_equal": (pt.neq, "fiub"),
    "less": (pt.lt, "fiu"),
    "less_equal": (pt.le, "fiu"),
    "greater": (pt.gt, "fiu"),
    "greater_equal": (pt.ge, "fiu"),
}


def _astype(x: Tensor, dtype: np.dtype[Any]) -> Tensor:
    return pt.cast(x, dtype.name) if dtype.kind in "fiub" else NotImplemented


NATIVE: dict[str, tuple[Lowering, str]] = {
    **UFUNCS,
    "erf": (pt.erf, "f"),
    "erfc": (pt.erfc, "f"),
    "where": (pt.switch, "fiub"),
    "clip": (_clip, "fiu"),
    "logistic": (pt.sigmoid, "f"),
    "astype": (_astype, "fiub"),
    "stop_gradient": (_identity, "fiucb"),
    "identity": (_identity, "fiucb"),
}
