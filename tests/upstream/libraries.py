"""Runs the test suites of libraries on Keras, from a checkout of each, on kerasflow and on stock Keras.

git clone https://github.com/keras-team/keras-hub
python tests/upstream/libraries.py keras_hub keras-hub --backend tensorflow    outcomes into keras_hub-tensorflow.jsonl
python tests/upstream/libraries.py keras_hub keras-hub --backend jax
python tests/upstream/libraries.py keras_hub keras-hub                         on kerasflow
python tests/upstream/libraries.py keras_hub keras-hub --compare               what stock Keras passes, and we do not
python tests/upstream/libraries.py keras_hub keras-hub --write                 ... into docs/compatibility.md
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import run_pytest

STOCK = ("tensorflow", "jax")


@dataclass(frozen=True)
class Library:
    """Where a library's tests are in its checkout, and what they need.

    Args:
        folder: with the tests. files: how these are called. needs: packages, by the names that are imported.
        options: for pytest. without: tests and folders to leave out, relative to the checkout.
    """

    folder: str
    files: str = "*_test.py"
    needs: tuple[str, ...] = ("tensorflow", "jax")
    options: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


LIBRARIES = {
    "keras_hub": Library(
        "keras_hub/src",
        needs=("tensorflow", "tensorflow_text", "jax", "sentencepiece", "tokenizers", "kagglehub"),
    ),
    "keras_rs": Library("keras_rs/src"),
    "keras_tuner": Library(
        "keras_tuner",
        needs=("tensorflow", "jax", "sklearn", "pandas"),
        without=("keras_tuner/integration_tests",),  # Twenty trainings on MNIST.
    ),
    "scikeras": Library("tests", "test_*.py", needs=("tensorflow", "jax", "sklearn", "scikeras")),
}


def missing(library: Library) -> list[str]:
    """The packages that a library's tests need and the environment does not have."""
    return [package for package in library.needs if importlib.util.find_spec(package) is None]


def run(
    library: Library,
    checkout: Path,
    backend: str = "kerasflow",
    paths: Sequence[str] = (),
    workers: int = 1,
    seconds: int = 180,
    options: Sequence[str] = (),
    **where: Any,
) -> list[dict[str, Any]]:
    """Run a library's tests, or those below `paths`; `where` as for `run_pytest`."""
    arguments = [
        *("-p", "library_plugin", "-o", f"python_files={library.files}", "--continue-on-collection-errors"),
        *(*library.options, *options),
        *(f"--deselect={test}" for test in library.without),
        *(str(checkout / path) for path in paths or [library.folder]),
    ]
    return run_pytest(arguments, checkout, backend, workers=workers, seconds=seconds, **where)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("checkout", type=Path, help="the library's repository")
    parser.add_argument("paths", nargs="*", help="folders, files or tests in it; all by default")
    parser.add_argument(
        "--into", type=Path, default=Path(), help="the folder of outcomes, a file for each backend"
    )
    parser.add_argument("--backend", default="kerasflow", choices=("kerasflow", *STOCK))
    parser.add_argument("--workers", type=int, default=1, help="how many processes run tests")
    parser.add_argument("--seconds", type=int, default=180, help="how long one test may take")
    parser.add_argument("--options", default="", help="for pytest, in one string")
    parser.add_argument(
        "--compare", action="store_true", help="run nothing: print the differences of earlier runs"
    )
    parser.add_argument("--write", action="store_true", help="... and write them into docs/compatibility.md")
    chosen = parser.parse_intermixed_args(arguments)
    library = LIBRARIES[chosen.library]
    if chosen.compare or chosen.write:
        from library_report import described, summary, write

        found = summary(chosen.into, chosen.library, chosen.checkout)
        print("\n".join(described(chosen.library, found)))
        return write(chosen.library, found) if chosen.write else 0
    if packages := missing(library):
        print(f"{chosen.library}'s tests need packages that are not installed: {', '.join(packages)}")
        return 0
    chosen.into.mkdir(parents=True, exist_ok=True)
    run(
        library,
        chosen.checkout.resolve(),
        chosen.backend,
        chosen.paths,
        chosen.workers,
        chosen.seconds,
        chosen.options.split(),
        results=chosen.into / f"{chosen.library}-{chosen.backend}.jsonl",
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
