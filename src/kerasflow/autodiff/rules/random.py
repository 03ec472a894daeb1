"""Derivatives of what variates depend on."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.tracing import apply


def _gamma_grad_x(g: Any, result: Any, alpha: Any, x: Any) -> Any:
    """Of -F_a(x) / f(x): the density's derivatives are known."""
    one = np.ones((), g.dtype)
    return g * (apply("digamma", alpha) - np.log(x) - result * ((alpha - one) / x - one))


# The second derivative by alpha has no closed form.
RULES: dict[str, Any] = {"random_gamma_grad": (None, _gamma_grad_x)}
