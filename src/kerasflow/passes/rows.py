"""Updates of a few rows of a table: only the rows that a step has looked up are read, computed and written.

The gradient of `table[index]` is zeros to which rows are added: zero but in a few rows. A value that is like this, or
like another value but in a few rows, is *patched*: a base (0, or say the variable as it was), and the rows that differ
from it. Patched values are followed through the program. What works element by element gives a patched value of
patched ones, `f(base)` with the rows `f(rows)`; a sum over the table is a sum of the rows, where the base is 0. What
needs the whole table gets it: the base, into which the rows are put. So nothing depends on what the optimizer is
called. With SGD the base of the new table is the old one, whose rows are replaced in place, and Adagrad's accumulator
is another such table. Adam's moments decay everywhere: their base is `beta * moment`, but no gradient of the table's
size is made.

Indices of the same row have one row, the sum (`collect_rows`), so that a square is the square of the sum. There are as
many rows as indices, a number that is known; those left over stand for a row that was not looked up, with a gradient
of 0, and get what such a row gets.

Rows that are looked up get the same numbers as without this pass. For the others, 0 times anything, 0 divided by
anything and `x - x` are taken for 0, which they are unless something is infinite or NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, Node, Value, evaluate_node, infer
from kerasflow.passes.dce import eliminate_dead_code
from kerasflow.passes.interfaces import replaced
from kerasflow.passes.rewrite import uniform_value
from kerasflow.primitives import PRIMITIVES
from kerasflow.primitives.builder import SharingBuilder, value_key
from kerasflow.primitives.indexing import collect_rows

# A table of fewer elements is updated as a whole, and so is one that has not this many times as many rows as are looked
# up.
MIN_ELEMENTS = 1 << 16
MIN_ROWS_PER_INDEX = 4
# The rows of an element-by-element result are computed from those of its operands, through so many operations.
MAX_DEPTH = 32

# What a reduction of nothing is.
_IDENTITIES: dict[str, Any] = {"sum": 0, "any": False, "all": True}


@dataclass(frozen=True)
class _Patched:
    """A value that is another one but in a few rows.

    Attributes:
        base: the other value, or what is broadcast to it. rows: of its first axis, those that may differ.
        places: which ones these are.
        updates, index: of a value that is zero elsewhere, what its rows are the sums of.
        node: what makes it as a whole, where that is a node of the graph as it was.
    """

    base: Value
    rows: Value
    places: Value
    updates: Value | None = None
    index: Value | None = None
    node: Node | None = None


def update_rows(graph: Graph) -> Graph:
    """The graph with updates of tables that treat the rows alone that were looked up, where that is less work."""
    if not any(_gradient(node) or _cast_table(node) for node in graph.nodes):
        return graph
    found = eliminate_dead_code(_Walk(graph).run())
    changed = any(node.primitive is collect_rows for node in found.nodes) or any(
        map(_cast_table, graph.nodes)
    )
    return found if changed else graph  # All that was patched was wanted as a whole.


def pays(rows: int, size: int, indices: int) -> bool:
    """Whether a table is worth it, by its rows, its elements, and how many indices there are."""
    return size >= MIN_ELEMENTS and indices > 0 and indices * MIN_ROWS_PER_INDEX <= rows


def _gradient(node: Node) -> bool:
    """Whether a node adds a few rows to zeros."""
    if node.primitive.name != "scatter" or node.params["mode"] != "add" or len(node.inputs) != 3:
        return False
    table, _, index = (v.aval for v in node.inputs)
    return (
        table.dtype.kind in "fV"
        and pays(table.shape[0], table.size, index.size)
        and uniform_value(node.inputs[0]) == 0
    )


def _cast_table(node: Node) -> Node | None:
    """The cast of a table of which a node takes a few rows."""
    if node.primitive.name != "gather" or len(node.inputs) != 2:
        return None
    table, index = node.inputs
    cast = table.node
    if cast is None or cast.primitive.name != "astype":
        return None
    return cast if pays(table.aval.shape[0], table.aval.size, index.aval.size) else None


class _Walk(SharingBuilder):
    """Makes the new graph, node by node.

    Attributes:
        whole_of: what stands for a value of the old graph, as a whole. patched: the patched values of the old graph.
        rows_at: the rows of values at places.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.whole_of: dict[Value, Value] = {}
        self.patched: dict[Value, _Patched] = {}
        self.rows_at: dict[tuple[Value, Value], Value] = {}

    def run(self) -> Graph:
        g = self.graph
        for node in g.nodes:
            self.scope = node.scope
            if node.primitive.name == "switch" and self._switch(node):
                continue
            found = self._visit(node)
            if isinstance(found, _Patched):
                self.patched[node.outputs[0]] = found
            elif found is not None:
                self.whole_of[node.outputs[0]] = found
            else:
                self._keep(node)
        # Rows are put into the state at the very end, in place: nobody reads the old state any more.
        outputs = [self.whole(v) for v in g.outputs]
        state = [self.whole(v) for v in g.state_outputs]
        return Graph(g.inputs, self.nodes, outputs, g.state_inputs, state, g.state_names)

    def _keep(self, node: Node) -> None:
        made = self.keep(node, tuple(map(self.whole, node.inputs)))
        self.whole_of.update(zip(node.outputs, made, strict=True))

    def whole(self, value: Value) -> Value:
        """What stands for a value of the old graph in the new one; a patched one is put together."""
        found = self.patched.get(value)
        if value in self.whole_of or found is None:
            return self.whole_of.get(value, value)
        assert value.node is not None
        here, self.scope = self.scope, value.node.scope
        if found.node is not None:
            self._keep(found.node)
        else:
            base = self._broadcast(found.base, value.aval.shape)
            self.whole_of[value] = self.emit("scatter", base, found.rows, found.places, mode="set")
        self.scope = here
        return self.whole_of[value]

    def _broadcast(self, value: Value, shape: tuple[int, ...]) -> Value:
        return value if value.aval.shape == shape else self.emit("broadcast_to", value, shape=shape)

    def _reshape(self, value: Value, shape: tuple[int, ...]) -> Value:
        return value if value.aval.shape == shape else self.emit("reshape", value, shape=shape)

    # -- nodes ----------------------------------------------------------------------------------------------

    def _visit(self, node: Node) -> _Patched | Value | None:
        """What a node makes: a patched value, a value of the new graph, or None for what it made before."""
        if _gradient(node):
            return self._rows_of_gradient(node)
        if (cast := _cast_table(node)) is not None and node.inputs[0] not in self.patched:
            rows = self.emit("gather", self.whole(cast.inputs[0]), self.whole(node.inputs[1]))
            return self.emit("astype", rows, **cast.params)
        if self.patched.keys().isdisjoint(node.inputs):
            return None
        if node.primitive.elementwise:
            return self._elementwise(node)
        rule = _RULES.get(node.primitive.name)
        return rule(self, node, self.patched[node.inputs[0]]) if rule else None

    def _rows_of_gradient(self, node: Node) -> _Patched:
        table, updates, index = node.inputs
        n, row = index.aval.size, table.aval.shape[1:]
        whole = self._broadcast(self.whole(updates), index.aval.shape + row)
        places = self._reshape(self.whole(index), (n,))
        return self._collected(self._reshape(whole, (n, *row)), places, table.aval.shape[0], node)

    def _collected(self, updates: Value, index: Value, size: int, node: Node | None = None) -> _Patched:
        rows, places = self.emit_all(collect_rows, (updates, index), {"size": size})
        return _Patched(_number(0, updates.aval.dtype), rows, places, updates, index, node)

    def _elementwise(self, node: Node) -> _Patched | None:
        aval = node.outputs[0].aval
        several = {self.patched[v].places: v for v in node.inputs if v in self.patched}
        if len(several) > 1 and (together := self._sum_of_both(node)) is not None:
            return together
        places, one = next(iter(several.items()))
        if (one.aval.ndim, one.aval.shape[0]) != (aval.ndim, aval.shape[0]):
            return None
        bases = [
            self.patched[v].base if self._is_at(v, places) else self._plain(self.whole(v))
            for v in node.inputs
        ]
        rows = [self._rows(v, places, one) for v in node.inputs]
        return _Patched(self._base(node, bases), self.emit(node.primitive, *rows, **node.params), places)

    def _sum_of_both(self, node: Node) -> _Patched | None:
        """The sum of what is zero but in other rows: a table that is looked up twice."""
        aval = node.outputs[0].aval
        if node.primitive.name != "add" or any(v.aval != aval or v not in self.patched for v in node.inputs):
            return None
        both = [self.patched[v] for v in node.inputs]
        if not all(_is(p.base, 0) for p in both):
            return None
        indices = [p.places if p.index is None else p.index for p in both]
        if not pays(aval.shape[0], aval.size, sum(v.aval.size for v in indices)):
            return None
        updates = [p.rows if p.updates is None else p.updates for p in both]
        indices = [self.emit("astype", v, dtype=np.dtype(np.intp)) for v in indices]
        return self._collected(
            self.emit("concatenate", *updates, axis=0),
            self.emit("concatenate", *indices, axis=0),
            aval.shape[0],
        )

    def _switch(self, node: Node) -> bool:
        """Give a conditional the rows of what is zero elsewhere; whether one of its branches makes do with them.

        So gradients reach the optimizer where it waits for several batches, or looks whether they are finite.
        """
        index, *operands = node.inputs
        rows = [(p.rows, p.places) if p and _is(p.base, 0) else None for p in map(self.patched.get, operands)]
        branches = [_given_rows(branch, rows) for branch in node.params["branches"]]
        found = tuple(map(update_rows, branches))
        if all(one is other for one, other in zip(found, branches, strict=True)):
            return False
        inputs = [self.whole(index)]
        for v, pair in zip(operands, rows, strict=True):
            inputs += pair or (self.whole(v),)
        made = self.emit_all(node.primitive, inputs, {"branches": found})
        self.whole_of.update(zip(node.outputs, made, strict=True))
        return True

    # -- rows and bases -------------------------------------------------------------------------------------

    def _is_at(self, value: Value, places: Value) -> bool:
        return value in self.patched and self.patched[value].places is places

    def _plain(self, value: Value) -> Value:
        """A value, as a scalar where it is one everywhere."""
        found = uniform_value(value)
        return value if found is None else Constant(np.asarray(found, value.aval.dtype))

    def _rows(self, value: Value, places: Value, like: Value, depth: int = 0) -> Value:
        """The rows of a value of the old graph at some places of the first axis that `like` has."""
        if self._is_at(value, places):
            return self.patched[value].rows
        if (value.aval.ndim, value.aval.shape[:1]) != (like.aval.ndim, like.aval.shape[:1]):
            return self.whole(value)  # The same for all rows.
        if (value, places) not in self.rows_at:
            self.rows_at[value, places] = self._other_rows(value, places, like, depth)
        return self.rows_at[value, places]

    def _other_rows(self, value: Value, places: Value, like: Value, depth: int) -> Value:
        plain = self._plain(value)
        if plain is not value:
            return plain
        node = value.node
        if node is not None and node.primitive.elementwise and depth < MAX_DEPTH:
            rows = [self._rows(v, places, like, depth + 1) for v in node.inputs]
            return self.emit(node.primitive, *rows, **node.params)
        return self.emit("gather", self.whole(value), places)

    def _base(self, node: Node, bases: list[Value]) -> Value:
        """An element-by-element operation of bases; not computed where it is known what comes out."""
        dtype = node.outputs[0].aval.dtype
        rule = _BASES.get(node.primitive.name)
        known = rule(*bases) if rule else None
        if known is not None:
            return known if isinstance(known, Value) else _number(known, dtype)
        if all(isinstance(v, Constant) and v.aval.ndim == 0 for v in bases):
            avals = infer(node.primitive, [v.aval for v in bases], node.params)
            scalar = Node(node.primitive, bases, node.params, avals)
            return Constant(np.asarray(evaluate_node(scalar, [v.array for v in bases])[0], dtype))  # type: ignore[attr-defined]
        return self.emit(node.primitive, *bases, **node.params)


