"""What the bridge takes over from Keras, module by module: its functions and classes, each with a digest of its text.

python tests/keras_modules.py            the installed Keras's modules that are not as they were stored
python tests/keras_modules.py --write    store them: kerasflow works with what is installed

So that a development version of Keras that breaks kerasflow says where it changed (`test_keras_versions.py`). What
counts as changed is text: most changes break nothing.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

STORED = Path(__file__).with_suffix(".json")
BRIDGE = Path(__file__).parents[1] / "src" / "kerasflow" / "bridge"

Digests = dict[str, str]


def digests(source: str) -> Digests:
    """The functions and classes of a module, their documentation left out, and the methods of its classes."""
    lines = source.splitlines()

    def digest(node: ast.AST) -> str:
        left_out = {
            number
            for inner in ast.walk(node)
            if isinstance(inner, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(inner) is not None
            for number in range(inner.body[0].lineno, (inner.body[0].end_lineno or 0) + 1)
        }
        kept = [lines[i - 1] for i in range(node.lineno, node.end_lineno + 1) if i not in left_out]  # type: ignore[attr-defined]
        return hashlib.sha256("\n".join(kept).encode()).hexdigest()[:6]

    found: Digests = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = digest(node)
        elif isinstance(node, ast.ClassDef):
            found[node.name] = ""
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    found[f"{node.name}.{inner.name}"] = digest(inner)
    return found


def differences(stored: dict[str, Digests], found: dict[str, Digests]) -> list[str]:
    """A line for each module that is not as it was stored."""
    lines = []
    for module in sorted(stored):
        old, new = stored[module], found.get(module)
        if new is None:
            lines.append(f"{module} is gone")
        elif old != new:
            kinds = {
                "gone": _whole(old.keys() - new.keys()),
                "changed": sorted(name for name in old.keys() & new.keys() if old[name] != new[name]),
                "new": _whole(new.keys() - old.keys()),
            }
            lines.append(
                f"{module}: "
                + "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names)
            )
    return lines


def _whole(names: set[str]) -> list[str]:
    """In order, without the methods of classes that are among them."""
    return sorted(name for name in names if name.rpartition(".")[0] not in names)


def imported() -> Iterator[str]:
    """The modules of Keras that the bridge imports from."""
    for path in BRIDGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("keras.src"):
                yield str(node.module)
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules() -> dict[str, Digests]:
    """The modules of the installed Keras, which is not imported, that the bridge serves, changes or uses."""
    from kerasflow.bridge.adjust import ADJUSTED
    from kerasflow.bridge.install import SERVED
    from kerasflow.bridge.versions import LAYOUT, keras_folder

    names = {*SERVED, *ADJUSTED, *imported(), LAYOUT.base_trainer.module}
    found = {}
    for name in sorted(name for name in names if name.startswith("keras.src.")):
        path = keras_folder().joinpath(*name.split(".")[1:])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                found[name] = digests(file.read_text("utf-8"))
    return found


def main(arguments: list[str]) -> None:
    from kerasflow.bridge.versions import keras_version

    if arguments == ["--write"]:
        lines = (
            f"{json.dumps(name)}: {json.dumps(found, separators=(',', ':'))}"
            for name, found in modules().items()
        )
        text = ",\n".join(lines)
        STORED.write_text(f'{{"version": "{keras_version()}", "modules": {{\n{text}\n}}}}\n', "utf-8")
        return
    stored = json.loads(STORED.read_text("utf-8"))
    print(
        f"Modules of Keras {keras_version()} that are not as in {stored['version']}, with which kerasflow works:"
    )
    print("\n".join(differences(stored["modules"], modules())) or "none")


if __name__ == "__main__":
    main(sys.argv[1:])
