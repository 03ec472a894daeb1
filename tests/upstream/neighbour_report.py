"""The part of docs/compatibility.md on libraries around Keras: what their first examples make of kerasflow."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from neighbour_table import NEIGHBOURS, Neighbour
from report import table

HERE = Path(__file__).resolve().parent
STORED = HERE / "neighbours.json"
OURS = ("kerasflow", "keras", "numpy")

PREFACE = """### Libraries around Keras

What users put beside Keras, each with the example that its own pages show first, on small data (`neighbour_examples.py`
and `neighbour_models.py` in `tests/upstream`). `python tests/upstream/neighbours.py --write` makes an environment for
each, runs the example after `import kerasflow`, on the NumPy backend, and writes this table; a result other than the
table's is an error. TensorFlow is installed only where it says so.
"""


def stored() -> dict[str, Any]:
    """What became of each library when it was last tried."""
    return json.loads(STORED.read_text()) if STORED.exists() else {}


def keep(name: str, found: dict[str, Any]) -> None:
    """Keep what became of a library."""
    STORED.write_text(json.dumps(stored() | {name: found}, indent=1, sort_keys=True) + "\n")


def tried(neighbour: Neighbour) -> str:
    """What its example runs: the first line of the function's docstring."""
    tree = ast.parse((HERE / f"{neighbour.module}.py").read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    return (ast.get_docstring(functions[neighbour.function]) or "").partition("\n")[0]


def outcome(neighbour: Neighbour, found: dict[str, Any]) -> str:
    """The words for what became of it."""
    if found["error"]:
        return f"no: {neighbour.because}"
    beside = "with TensorFlow installed" if found["versions"]["tensorflow"] else ""
    return ", ".join(filter(None, [f"works {beside}".strip(), neighbour.note]))


def section(results: dict[str, Any]) -> str:
    """The part of the page."""
    rows = [
        [
            neighbour.kind,
            f"{neighbour.name} {found['versions'].get(neighbour.package, '')}".strip(),
            tried(neighbour),
            outcome(neighbour, found),
        ]
        for neighbour in NEIGHBOURS
        if (found := results.get(neighbour.name))
    ]
    versions = [
        f"{name} {' or '.join(sorted({f['versions'][name] for f in results.values() if name in f['versions']}))}"
        for name in OURS
    ]
    days = sorted(found["on"] for found in results.values())
    working = sum(not found["error"] for found in results.values())
    return "\n".join(
        [
            PREFACE,
            f"{working} of {len(rows)} work. Tried {' to '.join(sorted({days[0], days[-1]}))}, with"
            f" {', '.join(versions)}.\n",
            table(["kind", "library", "what was run", "here"], rows) + "\n",
        ]
    )
