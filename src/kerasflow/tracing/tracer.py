"""The tracer: stands for an array while a program is recorded, and speaks NumPy's dispatch protocols.

A tracer is its trace (`owner`) and a `Value` of the graph that is recorded
(`value`). The numbers, where they are there, are an *array*: a concrete trace
keeps one for each value.

NumPy's functions, operators and subscripts on a tracer come here, and are
handed on to `Tracer.dispatcher`. That is the module `tracing.dispatch`, which
knows traces and all of NumPy's functions, so that this file need not; the
package's `__init__` puts it there, once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NoReturn, Protocol

import numpy as np

from kerasflow.errors import TracingError
from kerasflow.graph import Primitive, ShapedArray, Value
from kerasflow.tracing.frameworks import ASKED_BY_TAPE, calling_framework, foreign_error, foreign_tape_error
from kerasflow.tracing.source import at_user_line


class Owner(Protocol):
    """What a tracer knows of the trace that made it."""

    @property
    def concrete(self) -> bool:
        """Whether it computes each operation at once."""

    @property
    def arrays(self) -> Mapping[Value, np.ndarray[Any, Any]]:
        """What it has computed."""

    @property
    def is_recording(self) -> bool:
        """Whether it records on this thread."""

    @property
    def is_observed(self) -> bool:
        """Whether a tape is told on this thread what it records."""


class Dispatcher(Protocol):
    """What operations on tracers mean."""

    def call_ufunc(
        self, ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """What `__array_ufunc__` does."""

    def call_function(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What `__array_function__` does."""

    def getitem(self, x: Any, key: Any) -> Any:
        """`x[key]`."""

    def cast(self, x: Any, dtype: Any) -> Any:
        """x with the given dtype."""

    def on_host(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str = ""
    ) -> Any:
        """What the function gives, called on the host before each call of the program."""

    def apply(self, primitive: str | Primitive, *operands: Any, **params: Any) -> Any:
        """Apply a primitive."""

    def accompanied_by(self, framework: str) -> Any:
        """What the framework records beside the running trace, if it does; else None."""


_EAGER = (
    "Or compile the model (a subclass of `keras.Model`) with `run_eagerly=True`, where every value is there."
)

_BY_TRACED_INDEX = "`keras.ops.take(table, i, axis=0)`, or `keras.ops.convert_to_tensor(table)[i]`"


