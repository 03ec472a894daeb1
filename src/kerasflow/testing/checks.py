"""All checks that a backend has to pass, as one list."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from kerasflow.compiler import Backend, current_backend
from kerasflow.compiler.compile import check_supported
from kerasflow.errors import UnsupportedPrimitiveError
from kerasflow.primitives import PRIMITIVES
from kerasflow.testing.agreement import assert_backends_agree
from kerasflow.testing.parity import assert_backends_in_parity
from kerasflow.testing.spec import OpSpec
from kerasflow.testing.state import state_checks
from kerasflow.testing.table import SPECS
from kerasflow.testing.training import TOLERANCE, assert_same_curve

Named = Iterator[tuple[str, Callable[[], object]]]


@dataclass(frozen=True)
class Check:
    """Something that a backend has to get right.

    Called, it does nothing if the backend does; `str` gives its name.

    Attributes:
        family: a key of `FAMILIES`.
        what: what it is about, unique in its family.
        run: raises an `AssertionError`, or whatever the backend raises, if the backend fails.
    """

    family: str
    what: str
    run: Callable[[], object]

    def __str__(self) -> str:
        return f"{self.family}/{self.what}"

    def __call__(self) -> None:
        """Check.

        Raises:
            AssertionError: saying what differs.
            unittest.SkipTest: if it needs a primitive that the backend does not claim to have (pytest shows it as
                skipped). Whether the backend says why it lacks that one is a check of its own.
        """
        try:
            self.run()
        except UnsupportedPrimitiveError as error:
            raise unittest.SkipTest(str(error)) from error


def checks(name: str, families: Iterable[str] | None = None, reference: str = "numpy") -> list[Check]:
    """The checks for a backend.

        @pytest.mark.parametrize("check", kerasflow.testing.checks("mine"), ids=str)
        def test_conformance(check):
            check()

    Args:
        name: of its entry point.
        families: which keys of `FAMILIES`; all, in this order, if None.
        reference: the backend that programs of Keras are compared with.

    Raises:
        UnknownBackendError: if there is no such backend.
        ValueError: if there is no such family.
    """
    chosen = list(FAMILIES if families is None else families)
    if unknown := set(chosen) - set(FAMILIES):
        raise ValueError(f"There are no checks {sorted(unknown)}. There are: {', '.join(FAMILIES)}.")
    current_backend(name)
    return [Check(f, what, run) for f in chosen for what, run in FAMILIES[f](name, reference)]


def _interface(name: str, reference: str) -> Named:
    """The attributes."""
    backend = current_backend(name)
    yield "attributes", partial(_assert_attributes, backend)
    yield "what is lacking has a reason", partial(_assert_refused, backend)


def _assert_attributes(backend: Backend) -> None:
    assert isinstance(backend.primitives, frozenset), "`primitives` is not a frozenset"
    unknown = backend.primitives - set(PRIMITIVES)
    assert not unknown, f"`primitives` has names of no primitive: {sorted(unknown)}"


def _assert_refused(backend: Backend) -> None:
    refused = getattr(backend, "refused", {})
    lacking = set(PRIMITIVES) - backend.primitives
    silent = sorted(name for name in lacking if not refused.get(name))
    assert not silent, f"lacks, and gives no reason in `refused`: {', '.join(silent)}"
    assert not set(refused) - lacking, f"`refused`, but there: {sorted(set(refused) - lacking)}"


def _specs(name: str, reference: str) -> Named:
    """Each primitive that the backend claims to have, called in each way and dtype of the table."""
    backend = current_backend(name)
    for spec in SPECS:
        if spec.primitive in backend.primitives:
            yield str(spec), partial(_assert_spec, backend, spec)


def _assert_spec(backend: Backend, spec: OpSpec) -> None:
    for dtype in spec.dtypes:
        check_supported(spec.graph(dtype), backend)  # The primitive is there; are those of its sub-graphs?
        assert_backends_agree(backend, spec, dtype)


def _state(name: str, reference: str) -> Named:
    """State of programs."""
    return state_checks(name)


def _zoo(name: str, reference: str) -> Named:
    """Fifty training steps of each network of the zoo, in single and double precision."""
    from kerasflow.testing.keras_cases.zoo import ARCHITECTURES

    for architecture in ARCHITECTURES:
        for dtype in TOLERANCE:
            what = f"{architecture.__name__} {dtype}"
            yield what, partial(assert_same_curve, architecture, dtype, name, reference)


def _parity(name: str, reference: str) -> Named:
    """Keras's layers, losses, metrics, optimizers, kinds of models."""
    from kerasflow.testing.keras_cases.tables import all_cases

    for case in all_cases().values():
        if not case.large:
            yield str(case), partial(assert_backends_in_parity, case, name, reference)


# In the order in which to look at them: a wrong primitive makes everything after it wrong.
FAMILIES: dict[str, Callable[[str, str], Named]] = {
    "interface": _interface,
    "specs": _specs,
    "state": _state,
    "zoo": _zoo,
    "parity": _parity,
}
