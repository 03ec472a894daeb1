"""Passes: functions from a graph to a better graph with the same meaning, bit for bit.

They know graphs and primitives, trace nothing, and know nothing of backends. Open `pipeline` first.
"""

from kerasflow.passes.batching import batched
from kerasflow.passes.cse import eliminate_common_subexpressions
from kerasflow.passes.dce import eliminate_dead_code
from kerasflow.passes.fold import fold_constants
from kerasflow.passes.pipeline import PASSES, optimize
from kerasflow.passes.rows import update_rows
from kerasflow.passes.simplify import simplify

__all__ = [
    "PASSES",
    "batched",
    "eliminate_common_subexpressions",
    "eliminate_dead_code",
    "fold_constants",
    "optimize",
    "simplify",
    "update_rows",
]
