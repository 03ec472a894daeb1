"""What differs between the versions of Keras that the bridge works with: the table `LAYOUTS`, and nothing elsewhere.

Its columns are the attributes of `Layout`, its rows say what a version changed. Which one is installed is read in
Keras's own text: the distribution may be `keras` or `keras-nightly`, and to import Keras would be too early.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from kerasflow.errors import ImportOrderError

Version = tuple[int, int]


class Place(NamedTuple):
    """Where in Keras a class is."""

    module: str
    name: str


@dataclass(frozen=True)
class Layout:
    """Where a version of Keras has what the bridge serves and changes.

    Attributes:
        operations: the package with a module for each family of the NumPy backend's operations.
        trainer: the class of the backend that is mixed into models. base_trainer: what it extends.
        archive: the class that writes SavedModels; the backend's, where Keras's own leaves all to it.
        absent: functions that the module of NumPy's functions does not have, of those that the bridge puts something
            around.
        arguments: of our operations that older versions do not have; there they are no part of signatures.
        unadjusted: modules that need no adjustment.
        asks_pandas: whether pandas is imported to ask for its arrays.
        standardizes_arrays: whether a user's `standardize` for text is given an array instead of the tensor.
        number_of_pass: the attribute of those data adapters that make the order of samples from the number of the
            pass; "" where it is drawn from the random generators.
        chooses_bins: whether lookups have `oov_method` and `salt`, for what is in no vocabulary.
        injects_into_functions: whether what adds a call's arguments to its error is given the function, not the error.
        without_grain: utilities that make datasets of TensorFlow's alone, of those that make grain's in the newest.
    """

    operations: str
    trainer: Place
    base_trainer: Place
    archive: Place
    absent: frozenset[str] = frozenset()
    arguments: frozenset[str] = frozenset()
    unadjusted: frozenset[str] = frozenset()
    asks_pandas: bool = True
    standardizes_arrays: bool = True
    number_of_pass: str = ""
    chooses_bins: bool = True
    injects_into_functions: bool = True
    without_grain: frozenset[str] = frozenset()


_EQUALIZATION = "keras.src.layers.preprocessing.image_preprocessing.equalization"
_ADAPTERS = "keras.src.trainers.data_adapters"
_GRAIN = f"{_ADAPTERS}.grain_dataset_adapter"
# What cuts data for several processes; before, Keras did that where it chooses the adapter.
_CUTTING = {f"{_ADAPTERS}.{name}_adapter" for name in ("array_data", "py_dataset", "torch_data_loader")}
_SERIES = "timeseries_dataset_from_array"
_SOUNDS = "audio_dataset_from_directory"
_NANS = (
    "nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile "
    "nanstd nansum nanvar"
).split()

_3_13 = Layout(
    operations="keras.src.backend.numpy",
    trainer=Place("keras.src.backend.numpy.trainer", "NumpyTrainer"),
    base_trainer=Place("keras.src.trainers.trainer", "Trainer"),
    archive=Place(
        "keras.src.export.saved_model", "ExportArchive"
    ),  # It extends the backend's, and refuses ours.
    absent=frozenset({"i0", "unique", *_NANS}),
    unadjusted=frozenset(_CUTTING),
    standardizes_arrays=False,
    chooses_bins=False,
    without_grain=frozenset({_SERIES, _SOUNDS}),
)
_3_14 = replace(
    _3_13,
    archive=Place("keras.src.backend.numpy.export", "NumpyExportArchive"),
    absent=frozenset({"nanpercentile", "unique"}),
    unadjusted=frozenset({_GRAIN, *_CUTTING}),  # The first looks in both places.
    chooses_bins=True,
    without_grain=frozenset({_SOUNDS}),
)
_3_15 = replace(_3_14, absent=frozenset(), standardizes_arrays=True)
_3_16 = replace(
    _3_15,
    operations="keras.src.backend.numpy.ops",
    trainer=Place("keras.src.backend.numpy.trainer", "Trainer"),
    base_trainer=Place("keras.src.trainers.trainer", "BaseTrainer"),
    archive=Place("keras.src.export.saved_model_export_archive", "BaseSavedModelExportArchive"),
    absent=frozenset({"amax", "amin"}),
    arguments=frozenset({"is_stable"}),
    # Shapes do not depend on values any more.
    unadjusted=frozenset({_EQUALIZATION, _GRAIN}),
    asks_pandas=False,
    number_of_pass="_epoch",
    injects_into_functions=False,
    without_grain=frozenset(),
)

LAYOUTS: dict[Version, Layout] = {(3, 13): _3_13, (3, 14): _3_14, (3, 15): _3_15, (3, 16): _3_16}


def keras_folder() -> Path:
    """Where the Keras is that `import keras` gives; it is not imported.

    Raises:
        ImportOrderError: if there is none.
    """
    specs = (finder.find_spec("keras", None) for finder in sys.meta_path)
    spec = next(filter(None, specs), None)
    for folder in (spec and spec.submodule_search_locations) or ():
        if Path(folder, "src", "version.py").is_file():
            return Path(folder)
    raise ImportOrderError('kerasflow needs Keras, which is not installed: pip install "keras>=3.13"')


def keras_version(folder: Path | None = None) -> str:
    """Its version, or that of the Keras in a folder.

    Raises:
        ImportOrderError: if there is none.
    """
    text = ((folder or keras_folder()) / "src" / "version.py").read_text("utf-8")
    found = re.search(r'^__version__ = "(.+)"', text, re.MULTILINE)
    if found is None:
        raise ImportOrderError(
            "The installed Keras does not say its version. Install it anew: pip install -U keras"
        )
    return found[1]


def layout_of(version: str) -> Layout:
    """The layout of a version of Keras.

    Raises:
        ImportOrderError: this release does not know it; names the version found and the ones supported.
    """
    major, minor = map(int, version.split(".")[:2])
    if (found := LAYOUTS.get((major, minor))) is not None:
        return found
    lowest, highest = min(LAYOUTS), max(LAYOUTS)
    known = f"{'.'.join(map(str, lowest))} to {'.'.join(map(str, highest))}"
    raise ImportOrderError(
        f"kerasflow works with Keras {known}, but Keras {version} is installed. "
        f'Install one that fits: pip install "keras>={lowest[0]}.{lowest[1]},<{highest[0]}.{highest[1] + 1}"'
    )


LAYOUT = layout_of(keras_version())
