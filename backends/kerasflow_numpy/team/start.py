"""How a rank's process is started: Python with NumPy and this runtime, and nothing of the user's program.

Not by `multiprocessing`, which imports the program's main module again, and so needs its `if __name__ == "__main__"`.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from kerasflow.groups import is_worker
from kerasflow_numpy.team import memory

# First of all it sees to its own end: the standard input is open as long as the process that has started it lives.
# Then `kerasflow` and `kerasflow_numpy` become packages whose `__init__` is not executed: those import Keras's bridge
# and the compiler, which a rank does not need, in most of a second. The modules below them are found as they are here.
_ENTRY = """\
import _thread, os, sys
def end_with_parent():
    while os.read(0, 1):
        pass
    os._exit(0)
size = int(sys.stdin.buffer.readline() or 0)
text = sys.stdin.buffer.read(size)
if not size or len(text) < size:
    os._exit(0)
_thread.start_new_thread(end_with_parent, ())
import pickle
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
setup = pickle.loads(text)
sys.path += [entry for entry in setup["path"] if entry not in sys.path]
for name, places in setup["packages"].items():
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations[:] = places
    sys.modules[name] = module_from_spec(spec)
from kerasflow_numpy.team.child import main
main(**setup["arguments"])
"""
_PACKAGES = ("kerasflow", "kerasflow_numpy")

# (Where there are no such signals, there are no teams.)
_SENT_TO_ALL = {
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
}

# A rank is one core's: the threads of its BLAS would only wait, and each has memory of its own.
_ONE_THREAD = dict.fromkeys(
    (
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "OMP_NUM_THREADS",
    ),
    "1",
)


def available() -> str | None:
    """Why this process can have no team; None if it can."""
    if os.name != "posix" or sys.platform in ("emscripten", "wasi"):
        return f"a process cannot hand open sockets to another as we do it on {sys.platform}"
    if is_worker():
        return "this process is one of several already (multiprocessing's or joblib's), which share the cores"
    if getattr(sys, "frozen", False):
        return "the program is frozen: it has no interpreter that could be started"
    path = interpreter()
    if not path or not os.access(path, os.X_OK):
        return f"Python does not know its interpreter (sys.executable is {sys.executable!r})"
    if not Path(path).name.lower().startswith(("python", "pypy")):
        return f"Python is embedded in {path!r}, which cannot be started as an interpreter"
    try:
        memory.create(1)[0].close()
    except OSError as error:
        return f"the system gives no shared memory ({error})"
    return None


def interpreter() -> str:
    """The interpreter's path; that of `multiprocessing.set_executable` where a program that embeds Python calls it."""
    spawn = sys.modules.get("multiprocessing.spawn")
    path = spawn.get_executable() if spawn else sys.executable
    return os.fsdecode(path or "")


def launch(label: str, descriptors: Sequence[int], arguments: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start a process. It lives until its standard input is closed here.

    Args:
        label: what lists of processes show. descriptors: what it gets, open. arguments: of `child.main`.

    Raises:
        OSError: the system starts no process.
    """
    # -S, -s, -P: no `sitecustomize`, nobody's own packages, no current folder: modules are looked for as they are here.
    command = [interpreter(), "-S", "-s", "-P", *_flags(), "-c", _ENTRY, label]
    with _unreachable():
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **_ONE_THREAD},
            bufsize=0,
            pass_fds=descriptors,
        )
    try:
        _write_all(process.stdin, _setup(arguments))
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process


def _setup(arguments: dict[str, Any]) -> bytes:
    """Where a process finds modules, and with what it calls `child.main`."""
    numpys = str(Path(np.__file__).parents[1])
    path = [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)]
    packages = {name: [*sys.modules[name].__path__] for name in _PACKAGES}
    setup = pickle.dumps({"path": [*path, numpys], "packages": packages, "arguments": arguments})
    return b"%d\n%b" % (len(setup), setup)


def _write_all(file: IO[bytes] | None, data: bytes) -> None:
    assert file is not None
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _flags() -> Sequence[str]:
    """What this interpreter was told of compiled files, which the other has to use too."""
    flags = ["-B"] if sys.dont_write_bytecode else []
    return [*flags, "-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix else flags


@contextmanager
def _unreachable() -> Iterator[None]:
    """A process that is started in the block never gets what is sent to all of a program's processes.

    A terminal does so with Ctrl-C, a cluster or a service manager with what says that time is up. It is for the
    program to answer, which may have a model to save; the other processes end when it does.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SENT_TO_ALL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
