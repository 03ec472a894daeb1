"""What a backend that can be profiled tells of a program that has run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """One line of a program, measured while the program ran once.

    Attributes:
        line: its source text.
        scope: where it comes from, as its nodes' scope says: a layer's path, or `grad …`; "" if unknown.
        seconds: its part of the program's time. calls: how often it ran.
        allocated: bytes of results that come into use with it.
        held: bytes of results in use while it runs, these included; not state, nor inputs.
    """

    line: str
    scope: str
    seconds: float
    calls: int
    allocated: int
    held: int
