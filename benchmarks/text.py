"""The training step of a classifier of reviews: its words are looked up in the model.

    python benchmarks/text.py

The same program runs on stock Keras with TensorFlow, in whose graph the lookup is, and on kerasflow, compiled behind
the lookup and, with `run_eagerly=True`, operation by operation; each in a process of its own, in turn.
It needs TensorFlow.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from statistics import median

RUNS = 3
WORDS, TOKENS, BATCH, STEPS = 20_000, 200, 32, 40
# By name: what Python is told before the program, and whether it runs eagerly.
CONTESTANTS = {
    "kerasflow": (["-m", "kerasflow"], ""),
    "kerasflow, run_eagerly=True": (["-m", "kerasflow"], "eagerly"),
    "tensorflow": ([], ""),
}
MODELS = ("pooling", "convolution")


def main() -> None:
    print(f"| a step of {BATCH} reviews of {TOKENS} words | {' | '.join(MODELS)} | the lookup alone |")
    print(f"|---|{'---:|' * (len(MODELS) + 1)}")
    times: dict[str, list[list[float]]] = {name: [] for name in CONTESTANTS}
    for _ in range(RUNS):
        for name, (before, eagerly) in CONTESTANTS.items():
            times[name].append(_run([*before, __file__, "measure", eagerly]))
    for name, runs in times.items():
        cells = [f"{1e3 * median(values):.1f} ms" for values in zip(*runs, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |")


def _run(arguments: list[str]) -> list[float]:
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return [float(word) for word in done.stdout.split()[-len(MODELS) - 1 :]]


def measure(eagerly: bool) -> None:
    """Print the seconds of a step of each model, and of the lookup of a batch alone."""
    import keras
    import numpy as np
    import tensorflow as tf
    from keras import layers

    draw = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(WORDS - 2)])
    reviews = words[draw.zipf(1.3, (STEPS * BATCH, TOKENS)) % len(words)]
    x = tf.constant([[" ".join(row)] for row in reviews])
    y = draw.integers(0, 2, (len(reviews), 1)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH).prefetch(2)
    batches = [x for x, _ in data]
    encode = layers.TextVectorization(max_tokens=WORDS, output_sequence_length=TOKENS)
    encode.set_vocabulary(list(words))
    middles = {
        "pooling": [layers.GlobalAveragePooling1D()],
        "convolution": [layers.Conv1D(64, 5, activation="relu"), layers.GlobalMaxPooling1D()],
    }
    for name in MODELS:
        ends = [layers.Dense(64, activation="relu"), layers.Dense(1, activation="sigmoid")]
        first = [keras.Input((1,), dtype="string"), encode, layers.Embedding(WORDS, 64)]
        model = keras.Sequential([*first, *middles[name], *ends])
        model.compile("adam", "binary_crossentropy", run_eagerly=eagerly)
        model.fit(data.take(2), verbose=0)
        print(_fastest(lambda model=model: model.fit(data, verbose=0)) / STEPS)
    print(_fastest(lambda: [encode(batch) for batch in batches]) / STEPS)


def _fastest(function: object, times: int = 3) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        function()  # type: ignore[operator]
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    measure(sys.argv[2:] == ["eagerly"]) if sys.argv[1:2] == ["measure"] else main()
