"""What a form of file lacks, said before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kerasflow.errors import ExportError
from kerasflow.graph import Graph, Node, all_nodes, printable


def refuse(graph: Graph, form: str, lacks: Callable[[Node], Iterable[str]]) -> None:
    """Refuse a graph of whose nodes some need what a form does not have.

    Args:
        form: how the error calls it: "as ONNX". lacks: of a node, what that is.

    Raises:
        ExportError: naming it all, with the layers that it comes from.
    """
    problems = dict.fromkeys(
        f"{what} (in {printable(node.scope)})" if node.scope else what
        for node in all_nodes(graph)
        for what in lacks(node)
    )
    if problems:
        raise ExportError(f"The model cannot be written {form}: it needs {', '.join(problems)}.")
