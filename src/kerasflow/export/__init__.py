"""Graphs as Python files that need NumPy alone."""

from kerasflow.export.batch import align
from kerasflow.export.module import Argument, Module, write_module
from kerasflow.export.table import check_exportable

__all__ = ["Argument", "Module", "align", "check_exportable", "write_module"]
