"""Every rule against numerical derivatives, and the checker against wrong rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kerasflow.autodiff import RULES, Joint
from kerasflow.testing import SPECS, OpSpec, check_spec_grads

DIFFERENTIABLE = [spec for spec in SPECS if spec.differentiable]


@pytest.mark.parametrize("spec", DIFFERENTIABLE, ids=str)
def test_derivatives(spec: OpSpec) -> None:
    check_spec_grads(spec)


def perturbed(rule: Any, operand: int) -> Any:
    """A rule that is 0.1 % wrong for one operand."""
    if isinstance(rule, Joint):

        def function(*args: Any, **params: Any) -> list[Any]:
            found = list(rule.function(*args, **params))
            if found[operand] is not None:
                found[operand] = found[operand] * 1.001
            return found

        return type(rule)(function)

    def wrap(partial: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **params: partial(*args, **params) * 1.001

    return tuple(wrap(p) if i == operand else p for i, p in enumerate(rule))


@pytest.mark.parametrize("spec", DIFFERENTIABLE, ids=str)
def test_the_checker_finds_a_wrong_rule(spec: OpSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    for operand in spec.differentiable:
        with monkeypatch.context() as patch:
            patch.setitem(RULES, spec.primitive, perturbed(RULES[spec.primitive], operand))
            with pytest.raises(AssertionError, match=f"order 1 with respect to argument {operand}"):
                check_spec_grads(spec, order=1)
