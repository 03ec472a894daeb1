"""Rewrites for this backend: what NumPy does slowly becomes what it does fast.

The few primitives here are this backend's own; they never leave it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, Node, Primitive, ShapedArray, Value, needed
from kerasflow.primitives.builder import SharingBuilder
from kerasflow.primitives.elementwise import broadcast_shapes
from kerasflow.primitives.linalg import split_subscripts
from kerasflow_numpy.plan.combinations import combine, updates
from kerasflow_numpy.plan.parts import update_whole

_WORDS: dict[int, np.dtype[Any]] = {2: np.dtype(np.int16), 4: np.dtype(np.int32), 8: np.dtype(np.int64)}


def _bit_mask(condition: Any, dtype: np.dtype[Any]) -> Any:
    return -condition.astype(dtype)


def _mask_bits(x: Any, mask: Any) -> Any:
    return np.bitwise_and(x.view(mask.dtype), mask).view(x.dtype)


# A sum of fewer elements is not worth the call of BLAS.
MIN_SUMMED = 1 << 12

# A product of at most so many rows and a transposed matrix of at least so many elements is computed turned around.
FEW_ROWS = 16
MIN_TURNED = 1 << 16

# An operation on fewer elements gains nothing from longer rows; longer rows than this would not stay in the cache.
MIN_REPEATED = 1 << 14
MAX_ROW = 1 << 13

# A boolean as an integer of all ones or all zeros.
bit_mask = Primitive(
    "bit_mask", _bit_mask, lambda condition, dtype: ShapedArray(condition.shape, dtype), elementwise=True
)
# x where the mask is ones, zero where it is zeros: a masked copy costs ten times as much in NumPy.
mask_bits = Primitive(
    "mask_bits",
    _mask_bits,
    lambda x, mask: ShapedArray(broadcast_shapes(x.shape, mask.shape), x.dtype),
    elementwise=True,
)


class _Rewriter(SharingBuilder):
    def __init__(self, graph: Graph, exact: bool) -> None:
        super().__init__()
        self.graph = graph
        self.exact = exact
        self.updates = set() if exact else updates(graph)
        self.env: dict[Value, Value] = {}
        self.constants: dict[Hashable, Constant] = {}

    def shaped(self, value: Value, shape: tuple[int, ...]) -> Value:
        """The value in another shape."""
        return value if value.aval.shape == shape else self.emit("reshape", value, shape=shape)

    def ones(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Constant:
        """An array of ones, the same one for the same shape."""
        return self.constants.setdefault((shape, dtype), Constant(np.ones(shape, dtype)))

    def long_rows(self, node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
        """The operands of an element-by-element operation, a number for each channel repeated along the axis before.

        NumPy's inner loop is as long as the axes that all operands have in full: 16 elements for 16 channels.
        """
        out = node.outputs[0].aval
        if not node.primitive.elementwise or out.ndim < 3 or out.size < MIN_REPEATED or node in self.updates:
            return inputs
        rows, channels = out.shape[-2:]
        if rows == 1 or channels == 1 or channels > 128 or rows * channels > MAX_ROW:
            return inputs
        return tuple(
            self._repeated(v, rows)
            if v.aval.shape and v.aval.shape[-1] == v.aval.size == channels and v.aval.dtype.kind == "f"
            else v
            for v in inputs
        )

    def _repeated(self, value: Value, rows: int) -> Value:
        value = self.shaped(value, (value.aval.size,))
        return self.emit("multiply", self.ones((rows, 1), value.aval.dtype), value)

    def prepared(self, param: Any) -> Any:
        """A parameter; sub-graphs are rewritten too."""
        if isinstance(param, tuple):
            return tuple(map(self.prepared, param))
        return prepare(param, self.exact) if isinstance(param, Graph) else param

    def run(self) -> Graph:
        for node in self.graph.nodes:
            self.scope = node.scope
            inputs = tuple(self.env.get(v, v) for v in node.inputs)
            if node.primitive.name == "custom_vjp":  # Its derivative has been taken.
                self.env.update(zip(node.outputs, inputs[-len(node.outputs) :], strict=True))
                continue
            rewrite = _REWRITES.get(node.primitive.name)
            result = rewrite(self, node, inputs) if rewrite else None
            if result is not None:
                self.env[node.outputs[0]] = result
                continue
            inputs = self.long_rows(node, inputs)
            params = {key: self.prepared(param) for key, param in node.params.items()}
            self.env.update(zip(node.outputs, self.keep(node, inputs, params), strict=True))
        g = self.graph
        outputs = [self.env.get(v, v) for v in g.outputs]
        state = [self.env.get(v, v) for v in g.state_outputs]
        keep = needed(self.nodes, outputs + state)
        nodes = [node for node in self.nodes if node in keep]
        return Graph(g.inputs, nodes, outputs, g.state_inputs, state, g.state_names)


def _is_zero(value: Value) -> bool:
    """Whether the value is a scalar of zero bits (not -0)."""
    return isinstance(value, Constant) and value.array.size == 1 and not any(value.array.tobytes())


def _where(rewriter: _Rewriter, node: Node, inputs: tuple[Value, ...]) -> Value | None:
    """where(c, x, 0) by masking bits, where(c, 0, y) with the condition inverted."""
    condition, x, y = inputs
    aval = node.outputs[0].aval
    word = _WORDS.get(aval.dtype.itemsize)
    if word is None or aval.dtype.kind == "c" or aval.size < 64 or condition.aval.dtype != bool:
        return None
    if _is_zero(y) and x.aval.shape == aval.shape:
        return rewriter.emit(mask_bits, x, rewriter.emit(bit_mask, condition, dtype=word))
    if _is_zero(x) and y.aval.shape == aval.shape:
        inverse = rewriter.emit("logical_not", condition)
        return rewriter.emit(mask_bits, y, rewriter.emit(bit_mask, inverse, dtype=word))
    return None


def _einsum(rewriter: _Rewriter, node: Node, inputs: tuple[Value, ...]) -> Value | None:
    """A product of two operands over distinct letters as a matrix product."""
    terms, output = split_subscripts(node.params["subscripts"])
    if len({v.aval.dtype for v in inputs}) != 1:
        return None
    if len(terms) != 2 or any(len(set(t)) != len(t) for t in terms):
        return None
    a, b = terms
    batch = [c for c in a if c in b and c in output]
    inner = [c for c in a if c in b and c not in output]
    rows = [c for c in a if c not in b]
    columns = [c for c in b if c not in a]
    if not inner or any(c not in output for c in rows + columns):
        return None
    x, y = inputs
    sizes = dict(zip(a, x.aval.shape, strict=True)) | dict(zip(b, y.aval.shape, strict=True))

    def arrange(value: Value, letters: str, groups: list[list[str]]) -> Value:
        many, first, last = groups
        if (
            letters == "".join([*many, *last, *first]) and first and last
        ):  # A product takes a transposed matrix as it is.
            value = arrange(value, letters, [many, last, first])
            return rewriter.emit("transpose", value, axes=_swapped(value.aval.ndim))
        axes = tuple(letters.index(c) for group in groups for c in group)
        if axes != tuple(range(len(axes))):
            value = rewriter.emit("transpose", value, axes=axes)
        shape = tuple(sizes[c] for c in many) + tuple(
            int(np.prod([sizes[c] for c in group], dtype=np.int64)) for group in (first, last)
        )
        return value if value.aval.shape == shape else rewriter.emit("reshape", value, shape=shape)

    product = rewriter.emit(
        "matmul", arrange(x, a, [batch, rows, inner]), arrange(y, b, [batch, inner, columns])
    )
    letters = batch + rows + columns
    shape = tuple(sizes[c] for c in letters)
    if product.aval.shape != shape:
        product = rewriter.emit("reshape", product, shape=shape)
    axes = tuple(letters.index(c) for c in output)
    return product if axes == tuple(range(len(axes))) else rewriter.emit("transpose", product, axes=axes)


def _swapped(ndim: int) -> tuple[int, ...]:
    """The axes of a stack of transposed matrices."""
    return (*range(ndim - 2), ndim - 1, ndim - 2)


def _matmul(rewriter: _Rewriter, node: Node, inputs: tuple[Value, ...]) -> Value | None:
    """A few rows times a transposed matrix the other way round: BLAS takes up to three times as long for it as it is.

    So the words that come next are found: a row a text, times the table of all words' vectors.
    """
    x, y = inputs
    if rewriter.exact or y.node is None or y.node.primitive.name != "transpose" or x.aval.ndim != 2:
        return None
    if not 1 < x.aval.shape[0] <= FEW_ROWS or y.aval.size < MIN_TURNED or y.aval.ndim != 2:
        return None
    if x.aval.dtype != y.aval.dtype or x.aval.dtype.char not in "fd":
        return None
    turned = rewriter.emit("transpose", x, axes=(1, 0))
    return rewriter.emit("transpose", rewriter.emit("matmul", y.node.inputs[0], turned), axes=(1, 0))


def _sum(rewriter: _Rewriter, node: Node, inputs: tuple[Value, ...]) -> Value | None:
    """A sum as a product with ones: by BLAS five to twenty times as fast.

    The axes next to each other that have the most elements are summed so; of what is left, the others.
    """
    (x,) = inputs
    axis, shape = node.params["axis"], x.aval.shape
    if (
        rewriter.exact
        or x.aval.dtype.char not in "fd"
        or x.aval.size < MIN_SUMMED
        or len(axis) in (0, x.aval.ndim)
    ):
        return None
    runs = [[axis[0]]]
    for i in axis[1:]:
        if i == runs[-1][-1] + 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    run = max(runs, key=lambda run: math.prod(shape[i] for i in run))
    before, n, behind = (
        math.prod(sizes) for sizes in (shape[: run[0]], shape[run[0] : run[-1] + 1], shape[run[-1] + 1 :])
    )
    if behind == 1:
        ones = rewriter.ones((n, 1), x.aval.dtype)
        result = rewriter.emit("matmul", rewriter.shaped(x, (before, n)), ones)
    else:
        ones = rewriter.ones((1, n), x.aval.dtype)
        whole = (n, behind) if before == 1 else (before, n, behind)
        result = rewriter.emit("matmul", ones, rewriter.shaped(x, whole))
    if others := tuple(i for i in axis if i not in run):
        rest = rewriter.shaped(result, tuple(1 if i in run else size for i, size in enumerate(shape)))
        result = rewriter.emit("sum", rest, axis=others, keepdims=True)
    return rewriter.shaped(result, node.outputs[0].aval.shape)


def _combination(rewriter: _Rewriter, node: Node, inputs: tuple[Value, ...]) -> Value | None:
    return combine(rewriter.emit, node, inputs) if node in rewriter.updates else None


_REWRITES = {
    "where": _where,
    "einsum": _einsum,
    "matmul": _matmul,
    "sum": _sum,
    "add": _combination,
    "subtract": _combination,
}


def prepare(graph: Graph, exact: bool = False) -> Graph:
    """The graph in the form that this backend runs fastest; same meaning.

    Args:
        exact: keep every bit: no sums regrouped.
    """
    return _Rewriter(update_whole(graph), exact).run()
