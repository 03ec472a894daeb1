"""A million strings or integers, which layers look up, split, hash or adapt to, beside stock Keras on TensorFlow.

    python benchmarks/lookup.py

Each program runs in a process of its own, in turn. It needs TensorFlow.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

RUNS = 3
NUMBER, WORDS = 1_000_000, 20_000
CONTESTANTS = {"kerasflow": ["-m", "kerasflow"], "tensorflow": []}


def main() -> None:
    times: dict[str, dict[str, list[float]]] = {}
    for _ in range(RUNS):
        for name, before in CONTESTANTS.items():
            for task, seconds in _run([*before, __file__, "measure"]).items():
                times.setdefault(task, {}).setdefault(name, []).append(seconds)
    print(f"| of {NUMBER:,} | {' | '.join(CONTESTANTS)} |")
    print(f"|---|{'---:|' * len(CONTESTANTS)}")
    for task, found in times.items():
        print(f"| {task} | {' | '.join(f'{1e3 * median(found[name]):.0f} ms' for name in CONTESTANTS)} |")


def _run(arguments: list[str]) -> dict[str, float]:
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    lines = (line.rpartition(": ") for line in done.stdout.splitlines() if line.startswith("* "))
    return {task[2:]: float(seconds) for task, _, seconds in lines}


def measure() -> None:
    """Print the seconds that each task takes."""
    import numpy as np
    from keras import layers

    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(WORDS)]
    chosen = rng.zipf(1.3, NUMBER) % (2 * WORDS)
    text = np.array(words + [f"other{i}" for i in range(WORDS)])[chosen]
    objects = text.astype(object)
    texts = np.array([" ".join(row) for row in text.reshape(-1, 10)])
    different = np.array([f"w{i}" for i in rng.permutation(NUMBER)])
    lookup = layers.StringLookup(vocabulary=words)
    numbers = layers.IntegerLookup(vocabulary=np.arange(5, 2 * WORDS, 2))
    encode = layers.TextVectorization(vocabulary=words, output_sequence_length=10)
    hashing, strong, cross = (
        layers.Hashing(1000),
        layers.Hashing(1000, salt=[1, 2]),
        layers.HashedCrossing(1000),
    )
    tasks: dict[str, Callable[[], object]] = {
        "strings, looked up": lambda: lookup(text),
        "strings as Python's, looked up": lambda: lookup(objects),
        "integers, looked up": lambda: numbers(chosen),
        "words in texts of ten, split and looked up": lambda: encode(texts),
        "strings, `adapt`": lambda: layers.StringLookup().adapt(text),
        "strings that all differ, `adapt`": lambda: layers.StringLookup().adapt(different),
        "integers, `adapt`": lambda: layers.IntegerLookup().adapt(chosen),
        "words in texts of ten, `adapt`": lambda: layers.TextVectorization().adapt(texts),
        "strings, hashed": lambda: hashing(text),
        "strings, hashed with a salt": lambda: strong(text),
        "integers, hashed": lambda: hashing(chosen),
        "strings crossed with integers": lambda: cross((text, chosen)),
    }
    for name, task in tasks.items():
        task()
        print(f"* {name}: {_fastest(task)}")


def _fastest(function: Callable[[], object], times: int = 3) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    measure() if sys.argv[1:2] == ["measure"] else main()
