"""Runs the test suite that the installed Keras ships in its wheel, on kerasflow or on a stock backend.

python tests/upstream/run.py                              the whole suite (but `applications`)
python tests/upstream/run.py layers/core ops/nn_test.py   parts of it
python tests/upstream/run.py --write                      the whole, and write docs/compatibility.md
python tests/upstream/run.py --write --backend numpy      ... on Keras's own backend, for the page to compare with
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lifting import matching
from processes import run_pytest
from skips import KEPT

# Without these the suite is not what it is meant to be: they compute what its tests expect.
REQUIRED = ("xdist", "jax", "tensorflow", "pandas", "scipy")


def missing() -> list[str]:
    """The packages that a run needs and the environment does not have."""
    return [package for package in REQUIRED if importlib.util.find_spec(package) is None]


def keras_folder() -> Path:
    """Where the installed Keras's sources lie; Keras is not imported."""
    spec = importlib.util.find_spec("keras")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "src"


def run(
    paths: Sequence[str] = (),
    backend: str = "kerasflow",
    workers: int = 2,
    seconds: int = 300,
    options: Sequence[str] = (),
    without: Sequence[str] = (),
    log: Any = None,
) -> list[dict[str, Any]]:
    """Run tests of Keras's suite in processes of their own.

    Args:
        paths: folders, files or tests below `keras/src`; all by default.
        backend: `kerasflow`, or one of Keras's own.
        workers: how many processes run tests.
        seconds: how long one test may take.
        options: for pytest. without: tests to leave out. log: where its output goes.

    Returns:
        For each test its name, outcome (passed, skipped, xfailed, failed), reason and seconds.

    Raises:
        RuntimeError: if the run did not come to its end.
    """
    source = keras_folder()
    root = source.parents[1]
    arguments = [
        *("-p", "suite_plugin", "-o", "python_files=*_test.py", f"--ignore={source / 'applications'}"),
        *options,
        *(f"--deselect=keras/src/{test}" for test in without),
        *([str(source / path) for path in paths] or [str(source)]),
    ]
    results = run_pytest(arguments, root, backend, workers=workers, seconds=seconds, log=log)
    for result in results:
        result["test"] = result["test"].removeprefix("keras/src/")
        if backend == "kerasflow" and result["outcome"] == "skipped" and not matching(KEPT, result["reason"]):
            result["outcome"] = "failed"
            result["reason"] = f"skipped for a reason that skips.py does not judge: {result['reason']}"
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", help="folders, files or tests below keras/src")
    parser.add_argument("--backend", default="kerasflow")
    parser.add_argument("--workers", type=int, default=2, help="how many processes run tests")
    parser.add_argument("--seconds", type=int, default=300, help="how long one test may take")
    parser.add_argument(
        "--results", type=Path, help="write the outcomes there, one line of JSON for each test"
    )
    parser.add_argument("--write", action="store_true", help="write docs/compatibility.md")
    parser.add_argument("--options", default="", help="for pytest, in one string")
    chosen = parser.parse_args(arguments)
    if packages := missing():
        parser.error(
            f"the suite needs packages that are not installed: {', '.join(packages)} (CONTRIBUTING.md)"
        )
    if chosen.write and chosen.paths:
        parser.error("--write needs a run of the whole suite")
    results = run(chosen.paths, chosen.backend, chosen.workers, chosen.seconds, chosen.options.split())
    if chosen.results:
        chosen.results.write_text("".join(json.dumps(result) + "\n" for result in results))
    failed = [result["test"] for result in results if result["outcome"] == "failed"]
    if chosen.write:
        from library_report import section, stored
        from report import write_page, write_stock

        if chosen.backend != "kerasflow":
            write_stock(chosen.backend, results)
        elif failed:
            print("docs/compatibility.md is not written: there are failures")
        else:
            write_page(results, section(stored()))
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
