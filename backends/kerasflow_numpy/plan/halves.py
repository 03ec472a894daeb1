"""Half precision in single precision: float16 and bfloat16 values are kept as float32 while a program runs.

NumPy has no fast loops for them: a product of float16 matrices takes a hundred times as long as one of float32, a
sum of bfloat16 sixty times. So this pass makes of a graph with half-precision values one without. What the dtypes mean
stays, in four rules:

- What comes to half precision from outside of it is rounded: casts of weights, of inputs, of what is computed from
  these alone.
- What is computed from half-precision numbers is not rounded before it leaves the program, also where it is cast to
  float32 and back: it is more exact than its dtype says, as with XLA, which computes so on a processor like this.
- What leaves the program, its results and new state, is rounded.
- A float16 beyond 65504 is infinite as soon as something other than an element-by-element operation reads it, or
  something that asks for it (`isfinite`, a cast): loss scaling looks for infinite gradients. Within the steps of a
  loop, and in branches, only the latter counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, Node, Primitive, ShapedArray, Value, all_nodes, users
from kerasflow.primitives.builder import Builder

SINGLE = np.dtype(np.float32)
FLOAT16 = np.dtype(np.float16)
# What rounds to more than float16's largest number, 65504, and is infinite.
BEYOND = np.float32(65520)
# So many elements are rounded at a time: with a temporary array they stay in the cache.
PIECE = 1 << 15


def is_half(dtype: np.dtype[Any]) -> bool:
    """Whether it is float16 or bfloat16."""
    return dtype == FLOAT16 or dtype.name == "bfloat16"


def _round_to(x: Any, dtype: np.dtype[Any]) -> Any:
    return x.astype(dtype).astype(x.dtype)


def _bounded(x: Any) -> Any:
    return np.where(np.abs(x) >= BEYOND, np.copysign(np.float32(np.inf), x), x)


# A float32 as the nearest number of a half precision, still a float32.
round_to = Primitive("round_to", _round_to, lambda x, dtype: x, elementwise=True)
# A float32 with float16's range: what lies beyond is infinite.
bounded = Primitive("bounded", _bounded, lambda x: x, elementwise=True)

# What looks at bits, or at the numbers that a dtype has: computed in half precision itself.
_BITS = frozenset({"view", "nextafter", "spacing"})
# What only moves elements.
_MOVING = frozenset(
    "reshape transpose broadcast_to getitem gather identity stop_gradient concatenate".split()
)
# Integers that each half precision has all of.
_SHORT = frozenset("?bB")
# Operations whose results are within the range that their operands are in, and those whose results always are.
_WITHIN = _MOVING | frozenset(
    "setitem pad sort negative absolute maximum minimum fmax fmin clip where copysign max min max_pool max_pool_take "
    "round_to".split()
)
_ALWAYS = frozenset("tanh logistic sin cos arctan arctan2 arcsin arccos erf erfc sign heaviside".split())
# Element-by-element operations that ask whether a number is infinite, or make another dtype of it.
_ASKING = frozenset("astype isfinite isinf isnan".split())


class _Widener(Builder):
    """Makes one graph, or sub-graph, with float32 instead of half precision.

    Attributes:
        wide: what stands for a value. held: of values that are given, or only moved, what stands for them in their own
            dtype: a few rows of a large table are wide, not the table. within: float16 values without an element beyond
            the range that is not infinite. computed: values of other dtypes that are computed from half precision.

    Args:
        inside: whether it is a sub-graph. computed: the arguments of it that are computed from half precision.
    """

    def __init__(self, graph: Graph, inside: bool, computed: Iterable[Value] = ()) -> None:
        super().__init__()
        self.graph = graph
        self.inside = inside
        self.computed = set(computed)
        self.users = users(graph)
        self.wide: dict[Value, Value] = {}
        self.held: dict[Value, Value] = {}
        self.within: set[Value] = set()

    def run(self) -> Graph:
        g = self.graph
        inputs, state = ([self._argument(v) for v in values] for values in (g.inputs, g.state_inputs))
        for node in g.nodes:
            self.scope = node.scope
            self._node(node)
        outputs, new_state = ([self._result(v) for v in values] for values in (g.outputs, g.state_outputs))
        return Graph(inputs, self.nodes, outputs, state, new_state, g.state_names)

    def _argument(self, value: Value) -> Value:
        """What is given: to a program as it is, to a sub-graph as float32."""
        if not is_half(value.aval.dtype):
            return value
        if self.inside:
            self.within.add(value)
            self.wide[value] = Value(ShapedArray(value.aval.shape, SINGLE))
            return self.wide[value]
        self.held[value] = value
        return value

    def _result(self, value: Value) -> Value:
        """What is handed out: by a program in its dtype, by a sub-graph as float32."""
        if self.inside or not is_half(value.aval.dtype):
            return self.read(value)
        return self.itself(value)

    def read(self, value: Value) -> Value:
        """What stands for a value; float32 for one of half precision."""
        if value in self.wide or not is_half(value.aval.dtype):
            return self.wide.get(value, value)
        self.within.add(value)
        if isinstance(value, Constant):
            self.wide[value] = Constant(value.array.astype(SINGLE))
        else:
            self.wide[value] = self.emit("astype", self.held[value], dtype=SINGLE)
        return self.wide[value]

    def itself(self, value: Value) -> Value:
        """What stands for a value in its own dtype, rounded to it."""
        if not is_half(value.aval.dtype):
            return self.read(value)
        if isinstance(value, Constant):
            return value
        if value not in self.held:
            self.held[value] = self.emit("astype", self.wide[value], dtype=value.aval.dtype)
        return self.held[value]

    def _node(self, node: Node) -> None:
        name = node.primitive.name
        if any(is_half(v.aval.dtype) or v in self.computed for v in node.inputs):
            self.computed.update(v for v in node.outputs if not is_half(v.aval.dtype))
        if name == "custom_vjp":  # Its derivative has been taken.
            for v, x in zip(node.outputs, node.inputs[-len(node.outputs) :], strict=True):
                self._same(v, x)
        elif name == "astype" and is_half(node.outputs[0].aval.dtype):
            self._cast(node.inputs[0], node.outputs[0])
        elif name == "astype" and node.params["dtype"] == self.read(node.inputs[0]).aval.dtype:
            self.wide[node.outputs[0]] = self.read(node.inputs[0])
        elif self._stays(node):
            results = self.emit_all(node.primitive, [self.itself(v) for v in node.inputs], node.params)
            for v, result in zip(node.outputs, results, strict=True):
                (self.held if is_half(v.aval.dtype) else self.wide)[v] = result
        else:
            inputs = [self.read(v) for v in node.inputs]
            params = {key: self._widened(param, node) for key, param in node.params.items()}
            for v, result in zip(node.outputs, self._emitted(node, inputs, params), strict=True):
                self.wide[v] = self._in_range(v, result)

    def _widened(self, param: Any, node: Node) -> Any:
        """A parameter; sub-graphs are changed too."""
        if isinstance(param, tuple):
            return tuple(self._widened(one, node) for one in param)
        if not isinstance(param, Graph):
            return param
        operands = node.inputs[len(node.inputs) - len(param.inputs) :]
        computed = [v for v, x in zip(param.inputs, operands, strict=True) if x in self.computed]
        return _Widener(param, True, computed).run()

    def _emitted(self, node: Node, inputs: list[Value], params: dict[str, Any]) -> list[Value]:
        """The node's results in the new graph; of a scan's that have become the same, one is computed."""
        if node.primitive.name != "scan":
            return list(self.emit_all(node.primitive, inputs, params))
        body, carries = params["body"], params["carries"]
        stacked = list(dict.fromkeys(body.outputs[carries:]))
        body = replace(body, outputs=[*body.outputs[:carries], *stacked])
        results = self.emit_all(node.primitive, inputs, {**params, "body": body})
        where = {v: results[carries + i] for i, v in enumerate(stacked)}
        return [*results[:carries], *(where[v] for v in params["body"].outputs[carries:])]

    def _stays(self, node: Node) -> bool:
        """Whether the node works in half precision: on its bits, or on what is held in it and only moved."""
        halves = [v for v in node.inputs if is_half(v.aval.dtype)]
        return node.primitive.name in _BITS or (
            node.primitive.name in _MOVING
            and any(v in self.held and v not in self.wide for v in halves)
            and all(v in self.held or isinstance(v, Constant) for v in halves)
        )

    def _same(self, value: Value, other: Value) -> None:
        """Let a value be another one."""
        for known in (self.wide, self.held):
            if other in known:
                known[value] = known[other]
        if value not in self.held:
            self.wide[value] = self.read(other)
        if other in self.within:
            self.within.add(value)

    def _cast(self, value: Value, result: Value) -> None:
        """A cast to half precision."""
        old, new = value.aval.dtype, result.aval.dtype
        if old == new:
            self._same(result, value)
            return
        x = self.read(value)
        if x.aval.dtype == SINGLE and (is_half(old) or value in self.computed):
            self.wide[result] = self._in_range(result, x)
            return
        self.within.add(result)
        if x.aval.dtype == SINGLE:
            self.wide[result] = self.emit(round_to, x, dtype=new)
            return
        if old.char not in _SHORT:  # Rounded once, from what it is.
            x = self.held[result] = self.emit("astype", x, dtype=new)
        self.wide[result] = self.emit("astype", x, dtype=SINGLE)

    def _in_range(self, value: Value, result: Value) -> Value:
        """A result with float16's range, where that can be seen."""
        node = value.node
        assert node is not None
        if value.aval.dtype != FLOAT16:
            return result
        name = node.primitive.name
        halves = [v for v in node.inputs if is_half(v.aval.dtype)]
        if name in _ALWAYS or (name in _WITHIN and self.within.issuperset(halves)):
            self.within.add(value)
        elif any(self._sees(user) for user in self.users[value]):
            self.within.add(value)
            return self.emit(bounded, result)
        return result

    def _sees(self, user: Node) -> bool:
        """Whether an operation tells a number that is beyond the range from an infinite one."""
        if user.primitive.name in _ASKING:
            return True
        return not self.inside and not user.primitive.elementwise


def _has_halves(graph: Graph) -> bool:
    return any(is_half(v.aval.dtype) for n in all_nodes(graph) for v in (*n.inputs, *n.outputs))


def widen(graph: Graph) -> Graph:
    """The graph with float32 in place of float16 and bfloat16, inside; what goes in and comes out is the same."""
    return _Widener(graph, inside=False).run() if _has_halves(graph) else graph
