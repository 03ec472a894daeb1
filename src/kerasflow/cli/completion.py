"""What a shell may put behind a half-written command line, if argcomplete is installed (`kerasflow[completion]`)."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import kerasflow


def complete(parser: argparse.ArgumentParser) -> None:
    """Answers the shell that has started this process, and ends it."""
    try:
        import argcomplete
    except ModuleNotFoundError:  # The shell's own argcomplete is installed elsewhere.
        sys.exit(1)
    argcomplete.autocomplete(parser)


def backend_names(prefix: str, **_: Any) -> list[str]:
    """Names of backends behind what has been written of a list of them."""
    *before, _begun = prefix.split(",")
    return [",".join([*before, name]) for name in kerasflow.backends() if name not in before]
