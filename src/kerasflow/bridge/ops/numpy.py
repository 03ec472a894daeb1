"""What replaces functions of Keras's own NumPy operations: those that make arrays in ways that do not trace."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend import config
from keras.src.backend.common import KerasVariable, dtypes
from keras.src.backend.common.backend_utils import standardize_axis_for_numpy

from kerasflow.bridge.ops.control import vectorized_map
from kerasflow.bridge.ops.sums import by_product, mean_by_product
from kerasflow.bridge.ops.tensors import cast, convert_to_tensor, tensor
from kerasflow.bridge.ops.unique import tracing_unique
from kerasflow.sparse import arrays
from kerasflow.tracing import Tracer, gives_sparse
from kerasflow.tracing.functions import indexing
from kerasflow.tracing.functions.products import cross_product
from kerasflow.tracing.indexing import require_inside
from kerasflow.tracing.tensor import Tensor, plain, tensors


def array(x: Any, dtype: Any = None) -> Any:
    return convert_to_tensor(x, dtype=dtype)


def cross(x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    """The cross product, of vectors in the plane too, which NumPy takes before 2.5 only."""
    if axis is not None:
        axisa = axisb = axisc = axis
    return cross_product(*_common(x1, x2), axisa, axisb, axisc)


def divide_no_nan(x1: Any, x2: Any) -> Any:
    """`x1 / x2`, zero where x2 is zero, with gradients that are zero there too."""
    x1, x2 = _common(x1, x2, float)
    zero = x2 == 0
    return np.where(zero, np.zeros((), x1.dtype), np.divide(x1, np.where(zero, np.ones((), x2.dtype), x2)))


def _common(x1: Any, x2: Any, *more: Any) -> tuple[Any, Any]:
    kinds = [getattr(tensor(x) if not isinstance(x, (int, float)) else x, "dtype", type(x)) for x in (x1, x2)]
    dtype = dtypes.result_type(*kinds, *more)
    return tensor(x1, dtype), tensor(x2, dtype)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    dtype = dtype or config.floatx()
    if isinstance(fill_value, Tracer):
        return np.broadcast_to(fill_value.astype(dtype), shape)
    return np.full(shape, fill_value, dtype=dtype)


def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    start, stop = (
        cast(x, "float32") if getattr(x, "dtype", float) == "bfloat16" else x for x in (start, stop)
    )
    return np.geomspace(start, stop, num, endpoint, dtype or config.floatx(), axis)


def matmul(x1: Any, x2: Any) -> Any:
    """The product of (stacks of) matrices; of two arrays of int8 in int32, as elsewhere in Keras."""
    x1, x2 = tensor(x1), tensor(x2)
    narrow = x1.dtype == x2.dtype == np.int8
    dtype = "int32" if narrow else dtypes.result_type(x1.dtype, x2.dtype)
    return tensors(tensor(x1, dtype)) @ tensor(x2, dtype)


def bincounting(function: Callable[..., Any]) -> Callable[..., Any]:
    """`bincount`, which gives a sparse tensor where one is asked for."""

    @functools.wraps(function)
    def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
        if not (sparse and gives_sparse()):
            return function(x, weights, minlength)
        return arrays.bincount(tensor(x), None if weights is None else tensor(weights), minlength)

    return bincount


def repeat(x: Any, repeats: Any, axis: Any = None) -> Any:
    """`np.repeat`, which takes no counts that are wider than NumPy's own integers; those may have 32 bits."""
    counts = repeats.astype(np.intp) if isinstance(repeats, np.ndarray) else repeats
    return np.repeat(x, counts, axis=axis)


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """Of the choices whose condition holds the first; in Keras's common dtype, which NumPy's is not for bfloat16."""
    options = [x if isinstance(x, (int, float)) else tensor(x) for x in (*choicelist, default)]
    dtype = dtypes.result_type(*(getattr(x, "dtype", type(x)) for x in options))
    *choices, result = (tensor(x, dtype) for x in options)
    for condition, choice in reversed(list(zip(condlist, choices, strict=True))):
        result = np.where(tensor(condition, "bool"), choice, result)
    return result


def take(x: Any, indices: Any, axis: Any = None) -> Any:
    """`np.take`, which NumPy dispatches on x alone: here the indices may be what is traced."""
    return _looked_up(np.take, indexing.take, x, indices, axis)


def take_along_axis(x: Any, indices: Any, axis: Any = None) -> Any:
    """`np.take_along_axis`; what is out of bounds is said as in a program."""
    return _looked_up(np.take_along_axis, indexing.take_along_axis, x, indices, axis)


