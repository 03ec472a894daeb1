"""The random generators that Keras draws seeds and the order of samples from: Python's and NumPy's own."""

from __future__ import annotations

import random
from typing import Any

import numpy as np


def random_state() -> Any:
    """The states of Python's and NumPy's generators, from which Keras draws seeds and the order of samples."""
    return random.getstate(), np.random.get_state(legacy=False)


def set_random_state(state: Any) -> None:
    """Bring both generators to the states that `random_state` gave, as it gave them or as JSON says them."""
    (version, words, gauss), numpys = state
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(numpys)
