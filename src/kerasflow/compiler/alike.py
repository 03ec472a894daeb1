"""Whether the ranks of a group run the same program on the same state and data, asked when it runs for the first time.

Ranks that differ would train on: each sum would be one of different things, and nobody would see it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow.errors import RankError
from kerasflow.graph import Constant, Graph, all_nodes, format_graph
from kerasflow.groups import Group

# What may differ, and what to do.
_REMEDIES = {
    "program": "Make and compile the same model on every rank, and give batches of the same shapes.",
    "weights": "Make the model after the ranks have joined, or after `keras.utils.set_random_seed` with the same seed "
    "on each; load weights from a file that all of them can read.",
    "data": "Give the same whole data set to every rank, in the same order: each takes its own rows of a batch. What "
    "draws data or their order needs a seed: `np.random.default_rng(0)`, `keras.utils.set_random_seed(0)`.",
}
_DIFFERENT = {"program": "another step to run", "weights": "other weights", "data": "other data"}
_ADDRESS = re.compile(r"0x[0-9a-f]+")


def require_alike(
    group: Group,
    graph: Graph,
    state: Sequence[np.ndarray[Any, Any]],
    inputs: Sequence[Any],
    same_data: bool = True,
) -> None:
    """Compare what the ranks are about to run.

    Args:
        same_data: whether their inputs should be equal too.

    Raises:
        RankError: on every rank, if two of them differ: in what, which rank, and what to do.
    """
    names = [*graph.state_names, *[""] * (len(state) - len(graph.state_names))]
    own = {
        "program": [("", _digest(_text(graph)))],
        "weights": [(name or "one without a name", _digest(x)) for name, x in zip(names, state, strict=True)],
        "data": [(f"input {i}", _digest(np.asarray(x))) for i, x in enumerate(inputs) if same_data],
    }
    found = [json.loads(message) for message in group.exchange(json.dumps(own).encode())]
    for what, remedy in _REMEDIES.items():
        for rank, other in enumerate(found):
            if other[what] != found[0][what]:
                raise RankError(_message(what, rank, found[0][what], other[what], remedy))


def _message(what: str, rank: int, first: list[list[str]], other: list[list[str]], remedy: str) -> str:
    places = [one[0] for one, another in zip(first, other, strict=False) if one != another]
    where = "" if what == "program" else f" ({', '.join(places[:3])}{', …' if len(places) > 3 else ''})"
    return f"Rank {rank} has {_DIFFERENT[what]} than rank 0{where}. {remedy}"


def _text(graph: Graph) -> bytes:
    """All that a graph is, as bytes that are the same in every process."""
    constants = {
        id(v): v
        for node in all_nodes(graph)
        for v in node.inputs
        if isinstance(v, Constant) and v.aval.size > 1
    }
    arrays = "".join(_digest(v.array) for v in constants.values())
    return (_ADDRESS.sub("", format_graph(graph)) + arrays).encode()


def _digest(content: bytes | np.ndarray[Any, Any]) -> str:
    if isinstance(content, np.ndarray):
        content = f"{content.dtype} {content.shape}".encode() + np.ascontiguousarray(content).tobytes()
    return hashlib.blake2b(content, digest_size=8).hexdigest()
