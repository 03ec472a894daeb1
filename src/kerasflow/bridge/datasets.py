"""Datasets of grain's where Keras's utilities make TensorFlow's: of sounds, and split in two; and batches of texts."""

from __future__ import annotations

import random
import time
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras.src import ops, tree
from keras.src.utils import dataset_utils
from keras.src.utils.module_utils import grain

from kerasflow.compiler.threads import threads

# Batches that are made while the model trains on another one, as many as `tf.data` makes at least.
AHEAD = 2
# Files that each thread that reads them is ahead of the batches.
FILES_AHEAD = 16


def made_ahead(dataset: Any) -> Any:
    """A dataset of batches, which another thread makes while the model trains; with Keras's attributes.

    Its samples are read by as many threads as programs have. Grain's own number, 16, is for storage that answers late:
    on few cores so many threads of Python wait for one another, and the training for them.
    """
    reader: Any = dataset if hasattr(dataset, "_read_options") else getattr(dataset, "_parent", None)
    if hasattr(reader, "_read_options"):
        number = threads()
        reader._read_options = grain.ReadOptions(
            num_threads=number, prefetch_buffer_size=number * FILES_AHEAD
        )
    made = grain.experimental.ThreadPrefetchIterDataset(dataset, prefetch_buffer_size=AHEAD)
    vars(made).update(
        {name: vars(dataset)[name] for name in ("class_names", "file_paths") if name in vars(dataset)}
    )
    return made


# -- texts --------------------------------------------------------------------------------------------------


def text_of(path: str, max_length: int | None = None) -> str | bytes:
    """What is in a file of UTF-8, as it is there; of any other file the bytes, as TensorFlow gives them of all.

    Args:
        max_length: how many characters, or bytes; None for all.
    """
    contents = Path(path).read_bytes()
    try:
        return contents.decode()[:max_length]
    except UnicodeDecodeError:
        return contents[:max_length]


def batch_of_texts(samples: Sequence[Any]) -> Any:
    """Samples as a batch, texts as an array of them: Keras makes a tuple, of which a model takes each for an input."""

    def stack(*parts: Any) -> Any:
        if not isinstance(parts[0], (str, bytes)):
            return ops.stack(parts)
        batch = np.empty(len(parts), object)
        batch[:] = parts
        return batch

    return tree.map_structure(stack, *samples)


# -- sounds -------------------------------------------------------------------------------------------------


def sounds_and_labels(
    file_paths: Sequence[str],
    labels: Any,
    label_mode: str | None,
    num_classes: int,
    sampling_rate: int | None,
    output_sequence_length: int | None,
    ragged: bool,
    shuffle: bool = False,
    shuffle_buffer_size: int | None = None,
    seed: int | None = None,
) -> Any:
    """Keras's `paths_and_labels_to_dataset` of sounds.

    Raises:
        ValueError: ragged batches are asked for.
    """
    if ragged:
        raise ValueError(
            "`ragged=True` makes a `tf.RaggedTensor` of each batch, which TensorFlow alone has. "
            "Leave it out: sounds are then padded to the longest one of their batch; "
            "`output_sequence_length=…` gives all of them one length."
        )
    dataset = grain.MapDataset.source(file_paths)
    if label_mode:
        classes = dataset_utils.labels_to_dataset_grain(labels, label_mode, num_classes)
        dataset = grain.experimental.ZipMapDataset([dataset, classes])
    if shuffle:
        dataset = dataset.shuffle(seed=seed)
    if label_mode:
        return dataset.map(lambda pair: (decoded(pair[0], output_sequence_length), pair[1]))
    return dataset.map(lambda path: decoded(path, output_sequence_length))


