"""From a recorded graph to a program: passes, the check that the backend can run it, the backend's compiler."""

from __future__ import annotations

from typing import Any

from kerasflow._settings import settings
from kerasflow.compiler.backend import Backend, Program
from kerasflow.compiler.ranks import locally, shared
from kerasflow.errors import UnsupportedPrimitiveError
from kerasflow.graph import Graph, Node, all_nodes, format_origins, verify
from kerasflow.groups import Group, rows
from kerasflow.passes import optimize, update_rows
from kerasflow.primitives.foreign import foreign_function
from kerasflow.primitives.indexing import collect_rows


def check_supported(graph: Graph, backend: Backend) -> None:
    """Refuse a graph that needs what the backend lacks, in itself or in its sub-graphs, before anything runs.

    Raises:
        UnsupportedPrimitiveError: naming the primitives, where they come from, and the backend.
    """
    missing = [node for node in all_nodes(graph) if not _has(backend, node)]
    if missing:
        refused = getattr(backend, "refused", {})
        names = [node.primitive.name for node in missing]
        reasons = dict.fromkeys(refused[name] for name in names if name in refused)
        raise UnsupportedPrimitiveError(
            " ".join([f"The backend {backend.name!r} does not support {format_origins(missing)}.", *reasons])
        )


def _has(backend: Backend, node: Node) -> bool:
    if node.primitive is foreign_function:
        recorded: str = node.params["function"].framework
        return hasattr(backend, "record") and recorded == getattr(backend, "framework", None)
    return node.primitive.name in backend.primitives


def compile_graph(
    graph: Graph,
    backend: Backend,
    group: Group | None = None,
    given: tuple[int, ...] | None = None,
    samples: int | None = None,
    **options: Any,
) -> tuple[Graph, Program]:
    """Optimize and compile; the optimized graph, of the whole batch, and its program.

    Processes that share a step out update their shares of whole tables; one that computes it alone, or a rank that has
    state of its own, updates the rows that are looked up.

    Args:
        group: shares the batch out. given: for each of its ranks how many rows it is given; None for whole batches.
        samples: how many there are, if the first input does not tell.
        options: keyword arguments that the backend's `compile` knows.
    """
    graph = optimize(graph, check=settings.verify)
    check_supported(graph, backend)
    alone = update_rows(graph) if collect_rows.name in backend.primitives else graph
    if alone is not graph and settings.verify:
        verify(alone, update_rows.__name__)
    if group is not None:
        return alone, program_of(alone, backend, group, given, samples, **options)
    program = locally(graph, backend, _samples(graph, samples), alone)
    return (graph, program) if program is not None else (alone, backend.compile(alone, **options))


def program_of(
    graph: Graph,
    backend: Backend,
    group: Group | None = None,
    given: tuple[int, ...] | None = None,
    samples: int | None = None,
    **options: Any,
) -> Program:
    """The program of an optimized graph: of this process alone, or of one rank of several; see `compile_graph`."""
    samples = _samples(graph, samples)
    if group is None:
        program = locally(graph, backend, samples)
    else:
        program = shared(graph, backend, group, given or rows(samples, group.size), given is None, **options)
    return program or backend.compile(graph, **options)


def _samples(graph: Graph, known: int | None) -> int:
    return next((v.aval.shape[0] for v in graph.inputs if v.aval.ndim), 0) if known is None else known
