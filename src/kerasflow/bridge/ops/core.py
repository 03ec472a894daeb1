"""Keras's core operations: tensors, shapes, state, control flow, gradients."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common import is_float_dtype, standardize_dtype
from keras.src.backend.common.dtypes import result_type
from keras.src.backend.common.keras_tensor import KerasTensor
from keras.src.backend.common.name_scope import current_path
from keras.src.backend.common.stateless_scope import StatelessScope
from keras.src.backend.common.symbolic_scope import SymbolicScope

from kerasflow import tracing
from kerasflow.autodiff.rules.complex import conj
from kerasflow.bridge.adjust import STRINGS
from kerasflow.bridge.ops import control
from kerasflow.bridge.ops.subgraphs import Shared, Subgraph
from kerasflow.bridge.variable import Variable
from kerasflow.compiler import use_device
from kerasflow.graph import ShapedArray
from kerasflow.tracing import Trace, Tracer, apply, at_user_line, current_trace, recording
from kerasflow.tracing import trace as trace_module
from kerasflow.tracing.indexing import block_start
from kerasflow.tracing.trace import sizes_are_real

SUPPORTS_SPARSE_TENSORS = False
SUPPORTS_RAGGED_TENSORS = False
SUPPORTS_COMPLEX_DTYPES = True
IS_THREAD_SAFE = False

# Recorded nodes carry the path of the layer or optimizer that made them.
trace_module.scope_provider = current_path

# -- tensors ------------------------------------------------------------------------------------------------


def convert_to_tensor(x: Any, dtype: Any = None, sparse: Any = None, ragged: Any = None) -> Any:
    """A tensor from anything array-like: the gate between Python's world and NumPy's.

    An array is copied: Keras's code may go on with `x += y`, which elsewhere makes a new tensor.

    Raises:
        ValueError: if a sparse or ragged tensor is asked for; there are none.
    """
    if sparse:
        raise ValueError("`sparse=True` is not supported with the numpy backend")
    if ragged:
        raise ValueError("`ragged=True` is not supported with the numpy backend")
    result = tensor(x, dtype)
    if isinstance(result, np.ndarray) and isinstance(x, np.ndarray) and np.may_share_memory(result, x):
        return np.array(result)
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
    if isinstance(x, Variable):
        x = x.value
    else:
        x = tracing.watched(x)
    if is_tensor(x):
        if dtype is None:
            return x if isinstance(x, Tracer) else np.asarray(x)
        if x.dtype.type in _NO_NUMBERS and dtype != "string":
            raise ValueError(
                at_user_line(
                    f"Invalid dtype: {x.dtype.name}. An array of {_NO_NUMBERS[x.dtype.type]} cannot become {dtype}: "
                    "make numbers of it first (of strings, `keras.layers.StringLookup` or `TextVectorization` does)."
                )
            )
        if isinstance(x, Tracer):
            return tracing.cast(x, dtype)
        if dtype == "string":  # NumPy has a dtype for each length of them.
            return np.asarray(x) if x.dtype.kind in STRINGS else np.asarray(x).astype(str)
        return np.asarray(x).astype(dtype, copy=False)
    leaves = tree.flatten(x)
    if dtype is None:
        dtype = result_type(*[getattr(leaf, "dtype", type(leaf)) for leaf in leaves])
    if any(isinstance(leaf, (Tracer, Variable)) for leaf in leaves):
        return tracing.as_operand(tree.map_structure(lambda leaf: tensor(leaf, dtype), x))
    if dtype == "bfloat16":
        # NumPy cannot make extension types from every source (an HDF5 data set, say).
        return np.asarray(x).astype(dtype)
    # Strings are NumPy's: an operation that has no meaning for them says so.
    return np.array(x, dtype=None if dtype == "string" else dtype)


def convert_to_numpy(x: Any) -> np.ndarray[Any, Any]:
    """A NumPy array with the contents of a tensor; a copy."""
    return np.array(x)


def is_tensor(x: Any) -> bool:
    """Whether x is an array of this backend; one of strings too, for Keras's preprocessing mixes them with numbers."""
    return isinstance(x, (np.ndarray, np.generic, Tracer))


