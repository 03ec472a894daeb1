"""Whether an HDF5 file can be read, and is a file of arrays.

Most damage is an exception of h5py's. Where the text of an attribute is damaged, HDF5's library may crash its process
or never come back: there another process reads first. That is this file, as a program (`python hdf5.py FILE`).

HDF5 can do more than hold arrays: its data sets may take their numbers from any file or device of the machine, stand
for terabytes of zeros, and its groups may hold themselves. So what is in a file is looked through link by link, and
nothing is opened that leads out of it.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

# Seconds of a processor's time for reading attributes, of which a large file has no more than a small one; and of the
# clock's, where processes cannot be limited so (on Windows), or wait: a loaded machine is no damage.
PATIENCE, WAITING = 20, 300
# What a data set may take in memory: so many bytes more than so many times what is stored of it. Keras compresses
# nothing; who does so himself, weights of zeros even, stays below.
_MORE, _TIMES = 1 << 26, 100
_FOR_EVER = "reading its attributes takes for ever"


class LeadsOut(ValueError):
    """A file is more than what it holds."""


def check_arrays(file: h5py.File) -> None:
    """Refuse a file that reaches for others, or whose arrays are very much larger than what is stored of them.

    Raises:
        LeadsOut, ValueError: naming what is not allowed. Of other damage nothing is said.
    """
    try:
        for path, item in _items(file):
            if isinstance(item, h5py.h5d.DatasetID):
                _check_array(path, item)
    except (OSError, RuntimeError, KeyError):  # h5py's, for damage
        pass


def _check_array(path: str, array: h5py.h5d.DatasetID) -> None:
    created = array.get_create_plist()
    virtual = created.get_layout() == h5py.h5d.VIRTUAL
    if virtual or created.get_external_count():
        kind = "virtual dataset" if virtual else "dataset with external storage"
        raise LeadsOut(
            f"Not allowed: in the HDF5 file, {path!r} takes its numbers from other files: a {kind}."
        )
    takes, stored = array.get_type().get_size(), array.get_storage_size()
    for length in array.shape or ():
        takes *= length
    if takes > _MORE + _TIMES * stored:
        raise ValueError(f"{path!r} would have {takes} bytes, of which {stored} are stored")


def _items(file: h5py.File) -> Iterator[tuple[str, Any]]:
    """All that is in a file, each thing once, with its path and identifier, the file's own group first.

    Raises:
        LeadsOut: a link leads to another file.
    """
    seen = {h5py.h5o.get_info(file.id).addr}
    # Opened when their turn comes: to HDF5 many open things cost the square of their number.
    waiting = [("", file.id, b"/")]
    while waiting:
        path, group, name = waiting.pop()
        item = h5py.h5o.open(group, name)
        yield path, item
        for name in item if isinstance(item, h5py.h5g.GroupID) else ():
            below = f"{path}/{name.decode(errors='replace')}"
            kind = item.links.get_info(name).type
            if kind == h5py.h5l.TYPE_EXTERNAL:
                raise LeadsOut(
                    f"Not allowed: in the HDF5 file, {below!r} is a link to another file: an ExternalLink."
                )
            if kind == h5py.h5l.TYPE_HARD and (at := h5py.h5o.get_info(item, name).addr) not in seen:
                seen.add(at)
                waiting.append((below, item, name))


def flaw_of_attributes(path: Path) -> str:
    """Why the attributes of a file cannot be read; "" if they can. It takes a tenth of a second."""
    # Where Python is embedded, this may be any program.
    if not re.fullmatch(r"(python|pypy)[\d.]*w?(\.exe)?", Path(sys.executable or "").name, re.IGNORECASE):
        return ""
    command = [sys.executable, "-P", __file__, str(path.absolute()), str(PATIENCE)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=WAITING)
    except subprocess.TimeoutExpired:
        return _FOR_EVER
    except OSError:  # No process can be started here.
        return ""
    if -done.returncode == getattr(signal, "SIGXCPU", None):
        return _FOR_EVER
    if done.returncode < 0:
        return "reading its attributes crashes"
    lines = done.stdout.decode(errors="replace").splitlines()
    return lines[-1] if lines else ""


def flaw_of_data(path: Path) -> str:
    """Why a file cannot be read, but for attributes; "" if it can, or reading all of it takes too long."""
    end = time.process_time() + PATIENCE
    try:
        with h5py.File(path) as file:
            check_arrays(file)
            for _, item in _items(file):
                array = h5py.Dataset(item) if isinstance(item, h5py.h5d.DatasetID) else None
                if array is None or array.dtype.hasobject:  # These are texts, as those of attributes.
                    continue
                for block in array.iter_chunks() if array.chunks else [()]:
                    array[block]
                    if time.process_time() > end:
                        return ""
    except (MemoryError, LeadsOut):
        return ""
    except Exception as problem:
        return str(problem) or type(problem).__name__
    return ""


def _read_attributes(path: str) -> None:
    with h5py.File(path) as file:
        for _, item in _items(file):
            attributes = h5py.AttributeManager(h5py.HLObject(item))
            for key in attributes:
                attributes[key]


if __name__ == "__main__":
    try:
        import resource
    except ImportError:
        pass
    else:
        patience = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_CPU, (patience, patience + 1))
    try:
        _read_attributes(sys.argv[1])
    except LeadsOut:
        pass
    except Exception as problem:
        print(repr(str(problem) or type(problem).__name__)[1:-1])
