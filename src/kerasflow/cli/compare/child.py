"""In the process of one backend: runs a Keras program as `python -m kerasflow` does, and watches it."""

from __future__ import annotations

import functools
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import keras
import numpy as np

import kerasflow
from kerasflow.__main__ import main
from kerasflow.cli.processes import serve_job, tell
from kerasflow.errors import BackendDisagreement
from kerasflow.inspect.in_step import nudged


class Watcher(keras.callbacks.Callback):
    """Keeps the logs and the seconds of each epoch of each `fit`.

    Args:
        fits: what it adds to.
    """

    def __init__(self, fits: list[dict[str, Any]]) -> None:
        super().__init__()
        self.fits = fits

    def on_train_begin(self, logs: Any = None) -> None:
        self.epochs: list[dict[str, Any]] = []
        self.fits.append({"model": getattr(self.model, "name", ""), "epochs": self.epochs})

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds = time.perf_counter() - self.begun
        numbers = {name: number for name, x in (logs or {}).items() if (number := _number(x)) is not None}
        self.epochs.append({"seconds": seconds, "logs": numbers})
        shown = next((f", {name} {number:.6g}" for name, number in numbers.items()), "")
        tell(f"fit {len(self.fits)}, epoch {len(self.epochs)}{shown}, {seconds:.1f} s")


class Nudging(Watcher):
    """Also changes the model's weights in the last digits, once, after the first step.

    What comes of that is what the training makes of rounding. (Before the first step a model need not have weights.)
    """

    done = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not self.done:
            self.done = True
            rng = np.random.default_rng(0)
            for variable in self.model.trainable_variables:
                variable.assign(nudged(variable.numpy(), rng))


def _number(x: Any) -> float | None:
    try:
        return float(x)
    except (TypeError, ValueError):
        return None


def watch(watcher: type[Watcher]) -> dict[str, Any]:
    """From now on every list of callbacks has a watcher, and steps outside of `fit` are counted.

    Returns:
        `fits` and `single_steps`, which grow while the program runs.
    """
    seen: dict[str, Any] = {"fits": [], "single_steps": 0}
    build, step = keras.callbacks.CallbackList.__init__, keras.Model.train_on_batch

    @functools.wraps(build)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        build(self, *args, **kwargs)
        watching = watcher(seen["fits"])
        watching.set_model(getattr(self, "model", None))
        self.callbacks.append(watching)

    @functools.wraps(step)
    def train_on_batch(*args: Any, **kwargs: Any) -> Any:
        seen["single_steps"] += 1
        return step(*args, **kwargs)

    keras.callbacks.CallbackList.__init__ = __init__
    keras.Model.train_on_batch = train_on_batch
    return seen


def peak_bytes() -> int | None:
    """The most memory that this process has held at once; None where the system does not tell."""
    try:  # On Linux, `ru_maxrss` has the memory of the process that started this one in it.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS


def _run(job: dict[str, Any], command: list[str]) -> dict[str, Any]:
    """The program's run: what `watch` saw, the peak of memory, and in step what was compared and what differed.

    Args:
        job: `seed`; `in_step`: two backends, or None; `tolerance` for them; `nudged`: change weights a little.
        command: the script and its arguments.
    """
    seen = watch(Nudging if job["nudged"] else Watcher)
    keras.utils.set_random_seed(job["seed"])
    in_step = job["in_step"]
    block = kerasflow.debug_backends(*in_step, tolerance=job["tolerance"]) if in_step else nullcontext()
    disagreement = None
    with block as both:
        try:
            code = main(command)
            if code:
                sys.exit(code)
        except SystemExit as end:
            if end.code not in (None, 0):
                raise
        except BackendDisagreement as found:
            disagreement = str(found)
    sys.stdout.flush()
    counts = {"programs": both.programs, "compared": both.compared} if both is not None else {}
    return {**seen, "peak": peak_bytes(), "disagreement": disagreement, **counts}


if __name__ == "__main__":
    serve_job(_run)
