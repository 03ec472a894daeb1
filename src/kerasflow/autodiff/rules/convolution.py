"""Derivatives of convolution: each of the three primitives is linear in both operands, and made of the other two."""

from __future__ import annotations

from typing import Any

from kerasflow.tracing import apply


def _bare(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters that the three have in common."""
    return {name: value for name, value in params.items() if name != "sizes"}


def _x(g: Any, kernel: Any, sizes: Any, params: dict[str, Any]) -> Any:
    return apply("convolution_transpose", g, kernel, sizes=sizes, **_bare(params))


def _y(x: Any, kernel: Any, params: dict[str, Any]) -> Any:
    return apply("convolution", x, kernel, **_bare(params))


def _kernel(x: Any, y: Any, sizes: Any, params: dict[str, Any]) -> Any:
    return apply("convolution_kernel", x, y, sizes=sizes, **_bare(params))


RULES: dict[str, Any] = {
    "convolution": (
        lambda g, r, x, k, **p: _x(g, k, x.shape[1:-1], p),
        lambda g, r, x, k, **p: _kernel(x, g, k.shape[:-2], p),
    ),
    "convolution_transpose": (
        lambda g, r, y, k, **p: _y(g, k, p),
        lambda g, r, y, k, **p: _kernel(g, y, k.shape[:-2], p),
    ),
    "convolution_kernel": (
        lambda g, r, x, y, **p: _x(y, g, x.shape[1:-1], p),
        lambda g, r, x, y, **p: _y(x, g, p),
    ),
}
