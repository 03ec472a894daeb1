"""The derivative of what another framework has recorded: another function of that framework's."""

from __future__ import annotations

from typing import Any

from kerasflow.autodiff.joint import Joint, flows
from kerasflow.primitives.foreign import ForeignFunction, foreign_function
from kerasflow.tracing import apply


def _foreign(gs: Any, results: Any, operands: Any, wanted: Any, function: ForeignFunction) -> list[Any]:
    flowing = [i for i, g in enumerate(gs) if flows(g)]
    places = [i for i, flag in enumerate(wanted) if flag]
    derivative, taken = function.vjp(flowing, places)
    given = [*operands, *results, *(gs[i] for i in flowing)]
    found = iter(apply(foreign_function, *(given[i] for i in taken), function=derivative))
    return [next(found) if flag else None for flag in wanted]


RULES: dict[str, Any] = {foreign_function.name: Joint(_foreign)}
