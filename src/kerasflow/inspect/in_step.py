"""Two backends in step: every operation runs on both, and the first one whose results differ is an error.

`InStep` is a backend. Its programs run a graph node by node, each node as a program of its own on either backend, on
the same operands: the results of the first backend, the reference, go on to the next node, so that differences do
not add up. What a backend makes of several nodes together (fused updates, blocks) is not seen here, but by
`kerasflow compare`, which compares whole trainings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import ml_dtypes
import numpy as np

from kerasflow.compiler import Backend, Program, current_backend, running_on
from kerasflow.compiler.alone import alone, kind_of
from kerasflow.compiler.block import block
from kerasflow.errors import BackendDisagreement
from kerasflow.graph import Graph, Node, evaluate, format_params, printable, shaped
from kerasflow.testing import DETERMINED

Array = np.ndarray[Any, Any]

# How much results of a dtype may differ, relative to the largest number of the result. Other dtypes are exact.
TOLERANCE = {
    "float16": 1e-2,
    "bfloat16": 5e-2,
    "float32": 1e-4,
    "float64": 1e-10,
    "complex64": 1e-4,
    "complex128": 1e-10,
    "float8_e4m3fn": 0.25,
    "float8_e5m2": 0.25,
}

# How often it is tried what the operands' last bits do to the results, and by how many units they change at most.
# Terms that cancel still cancel if they change alike: it takes several tries, of several sizes.
_PROBES, _UNITS = 8, 4


@block
def debug_backends(reference: str, other: str, *, tolerance: float | None = None) -> Iterator[InStep]:
    """Run every program of a block on two backends in step, and stop where they differ.

    `fit`, `evaluate`, `predict`, `jit` and their kin inside the block compute what they compute on the reference,
    many times slower. What is not compiled is not compared (`run_eagerly=True`, a tape outside of a program), nor is
    a model that is bound to a backend of its own.

    Args:
        reference: the name of the backend whose results are used.
        other: the name of the backend that is compared with it.
        tolerance: by how much floating-point results may differ, relative to the largest number of the result; None
            for a tolerance by dtype, 1e-4 for float32. A result that the last bits of the operands change by more may
            differ by more. Integers and booleans have to be equal.

    Yields:
        The backend that runs both; `compared` counts the operations that it has compared.

    Raises:
        BackendDisagreement: naming the operation, the layer, the place and the values.
        UnknownBackendError: listing the available names, or naming what is to be installed.
    """
    both = InStep(current_backend(reference), current_backend(other), tolerance)
    with running_on(both):
        yield both


@dataclass(frozen=True)
class _Pair:
    """A node as a program on either backend.

    Attributes:
        positions: which of the node's operands the programs are given; the others are constants, or given already.
        node: the node of the programs' graph; keeps the constants that it was found by.
    """

    reference: Program
    other: Program
    positions: list[int]
    node: Node


class InStep:
    """A backend that runs each operation on two others and compares the results.

    Args:
        reference: its results are used. other: is compared with it.
        tolerance: relative, of floating-point results; None for `TOLERANCE`.

    Attributes:
        programs, compared: how many programs have been compiled, how many operations compared.
    """

    def __init__(self, reference: Backend, other: Backend, tolerance: float | None = None) -> None:
        self.reference = reference
        self.other = other
        self.tolerance = tolerance
        self.name = f"{reference.name}+{other.name}"
        self.primitives = reference.primitives & other.primitives
        self.refused = {**getattr(reference, "refused", {}), **getattr(other, "refused", {})}
        self.programs = 0
        self.compared = 0
        self._pairs: dict[Hashable, _Pair] = {}

    def compile(self, graph: Graph) -> Program:
        """The graph as a program that stops at the first disagreement; its state are NumPy arrays."""
        self.programs += 1

        def program(state: Sequence[Array], inputs: Sequence[Array]) -> tuple[list[Array], list[Array]]:
            outputs, now = evaluate(graph, state, inputs, self._apply)
            changes = zip(graph.state_inputs, graph.state_outputs, state, now, strict=True)
            return [np.array(x) for x in outputs], [
                old if before is after else np.array(new) for before, after, old, new in changes
            ]

        return program

    def from_host(self, array: Array) -> Array:
        """A copy."""
        return np.array(array)

    def to_host(self, buffer: Array) -> Array:
        """The array itself."""
        return buffer

    def _apply(self, node: Node, operands: Sequence[Array], inside: tuple[str, ...] = ()) -> list[Array]:
        """The reference's results of a node.

        Args:
            inside: in which conditionals and loops it is, in words.

        Raises:
            BackendDisagreement: the other backend's results differ.
        """
        pair = self._pair(node)
        given = [operands[i] for i in pair.positions]
        results = [np.asarray(x) for x in pair.reference([], given)[0]]
        others = [np.asarray(x) for x in pair.other([], given)[0]]
        self.compared += 1
        for a, b in zip(results, others, strict=True):
            if shaped(a) != shaped(b):
                self._fail(node, inside, f"gives {shaped(a)}", f"gives {shaped(b)}")
        wanted, found = _compared(node, results), _compared(node, others)
        excess = [_distance(a, b) - self._limit(node, a) for a, b in zip(wanted, found, strict=True)]
        if any(np.any(e > 0) for e in excess):
            if node.subgraphs:
                self._look_inside(node, operands, inside)
            # What the last bits of the operands bring about is rounding, and no disagreement.
            for i, noise in enumerate(_noise(node, pair.reference, given, wanted)):
                resolutions = self._resolutions(node, wanted[i])
                if resolutions:
                    finite = np.isfinite(noise)
                    excess[i] = np.where(finite, excess[i] - resolutions * np.where(finite, noise, 0.0), 0.0)
                if np.any(excess[i] > 0):
                    self._fail_at(node, inside, operands, i, wanted[i], found[i], excess[i])
        return results

    def _pair(self, node: Node) -> _Pair:
        """The node as a program of its own on both backends."""
        key = kind_of(node)
        known = self._pairs.get(key)
        if known is None:
            graph, positions = alone(node)
            known = _Pair(self.reference.compile(graph), self.other.compile(graph), positions, node)
            self._pairs[key] = known
        return known

    def _look_inside(self, node: Node, operands: Sequence[Array], inside: tuple[str, ...]) -> None:
        """Run the sub-graphs of a node node by node too."""
        runs: Counter[Graph] = Counter()

        def run(graph: Graph, given: Sequence[Array]) -> list[Array]:
            runs[graph] += 1
            here = f"`{node.primitive.name}`{_layer(node)}, round {runs[graph]}"
            return evaluate(graph, [], given, partial(self._apply, inside=(*inside, here)))[0]

        node.primitive.evaluate(*operands, **node.params, run=run)

    def _tolerance(self, node: Node, result: Array) -> float:
        """The relative tolerance for a result of a node; 0 for one that has to be exact."""
        standard = TOLERANCE.get(_dtype(node, result).name, 0.0)
        return self.tolerance if self.tolerance is not None and standard else standard

    def _limit(self, node: Node, result: Array) -> float:
        """By how much elements of a result may differ. Numbers that some hardware takes for 0 are no difference."""
        if result.dtype.name not in TOLERANCE:
            return 0.0
        largest = np.max(np.abs(_wide(result)), initial=0.0, where=np.isfinite(_wide(result)))
        return self._tolerance(node, result) * float(largest) + float(ml_dtypes.finfo(result.dtype).tiny)

    def _resolutions(self, node: Node, result: Array) -> float:
        """The tolerance in units of the dtype's resolution."""
        tolerance = self._tolerance(node, result)
        return tolerance / float(ml_dtypes.finfo(_dtype(node, result)).eps) if tolerance else 0.0

    def _fail_at(
        self,
        node: Node,
        inside: tuple[str, ...],
        operands: Sequence[Array],
        i: int,
        wanted: Array,
        found: Array,
        excess: Array,
    ) -> NoReturn:
        """Raise for the i-th result, where the difference exceeds what is allowed most."""
        place = np.unravel_index(np.argmax(excess), excess.shape)
        # Of decompositions, what is made of the results is compared.
        what = "quantity" if node.primitive.name in DETERMINED else "result"
        self._fail(
            node,
            inside,
            f"has {wanted[place]}",
            f"has {found[place]}",
            f"at {[int(n) for n in place]} of {what} {i}, the largest of {np.count_nonzero(excess > 0)} differences "
            f"(tolerance {self._tolerance(node, wanted):g})",
            f"operands: {_operands_at(node, operands, place)}",
        )

    def _fail(self, node: Node, inside: tuple[str, ...], ours: str, theirs: str, *more: str) -> NoReturn:
        call = ", ".join([*(str(v.aval) for v in node.inputs), *format_params(node.params)])
        results = ", ".join(str(v.aval) for v in node.outputs)
        lines = [
            f"The backends differ at `{node.primitive.name}`{_layer(node)}:",
            f"{results} = {node.primitive.name}({call})",
            *(f"inside {where}" for where in inside),
            f"{self.reference.name} {ours}, {self.other.name} {theirs}",
            *more,
        ]
        raise BackendDisagreement("\n    ".join(lines), node.primitive.name, node.scope)


