"""Whether this process is the command, and how Ctrl-C ends it before it can catch it: imported before all else."""

from __future__ import annotations

import signal
import sys
from pathlib import Path


def is_command() -> bool:
    """Whether this process is `kerasflow …` or `python -m kerasflow …` (Python looks for the module meanwhile)."""
    program = next(iter(sys.argv), "")
    module = program == "-m" and not {"kerasflow", "-mkerasflow"}.isdisjoint(sys.orig_argv)
    return module or Path(program).stem == "kerasflow"


_quiet: list[bool] = []


def interrupt_quietly() -> None:
    """Until `interrupt_as_python`, Ctrl-C ends the command at once: what is imported has nothing to say of it."""
    if is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _quiet.append(True)


def interrupt_as_python() -> None:
    """From now on Ctrl-C is a `KeyboardInterrupt` again."""
    if _quiet:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _quiet.clear()
