"""The table of derivatives: for every primitive a rule, or a place in `NONDIFFERENTIABLE`.

A rule is a tuple with a function for each operand, `partial(g, result,
*operands, **params)`: the cotangent of the operand from the cotangent `g` of the
result (before broadcasting is undone). Primitives with several results or
any number of operands have one `Joint` function for all. Open `elementwise` first.
"""

from __future__ import annotations

from kerasflow.autodiff.rules import (
    collective,
    complex,
    control,
    convolution,
    decompositions,
    elementwise,
    fourier,
    indexing,
    linalg,
    pooling,
    random,
    reduction,
    scans,
    shape,
    sparse,
    whiles,
)
from kerasflow.autodiff.vjp import Rule

FAMILIES = (
    elementwise,
    complex,
    reduction,
    shape,
    indexing,
    linalg,
    decompositions,
    sparse,
    fourier,
    convolution,
    pooling,
    random,
    control,
    scans,
    whiles,
    collective,
)

RULES: dict[str, Rule] = {name: rule for family in FAMILIES for name, rule in family.RULES.items()}

# Piecewise constant, integer or boolean results: nothing flows back.
NONDIFFERENTIABLE: frozenset[str] = frozenset(
    "floor ceil trunc rint invert logical_not isnan isinf isfinite signbit spacing "
    "floor_divide nextafter gcd lcm bitwise_and bitwise_or bitwise_xor left_shift right_shift "
    "logical_and logical_or logical_xor equal not_equal less less_equal greater greater_equal "
    "stop_gradient any all argmax argmin argsort top_k searchsorted random_bits random_part view".split()
)

__all__ = ["FAMILIES", "NONDIFFERENTIABLE", "RULES"]
