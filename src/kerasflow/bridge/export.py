"""`model.export()`: formats that need another framework's tracer."""

from __future__ import annotations

from typing import Any, NoReturn


def _unavailable() -> NoReturn:
    raise NotImplementedError(
        "`model.export()` is not available on kerasflow yet. Save with `model.save('model.keras')` and load the file "
        "in Keras on TensorFlow, JAX or PyTorch to export it there."
    )


class NumpyExportArchive:
    """Keras's `ExportArchive` on this backend: says that it is not available."""

    def track(self, resource: Any) -> NoReturn:
        _unavailable()

    def add_endpoint(self, name: str, fn: Any, input_signature: Any = None, **kwargs: Any) -> NoReturn:
        _unavailable()
