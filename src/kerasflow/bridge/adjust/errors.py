"""What users see of errors."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from kerasflow.bridge.adjust.ranks import report_once
from kerasflow.bridge.versions import LAYOUT
from kerasflow.graph import locate
from kerasflow.tracing.source import AT, at_user_line, way_of


@contextmanager
def hide_frames(module: ModuleType) -> Iterator[None]:
    """Keras leaves its own frames out of the tracebacks that users see; ours too."""
    yield
    module._EXCLUDED_PATHS += (str(Path(__file__).absolute().parents[2]),)  # type: ignore[attr-defined]
    if LAYOUT.injects_into_functions:
        _give_messages(module, "inject_argument_info_in_traceback", _with_messages)
    else:
        _give_messages(module, "inject_argument_info_in_error", _of_its_message)


def _give_messages(module: ModuleType, name: str, change: Callable[[Any], Any]) -> None:
    """Change what Keras adds a call's arguments to, of which it tells the first argument of the error."""
    inject = getattr(module, name)

    @functools.wraps(inject)
    def injecting(target: Any, *args: Any, **kwargs: Any) -> Any:
        return inject(change(target), *args, **kwargs)

    setattr(module, name, injecting)


def _with_messages(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose errors have their message for first argument, which is what Keras tells of them."""

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if (found := _of_its_message(error)) is error:
                raise
            raise found from error

    call.__wrapped__ = function  # type: ignore[attr-defined]  # Keras asks for its signature, if it fails.
    return call


def _of_its_message(error: Exception) -> Exception:
    """The error itself, or one made of its message: NumPy's have a ufunc for their arguments, the system's a number."""
    message = str(error)
    if isinstance(error, KeyError) or not error.args or str(error.args[0]) == message:
        return error
    for kind in (*type(error).__mro__, RuntimeError):
        if kind is Exception:
            continue  # It says less than what Keras would take.
        try:
            found: Any = kind(message)
        except Exception:
            continue
        if isinstance(found, Exception) and str(found) == message:
            for note in getattr(error, "__notes__", ()):
                found.add_note(note)
            return found.with_traceback(error.__traceback__)
    return error


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
