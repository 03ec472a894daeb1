"""The graph of imports of our packages, and the circles in it."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "kerasflow": ROOT / "src" / "kerasflow",
    **{folder.name: folder for folder in sorted((ROOT / "backends").glob("kerasflow_*"))},
}


def modules() -> dict[str, Path]:
    """Our modules' files, by name."""
    found = {}
    for package, folder in PACKAGES.items():
        for file in folder.rglob("*.py"):
            parts = file.relative_to(folder).with_suffix("").parts
            found[".".join((package, *parts)).removesuffix(".__init__")] = file
    return found


def imports(file: Path, names: set[str]) -> set[str]:
    """The modules among `names` that a file imports: at its top, in a function, or for types alone."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                found |= {name for name in (module if module in names else node.module,) if name in names}
    return found


def graph() -> dict[str, set[str]]:
    """For each module those that it imports."""
    files = modules()
    return {name: imports(file, set(files)) - {name} for name, file in files.items()}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The sets of modules each of which leads to each other (Tarjan's strongly connected components)."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 10 * len(graph)))
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found = []

    def visit(name: str) -> None:
        number[name] = lowest[name] = len(number)
        path.append(name)
        for other in sorted(graph[name]):
            if other not in number:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in path:
                lowest[name] = min(lowest[name], number[other])
        if lowest[name] == number[name]:
            start = path.index(name)
            if len(path) - start > 1:
                found.append(sorted(path[start:]))
            del path[start:]

    for name in sorted(graph):
        if name not in number:
            visit(name)
    return found


if __name__ == "__main__":
    for circle in circles(graph()):
        print(len(circle), *circle)
