"""Keras's utilities that make datasets: of grain's where TensorFlow is not installed."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from kerasflow.bridge.deferred import is_installed
from kerasflow.bridge.versions import LAYOUT, keras_version

# Keras's lazy modules, with the package that each of them is, and the extra that brings it.
EXTRAS = {
    "tensorflow": ("TensorFlow", "tensorflow"),
    "gfile": ("TensorFlow", "tensorflow"),
    "grain": ("grain", "data"),
}

_GRAIN = "grain._src.python"


@contextmanager
def name_the_extras(module: ModuleType) -> Iterator[None]:
    """An error that a package is missing names what brings it in a version that fits."""
    yield
    for name, (package, extra) in EXTRAS.items():
        getattr(module, name).import_error_msg = _missing(package, extra)


def _missing(package: str, extra: str) -> str:
    return f'This needs {package}, which is not installed: pip install "kerasflow[{extra}]"'


class Missing:
    """A package that is not installed: whatever is asked of it, the answer is how to install it."""

    def __init__(self, name: str, extra: str) -> None:
        self.message = _missing(name, extra)

    def __getattr__(self, name: str) -> Any:
        raise ImportError(self.message)


@contextmanager
def name_pillow(module: ModuleType) -> Iterator[None]:
    """The same, of the package that reads images."""
    yield
    if vars(module)["pil_image"] is None:
        module.pil_image = Missing("pillow", "data")  # type: ignore[attr-defined]


def prefer_grain(function: Any) -> None:
    """Let a function's `format` be "grain" by default if TensorFlow is not installed."""
    if is_installed("tensorflow"):
        return
    defaults = [p for p in inspect.signature(function).parameters.values() if p.default is not p.empty]
    function.__defaults__ = tuple("grain" if p.name == "format" else p.default for p in defaults)


