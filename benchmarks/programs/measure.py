"""What every benchmark program shares: its arguments, its clock and its report.

Beside the programs, so that each finds it whichever interpreter runs it; needs nothing but the standard library.
The times count from the moment `compare.py` started the process, which it hands over as BENCHMARK_START: so a
program that is started by `python -m kerasflow` pays for that import like any other.
"""

import argparse
import json
import os
import resource
import time
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("kerasflow", "keras", "numpy", "tensorflow", "tensorflow-cpu", "jax", "torch", "scikit-learn")


class Run:
    """One run of a program: parses the arguments, keeps the times, prints the report.

    To be made when the framework is imported and nothing else is done; then `epoch(seconds)` for each epoch, and
    `finish(...)` at the end.
    """

    def __init__(self, epochs=20, batch_size=128):
        parser = argparse.ArgumentParser()
        parser.add_argument("--data", required=True, help="MNIST as an .npz file")
        parser.add_argument("--epochs", type=int, default=epochs)
        parser.add_argument("--batch-size", type=int, default=batch_size)
        parser.add_argument("--seed", type=int, default=0)
        arguments = parser.parse_args()
        self.data = arguments.data
        self.epochs = arguments.epochs
        self.batch_size = arguments.batch_size
        self.seed = arguments.seed
        if "BENCHMARK_START" not in os.environ:
            parser.error("this program is started by benchmarks/compare.py")
        self.start = float(os.environ["BENCHMARK_START"])
        self.report = {
            "import_seconds": time.time() - self.start,
            "epoch_seconds": [],
            "batch_size": self.batch_size,
        }

    def epoch(self, seconds):
        """An epoch took so long."""
        self.report["epoch_seconds"].append(seconds)

    def finish(self, loss, accuracy):
        """The test set is evaluated: prints the report, one line of JSON, as the last line."""
        self.report["process_seconds"] = time.time() - self.start
        self.report["loss"] = float(loss)
        self.report["accuracy"] = float(accuracy)
        self.report["peak_bytes"] = peak_bytes()
        self.report["versions"] = {name: found for name in PACKAGES if (found := installed(name))}
        print(json.dumps(self.report), flush=True)


def epoch_clock(keras, run):
    """A Keras callback that gives `run` the seconds of each epoch, validation included."""

    class EpochClock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.begun = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            run.epoch(time.perf_counter() - self.begun)

    return EpochClock()


def peak_bytes():
    """The most memory this process has held at once."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):  # macOS, where ru_maxrss is in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def installed(package):
    """The package's version, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
