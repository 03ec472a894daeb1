"""What the tests of branches and loops share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

RNG = np.random.default_rng(0)
X, W, H = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 3)), RNG.normal(size=(2, 3))
XS = RNG.normal(size=(6, 2, 3))


def cell(w: Any) -> Callable[[Any, Any], Any]:
    def step(h: Any, x: Any) -> Any:
        new = ops.tanh(x @ w + h @ ops.transpose(w))
        return new, {"y": new * 2, "x": x}

    return step


def leaves(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in keras.tree.flatten(tree)]


def scalar(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function's results as one number."""

    def total(*xs: Any) -> Any:
        found = keras.tree.flatten(function(*xs))
        return sum(ops.sum(y * np.cos(np.arange(y.size).reshape(y.shape) + i)) for i, y in enumerate(found))

    return total
