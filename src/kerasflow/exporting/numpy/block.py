"""From the nodes of a graph to lines of Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kerasflow.exporting.batch import Varying, dtype_text, number_text
from kerasflow.exporting.numpy.expression import ATOM, UNARY, Expression
from kerasflow.exporting.numpy.inclusion import Inclusion
from kerasflow.exporting.numpy.keeping import Keeping
from kerasflow.exporting.numpy.table import INCLUDED, TEMPLATES, Operation
from kerasflow.graph import Constant, Graph, Node, Size, Value, identifier, plain

# How long an expression may be that is written where it is used.
MAX_INLINE = 60
# A constant with more elements is stored with the weights.
MAX_TEXT = 12


class Names:
    """Names that are new: in the whole file, or in the function that is being written.

    Args:
        mark: what stands before the number of a name that was there already.
    """

    def __init__(self, *reserved: str, mark: str = "_v") -> None:
        self.used = set(reserved)
        self.mark = mark
        self.begin_function()

    def begin_function(self) -> None:
        """Forget the names within the last function."""
        self.within: set[str] = set()
        self.counts: Counter[str] = Counter()

    def __call__(self, wish: str) -> str:
        """An identifier like the wish, for the whole file."""
        return self.own(identifier(wish, "value"))

    def own(self, wish: str) -> str:
        """The same for an identifier of this package's: as it is, if it is new."""
        name = self._new(wish)
        self.used.add(name)
        return name

    def local(self, wish: str) -> str:
        """The same within a function."""
        name = self._new(identifier(wish, "value"))
        self.within.add(name)
        return name

    def _new(self, base: str) -> str:
        name = base
        while name in self.used or name in self.within:
            self.counts[base] += 1
            name = f"{base}{self.mark}{self.counts[base] + 1}"
        return name


# Puts a name into a file for a statement's value: a wish for the name, the expression, what it imports; the name.
Define = Callable[[str, str, str], str]


