"""Tensors: what is one, how anything array-like becomes one, and in which dtype."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common import KerasVariable, is_float_dtype, standardize_dtype
from keras.src.backend.common.dtypes import result_type

from kerasflow import tracing
from kerasflow.bridge.ops.sparse import sparse_tensor, tensor_of_dtype
from kerasflow.graph import is_text
from kerasflow.tracing import TextTracer, Tracer, at_user_line
from kerasflow.tracing.frameworks import require_no_foreign_tape
from kerasflow.tracing.sparse import SparseTensor
from kerasflow.tracing.tensor import Tensor, as_array, tensors

# What to do with sequences of different lengths.
REMEDY = (
    "Give all sequences one length, `keras.utils.pad_sequences(x, padding='post')` (with `dtype='float32'` if they are "
    "no integers); `Embedding(mask_zero=True)` or `Masking` tells the layers which steps to leave out."
)


def convert_to_tensor(x: Any, dtype: Any = None, sparse: Any = None, ragged: Any = None) -> Any:
    """A tensor from anything array-like: the gate between Python's world and NumPy's.

    An array is copied, for its owner may change it; a tensor is not.

    Args:
        sparse: False makes a dense tensor of a sparse one.

    Raises:
        ValueError: if a ragged tensor is asked for; there are none.
    """
    if ragged:
        raise ValueError(f"`ragged=True` is not supported with the numpy backend. {REMEDY}")
    x = sparse_tensor(x)
    if isinstance(x, SparseTensor) and (sparse is None or sparse):
        return x if dtype is None else tensor_of_dtype(x, dtype)
    with np.errstate(
        all="ignore"
    ):  # A number that the dtype does not hold becomes infinity, as on every backend.
        result = tensor(x, dtype)
    return tensors(own(result, (x,))) if isinstance(result, np.ndarray) else result


def own(result: np.ndarray[Any, Any], given: Sequence[Any]) -> np.ndarray[Any, Any]:
    """A result, copied where it is an array that was given, or a part of one: its owner may change that later."""
    if isinstance(result, Tensor) or (result.base is None and not any(x is result for x in given)):
        return result
    shared = any(isinstance(x, np.ndarray) and np.may_share_memory(x, result) for x in given)
    return result.copy() if shared else result


def as_tensors(result: Any, given: Sequence[Any]) -> Any:
    """What an operation returned for what was given, with tensors in the place of arrays; they share no memory.

    A single number is a tensor too, as anything that comes from Keras; NumPy's functions give a scalar of NumPy's.
    """
    result = as_array(result)
    if isinstance(result, np.ndarray):
        return tensors(own(result, given))
    if isinstance(result, (tuple, list)):
        make = getattr(result, "_make", type(result))  # A named tuple does not take them as one argument.
        return make([as_tensors(x, given) for x in result])
    return result


# The kinds of arrays of which NumPy would make numbers without a word, or with one that does not help.
_NO_NUMBERS = {
    np.object_: "Python objects",
    np.str_: "strings",
    np.bytes_: "strings",
    np.datetime64: "dates",
    np.timedelta64: "time spans",
    np.void: "records",
}


def tensor(x: Any, dtype: Any = None) -> Any:
    """`convert_to_tensor` for our own operations, which change nothing in place: an array stays as it is."""
    if dtype is not None:
        dtype = standardize_dtype(dtype)
    if isinstance(x, KerasVariable):
        x = x.value
    else:
        x = tracing.watched(x)
    if isinstance(x, (np.ndarray, np.generic, Tracer)):
        if dtype is None:
            return x if isinstance(x, (Tracer, np.ndarray)) else np.asarray(x)
        if dtype == "string" and isinstance(x, Tracer):
            return x if isinstance(x, TextTracer) else tracing.on_host(tensor, (x, dtype), {})
        if x.dtype.type in _NO_NUMBERS and dtype != "string" and not _holds_numbers(x):
            raise ValueError(
                at_user_line(
                    f"Invalid dtype: {x.dtype.name}. An array of {_NO_NUMBERS[x.dtype.type]} cannot become {dtype}: "
                    "make numbers of it first (of strings, `keras.layers.StringLookup` or `TextVectorization` does)."
                )
            )
        if isinstance(x, Tracer):
            return tracing.cast(x, dtype)
        if dtype == "string":  # NumPy has a dtype for each length of them.
            return np.asarray(x) if is_text(x.dtype) else np.asarray(x).astype(str)
        return np.asanyarray(x).astype(dtype, copy=False)
    x = sparse_tensor(x)
    if isinstance(x, SparseTensor):
        return tensor(x.todense(), dtype)
    leaves, asked = tree.flatten(x), dtype
    if any(leaf is None for leaf in leaves):
        raise ValueError(at_user_line("None values not supported: there is no tensor of nothing."))
    require_no_foreign_tape(leaves)
    if dtype is None:
        dtype = result_type(*[getattr(leaf, "dtype", type(leaf)) for leaf in leaves])
    if any(isinstance(leaf, (Tracer, KerasVariable)) for leaf in leaves):
        return tracing.as_operand(tree.map_structure(lambda leaf: tensor(leaf, dtype), x))
    if dtype == "bfloat16":
        # NumPy cannot make extension types from every source (an HDF5 data set, say).
        return np.asarray(x).astype(dtype)
    try:
        # Strings are NumPy's: an operation that has no meaning for them says so.
        return np.array(x, dtype=None if dtype == "string" else dtype)
    except OverflowError:
        if asked is not None or dtype != "int32":
            raise
        return np.array(x, dtype="int64")  # Python's integers that need it, as with TensorFlow.
    except ValueError as error:
        if "array element with a sequence" not in str(error):
            raise
        raise ValueError(at_user_line(f"A tensor is not ragged, as this would be. {REMEDY}")) from error


def _holds_numbers(x: Any) -> bool:
    """Whether an array of Python objects is one of numbers, as a column of a table may be."""
    return x.dtype == object and all(isinstance(value, (int, float, complex, np.number)) for value in x.flat)


def convert_to_numpy(x: Any) -> np.ndarray[Any, Any]:
    """A NumPy array with the contents of a tensor; a copy."""
    x = sparse_tensor(x)
    return x.numpy() if isinstance(x, SparseTensor) else np.array(x)


def is_tensor(x: Any) -> bool:
    """Whether x is of this backend, and so will not change; a user's own array may, and Keras's layers convert it."""
    return isinstance(x, (Tensor, np.generic, Tracer, SparseTensor))


def shape(x: Any) -> tuple[int, ...]:
    """The static shape."""
    return tuple(x.shape)


_NARROW = ("int8", "uint8", "int16", "uint16")


def cast(x: Any, dtype: Any) -> Any:
    """x with another dtype.

    What a float becomes that a narrow integer type does not reach, C leaves open; here, as with JAX, it is the
    nearest that there is.
    """
    x = sparse_tensor(x)
    if isinstance(x, SparseTensor):
        return tensor_of_dtype(x, dtype)
    name = standardize_dtype(dtype)
    if name in _NARROW:
        x = tensor(x)
        if is_float_dtype(standardize_dtype(x.dtype)):
            bounds = np.iinfo(name)
            x = np.clip(tensor(x, result_type(x.dtype, "float32")), bounds.min, bounds.max)
    return tensor(x, dtype=dtype)


def require_eager(what: str, *xs: Any) -> None:
    """Refuse traced arrays in an operation that needs values.

    Raises:
        TracingError: naming the operation and the user's line.
    """
    for x in tree.flatten(xs):
        if isinstance(x, Tracer):
            x.array_for(f"`{what}` needs values")
