"""How long kerasflow takes to trace and to compile a training step.

    python benchmarks/compile_time.py

ResNet-50 at 64 by 64 pixels, and an LSTM over 10 and over 1,000 steps: a recurrent layer is a loop of the program, so
that the length of the sequence makes no difference.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
from contestants import machine, table


def resnet50() -> tuple[Any, Any]:
    return keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3), classes=10), (64, 64, 3)


def lstm(steps: int) -> tuple[Any, Any]:
    layers = [keras.Input((steps, 8)), keras.layers.LSTM(32), keras.layers.Dense(10, activation="softmax")]
    return keras.Sequential(layers), (steps, 8)


CASES: dict[str, Any] = {
    "ResNet-50, 64×64": resnet50,
    "LSTM, 10 steps": lambda: lstm(10),
    "LSTM, 1,000 steps": lambda: lstm(1000),
}


def measure(make: Any) -> tuple[float, int]:
    """Seconds to trace and compile the training step of a new model, and its lines of NumPy."""
    model, shape = make()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    x, y = np.zeros((8, *shape), "float32"), np.zeros(8, "int32")
    begun = time.perf_counter()
    source = kerasflow.explain(model, x, y, step="train")
    return time.perf_counter() - begun, len(source.splitlines())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="rounds (default: 5)")
    arguments = parser.parse_args()
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in CASES}
    for _ in range(arguments.repeat):
        for name, make in CASES.items():
            keras.backend.clear_session()
            found[name].append(measure(make))
    print(f"Medians of {arguments.repeat} rounds. {machine()}.\n")
    rows = [
        [name, f"{statistics.median(seconds for seconds, _ in runs):.2f} s", f"{runs[0][1]:,}"]
        for name, runs in found.items()
    ]
    print(table(["training step", "trace and compile", "lines"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
