"""Where a training is, so that a process that is killed and started again goes on as if nothing had happened.

Keras's `BackupAndRestore` keeps the weights, the optimizer's variables and the number of the epoch. What it leaves out
decides the numbers too: the states of the random generators (dropout, shuffling), how far the epoch is and the order
of its samples, the metrics so far.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common import global_state
from keras.src.callbacks import BackupAndRestore, CallbackList
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR, global_seed_generator
from keras.src.saving.keras_saveable import KerasSaveable

from kerasflow.bridge.generators import random_state, set_random_state
from kerasflow.bridge.step import Batches
from kerasflow.errors import KerasflowError


class Progress(KerasSaveable):
    """Where a call of `fit` is.

    Keras saves and loads it with the model's weights, in the same file, while it is `attached` to the model.

    Args:
        model: what is trained.
        batches: the data.
        callbacks: those of the call; a `BackupAndRestore` among them gets to know this object.

    Attributes:
        epoch: the number of the epoch that the next batch belongs to.
        logs: what the last step returned.
        found: what a backup says that has been read and not yet been used.
    """

    def __init__(self, model: Any, batches: Batches, callbacks: CallbackList) -> None:
        self._model = model
        self._batches = batches
        self.epoch = 0
        self.logs: Any = {}
        self.found: dict[str, Any] | None = None
        for callback in callbacks.callbacks:
            if isinstance(callback, BackupAndRestore):
                callback.kerasflow_progress = self

    def end_epoch(self) -> None:
        """The next batch belongs to the next epoch."""
        self.epoch += 1
        self._batches.end_epoch()

    # -- in a file ------------------------------------------------------------------------------------------

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Let Keras find this object when it walks through what the model consists of."""
        self._model.kerasflow_progress = self
        try:
            yield
        finally:
            del self._model.kerasflow_progress

    def _obj_type(self) -> str:
        return "Operation"  # one of the kinds that Keras knows

    def __dir__(self) -> list[str]:
        return []  # Keras goes on to what these attributes hold, and there is the model.

    def save_own_variables(self, store: Any) -> None:
        """Keras calls this when it saves the model's weights."""
        said = {
            "epoch": self.epoch,
            "place": self._batches.place,
            "now": random_state(),
            "logs": tree.map_structure(np.asarray, self.logs),
        }
        text = json.dumps(said, default=lambda array: array.tolist())
        store["progress"] = np.frombuffer(text.encode(), np.uint8)
        store["checksum"] = np.asarray(zlib.crc32(text.encode()))  # HDF5 has none.
        for name, variable in self._variables().items():
            store[name] = variable

    def load_own_variables(self, store: Any) -> None:
        """Keras calls this when it loads the model's weights; in a backup of stock Keras there is nothing for it."""
        names = set(store.keys())
        if "progress" not in names:
            return
        text = np.asarray(store["progress"]).tobytes()
        if "checksum" in names and zlib.crc32(text) != int(np.asarray(store["checksum"])):
            raise ValueError("what the backup says of the training is damaged")
        found = json.loads(text)
        found["variables"] = {name: np.asarray(store[name]) for name in names - {"progress", "checksum"}}
        self.found, self.epoch = found, found["epoch"]

    def _variables(self) -> dict[str, Any]:
        """What Keras does not save with the weights."""
        weights = {id(v) for v in self._model.weights}
        shared = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
        kinds = {
            "seed": [v for v in self._model.variables if id(v) not in weights],
            "shared seed": [] if shared is None else [shared.state],
            "metric": self._model.metrics_variables,
            # Saved with the optimizer too, but callbacks may change it when an epoch begins.
            "rate": [v for v in self._model.optimizer.variables if v.name == "learning_rate"],
        }
        return {f"{kind} {i}": v for kind, variables in kinds.items() for i, v in enumerate(variables)}

    # -- going on -------------------------------------------------------------------------------------------

    def resume(self, within_epoch: bool) -> None:
        """Bring data, metrics and random generators to where they were when the backup was made.

        Between epochs that is before the callbacks hear that the epoch begins, within one it is after that. Without a
        backup, or if it is of the other kind, nothing happens.

        Raises:
            KerasflowError: if the backup is that of another model.
        """
        if self.found is None or bool(self.found["place"]["done"]) != within_epoch:
            return
        found, self.found = self.found, None
        batch = self._batches.go_to(found["place"])
        if within_epoch:
            self._model._symbolic_build(data_batch=batch)  # The metrics' variables, say.
        if "shared seed 0" in found["variables"]:
            global_seed_generator()
        variables = self._variables()
        if within_epoch and set(variables) != set(found["variables"]):
            differing = ", ".join(sorted(set(variables) ^ set(found["variables"])))
            raise KerasflowError(
                "The backup is that of a model with other metrics or other layers that draw random numbers "
                f"(only one of the two has: {differing}). Make and compile the model as before, or remove the backup."
            )
        for name in variables.keys() & found["variables"].keys():
            variables[name].assign(found["variables"][name])
        self.logs = found["logs"]
        set_random_state(found["now"])
