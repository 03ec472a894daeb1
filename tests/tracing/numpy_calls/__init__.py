"""NumPy calls to try on traced arrays: expressions over the named operands of `operands()`.

`EXACT` are computed by the same NumPy function in the graph, or by moving
elements: bit for bit the same. `CLOSE` are decomposed into several: the last
digits may differ. What NumPy does with the arguments is that of its current
version. bfloat16 beside Python numbers is not here: it is weaker than in NumPy
(see `test_weak_scalars.py`).
"""

from __future__ import annotations

from numpy_calls import algebra, elements, products, rearranging, reductions, sequences
from numpy_calls.operands import operands

EXACT = elements.EXACT + reductions.EXACT + rearranging.EXACT + products.EXACT + algebra.EXACT
CLOSE = reductions.CLOSE + products.CLOSE + sequences.CLOSE + algebra.CLOSE

__all__ = ["CLOSE", "EXACT", "operands"]
