"""Graphs as files: as Python that needs NumPy alone, and (`onnx`) as ONNX models."""

from kerasflow.exporting.batch import align, number_text
from kerasflow.exporting.block import Define
from kerasflow.exporting.module import Argument, Function, Module, write_module
from kerasflow.exporting.spelled import spell_out
from kerasflow.exporting.table import check_exportable

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
