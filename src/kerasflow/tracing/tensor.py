"""The tensor of eager mode: a NumPy array that keeps its value.

Programs for Keras are written for tensors that do not change: `h += 1` makes a new one, and whoever else has the old
one still has it. An array of NumPy's would change for all of them. So what comes from Keras (its operations, layers,
random numbers, variables) is of this class. What a user makes with NumPy stays an array of NumPy's.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from kerasflow.graph import shaped
from kerasflow.tracing.source import at_user_line
from kerasflow.tracing.tracer import Tracer

REMEDY = (
    "Use `keras.ops.slice_update`, `keras.ops.scatter_update` or `np.where`, which return a new one; or change a copy "
    "(`keras.ops.convert_to_numpy`)."
)


class Tensor(np.ndarray[Any, Any]):
    """An array whose operators and functions are NumPy's, and which is not changed in place.

    `x += y` and its kin are `x = x + y`: other names of x keep their value. A float keeps its dtype in them, as with
    NumPy. What NumPy's functions make of tensors is a tensor too.
    """

    # -- in place means anew --------------------------------------------------------------------------------

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TypeError(at_user_line(f"A tensor ({shaped(self)}) cannot be changed in place. {REMEDY}"))

    # -- beside traced arrays -------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        if holds_tracer(key):
            return Tracer.dispatcher.getitem(np.asarray(self), key)
        try:
            found = as_array(super().__getitem__(key))
            return tensors(found) if type(found) is np.ndarray else found
        except IndexError:  # The same says of a traced array where the index stands, and on which axis.
            return Tracer.dispatcher.getitem(np.asarray(self), key)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        """NumPy's functions work on arrays of NumPy's, which they may fill or sort."""
        if any(not issubclass(t, np.ndarray) for t in types):
            return NotImplemented
        target = kwargs.get("out") if func not in _CHANGING else args[0] if args else None
        if isinstance(target, Tensor):
            raise TypeError(
                at_user_line(
                    f"`np.{func.__name__}` was asked to change a tensor ({shaped(target)}) in place. {REMEDY}"
                )
            )
        args, kwargs = tuple(map(plain, args)), {k: plain(v) for k, v in kwargs.items()}
        if func in _PRODUCTS:
            return tensors(Tracer.dispatcher.call_function(func, args, kwargs))
        return tensors(func(*args, **kwargs))

    def __matmul__(self, other: Any) -> Any:
        return _matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return _matmul(other, self)

    # -- as users and files have it -------------------------------------------------------------------------

    def numpy(self) -> np.ndarray[Any, Any]:
        """A copy, as an array of NumPy's (TensorFlow's spelling)."""
        return np.array(self)

    # A single number is what NumPy's scalars are: a key of a dictionary, and something that Python rounds.

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(np.asarray(self)[()])

    def __round__(self, digits: int | None = None) -> Any:
        return round(np.asarray(self)[()], digits)  # type: ignore[call-overload]

    def __reduce__(self) -> Any:
        return np.asarray(self).__reduce__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return np.asarray(self).__reduce_ex__(protocol)

    def __deepcopy__(self, memo: Any) -> Tensor:
        return self.copy()


class ExtensionTensor(Tensor):
    """A tensor of one of the dtypes that NumPy does not know: beside them a Python float has their dtype here, too."""


# NumPy's functions that change their first argument.
_CHANGING = frozenset((np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask))


# What is multiplied, in the end, by the primitives `matmul` and `einsum`: there is a better way than NumPy's for them.
_PRODUCTS = frozenset((np.dot, np.einsum, np.inner, np.tensordot))


def _matmul(x: Any, y: Any) -> Any:
    return tensors(Tracer.dispatcher.call_ufunc(np.matmul, "__call__", (plain(x), plain(y)), {}))


def holds_tracer(key: Any) -> bool:
    """Whether a traced array is in an index, or in what a function is given."""
    if type(key) in (tuple, list):
        return any(map(holds_tracer, key))
    return isinstance(key, Tracer) or (
        isinstance(key, slice) and holds_tracer((key.start, key.stop, key.step))
    )


def plain(x: Any) -> Any:
    """An argument of a function, with arrays of NumPy's in the place of tensors."""
    if isinstance(x, Tensor):
        return np.asarray(x)
    return type(x)(map(plain, x)) if type(x) in (list, tuple) else x


def tensors(result: Any) -> Any:
    """What a function returned, with tensors in the place of NumPy's arrays."""
    if isinstance(result, np.ndarray):
        kind = ExtensionTensor if result.dtype.kind == "V" else Tensor
        return result if type(result) is kind else result.view(kind)
    if type(result) in (list, tuple):
        return type(result)(map(tensors, result))
    return result._make(map(tensors, result)) if hasattr(result, "_make") else result


def as_array(result: Any) -> Any:
    """What NumPy gave, with an array without axes in the place of a scalar of NumPy's, unless it is text."""
    is_number = isinstance(result, np.generic) and not isinstance(result, np.flexible)
    return np.asarray(result) if is_number else result


def in_place(result: Any, target: Any) -> Any:
    """What `target += …` gives, from what `target + …` gives: a float keeps its dtype, as in NumPy."""
    kept = hasattr(result, "dtype") and np.can_cast(result.dtype, target.dtype, "same_kind")
    return result.astype(target.dtype) if kept and result.dtype != target.dtype else result


def _anew(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(self: Tensor, other: Any) -> Any:
        return in_place(function(self, other), self)

    return method


for _name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split():
    setattr(Tensor, f"__i{_name}__", _anew(getattr(operator, f"__{_name}__")))


def _with_float(name: str) -> Callable[[Any, Any], Any]:
    function = getattr(np.ndarray, name)

    def method(self: Tensor, other: Any) -> Any:
        return function(self, self.dtype.type(other) if type(other) is float else other)

    return method


for _name in "add sub mul truediv floordiv mod pow radd rsub rmul rtruediv rfloordiv rmod rpow".split():
    setattr(ExtensionTensor, f"__{_name}__", _with_float(f"__{_name}__"))
