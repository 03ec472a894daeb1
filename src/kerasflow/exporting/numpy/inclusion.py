"""Functions and classes of this package as parts of an exported file: their own source, with all that they use."""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any


class Inclusion:
    """The functions and constants that a file includes.

    Args:
        name: makes a name that is new in the file from a wish.

    Attributes:
        imports: import statements. definitions: texts, each after those that it uses.
    """

    def __init__(self, name: Callable[[str], str]) -> None:
        self.name = name
        self.imports: list[str] = []
        self.definitions: list[str] = []
        self.names: dict[tuple[str, str], str] = {}

    def function(self, function: Callable[..., Any]) -> str:
        """The name that a function of this package has in the file."""
        name = function.__name__
        return self._include(function.__module__, name, name.lstrip("_"))

    def _include(self, module: str, name: str, wish: str | None = None) -> str:
        if (module, name) in self.names:
            return self.names[module, name]
        found = _definitions(module)[name]
        if isinstance(found, ast.ImportFrom) and (found.module or "").startswith("kerasflow."):
            original = next(a.name for a in found.names if (a.asname or a.name) == name)
            return self._include(str(found.module), original)
        if isinstance(found, (ast.Import, ast.ImportFrom)):
            text = ast.unparse(found)
            if text not in self.imports:
                self.imports.append(text)
            return name
        self.names[module, name] = new = self.name(wish or name)
        plain = _Plain().visit(ast.parse(ast.unparse(found)))
        own = {name, *(n.arg for n in ast.walk(plain) if isinstance(n, ast.arg))}
        used = {n.id for n in ast.walk(plain) if isinstance(n, ast.Name)} - own
        known = {
            other: self._include(module, other)
            for other in sorted(used & _definitions(module).keys() - set(dir(builtins)))
        }
        self.definitions.append(ast.unparse(_Renamed({**known, name: new}).visit(plain)))
        return new


@functools.cache
def _definitions(module: str) -> dict[str, ast.stmt]:
    """What a module defines and imports, by name."""
    result: dict[str, ast.stmt] = {}
    for statement in ast.parse(inspect.getsource(importlib.import_module(module))).body:
        match statement:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                result[name] = statement
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                result[name] = statement
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                for alias in names:
                    result[alias.asname or alias.name] = statement
    return result


class _Plain(ast.NodeTransformer):
    """Without annotations, whose names the file does not have."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):  # A field, which a dataclass finds by its annotation.
                statement.annotation = ast.Name("object")
        node.body = [x if isinstance(x, ast.AnnAssign) else self.visit(x) for x in node.body]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        assert node.value is not None
        plain = ast.Assign(targets=[node.target], value=node.value)
        return self.generic_visit(ast.fix_missing_locations(ast.copy_location(plain, node)))


class _Renamed(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_FunctionDef(self, node: Any) -> ast.AST:
        node.name = self.names.get(node.name, node.name)
        return self.generic_visit(node)

    visit_ClassDef = visit_FunctionDef
