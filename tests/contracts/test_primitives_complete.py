"""Nothing is forgotten: every primitive has a derivative or is known to have none, and a spec."""

from kerasflow.autodiff import NONDIFFERENTIABLE, RULES
from kerasflow.primitives import FAMILIES, PRIMITIVES
from kerasflow.testing import SPECS


def test_every_primitive_has_a_rule_or_is_nondifferentiable() -> None:
    assert set(RULES) | NONDIFFERENTIABLE == set(PRIMITIVES)
    assert not set(RULES) & NONDIFFERENTIABLE


def test_every_primitive_has_a_spec() -> None:
    assert {spec.primitive for spec in SPECS} == set(PRIMITIVES)


def test_every_rule_is_checked() -> None:
    # The derivative of custom_vjp is the user's own.
    assert {spec.primitive for spec in SPECS if spec.differentiable} == set(RULES) - {"custom_vjp"}


def test_names_are_unique() -> None:
    names = [p.name for family in FAMILIES for p in family.PRIMITIVES]
    assert len(names) == len(set(names))


def test_spec_names_are_unique() -> None:
    names = [str(spec) for spec in SPECS]
    assert sorted(names) == sorted(set(names))
