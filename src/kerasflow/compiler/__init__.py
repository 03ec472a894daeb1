"""The compiler: what a backend is, which there are, and how a function becomes a program.

A Python function comes in; `function` traces it, has the graph optimized, hands it to a backend (`compile`), keeps the
program, and runs it with the state of its variables, whole or not at all (`interrupts`). `backend` says what a backend
has to have, `registry` which there are, `options` what may be asked of one. It knows all below, and no Keras. Open
`function` first.
"""

from kerasflow.compiler.at_once import compute
from kerasflow.compiler.backend import Backend, Program
from kerasflow.compiler.compile import compile_graph
from kerasflow.compiler.function import CompiledFunction, Entry, jit
from kerasflow.compiler.nans import debug_nans, set_debug_nans
from kerasflow.compiler.options import use_device
from kerasflow.compiler.ranks import share_batches
from kerasflow.compiler.registry import (
    backend,
    backends,
    current_backend,
    foreign_recording,
    running_on,
    set_backend,
    set_threads,
    use_backend,
)
from kerasflow.tracing import trace

trace.evaluator = compute
trace.foreign_recording = foreign_recording

__all__ = [
    "Backend",
    "CompiledFunction",
    "Entry",
    "Program",
    "backend",
    "backends",
    "compile_graph",
    "current_backend",
    "debug_nans",
    "jit",
    "running_on",
    "set_backend",
    "set_debug_nans",
    "set_threads",
    "share_batches",
    "use_backend",
    "use_device",
]
