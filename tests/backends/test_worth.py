"""Which programs are worth several processes: an estimate of their work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import aval, graph_of

from kerasflow.passes import optimize
from kerasflow.testing import SPECS, OpSpec
from kerasflow.tracing import apply
from kerasflow_numpy import NumpyBackend
from kerasflow_numpy.plan import worth


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_there_is_an_estimate_for_everything(spec: OpSpec) -> None:
    assert 0 <= worth.seconds(spec.graph(spec.dtypes[0])) < 1


def products(function: Any, *avals: Any) -> int:
    """The multiplications of a function's products."""
    return sum(map(worth._products, optimize(graph_of(function, *avals)).nodes))


def test_products_are_counted() -> None:
    image, kernel = aval(2, 9, 9, 3), aval(3, 3, 3, 5)
    sizes = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    every = 2 * 7 * 7 * 5 * 3 * 3 * 3
    assert products(lambda x, y: x @ y, aval(4, 5), aval(5, 6)) == 4 * 5 * 6
    assert (
        products(lambda x, y: np.einsum("bij,bjk->bik", x, y), aval(2, 3, 4), aval(2, 4, 5)) == 2 * 3 * 4 * 5
    )
    assert products(lambda x, k: apply("convolution", x, k, **sizes), image, kernel) == every


def test_more_work_is_more() -> None:
    def layer(x: Any, w: Any) -> Any:
        return np.tanh(x @ w)

    small, large = (optimize(graph_of(layer, aval(n, 64), aval(64, 64))) for n in (8, 8000))
    assert 100 * worth.seconds(small) < worth.seconds(large)


def test_one_core_is_one_process() -> None:
    large = optimize(graph_of(lambda x, w: x @ w, aval(8000, 640), aval(640, 640)))
    assert worth.seconds(large) > worth.LEAST_SECONDS
    assert NumpyBackend(processes=1).ranks(large) == 1
    assert NumpyBackend(processes=2, exact=True).ranks(large) == 1
    assert NumpyBackend(processes=7).ranks(large) == 1, "nothing is trained, and there is no team"