def decoded(path: str, length: int | None = None) -> np.ndarray[Any, Any]:
    """The samples of a WAV file as numbers from -1 to 1, of shape (samples, channels), as `tf.audio.decode_wav`.

    Args:
        length: how many samples; None for all. What is longer is cut off, what is shorter goes on with zeros.

    Raises:
        ValueError: the file is not one that TensorFlow would read either.
    """
    try:
        with wave.open(path) as file:
            width, channels = file.getsampwidth(), file.getnchannels()
            contents = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is not a WAV file of samples with 16 bits: {error}") from error
    if width != 2:
        raise ValueError(
            f"{path} has samples of {8 * width} bits; expected 16. Convert it: ffmpeg -i IN.wav -c:a pcm_s16le OUT.wav"
        )
    samples = np.frombuffer(contents, "<i2").reshape(-1, channels).astype("float32") / 32768
    if length is None:
        return samples
    return np.pad(samples[:length], ((0, max(0, length - len(samples))), (0, 0)))


def batches_of_sounds(
    dataset: Any,
    batch_size: int | None,
    class_names: Sequence[str],
    output_sequence_length: int | None,
    ragged: bool,
) -> Any:
    """Keras's `prepare_dataset` of sounds: those of a batch are as long as the longest one."""
    dataset = dataset.to_iter_dataset()
    if batch_size is not None:
        dataset = dataset.batch(batch_size, batch_fn=_padded)
    dataset.class_names = class_names
    return made_ahead(dataset)


def _padded(samples: Sequence[Any]) -> Any:
    def stack(*parts: Any) -> Any:
        arrays: list[Any] = [np.asarray(part) for part in parts]
        batch = np.zeros((len(arrays), *np.max([x.shape for x in arrays], axis=0)), arrays[0].dtype)
        for place, x in enumerate(arrays):
            places: Any = (place, *map(slice, x.shape))
            batch[places] = x
        return ops.convert_to_tensor(batch)

    return tree.map_structure(stack, *samples)


# -- split in two -------------------------------------------------------------------------------------------


def split(
    dataset: Any,
    left_size: Any = None,
    right_size: Any = None,
    shuffle: bool = False,
    seed: int | None = None,
) -> tuple[Any, Any]:
    """Keras's `split_dataset`, of arrays or of a dataset of grain's; two datasets of grain's.

    What comes in batches is split by samples, and comes in batches again. Keras draws the same samples for the same
    seed where it makes datasets of TensorFlow's.
    """
    if left_size is None and right_size is None:
        raise ValueError(
            "At least one of the `left_size` or `right_size` must be specified. "
            "Received: left_size=None and right_size=None"
        )
    if not dataset_utils.is_grain_dataset(dataset):
        samples = dataset_utils._convert_dataset_to_list(dataset, dataset_utils._get_type_spec(dataset))
        return _halves(samples, left_size, right_size, shuffle, seed)
    if isinstance(dataset, grain.experimental.ThreadPrefetchIterDataset):
        dataset = dataset._parent
    if not hasattr(dataset, "_batch_size"):
        return _halves(_samples(dataset), left_size, right_size, shuffle, seed)
    left, right = (
        half.batch(dataset._batch_size, drop_remainder=dataset._drop_remainder, batch_fn=dataset._batch_fn)
        for half in _halves(_samples(dataset._parent), left_size, right_size, shuffle, seed)
    )
    return left, right


def _samples(dataset: Any) -> Any:
    """What can be indexed: the dataset itself, or a list of what it gives."""
    if isinstance(dataset, grain.MapDataset):
        return dataset
    return list(dataset_utils._get_next_sample(iter(dataset), True, True, time.time()))


def _halves(
    samples: Any, left_size: Any, right_size: Any, shuffle: bool, seed: int | None
) -> tuple[Any, Any]:
    left, right = dataset_utils._rescale_dataset_split_sizes(left_size, right_size, len(samples))
    places = list(range(len(samples)))
    if shuffle:
        random.Random(seed).shuffle(places)
    source = grain.MapDataset.source
    first, last = places[:left], places[-right:]
    return source(first).map(samples.__getitem__), source(last).map(samples.__getitem__)
