"""Graphs as Python files that need NumPy alone."""

from kerasflow.exporting.batch import align
from kerasflow.exporting.module import Argument, Module, write_module
from kerasflow.exporting.table import check_exportable

__all__ = ["Argument", "Module", "align", "check_exportable", "write_module"]
