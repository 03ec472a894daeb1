"""Every case of every table, and how a case is run."""

import functools
import warnings

import keras
import numpy as np

from . import (
    attention,
    convolution,
    layers,
    losses,
    metrics,
    mnist,
    models,
    optimizers,
    preprocessing,
    recurrent,
    transfer,
    zoo_steps,
)
from .case import Case

TABLES = (
    mnist,
    optimizers,
    losses,
    metrics,
    layers,
    convolution,
    attention,
    preprocessing,
    models,
    recurrent,
    transfer,
    zoo_steps,
)


@functools.cache
def all_cases() -> dict[str, Case]:
    """Every case by name."""
    found = [case for table in TABLES for case in table.cases()]
    by_name = {case.name: case for case in found}
    assert len(by_name) == len(found), "two cases have the same name"
    return by_name


def run(case: Case) -> tuple[dict[str, np.ndarray], set[str]]:
    """The results of a case, from a clean state, and the warnings that it gave."""
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
