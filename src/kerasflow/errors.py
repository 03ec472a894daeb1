"""The exceptions that kerasflow raises; all of them are `KerasflowError`s."""

from __future__ import annotations


class KerasflowError(Exception):
    """The base of all errors of this package."""


class ImportOrderError(KerasflowError, ImportError):
    """Keras was imported before kerasflow, or is of a version that is not supported."""


class SettingError(KerasflowError, ValueError):
    """A variable of the environment, `KERASFLOW_…`, has a value that makes no sense."""


class DatasetError(KerasflowError, ValueError):
    """A data-set file is missing, corrupt or of the wrong shape."""


class DamagedFileError(KerasflowError, OSError, ValueError):
    """A file is damaged, or not of the kind that its name says."""


class UnknownBackendError(KerasflowError, ValueError):
    """A backend name that is not registered, or a backend that cannot be loaded: its framework is missing or fails."""


class UnknownDeviceError(KerasflowError, ValueError):
    """A device that the backend does not have."""


class UnsupportedPrimitiveError(KerasflowError, NotImplementedError):
    """A program needs a primitive that its backend does not have."""


class BackendDisagreement(KerasflowError):
    """Two backends that run in step differ in the results of one operation.

    Args:
        message: all that is known of it.
        primitive: the operation's name.
        layer: where it comes from; "" if that is not known.
    """

    def __init__(self, message: str, primitive: str = "", layer: str = "") -> None:
        super().__init__(message)
        self.primitive = primitive
        self.layer = layer


class NonFiniteError(KerasflowError, FloatingPointError):
    """An operation has made NaN or infinity of finite numbers, and `kerasflow.debug_nans` was asked to tell.

    Args:
        message: all that is known of it.
        primitive: the operation's name; "" where no operation is to blame, but what was given to the first.
        layer: where it comes from, `grad …` for a derivative; "" if that is not known.
    """

    def __init__(self, message: str, primitive: str = "", layer: str = "") -> None:
        super().__init__(message)
        self.primitive = primitive
        self.layer = layer


class ComparisonError(KerasflowError):
    """A program cannot be compared on several backends: it fails, or there is nothing to compare."""


class TracingError(KerasflowError, TypeError):
    """Something was done to a traced array that needs its value, or a function that cannot be traced."""


class GradientError(KerasflowError, ValueError):
    """A gradient was asked for that does not exist."""


class GraphError(KerasflowError, AssertionError):
    """A graph is malformed: a bug in kerasflow or in a backend, never in the user's program."""


class ExportError(KerasflowError, NotImplementedError):
    """A model that cannot be written as a file of the format in question."""


class RankError(KerasflowError, RuntimeError):
    """Processes cannot compute one program together: one has died, differs from the others or was not started."""


class ProfileError(KerasflowError, NotImplementedError):
    """A step that cannot be measured: it has no program, or its backend does not measure programs."""
