"""Imports go one way: no circle of modules, at the top of files or in functions, nor for types alone."""

from __future__ import annotations

import ast
import re

from imports import circles, graph, modules


def test_there_are_no_circles() -> None:
    assert circles(graph()) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"e"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"c"}}) == []


def test_no_file_is_longer_than_one_sitting() -> None:
    long = {name: n for name, file in modules().items() if (n := len(file.read_text().splitlines())) > 500}
    assert not long


def test_every_package_says_which_file_to_open_first() -> None:
    files = modules()
    for name, file in files.items():
        if file.name != "__init__.py" or name in ("kerasflow", "kerasflow.datasets"):
            continue
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        found = re.search(r"(?:Open|Begin with)\s+`([\w/]+)(?:\.py)?`", text)
        assert found, name
        assert f"{name}.{found[1].replace('/', '.')}" in files, name
