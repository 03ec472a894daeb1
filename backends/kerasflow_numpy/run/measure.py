"""The time that each line takes: a program's functions with a look at the clock behind every statement."""

from __future__ import annotations

import ast
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from kerasflow.graph import Measurement
from kerasflow_numpy.emit.code import Code

# Seconds and number of calls of each line, of one call of a function.
Record = tuple[list[float], list[int]]

# Names that are generated have no underscore in front.
_BEGIN = "_seconds, _calls = _record()\n_then = _clock()"
_MARK = "_now = _clock()\n_seconds[{0}] += _now - _then\n_calls[{0}] += 1\n_then = _now"
# A function's text begins in the second line of the text that is compiled.
_FIRST = 2


class Stopwatch:
    """Measures the functions of one program. Each call of a function, on whatever thread, has a record of its own."""

    def __init__(self) -> None:
        self._records: dict[int, list[Record]] = defaultdict(list)
        self._compiled: dict[int, Any] = {}
        self._marked: dict[int, set[int]] = {}
        self._shared: dict[int, dict[int, tuple[range, str]]] = {}

    def compiled(self, code: Code, text: str) -> Any:
        """The byte code of the text that makes a function, with the marks.

        Args:
            text: `def make(...):` and below it the function.
        """
        if id(code) not in self._compiled:
            tree = ast.parse(text)
            make: Any = tree.body[0]
            marker = _Marker({blocks.name for blocks in code.blocks})
            marker.function(make.body[0])
            self._marked[id(code)], self._shared[id(code)] = marker.marked, marker.shared
            self._compiled[id(code)] = compile(ast.fix_missing_locations(tree), "<kerasflow program>", "exec")
        return self._compiled[id(code)]

    def names(self, code: Code) -> dict[str, Any]:
        """What the marks call."""
        return {"_clock": time.perf_counter, "_record": self._recorder(code)}

    def _recorder(self, code: Code) -> Callable[[], Record]:
        records, n = self._records[id(code)], len(code.lines)

        def record() -> Record:
            new = [0.0] * n, [0] * n
            records.append(new)
            return new

        return record

    def start(self) -> None:
        """Forget what was measured."""
        for records in self._records.values():
            records.clear()

    def measured(self, code: Code) -> list[Measurement]:
        """What was measured since `start`, line by line, in the order of execution.

        Lines that several threads run share out the time of the call that waits for the threads, so that the
        lines' seconds add up to the program's.
        """
        records, marked, n = self._records[id(code)], self._marked[id(code)], len(code.lines)
        seconds = [sum(record[0][i] for record in records) for i in range(n)]
        calls = [sum(record[1][i] for record in records) for i in range(n)]
        lines: dict[int, Measurement] = {}
        before = 0  # allocated for lines without a mark: the heads of loops and functions
        for i, line in enumerate(code.lines):
            before += line.allocated
            if i in marked:
                lines[i] = Measurement(
                    line.noted.strip(), line.scope, seconds[i], calls[i], before, line.held
                )
                before = 0
        functions = {blocks.name: blocks.code for blocks in code.blocks}
        groups = {i: [line] for i, line in lines.items()}
        for i, (body, name) in self._shared[id(code)].items():
            inside = self.measured(functions[name]) if name else [lines[j] for j in body if j in lines]
            for j in body:
                groups.pop(j, None)
            groups[i] = _parts(lines[i], inside)
        return [line for i in sorted(groups) for line in groups[i]]


def _parts(call: Measurement, inside: list[Measurement]) -> list[Measurement]:
    """The lines that threads ran, with their parts of the time of the call that waited for them."""
    total = sum(line.seconds for line in inside)
    return [replace(line, seconds=call.seconds * line.seconds / total if total else 0.0) for line in inside]


class _Marker:
    """Puts marks into a function.

    Attributes:
        marked: the lines behind which there is one.
        shared: for each line that lets threads run a function, its lines; and the name of the blocks it runs, or "".
    """

    def __init__(self, blocks: set[str]) -> None:
        self.blocks = blocks
        self.marked: set[int] = set()
        self.shared: dict[int, tuple[range, str]] = {}
        self._inner: dict[str, range] = {}

    def function(self, function: ast.FunctionDef) -> None:
        function.body = [*_parse(_BEGIN), *self._body(function.body)]

    def _body(self, statements: Iterable[ast.stmt]) -> list[ast.stmt]:
        return [new for statement in statements for new in self._statement(statement)]

    def _statement(self, statement: ast.stmt) -> Iterator[ast.stmt]:
        match statement:
            case ast.FunctionDef():
                first, last = statement.lineno - _FIRST, (statement.end_lineno or 0) - _FIRST
                self._inner[statement.name] = range(first, last + 1)
                self.function(statement)
                yield statement
            case ast.For() | ast.While() | ast.If():
                statement.body, statement.orelse = self._body(statement.body), self._body(statement.orelse)
                yield statement
            case ast.Expr(ast.Call(ast.Name("parallel_each"), [ast.Name(inner), ast.Name(parts)])):
                here = statement.lineno - _FIRST
                self.shared[here] = self._inner[inner], parts if parts in self.blocks else ""
                yield statement
                yield from self._mark(statement)
            case ast.Return():
                yield from _parse(f"_result = {ast.unparse(statement.value or ast.Constant(None))}")
                yield from self._mark(statement)
                yield from _parse("return _result")
            case ast.Break() | ast.Pass():
                yield statement
            case _:
                yield statement
                yield from self._mark(statement)

    def _mark(self, statement: ast.stmt) -> list[ast.stmt]:
        line = statement.lineno - _FIRST
        self.marked.add(line)
        return _parse(_MARK.format(line))


def _parse(text: str) -> list[ast.stmt]:
    return ast.parse(text).body