def _given_rows(branch: Graph, rows: Sequence[tuple[Value, Value] | None]) -> Graph:
    """A branch that takes rows and their places, where there are some, and makes of them what it took."""
    inputs: list[Value] = []
    made: dict[Value, Value] = {}
    nodes: list[Node] = []
    for v, pair in zip(branch.inputs, rows, strict=True):
        if pair is None:
            inputs.append(v)
            continue
        inputs += [Value(pair[0].aval), Value(pair[1].aval)]
        zeros = Constant(np.broadcast_to(np.zeros((), v.aval.dtype), v.aval.shape))
        nodes.append(Node(PRIMITIVES["scatter"], [zeros, *inputs[-2:]], {"mode": "add"}, [v.aval]))
        made[v] = nodes[-1].outputs[0]
    inner = replaced(branch, inputs, branch.outputs, made)
    return Graph(inner.inputs, [*nodes, *inner.nodes], inner.outputs)


def _number(number: Any, dtype: np.dtype[Any]) -> Constant:
    return Constant(np.asarray(number, dtype))


def _is(value: Value, number: Any) -> bool:
    """Whether a base is a number everywhere."""
    return isinstance(value, Constant) and value.aval.ndim == 0 and bool(value.array == number)


# -- what becomes of bases: a value, a number, or None for what the operation gives -------------------------------


