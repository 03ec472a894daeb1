"""One graph for every batch size, from the graphs of a few.

A program is traced for several batch sizes. What is the same number in all of them is that number; what grows with the
batch is a `Size`, which prints as `n`, `3 * n` or `n + 1`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasflow.errors import ExportError
from kerasflow.exporting.numpy.expression import ATOM, SUM
from kerasflow.graph import Constant, Graph, Node, ShapedArray, Size, Value, printable


@dataclass(frozen=True)
class Filled:
    """A constant of this shape that is `core`, broadcast, plus `step` for each place along `axis`."""

    core: Constant
    shape: tuple[int, ...]
    step: Any = 0
    axis: int = 0


@dataclass(frozen=True)
class Counted:
    """A number that is a size, or `share` divided by it."""

    size: Size
    share: float | None = None


class Varying(Constant):
    """A constant whose array depends on the batch size.

    Attributes:
        text: the expression that makes it, with `{}` where it needs `core`. rank: its precedence.
        core: a part that is always the same.
        made: what it is, for forms that write no expressions.
    """

    __slots__ = ("core", "made", "rank", "text")

    def __init__(
        self,
        array: np.ndarray[Any, Any],
        made: Filled | Counted,
        text: str,
        core: Constant | None = None,
        rank: int = ATOM,
    ) -> None:
        super().__init__(array)
        self.made = made
        self.text = text
        self.core = core
        self.rank = rank


def align(graphs: Sequence[Graph], sizes: Sequence[int]) -> Graph:
    """The first of the graphs with `Size`s for what depends on the batch size, in shapes, parameters and constants.

    Args:
        graphs: of one program, for three batch sizes or more: two show how a number grows, the others that it does so.
        sizes: the batch size of each.

    Raises:
        ExportError: the graphs differ in more than numbers that grow evenly with the batch.
    """
    return _Alignment(sizes).graph(graphs)


class _Alignment:
    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = sizes
        self.values: dict[tuple[Value, ...], Value] = {}
        self.scope = ""

    def graph(self, graphs: Sequence[Graph]) -> Graph:
        self._same([len(g.nodes) for g in graphs])
        inputs = self._new_all([g.inputs for g in graphs])
        state = self._new_all([g.state_inputs for g in graphs])
        nodes = [self._node(nodes) for nodes in zip(*(g.nodes for g in graphs), strict=True)]
        outputs = self._find_all([g.outputs for g in graphs])
        new_state = self._find_all([g.state_outputs for g in graphs])
        return Graph(inputs, nodes, outputs, state, new_state, graphs[0].state_names)

    def _node(self, nodes: Sequence[Node]) -> Node:
        self.scope = nodes[0].scope
        self._same([n.primitive for n in nodes])
        self._same([tuple(n.params) for n in nodes])
        inputs = self._find_all([n.inputs for n in nodes])
        params = {key: self.number([n.params[key] for n in nodes]) for key in nodes[0].params}
        node = Node(nodes[0].primitive, inputs, params, [], self.scope)
        node.outputs = tuple(self._new_all([n.outputs for n in nodes]))
        for output in node.outputs:
            output.node = node
        return node

    def _new_all(self, values: Sequence[Sequence[Value]]) -> list[Value]:
        """Values of the aligned graph, for those that each graph makes or is given."""
        return [self._new(one) for one in zip(*values, strict=True)]

    def _new(self, values: tuple[Value, ...]) -> Value:
        self._same([v.aval.dtype for v in values])
        shape = self.number([v.aval.shape for v in values])
        self.values[values] = Value(ShapedArray(shape, values[0].aval.dtype))
        return self.values[values]

    def _find_all(self, values: Sequence[Sequence[Value]]) -> list[Value]:
        """The values of the aligned graph that each graph reads."""
        self._same([len(one) for one in values])
        return [self._find(one) for one in zip(*values, strict=True)]

    def _find(self, values: tuple[Value, ...]) -> Value:
        if values not in self.values:
            arrays = [v.array for v in values if isinstance(v, Constant)]
            self._same([len(arrays), len(values)])
            self._same([a.dtype for a in arrays])
            self.values[values] = self._constant(arrays)
        return self.values[values]

    def number(self, found: Sequence[Any]) -> Any:
        """A parameter, or a part of one, of each graph, as one of the aligned graph."""
        first = found[0]
        if isinstance(first, Graph):
            return self.graph(found)
        if isinstance(first, tuple):
            self._same([len(one) for one in found])
            return tuple(self.number(parts) for parts in zip(*found, strict=True))
        if all(one == first for one in found):
            return first
        if not all(isinstance(one, int) for one in found):
            raise self._refused(found)
        line = self._line(found)
        if line is None or not all(float(part).is_integer() for part in line):
            raise self._refused(found)
        return Size(first, int(line[0]), int(line[1]))

    def _line(self, found: Sequence[float]) -> tuple[float, float] | None:
        """`(times, plus)` of numbers that are `times * n + plus`; None for others."""
        times = (found[1] - found[0]) / (self.sizes[1] - self.sizes[0])
        plus = found[0] - times * self.sizes[0]
        line = all(times * n + plus == one for n, one in zip(self.sizes, found, strict=True))
        return (times, plus) if line else None

    def _constant(self, arrays: Sequence[np.ndarray[Any, Any]]) -> Constant:
        first, dtype = arrays[0], dtype_text(arrays[0].dtype)
        self._same([a.ndim for a in arrays])
        shape = self.number([a.shape for a in arrays])
        grows = [isinstance(n, Size) for n in shape]
        if not any(grows):
            if all(np.array_equal(a, first, equal_nan=first.dtype.kind in "fc") for a in arrays):
                return Constant(first)
            return self._scalar(arrays)
        if sum(grows) == 1 and first.dtype.kind in "iuf":
            counted = self._counted(arrays, shape, grows.index(True))
            if counted is not None:
                return counted
        place = tuple(slice(0, 1) if g else slice(None) for g in grows)
        cores = [a[place] for a in arrays]
        if not all(
            np.array_equal(a, np.broadcast_to(c, a.shape), equal_nan=first.dtype.kind in "fc")
            for a, c in zip(arrays, cores, strict=True)
        ):
            raise self._refused([a.shape for a in arrays])
        kept, core = self._constant(cores), cores[0]
        made = Filled(kept, shape)
        uniform = np.broadcast_to(core.flat[0], core.shape)
        if isinstance(kept, Varying) or not np.array_equal(core, uniform, equal_nan=core.dtype.kind in "fc"):
            return Varying(first, made, f"np.broadcast_to({{}}, {shape!r})", kept)
        if not core.flat[0]:
            return Varying(first, made, f"np.zeros({shape!r}, {dtype})")
        return Varying(first, made, f"np.full({shape!r}, {number_text(core.flat[0])}, {dtype})")

    def _counted(self, arrays: Sequence[np.ndarray[Any, Any]], shape: Any, axis: int) -> Varying | None:
        """What grows by the same step along an axis; None for anything else."""
        first = arrays[0]
        core = np.take(first, [0], axis)
        with np.errstate(invalid="ignore"):  # Infinities have no step, and are filled in.
            step = np.take(first, 1, axis).flat[0] - core.flat[0]
        along = [n if i == axis else 1 for i, n in enumerate(shape)]

        def count(n: int) -> np.ndarray[Any, Any]:
            return np.arange(n, dtype=first.dtype).reshape([n if i == axis else 1 for i in range(first.ndim)])

        if (
            not step
            or not np.isfinite(step)
            or not all(np.array_equal(a, core + step * count(a.shape[axis])) for a in arrays)
        ):
            return None
        text = f"np.arange({shape[axis]!r}, dtype={dtype_text(first.dtype)})"
        if first.ndim > 1:
            text += f".reshape({', '.join(map(repr, along))})"
        if step != 1:
            text += f" * {number_text(step)}"
        made = Filled(Constant(core), shape, step, axis)
        if core.size > 1:
            return Varying(first, made, f"{text} + {{}}", Constant(core), SUM)
        return Varying(
            first, made, f"{text} + {number_text(core.flat[0])}" if core.item() else text, rank=SUM
        )

    def _scalar(self, arrays: Sequence[np.ndarray[Any, Any]]) -> Varying:
        """A number that is computed from the batch size, such as the divisor of a mean."""
        first, dtype = arrays[0], dtype_text(arrays[0].dtype)
        if first.size != 1:
            raise self._refused([a.shape for a in arrays])
        numbers = [a.item() for a in arrays]
        line = self._line(numbers)
        share = self._share(numbers, first.dtype) if first.dtype.kind == "f" else None
        if line is not None and all(float(part).is_integer() for part in line):
            made = Counted(Size(int(numbers[0]), int(line[0]), int(line[1])))
            text = repr(made.size)
        elif share is not None:
            made = Counted(Size(self.sizes[0], 1, 0), share)
            text = f"{share!r} / n".replace(".0 ", " ")
        else:
            raise self._refused(numbers)
        text = f"np.full({first.shape}, {text}, {dtype})" if first.ndim else f"{dtype}({text})"
        return Varying(first, made, text)

    def _share(self, found: Sequence[float], dtype: np.dtype[Any]) -> float | None:
        """The number of which they are an n-th, to rounding; None for others."""
        close = 4 * float(np.finfo(dtype).eps)
        whole = [x * n for x, n in zip(found, self.sizes, strict=True)]
        for digits in range(1, np.finfo(dtype).precision + 3):
            share = float(f"{whole[0]:.{digits}g}")
            if all(abs(x - share) <= close * abs(share) for x in whole):
                return share
        return None

    def _same(self, found: Sequence[Any]) -> None:
        if any(one != found[0] for one in found):
            raise self._refused(found)

    def _refused(self, found: Sequence[Any]) -> ExportError:
        listed = ", ".join(f"{one} for {n} samples" for one, n in zip(found, self.sizes, strict=False))
        place = f" (in {printable(self.scope)})" if self.scope else ""
        return ExportError(
            f"The program depends on the batch size in a way that cannot be written down{place}: {listed}"
        )


def number_text(number: Any) -> str:
    """A number as Python writes it, with as many digits as its dtype has.

    Args:
        number: an array of one element, or a NumPy scalar.
    """
    item = np.asarray(number).reshape(())[()]
    text = str(item)
    if item.dtype.kind in "fc" and not np.isfinite(item):
        text = f"float('{text}')" if item.dtype.kind == "f" else f"complex('{text.strip('()')}')"
    return text


def dtype_text(dtype: np.dtype[Any]) -> str:
    """A dtype as the exported file names it."""
    return "bool" if dtype.kind == "b" else f"np.{dtype.name}"
