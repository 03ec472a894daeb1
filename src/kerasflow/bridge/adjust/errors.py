"""What users see of errors."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from kerasflow.bridge.adjust.ranks import report_once
from kerasflow.graph import locate
from kerasflow.tracing.source import AT, at_user_line, way_of


@contextmanager
def hide_frames(module: ModuleType) -> Iterator[None]:
    """Keras leaves its own frames out of the tracebacks that users see; ours too."""
    yield
    module._EXCLUDED_PATHS += (str(Path(__file__).absolute().parents[2]),)  # type: ignore[attr-defined]


@contextmanager
def name_the_layer(module: ModuleType) -> Iterator[None]:
    """An error in a layer says of which class that is, not which one it is, nor at which of the user's lines."""
    yield
    leave = module.name_scope.__exit__

    def __exit__(self: Any, kind: Any = None, error: Any = None, *rest: Any) -> None:
        if error is not None and self.caller is not None:
            _name_the_line(error)
            locate(error, module.current_path())
        leave(self, kind, error, *rest)

    module.name_scope.__exit__ = __exit__


def _name_the_line(error: BaseException) -> None:
    """Have an error that is raised within a layer say at which line of the user's, if there is one on its way."""
    says = isinstance(error, Exception) and not isinstance(error, KeyError)  # whose argument is the key
    if says and len(error.args) == 1 and isinstance(error.args[0], str) and AT not in error.args[0]:
        error.args = (at_user_line(error.args[0], way_of(error)),)


@contextmanager
def name_the_remedy(module: ModuleType) -> Iterator[None]:
    """TensorBoard's files are written by TensorFlow and TensorBoard: where they are missing, it says so at once."""
    with report_once(module, "TensorBoard"):
        yield
    set_model = module.TensorBoard.set_model

    @functools.wraps(set_model)
    def with_its_modules(self: Any, model: Any) -> None:
        for name in ("tensorflow", "tensorboard"):
            try:
                importlib.import_module(name)
            except ImportError as problem:
                raise ModuleNotFoundError(
                    f"keras.callbacks.TensorBoard needs the module {name!r}, which is not installed. "
                    'Install it with: pip install "kerasflow[tensorflow]" tensorboard. '
                    "Without it `keras.callbacks.CSVLogger` keeps the losses and metrics.",
                    name=name,
                ) from problem
        set_model(self, model)

    module.TensorBoard.set_model = with_its_modules
