"""Whether NaN and infinity are looked for, and where: the switch of `kerasflow.debug_nans`.

While they are, each node is told where in the user's code it comes from, and whether it is checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from kerasflow._settings import settings
from kerasflow.compiler.block import block
from kerasflow.graph import Origin, split_scope
from kerasflow.tracing import trace
from kerasflow.tracing.source import user_line

_wanted: ContextVar[bool | None] = ContextVar("kerasflow_debug_nans", default=None)
_scale: ContextVar[str] = ContextVar("kerasflow_scaled_gradients", default="")


def watching() -> bool:
    """Whether NaN and infinity are looked for in this thread: the innermost `debug_nans`, else `set_debug_nans`'s."""
    wanted = _wanted.get()
    return settings.debug_nans if wanted is None else wanted


def set_debug_nans(on: bool = True) -> None:
    """Look for NaN and infinity in this process, or stop looking; see `kerasflow.debug_nans`.

    `KERASFLOW_DEBUG_NANS=1` does the same from the start.
    """
    settings.debug_nans = bool(on)
    _note_origins(on)


@block
def debug_nans(on: bool = True) -> Iterator[None]:
    """Stop at the first operation that makes NaN or infinity, in a block (and in this thread or task alone).

    In `fit`, `evaluate`, `predict`, `jit`, on tapes, with `run_eagerly=True` and in `keras.ops` and layers that are
    called outside of all these: an operation whose result has NaN where its operands have none, or infinity where they
    have neither, is an error. A step that fails changes nothing. Programs run operation by operation, four to ten times
    slower.

    What infinite constants lead to is no error (a mask of `-inf`), NaN made of them is. What `where` does not choose is
    looked at as well: its gradient would be NaN. The gradients of a loss that `keras.optimizers.LossScaleOptimizer`
    scales overflow on purpose: where they do, the step is computed once more without the scale, and what is not finite
    then is an error (with `run_eagerly=True` they are left out). NaN that a program is given, in data or in weights, is
    an error where it gets into a result.

    Args:
        on: False leaves the block out of one around it: what is recorded, or computed at once, there is not checked.

    Raises:
        NonFiniteError: naming the operation, the layer, the user's line, the place and the operands.
    """
    _note_origins(on)
    token = _wanted.set(bool(on))
    try:
        yield
    finally:
        _wanted.reset(token)


@contextmanager
def scaled_gradients(scale: str) -> Iterator[None]:
    """Gradients of this block may overflow, for somebody looks at them and takes a smaller scale.

    Args:
        scale: the variable with the scale; "" if there is none.
    """
    token = _scale.set(scale)
    try:
        yield
    finally:
        _scale.reset(token)


def is_checked(scope: str) -> bool:
    """Whether what comes from this scope, and is computed now, is looked at."""
    return _is_looked_at(scope) and not _scale_of(scope)


def _is_looked_at(scope: str) -> bool:
    return watching() and not (isinstance(scope, Origin) and not scope.checked)


def _scale_of(scope: str) -> str:
    return _scale.get() if split_scope(scope)[1] else ""


def _origin(scope: str) -> str:
    """All that is kept of where a node comes from; that of a derivative has the line of what it is derived from."""
    if not watching():
        return Origin(scope, checked=False)
    line = scope.line if isinstance(scope, Origin) else user_line()
    return Origin(scope, line or "", _is_looked_at(scope), _scale_of(scope))


def _note_origins(on: bool) -> None:
    """Have it begin; it does not end, for nodes of another thread, or of a block left out, may be in need of it."""
    if on:
        trace.note = _origin


_note_origins(settings.debug_nans)
