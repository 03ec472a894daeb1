"""What mixed precision costs: training steps in float32, `mixed_bfloat16` and `mixed_float16`.

    python benchmarks/half.py --against tensorflow=PYTHON

A processor without arithmetic in half precision gains nothing from it; a step should at least not take longer. Each
process measures all networks and policies, in turn, and processes take turns; of each process the median step counts,
of processes the median.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np
from contestants import Contestant, add_contestants, contestants, machine, table

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
# By name: the shape of a batch, and a function from `keras.layers` to the layers before the last.
NETWORKS: dict[str, tuple[tuple[int, ...], Any]] = {
    "dense": ((64, 256), lambda L: [L.Dense(512, "relu")]),
    "conv": (
        (16, 28, 28, 1),
        lambda L: [*(L.Conv2D(16, 3, activation="relu") for _ in range(2)), L.GlobalAveragePooling2D()],
    ),
    "lstm": ((16, 20, 16), lambda L: [L.LSTM(64)]),
    "attention": (
        (8, 32, 64),
        lambda L: [
            L.EinsumDense("abc,cd->abd", (None, 64), bias_axes="d"),
            L.LayerNormalization(),
            L.GlobalAveragePooling1D(),
        ],
    ),
}


def model(name: str, policy: str) -> Any:
    import keras

    shape, layers = NETWORKS[name]
    keras.config.set_dtype_policy(policy)
    head = [keras.layers.Dense(10), keras.layers.Activation("softmax", dtype="float32")]
    made = keras.Sequential([keras.Input(shape[1:]), *layers(keras.layers), *head])
    made.compile("adam", "sparse_categorical_crossentropy")
    return made


def measure(names: list[str], steps: int) -> dict[str, float]:
    """Milliseconds of a training step, by network and policy: medians of steps that take turns."""
    rng = np.random.default_rng(0)
    found = {}
    for name in names:
        shape, _ = NETWORKS[name]
        x, y = rng.random(shape).astype("float32"), rng.integers(0, 10, shape[0])
        models = {policy: model(name, policy) for policy in POLICIES}
        times: dict[str, list[float]] = {policy: [] for policy in POLICIES}
        for step in range(-5, steps):
            for policy, trained in models.items():
                begun = time.perf_counter()
                trained.train_on_batch(x, y)
                if step >= 0:
                    times[policy].append(time.perf_counter() - begun)
        found.update({f"{name} {policy}": 1e3 * statistics.median(ts) for policy, ts in times.items()})
    return found


def run(who: Contestant, names: list[str], steps: int) -> dict[str, float]:
    """What a process of a contestant measures."""
    command = who.command(__file__, "--measure", "--steps", str(steps), *names)
    done = subprocess.run(command, env=who.environment(), check=True, text=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", help=f"of {', '.join(NETWORKS)} (default: all)")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="processes of each (default: 5)")
    parser.add_argument("--steps", type=int, default=100, metavar="N", help="steps of each (default: 100)")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    add_contestants(parser)
    arguments = parser.parse_args()
    names = arguments.networks or list(NETWORKS)
    if unknown := set(names) - set(NETWORKS):
        parser.error(f"no network {', '.join(sorted(unknown))}; there are {', '.join(NETWORKS)}")
    if arguments.measure:
        print(json.dumps(measure(names, arguments.steps)))
        return 0
    who = contestants(arguments)
    runs: dict[str, list[dict[str, float]]] = {str(one): [] for one in who}
    for _ in range(arguments.repeat):
        for one in who:
            runs[str(one)].append(run(one, names, arguments.steps))
    rows = []
    for name in names:
        for one in who:
            times = [
                statistics.median(found[f"{name} {policy}"] for found in runs[str(one)])
                for policy in POLICIES
            ]
            ratios = [f"{time / times[0]:.2f}" for time in times[1:]]
            rows.append([f"{name}, {one}", *(f"{time:.2f} ms" for time in times), *ratios])
    print(f"Medians of {arguments.repeat} alternating processes. {machine()}.\n")
    print(table(["training step", *POLICIES, "bfloat16 / float32", "float16 / float32"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
