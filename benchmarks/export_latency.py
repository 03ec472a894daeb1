"""How long a prediction for one sample takes: the exported file, kerasflow, and stock Keras on its other backends.

    python benchmarks/export_latency.py --against tensorflow=PYTHON

The model is an MLP, 784 → 512 → 10, called with one sample: `predict_on_batch(x)`, and `predict(x)` of the file that
`kerasflow.export_numpy` wrote, in an interpreter that has imported NumPy alone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from contestants import Contestant, add_contestants, contestants, machine, table

BUILD = """
import keras, numpy as np
layers = [keras.Input((784,)), keras.layers.Dense(512, activation="relu"), keras.layers.Dropout(0.2)]
model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
"""
EXPORT = BUILD + "import kerasflow, sys; kerasflow.export_numpy(model, sys.argv[1])"
TIME = """
import timeit
import numpy as np
x = np.random.default_rng(0).random((1, 784), "float32")
timer = timeit.Timer(lambda: {call}(x))
timer.timeit(20)
print(min(timer.repeat(repeat={repeat}, number=20)) / 20)
"""
EXPORTED = "import runpy, sys; predict = runpy.run_path(sys.argv[1])['predict']\n" + TIME


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_contestants(parser)
    parser.add_argument("--repeat", type=int, default=200, metavar="N", help="times to repeat (default: 200)")
    arguments = parser.parse_args()
    if arguments.repeat < 1:
        parser.error("--repeat has to be at least 1")
    runners = contestants(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "mlp.py")
        _run(runners[0], folder, EXPORT, str(file))
        alone = EXPORTED.format(call="predict", repeat=arguments.repeat)
        rows.append(
            ["exported, NumPy alone", _run(Contestant("", runners[0].python), folder, alone, str(file))]
        )
        for runner in runners:
            program = BUILD + TIME.format(call="model.predict_on_batch", repeat=arguments.repeat)
            rows.append([str(runner), _run(runner, folder, program)])
    print(f"The best of {arguments.repeat} times 20 calls. {machine()}.\n")
    print(table(["one sample", "time"], [[name, f"{float(found) * 1e6:.0f} µs"] for name, found in rows]))
    return 0


def _run(runner: Contestant, folder: str, text: str, *arguments: str) -> str:
    """The last line that a program prints."""
    program = Path(folder, "program.py")
    program.write_text(text, encoding="utf-8")
    finished = subprocess.run(
        [*runner.command(str(program)), *arguments],
        env=runner.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise SystemExit(f"{runner} failed:\n{finished.stderr}")
    return (finished.stdout.splitlines() or [""])[-1]


if __name__ == "__main__":
    sys.exit(main())
