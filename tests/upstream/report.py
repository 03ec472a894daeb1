"""docs/compatibility.md: what a run of Keras's suite found, beside what stock backends make of the same tests."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from exclusions import EXCLUSIONS
from lifting import matching
from skips import KEPT, LIFTED

from kerasflow.bridge.versions import keras_version

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "compatibility.md"
STOCK = HERE / "stock.json"
# What `tests/keras_versions.py`, `tests/systems` and `tests/bare` write into the page.
OTHERS = [
    re.compile(f"<!-- {part} -->.*<!-- end of {part} -->\n", re.DOTALL)
    for part in ("keras versions", "systems", "bare")
]
OUTCOMES = ("passed", "skipped", "xfailed", "failed")
MARKED = "behind the training marker"
PACKAGES = "numpy scipy tensorflow tensorflow-cpu jax torch grain scikit-learn pandas pillow".split()

PREFACE = """# Compatibility with Keras

Keras's wheel ships Keras's own tests. This page says what they make of kerasflow;
`python tests/upstream/run.py --write` runs them and writes it. `applications` is left out: networks of many megabytes,
most of them downloads.

- Tests that Keras skips on a backend called "numpy" because it cannot train, or because of a fault of the stock NumPy
  backend, run (`tests/upstream/skips.py`). All layers are trained for a step.
- What fails is an exclusion with a reason (`tests/upstream/exclusions.py`), checked strictly: one that passes is an
  error.
- Two tests compare float32 to 1e-6 where some processors' products round otherwise; they are held to the error that
  the same file gives, with the reason.
- A skip for a reason that nobody has judged is an error too.

"""


def totals(results: Iterable[dict[str, Any]]) -> dict[str, Counter[str]]:
    """How many tests of each folder had which outcome; those behind the marker for training once more, together."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        folder, slash, _ = result["test"].partition("/")
        found[folder if slash else "."][result["outcome"]] += 1
        if result["trainable"]:
            found[MARKED][result["outcome"]] += 1
    return found


def installed(packages: Iterable[str]) -> list[str]:
    """Names and versions of those packages that are there."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


def write_stock(backend: str, results: list[dict[str, Any]]) -> None:
    """Keep a stock backend's figures, for the page."""
    stock = json.loads(STOCK.read_text()) if STOCK.exists() else {}
    stock[backend] = {
        folder: dict(sorted(counts.items())) for folder, counts in sorted(totals(results).items())
    }
    STOCK.write_text(json.dumps(stock, indent=1) + "\n")


def table(header: list[str], rows: Iterable[list[Any]]) -> str:
    """A table in Markdown, numbers to the right."""
    rows = list(rows)
    rule = ["--:" if rows and isinstance(rows[0][i], int) else ":--" for i in range(len(header))]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (header, rule, *rows))


def figures(results: list[dict[str, Any]]) -> str:
    """The table of totals."""
    ours = totals(results)
    stock = {name: defaultdict(dict, counts) for name, counts in json.loads(STOCK.read_text()).items()}
    header = ["folder", "tests", "passed", "skipped", "excluded"]
    header += [
        f"{name}: {outcome}" for name in stock for outcome in ("passed", "skipped", "failed, or expected to")
    ]

    def row(name: str, folders: list[str]) -> list[Any]:
        def total(counts: dict[str, dict[str, int]], *outcomes: str) -> int:
            return sum(counts[folder].get(outcome, 0) for folder in folders for outcome in outcomes)

        cells = [total(ours, *OUTCOMES), *(total(ours, outcome) for outcome in OUTCOMES[:3])]
        for counts in stock.values():
            cells += [total(counts, "passed"), total(counts, "skipped"), total(counts, "xfailed", "failed")]
        return [name, *cells]

    folders = sorted(set(ours) - {MARKED})
    rows = [row(f"`{folder}`", [folder]) for folder in folders]
    return table(header, [*rows, row("**all**", folders), row(MARKED, [MARKED])])


def excluded(results: list[dict[str, Any]]) -> str:
    """The table of exclusions by reason."""
    counts = Counter(r["reason"] for r in results if r["outcome"] == "xfailed")
    rows = [
        [
            reason.replace("|", "\\|"),
            counts[reason],
            ", ".join(f"`{test.rpartition('/')[2]}`" for test in tests),
        ]
        for reason, tests in EXCLUSIONS.items()
        if counts[reason]  # Files are left out whose package is missing.
    ]
    others = [
        [reason, n, "Keras's own, on every backend"]
        for reason, n in counts.items()
        if reason not in EXCLUSIONS
    ]
    return table(["reason", "tests", "which"], rows + others)


def skipped(results: list[dict[str, Any]]) -> str:
    """The table of skips by judgement."""
    reasons = [matching(KEPT, r["reason"]) for r in results if r["outcome"] == "skipped"]
    counts = Counter(KEPT[reason] for reason in reasons if reason)
    return table(["because", "tests"], [[reason, count] for reason, count in counts.most_common()])


def write_page(results: list[dict[str, Any]], libraries: str) -> None:
    """Write the page, with the part on libraries at its end."""
    page = PAGE.read_text("utf-8")
    others = [found[0] for part in OTHERS if (found := part.search(page))]
    assert len(others) == len(OTHERS), f"{PAGE.name} has lost a part that is not of Keras's tests"
    parts = [
        PREFACE,
        f"Keras {keras_version()}, kerasflow {version('kerasflow')}; {', '.join(installed(PACKAGES))}.\n",
        figures(results) + "\n",
        "The stock backends ran by the same command (`--backend numpy --write`), with nothing lifted or excluded.\n",
        "## Excluded\n",
        excluded(results) + "\n",
        "## Skipped\n",
        skipped(results) + "\n",
        "## Skips that are lifted\n",
        table(["Keras's reason begins with", "here"], [[f"`` {p} ``", why] for p, why in LIFTED.items()])
        + "\n",
        *others,
        libraries,
    ]
    PAGE.write_text("\n".join(parts))
