"""What lowerings write ONNX with: tensors that have Python's operators, and the builder that keeps the nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kerasflow.errors import ExportError
from kerasflow.graph import ShapedArray, Size, printable


class Tensor:
    """A value of an ONNX graph.

    Attributes:
        name: in the file. dtype: of its elements.
    """

    __slots__ = ("builder", "dtype", "name")

    def __init__(self, builder: Builder, name: str, dtype: np.dtype[Any]) -> None:
        self.builder = builder
        self.name = name
        self.dtype = dtype

    def __add__(self, other: Operand) -> Tensor:
        return self.builder.op("Add", self, other)

    def __sub__(self, other: Operand) -> Tensor:
        return self.builder.op("Sub", self, other)

    def __rsub__(self, other: float) -> Tensor:
        return self.builder.constant(np.array(other, self.dtype)) - self

    def __mul__(self, other: Operand) -> Tensor:
        return self.builder.op("Mul", self, other)

    def __truediv__(self, other: Operand) -> Tensor:
        return self.builder.op("Div", self, other)

    def __neg__(self) -> Tensor:
        return self.builder.op("Neg", self)

    def __and__(self, other: Operand) -> Tensor:
        return self.builder.op("And", self, other)

    def __or__(self, other: Operand) -> Tensor:
        return self.builder.op("Or", self, other)

    def __xor__(self, other: Operand) -> Tensor:
        return self.builder.op("Xor", self, other)

    def __invert__(self) -> Tensor:
        return self.builder.op("Not", self)

    def equal(self, other: Operand) -> Tensor:
        """Where both are the same number."""
        return self.builder.op("Equal", self, other, dtype=np.bool_)

    def less(self, other: Operand) -> Tensor:
        """Where this one is less than the other."""
        return self.builder.op("Less", self, other, dtype=np.bool_)

    def greater(self, other: Operand) -> Tensor:
        """Where this one is greater than the other."""
        return self.builder.op("Greater", self, other, dtype=np.bool_)

    def cast(self, dtype: Any) -> Tensor:
        """The same numbers in another dtype."""
        return self.builder.cast(self, np.dtype(dtype))


# A number takes the dtype of the first tensor among an operator's operands; None is an operand that is left out.
Operand = Tensor | float | None


class Builder:
    """An ONNX graph in the making.

    Attributes:
        initializers: weights and constants, by name.
        nodes: of the graph that is being written, which is a branch or a body inside `subgraph`.
        scope: the layer whose nodes are being written.
    """

    def __init__(self) -> None:
        self.initializers: dict[str, np.ndarray[Any, Any]] = {}
        self.nodes: list[Any] = []
        self.scope = ""
        self._outermost = self.nodes
        self._names: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._constants: dict[Any, Tensor] = {}
        self._sizes: dict[Size, Tensor] = {}
        self._batch: tuple[Tensor, int] | None = None

    # -- names and values -----------------------------------------------------------------------------------

    def name(self, wish: str) -> str:
        """A name that is new in the file, of subgraphs too."""
        name = wish = printable(wish)
        while name in self._names:
            self._counts[wish] += 1
            name = f"{wish}_{self._counts[wish]}"
        self._names.add(name)
        return name

    def input(self, wish: str, aval: ShapedArray) -> Tensor:
        """A new input. The first one with the batch size among its axes is where that comes from."""
        tensor = Tensor(self, self.name(wish), aval.dtype)
        for axis, n in enumerate(aval.shape):
            if self._batch is None and isinstance(n, Size) and n.is_batch:
                self._batch = tensor, axis
        return tensor

    def weight(self, wish: str, array: np.ndarray[Any, Any]) -> Tensor:
        """An array that the file brings."""
        name = self.name(wish)
        self.initializers[name] = array
        return Tensor(self, name, array.dtype)

    def constant(self, array: Any) -> Tensor:
        """An array of the program; the same for equal ones."""
        array = np.asarray(array)
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.weight("constant", array)
        return self._constants[key]

    def dims(self, shape: Sequence[int]) -> Tensor:
        """A shape, or other whole numbers, as a vector."""
        if not any(isinstance(n, Size) for n in shape):
            return self.constant(np.array(shape, np.int64))
        parts: list[Tensor] = []
        run: list[int] = []
        for n in (*shape, None):
            if (n is None or isinstance(n, Size)) and run:
                parts.append(self.constant(np.array(run, np.int64)))
                run = []
            if isinstance(n, Size):
                parts.append(self._size(n))
            elif n is not None:
                run.append(n)
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=0)

    def _size(self, size: Size) -> Tensor:
        """A size as a vector of one number, computed once, in the outermost graph."""
        if size not in self._sizes:
            if self._batch is None:
                raise ExportError("The program depends on the batch size, and none of its inputs has it.")
            nodes, self.nodes = self.nodes, self._outermost
            scope, self.scope = self.scope, ""
            tensor, axis = self._batch
            n = self.op("Shape", tensor, start=axis, end=axis + 1, dtype=np.int64)
            for number, neutral, kind in ((size.times, 1, "Mul"), (size.plus, 0, "Add")):
                n = n if number == neutral else self.op(kind, n, self.constant(np.array([number], np.int64)))
            self._sizes[size] = n
            self.nodes, self.scope = nodes, scope
        return self._sizes[size]

    # -- nodes ----------------------------------------------------------------------------------------------

    def op(self, kind: str, *operands: Operand, dtype: Any = None, **attributes: Any) -> Tensor:
        """An operator with one result, of the first operand's dtype unless one is given."""
        return self.ops(kind, operands, [dtype], **attributes)[0]

    def ops(
        self, kind: str, operands: Sequence[Operand], dtypes: Sequence[Any], **attributes: Any
    ) -> list[Tensor]:
        """An operator with a result for each of the dtypes."""
        from onnx import helper

        like = next((x.dtype for x in operands if isinstance(x, Tensor)), None)
        names = []
        for x in operands:
            lifted = x if isinstance(x, Tensor) or x is None else self.constant(np.array(x, like))
            names.append(lifted.name if lifted is not None else "")
        while names and not names[-1]:
            names.pop()
        place = f"{self.scope}/{kind}" if self.scope else kind
        results = [Tensor(self, self.name(place), np.dtype(dtype or like)) for dtype in dtypes]
        node = helper.make_node(kind, names, [t.name for t in results], results[0].name, **attributes)
        self.nodes.append(node)
        return results

    def cast(self, x: Tensor, dtype: np.dtype[Any]) -> Tensor:
        """x in another dtype; as it is, if it has that one."""
        return x if x.dtype == dtype else self.op("Cast", x, dtype=dtype, to=element_type(dtype))

    def where(self, condition: Tensor, x: Operand, y: Operand) -> Tensor:
        """x or y, by condition; one of them may be a number."""
        like = next(v.dtype for v in (x, y) if isinstance(v, Tensor))
        x, y = (v if isinstance(v, Tensor) else self.constant(np.array(v, like)) for v in (x, y))
        return self.op("Where", condition, x, y, dtype=like)

    def transpose(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """x with its axes in another order; of a weight, that order is the one in which it is stored."""
        if list(axes) == sorted(axes):
            return x
        if x.name in self.initializers:
            key = (x.name, tuple(axes))
            if key not in self._constants:
                array = np.ascontiguousarray(self.initializers[x.name].transpose(axes))
                self._constants[key] = self.weight(x.name, array)
            return self._constants[key]
        return self.op("Transpose", x, perm=list(axes))

    # -- graphs ---------------------------------------------------------------------------------------------

    def subgraph(
        self, function: Callable[..., Sequence[Tensor]], inputs: Mapping[str, ShapedArray], name: str
    ) -> Any:
        """A graph that is an operator's attribute: a branch or a loop's body, which also sees what is outside."""
        nodes, self.nodes = self.nodes, []
        tensors = [Tensor(self, self.name(wish), aval.dtype) for wish, aval in inputs.items()]
        results = [self.op("Identity", x) for x in function(*tensors)]
        infos = [value_info(t, aval) for t, aval in zip(tensors, inputs.values(), strict=True)]
        graph = self._graph(name, infos, [value_info(t, None) for t in results], [])
        self.nodes = nodes
        return graph

    def graph(
        self,
        name: str,
        inputs: Sequence[tuple[Tensor, ShapedArray]],
        outputs: Sequence[tuple[Tensor, ShapedArray]],
    ) -> Any:
        """The whole graph, with those of the weights and constants that it reads."""
        from onnx import numpy_helper

        read = _names_read(self.nodes) | {t.name for t, _ in outputs}
        arrays = [
            numpy_helper.from_array(array, key) for key, array in self.initializers.items() if key in read
        ]
        return self._graph(name, [value_info(*x) for x in inputs], [value_info(*x) for x in outputs], arrays)

    def _graph(self, name: str, inputs: list[Any], outputs: list[Any], arrays: list[Any]) -> Any:
        from onnx import helper

        return helper.make_graph(self.nodes, name, inputs, outputs, arrays)


def _names_read(nodes: Sequence[Any]) -> set[str]:
    """The values that nodes read, those of their subgraphs too."""
    found: set[str] = set()
    for node in nodes:
        found.update(node.input)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found |= _names_read(attribute.g.node)
    return found


def element_type(dtype: np.dtype[Any]) -> int:
    """ONNX's number for a dtype."""
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(dtype))


def value_info(tensor: Tensor, aval: ShapedArray | None) -> Any:
    """The type of an input or an output; None leaves its shape open."""
    from onnx import helper

    shape = None if aval is None else [_dimension(n) for n in aval.shape]
    return helper.make_tensor_value_info(tensor.name, element_type(tensor.dtype), shape)


def _dimension(n: int) -> int | str:
    """A dimension: a number, or a name for one that depends on the batch size."""
    if not isinstance(n, Size):
        return n
    return "batch" if n.is_batch else repr(n).replace("n", "batch")
