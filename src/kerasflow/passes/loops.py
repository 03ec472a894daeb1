"""What the steps of a scan need not do one by one is done for all of them, before or behind it.

- What depends on operands that stay is computed once.
- A product of a step's input and weights that stay (a projection of the inputs)
  is one large product in front.
- One whose result no later step needs is one large product behind.
- A sum of products over the steps (the gradient of weights) is one large product
  over steps and rows behind, in place of a carry.

Only products are moved, with what they need: other operations are as fast in a
step, where their operands are still in the processor's cache. Sums over the steps
are regrouped, which changes their last bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kerasflow.graph import Constant, Graph, Node, Value, needed, users
from kerasflow.passes.batching import Batch
from kerasflow.passes.rewrite import rebuild, uniform_value
from kerasflow.primitives.builder import Builder
from kerasflow.primitives.linalg import split_subscripts

# Views that may lie between a product and the sum that it is a term of.
_LINEAR = ("transpose", "reshape")
# Products of the first operand's elements, one by one, with the second.
_PROJECTIONS = ("matmul", "convolution", "convolution_transpose")


def split_scans(graph: Graph) -> Graph:
    """The graph with everything that can be taken out of its scans taken out."""

    def visit(builder: Builder, node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        if node.primitive.name != "scan" or not node.params["length"]:
            return None
        return _Split(builder, node, inputs).run()

    return rebuild(graph, visit)


@dataclass
class _Sum:
    """A carry that adds up: which products it adds, what else, and the additions."""

    products: list[Value] = field(default_factory=list)
    others: list[Value] = field(default_factory=list)
    additions: list[Node] = field(default_factory=list)


class _Split:
    """One scan in three parts: what is done in front, in the steps, and behind."""

    def __init__(self, builder: Builder, node: Node, inputs: Sequence[Value]) -> None:
        self.builder = builder
        self.node = node
        self.operands = inputs
        body: Graph = node.params["body"]
        self.body = body
        self.length: int = node.params["length"]
        c, n = node.params["constants"], node.params["carries"]
        self.fixed, self.carried, self.sliced = body.inputs[:c], body.inputs[c : c + n], body.inputs[c + n :]
        self.stacked = body.outputs[n:]
        self.used_by = users(body)
        # What stands outside for a value of the body: the stack of all steps' values, or the one of all steps.
        given = dict(zip(body.inputs, inputs, strict=True))
        self.outside = Batch(
            self.length, {v: given[v] for v in (*self.fixed, *self.sliced)}, set(self.sliced)
        )
        self.moved: set[Node] = set()
        # Values of the steps that are needed behind them.
        self.wanted: dict[Value, None] = {}

    def run(self) -> Sequence[Value] | None:
        self._invariants()
        self._projections()
        sums = self._sums()
        ends = [v for i, v in enumerate(self.body.outputs[: len(self.carried)]) if i not in sums]
        ends += [v for s in sums.values() for v in s.others]
        behind = self._behind(ends, sums)
        self.moved.update(behind)
        if not self.moved and not sums:
            return None
        for s in sums.values():
            for product in s.products:
                for v in _products(product)[-1].inputs:
                    self._want(v, behind)
        return self._emit(sums, behind)

    def _possible(self, nodes: Iterable[Node], stacks: Iterable[Value] = ()) -> bool:
        """Whether nodes can be computed for all steps at once, if these values of the steps are stacked."""
        env = {v: Value(type(v.aval)((self.length, *v.aval.shape), v.aval.dtype)) for v in stacks}
        trial = Batch(self.length, {**self.outside.env, **env}, {*self.outside.varying, *env})
        builder = Builder()
        return all(trial.add(builder, node) for node in nodes)

    def _is_outside(self, value: Value) -> bool:
        return isinstance(value, Constant) or value in self.outside.env

    def _stays(self, value: Value) -> bool:
        return self._is_outside(value) and value not in self.outside.varying

    # -- in front -------------------------------------------------------------------------------------------

    def _take(self, node: Node) -> None:
        self.outside.add(self.builder, node)
        self.moved.add(node)

    def _invariants(self) -> None:
        for node in self.body.nodes:
            if any(v in self.outside.env for v in node.inputs) and all(map(self._stays, node.inputs)):
                self._take(node)

    def _projections(self) -> None:
        given = set(self.sliced)
        possible = []
        for node in self.body.nodes:
            if node not in self.moved and all(v in given or self._stays(v) for v in node.inputs):
                given.update(node.outputs)
                possible.append(node)
        for product in possible:
            if self._is_product(product):
                chain = needed(possible, product.outputs)
                ordered = [node for node in possible if node in chain and node not in self.moved]
                if self._possible(ordered):
                    for node in ordered:
                        self._take(node)

    def _is_product(self, node: Node) -> bool:
        """Whether for many steps the node is one larger product with something that stays."""
        if len(node.inputs) != 2:
            return False
        left, right = map(self._stays, node.inputs)
        if node.primitive.name == "einsum":
            return left != right
        flat = node.primitive.name != "matmul" or node.inputs[1].aval.ndim == 2
        return node.primitive.name in _PROJECTIONS and right and not left and flat

    # -- sums over the steps --------------------------------------------------------------------------------

    def _sums(self) -> dict[int, _Sum]:
        """The carries that add up products."""
        found = {}
        for i, (before, after) in enumerate(zip(self.carried, self.body.outputs, strict=False)):
            terms = _Sum()
            if after.aval.dtype.kind not in "fcV" or not self._collect(after, before, terms):
                continue
            if terms.others.count(before) == 1 and terms.products and self._only(before, terms.additions):
                terms.others.remove(before)
                found[i] = terms
        return found

    def _collect(self, value: Value, carry: Value, terms: _Sum) -> bool:
        """Take a sum apart into terms; whether it is one."""
        node = value.node
        results = list(self.body.outputs).count(value)
        if (
            node is not None
            and node.primitive.name == "add"
            and node not in self.moved
            and all(v.aval == value.aval for v in node.inputs)
            and len(self.used_by.get(value, ())) + results == 1
        ):
            terms.additions.append(node)
            # Each of them is collected, also after a failure.
            collected = [self._collect(v, carry, terms) for v in node.inputs]
            return all(collected)
        own = value is not carry and len(self.used_by.get(value, ())) == 1 and not results
        is_product = own and node is not None and node not in self.moved and self._is_sum_of_steps(value)
        (terms.products if is_product else terms.others).append(value)
        return bool(terms.additions)

    def _only(self, value: Value, nodes: Sequence[Node]) -> bool:
        return all(user in nodes for user in self.used_by.get(value, ())) and value not in self.stacked

    def _is_sum_of_steps(self, value: Value) -> bool:
        """Whether the sum of all steps' values is one operation on stacks of what they are made of."""
        node = value.node
        if node is None or node.primitive.name not in _SUMS:
            return False
        if node.primitive.name in _LINEAR:
            (source,) = node.inputs
            return len(self.used_by[source]) == 1 and self._is_sum_of_steps(source)
        factors = node.inputs
        if node.primitive.name == "sum":  # Worth it where the stack is there anyway.
            return factors[0] in self.stacked or any(
                user.primitive.name in ("matmul", "transpose") for user in self.used_by.get(factors[0], ())
            )
        if node.primitive.name == "matmul" and any(v.aval.ndim != 2 for v in node.inputs):
            return False
        return not any(map(self._stays, node.inputs))

    # -- behind ---------------------------------------------------------------------------------------------

    def _behind(self, ends: Sequence[Value], sums: dict[int, _Sum]) -> list[Node]:
        """The products that no later step needs, and what is made of them."""
        steps = needed(self.body.nodes, ends)
        steps.update(node for s in sums.values() for node in s.additions)
        steps.update(node for s in sums.values() for v in s.products for node in _products(v))
        free = [node for node in self.body.nodes if node not in steps and node not in self.moved]
        behind: set[Node] = set()
        for product in free:
            if product in behind or not self._is_product(product):
                continue
            made = set(product.outputs)
            chain = [product]
            for node in free:
                if node is not product and not made.isdisjoint(node.inputs):
                    made.update(node.outputs)
                    chain.append(node)
            chain = [node for node in free if node in behind or node in chain]
            if self._possible(chain, self._frontier(chain)):
                behind.update(chain)
        ordered = [node for node in free if node in behind]
        for v in self._frontier(ordered):
            self.wanted[v] = None
        return ordered

    def _frontier(self, nodes: Sequence[Node]) -> list[Value]:
        """The values of the steps that these nodes start from."""
        made = {v for node in nodes for v in node.outputs}
        read = dict.fromkeys(v for node in nodes for v in node.inputs)
        return [v for v in read if v not in made and not self._is_outside(v)]

    def _want(self, value: Value, behind: Sequence[Node]) -> None:
        """Have the stack of a value behind the steps; a view is made of the stack of what it is a view of."""
        if self._is_outside(value) or value.node in behind:
            return
        if (
            value.node is not None
            and value.node.primitive.view
            and self._possible([value.node], value.node.inputs)
        ):
            self._want(value.node.inputs[0], behind)
        else:
            self.wanted[value] = None

    # -- the three parts ------------------------------------------------------------------------------------

    def _emit(self, sums: dict[int, _Sum], behind: Sequence[Node]) -> Sequence[Value]:
        # In the body's order: that of a set would be another one in each run.
        moved = [node for node in self.body.nodes if node in self.moved]
        extra = {v: Value(v.aval) for node in moved for v in node.outputs if self._is_outside(v)}
        env: dict[Value, Value] = dict(extra)
        additions = {node for s in sums.values() for node in s.additions}
        nodes: list[Node] = []

        def add(primitive: Any, inputs: Sequence[Value], params: Any, avals: Any, scope: str) -> Node:
            nodes.append(Node(primitive, inputs, params, avals, scope))
            return nodes[-1]

        for node in self.body.nodes:
            if node not in self.moved and node not in additions:
                avals = [v.aval for v in node.outputs]
                inputs = [env.get(v, v) for v in node.inputs]
                new = add(node.primitive, inputs, node.params, avals, node.scope)
                env.update(zip(node.outputs, new.outputs, strict=True))
        ends: dict[int, Value] = {}
        for i, v in enumerate(self.body.outputs[: len(self.carried)]):
            terms = sums.get(i)
            if terms is None:
                ends[i] = env.get(v, v)
            elif terms.others:
                total = self.carried[i]
                for term in terms.others:
                    addition = terms.additions[0]
                    pair = [total, env.get(term, term)]
                    total = add(addition.primitive, pair, {}, [v.aval], addition.scope).outputs[0]
                ends[i] = total
        stacked = list(
            dict.fromkeys([v for v in self.stacked if not self._after(v, behind)] + list(self.wanted))
        )
        results = self._scan(nodes, ends, extra, [env.get(v, v) for v in stacked])
        for v, stack in zip(stacked, results[len(ends) :], strict=True):
            self.outside.env[v] = stack
            self.outside.varying.add(v)
        for node in behind:
            self.outside.add(self.builder, node)
        last = dict(zip(ends, results, strict=False))
        given = dict(zip(self.body.inputs, self.operands, strict=True))
        for i, terms in sums.items():
            before = last.get(i, given[self.carried[i]])
            self.builder.scope = terms.additions[0].scope
            for product in terms.products:
                total = self._total(product)
                before = total if _is_zero(before) else self.builder.emit("add", before, total)
            last[i] = before
        return [
            *(last[i] for i in range(len(self.carried))),
            *(self.outside.stacked(self.builder, v) for v in self.stacked),
        ]

    def _after(self, value: Value, behind: Sequence[Node]) -> bool:
        """Whether a stacked result is made outside of the steps."""
        return self._is_outside(value) or value.node in behind

    def _scan(
        self, nodes: list[Node], ends: dict[int, Value], extra: dict[Value, Value], stacked: list[Value]
    ) -> tuple[Value, ...]:
        """The scan of what remains in the steps."""
        outputs = [*ends.values(), *stacked]
        if not outputs:
            return ()
        keep = needed(nodes, outputs)
        nodes = [node for node in nodes if node in keep]
        read = {v for node in nodes for v in node.inputs}.union(outputs)
        inside = {**{v: v for v in (*self.fixed, *self.sliced)}, **extra}
        fixed = [v for v in inside if inside[v] in read and v not in self.outside.varying]
        sliced = [v for v in inside if inside[v] in read and v in self.outside.varying]
        given = dict(zip(self.body.inputs, self.operands, strict=True))
        carried = [self.carried[i] for i in ends]
        body = Graph([inside[v] for v in fixed] + carried + [inside[v] for v in sliced], nodes, outputs)
        params = {**self.node.params, "body": body, "constants": len(fixed), "carries": len(carried)}
        operands = [self.outside.env[v] for v in fixed]
        operands += [given[v] for v in carried] + [self.outside.env[v] for v in sliced]
        self.builder.scope = self.node.scope
        return self.builder.emit_all("scan", operands, params)

    def _total(self, value: Value) -> Value:
        """The sum of a product over all steps."""
        assert value.node is not None
        return _SUMS[value.node.primitive.name](self, value.node)

    def stack(self, value: Value) -> Value:
        """The stack of a value's steps, behind them."""
        if not self._is_outside(value) and value.node is not None:
            self.stack(value.node.inputs[0])
            self.outside.add(self.builder, value.node)
        return self.outside.stacked(self.builder, value)


