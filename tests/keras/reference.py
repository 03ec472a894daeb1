"""Runs cases under the Keras that it finds and stores the results.

    python reference.py REQUEST.json RESULTS.npz

The request lists the names of the cases. This is how the tests get the numbers of stock Keras on TensorFlow:
kerasflow is never imported here.
"""

import contextlib
import json
import os
import sys
import warnings
from typing import Any

import numpy as np


def all_cases() -> dict[str, Any]:
    """Every case of every table by name."""
    import cases_optimizers

    tables = [cases_optimizers]
    found = [case for table in tables for case in table.cases()]
    by_name = {case.name: case for case in found}
    assert len(by_name) == len(found), "two cases have the same name"
    return by_name


def run(case: Any) -> dict[str, np.ndarray]:
    """The results of a case, from a clean state."""
    import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    try:
        return {name: np.asarray(value) for name, value in case.run().items()}
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


def main(request: str, results: str) -> None:
    import keras

    assert "kerasflow" not in sys.modules
    with open(request) as file:
        names = json.load(file)
    known = all_cases()
    found: dict[str, np.ndarray] = {"engine": np.array(f"{keras.backend.backend()}, Keras {keras.__version__}")}
    failures = []
    for name in names:
        try:
            with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                arrays = run(known[name])
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
            continue
        for key, array in arrays.items():
            # npz has no bfloat16; the dtype's name goes along.
            found[f"{name}|{key}|{array.dtype.name}"] = array.astype("float32") if array.dtype.kind == "V" else array
    if failures:
        sys.exit("The reference failed.\n" + "\n".join(failures))
    np.savez(results, **found)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(*sys.argv[1:])
