"""Graphs as Python files that need NumPy alone."""

from kerasflow.exporting.batch import align
from kerasflow.exporting.module import Argument, Function, Module, write_module
from kerasflow.exporting.table import check_exportable

__all__ = ["Argument", "Function", "Module", "align", "check_exportable", "write_module"]
