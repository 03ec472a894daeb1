"""`model.export`, where Keras leaves it to other frameworks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn

from kerasflow.errors import ExportError


@contextmanager
def write_onnx(module: ModuleType) -> Iterator[None]:
    """Keras writes ONNX with other frameworks' converters; here it is written from the graph."""
    yield

    def export_onnx(*args: Any, **kwargs: Any) -> None:
        from kerasflow.bridge.export_onnx import export_onnx  # It needs all of Keras.

        export_onnx(*args, **kwargs)

    module.export_onnx = export_onnx  # type: ignore[attr-defined]


@contextmanager
def refuse_openvino(module: ModuleType) -> Iterator[None]:
    """Keras converts what other frameworks have traced; OpenVINO reads ONNX files too."""
    yield

    def export_openvino(*args: Any, **kwargs: Any) -> NoReturn:
        raise ExportError(
            "`format='openvino'` is not available on kerasflow. OpenVINO reads ONNX files: "
            "`model.export('model.onnx', format='onnx')`, and then `openvino.convert_model('model.onnx')`."
        )

    module.export_openvino = export_openvino  # type: ignore[attr-defined]