def _layer(node: Node) -> str:
    return f" in {printable(node.scope)}" if node.scope else ""


def _compared(node: Node, results: list[Array]) -> list[Array]:
    """What both backends have to agree on."""
    determined = DETERMINED.get(node.primitive.name)
    return results if determined is None else [np.asarray(x) for x in determined(*results)]


def _dtype(node: Node, result: Array) -> np.dtype[Any]:
    """In which dtype a result was computed: its own, or of a node with sub-graphs the coarsest inside."""
    return (
        max(_dtypes(node), key=lambda dtype: TOLERANCE.get(dtype.name, 0.0))
        if node.subgraphs
        else result.dtype
    )


def _dtypes(node: Node) -> Iterator[np.dtype[Any]]:
    yield from (value.aval.dtype for value in (*node.inputs, *node.outputs))
    for graph in node.subgraphs:
        for inner in graph.nodes:
            yield from _dtypes(inner)


def _wide(x: Array) -> Array:
    """Numbers in double precision; what is no floating-point number as it is."""
    if x.dtype.name not in TOLERANCE:
        return x
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def _distance(a: Array, b: Array) -> Array:
    """How far each element of one array is from the other's, float64; 1 between different integers or booleans."""
    if a.dtype.name not in TOLERANCE:
        return np.asarray(a != b, np.float64)
    a, b = _wide(a), _wide(b)
    with np.errstate(all="ignore"):
        distance = np.abs(a - b)
    distance = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, distance)
    return np.where(np.isnan(distance), np.inf, distance)


