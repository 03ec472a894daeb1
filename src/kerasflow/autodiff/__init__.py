"""Derivatives: the table of rules, the reverse sweep, and the tape and functions that users call."""

from kerasflow.autodiff.rules import NONDIFFERENTIABLE, RULES, Joint
from kerasflow.autodiff.tape import GradientTape, grad, value_and_grad
from kerasflow.autodiff.vjp import sweep

__all__ = ["NONDIFFERENTIABLE", "RULES", "GradientTape", "Joint", "grad", "sweep", "value_and_grad"]
