"""Derivatives: the table of rules, the reverse sweep, and the tape and functions that users call.

Recorded nodes come in, and the operations of their vector-Jacobian products are recorded in turn: a derivative is a
part of the same graph. `vjp` is the sweep, which is given a table; `rules` is that table; `tape` puts both together.
It knows graphs, primitives and tracing. Open `vjp` first.
"""

from kerasflow.autodiff.joint import Joint
from kerasflow.autodiff.rules import NONDIFFERENTIABLE, RULES
from kerasflow.autodiff.tape import GradientTape, grad, sweep, value_and_grad

__all__ = ["NONDIFFERENTIABLE", "RULES", "GradientTape", "Joint", "grad", "sweep", "value_and_grad"]
