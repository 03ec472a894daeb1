"""Calls every public name of Keras in this environment, and prints as JSON what came of each: null, or an error.

python tests/bare/call_all.py [NAME …]
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterable
from importlib import metadata

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["MPLBACKEND"] = "agg"
os.environ["KERAS_HOME"] = tempfile.mkdtemp()

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
from all_uses import NAMES, USES

atexit.register(shutil.rmtree, os.environ["KERAS_HOME"], ignore_errors=True)


def outcome(path: str) -> str | None:
    """The error that a use ends with, if any; from a clean state, in an empty folder."""
    before, policy = os.getcwd(), keras.config.dtype_policy()
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),  # what a use prints is no answer
    ):
        warnings.simplefilter("ignore")
        os.chdir(folder)
        try:
            USES[path]()
        except Exception as error:
            return f"{type(error).__name__}: {error}".partition("\n")[0]
        finally:
            os.chdir(before)
            keras.config.set_dtype_policy(policy)
    return None


def main(names: Iterable[str]) -> int:
    found = {path: outcome(path) for path in names}
    json.dump(
        {
            "versions": {name: metadata.version(name) for name in ("keras", "kerasflow", "numpy")},
            "found": found,
            "others": {path: NAMES.get(path, []) for path in found},
        },
        sys.stdout,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or USES))