def _is_zero(value: Value) -> bool:
    return isinstance(value, Constant) and uniform_value(value) == 0


def _products(value: Value) -> list[Node]:
    """The views of a product, and as the last node the product."""
    assert value.node is not None
    rest = _products(value.node.inputs[0]) if value.node.primitive.name in _LINEAR else []
    return [value.node, *rest]


def _matmul_total(split: _Split, node: Node) -> Value:
    """The steps are rows: one product of all of them."""
    b = split.builder
    x, y = (split.stack(v) for v in node.inputs)
    n, rows, columns = x.aval.shape
    x = b.emit("reshape", b.emit("transpose", x, axes=(0, 2, 1)), shape=(n * columns, rows))
    y = b.emit("reshape", y, shape=(n * columns, y.aval.shape[2]))
    return b.emit("matmul", b.emit("transpose", x, axes=(1, 0)), y)


def _einsum_total(split: _Split, node: Node) -> Value:
    terms, output = split_subscripts(node.params["subscripts"])
    new = next(c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in "".join(terms))
    subscripts = f"{','.join(new + term for term in terms)}->{output}"
    return split.builder.emit("einsum", *map(split.stack, node.inputs), subscripts=subscripts)


def _sum_total(split: _Split, node: Node) -> Value:
    axis = (0, *(i + 1 for i in node.params["axis"]))
    total = split.builder.emit("sum", split.stack(node.inputs[0]), axis=axis, keepdims=False)
    shape = node.outputs[0].aval.shape
    return total if total.aval.shape == shape else split.builder.emit("reshape", total, shape=shape)


def _kernel_total(split: _Split, node: Node) -> Value:
    """The steps are samples."""
    pair = [split.stack(v) for v in node.inputs]
    flat = [
        split.builder.emit("reshape", x, shape=(math.prod(x.aval.shape[:2]), *x.aval.shape[2:])) for x in pair
    ]
    return split.builder.emit("convolution_kernel", *flat, **node.params)


def _linear_total(split: _Split, node: Node) -> Value:
    source = node.inputs[0].node
    assert source is not None
    return split.builder.emit(node.primitive, _SUMS[source.primitive.name](split, source), **node.params)


# What the sum over the steps of each product is, as one operation.
_SUMS: dict[str, Callable[[_Split, Node], Value]] = {
    "matmul": _matmul_total,
    "einsum": _einsum_total,
    "sum": _sum_total,
    "convolution_kernel": _kernel_total,
    **dict.fromkeys(_LINEAR, _linear_total),
}
