"""Training on images from files: a step, how much of it is waiting for images, and one on the same images in memory.

    python benchmarks/images.py --kerasflow PYTHON --against tensorflow=PYTHON

A small convolutional network learns from JPEG files of 64 x 64 pixels, by `image_dataset_from_directory` with its
default: a dataset of grain's on kerasflow where TensorFlow is not installed, else one of `tf.data`. The wait is the
time in which a training has no batch; a step takes longer than from memory, besides, because files are read on the
same processors. The contestants run in turn, in a process of its own each.
It needs pillow, here and with kerasflow: pip install "kerasflow[data]"
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from contestants import Contestant, add_contestants, contestants, machine, table

IMAGES, SIZE, BATCH, EPOCHS = 1024, 64, 32, 2


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_contestants(parser)
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="processes for each (default: 3)")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs has to be at least 1")
    runners = contestants(arguments)
    found: dict[Contestant, list[list[float]]] = {runner: [] for runner in runners}
    with tempfile.TemporaryDirectory() as folder:
        _draw(Path(folder))
        for _ in range(arguments.runs):
            for runner in runners:
                found[runner].append(_run(runner, folder))
    print(f"Medians of {arguments.runs} processes, batches of {BATCH}. {machine()}.\n")
    rows = []
    for runner, runs in found.items():
        files, wait, memory = (1e3 * median(values) for values in zip(*runs, strict=True))
        rows.append([str(runner), f"{files:.1f} ms", f"{100 * wait / files:.1f} %", f"{memory:.1f} ms"])
    print(table(["", "a step from files", "of it waiting", "from memory"], rows))
    return 0


def _draw(folder: Path) -> None:
    """Two classes of images that compress as photographs do: smooth, with some noise."""
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(0)
    for number in range(IMAGES):
        smooth = np.kron(draw.integers(0, 256, (8, 8, 3)), np.ones((SIZE // 8, SIZE // 8, 1)))
        pixels = (smooth + draw.integers(-9, 10, (SIZE, SIZE, 3))).clip(0, 255).astype("uint8")
        place = folder / f"class{number % 2}"
        place.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number}.jpg", quality=90)


def _run(runner: Contestant, folder: str) -> list[float]:
    done = subprocess.run(
        runner.command(__file__, "measure", folder),
        env=runner.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{runner} failed:\n{done.stderr}")
    return [float(word) for word in done.stdout.split()[-3:]]


def measure(folder: str) -> None:
    """Print the seconds of a step on images from files, of its wait, and of a step on the same ones in memory."""
    import keras
    import numpy as np
    from keras import layers

    data = keras.utils.image_dataset_from_directory(
        folder, image_size=(SIZE, SIZE), batch_size=BATCH, seed=1, verbose=0
    )
    x, y = (
        np.concatenate(parts) for parts in zip(*((np.array(x), np.array(y)) for x, y in data), strict=True)
    )
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), layers.Rescaling(1 / 255)])
    for filters in (16, 32, 64):
        model.add(layers.Conv2D(filters, 3, activation="relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(1, "sigmoid"))
    model.compile("adam", "binary_crossentropy")
    steps = EPOCHS * IMAGES / BATCH
    model.fit(data, verbose=0)
    start, waited = time.perf_counter(), 0.0
    for _ in range(EPOCHS):
        batches = iter(data)
        while True:
            begun = time.perf_counter()
            batch = next(batches, None)
            waited += time.perf_counter() - begun
            if batch is None:
                break
            model.train_on_batch(*batch)
    print((time.perf_counter() - start) / steps, waited / steps)
    model.fit(x, y, batch_size=BATCH, verbose=0)
    start = time.perf_counter()
    model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    print((time.perf_counter() - start) / steps)


if __name__ == "__main__":
    measure(sys.argv[2]) if sys.argv[1:2] == ["measure"] else sys.exit(main())