def _add(x: Value, y: Value) -> Value | None:
    return y if _is(x, 0) else x if _is(y, 0) else None


def _subtract(x: Value, y: Value) -> Value | int | None:
    if x is y and x.aval.dtype.kind in "fV":
        return 0
    return x if _is(y, 0) else None


def _multiply(x: Value, y: Value) -> int | None:
    return 0 if _is(x, 0) or _is(y, 0) else None


def _divide(x: Value, y: Value) -> int | None:
    return 0 if _is(x, 0) and not isinstance(y, Constant) else None


def _where(condition: Value, x: Value, y: Value) -> Value | None:
    return x if value_key(x) == value_key(y) else None


_BASES: dict[str, Callable[..., Any]] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "where": _where,
}


# -- what else keeps to the rows ------------------------------------------------------------------------------------


def _reduce(walk: _Walk, node: Node, x: _Patched) -> _Patched | Value | None:
    name, axis = node.primitive.name, node.params["axis"]
    neutral = _is(x.base, _IDENTITIES[name])
    if not neutral and (0 in axis or x.base.aval != node.inputs[0].aval):
        return None
    rows = walk.emit(node.primitive, x.rows, **node.params)
    if 0 in axis:
        return rows
    base = (
        _number(_IDENTITIES[name], node.outputs[0].aval.dtype)
        if neutral
        else walk.emit(node.primitive, x.base, **node.params)
    )
    return _Patched(base, rows, x.places)


def _reshape(walk: _Walk, node: Node, x: _Patched) -> _Patched | None:
    shape, old = node.params["shape"], node.inputs[0].aval
    if shape[:1] != old.shape[:1] or (x.base.aval.ndim and x.base.aval != old):
        return None
    base = walk.emit("reshape", x.base, shape=shape) if x.base.aval.ndim else x.base
    rows = walk.emit("reshape", x.rows, shape=(x.rows.aval.shape[0], *shape[1:]))
    return _Patched(base, rows, x.places)


_RULES: dict[str, Callable[[_Walk, Node, _Patched], _Patched | Value | None]] = {
    **dict.fromkeys(_IDENTITIES, _reduce),
    "reshape": _reshape,
}
