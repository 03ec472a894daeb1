"""The tracer: stands for an array while a program is recorded, and speaks NumPy's dispatch protocols.

NumPy functions and operators applied to a tracer come here (NEP 13:
`__array_ufunc__`, NEP 18: `__array_function__`), are brought into canonical
form by `tracing.normalize`, and become nodes of the tracer's trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from kerasflow.errors import TracingError
from kerasflow.graph import ShapedArray, Value
from kerasflow.tracing.source import at_user_line

if TYPE_CHECKING:
    from kerasflow.tracing.trace import Trace


def _no_value(tracer: Tracer, what: str, remedy: str) -> NoReturn:
    raise TracingError(
        at_user_line(
            f"{what}, but this is a traced array ({tracer.aval}): while a program is recorded, "
            f"arrays have a shape and a dtype and no value yet. {remedy}"
        )
    )


_EAGER = (
    "Or compile the model (a subclass of `keras.Model`) with `run_eagerly=True`, where every value is there."
)


FOREIGN_TAPE = (
    "`tf.GradientTape` does not see what kerasflow computes. "
    "Use `kerasflow.GradientTape`, which has the same methods."
)


class Tracer(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of a program that is being recorded.

    It has an ndarray's attributes and methods as far as they need no value. In
    a concrete trace it has a value too, and converts to it.
    """

    # A __dict__ too: Keras hangs masks on its tensors.
    __slots__ = ("__dict__", "owner", "value")
    __array_priority__ = 1000

    def __init__(self, owner: Trace, value: Value) -> None:
        self.owner = owner
        self.value = value

    # -- what is known of it --------------------------------------------------------------------------------

    @property
    def aval(self) -> ShapedArray:
        return self.value.aval

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.aval.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.value.aval.dtype

    @property
    def ndim(self) -> int:
        return len(self.value.aval.shape)

    @property
    def size(self) -> int:
        return self.value.aval.size

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.value.aval.nbytes

    def concrete(self, what: str, remedy: str = "") -> np.ndarray[Any, Any]:
        """The value, in a concrete trace.

        Raises:
            TracingError: in an abstract trace, with the user's line.
        """
        if not self.owner.concrete:
            from kerasflow.tracing.trace import is_recording, leaked

            if not is_recording(self.owner):
                raise leaked(self)
            _no_value(self, what[0].upper() + what[1:], f"{remedy} {_EAGER}".strip())
        return self.owner.arrays[self.value]

    # -- NumPy's protocols ----------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from kerasflow.tracing.normalize import call_ufunc

        return call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        from kerasflow.tracing.normalize import call_function

        return call_function(func, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.concrete(
            "a NumPy array was asked for (`np.array`, `np.asarray`, or a function that NumPy does not dispatch)",
            "Use the tracer itself with NumPy functions, or `keras.ops.convert_to_tensor`.",
        )
        return np.array(array, dtype=dtype) if copy else np.asarray(array, dtype=dtype)

    # -- what needs a value ---------------------------------------------------------------------------------

    def __bool__(self) -> bool:
        return bool(
            self.concrete(
                "python asked whether it is true (`if`, `while`, `and`, `not`, `assert`)",
                "Use `keras.ops.cond(pred, true_fn, false_fn)` or `np.where`.",
            )
        )

    def __float__(self) -> float:
        return float(self.concrete("a Python float was asked for", "Keep it an array."))

    def __int__(self) -> int:
        return int(self.concrete("a Python int was asked for", "Keep it an array."))

    def __complex__(self) -> complex:
        return complex(self.concrete("a Python complex was asked for", "Keep it an array."))

    def __index__(self) -> int:
        return self.concrete(
            "a Python index or size was asked for (`range`, a list index, a shape)",
            "Shapes and loop counts must be known while tracing; index arrays with `np.take`.",
        ).__index__()

    def item(self, *args: Any) -> Any:
        return self.concrete("`.item()` was called", "Keep it an array.").item(*args)

    def tolist(self) -> Any:
        return self.concrete("`.tolist()` was called", "Keep it an array.").tolist()

    def numpy(self) -> np.ndarray[Any, Any]:
        """The value, in a concrete trace (TensorFlow's spelling)."""
        return np.array(self.concrete("`.numpy()` was called", "Keep it an array."))

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TracingError(
            at_user_line(
                f"A traced array ({self.aval}) cannot be changed in place. Use `np.where`, "
                "`keras.ops.slice_update` or `keras.ops.scatter_update`, which return a new array."
            )
        )

    def sort(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TracingError(
            at_user_line(
                f"A traced array ({self.aval}) cannot be sorted in place. Use `np.sort`, which returns one."
            )
        )

    def __getattr__(self, name: str) -> NoReturn:
        """Reached by what it does not have."""
        if name == "_id":  # TensorFlow's tape asks for it.
            raise AttributeError(at_user_line(FOREIGN_TAPE))
        if not name.startswith("_") and hasattr(np.ndarray, name):
            raise AttributeError(
                at_user_line(
                    f"A traced array ({self.aval}) has no `{name}`: it has no memory of its own, and is not changed in "
                    "place. Use a function of NumPy or `keras.ops` that returns a new array."
                )
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # -- containers -----------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        from kerasflow.tracing.indexing import getitem

        return getitem(self, key)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        if self.owner.concrete:
            return f"Tracer({self.owner.arrays[self.value]!r})"
        return f"Tracer({self.aval})"

    def __format__(self, spec: str) -> str:
        if spec and self.owner.concrete:
            return format(self.owner.arrays[self.value], spec)
        return repr(self)

    # -- ndarray's methods ----------------------------------------------------------------------------------

    @property
    def T(self) -> Any:
        return np.transpose(self)

    @property
    def mT(self) -> Any:
        return np.swapaxes(self, -1, -2)

    @property
    def flat(self) -> Any:
        return np.ravel(self)

    @property
    def real(self) -> Any:
        return np.real(self)

    @property
    def imag(self) -> Any:
        return np.imag(self)

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        from kerasflow.tracing.normalize import cast

        return cast(self, dtype)

    def view(self, dtype: Any) -> Any:
        from kerasflow.tracing.trace import apply

        return apply("view", self, dtype=np.dtype(dtype))

    def reshape(self, *shape: Any, **kwargs: Any) -> Any:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **kwargs)

    def transpose(self, *axes: Any) -> Any:
        return np.transpose(self, axes[0] if len(axes) == 1 else (axes or None))

    def flatten(self) -> Any:
        return np.ravel(self)


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Tracer, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__ = function.__name__
    method.__doc__ = f"`np.{function.__name__}` of this array."
    return method


METHODS = (
    "sum prod max min mean var std any all argmax argmin cumsum cumprod ravel squeeze swapaxes repeat take "
    "clip round copy dot argsort diagonal trace conj conjugate nonzero searchsorted compress"
).split()
for _name in METHODS:
    setattr(Tracer, _name, _method(getattr(np, _name)))
