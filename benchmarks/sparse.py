"""A text classifier on multi-hot features, given sparse and dense: seconds and memory of a training, in turns.

    python benchmarks/sparse.py                       50,000 features
    python benchmarks/sparse.py --features 20000 --samples 8000

Each training runs in a process of its own, which says how long its second epoch took (the first one compiles) and how
much memory it had at most, above what it had before there were data.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any

KINDS = ("dense", "sparse")


def train(
    kind: str, features: int, samples: int, words: int, batch_size: int, units: int
) -> dict[str, float]:
    """Seconds of an epoch and megabytes of a training in this process."""
    import kerasflow  # isort: skip  (before Keras)

    import keras
    import numpy as np
    import scipy.sparse

    kerasflow.set_backend("numpy")
    before = _peak_megabytes()
    rng = np.random.default_rng(0)
    # As of words, few are in most texts.
    columns = (features * rng.random((samples, words)) ** 3).astype(np.int32).ravel()
    rows = np.repeat(np.arange(samples, dtype=np.int32), words)
    x: Any = scipy.sparse.csr_array(
        (np.ones(len(rows), np.float32), (rows, columns)), shape=(samples, features)
    )
    x.data[:] = 1
    y = (x @ rng.normal(size=features) > 0).astype(np.float32)
    if kind == "dense":
        x = x.toarray()
    keras.utils.set_random_seed(0)
    inputs = keras.Input((features,), sparse=kind == "sparse")
    outputs = keras.layers.Dense(1, "sigmoid")(keras.layers.Dense(units, "relu")(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=batch_size, epochs=1, verbose=0)
    start = time.perf_counter()
    history = model.fit(x, y, batch_size=batch_size, epochs=1, verbose=0).history
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "megabytes": _peak_megabytes() - before, "loss": history["loss"][0]}


def _peak_megabytes() -> float:
    import resource

    unit = 1024 if sys.platform == "darwin" else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit / 1024


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, default=50_000)
    parser.add_argument("--samples", type=int, default=4_000)
    parser.add_argument("--words", type=int, default=100, help="features that are not zero, at most")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--repeat", type=int, default=3, help="trainings of each kind")
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    sizes = {name: getattr(chosen, name) for name in ("features", "samples", "words", "batch_size", "units")}
    if chosen.kind:
        print(json.dumps(train(chosen.kind, **sizes)))
        return 0
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(chosen.repeat):
        for kind in KINDS:
            command = [sys.executable, __file__, "--kind", kind]
            command += [f"--{name.replace('_', '-')}={value}" for name, value in sizes.items()]
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found[kind].append(json.loads(printed.splitlines()[-1]))
    print("          " + "".join(f"{kind:>12}" for kind in KINDS) + "  sparse / dense")
    for what in ("seconds", "megabytes", "loss"):
        medians = [statistics.median(run[what] for run in found[kind]) for kind in KINDS]
        print(f"{what:<10}" + "".join(f"{x:12.4g}" for x in medians) + f"{medians[1] / medians[0]:16.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