def _looked_up(known: Callable[..., Any], traced: Callable[..., Any], x: Any, indices: Any, axis: Any) -> Any:
    x, indices, axis = tensor(x), tensor(indices), standardize_axis_for_numpy(axis)
    if isinstance(x, Tracer) or isinstance(indices, Tracer):
        return traced(x, indices, axis=axis)
    try:
        return known(x, indices, axis=axis)
    except IndexError:
        require_inside(indices, *((x.size, 0) if axis is None else (x.shape[axis], axis % x.ndim)))
        raise


def vectorize(pyfunc: Callable[..., Any], *, excluded: Any = None, signature: str | None = None) -> Any:
    """`np.vectorize`; of traced arrays all elements are computed together.

    Args:
        signature: the axes that belong to one element, `"(n),(n,m)->(m)"`; without it none.
    """
    apart = set(excluded or ())

    def apply(*args: Any, **kwargs: Any) -> Any:
        args = tuple(
            tensor(x) if isinstance(x, (Tensor, KerasVariable)) else x for x in args
        )  # as a tape has it
        if not any(isinstance(x, Tracer) for x in args):
            # NumPy makes arrays like those that the function gives, and fills them.
            function = np.vectorize(
                lambda *a, **k: plain(pyfunc(*a, **k)), excluded=excluded, signature=signature
            )
            return tensors(function(*args, **kwargs))
        places = [i for i in range(len(args)) if i not in apart]
        arrays = [tensor(args[i]) for i in places]
        own = [0] * len(arrays)
        if signature is not None:
            own = [len(axes.split(",")) if axes else 0 for axes in _AXES.findall(signature.split("->")[0])]
        whole = np.broadcast_shapes(*(x.shape[: x.ndim - n] for x, n in zip(arrays, own, strict=True)))
        flat = []
        for x, n in zip(arrays, own, strict=True):
            one = x.shape[x.ndim - n :]
            flat.append(np.reshape(np.broadcast_to(x, (*whole, *one)), (math.prod(whole), *one)))

        def element(xs: Any) -> Any:
            given = list(args)
            for i, x in zip(places, xs, strict=True):
                given[i] = x
            return pyfunc(*given, **kwargs)

        found = vectorized_map(element, tuple(flat))
        return tree.map_structure(lambda y: np.reshape(y, (*whole, *y.shape[1:])), found)

    return apply


def view(x: Any, dtype: Any = None) -> Any:
    """`x.view(dtype)`; without a dtype its own, where NumPy would take float64."""
    x = tensor(x)
    return x if dtype is None else x.view(np.dtype(dtype))


_AXES = re.compile(r"\(([\w, ]*)\)")

OVERRIDES: dict[str, Callable[..., Any]] = {
    "array": array,
    "convert_to_tensor": tensor,  # Nothing here changes its operands in place.
    "cross": cross,
    "divide_no_nan": divide_no_nan,
    "full": full,
    "geomspace": geomspace,
    "matmul": matmul,
    "repeat": repeat,
    "select": select,
    "take": take,
    "take_along_axis": take_along_axis,
    "vectorize": vectorize,
    "view": view,
}


def converting(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with a first argument that is a list, a tuple or a number made a tensor."""

    @functools.wraps(function)
    def wrapper(x: Any, *args: Any, **kwargs: Any) -> Any:
        return function(x if hasattr(x, "dtype") else tensor(x), *args, **kwargs)

    return wrapper


def in_float32(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with a bfloat16 argument computed in float32: NumPy does not know that type's NaN, nor its i0."""

    @functools.wraps(function)
    def wrapper(x: Any, *args: Any, **kwargs: Any) -> Any:
        x = tensor(x)
        if x.dtype.kind != "V":
            return function(x, *args, **kwargs)
        result = function(cast(x, "float32"), *args, **kwargs)
        return cast(result, x.dtype) if result.dtype == np.float32 else result

    return wrapper


def placing(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with places in int32, as Keras declares them; NumPy's are as wide as the machine's addresses."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return tuple(cast(x, "int32") for x in result) if isinstance(result, tuple) else result

    return wrapper


_IN_FLOAT32 = (
    "i0 nan_to_num nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod "
    "nanquantile nanstd nansum nanvar"
).split()
# Lists and numbers have no `x.dtype` or `x.shape`, and of a list of traced arrays NumPy would make one of values.
_UNCONVERTED = (
    "abs absolute all amax amin any argsort conj conjugate copy corrcoef count_nonzero cumprod cumsum diff flip imag "
    "isfinite isinf isnan logical_not max median min negative ones_like ravel real reciprocal reshape roll rot90 "
    "round sign signbit slogdet sort squeeze transpose tril triu unravel_index zeros_like"
).split()

# What is put around functions of Keras's, where the installed version has them.
AROUND: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(_UNCONVERTED, converting),
    **dict.fromkeys(_IN_FLOAT32, in_float32),
    "bincount": bincounting,
    "mean": mean_by_product,
    "nonzero": placing,
    "sum": by_product,
    "unique": lambda function: converting(tracing_unique(function)),
    "where": placing,
}
