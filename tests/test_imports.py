"""Imports go one way: no circle of modules, at the top of files or in functions, nor for types alone."""

from __future__ import annotations

from imports import circles, graph, modules


def test_there_are_no_circles() -> None:
    assert circles(graph()) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"e"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"c"}}) == []


def test_no_file_is_longer_than_one_sitting() -> None:
    long = {name: n for name, file in modules().items() if (n := len(file.read_text().splitlines())) > 500}
    assert not long
