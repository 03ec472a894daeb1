"""What the parts of the code generator need of it: `codegen.Generator`, which says what each part means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from kerasflow.graph import Graph, Node, Value
from kerasflow_numpy.emit.code import Code, Line
from kerasflow_numpy.plan.storage import Place, Plan


class Writer(Protocol):
    """Writes the lines of a function."""

    graph: Graph
    plan: Plan
    code: Code
    lines: list[Line]
    here: Line
    poison: bool
    threads: int
    ranks: int

    def unique(self, wanted: str) -> str: ...

    def bind(self, wanted: str, thing: Any) -> str: ...

    def name(self, place: Place) -> str: ...

    def operand(self, value: Value, node: Node | None = None) -> str: ...

    def derive(self, source: str, expression: str, static: bool) -> str: ...

    def allocate(self, place: Place) -> None: ...

    def begin_scope(self, scope: str) -> None: ...

    def line(self, text: str) -> Line: ...

    def emit(self, *texts: str, note: str = "") -> None: ...

    def inside(
        self, graph: Graph, plan: Plan, inputs: Sequence[str], outputs: Sequence[str], state: Sequence[str]
    ) -> list[Line]: ...
