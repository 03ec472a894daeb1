"""Whether an HDF5 file can be read.

Most damage is an exception of h5py's. Where the text of an attribute is damaged, HDF5's library may crash its process
or never come back: there another process reads first. That is this file, as a program (`python hdf5.py FILE`).
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py

# Seconds of a processor's time for reading attributes, of which a large file has no more than a small one; and of the
# clock's, where processes cannot be limited so (on Windows), or wait: a loaded machine is no damage.
PATIENCE, WAITING = 20, 300
# A data set may claim to have any size; compressed, it has at most so many bytes for each of the file.
_EXPANSION = 1100
_FOR_EVER = "reading its attributes takes for ever"


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
    """Why a file cannot be read from its beginning to its end, but for attributes; "" if it can."""
    most = _EXPANSION * path.stat().st_size

    def read(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if item.nbytes > most:
                raise ValueError(f"{name} would have {item.nbytes} bytes")
            item[()]

    try:
        with h5py.File(path) as file:
            file.visititems(read)
    except MemoryError:
        return ""
    except Exception as problem:
        return str(problem) or type(problem).__name__
    return ""


def _read_attributes(path: str) -> None:
    def read(name: str, item: Any) -> None:
        for key in item.attrs:
            item.attrs[key]

    with h5py.File(path) as file:
        read("", file)
        file.visititems(read)


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
    except Exception as problem:
        print(repr(str(problem) or type(problem).__name__)[1:-1])