def shape(x: Any) -> tuple[int, ...]:
    """The static shape."""
    return tuple(x.shape)


_NARROW = ("int8", "uint8", "int16", "uint16")


def cast(x: Any, dtype: Any) -> Any:
    """x with another dtype.

    What a float becomes that a narrow integer type does not reach, C leaves open; here, as with JAX, it is the
    nearest that there is.
    """
    name = standardize_dtype(dtype)
    if name in _NARROW:
        x = tensor(x)
        if is_float_dtype(standardize_dtype(x.dtype)):
            bounds = np.iinfo(name)
            x = np.clip(tensor(x, result_type(x.dtype, "float32")), bounds.min, bounds.max)
    return tensor(x, dtype=dtype)


def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """The slices along an axis."""
    x = np.moveaxis(x, axis, 0)
    return [x[i] for i in builtins.range(x.shape[0])]


def random_seed_dtype() -> str:
    return "uint32"


@contextmanager
def device_scope(device_name: str) -> Iterator[None]:
    """Programs that are called in the block run on this device of their backend."""
    with use_device(device_name):
        yield


# -- shapes without execution -------------------------------------------------------------------------------

# A dimension that is unknown (None) is tried with both sizes; where the results differ it is unknown too.
_FILLS = (83, 89)


def compute_output_spec(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The output of `fn` as `KerasTensor`s: only shape rules run, nothing is computed."""

    def is_partial(x: Any) -> bool:
        return isinstance(x, KerasTensor) and None in x.shape

    def infer(fill: int) -> Any:
        trace = Trace(sizes_are_real=False)

        def abstract(x: Any) -> Any:
            if isinstance(x, Tracer):  # A layer is being built by a call that is being recorded.
                return trace.add_input(x.aval)
            if not isinstance(x, KerasTensor):
                return x
            full = tuple(fill if n is None else n for n in x.shape)
            return trace.add_input(ShapedArray(full, np.dtype(standardize_dtype(x.dtype))))

        # A stateless scope of its own: what the other trace assigned means nothing here.
        with StatelessScope(), SymbolicScope(), recording(trace):
            a, k = tree.map_structure(abstract, (args, kwargs))
            return fn(*a, **k)

    outputs = infer(_FILLS[0])
    others = outputs
    if builtins.any(builtins.map(is_partial, tree.flatten((args, kwargs)))):
        others = infer(_FILLS[1])

    def spec(x: Any, y: Any) -> Any:
        if not is_tensor(x):
            return x
        dims = tuple(n if n == m else None for n, m in zip(x.shape, y.shape, strict=True))
        return KerasTensor(dims, standardize_dtype(x.dtype))

    return tree.map_structure(spec, outputs, others)


# -- control flow -------------------------------------------------------------------------------------------

cond = control.cond
switch = control.switch
while_loop = control.while_loop
fori_loop = control.fori_loop
scan = control.scan
map = control.map_
vectorized_map = control.vectorized_map
associative_scan = control.associative_scan


# -- slices and scatters ------------------------------------------------------------------------------------


def _columns(indices: Any) -> list[Any]:
    """The last axis of an index array as separate arrays, one for each indexed axis."""
    indices = tensor(indices)
    return [indices[..., i] for i in builtins.range(indices.shape[-1])]


def scatter(indices: Any, values: Any, shape: Sequence[int]) -> Any:
    """Zeros of a shape with values added at indices."""
    values = tensor(values)
    return apply("scatter", np.zeros(tuple(shape), values.dtype), values, *_columns(indices), mode="add")


_REDUCTIONS = {None: "set", "add": "add", "max": "maximum", "min": "minimum", "mul": "multiply"}


def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """The inputs with updates set or combined at indices."""
    if reduction not in _REDUCTIONS:
        raise ValueError(f"Unsupported reduction: {reduction}; it is one of {list(_REDUCTIONS)}")
    inputs = tensor(inputs)
    updates = tensor(updates, inputs.dtype)
    return apply("scatter", inputs, updates, *_columns(indices), mode=_REDUCTIONS[reduction])


def _starts(start_indices: Any, sizes: Sequence[int], shape: Sequence[int]) -> tuple[list[Any], bool]:
    """The start of a block on each axis, counted from the beginning, and whether they are integers.

    Raises:
        IndexError: the block reaches outside of the array. If its start is traced, the program raises it.
    """
    if isinstance(start_indices, Tracer):
        start_indices = [start_indices[i] for i in builtins.range(len(sizes))]
    if builtins.min(shape, default=0) < 0:
        raise ValueError(f"The shape of a block has no negative sizes; received {tuple(shape)}.")
    known = not builtins.any(isinstance(s, Tracer) for s in start_indices)
    starts = []
    for axis, (start, size, n) in enumerate(zip(start_indices, sizes, shape, strict=True)):
        if isinstance(start, Tracer):
            starts.append(block_start(tracing.cast(start, np.int64), size))
            continue
        begin = int(start) + (size if int(start) < 0 else 0)
        if sizes_are_real() and not 0 <= begin <= begin + n <= size:
            outside = int(start) if begin < 0 else max(begin, size)
            raise IndexError(
                at_user_line(
                    f"index {outside} is out of bounds for axis {axis} with size {size}: the block there begins at "
                    f"{int(start)} and has {n} entries; it is of shape {tuple(shape)}, the array of {tuple(sizes)}"
                )
            )
        starts.append(begin)
    return starts, known


def slice(inputs: Any, start_indices: Any, shape: Sequence[int]) -> Any:
    """The block of the given shape that begins at `start_indices`, which may be traced."""
    if len(start_indices) != len(shape):
        raise ValueError(
            "Length of `start_indices` must match length of `shape`. "
            f"Received: start_indices={start_indices}, shape={shape}"
        )
    inputs = tensor(inputs)
    starts, known = _starts(start_indices, inputs.shape, shape)
    if known:
        return inputs[tuple(builtins.slice(s, s + n) for s, n in zip(starts, shape, strict=True))]
    return apply("gather", inputs, *_grid(starts, shape))


def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """The inputs with the block that begins at `start_indices` replaced."""
    inputs = tensor(inputs)
    updates = tensor(updates, inputs.dtype)
    starts, known = _starts(start_indices, inputs.shape, updates.shape)
    if known:
        index = tuple((s, s + n, 1) for s, n in zip(starts, updates.shape, strict=True))
        return apply("setitem", inputs, updates, index=index)
    return apply("scatter", inputs, updates, *_grid(starts, updates.shape), mode="set")


def _grid(starts: Sequence[Any], shape: Sequence[int]) -> list[Any]:
    """Open index arrays of a block, as `np.ix_` makes them."""
    ndim = len(shape)
    places = []
    for axis, (start, n) in enumerate(zip(starts, shape, strict=True)):
        line = np.arange(n) + tracing.cast(tensor(start), np.int64)
        places.append(np.reshape(line, tuple(n if i == axis else 1 for i in builtins.range(ndim))))
    return places


# -- gradients ----------------------------------------------------------------------------------------------


def stop_gradient(variable: Any) -> Any:
    """The value, through which no gradient flows."""
    return apply("stop_gradient", tensor(variable))


class custom_gradient:
    """Decorator for a function that brings its own gradient.

    Args:
        fun: `fun(*args)` returns `(outputs, grad)`, where `grad(*cotangents,
            upstream=...)` returns the gradient for each argument.
    """

    def __init__(self, fun: Callable[..., Any]) -> None:
        self.fun = fun

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        flat = [tensor(x) if _is_array_like(x) else x for x in tree.flatten(args)]
        traced = [x for x in flat if isinstance(x, Tracer)]
        if current_trace() is None or not traced:
            outputs, _ = self.fun(*args, **kwargs)
            return outputs
        # Inside, the arguments are cut off: gradients reach them through `grad` alone.
        inner = [apply("stop_gradient", x) if isinstance(x, Tracer) else x for x in flat]
        outputs, grad = self.fun(*tree.pack_sequence_as(args, inner), **kwargs)
        leaves = [tensor(y) for y in tree.flatten(outputs)]

        def vjp(*gs: Any) -> list[Any]:
            # Users deal in gradients, of which cotangents are the conjugates.
            gs = tuple(conj(g) for g in gs)
            upstream = tree.pack_sequence_as(outputs, list(gs))
            found = grad(*gs) if _takes_positional(grad) else grad(upstream=upstream)
            found = list(found) if isinstance(found, (list, tuple)) else [found]
            if len(found) != len(flat):
                raise ValueError(
                    f"The gradient function of `{getattr(self.fun, '__name__', 'custom_gradient')}` returned "
                    f"{len(found)} gradients for {len(flat)} arguments"
                )
            pairs = zip(found, flat, strict=True)
            return [None if g is None else conj(tensor(g)) for g, x in pairs if isinstance(x, Tracer)]

        return tree.pack_sequence_as(outputs, custom_vjp(traced, leaves, vjp))


def custom_vjp(operands: list[Any], outputs: list[Any], vjp: Callable[..., list[Any]]) -> list[Any]:
    """The outputs, whose cotangents go through `vjp` to the operands.

    A sub-graph is applied again elsewhere: what it records must not use the tracers of where it was recorded. So
    there the derivative is recorded too, at once, with what it uses as operands.
    """
    trace = current_trace()
    if trace is None or trace.parent is None:
        return list(apply("custom_vjp", *operands, *outputs, outputs=len(outputs), vjp=vjp))
    derivative = Subgraph(trace)
    with derivative.recording():
        gs = [derivative.argument(y.shape, y.dtype) for y in outputs]
        # Wherever no gradient flows, zeros do.
        pairs = zip(vjp(*gs), operands, strict=True)
        derivative.outputs = [np.zeros(x.shape, x.dtype) if g is None else g for g, x in pairs]
    shared = Shared(trace, derivative)
    residuals = [*shared.constants(), *shared.changing()]
    inputs = [*shared.constants_of(derivative), *shared.changing_of(derivative), *gs]
    graph = derivative.graph(inputs, derivative.outputs)
    params = {"outputs": len(outputs), "residuals": len(residuals), "vjp": graph}
    return list(apply("custom_vjp", *operands, *residuals, *outputs, **params))


def _is_array_like(x: Any) -> bool:
    return isinstance(x, (np.ndarray, np.generic, Tracer, Variable, float, int)) and not isinstance(x, bool)


def _takes_positional(grad: Callable[..., Any]) -> bool:
    """Whether a gradient function takes the cotangents as positional arguments."""
    import inspect

    kinds = inspect.signature(grad).parameters.values()
    return builtins.any(
        p.kind is p.VAR_POSITIONAL
        or (p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name != "upstream")
        for p in kinds
    )


def remat(f: Callable[..., Any]) -> Callable[..., Any]:
    """Rematerialization saves device memory; programs here plan theirs, so the function stays as it is."""
    return f


def require_eager(what: str, *xs: Any) -> None:
    """Refuse traced arrays in an operation that needs values.

    Raises:
        TracingError: naming the operation and the user's line.
    """
    for x in tree.flatten(xs):
        if isinstance(x, Tracer):
            x.concrete(f"`{what}` needs values")


__all__ = ["Variable", "at_user_line", "require_eager"]