class Contents:
    """What the functions of a file share.

    Attributes:
        include: this package's functions in the file.
        fixed: lines that are computed when the file is imported.
        constants: arrays that are stored with the weights, by name.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self.include = Inclusion(names.own)
        self.fixed: list[str] = []
        self.constants: dict[str, np.ndarray[Any, Any]] = {}
        self._defined: dict[str, str] = {}
        self.keep = Keeping(self.include.function, self.store, self._fix)

    def store(self, wish: str, array: np.ndarray[Any, Any]) -> str:
        """The name of an array that is stored with the weights."""
        name = self.names(wish)
        self.constants[name] = array
        return name

    def _fix(self, wish: str, expression: str) -> str:
        name = self.names(wish)
        self.fixed.append(f"{name} = {expression}")
        return name

    def define(self, wish: str, expression: str, imported: str) -> str:
        """A `Define`."""
        if expression not in self._defined:
            self.include.imports.append(imported)
            self._defined[expression] = self._fix(wish, expression)
        return self._defined[expression]


class Writer:
    """Writes the body of a function.

    Args:
        weights: for each state input that the function reads, its expression.
        known: whether they are known when the file is imported, and never change.

    Attributes:
        longest: a longer expression gets a line of its own.
    """

    longest = MAX_INLINE

    def __init__(self, contents: Contents, weights: Mapping[Value, Expression], known: bool) -> None:
        self.contents = contents
        self.names = contents.names
        self.env: dict[Value, Expression] = dict(weights)
        self.known = set(weights) if known else set()

    def function(self, graph: Graph) -> list[str]:
        """The lines of a function that computes the graph's outputs; `self.expression` reads them."""
        self._find_fixed(graph)
        lines: list[str] = []
        self._write(graph, lines, "", outermost=True)
        return lines

    def _find_fixed(self, graph: Graph) -> None:
        """Note what depends on what is known alone."""
        for node in graph.nodes:
            known = all(v in self.known or type(v) is Constant for v in node.inputs)
            grows = any(isinstance(n, Size) for v in node.outputs for n in v.aval.shape)
            if known and not grows and node.primitive.name in TEMPLATES:
                self.known.update(node.outputs)

    def _write(self, graph: Graph, lines: list[str], indent: str, outermost: bool = False) -> None:
        uses = Counter(v for node in graph.nodes for v in node.inputs)
        readers = {v: node for node in graph.nodes for v in node.inputs}
        results = set(graph.results)
        scopes = {"fixed": "", "lines": ""}
        for node in graph.nodes:
            fixed = outermost and not self.known.isdisjoint(node.outputs)
            key, target = ("fixed", self.contents.fixed) if fixed else ("lines", lines)
            block: list[str] = []
            reader = readers.get(node.outputs[0])
            alone = (
                uses[node.outputs[0]] == 1
                and node.outputs[0] not in results
                and reader is not None
                and reader.primitive.name not in _STATEMENTS
                and (reader.scope == node.scope or not node.scope)
                and fixed == (outermost and not self.known.isdisjoint(reader.outputs))
            )
            self._node(node, block, alone, self.names if fixed else self.names.local)
            if block and node.scope and node.scope != scopes[key]:
                target.append(f"{indent}# {plain(node.scope)}")
                scopes[key] = node.scope
            target.extend(indent + line for line in block)

    def _node(self, node: Node, lines: list[str], alone: bool, new: Callable[[str], str]) -> None:
        statement = _STATEMENTS.get(node.primitive.name)
        if statement is not None:
            statement(self, node, lines)
            return
        args = [self._operand(node, v) for v in node.inputs]
        written = self.written(node, args)
        if written in args or (alone and len(written.text) <= self.longest):
            self.env[node.outputs[0]] = written
            return
        names = [new(self.wish(node, v)) for v in node.outputs]
        lines.append(f"{', '.join(names)} = {written}")
        self.env.update({v: Expression(name) for v, name in zip(node.outputs, names, strict=True)})

    def written(self, node: Node, args: Sequence[Expression]) -> Expression:
        """The expression that computes a node's results from its operands."""

        def keep(x: Any) -> str:
            return self.contents.keep(x, self.wish(node))

        return TEMPLATES[node.primitive.name](Operation(node, args, self.contents.include.function, keep))

    def number(self, array: np.ndarray[Any, Any]) -> Expression:
        """A number beside an array of its dtype."""
        return _number(array)

    def wish(self, node: Node, value: Value | None = None) -> str:
        """A name for a node's results, or for one of them: that of the layer."""
        return node.scope.split("/")[-1] or node.primitive.name

    # -- operands -------------------------------------------------------------------------------------------

    def _operand(self, node: Node, value: Value) -> Expression:
        """An operand; as a Python number where NumPy gives it the dtype of its neighbours."""
        numbers = node.primitive.elementwise and node.primitive.name not in INCLUDED
        if numbers and type(value) is Constant and value.aval.size == 1:
            others = [v.aval for v in node.inputs if not isinstance(v, Constant)]
            # Its axes of length 1 count for nothing where another operand has them.
            if any(a.dtype == value.aval.dtype and a.ndim >= value.aval.ndim for a in others):
                return self.number(value.array)
        return self.expression(value)

    def expression(self, value: Value) -> Expression:
        """How to read a value that has been written, or a constant."""
        if value not in self.env:
            assert isinstance(value, Constant), "a value is read before it is written"
            self.env[value] = self._constant(value)
        return self.env[value]

    def _constant(self, constant: Constant) -> Expression:
        if isinstance(constant, Varying):
            core = self.expression(constant.core) if constant.core else ""
            return Expression(constant.text.format(core), constant.rank)
        array = constant.array
        if array.ndim == 0:
            return Expression(f"{dtype_text(array.dtype)}({_number(array)})")
        if array.size > MAX_TEXT:
            return Expression(self.contents.store("constant", array))
        name = self.names("constant")
        shape = f".reshape({array.shape})" if array.ndim > 1 else ""
        self.contents.fixed.append(f"{name} = np.array({_list(array)}, {dtype_text(array.dtype)}){shape}")
        return Expression(name)

    # -- statements -----------------------------------------------------------------------------------------

    def _named(self, node: Node, wish: str, value: Value, lines: list[str]) -> Expression:
        """A value under a name, which costs nothing to read again."""
        found = self.expression(value)
        if not found.text.isidentifier():
            name = self.names.local(wish)
            lines.append(f"{name} = {found}")
            found = self.env[value] = Expression(name)
        return found

    def _body(self, graph: Graph, operands: Sequence[Expression]) -> list[str]:
        """The lines of a sub-graph, indented."""
        self.env.update(zip(graph.inputs, operands, strict=True))
        lines: list[str] = []
        self._write(graph, lines, "    ")
        return lines

    def _carried(self, node: Node, values: Sequence[Value], lines: list[str]) -> list[Expression]:
        """Loop variables with their first values."""
        names = [self.names.local(f"{self.wish(node)}_state") for _ in values]
        firsts = [self.expression(v) for v in values]
        lines.extend(f"{name} = {first}" for name, first in zip(names, firsts, strict=True))
        return [Expression(name) for name in names]

    def _assign(self, names: Sequence[Expression], values: Sequence[Value]) -> list[str]:
        """The line, indented, that gives all names their values at once."""
        pairs = [(str(name), str(self.expression(v))) for name, v in zip(names, values, strict=True)]
        changed = [(name, text) for name, text in pairs if name != text]
        if not changed:
            return []
        left, right = zip(*changed, strict=True)
        return [f"    {', '.join(left)} = {', '.join(right)}"]

    def _scan(self, node: Node, lines: list[str]) -> None:
        p, wish = node.params, self.wish(node)
        body, constants, carries = p["body"], p["constants"], p["carries"]
        fixed = [self._named(node, f"{wish}_operand", v, lines) for v in node.inputs[:constants]]
        carried = self._carried(node, node.inputs[constants : constants + carries], lines)
        stacked = [self._named(node, f"{wish}_inputs", v, lines) for v in node.inputs[constants + carries :]]
        results = [Expression(self.names.local(f"{wish}_outputs")) for _ in node.outputs[carries:]]
        for name, value in zip(results, node.outputs[carries:], strict=True):
            lines.append(f"{name} = np.empty({value.aval.shape}, {dtype_text(value.aval.dtype)})")
        step = Expression(self.names.local("t"))
        steps = f"range({p['length']!r})"
        lines.append(f"for {step} in {f'reversed({steps})' if p['reverse'] else steps}:")
        slices = [Expression(self.names.local(f"{wish}_input")) for _ in stacked]
        lines.extend(f"    {x} = {xs}[{step}]" for x, xs in zip(slices, stacked, strict=True))
        lines.extend(self._body(body, [*fixed, *carried, *slices]))
        for name, value in zip(results, body.outputs[carries:], strict=True):
            lines.append(f"    {name}[{step}] = {self.expression(value)}")
        lines.extend(self._assign(carried, body.outputs[:carries]))
        if lines[-1].startswith("for "):
            lines.append("    pass")
        self.env.update(zip(node.outputs, [*carried, *results], strict=True))

    def _while_loop(self, node: Node, lines: list[str]) -> None:
        p, wish = node.params, self.wish(node)
        fixed = [self._named(node, f"{wish}_operand", v, lines) for v in node.inputs[: p["constants"]]]
        carried = self._carried(node, node.inputs[p["constants"] :], lines)
        lines.append("while True:" if p["maximum"] is None else f"for _ in range({p['maximum']!r}):")
        lines.extend(self._body(p["cond"], [*fixed, *carried]))
        lines.append(f"    if not {self.expression(p['cond'].outputs[0]).atom}:")
        lines.append("        break")
        lines.extend(self._body(p["body"], [*fixed, *carried]))
        lines.extend(self._assign(carried, p["body"].outputs))
        self.env.update(zip(node.outputs, carried, strict=True))

    def _switch(self, node: Node, lines: list[str]) -> None:
        index = self._named(node, f"{self.wish(node)}_index", node.inputs[0], lines)
        operands = [self._named(node, f"{self.wish(node)}_operand", v, lines) for v in node.inputs[1:]]
        results = [Expression(self.names.local(self.wish(node, v))) for v in node.outputs]
        branches = node.params["branches"]
        for i, branch in enumerate(branches):
            last = i == len(branches) - 1
            lines.append("else:" if last and i else f"{'elif' if i else 'if'} {index} == {i}:")
            lines.extend(
                [*self._body(branch, operands), *self._assign(results, branch.outputs)] or ["    pass"]
            )
        self.env.update(zip(node.outputs, results, strict=True))

    def _custom_vjp(self, node: Node, lines: list[str]) -> None:
        for value, operand in zip(node.outputs, node.inputs[-len(node.outputs) :], strict=True):
            self.env[value] = self.expression(operand)


_STATEMENTS: dict[str, Callable[[Writer, Node, list[str]], None]] = {
    "scan": Writer._scan,
    "while_loop": Writer._while_loop,
    "switch": Writer._switch,
    "custom_vjp": Writer._custom_vjp,
}


def _number(array: np.ndarray[Any, Any]) -> Expression:
    """A number as Python writes it, with as many digits as its dtype has."""
    text = number_text(array)
    return Expression(text, UNARY if text.startswith("-") else ATOM, literal=True)


def _list(array: np.ndarray[Any, Any]) -> str:
    return f"[{', '.join(str(_number(x)) for x in array.ravel())}]"
