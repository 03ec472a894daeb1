"""Saved files are written whole: beside the previous one, then moved to its place.

Keras opens a file for writing and fills it; whatever interrupts that leaves neither the previous model nor the new one.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kerasflow.bridge.files import drafted
from kerasflow.bridge.loading import remedy

# What is needed of Keras is imported in functions: this file is there before the modules that it puts something around.

SUFFIXES = (".keras", ".h5", ".hdf5", ".json")


def saving_whole(save: Callable[..., Any]) -> Callable[..., Any]:
    """A function of Keras that saves a model to a file, given a draft in the file's place.

    Folders, open files and remote places are Keras's own business.
    """

    @functools.wraps(save)
    def saved(model: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        from keras.src.utils.file_utils import is_remote_path

        name = os.fspath(filepath) if isinstance(filepath, (str, os.PathLike)) else ""
        if is_remote_path(name) or not name.endswith(SUFFIXES) or not kwargs.get("zipped", True):
            return save(model, filepath, *args, **kwargs)
        with drafted(Path(name)) as draft:
            try:
                return save(model, str(draft), *args, **kwargs)
            except (OSError, RuntimeError) as problem:  # h5py has both for a full disk
                if draft != Path(name):
                    before = "is as it was" if os.path.exists(name) else "was not made"
                    problem.add_note(f"The file {name} could not be written, and {before}.")
                raise
            except Exception:
                # A layer's own mistake. Keras leaves the model without its weights, and so it is where nothing was.
                if draft.exists() and not os.path.exists(name):
                    draft.replace(name)
                raise

    return saved


def opening_whole(open_file: Callable[..., Any]) -> Callable[..., Any]:
    """Keras's `file_utils.File`, but what is opened for writing is written whole."""

    @contextlib.contextmanager
    def writing(path: Any) -> Iterator[Any]:
        with drafted(Path(path)) as draft, open_file(str(draft), "w") as file:
            yield file

    def opened(path: Any, mode: str = "r") -> Any:
        from keras.src.utils.file_utils import is_remote_path

        return writing(path) if mode == "w" and not is_remote_path(path) else open_file(path, mode)

    return opened


def backing_up_progress(callback: Any) -> None:
    """Make a class, Keras's `BackupAndRestore`, keep and restore what else decides how a training goes on.

    All of it is in the one file with the weights, which is replaced at once. Keras's second file says the epoch only;
    a process may be killed before it is written, and so it counts only where stock Keras has written the first one.
    """
    save, load = callback._save_model, callback._load_model

    def attached(progress: Any) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if progress is None else progress.attached()

    def _save_model(self: Any) -> None:
        with attached(self.kerasflow_progress):
            save(self)

    def _load_model(self: Any) -> None:
        from keras.src.utils import file_utils

        progress = self.kerasflow_progress
        self.model._initial_epoch = None
        anew = f"Delete the folder {self.backup_dir}, and the training begins anew."
        with remedy(anew), attached(progress):
            load(self)
        if progress is not None and progress.found is not None:
            self.model._initial_epoch = progress.epoch
        elif not file_utils.exists(self._weights_path):
            # The process was killed while the backup was being removed.
            self.model._initial_epoch = None
        self._current_epoch = self.model._initial_epoch or 0

    callback.kerasflow_progress = None  # `fit` gives it; a training loop of one's own has none.
    callback._save_model, callback._load_model = _save_model, _load_model
