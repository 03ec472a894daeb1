"""`model.export()`: formats that need another framework's tracer."""

from __future__ import annotations

from typing import Any, NoReturn


def _unavailable(*args: Any, **kwargs: Any) -> NoReturn:
    raise NotImplementedError(
        "`model.export()` is not available on kerasflow yet: `export_saved_model` only currently supports the "
        "tensorflow, jax and torch backends. Save with `model.save('model.keras')` and load the file in Keras on "
        "TensorFlow, JAX or PyTorch to export it there."
    )


class NumpyExportArchive:
    """Keras's `ExportArchive` on this backend: says that it is not available."""

    track = add_endpoint = track_and_add_endpoint = add_variable_collection = write_out = _unavailable
