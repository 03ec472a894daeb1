"""`x[key]` on a tracer: NumPy's basic and integer-array indexing in terms of getitem, gather, reshape and transpose."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.errors import TracingError
from kerasflow.graph import Constant, Value
from kerasflow.primitives.indexing import out_of_bounds
from kerasflow.tracing.normalize import as_operand, cast
from kerasflow.tracing.source import at_user_line
from kerasflow.tracing.trace import apply, sizes_are_real
from kerasflow.tracing.tracer import Tracer


def expand_key(key: Any, shape: tuple[int, ...]) -> list[Any]:
    """A key for an array of this shape: an entry for each axis (slices, integers, arrays), None for each new axis.

    A single boolean (an array of no dimensions) stands for a new axis of length 1, and for all of it or nothing.
    """
    ndim = len(shape)
    key = plain_key(key)
    parts = list(key) if isinstance(key, tuple) else [key]
    parts = [p if p is None or p is Ellipsis or isinstance(p, slice) else _index_array(p) for p in parts]
    consumed = sum(_axes_consumed(p) for p in parts)
    if consumed > ndim:
        raise IndexError(
            at_user_line(f"too many indices for array: it has {ndim} dimensions, {consumed} were indexed")
        )
    if sum(p is Ellipsis for p in parts) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if not any(p is Ellipsis for p in parts):
        parts.append(Ellipsis)
    at = next(i for i, p in enumerate(parts) if p is Ellipsis)
    parts[at : at + 1] = [slice(None)] * (ndim - consumed)
    expanded: list[Any] = []
    for part in parts:
        if _is_boolean(part) and part.ndim:
            at = sum(map(_has_axis, expanded))
            if part.shape != shape[at : at + part.ndim]:
                raise IndexError(
                    at_user_line(
                        f"boolean index of shape {part.shape} did not match the indexed axes, of shape "
                        f"{shape[at : at + part.ndim]}"
                    )
                )
            expanded.extend(np.nonzero(part))
        else:
            expanded.append(part)
    return expanded


def plain_key(key: Any) -> Any:
    """The key, as a tuple where it is a list of slices, `None` or `...`, as code for TensorFlow writes it."""
    parts = isinstance(key, list) and any(p is None or p is Ellipsis or isinstance(p, slice) for p in key)
    return tuple(key) if parts else key


def _axes_consumed(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if _is_boolean(part) else 1


def _is_boolean(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype == bool


def _has_axis(part: Any) -> bool:
    """Whether an entry of an expanded key stands for an axis that is there."""
    return part is not None and not _is_boolean(part)


def _index_array(part: Any) -> Any:
    """An integer, an integer array, a boolean array, or a traced integer array."""
    if isinstance(part, (bool, np.bool_)):
        return np.asarray(part)
    if isinstance(part, (int, np.integer)):
        return int(part)
    if hasattr(part, "_cell"):  # A variable.
        part = part.value
    part = np.zeros(0, np.int64) if isinstance(part, (list, tuple)) and not part else as_operand(part)
    if part.dtype.kind == "b" and isinstance(part, Tracer):
        if part.owner.concrete:
            return np.asarray(part.owner.arrays[part.value])
        raise TracingError(
            at_user_line(
                f"A traced array cannot be indexed with a traced boolean mask ({part.aval}): the shape of the "
                "result would depend on values. Use `np.where(mask, x, other)`, or sum with `mask * x`."
            )
        )
    if part.dtype.kind not in "iub":
        raise IndexError(
            at_user_line(f"arrays used as indices must be of integer (or boolean) type, not {part.dtype}")
        )
    return part


def getitem(x: Any, key: Any) -> Any:
    """`x[key]`; x is a tracer, or a constant array if the key holds tracers: integers, arrays of them, `i : i + n`.

    Raises:
        IndexError: as NumPy's. TracingError: for a mask that is traced and has no values.
    """
    x = as_operand(x)
    parts = expand_key(key, x.shape)
    x = _take_blocks(x, parts)
    index: list[tuple[int, int | None, int]] = []
    shape: list[int] = []
    arrays: list[tuple[int, Any]] = []  # (position among the axes of the sliced result, indices)
    order: list[int] = []  # for telling whether the arrays stand next to each other
    for position, part in enumerate(parts):
        if part is None:
            shape.append(1)
            continue
        if not _has_axis(part):
            arrays.append((len(shape), np.flatnonzero(part)))
            order.append(position)
            shape.append(1)
            continue
        n = x.shape[len(index)]
        if isinstance(part, slice):
            start, stop, step = part.indices(n)
            index.append((start, None if stop < 0 else stop, step))
            shape.append(len(range(start, stop, step)))
        elif isinstance(part, int):
            if not -n <= part < n:
                raise IndexError(
                    at_user_line(f"index {part} is out of bounds for axis {len(index)} with size {n}")
                )
            index.append((part % n, part % n + 1, 1))
            if any(not isinstance(p, int) and hasattr(p, "dtype") for p in parts):
                # Beside index arrays an integer is an index array itself.
                arrays.append((len(shape), np.asarray(0)))
                order.append(position)
                shape.append(1)
        else:
            index.append((0, n, 1))
            arrays.append((len(shape), part))
            order.append(position)
            shape.append(n)
    if any(triple != (0, n, 1) for triple, n in zip(index, x.shape, strict=True)):
        x = apply("getitem", x, index=tuple(index))
    x = np.reshape(x, tuple(shape))
    if not arrays:
        return x
    indexed = [axis for axis, _ in arrays]
    adjacent = order == list(range(order[0], order[0] + len(order)))
    result = gather(x, indexed, [i for _, i in arrays])
    if adjacent and indexed[0] > 0:
        # NumPy puts the indices' dimensions where the arrays stood if those are next to each other.
        ndim = result.ndim - (x.ndim - len(indexed))
        return np.moveaxis(result, range(ndim), range(indexed[0], indexed[0] + ndim))
    return result


def _take_blocks(x: Any, parts: list[Any]) -> Any:
    """Slices `i : i + n` from a traced i take n entries of their axes; in `parts` whole slices stand there after that.

    What is not in the array is an error when the program runs, where NumPy would give fewer entries.
    """
    axis = 0
    for position, part in enumerate(parts):
        if isinstance(part, slice) and any(map(_is_abstract, (part.start, part.stop, part.step))):
            length, n = _block_length(part), x.shape[axis]
            places = block_start(cast(part.start, np.dtype(np.int64)), n) + np.arange(length)
            x = np.moveaxis(apply("gather", np.moveaxis(x, axis, 0), places), 0, axis)
            parts[position] = slice(None)
        axis += _has_axis(part)
    return x


def _is_abstract(x: Any) -> bool:
    return isinstance(x, Tracer) and not x.owner.concrete


def _block_length(part: slice) -> int:
    """n of a slice `i : i + n`, or `i + a : i + b`.

    Raises:
        TracingError: for any other slice with traced bounds: the shape of the result would depend on values.
    """
    bounds = (part.start, part.stop)
    if all(isinstance(x, Tracer) and not x.shape for x in bounds) and (
        part.step is None or type(part.step) is int
    ):
        (begin, before), (end, after) = (_base_and_offset(x.value) for x in bounds)
        if begin is end and part.step in (None, 1):
            return max(after - before, 0)
    raise TracingError(
        at_user_line(
            "The bounds of a slice are traced: the shape of the result would depend on values. A slice may begin at a "
            "traced index `i` if its length is a number: `x[i : i + 8]`, or `keras.ops.slice`."
        )
    )


def _base_and_offset(value: Value) -> tuple[Value, int]:
    """A value and a number whose sum this one is."""
    node = value.node
    if node is not None and node.primitive.name in ("add", "subtract"):
        x, y = node.inputs
        if isinstance(y, Constant) and y.array.ndim == 0:
            base, offset = _base_and_offset(x)
            return base, offset + int(y.array) * (1 if node.primitive.name == "add" else -1)
        if isinstance(x, Constant) and x.array.ndim == 0 and node.primitive.name == "add":
            base, offset = _base_and_offset(y)
            return base, offset + int(x.array)
    return value, 0


def gather(x: Any, axes: list[int], indices: list[Any]) -> Any:
    """Index the given axes with integer arrays; the indices' dimensions come first in the result.

    Negative indices count from the end.
    """
    rest = [i for i in range(x.ndim) if i not in axes]
    x = np.transpose(x, axes + rest)
    places = [known_places(i, n, axis) for i, n, axis in zip(indices, x.shape, axes, strict=False)]
    return apply("gather", x, *places)


def known_places(indices: Any, n: int, axis: int) -> Any:
    """Indices of an axis, of n entries. Those that are known are checked now, and counted from the start.

    Raises:
        IndexError: one is out of bounds. Of those that are not known the program raises it.
    """
    if _is_abstract(indices):
        return indices
    known = np.asarray(indices)
    require_inside(known, n, axis)
    if isinstance(indices, Tracer):
        return indices
    return np.where((known < 0) & (known >= -n), known + n, known)


def require_inside(indices: Any, n: int, axis: int) -> None:
    """Refuse known indices that are outside of an axis of n entries; not while shapes are inferred.

    Raises:
        IndexError: naming the first one, where it stands, the axis and the user's line.
    """
    error = out_of_bounds(indices, n, axis) if sizes_are_real() else None
    if error is not None:
        raise IndexError(at_user_line(str(error)))


def block_start(start: Any, n: int) -> Any:
    """Where a block of an axis begins, counted from its beginning; what is out of bounds stays so."""
    return np.where((start < 0) & (start >= -n), start + n, start)
