"""Updates that ranks share out: of a gradient each rank needs the sum of its own share alone.

Where all ranks have the same state in shared memory, a fused update (`fusion`) is done in shares, one a rank. A
gradient that nothing else reads is then not added up by every rank: each lays its term where the others see it, and
each adds up the share that it updates.
"""

from __future__ import annotations

from kerasflow.graph import Graph, Node, Value, users
from kerasflow_numpy.plan.fusion import find_groups, ranks_sum


def share_sums(graph: Graph) -> Graph:
    """The graph with the sums that fused updates alone need in these updates."""
    chosen = _candidates(graph)
    while chosen:
        made, sums = _with_sums(graph, chosen)
        fused = {node for group in find_groups(made, shared=True) for node in group.nodes}
        kept = {v: term for v, term in chosen.items() if sums[v].node in fused}
        if len(kept) == len(chosen):
            return made
        chosen = kept
    return graph


def _candidates(graph: Graph) -> dict[Value, Value]:
    """Results of meetings that may be summed in shares, and their terms, which nothing else reads."""
    used_by, results = users(graph), set(graph.results)
    return {
        v: term
        for node in graph.nodes
        if node.primitive.name == "all_reduce"
        for v, term in zip(node.outputs, node.inputs, strict=True)
        if v.aval.dtype.char in "fd"
        and v not in results
        and term.node is not None
        and term not in results
        and used_by[term] == [node]
        and node.inputs.count(term) == 1
    }


def _with_sums(graph: Graph, chosen: dict[Value, Value]) -> tuple[Graph, dict[Value, Value]]:
    """The graph in which these results of meetings are sums of ranks, and what they are now."""
    env: dict[Value, Value] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        inputs = [env.get(v, v) for v in node.inputs]
        outputs = list(node.outputs)
        if not chosen.keys().isdisjoint(outputs):
            for v in outputs:
                if v in chosen:
                    term = env.get(chosen[v], chosen[v])
                    nodes.append(Node(ranks_sum, [term], {}, [v.aval], node.scope))
                    env[v] = nodes[-1].outputs[0]
            inputs = [x for x, v in zip(inputs, outputs, strict=True) if v not in chosen]
            outputs = [v for v in outputs if v not in chosen]
        if not outputs:
            continue
        new = Node(node.primitive, inputs, node.params, [v.aval for v in outputs], node.scope)
        nodes.append(new)
        env.update(zip(outputs, new.outputs, strict=True))
    made = Graph(
        graph.inputs,
        nodes,
        [env.get(v, v) for v in graph.outputs],
        graph.state_inputs,
        [env.get(v, v) for v in graph.state_outputs],
        graph.state_names,
    )
    return made, {v: env[v] for v in chosen}
