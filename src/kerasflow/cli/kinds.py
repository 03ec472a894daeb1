"""What arguments may be: functions from their text to what it means, for argparse.

Their `ArgumentTypeError`s become the message, with the option's name.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
from pathlib import Path

from kerasflow.bridge.files import check_writable
from kerasflow.errors import KerasflowError


def whole_number(text: str, least: int, most: int | None = None) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number; received {text!r}") from None
    if number < least or (most is not None and number > most):
        limits = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(f"expected a whole number {limits}; received {text!r}")
    return number


def count(text: str) -> int:
    return whole_number(text, 1)


def seed(text: str) -> int:
    return whole_number(text, 0, 2**32 - 1)  # what NumPy's and so Keras's global seed may be


def positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a positive number; received {text!r}")
    return number


def backend_names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if len(names) < 2 or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"expected two or more different names; received {text!r}")
    return names


def file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return Path(text)


def output_file(text: str, *suffixes: str) -> Path:
    path = Path(text)
    try:
        check_writable(path, suffixes)
    except KerasflowError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem
    return path


def plot_file(text: str) -> Path:
    if importlib.util.find_spec("matplotlib") is None:
        raise argparse.ArgumentTypeError('drawing needs matplotlib: pip install "kerasflow[plot]"')
    return output_file(text, ".png", ".pdf", ".svg")


def model_file(text: str) -> Path:
    return output_file(text, ".keras")
