"""Derivatives of what ranks do together: whole values have whole cotangents, parts have parts, terms have the sum's."""

from __future__ import annotations

from typing import Any

from kerasflow.autodiff.joint import Joint
from kerasflow.tracing import apply


def _all_reduce(gs: Any, results: Any, operands: Any, wanted: Any) -> list[Any]:
    return list(gs)


def _all_gather(g: Any, result: Any, x: Any, **params: Any) -> Any:
    return apply("own_part", g, **params)


def _own_part(g: Any, result: Any, x: Any, **params: Any) -> Any:
    return apply("all_gather", g, **params)


RULES: dict[str, Any] = {
    "all_reduce": Joint(_all_reduce),
    "all_gather": (_all_gather,),
    "own_part": (_own_part,),
}
