"""Runs cases under the Keras that it finds and stores the results.

    python reference.py REQUEST.json FOLDER

The request lists the names of the cases; the results of number i become
FOLDER/i.npz. This is how the tests get the numbers of stock Keras on
TensorFlow: kerasflow is never imported here.
"""

import json
import os
import sys
import traceback
import warnings
from typing import Any

import numpy as np


def all_cases() -> dict[str, Any]:
    """Every case of every table by name."""
    import cases_attention
    import cases_convolution
    import cases_layers
    import cases_losses
    import cases_metrics
    import cases_mnist
    import cases_models
    import cases_optimizers
    import cases_preprocessing
    import cases_recurrent
    import cases_zoo

    tables = [
        cases_mnist,
        cases_optimizers,
        cases_losses,
        cases_metrics,
        cases_layers,
        cases_convolution,
        cases_attention,
        cases_preprocessing,
        cases_models,
        cases_recurrent,
        cases_zoo,
    ]
    found = [case for table in tables for case in table.cases()]
    by_name = {case.name: case for case in found}
    assert len(by_name) == len(found), "two cases have the same name"
    return by_name


def run(case: Any) -> tuple[dict[str, np.ndarray], set[str]]:
    """The results of a case, from a clean state, and the warnings that it gave."""
    import keras

    keras.utils.clear_session(free_memory=False)
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            arrays = {name: np.asarray(value) for name, value in case.run().items()}
        return arrays, {f"{w.category.__name__}: {w.message}" for w in caught}
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


def main(request: str, folder: str) -> None:
    import keras

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
