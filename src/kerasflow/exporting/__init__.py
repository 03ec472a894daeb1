"""Graphs as files: as Python that needs NumPy alone, and (`onnx`) as ONNX models.

The graphs of one function for a few batch sizes come in; `batch` makes one for every size of them, `spelled` its
constants; text and arrays, or an ONNX model, go out. `refusal` says what cannot be written, before anything is. It
knows graphs and primitives, traces nothing and knows no Keras. Open `numpy/table` first, for ONNX `onnx/model`.
"""

from kerasflow.exporting.batch import align, number_text
from kerasflow.exporting.numpy.block import Define
from kerasflow.exporting.numpy.module import Argument, Function, Module, write_module
from kerasflow.exporting.numpy.table import check_exportable
from kerasflow.exporting.spelled import spell_out

__all__ = [
    "Argument",
    "Define",
    "Function",
    "Module",
    "align",
    "check_exportable",
    "number_text",
    "spell_out",
    "write_module",
]
