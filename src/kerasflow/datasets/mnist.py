"""MNIST: from a file, from Keras's cache, by Keras's download, or else the package's own stand-in."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kerasflow.bridge.files import flaw_of_zip, written_whole
from kerasflow.datasets import standin
from kerasflow.datasets.standin import Split
from kerasflow.errors import DatasetError, KerasflowError
from kerasflow.graph import printable
from kerasflow.text import shortened

WORDS = 400  # characters that are told of a file
KEYS = ("x_train", "y_train", "x_test", "y_test")
DOWNLOAD_TIMEOUT = 10.0  # seconds that the network may stay silent


def load_data(path: str | os.PathLike[str] | None = None) -> tuple[Split, Split]:
    """Loads MNIST, or the stand-in where it cannot be had.

    Args:
        path: an `.npz` file with Keras's keys (`x_train`, `y_train`, `x_test`, `y_test`). None: the file in Keras's
            cache; if there is none, Keras downloads it; if that fails, a notice is printed and the images are the
            offline stand-in, drawn by the package itself (`kerasflow.datasets.standin`) and kept in the same folder.

    Returns:
        `(x_train, y_train), (x_test, y_test)`, all uint8: images (60000, 28, 28) and (10000, 28, 28) from 0 (paper)
        to 255 (ink), labels (60000,) and (10000,) from 0 to 9. A file given may hold fewer.

    Raises:
        DatasetError: the file, or the one in the cache, is missing, corrupt, truncated or of the wrong shape.
    """
    train, test, _ = find(path)
    return train, test


def find(path: str | os.PathLike[str] | None = None) -> tuple[Split, Split, bool]:
    """What `load_data` gives, and whether it is the stand-in."""
    if path is not None:
        return *_read(
            Path(path), "Give another file, or none: MNIST is then looked for as Keras does."
        ), False
    cached = _keras_home() / "datasets" / "mnist.npz"
    if cached.exists():
        return *_read(cached, "Delete it, and it is downloaded again."), False
    try:
        return *_download(cached), False
    except Exception as problem:  # whatever the reason, work goes on without a network
        print(
            f"MNIST could not be downloaded ({problem}).\n"
            "NOTE: these are not the MNIST digits but kerasflow's offline stand-in, drawn by the package: "
            "same shapes and types, other images.\n"
            f"To train on MNIST itself, put mnist.npz into {cached.parent}, or say where it is: "
            "`kerasflow mnist --data FILE.npz`, `mnist.load_data(FILE)`.",
            flush=True,
        )
        return *_standin(cached.parent), True


def _standin(folder: Path) -> tuple[Split, Split]:
    """The stand-in: from its file in a folder; if there is none, or a damaged one, drawn anew and kept there."""
    place = folder / f"kerasflow-standin-{standin.VERSION}.npz"
    with contextlib.suppress(DatasetError):
        return _read(place, "It is drawn anew.")
    train, test = standin.load_data()
    with contextlib.suppress(OSError, KerasflowError):  # where nothing can be written, it is drawn each time
        folder.mkdir(parents=True, exist_ok=True)
        with written_whole(place) as draft:
            np.savez(draft, x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1])
    return train, test


def _keras_home() -> Path:
    """Keras's folder in the user's home, found as Keras finds it."""
    return Path(os.environ.get("KERAS_HOME") or Path("~", ".keras")).expanduser()


def _download(cached: Path) -> tuple[Split, Split]:
    """Lets Keras download MNIST, under a temporary name so that no half a file is ever taken for the whole."""
    import keras

    home = cached.parents[1]
    with contextlib.suppress(OSError):
        home.mkdir(parents=True, exist_ok=True)
    # Where its home cannot be written, Keras takes a temporary folder of its own: leave it all to Keras then.
    name = f"{cached.name}.{secrets.token_hex(4)}.part" if os.access(home, os.W_OK) else cached.name
    partial = cached.with_name(name)
    try:
        with _network_timeout(DOWNLOAD_TIMEOUT):
            data = keras.datasets.mnist.load_data(path=name)
        if partial.exists():
            partial.replace(cached)
    finally:
        if partial != cached:
            partial.unlink(missing_ok=True)
    return data


@contextlib.contextmanager
def _network_timeout(seconds: float) -> Iterator[None]:
    """Keras's download sets no timeout and would wait for a silent network for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _read(path: Path, remedy: str) -> tuple[Split, Split]:
    """Reads and checks an `.npz` file; `remedy` ends the message of the error."""
    if path.exists() and not path.is_file():  # To open a pipe waits for who writes to it.
        raise _error(path, "it cannot be read, it is a folder, a pipe or a device", remedy)
    try:
        with path.open("rb") as file:
            is_zip = file.read(2) == b"PK"
        if is_zip and (flaw := flaw_of_zip(path)):
            raise _error(path, f"it is corrupt or truncated ({flaw})", remedy)
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise _error(path, "it holds a single array", remedy)
        with archive:
            return _split(archive, "train", path, remedy), _split(archive, "test", path, remedy)
    except FileNotFoundError:
        raise DatasetError(f"There is no data file {printable(str(path))}. {remedy}") from None
    except DatasetError:
        raise
    except MemoryError as problem:
        raise _error(path, f"it takes more memory than there is ({problem})", remedy) from problem
    except (OSError, EOFError) as problem:
        raise _error(path, f"it cannot be read, or is corrupt or truncated ({problem})", remedy) from problem
    except Exception as problem:  # NumPy parses what it finds
        raise _error(path, f"it is not an .npz archive of arrays ({problem})", remedy) from problem


def _split(archive: Mapping[str, NDArray], part: str, path: Path, remedy: str) -> Split:
    """The images and labels of one part, "train" or "test", checked."""
    missing = [key for key in KEYS if key not in archive]
    if missing:
        raise _error(path, f"it lacks {', '.join(missing)}; it has {', '.join(archive) or 'nothing'}", remedy)
    x, y = archive[f"x_{part}"], archive[f"y_{part}"]
    if x.ndim != 3 or x.shape[1:] != (28, 28) or len(x) == 0 or x.dtype != np.uint8:
        raise _error(
            path, f"x_{part} has shape {x.shape} and type {x.dtype}, not (images, 28, 28) uint8", remedy
        )
    if y.shape != x.shape[:1] or not np.issubdtype(y.dtype, np.integer):
        raise _error(
            path, f"y_{part} has shape {y.shape} and type {y.dtype}, not {x.shape[:1]} of integers", remedy
        )
    if y.min() < 0 or y.max() > 9:
        raise _error(path, f"y_{part} has labels from {y.min()} to {y.max()}, not from 0 to 9", remedy)
    return x, y.astype(np.uint8)


def _error(path: Path, what: str, remedy: str) -> DatasetError:
    return DatasetError(
        f"{printable(str(path))} is not a usable MNIST file: {shortened(what, WORDS)}. Expected the arrays x_train, "
        "y_train, x_test and y_test, with images (n, 28, 28) uint8 and labels (n,) from 0 to 9. "
        f"{remedy}"
    )
