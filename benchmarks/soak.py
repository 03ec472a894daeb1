"""Whether kerasflow stays as it is over days: memory and the time of a step, over 20,000 steps of mixed work.

    python benchmarks/soak.py

One model trains on batches of changing lengths, more than there are programs kept. Every hundred steps it is evaluated,
predicts, is saved, loaded and cloned; the copies train and predict, and go; Keras's session is cleared. After each
thousand steps: the resident memory, and the time of a training step of one fixed shape. At the end they should be what
they were after the first thousand.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
from contestants import machine, table

SAMPLES, FEATURES, CLASSES = 32, 16, 5
LENGTHS = range(10, 210)
FIXED = 100


def build() -> Any:
    layers = keras.layers
    return compiled(
        keras.Sequential(
            [
                keras.Input((None, FEATURES)),
                layers.Conv1D(64, 3, padding="same", activation="relu"),
                layers.BatchNormalization(),
                layers.Dropout(0.1),
                layers.GlobalAveragePooling1D(),
                layers.Dense(CLASSES, activation="softmax"),
            ]
        )
    )


def compiled(model: Any) -> Any:
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def batch(rng: np.random.Generator, length: int) -> tuple[Any, Any]:
    y = rng.integers(0, CLASSES, SAMPLES)
    return rng.normal(y[:, None, None], 1, (SAMPLES, length, FEATURES)).astype("float32"), y


def chores(model: Any, rng: np.random.Generator, folder: Path) -> None:
    """What people do between steps."""
    x, y = batch(rng, FIXED)
    stop = keras.callbacks.EarlyStopping("loss", patience=1, restore_best_weights=True)
    model.fit(x, y, validation_data=(x, y), epochs=2, callbacks=[stop], verbose=0)
    model.evaluate(x, y, verbose=0)
    expected = model.predict(x, verbose=0)
    model.save(folder / "model.keras")
    loaded = keras.models.load_model(folder / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), expected)
    copy = compiled(keras.models.clone_model(model))
    copy.set_weights(model.get_weights())
    copy.train_on_batch(x, y)
    model.optimizer.learning_rate = 1e-3 * rng.uniform(0.5, 1)
    keras.backend.clear_session()


def resident() -> float:
    """Megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=20_000, metavar="N", help="default: 20,000")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    model = build()
    fixed = batch(rng, FIXED)
    every = max(arguments.steps // 20, 1)
    rows = [["steps", "memory", "a step", "loss"]]
    first: tuple[float, float] | None = None
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for step in range(1, arguments.steps + 1):
            loss = model.train_on_batch(*batch(rng, int(rng.choice(LENGTHS))))[0]
            if step % 20 == 0:
                model.train_on_batch(*fixed)
                begun = time.perf_counter()
                model.train_on_batch(*fixed)
                times.append(time.perf_counter() - begun)
            if step % 100 == 0:
                chores(model, rng, Path(folder))
            if step % every == 0:
                gc.collect()
                now = resident(), 1e3 * statistics.median(times or [0])
                first = first or now
                times.clear()
                rows.append([f"{step:,}", f"{now[0]:.0f} MB", f"{now[1]:.2f} ms", f"{loss:.3f}"])
                print(*rows[-1], flush=True)
    print(f"\n{machine()}, backend {kerasflow.backend()}.\n")
    print(table(rows[0], rows[1:]))
    print(
        f"\nMemory {now[0] / first[0]:.2f}, a step {now[1] / first[1]:.2f} times that after the first {every:,}."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