def _noise(node: Node, program: Program, operands: Sequence[Array], results: list[Array]) -> list[Array]:
    """How far each element of the results moves, at most, when the operands' last bits change at random."""
    rng = np.random.default_rng(0)
    noise = [np.zeros(x.shape) for x in results]
    for _ in range(_PROBES):
        moved = _compared(node, [np.asarray(x) for x in program([], [nudged(x, rng) for x in operands])[0]])
        noise = [np.maximum(n, _distance(a, b)) for n, a, b in zip(noise, moved, results, strict=True)]
    return noise


def nudged(x: Array, rng: np.random.Generator) -> Array:
    """Each number, but for zeros, changed by some units of its last place, and of what hardware may take for 0.

    What is no floating-point number stays as it is.
    """
    if x.dtype.name not in TOLERANCE:
        return x
    info = ml_dtypes.finfo(x.dtype)
    units = rng.integers(1, _UNITS + 1, x.shape) * rng.choice([-1, 1], x.shape)
    moved = _wide(x) * (1 + units * float(info.eps)) + units * float(info.tiny)
    with np.errstate(all="ignore"):
        return np.where(x == 0, x, moved.astype(x.dtype))


def _operands_at(node: Node, operands: Sequence[Array], place: Sequence[Any]) -> str:
    """The operands of one element of an element-by-element result; else short ones whole, of long ones the range."""
    if node.primitive.elementwise:
        shape = node.outputs[0].aval.shape
        return ", ".join(str(np.broadcast_to(x, shape)[tuple(place)]) for x in operands)
    return ", ".join(map(_summary, operands))


def _summary(x: Array) -> str:
    if x.size <= 8:
        return str(x.tolist())
    if x.dtype.kind in "cb" or not x.size:
        return str(shaped(x))
    return f"{shaped(x)} from {np.min(x)} to {np.max(x)}"
