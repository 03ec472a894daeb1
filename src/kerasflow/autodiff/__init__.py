"""Derivatives: the table of rules, the reverse sweep, and the tape and functions that users call."""

from kerasflow.autodiff.joint import Joint
from kerasflow.autodiff.rules import NONDIFFERENTIABLE, RULES
from kerasflow.autodiff.tape import GradientTape, grad, sweep, value_and_grad

__all__ = ["NONDIFFERENTIABLE", "RULES", "GradientTape", "Joint", "grad", "sweep", "value_and_grad"]
