"""Graphs as ONNX models.

`builder` keeps the nodes that lowerings write; `elementwise`, `arrays`, `windows` and `control` have the lowerings,
family by family; `model` the table of all, and what is refused. The package `onnx` is imported when a model is written.
Open `model` first.
"""

from kerasflow.exporting.onnx.model import OPSET, check_onnx, onnx_model

__all__ = ["OPSET", "check_onnx", "onnx_model"]
