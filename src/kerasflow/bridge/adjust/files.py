"""What Keras writes and reads: files, and pickles of its objects."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from kerasflow.bridge import hdf5_writing
from kerasflow.bridge.adjust.seen import Seen
from kerasflow.bridge.first_rank import by_first_rank, of_first_rank
from kerasflow.bridge.loading import checking_arrays, loading_whole
from kerasflow.bridge.pickling import brings_kerasflow
from kerasflow.bridge.saving import backing_up_progress, opening_whole, saving_whole


@contextmanager
def save_whole(module: ModuleType, names: Sequence[str]) -> Iterator[None]:
    """Keras empties a file and then fills it; a save that is interrupted would destroy the previous one."""
    yield
    for name in names:
        setattr(module, name, saving_whole(getattr(module, name)))


@contextmanager
def write_and_read_archives(module: ModuleType) -> Iterator[None]:
    """Archives are saved whole, and looked at before Keras reads what they say is there."""
    with save_whole(module, ("save_model", "save_weights_only")):
        yield
    module.h5py = Seen(module.h5py, File=hdf5_writing.opened)  # type: ignore[attr-defined]
    store = module.H5IOStore
    store._get_h5_file = checking_arrays(store._get_h5_file)


@contextmanager
def save_hdf5_whole(module: ModuleType) -> Iterator[None]:
    """As `write_and_read_archives`, of legacy files."""
    with save_whole(module, ("save_model_to_hdf5",)):
        yield
        save: Any = module.save_model_to_hdf5
        module.save_model_to_hdf5 = hdf5_writing.into_written(save)  # type: ignore[attr-defined]


@contextmanager
def load_whole(module: ModuleType) -> Iterator[None]:
    """Of a damaged file Keras says that there is none, or whatever comes up; and it may have loaded a half of it."""
    yield
    module.load_model = loading_whole(module.load_model, into_a_model=False)  # type: ignore[attr-defined]
    module.load_weights = loading_whole(module.load_weights, into_a_model=True)  # type: ignore[attr-defined]
    module.save_model = by_first_rank(module.save_model)  # type: ignore[attr-defined]
    module.save_weights = by_first_rank(module.save_weights)  # type: ignore[attr-defined]


@contextmanager
def keep_optimizer(module: ModuleType) -> Iterator[None]:
    """Saving a legacy file takes the optimizer out of the model's own configuration: later files would be without."""
    yield
    describe = module.model_metadata

    @functools.wraps(describe)
    def model_metadata(model: Any, *args: Any, **kwargs: Any) -> Any:
        compiled = getattr(model, "_compile_config", None)
        kept = dict(compiled.config) if compiled else {}
        try:
            return describe(model, *args, **kwargs)
        finally:
            if compiled:
                compiled.config = kept

    module.model_metadata = model_metadata  # type: ignore[attr-defined]


@contextmanager
def back_up_progress(module: ModuleType) -> Iterator[None]:
    """Keras's backup of a training is not all of it, and a part of it is written in place."""
    yield
    module.file_utils = Seen(module.file_utils, File=opening_whole(module.file_utils.File))  # type: ignore[attr-defined]
    backing_up_progress(module.BackupAndRestore)
    of_first_rank(module.BackupAndRestore, by_first_rank, ("_save_model", "on_train_end"))


@contextmanager
def pickles_with_kerasflow(module: ModuleType, name: str) -> Iterator[None]:
    """Objects of a class are unpickled by processes that import kerasflow before Keras."""
    yield
    cls: Any = getattr(module, name)
    cls.__reduce_ex__ = brings_kerasflow(cls.__reduce_ex__)


pickle_saveable = functools.partial(pickles_with_kerasflow, name="KerasSaveable")
pickle_sklearn = functools.partial(pickles_with_kerasflow, name="SKLBase")
