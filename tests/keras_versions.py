"""The part of docs/compatibility.md on versions of Keras: what ran on each, and when.

python -m pytest tests/test_keras_versions.py -m "slow or network" -n1 | tee LOG
python tests/keras_versions.py LOG      keep what the tests said of themselves, and write the page

On the Keras that is installed the interface and the zoo are tests of this project, and the whole suite runs. So its row
is made where another one is installed.
"""

from __future__ import annotations

import datetime
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent / "systems"))
import systems_page

STORED = Path(__file__).with_suffix(".json")
BEGIN, END = "<!-- keras versions -->", "<!-- end of keras versions -->"
TESTS = ("main job", "interface", "zoo", "tenth")
COUNTS = {
    "passed": "passed",
    "failed": "failed",
    "stock": "of these on its own backend too",
    "moved": "of these for a name that has moved",
    "xfailed": "excluded",
    "skipped": "skipped",
}
# Under which name pytest's reports have what a test found.
PROPERTY = "measured on Keras"

PREFACE = """## Versions of Keras

Each version in an environment of its own (`tests/test_keras_versions.py`): the *main job* (train, evaluate, predict,
save, load), whether the *interface* is whole that the version's code asks of its backend, the *zoo* of networks, and a
*tenth* of Keras's suite, with the tests of 3.15.1, some of which fail on another version's own backend too.

`keras-nightly` is another distribution than `keras`, which kerasflow's installation brings: install it last, and take
`keras` away first.

```text
pip install kerasflow
pip uninstall keras
pip install --pre keras-nightly
```"""


def found(version: str, tests: str, counts: Mapping[str, int]) -> dict[str, Any]:
    """What a test says of itself."""
    assert tests in TESTS
    return {
        "keras": version,
        "tests": tests,
        **{name: counts.get(name, 0) for name in COUNTS},
        "date": datetime.date.today().isoformat(),
    }


def read(log: str) -> list[dict[str, Any]]:
    """What the lines in a log say."""
    return [json.loads(text) for text in re.findall(rf"^{PROPERTY}: (\{{.*\}})$", log, re.MULTILINE)]


def stored() -> list[dict[str, Any]]:
    """What is kept."""
    return json.loads(STORED.read_text("utf-8")) if STORED.exists() else []


def key(run: Mapping[str, Any]) -> tuple[int, int, int]:
    """The version, to its second number, and the place of the tests in `TESTS`."""
    major, minor = map(int, run["keras"].split(".")[:2])
    return major, minor, TESTS.index(run["tests"])


def keep(runs: list[dict[str, Any]]) -> None:
    """Keep runs, each in the place of an older one on the same minor version, and write the page."""
    kept = {key(run): run for run in (*stored(), *runs)}
    lines = ",\n".join(json.dumps(kept[place]) for place in sorted(kept))
    STORED.write_text(f"[\n{lines}\n]\n", "utf-8")
    page = systems_page.PAGE
    page.write_text(systems_page.filled(page.read_text("utf-8"), section()), "utf-8")


def section() -> str:
    """The part of the page, with the marks around it."""
    heads = ["Keras", "tests", *COUNTS.values(), "on"]
    rule = [":--", ":--", *("--:" for _ in COUNTS), ":--"]
    rows = [[run["keras"], run["tests"], *(run[name] for name in COUNTS), run["date"]] for run in stored()]
    table = "\n".join(f"| {' | '.join(map(str, row))} |" for row in (heads, rule, *rows))
    return f"{BEGIN}\n{PREFACE}\n\n{table}\n{END}"


if __name__ == "__main__":
    keep([run for name in sys.argv[1:] for run in read(Path(name).read_text("utf-8"))])
