"""The conformance kit: what every primitive, its derivative and every backend are checked with.

`checks` lists all that a backend, found by its entry point, has to pass:

    @pytest.mark.parametrize("check", kerasflow.testing.checks("mine"), ids=str)
    def test_conformance(check):
        check()

`SPECS` has at least one `OpSpec` for each primitive: operands, parameters,
which operands have a derivative. `assert_backends_agree` compares a backend
with NumPy on one, `check_grads` derivatives with numerical ones. Programs of
Keras (`keras_cases`) are imported when they are asked for.
Open `checks` first.
"""

from kerasflow.testing.agreement import assert_backends_agree, assert_close
from kerasflow.testing.checks import FAMILIES, Check, checks
from kerasflow.testing.gradients import check_grads, check_spec_grads
from kerasflow.testing.spec import Operand, OpSpec, as_dtype
from kerasflow.testing.table import DETERMINED, SPECS

__all__ = [
    "DETERMINED",
    "FAMILIES",
    "SPECS",
    "Check",
    "OpSpec",
    "Operand",
    "as_dtype",
    "assert_backends_agree",
    "assert_close",
    "check_grads",
    "check_spec_grads",
    "checks",
]
