"""Training steps of an embedding of many rows, of which a batch looks up few.

    python benchmarks/embedding.py

The same model runs on kerasflow, on kerasflow with the whole table updated (`kerasflow.passes.rows` switched off), and,
where TensorFlow is installed, on stock Keras; each in a process of its own, in turn. Of a process the median step
counts, of processes the median; beside it is what memory the process has taken at most, beyond the libraries.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import subprocess
import sys
import time
from statistics import median

RUNS, STEPS = 5, 20
BATCH, TOKENS = 256, 20
TABLES = ((1_000_000, 32), (50_000, 64))
OPTIMIZERS = ("sgd", "adagrad", "adam")
# By name: what Python is told before the program, and which variant it is.
CONTESTANTS = {
    "kerasflow": (["-m", "kerasflow"], "rows"),
    "kerasflow, whole tables": (["-m", "kerasflow"], "whole"),
    "tensorflow": ([], "stock"),
}


def main() -> None:
    names = [n for n in CONTESTANTS if n != "tensorflow" or importlib.util.find_spec("tensorflow")]
    print(f"| a step of {BATCH} × {TOKENS} indices | optimizer | {' | '.join(names)} |")
    print(f"|---|---|{'---:|' * len(names)}")
    for rows, columns in TABLES:
        for optimizer in OPTIMIZERS:
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
            for _ in range(RUNS):
                for name in names:
                    found[name].append(_run(name, rows, columns, optimizer))
            cells = []
            for runs in found.values():
                seconds, nbytes = map(median, zip(*runs, strict=True))
                cells.append(f"{1e3 * seconds:.1f} ms, {nbytes / 1e6:.0f} MB")
            print(f"| {rows:,} × {columns} | {optimizer} | {' | '.join(cells)} |", flush=True)


def _run(name: str, *what: object) -> tuple[float, float]:
    before, variant = CONTESTANTS[name]
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, *before, __file__, variant, *map(str, what)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    seconds, nbytes = done.stdout.split()[-2:]
    return float(seconds), float(nbytes)


def measure(variant: str, rows: int, columns: int, optimizer: str) -> None:
    """Print the seconds of a step, and the bytes that training has taken at most."""
    import keras
    import numpy as np

    if variant == "whole":
        from kerasflow.compiler import compile as compiling

        compiling.update_rows = lambda graph: graph
    draw = np.random.default_rng(0)
    x = draw.integers(0, rows, (BATCH, TOKENS)).astype("int32")
    y = draw.normal(size=(BATCH, 1)).astype("float32")
    layers = [
        keras.layers.Embedding(rows, columns),
        keras.layers.GlobalAveragePooling1D(),
        keras.layers.Dense(1),
    ]
    model = keras.Sequential([keras.Input((TOKENS,), dtype="int32"), *layers])
    model.compile(optimizer, "mse")
    before = _most()
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        model.train_on_batch(x, y)
        seconds.append(time.perf_counter() - start)
    print(median(seconds), _most() - before)


def _most() -> int:
    """The most memory that the process has had so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        main()
