"""What the command prints: on any output, with colour where there is a terminal that wants it and nowhere else."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast

from kerasflow.text import paragraph

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST = 10_000  # characters of a message
_RED = "\x1b[1;31m{}\x1b[0m"
_NOBODY_READS = 141  # the exit code of what a shell's pipe has ended


def coloured(stream: TextIO) -> bool:
    """Whether colours are shown: by a terminal that knows them, unless `NO_COLOR` is set (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def replace_unknown_characters() -> None:
    """From now on the output has a `?` for what its encoding lacks (… in ISO 8859-1, a user's names in cp1252)."""
    # What stands in for the stream in a notebook is of another class; who has chosen a way to write them keeps it.
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in ("strict", "surrogateescape"):
        sys.stdout.reconfigure(errors="replace")


def complain(program: str, message: str) -> None:
    """A mistake, on the error stream."""
    error = _RED.format("error:") if coloured(sys.stderr) else "error:"
    print(f"{program}: {error} {paragraph(message, _LONGEST)}", file=sys.stderr)


@contextmanager
def any_output() -> Iterator[None]:
    """In the block can be printed, also where there is no output or its encoding lacks a character.

    Where nobody reads on (`kerasflow mnist | head`) the process ends.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, or a program without a console
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    replace_unknown_characters()
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # What is left goes nowhere: Python writes it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_NOBODY_READS)


@contextmanager
def without_unwanted_colours() -> Iterator[None]:
    """What is printed in the block has colours only where they are shown; Keras's progress bars always have some."""
    if coloured(sys.stdout):
        yield
    else:
        with redirect_stdout(cast(TextIO, _Plain(sys.stdout))):
            yield


class _Plain:
    """A stream without the colours of what is written to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(_COLOURS.sub("", text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
