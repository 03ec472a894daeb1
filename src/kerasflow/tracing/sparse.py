"""Sparse tensors: the numbers that are stored, and their places. Everything else is zero.

A sparse tensor is several arrays: one of numbers, and for each sparse axis one of places. Each of them may be traced,
so that what is done with the tensor is what NumPy does with these, recorded, differentiated and compiled as anything
else. How many numbers there are differs from batch to batch: a program takes them filled up to one of few sizes
(`capacity`), with zeros for the first place, which change nothing. `kerasflow.sparse` has what can be done with them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from kerasflow.tracing.tensor import tensors
from kerasflow.tracing.trace import apply
from kerasflow.tracing.tracer import Tracer, concrete_array

Array = np.ndarray[Any, Any]

# Programs take at least so many numbers.
_LEAST = 16


def capacity(count: int) -> int:
    """How many numbers a program takes that is given `count`: the next power of two."""
    return max(_LEAST, 1 << (count - 1).bit_length()) if count else _LEAST


def index_dtype(shape: Sequence[int]) -> Any:
    """The integers that the places of a tensor of this shape are."""
    return np.int32 if max(shape, default=0) < 2**31 else np.int64


class SparseTensor:
    """A tensor of which the numbers that are not zero are stored.

    Operators and `keras.ops` keep it sparse where what is not stored stays zero; what does not know of sparse tensors
    gets a dense one (`keras.ops.convert_to_tensor(x, sparse=False)` makes one, and so does `np.asarray`).

    Args:
        indices: the places, an array of integers of the shape `(count, axes)`. If there are fewer axes than the tensor
            has, each place is one of a row, a matrix, …
        values: the numbers at these places, `(count, …)`. Those of one place are added up.
        shape: the tensor's.

    Raises:
        ValueError: these do not fit together.
        IndexError: a place is outside of the tensor.

    Attributes:
        coords: for each sparse axis the places along it.
        values: the numbers.
        shape: the tensor's.
        is_unique: whether no place is stored twice (but for zeros).
        operations: what operators and methods do, by name.
    """

    __array_ufunc__ = None  # NumPy's operators leave it to those below.
    operations: ClassVar[Mapping[str, Any]] = {}

    coords: tuple[Any, ...]
    values: Any
    shape: tuple[int, ...]
    is_unique: bool

    def __init__(self, indices: Any, values: Any, shape: Sequence[int]) -> None:
        shape = tuple(map(int, shape))
        values, indices = (x if isinstance(x, Tracer) else np.array(x) for x in (values, indices))
        if indices.ndim != 2 or not values.ndim or len(indices) != len(values):
            raise ValueError(
                "A sparse tensor has a row of `indices` for each of the `values`; received indices of shape "
                f"{indices.shape} and values of shape {values.shape}"
            )
        axes = indices.shape[1]
        if values.shape[1:] != shape[axes:]:
            raise ValueError(
                f"Values of shape {values.shape} at places on {axes} axes are not those of a tensor of shape {shape}"
            )
        if not isinstance(indices, Tracer):
            wrong = (indices < 0) | (indices >= np.array(shape[:axes]))
            if wrong.any():
                place = int(np.flatnonzero(wrong.any(axis=1))[0])
                raise IndexError(
                    f"The place {tuple(indices[place].tolist())}, number {place}, is outside of a sparse tensor of "
                    f"shape {shape}"
                )
        dtype = index_dtype(shape)
        self._set(tuple(indices[:, i].astype(dtype) for i in range(axes)), values, shape, False)

    def _set(self, coords: tuple[Any, ...], values: Any, shape: tuple[int, ...], is_unique: bool) -> None:
        self.coords, self.values, self.shape, self.is_unique = coords, values, shape, is_unique

    @classmethod
    def of(
        cls, coords: Sequence[Any], values: Any, shape: Sequence[int], is_unique: bool = False
    ) -> SparseTensor:
        """The tensor with these attributes, which nobody checks."""
        new = cls.__new__(cls)
        new._set(tuple(coords), values, tuple(shape), is_unique)
        return new

    def with_values(self, values: Any) -> SparseTensor:
        """Other numbers at the same places."""
        return SparseTensor.of(self.coords, values, self.shape, self.is_unique)

    # -- what is known of it --------------------------------------------------------------------------------

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = self.values.dtype
        return dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def indices(self) -> Any:
        """The places, a row for each number."""
        if not self.coords:
            return np.zeros((len(self.values), 0), np.int64)
        return np.stack(self.coords, axis=1).astype(np.int64)

    @property
    def is_abstract(self) -> bool:
        """Whether it is traced, and its places have no values."""
        return any(isinstance(x, Tracer) and not x.owner.concrete for x in (*self.coords, self.values))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __repr__(self) -> str:
        stored = "traced" if self.is_abstract else f"{self.values.shape[0]} stored"
        return f"SparseTensor(shape={self.shape}, dtype={self.dtype.name}, {stored})"

    # -- from and to others ---------------------------------------------------------------------------------

    def todense(self) -> Any:
        """All of its numbers, zeros included."""
        values = self.values
        if not self.coords:
            return np.sum(values, axis=0, dtype=values.dtype)
        narrow = values.dtype == np.bool_
        total = scatter_add(self.shape, self.coords, values.astype(np.int32) if narrow else values)
        return total.astype(np.bool_) if narrow else total

    def numpy(self) -> Array:
        """All of its numbers as an array of NumPy's."""
        return np.array(concrete_array(self.todense()))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.todense(), dtype=dtype)

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> SparseTensor:
        return self.operations["cast"](self, dtype)

    # -- operators ------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        return self.todense()[key]

    @property
    def T(self) -> Any:
        return self.operations["transpose"](self)


