"""The conformance kit: what every primitive, its derivative and every backend are checked with.

`SPECS` has at least one `OpSpec` for each primitive: operands, parameters,
which operands have a derivative. `check_grads` compares derivatives with
numerical ones, `assert_backends_agree` a backend with NumPy. Authors of backends
run every spec through the latter:

    @pytest.mark.parametrize("spec", kerasflow.testing.SPECS, ids=str)
    def test_spec(spec):
        for dtype in spec.dtypes:
            assert_backends_agree(MyBackend(), spec, dtype)
"""

from kerasflow.testing.agreement import assert_backends_agree, assert_close
from kerasflow.testing.gradients import check_grads, check_spec_grads
from kerasflow.testing.spec import Operand, OpSpec, as_dtype
from kerasflow.testing.table import DETERMINED, SPECS

__all__ = [
    "DETERMINED",
    "SPECS",
    "OpSpec",
    "Operand",
    "as_dtype",
    "assert_backends_agree",
    "assert_close",
    "check_grads",
    "check_spec_grads",
]