class Tracer(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of a program that is being recorded.

    It has an ndarray's attributes and methods as far as they need no numbers. In
    a concrete trace there are numbers too, and it converts to an array of them.

    Attributes:
        owner: the trace that made it.
        value: what it is in the graph.
        dispatcher: what operations on tracers mean; the same for all of them.
    """

    # A __dict__ too: Keras hangs masks on its tensors.
    __slots__ = ("__dict__", "owner", "value")
    __array_priority__ = 1000
    dispatcher: ClassVar[Dispatcher]

    def __init__(self, owner: Owner, value: Value) -> None:
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

    def array_for(self, what: str, remedy: str = "") -> np.ndarray[Any, Any]:
        """Its array, in a concrete trace.

        Args:
            what: what needs it, and `remedy` how to do without: for the error.

        Raises:
            TracingError: in an abstract trace, with the user's line.
        """
        if not self.owner.concrete:
            if not self.owner.is_recording:
                raise leaked(self)
            raise _no_array(self, what[0].upper() + what[1:], f"{remedy} {_EAGER}".strip())
        return self.owner.arrays[self.value]

    # -- NumPy's protocols ----------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self.dispatcher.call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return self.dispatcher.call_function(func, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if framework := calling_framework():
            return np.asarray(self._array_for_framework(framework), dtype=dtype)
        array = self.array_for(
            "a NumPy array was asked for (`np.array`, `np.asarray`, `np.random`, or another function that NumPy does "
            "not dispatch)",
            "Use the tracer itself with NumPy functions, or `keras.ops.convert_to_tensor`; `keras.random` to draw. "
            f"If it is the index of an array of your own: {_BY_TRACED_INDEX}.",
        )
        return np.array(array, dtype=dtype) if copy else np.asarray(array, dtype=dtype)

    # -- other frameworks' protocols ---------------------------------------------------------------------------

    def _array_for_framework(self, framework: str) -> np.ndarray[Any, Any]:
        """Its array, where no tape is open that would not see what is computed with it.

        Raises:
            TracingError: with the framework's function, and what to call in its place.
        """
        if not self.owner.concrete and not self.owner.is_recording:
            raise leaked(self)
        if not self.owner.concrete or self.owner.is_observed:
            recorded = self.dispatcher.accompanied_by(framework.lower()) is not None
            raise foreign_error(framework, f"a traced array ({self.aval})", needs_numbers=recorded)
        return self.owner.arrays[self.value]

    def __tf_tensor__(self, dtype: Any = None, name: Any = None) -> Any:
        foreign = self.dispatcher.accompanied_by("tensorflow")
        recorded = foreign is not None and foreign.wants(self)
        x = foreign.give(self) if recorded else self._array_for_framework("TensorFlow")
        return sys.modules["tensorflow"].convert_to_tensor(x, dtype, name=name)

    def __tf_tracing_type__(self, context: Any) -> Any:
        """What a `tf.function` knows an argument by."""
        return self.__tf_tensor__().__tf_tracing_type__(context)

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        torch: Any = sys.modules["torch"]

        def convert(x: Any) -> Any:
            return torch.from_numpy(np.array(x._array_for_framework("PyTorch"))) if isinstance(x, cls) else x

        return function(*map(convert, args), **{key: convert(x) for key, x in (kwargs or {}).items()})

    # -- what needs its array ---------------------------------------------------------------------------------

    def __bool__(self) -> bool:
        return bool(
            self.array_for(
                "python asked whether it is true (`if`, `while`, `and`, `not`, `assert`)",
                "Use `keras.ops.cond(pred, true_fn, false_fn)` or `np.where`.",
            )
        )

    def __float__(self) -> float:
        return float(self.array_for("a Python float was asked for", "Keep it an array."))

    def __int__(self) -> int:
        return int(
            self.array_for("a Python int was asked for", 'Keep it an array: `keras.ops.cast(x, "int32")`.')
        )

    def __complex__(self) -> complex:
        return complex(self.array_for("a Python complex was asked for", "Keep it an array."))

    def __index__(self) -> int:
        return self.array_for(
            "a Python index or size was asked for (`range`, a list index, a shape)",
            f"If it is the index of an array or a list: {_BY_TRACED_INDEX}; if it is the number of a loop's steps: "
            "`keras.ops.fori_loop` or `keras.ops.while_loop`. Shapes must be known while tracing.",
        ).__index__()

    def __round__(self, digits: int | None = None) -> Any:
        number: Any = self.array_for("`round` was called", "Use `keras.ops.round`.")[()]
        return round(number, digits)

    def item(self, *args: Any) -> Any:
        return self.array_for("`.item()` was called", "Keep it an array.").item(*args)

    def tolist(self) -> Any:
        return self.array_for("`.tolist()` was called", "Keep it an array.").tolist()

    def numpy(self) -> np.ndarray[Any, Any]:
        """A copy of its array, in a concrete trace (TensorFlow's spelling)."""
        return np.array(self.array_for("`.numpy()` was called", "Keep it an array."))

    # It keeps its value, so a copy is itself, with its gradient; elsewhere it is its numbers.

    def __copy__(self) -> Tracer:
        return self

    def __deepcopy__(self, memo: Any) -> Tracer:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        array = self.array_for("a pickle was to be made", "Return it, and keep what is returned.")
        return array.__reduce_ex__(protocol)

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
        if name in ASKED_BY_TAPE:
            raise foreign_tape_error()
        if name == "__jax_array__":  # JAX asks whether it is there; where it compiles, it would not call it.
            raise foreign_error("JAX", f"a traced array ({self.aval})")
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
        return self.dispatcher.getitem(self, key)

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
        return self.dispatcher.cast(self, dtype)

    def view(self, dtype: Any) -> Any:
        return self.dispatcher.apply("view", self, dtype=np.dtype(dtype))

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


def concrete_array(x: Any) -> Any:
    """The array of a concrete tracer; an array as it is.

    Raises:
        TracingError: if x is an abstract tracer.
    """
    if not isinstance(x, Tracer):
        return x
    if not x.owner.concrete:
        raise leaked(x)
    return x.owner.arrays[x.value]


def leaked(x: Tracer) -> TracingError:
    """The error for a traced array that outlived its trace."""
    return TracingError(
        at_user_line(
            f"A traced array ({x.aval}) is used outside the call that traced it. "
            "It has no value; it was probably stored in an attribute, a global or a list during tracing. "
            "Return it from the traced function, or keep it in a `keras.Variable`."
        )
    )


def _no_array(tracer: Tracer, what: str, remedy: str) -> TracingError:
    return TracingError(
        at_user_line(
            f"{what}, but this is a traced array ({tracer.aval}): while a program is recorded, "
            f"arrays have a shape and a dtype and no value yet. {remedy}"
        )
    )