def scatter_add(shape: Sequence[int], places: Sequence[Any], values: Any) -> Any:
    """Zeros of a shape, with values added at places along its first axes."""
    return apply("scatter", np.zeros(tuple(shape), values.dtype), values, *places, mode="add")


def parts(x: SparseTensor) -> tuple[Any, ...]:
    """The arrays that it is made of, filled up to the capacity if they have values."""
    found = (*x.coords, x.values)
    if any(isinstance(part, Tracer) for part in found):
        return found
    n = x.values.shape[0]
    size = capacity(n)
    return found if size == n else tuple(_filled(np.asarray(part), size) for part in found)


def _filled(x: Array, size: int) -> Array:
    result = np.zeros((size, *x.shape[1:]), x.dtype)
    result[: len(x)] = x
    return result


def from_scipy(matrix: Any) -> SparseTensor:
    """The sparse tensor for a matrix or array of SciPy's."""
    if matrix.ndim != 2:
        matrix = matrix.tocoo()
        coords = matrix.coords
        values = matrix.data
        dtype = index_dtype(matrix.shape)
        return SparseTensor.of([c.astype(dtype) for c in coords], tensors(values), matrix.shape)
    rows = matrix.tocsr()
    if not rows.has_canonical_format:
        rows = rows.copy() if rows is matrix else rows
        rows.sum_duplicates()
    dtype = index_dtype(rows.shape)
    lines = np.repeat(np.arange(rows.shape[0], dtype=dtype), np.diff(rows.indptr))
    columns = rows.indices.astype(dtype, copy=False)
    return SparseTensor.of((lines, columns), tensors(rows.data), rows.shape, is_unique=True)


def _operator(name: str, exchanged: bool = False) -> Any:
    def method(self: SparseTensor, other: Any) -> Any:
        pair = (other, self) if exchanged else (self, other)
        return SparseTensor.operations[name](*pair)

    return method


_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "matmul": "matmul", "pow": "power",
    "floordiv": "floor_divide", "mod": "mod",
}  # fmt: skip
for _short, _name in _OPERATORS.items():
    setattr(SparseTensor, f"__{_short}__", _operator(_name))
    setattr(SparseTensor, f"__r{_short}__", _operator(_name, exchanged=True))
for _short, _name in {"neg": "negative", "abs": "absolute"}.items():
    setattr(SparseTensor, f"__{_short}__", lambda self, name=_name: SparseTensor.operations[name](self))
for _name in ("less", "less_equal", "greater", "greater_equal"):
    _short = "".join(word[0] for word in _name.split("_")) if "_" in _name else _name[0] + "t"
    setattr(SparseTensor, f"__{_short}__", _operator(_name))
