"""A million strings or integers, which layers look up, split, hash or adapt to, beside stock Keras on TensorFlow.

    python benchmarks/lookup.py [rounds]

Both have a process of their own, and do each task in turn; the figures are medians. It needs TensorFlow.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

ROUNDS = 5
NUMBER, WORDS = 1_000_000, 20_000
CONTESTANTS = {"kerasflow": ["-m", "kerasflow"], "tensorflow": []}


def main(rounds: int) -> None:
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    processes = [
        subprocess.Popen(
            [sys.executable, *before, __file__, "measure"],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for before in CONTESTANTS.values()
    ]
    names, _ = (_answer(process, "").split(";") for process in processes)
    print(f"| of {NUMBER:,} | {' | '.join(CONTESTANTS)} | ratio |")
    print(f"|---|{'---:|' * (len(CONTESTANTS) + 1)}")
    for i, name in enumerate(names):
        seconds: list[list[float]] = [[] for _ in processes]
        for _ in range(rounds + 1):
            for process, found in zip(processes, seconds, strict=True):
                found.append(float(_answer(process, str(i))))
        ours, theirs = (median(found[1:]) for found in seconds)  # The first one warms up.
        print(f"| {name} | {1e3 * ours:.0f} ms | {1e3 * theirs:.0f} ms | {ours / theirs:.2f} |", flush=True)
    for process in processes:
        process.communicate()


def _answer(process: subprocess.Popen[str], task: str) -> str:
    """What a process answers when it is asked for a task; nothing is asked for the names of them."""
    assert process.stdin is not None and process.stdout is not None
    if task:
        print(task, file=process.stdin, flush=True)
    for line in process.stdout:
        if line.startswith("* "):
            return line[2:].strip()
    raise SystemExit(f"{process.args} has ended.")


def measure() -> None:
    """Print the tasks' names, then the seconds that each one takes which is asked for."""
    tasks = _tasks()
    print(f"* {';'.join(tasks)}", flush=True)
    functions = list(tasks.values())
    for line in sys.stdin:
        start = time.perf_counter()
        functions[int(line)]()
        print(f"* {time.perf_counter() - start}", flush=True)


def _tasks() -> dict[str, Callable[[], object]]:
    import numpy as np
    from keras import layers

    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(WORDS)]
    chosen = rng.zipf(1.3, NUMBER) % (2 * WORDS)
    text = np.array(words + [f"other{i}" for i in range(WORDS)])[chosen]
    objects = text.astype(object)
    few = np.array(["red", "green", "blue"])[rng.integers(0, 3, NUMBER)]
    different = np.array([f"w{i}" for i in rng.permutation(NUMBER)])
    long = np.array([f"a name that is longer than a word of the processor, {i}" for i in range(WORDS)])
    texts = np.array([" ".join(row) for row in text.reshape(-1, 10)])
    lookup = layers.StringLookup(vocabulary=words)
    colors, names = layers.StringLookup(vocabulary=["red", "blue"]), layers.StringLookup(vocabulary=long)
    numbers = layers.IntegerLookup(vocabulary=np.arange(5, 2 * WORDS, 2))
    encode = layers.TextVectorization(vocabulary=words, output_sequence_length=10)
    hashing, strong = layers.Hashing(1000), layers.Hashing(1000, salt=[1, 2])
    cross = layers.HashedCrossing(1000)
    long = long[chosen % WORDS]
    return {
        "strings, looked up": lambda: lookup(text),
        "strings as Python's objects, looked up": lambda: lookup(objects),
        "strings that all differ, looked up": lambda: lookup(different),
        "three strings, looked up": lambda: colors(few),
        "long strings, looked up": lambda: names(long),
        "integers, looked up": lambda: numbers(chosen),
        "words in texts of ten, split and looked up": lambda: encode(texts),
        "strings, `adapt`": lambda: layers.StringLookup().adapt(text),
        "strings as Python's objects, `adapt`": lambda: layers.StringLookup().adapt(objects),
        "three strings, `adapt`": lambda: layers.StringLookup().adapt(few),
        "100,000 strings that all differ, `adapt`": lambda: layers.StringLookup().adapt(
            different[: NUMBER // 10]
        ),
        "integers, `adapt`": lambda: layers.IntegerLookup().adapt(chosen),
        "words in texts of ten, `adapt`": lambda: layers.TextVectorization().adapt(texts),
        "strings, hashed": lambda: hashing(text),
        "strings, hashed with a salt": lambda: strong(text),
        "long strings, hashed": lambda: hashing(long),
        "integers, hashed": lambda: hashing(chosen),
        "strings crossed with integers": lambda: cross((text, chosen)),
    }


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        measure()
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
