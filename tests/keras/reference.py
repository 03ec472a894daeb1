"""Runs cases under the Keras that it finds and stores the results.

    python reference.py REQUEST.json FOLDER

The request lists the names of the cases; the results of number i become
FOLDER/i.npz. This is how the tests get the numbers of stock Keras on
TensorFlow: kerasflow is never imported here.
"""

import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path

import numpy as np


def find_cases() -> None:
    """Make the folder of the cases importable as a package of its own, without the package that it lies in."""
    package = importlib.util.find_spec("kerasflow")
    assert package is not None and package.submodule_search_locations
    sys.path.append(str(Path(package.submodule_search_locations[0], "testing")))


def main(request: str, folder: str) -> None:
    import keras

    find_cases()
    from keras_cases.tables import all_cases, run

    assert "kerasflow" not in sys.modules
    assert keras.backend.backend() == "tensorflow"
    with open(request) as file:
        names = json.load(file)
    known = all_cases()
    for number, name in enumerate(names):
        try:
            arrays, given = run(known[name])
        except Exception:
            arrays, given = {"error": np.array(traceback.format_exc())}, set()
        # npz has no bfloat16; the dtype's name goes along.
        stored = {
            f"{key}|{array.dtype.name}": array.astype("float32") if array.dtype.kind == "V" else array
            for key, array in arrays.items()
        }
        stored["warnings|str"] = np.array(sorted(given), dtype=str)
        np.savez(f"{folder}/unfinished.npz", **stored)
        os.replace(f"{folder}/unfinished.npz", f"{folder}/{number}.npz")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(*sys.argv[1:])
