"""The operands of the calls, and how the calls are listed."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np


def operands() -> dict[str, np.ndarray[Any, Any]]:
    """New arrays. One letter each: x, y, v, w, s, c, z, e, q, p, n, t are float32; the others other dtypes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4)).astype(np.float32)
    return {
        "x": x,
        "y": rng.normal(size=(3, 4)).astype(np.float32),
        "v": rng.normal(size=4).astype(np.float32),
        "w": rng.normal(size=(4, 2)).astype(np.float32),
        "s": np.float32(0.7) * np.ones((), np.float32),
        "c": rng.normal(size=(2, 3, 4)).astype(np.float32),
        "z": rng.normal(size=(3, 1, 4, 1)).astype(np.float32),
        "e": np.zeros((0, 3), np.float32),
        "q": rng.normal(size=(3, 3)).astype(np.float32),
        "p": rng.uniform(0.2, 0.9, (3, 4)).astype(np.float32),
        "n": np.where(x > 0.4, np.float32("nan"), x),
        "d": rng.normal(size=(3, 4)),
        "h": rng.normal(size=(3, 4)).astype(np.float16),
        "g": rng.normal(size=(3, 4)).astype(ml_dtypes.bfloat16),
        "i": rng.integers(-4, 5, (3, 4)).astype(np.int32),
        "j": np.array([2, 0, 1, 2]),
        "u": rng.integers(0, 9, (3, 4)).astype(np.uint8),
        "b": rng.integers(0, 2, (3, 4)).astype(bool),
        "k": (rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4))).astype(np.complex64),
        "o": rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)),
        "t": np.sort(rng.normal(size=6).astype(np.float32)),
    }


def listed(table: str) -> list[str]:
    """The lines of a table that are no comments."""
    lines = (line.strip() for line in table.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