def ahead(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make the batches of grain's datasets while the model trains, as those of TensorFlow's are."""

    @functools.wraps(function)
    def with_datasets_ahead(*args: Any, **kwargs: Any) -> Any:
        from kerasflow.bridge.datasets import dataset_utils, made_ahead

        made = function(*args, **kwargs)
        found = made if isinstance(made, list) else [made]
        if not dataset_utils.is_grain_dataset(found[0]):
            return made
        found = [made_ahead(dataset) for dataset in found]
        return found if isinstance(made, list) else found[0]

    return with_datasets_ahead


@contextmanager
def read_files(module: ModuleType, name: str) -> Iterator[None]:
    """A function that makes datasets of the files in a folder."""
    yield
    prefer_grain(getattr(module, name))
    setattr(module, name, ahead(getattr(module, name)))


@contextmanager
def read_images(module: ModuleType) -> Iterator[None]:
    """The same, of images; an error says in which file it is."""
    with read_files(module, "image_dataset_from_directory"), name_pillow(module):
        yield
    load = module._load_image_grain

    @functools.wraps(load)
    def load_image(path: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return load(path, *args, **kwargs)
        except Exception as error:
            error.add_note(f"This happened while {path} was being read.")
            raise

    module._load_image_grain = load_image  # type: ignore[attr-defined]


@contextmanager
def read_texts(module: ModuleType) -> Iterator[None]:
    """The same, of texts: arrays of them, read as bytes, so that no setting of the system changes them."""
    with read_files(module, "text_dataset_from_directory"):
        yield

    # What they call needs Keras's other utilities, which this one loads itself.
    def make_string_batch(samples: Any) -> Any:
        from kerasflow.bridge.datasets import batch_of_texts

        return batch_of_texts(samples)

    def path_to_string_content(path: Any, max_length: int | None) -> Any:
        from kerasflow.bridge.datasets import text_of

        return text_of(path, max_length)

    module.make_string_batch = make_string_batch  # type: ignore[attr-defined]
    module._path_to_string_content_grain = path_to_string_content  # type: ignore[attr-defined]


@contextmanager
def read_sounds(module: ModuleType) -> Iterator[None]:
    """The same, of sounds; a Keras that reads them with TensorFlow alone reads them without, too."""
    name = "audio_dataset_from_directory"
    if name not in LAYOUT.without_grain:
        with read_files(module, name):
            yield
        return
    yield
    if is_installed("tensorflow"):
        return

    # What they call needs Keras's other utilities, which this one loads itself.
    def paths_and_labels_to_dataset(*args: Any, **kwargs: Any) -> Any:
        from kerasflow.bridge.datasets import sounds_and_labels

        return sounds_and_labels(*args, **kwargs)

    def prepare_dataset(*args: Any, **kwargs: Any) -> Any:
        from kerasflow.bridge.datasets import batches_of_sounds

        return batches_of_sounds(*args, **kwargs)

    module.paths_and_labels_to_dataset = paths_and_labels_to_dataset  # type: ignore[attr-defined]
    module.prepare_dataset = prepare_dataset  # type: ignore[attr-defined]


@contextmanager
def cut_series(module: ModuleType) -> Iterator[None]:
    """Windows of a series, for which a Keras may have nothing but TensorFlow."""
    yield
    function = module.timeseries_dataset_from_array
    if function.__name__ not in LAYOUT.without_grain:
        prefer_grain(function)
        return

    @functools.wraps(function)
    def timeseries_dataset_from_array(*args: Any, **kwargs: Any) -> Any:
        if "format" in kwargs or not is_installed("tensorflow"):
            raise ImportError(
                "`timeseries_dataset_from_array` makes datasets of grain's from Keras 3.14 on; this is Keras "
                f'{keras_version()}. Install a newer one, pip install "keras>=3.14" "kerasflow[data]", or TensorFlow, '
                'pip install "kerasflow[tensorflow]", and leave out `format`.'
            )
        return function(*args, **kwargs)

    module.timeseries_dataset_from_array = timeseries_dataset_from_array  # type: ignore[attr-defined]


@contextmanager
def find_shared_memory(module: ModuleType) -> Iterator[None]:
    """Keras asks whether batches are of a class of grain's, which is somewhere else now than an older Keras looks."""
    yield
    get_iterator = module.GrainDatasetAdapter.get_numpy_iterator

    @functools.wraps(get_iterator)
    def get_numpy_iterator(self: Any) -> Any:
        if not is_installed(f"{_GRAIN}.shared_memory_array"):
            place = importlib.import_module(f"{_GRAIN}.ipc.shared_memory_array")
            sys.modules[f"{_GRAIN}.shared_memory_array"] = place
        return get_iterator(self)

    module.GrainDatasetAdapter.get_numpy_iterator = get_numpy_iterator


@contextmanager
def split_without_tensorflow(module: ModuleType) -> Iterator[None]:
    """Keras splits with TensorFlow or torch alone, and no datasets of grain's; labels that are no integers it cuts."""
    yield
    labels_to_dataset = module.labels_to_dataset_grain

    @functools.wraps(labels_to_dataset)
    def labels_to_dataset_grain(labels: Any, label_mode: str, num_classes: int) -> Any:
        numbers = np.asarray(labels)
        if label_mode == "int" and numbers.dtype.kind == "f":
            return module.grain.MapDataset.source(numbers.astype("float32"))
        return labels_to_dataset(labels, label_mode, num_classes)

    module.labels_to_dataset_grain = labels_to_dataset_grain  # type: ignore[attr-defined]
    function = module.split_dataset

    @functools.wraps(function)
    def split_dataset(
        dataset: Any,
        left_size: Any = None,
        right_size: Any = None,
        shuffle: bool = False,
        seed: int | None = None,
        preferred_backend: str | None = None,
    ) -> Any:
        if preferred_backend is None and (
            module.is_grain_dataset(dataset)
            or (isinstance(dataset, (list, tuple, np.ndarray)) and not is_installed("tensorflow"))
        ):
            from kerasflow.bridge.datasets import split

            return split(dataset, left_size, right_size, shuffle, seed)
        return function(dataset, left_size, right_size, shuffle, seed, preferred_backend)

    module.split_dataset = split_dataset  # type: ignore[attr-defined]
