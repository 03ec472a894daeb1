"""Where the boxes of a directed graph go: in layers, each box below those that lead to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import pairwise

# How often the order within layers, and the places, are improved.
_SWEEPS = 12

Edge = tuple[Hashable, Hashable]


def layered(
    widths: dict[Hashable, float], edges: Sequence[Edge], gap: float = 0.3
) -> tuple[dict[Hashable, tuple[float, int]], dict[Edge, list[tuple[float, int]]]]:
    """Places of boxes, and the ways of the edges.

    Args:
        widths: of each box, in an order in which edges lead forwards; what leads backwards does not count.
        edges: pairs of boxes. gap: between two boxes.

    Returns:
        For each box the middle and the number of its layer, from 0; for each edge the points that it goes through.
    """
    number = {box: i for i, box in enumerate(widths)}
    forward = [edge for edge in dict.fromkeys(edges) if number[edge[0]] < number[edge[1]]]
    rank = _ranks(list(widths), forward)
    # A long edge goes through a point in every layer that it crosses.
    chains: dict[Edge, list[Hashable]] = {}
    widths = dict(widths)
    for edge in forward:
        points: list[Hashable] = [(edge, r) for r in range(rank[edge[0]] + 1, rank[edge[1]])]
        widths.update(dict.fromkeys(points, 0.0))
        rank.update({(edge, r): r for r in range(rank[edge[0]] + 1, rank[edge[1]])})
        chains[edge] = [edge[0], *points, edge[1]]
    above: dict[Hashable, list[Hashable]] = defaultdict(list)
    below: dict[Hashable, list[Hashable]] = defaultdict(list)
    for chain in chains.values():
        for a, b in pairwise(chain):
            above[b].append(a)
            below[a].append(b)
    layers: list[list[Hashable]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for box in widths:
        layers[rank[box]].append(box)
    x = {box: float(i) for layer in layers for i, box in enumerate(layer)}
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        neighbours = above if down else below
        for layer in layers if down else layers[::-1]:
            wanted = {box: _mean([x[n] for n in neighbours[box]], x[box]) for box in layer}
            layer.sort(key=wanted.__getitem__)
            x.update(_spread(layer, wanted, widths, gap))
    for layer in layers:
        both = {box: _mean([x[n] for n in above[box] + below[box]], x[box]) for box in layer}
        x.update(_spread(layer, both, widths, gap))
    return (
        {box: (x[box], rank[box]) for box in number},
        {edge: [(x[p], rank[p]) for p in chain] for edge, chain in chains.items()},
    )


def _ranks(boxes: Sequence[Hashable], edges: Sequence[Edge]) -> dict[Hashable, int]:
    """The layer of each box: below all that lead to it; where nothing leads to it, just above the first below it."""
    before: dict[Hashable, list[Hashable]] = defaultdict(list)
    after: dict[Hashable, list[Hashable]] = defaultdict(list)
    for a, b in edges:
        before[b].append(a)
        after[a].append(b)
    rank: dict[Hashable, int] = {}
    for box in boxes:
        rank[box] = max((rank[a] + 1 for a in before[box]), default=0)
    for box in boxes:
        if not before[box] and after[box]:
            rank[box] = min(rank[b] for b in after[box]) - 1
    return rank


def _mean(numbers: Sequence[float], otherwise: float) -> float:
    return sum(numbers) / len(numbers) if numbers else otherwise


def _spread(
    layer: Sequence[Hashable], wanted: dict[Hashable, float], widths: dict[Hashable, float], gap: float
) -> dict[Hashable, float]:
    """Middles as near to the wanted ones as the boxes' widths allow, in this order."""
    # Boxes that push each other are a block, which lies where its boxes want it on average. Of each block: offsets of
    # the middles, the width, where the left edge is.
    blocks: list[tuple[list[float], float, float]] = []
    for box in layer:
        offsets, width = [widths[box] / 2], widths[box] + gap
        left = wanted[box] - offsets[0]
        block = (offsets, width, left)
        while blocks and blocks[-1][2] + blocks[-1][1] > block[2]:
            head = blocks.pop()
            n, m = len(head[0]), len(block[0])
            joined = head[0] + [head[1] + offset for offset in block[0]]
            left = (n * head[2] + m * (block[2] - head[1])) / (n + m)
            block = (joined, head[1] + block[1], left)
        blocks.append(block)
    middles = [left + offset for offsets, _, left in blocks for offset in offsets]
    return dict(zip(layer, middles, strict=True))
