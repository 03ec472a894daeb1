"""Which of Keras's operations keep sparse tensors sparse, and how: one table. All others get dense ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common import standardize_dtype

from kerasflow.sparse import arrays, elementwise, products
from kerasflow.sparse.elementwise import dense
from kerasflow.tracing.sparse import SparseTensor, from_scipy

Operation = Callable[..., Any]


def sparse_tensor(x: Any) -> Any:
    """The sparse tensor for one of SciPy's, TensorFlow's or JAX's; anything else as it is."""
    kind: Any = type(x)
    convert = _converter(kind)
    return x if convert is None else convert(x)


@functools.lru_cache(1024)
def _converter(kind: type) -> Callable[[Any], Any] | None:
    """What makes a sparse tensor of objects of a type, whose package need not be imported for that."""
    package, _, rest = kind.__module__.partition(".")
    if package == "scipy" and rest.startswith("sparse") and hasattr(kind, "tocoo"):
        return from_scipy
    if package == "tensorflow" and kind.__name__ == "SparseTensor":
        return lambda x: SparseTensor(np.asarray(x.indices), np.asarray(x.values), x.shape)
    if package == "jax" and kind.__name__ == "BCOO":
        return lambda x: SparseTensor(np.asarray(x.indices), np.asarray(x.data), x.shape)
    return None


def any_sparse(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an argument of an operation is a sparse tensor, or a sequence with one."""
    for x in (*args, *kwargs.values()) if kwargs else args:
        kind = type(x)
        if kind is SparseTensor or ((kind is list or kind is tuple) and SparseTensor in map(type, x)):
            return True
    return False


def on_sparse(name: str, function: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What one of Keras's operations gives where an argument is sparse.

    Args:
        function: the operation itself, for dense tensors.
    """
    rule = RULES.get(name)
    if rule is not None:
        return rule(function, *args, **kwargs)
    args, kwargs = tree.map_structure(dense, (args, kwargs))
    return function(*args, **kwargs)


# -- rules: of an operation and its arguments ---------------------------------------------------------------


def _dtype(function: Operation, *xs: Any) -> Any:
    """The dtype of an operation's result."""
    return function(*(np.ones(1, x.dtype) for x in xs)).dtype


def _cast(x: SparseTensor, dtype: Any) -> SparseTensor:
    return x if x.dtype == dtype else x.with_values(x.values.astype(dtype))


def _reduced(reduce: Operation) -> Operation:
    def rule(function: Operation, x: SparseTensor, axis: Any = None, keepdims: bool = False) -> Any:
        return reduce(_cast(x, _dtype(function, x)), axis, keepdims)

    return rule


def _concatenate(function: Operation, xs: Any, axis: int = 0) -> Any:
    if not all(isinstance(x, SparseTensor) for x in xs):
        return function([dense(x) for x in xs], axis=axis)
    dtype = function([np.ones(1, x.dtype) for x in xs]).dtype
    return arrays.concatenate([_cast(x, dtype) for x in xs], axis)


def _digitize(function: Operation, x: SparseTensor, bins: Any) -> Any:
    if function(np.zeros(1, x.dtype), bins)[0]:
        return function(dense(x), bins)
    return elementwise.unary(function, x, bins)


def _matmul(function: Operation, x1: Any, x2: Any) -> Any:
    x1, x2 = (x if hasattr(x, "dtype") else np.asarray(x) for x in (x1, x2))
    x1, x2 = (x.value if hasattr(x, "_cell") else x for x in (x1, x2))
    square = (np.ones((1, 1), x.dtype) for x in (x1, x2))
    dtype = function(*square).dtype
    return products.matmul(*(x if x.dtype == dtype else x.astype(dtype) for x in (x1, x2)))


def _bincount(
    function: Operation, x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False
) -> Any:
    if isinstance(x, SparseTensor):
        return arrays.bincount(x, weights, minlength)
    return function(x, dense(weights), minlength, sparse)


def _arranged(arrange: Operation) -> Operation:
    return lambda function, *args, **kwargs: arrange(*args, **kwargs)


def tensor_of_dtype(x: SparseTensor, dtype: Any) -> SparseTensor:
    """A sparse tensor with another dtype."""
    dtype = np.dtype(standardize_dtype(dtype))
    return x if x.dtype == dtype else elementwise.unary(lambda values: values.astype(dtype), x)


def _reshape(function: Operation, x: SparseTensor, newshape: Any) -> Any:
    return arrays.reshape(x, newshape)


# Zero where they are given zero; of those in the second line a sum's result is that of its terms.
_UNARY = (
    "abs absolute arcsin arcsinh arctan arctanh ceil deg2rad expm1 floor isinf isnan log1p round sign sin sinh sqrt "
    "square tan tanh trunc"
).split()
_LINEAR = "conj conjugate copy imag negative real stop_gradient".split()

RULES: dict[str, Operation] = {
    **dict.fromkeys(_UNARY, elementwise.unary),
    **dict.fromkeys(_LINEAR, elementwise.linear),
    **dict.fromkeys(("add", "subtract", "maximum", "minimum"), elementwise.union),
    "multiply": elementwise.product,
    **dict.fromkeys(("divide", "true_divide"), elementwise.division),
    "cast": _arranged(tensor_of_dtype),
    "matmul": _matmul,
    "sum": _reduced(arrays.total),
    "mean": _reduced(arrays.mean),
    "concatenate": _concatenate,
    "expand_dims": _arranged(arrays.expand_dims),
    "reshape": _reshape,
    "squeeze": _arranged(arrays.squeeze),
    "transpose": _arranged(arrays.transpose),
    "digitize": _digitize,
    "bincount": _bincount,
}


__all__ = ["SparseTensor", "any_sparse", "dense", "on_sparse", "sparse_tensor", "tensor_of_dtype"]
