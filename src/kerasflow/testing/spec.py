"""Descriptions of calls of primitives, from which tests make operands and graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np

from kerasflow.graph import Graph, Node, Value, infer, shaped
from kerasflow.primitives import PRIMITIVES
from kerasflow.tracing import apply

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("int32", "int64", "uint8")
NUMBERS = FLOATS + INTEGERS
ALL = NUMBERS + ("bool",)
COMPLEX = ("complex64", "complex128")


def as_dtype(name: str) -> np.dtype[Any]:
    """A dtype from its name, bfloat16 included."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


@dataclass(frozen=True)
class Operand:
    """How to make one operand.

    Args:
        shape: its shape.
        low: numbers (the real parts of complex ones) are drawn from here on.
        high: up to here.
        dtype: a dtype of its own; None for the dtype that the spec is tried with.
        values: these numbers instead of random ones, in a nested tuple.
    """

    shape: tuple[int, ...] = ()
    low: float = -2.0
    high: float = 2.0
    dtype: str | None = None
    values: Any = None

    def __str__(self) -> str:
        shown = "x".join(map(str, self.shape)) or "()" if self.values is None else str(self.values)
        return f"{shown}:{self.dtype}" if self.dtype else shown

    def array(self, dtype: str, rng: np.random.Generator, offset: float) -> np.ndarray[Any, Any]:
        """A new array of this description.

        Args:
            dtype: the spec's dtype, used unless the operand has its own.
            offset: a number between 0 and 1, different for each operand of a spec: random floats keep a distance
                from one another, so that no maximum is a tie and no difference quotient steps over a kink.
        """
        kind = as_dtype(self.dtype or dtype)
        if self.values is not None:
            return np.array(self.values).astype(kind)
        size = int(np.prod(self.shape, dtype=np.int64))
        if kind.kind == "b":
            return rng.integers(0, 2, self.shape).astype(kind)
        if kind.kind in "iu":
            low = max(self.low, 0) if kind.kind == "u" else self.low
            return rng.integers(int(np.ceil(low)), int(np.floor(self.high)) + 1, self.shape).astype(kind)
        grid = self.low + (self.high - self.low) * (np.arange(size) + offset) / max(size, 1)
        numbers = rng.permutation(grid)
        if kind.kind == "c":  # The imaginary parts lie around 0.
            numbers = numbers + 1j * rng.permutation(grid - (self.low + self.high) / 2)
        return numbers.reshape(self.shape).astype(kind)


@dataclass(frozen=True, eq=False)
class OpSpec:
    """One way to call one primitive.

    Args:
        primitive: its name.
        operands: how to make its operands.
        params: its parameters, or a function from the dtype (a name) to them.
        dtypes: the names of the dtypes that it is tried with.
        differentiable: the positions of the operands that have a derivative, which is not zero everywhere.
        order: derivatives are right up to this order.
        complex_step: the primitive is an analytic function that NumPy computes for complex numbers.
        tolerance: relative error allowed between its derivative and a numerical one, in double precision.
        backend_tolerance: relative error allowed to a backend, in units of the dtype's resolution; 0 for "exactly".
        prepare: makes the operands of the call from arrays that are drawn (a positive definite matrix from any, say),
            in NumPy. Derivatives are checked with respect to the arrays that are drawn.
        determined: makes of the results what every backend must agree on, where the results themselves are one choice
            among several (the signs of eigenvectors, say).
    """

    primitive: str
    operands: tuple[Operand, ...]
    params: Mapping[str, Any] | Callable[[str], Mapping[str, Any]] = field(default_factory=dict)
    dtypes: tuple[str, ...] = FLOATS
    differentiable: tuple[int, ...] = ()
    order: int = 2
    complex_step: bool = False
    tolerance: float = 1e-6
    backend_tolerance: float = 8.0
    prepare: Callable[..., Sequence[Any]] | None = None
    determined: Callable[..., Sequence[Any]] | None = None

    def __str__(self) -> str:
        params = {} if callable(self.params) else self.params
        listed = [f"{key}={getattr(value, '__name__', value)}" for key, value in params.items()]
        kind = ["complex"] if set(self.dtypes) <= set(COMPLEX) else []
        kind += ["double"] if self.dtypes == ("float64",) else []
        name = "-".join([self.primitive, *kind, f"({','.join(map(str, self.operands))})", *listed])
        return name.replace(" ", "")

    def drawn(self, dtype: str, seed: int = 0) -> list[np.ndarray[Any, Any]]:
        """What the operands are made from, new arrays; the same for the same seed."""
        rng = np.random.default_rng(seed)
        return [o.array(dtype, rng, 0.37 * (i + 1) % 1) for i, o in enumerate(self.operands)]

    def arrays(self, dtype: str, seed: int = 0) -> list[np.ndarray[Any, Any]]:
        """Operands for one call, new arrays; the same for the same seed."""
        drawn = self.drawn(dtype, seed)
        return drawn if self.prepare is None else list(self.prepare(*drawn))

    def parameters(self, dtype: str) -> dict[str, Any]:
        """The parameters of the call."""
        return dict(self.params(dtype) if callable(self.params) else self.params)

    def function(self, dtype: str) -> Callable[..., Any]:
        """The call as a function of the operands (arrays or traced arrays)."""
        params = self.parameters(dtype)
        return lambda *operands: apply(self.primitive, *operands, **params)

    def graph(self, dtype: str) -> Graph:
        """The call as a graph from the operands to the results."""
        primitive, params = PRIMITIVES[self.primitive], self.parameters(dtype)
        inputs = [Value(shaped(x)) for x in self.arrays(dtype)]
        node = Node(primitive, inputs, params, infer(primitive, [v.aval for v in inputs], params))
        return Graph(inputs, [node], list(node.outputs))
