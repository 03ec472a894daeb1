"""What a forked process gets of shared memory: a copy, as of all other memory.

Otherwise two processes, each with what it takes for its own model, would write to one another's weights.
"""

from __future__ import annotations

import os
import threading
import weakref

from kerasflow_numpy.team.mapping import Mapping

# What this process has mapped, and whether the contents matter to a forked one.
_mapped: weakref.WeakKeyDictionary[Mapping, bool] = weakref.WeakKeyDictionary()
# While a thread forks: a pipe that is at its end when the forked process has its copies.
_copied: dict[int, tuple[int, int]] = {}


def copy_in_forks(mapping: Mapping, contents: bool) -> None:
    """A process that is forked from this one gets memory of its own in place of this.

    Args:
        contents: whether it is a copy; else it is 0.
    """
    _mapped[mapping] = contents


def _before() -> None:
    if _mapped:
        _copied[threading.get_ident()] = os.pipe()


def _in_parent() -> None:
    """Change nothing before the forked process has its copies."""
    if pipe := _copied.pop(threading.get_ident(), None):
        end, other = pipe
        os.close(other)
        while os.read(end, 1):
            pass
        os.close(end)


def _in_child() -> None:
    for mapping, contents in list(_mapped.items()):
        mapping.make_private(contents)
    _mapped.clear()
    for pipe in _copied.values():
        for end in pipe:
            os.close(end)
    _copied.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
