"""Derivatives of pooling. Which elements are the largest is piecewise constant: nothing flows through the choice."""

from __future__ import annotations

from typing import Any

from kerasflow.tracing import apply

RULES: dict[str, Any] = {
    "max_pool": (lambda g, r, x, **p: apply("max_pool_vjp", x, g, **p),),
    "max_pool_vjp": (lambda *_, **__: None, lambda g, r, x, h, **p: apply("max_pool_take", x, g, **p)),
    "max_pool_take": (lambda *_, **__: None, lambda g, r, x, v, **p: apply("max_pool_vjp", x, g, **p)),
}
