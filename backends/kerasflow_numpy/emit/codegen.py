"""The code generator: a planned graph as the source of one flat Python function.

The text is what runs, and all names in it are made here, of letters that are
allowed. What a reader sees besides (layers, shapes) belongs to its lines, and
`kerasflow.explain` shows both. Arrays that stay where they are (workspace,
state, constants, and views of them) are made when the function is bound to its
memory, and appear in it by name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, Node, Value, identifier, unique
from kerasflow.primitives.collective import MEETINGS
from kerasflow_numpy.emit import control, updates
from kerasflow_numpy.emit.call import Call
from kerasflow_numpy.emit.code import MODULES, Blocks, Code, Line, indented, memory
from kerasflow_numpy.emit.lowering import LOWERINGS, view_expression
from kerasflow_numpy.emit.pieces import block_text, literal
from kerasflow_numpy.plan.fusion import Group
from kerasflow_numpy.plan.storage import (
    CONSTANT,
    EXCHANGE,
    FILLING,
    FRESH,
    GIVEN,
    INPUT,
    LOCAL,
    PASSED,
    STATE,
    STATIC,
    WORK,
    Place,
    Plan,
    Storage,
)

# The scope of lines that wait for other ranks.
_MEETINGS = "meetings"
_FUNCTIONS = tuple(f"{module}_" for module in MODULES)
_LITERALS = (np.float32, np.float64, np.int32, np.int64, np.bool_)


class Generator:
    """Generates the code of one planned graph."""

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        poison: bool = False,
        threads: int = 1,
        name: str = "step",
        around: Generator | None = None,
        ranks: int = 1,
    ) -> None:
        self.poison = poison
        self.threads = threads
        self.ranks = ranks
        self.graph = graph
        self.plan = plan
        self.lines: list[Line] = []
        # What the next line has besides its text; a body's memory is a block of the function's around it.
        self.here: Line = Line("") if around is None else around.here
        self.memory = memory(plan) if around is None else None
        static = [s for s in plan.storages if s.kind in STATIC]
        if around is None:
            self.code = Code(name, [], static)
            self.taken: set[str] = {*MODULES, name, "make"}
            self.derived: dict[tuple[str, str], str] = {}
            self.scope: str | None = None
            self.heading = ""
            self._name_storages()
        else:
            self.code = around.code
            self.code.storages.extend(s for s in static if s.kind != GIVEN)
            self.taken = around.taken
            # What is derived in a branch or a body is not known behind it.
            self.derived = dict(around.derived)
            self.scope = around.scope
            self.heading = ""
            self._name_storages((GIVEN, PASSED))

    # -- names ----------------------------------------------------------------------------------------------

    def unique(self, wanted: str) -> str:
        """A name that is not taken yet, like the one that is wanted, which may be any string."""
        name = identifier(wanted)
        # Functions are bound as `np_add`: arrays must not be called so.
        if name.startswith(_FUNCTIONS):
            name = f"v_{name}"
        name = unique(name, self.taken)
        self.taken.add(name)
        return name

    def _name_storages(self, named: Sequence[str] = ()) -> None:
        labels = self.graph.state_names or [""] * len(self.graph.state_inputs)
        counts = {WORK: "t", CONSTANT: "c", FRESH: "out", LOCAL: "r", EXCHANGE: "term"}
        numbers = dict.fromkeys(counts, 0)
        for storage in self.plan.storages:
            if storage.kind in named:
                continue
            if storage.kind == STATE:
                storage.name = self.unique(labels[storage.index] or f"state{storage.index}")
            elif storage.kind == INPUT:
                storage.name = self.unique(f"x{storage.index}")
            elif storage.kind == GIVEN:
                storage.name = self.unique(storage.name)
            else:
                storage.name = self.unique(f"{counts[storage.kind]}{numbers[storage.kind]}")
                numbers[storage.kind] += 1

    def bind(self, wanted: str, thing: Any) -> str:
        """A name for any object."""
        name = self.unique(wanted)
        self.code.objects[name] = thing
        return name

    def name(self, place: Place) -> str:
        """The name of a place; a view is made when it is first asked for."""
        if not place.name:
            if (
                place.source is None
                or place.node is None
                or place.node.primitive.name in ("custom_vjp", "identity", "stop_gradient")
            ):
                place.name = place.storage.name if place.source is None else self.name(place.source)
            else:
                source = self.name(place.source)
                expression = view_expression(place.node, source)
                place.name = self.derive(source, expression, place.storage.kind in STATIC)
        return place.name

    def derive(self, source: str, expression: str, static: bool) -> str:
        """A name for a view: bound once if the memory is static, else computed by the function."""
        key = (source, expression)
        if key not in self.derived:
            suffix = "T" if expression.endswith(".T") else "view"
            self.derived[key] = name = self.unique(f"{source}_{suffix}")
            if static:
                self.code.views.append((name, source, expression))
            else:
                self.emit(f"{name} = {expression}")
        return self.derived[key]

    def operand(self, value: Value, node: Node | None = None) -> str:
        """An expression for an operand: a literal for a scalar constant where the node takes it too, else a name."""
        if (
            isinstance(value, Constant)
            and node
            and value.aval.shape == ()
            and value.aval.dtype.type in _LITERALS
        ):
            beside = [v for v in node.inputs if not isinstance(v, Constant)]
            if node.primitive.name in ("where", "pad", "setitem") or (
                node.primitive.elementwise and any(v.aval.dtype == value.aval.dtype for v in beside)
            ):
                return literal(value.array)
        place = self.plan.places.get(value)
        if place is None:
            assert isinstance(value, Constant)
            storage = Storage(CONSTANT, value.aval, array=value.array, name=self.unique("c"))
            self.plan.storages.append(storage)
            self.code.storages.append(storage)
            place = self.plan.places[value] = Place(storage, value.array)
        return self.name(place)

    # -- code -----------------------------------------------------------------------------------------------

    def emit(self, *texts: str, note: str = "") -> None:
        """Write lines that come from what is being written, the first of them below the heading that is due."""
        lines = [self.line(text) for text in texts]
        if lines:
            lines[0], self.heading = replace(lines[0], heading=self.heading), ""
            lines[-1] = replace(lines[-1], note=note)
        self.lines.extend(lines)

    def line(self, text: str) -> Line:
        """A line that comes from what is being written."""
        line = replace(self.here, text=text)
        self.here = replace(self.here, allocated=0)
        return line

    def run(self) -> Code:
        results = self._statements()
        if not self.plan.fills:
            self.emit(f"return [{', '.join(results)}]")
        places = [self.plan.places[v] for v in self.graph.inputs]
        inputs = [self.name(p) for p in places if p.storage.kind == INPUT]
        self.code.lines = [Line(f"def {self.code.name}({', '.join(inputs)}):"), *indented(self.lines)]
        return self.code

    def inside(
        self, graph: Graph, plan: Plan, inputs: Sequence[str], outputs: Sequence[str], state: Sequence[str]
    ) -> list[Line]:
        """The statements of a sub-graph; its memory that is given has these names."""
        for values, names in ((graph.inputs, inputs), (graph.state_inputs, state)):
            for value, name in zip(values, names, strict=True):
                plan.places[value].storage.name = name
        for value, name in zip(graph.outputs, outputs, strict=True):
            plan.places[value].storage.name = name
        body = Generator(graph, plan, self.poison, self.threads, around=self)
        body._statements()
        self.scope = None  # A heading would not stand where it is looked for.
        return body.lines

    def _statements(self) -> list[str]:
        """Write what computes the results and the new state; expressions for the results."""
        begins, ends = self._lifetimes() if self.poison else ({}, {})
        around = self.here
        meetings = updates.waits(self.graph, self.plan) if self.ranks > 1 else set()
        for position, item in enumerate(self.plan.items):
            self._poison(begins.get(position, ()))
            allocated, held = (0, around.held) if self.memory is None else self.memory[position]
            node = item.members[0].nodes[-1] if isinstance(item, Group) else item
            if position in meetings:
                self._barrier("the others' terms are there, and what they have updated")
            scope = _MEETINGS if node.primitive.name in MEETINGS else node.scope
            self.here = Line("", scope, allocated=allocated, held=held)
            if isinstance(item, Group):
                updates.emit(self, item, position)
            else:
                self._node(item)
            self._poison(ends.get(position, ()))
        if self.memory is None:
            self.here = replace(around, allocated=0)
        else:
            allocated, held = self.memory[-1]
            self.here = Line("", allocated=allocated, held=held)
        if len(self.plan.items) in meetings:
            self._barrier("what the others have updated is there")
        results = [] if self.plan.fills else self._results()
        self._state_copies()
        return results

    def _barrier(self, note: str) -> None:
        """Wait for the other ranks."""
        here, self.here = self.here, replace(self.here, scope=_MEETINGS, allocated=0)
        self.emit("kernels.barrier()", note=note)
        self.here = here

    def _lifetimes(self) -> tuple[dict[int, list[Storage]], dict[int, list[Storage]]]:
        """The blocks of the workspace that are used from, and to, each position of the schedule."""
        begins: dict[int, list[Storage]] = defaultdict(list)
        ends: dict[int, list[Storage]] = defaultdict(list)
        for storage in self.plan.storages:
            if storage.kind == WORK:
                begins[storage.first].append(storage)
                ends[storage.last].append(storage)
        return begins, ends

    def _poison(self, storages: Iterable[Storage]) -> None:
        self.emit(*(f"kernels.poison({storage.name})" for storage in storages))

    def begin_scope(self, scope: str) -> None:
        """A heading for the lines that come, where they come from elsewhere than those before."""
        if scope != self.scope:
            self.scope = self.heading = scope

    def _node(self, node: Node) -> None:
        places = [self.plan.places[v] for v in node.outputs]
        if all(p.source is not None for p in places):
            return  # a view
        self.begin_scope(node.scope)
        args = [self.operand(v, node) for v in node.inputs]
        if node.primitive.name == "blocks":
            self._blocks(node, places, args)
            return
        if node.primitive.name in control.CONTROL:
            control.emit(self, node, args)
            return
        if node.primitive.name in FILLING:
            outs = f"({', '.join(map(self.name, places))},)"
            self.emit(*LOWERINGS[node.primitive.name](self._call(node, args, outs, WORK)))
            return
        if node.primitive.multiple_results:
            self._several_results(node, places, args)
            return
        place = places[0]
        self.allocate(place)
        out = self.name(place)
        lines = LOWERINGS[node.primitive.name](self._call(node, args, out, place.storage.kind))
        if lines:
            self.emit(*lines, note=str(node.outputs[0].aval))

    def allocate(self, place: Place) -> None:
        """Make the array of a result that is handed out."""
        if place.storage.kind == FRESH:
            aval = place.storage.aval
            self.emit(f"{place.storage.name} = np.empty({aval.shape}, {self._dtype(aval.dtype)})")
            self._poison([place.storage] if self.poison else [])

    def _call(self, node: Node, args: list[str], out: str, kind: str) -> Call:
        kinds = {
            self.name(p): p.storage.kind for v in node.inputs if (p := self.plan.places.get(v)) is not None
        }

        def view(source: str, suffix: str) -> str:
            static = (kind if source == out else kinds.get(source, LOCAL)) in STATIC
            return self.derive(source, source + suffix, static) if static else source + suffix

        same = [a == out for a in args]
        return Call(node, args, out, same, self.bind, view, self.threads)

    def _dtype(self, dtype: np.dtype[Any]) -> str:
        return (
            f"np.{dtype.name}"
            if dtype.type.__module__ == "numpy" and dtype.name != "bool"
            else ("np.bool_" if dtype.name == "bool" else self.bind("dtype", dtype))
        )

    def _several_results(self, node: Node, places: list[Place], args: list[str]) -> None:
        together = self.unique("results")
        self.emit(*LOWERINGS[node.primitive.name](self._call(node, args, together, LOCAL)))
        for i, place in enumerate(places):
            if place.storage.kind == LOCAL:
                self.emit(f"{self.name(place)} = {together}[{i}]")
            else:
                self.emit(f"np.copyto({self.name(place)}, {together}[{i}])")

    def _state_copies(self) -> None:
        """New state that could not be computed in place; first aside what is in the way."""
        pending = []
        state = {self.plan.places[v].storage for v in self.graph.state_inputs}
        for i, value in self.plan.copies:
            target = self.name(self.plan.places[self.graph.state_inputs[i]])
            if isinstance(value, Constant):
                source = self.operand(value)
            else:
                place = self.plan.places[value]
                source = self.name(place)
                if place.storage in state:
                    aside = self.unique("aside")
                    self.emit(f"{aside} = {source}.copy()")
                    source = aside
            pending.append(f"np.copyto({target}, {source})")
        if pending:
            self.begin_scope("new state")
            end, self.here = self.here, replace(self.here, scope="new state")
            self.emit(*pending)
            self.here = end

    def _results(self) -> list[str]:
        """Expressions for the results, each an array that nobody else holds."""
        counts = Counter(self.graph.outputs)
        copied = {self.plan.places[self.graph.state_inputs[i]].storage for i, _ in self.plan.copies}
        results = []
        for value in self.graph.outputs:
            if isinstance(value, Constant):
                results.append(f"{self.operand(value)}.copy()")
                continue
            place = self.plan.places[value]
            name = self.name(place)
            if place.storage.kind in (FRESH, LOCAL) and place.source is None and counts[value] == 1:
                results.append(name)
            elif place.storage in copied:
                # What the state is now, before it is changed at the end of the call.
                results.append(self.unique("result"))
                self.emit(f"{results[-1]} = {name}.copy()")
            else:
                results.append(f"{name}.copy()")
        return results

    # -- blocks ---------------------------------------------------------------------------------------------

    def _blocks(self, node: Node, places: list[Place], args: list[str]) -> None:
        """A body run for block after block; the arrays at fixed places are cut once, arguments at each call."""
        body, count, cuts = node.params["body"], node.params["count"], node.params["cuts"]
        joins = tuple(-1 if axis is None else axis for axis in node.params["joins"])
        plan, scratch = self.plan.bodies[node], self.plan.scratch[node]
        passed = [
            arg if axis is None else block_text(arg, axis, v.aval.shape[axis] // count)
            for v, arg, axis in zip(node.inputs, args, cuts, strict=True)
            if self.plan.places[v].storage.kind not in STATIC
        ]
        outer = [*zip(body.inputs, args, cuts, strict=True)]
        outer += zip(body.outputs, map(self.name, places), joins, strict=True)
        given = []
        for value, name, axis in outer:
            storage = plan.places[value].storage
            if storage.kind == GIVEN:
                storage.name = name
                given.append((storage, name, axis))
        function = self.unique(f"block{len(self.code.blocks)}")
        # Each thread has memory of its own for its blocks, and fills its part of the results.
        generator = Generator(body, plan, self.poison, 1, function)
        sizes = {v: result.aval.nbytes for v, result in zip(body.outputs, node.outputs, strict=True)}
        generator.memory = memory(plan, self.threads, self.here.held - scratch.aval.nbytes, sizes)
        code = generator.run()
        self.here = replace(self.here, allocated=0)
        runs, part, run, k = (self.unique(n) for n in (f"blocks{len(self.code.blocks)}", "part", "run", "k"))
        self.code.blocks.append(Blocks(runs, code, scratch, given, count, self.threads))
        self.begin_scope("")
        self.emit(f"def {function}_each({part}):", note=f"each of {count} blocks")
        self.emit(
            f"    for {run}, {k} in {part}:",
            f"        {run}({', '.join(passed)})".replace("@k", k),
            f"parallel.each({function}_each, {runs})",
        )


def generate(graph: Graph, plan: Plan, poison: bool = False, threads: int = 1, ranks: int = 1) -> Code:
    """The code of a planned graph.

    Args:
        poison: spoil each block of the workspace before its first and after its last use.
        threads: on how many a large operation may run. ranks: how many share the fused updates out, in memory of which
            each sees all.
    """
    return Generator(graph, plan, poison, threads, ranks=ranks).run()
