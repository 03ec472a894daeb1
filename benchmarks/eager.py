"""Eager mode beside TensorFlow's, in one run: layers called by hand, a tape's step, `run_eagerly=True`, `model(x)`.

    python benchmarks/eager.py [--only NAME ...]

Two processes, one with kerasflow and one with stock Keras on TensorFlow, take turns: each line is measured here, then
there, three times. Seconds of the processor, medians of the fastest half; below 1.0 kerasflow is faster. Wait for a
quiet machine.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from contestants import machine


def layers() -> dict[str, tuple[Callable[[], Any], tuple[int, ...]]]:
    """Thirty layers, each with the shape of what it is called with."""
    from keras import layers as L

    image, row, words = (16, 28, 28, 8), (16, 40, 16), (32, 256)
    return {
        "Dense": (lambda: L.Dense(256, "relu"), words),
        "EinsumDense": (lambda: L.EinsumDense("abc,cd->abd", (None, 32), bias_axes="d"), row),
        "Conv1D": (lambda: L.Conv1D(32, 5), row),
        "Conv2D": (lambda: L.Conv2D(16, 3), image),
        "Conv2D same, stride 2": (lambda: L.Conv2D(16, 3, 2, "same"), image),
        "Conv3D": (lambda: L.Conv3D(4, 3), (2, 12, 12, 12, 4)),
        "DepthwiseConv2D": (lambda: L.DepthwiseConv2D(3), image),
        "SeparableConv2D": (lambda: L.SeparableConv2D(16, 3), image),
        "Conv2DTranspose": (lambda: L.Conv2DTranspose(8, 3, 2), (8, 14, 14, 8)),
        "MaxPooling2D": (lambda: L.MaxPooling2D(), image),
        "AveragePooling2D": (lambda: L.AveragePooling2D(2), image),
        "GlobalAveragePooling2D": (lambda: L.GlobalAveragePooling2D(), image),
        "UpSampling2D": (lambda: L.UpSampling2D(), image),
        "Resizing": (lambda: L.Resizing(14, 14), image),
        "ZeroPadding2D": (lambda: L.ZeroPadding2D(2), image),
        "Cropping2D": (lambda: L.Cropping2D(2), image),
        "BatchNormalization": (lambda: L.BatchNormalization(), image),
        "LayerNormalization": (lambda: L.LayerNormalization(), row),
        "GroupNormalization": (lambda: L.GroupNormalization(4), image),
        "UnitNormalization": (lambda: L.UnitNormalization(), words),
        "Softmax": (lambda: L.Softmax(), words),
        "ReLU": (lambda: L.ReLU(), image),
        "PReLU": (lambda: L.PReLU(), words),
        "Activation gelu": (lambda: L.Activation("gelu"), words),
        "Dropout": (lambda: L.Dropout(0.5), words),
        "SimpleRNN": (lambda: L.SimpleRNN(32), row),
        "LSTM": (lambda: L.LSTM(32), row),
        "GRU": (lambda: L.GRU(32), row),
        "Bidirectional LSTM": (lambda: L.Bidirectional(L.LSTM(16)), row),
        "MultiHeadAttention": (lambda: _attending(L.MultiHeadAttention(4, 8)), row),
        "Flatten": (lambda: L.Flatten(), image),
        "Permute": (lambda: L.Permute((2, 1)), row),
    }


def _attending(layer: Any) -> Callable[..., Any]:
    return lambda x, training: layer(x, x, training=training)


def networks() -> dict[str, tuple[list[Callable[[], Any]], tuple[int, ...]]]:
    from keras import layers as L

    return {
        "mlp": (
            [lambda: L.Dense(256, "relu"), lambda: L.Dropout(0.2), lambda: L.Dense(256, "relu")],
            (64, 100),
        ),
        "cnn": (
            [
                lambda: L.Conv2D(16, 3),
                lambda: L.BatchNormalization(),
                lambda: L.ReLU(),
                lambda: L.Conv2D(16, 3),
                lambda: L.GlobalAveragePooling2D(),
            ],
            (16, 28, 28, 1),
        ),
        "gru": ([lambda: L.GRU(32)], (16, 40, 8)),
        "attention": (
            [
                lambda: L.EinsumDense("abc,cd->abd", (None, 32)),
                lambda: L.LayerNormalization(),
                lambda: L.GlobalAveragePooling1D(),
            ],
            (8, 32, 32),
        ),
        "resnet block": (
            [lambda: L.Conv2D(32, 3, padding="same"), lambda: L.BatchNormalization(), lambda: L.ReLU()] * 2
            + [lambda: L.GlobalAveragePooling2D()],
            (4, 32, 32, 32),
        ),
        "one sample": ([lambda: L.Dense(256, "relu"), lambda: L.Dense(256, "relu")], (1, 100)),
    }


def tasks(tape_class: Any) -> dict[str, Callable[[], Any]]:
    """What is measured, by name."""
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    found: dict[str, Callable[[], Any]] = {}
    for name, (make, shape) in layers().items():
        x, layer = keras.ops.convert_to_tensor(rng.random(shape).astype("float32")), make()
        takes = name in ("BatchNormalization", "Dropout", "MultiHeadAttention", "LSTM", "GRU", "SimpleRNN")
        found[f"{name}(x)"] = functools.partial(layer, x, **({"training": True} if takes else {}))
    for name, (parts, shape) in networks().items():
        x = rng.random(shape).astype("float32")
        y = rng.integers(0, 10, shape[0])
        model = keras.Sequential(
            [keras.Input(shape[1:]), *(part() for part in parts), keras.layers.Dense(10)]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = keras.optimizers.Adam()
        optimizer.build(model.trainable_variables)

        def step(
            model: Any = model, x: Any = x, y: Any = y, loss: Any = loss, optimizer: Any = optimizer
        ) -> None:
            with tape_class() as tape:
                value = loss(y, model(x, training=True))
            variables = model.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))

        eager = keras.models.clone_model(model)
        eager.compile("adam", loss, run_eagerly=True)
        found[f"model(x): {name}"] = lambda model=model, x=x: model(x)
        found[f"tape's step: {name}"] = step
        found[f"run_eagerly: {name}"] = lambda eager=eager, x=x, y=y: eager.train_on_batch(x, y)
    return found


def serve(stock: bool) -> None:
    """Measure what is asked for on standard input, one name a line."""
    if stock:
        import tensorflow as tf

        tape_class = tf.GradientTape
    else:
        import kerasflow

        tape_class = kerasflow.GradientTape
    found = tasks(tape_class)
    print(json.dumps(list(found)), flush=True)
    for line in sys.stdin:
        task, seconds = found[json.loads(line)], []
        began = time.perf_counter()
        task(), task()
        while len(seconds) < 5 or (time.perf_counter() - began < 0.5 and len(seconds) < 50):
            start = time.process_time()
            task()
            seconds.append(time.process_time() - start)
        print(json.dumps(statistics.median(sorted(seconds)[: (len(seconds) + 1) // 2])), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", help="measure names that contain one of these")
    parser.add_argument("--serve", choices=("here", "stock"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve == "stock")
    workers = {}
    for which in ("here", "stock"):
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment |= {"KERAS_BACKEND": "tensorflow"} if which == "stock" else {}
        workers[which] = subprocess.Popen(
            [sys.executable, __file__, "--serve", which],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
    names, _ = [json.loads(worker.stdout.readline()) for worker in workers.values() if worker.stdout]
    if options.only:
        names = [name for name in names if any(part in name for part in options.only)]
    print(f"{machine()}, load {os.getloadavg()[0]:.1f}; milliseconds of the processor")
    ratios = []
    for name in names:
        times: dict[str, list[float]] = {which: [] for which in workers}
        for _ in range(3):
            for which, worker in workers.items():
                assert worker.stdin and worker.stdout
                print(json.dumps(name), file=worker.stdin, flush=True)
                times[which].append(1e3 * json.loads(worker.stdout.readline()))
        here, stock = (statistics.median(t) for t in times.values())
        ratios.append(here / stock)
        print(f"{name:32s} {here:8.2f} {stock:8.2f}   {here / stock:5.2f}", flush=True)
    print(f"median {statistics.median(ratios):.2f}, largest {max(ratios):.2f}")
    for worker in workers.values():
        worker.kill()


if __name__ == "__main__":
    main()
