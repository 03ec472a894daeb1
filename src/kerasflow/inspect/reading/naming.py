"""What the arrays of a program are called, when one reads it: after layers, variables, and what is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kerasflow.graph import Graph, Node, Value, endings, identifier, split_scope, users
from kerasflow.inspect.reading.sections import GRADIENTS, LOSS, METRICS, UPDATE

# What the result of an operation is, where the operation's own name is no noun.
_RESULTS = {
    "add": "total",
    "subtract": "difference",
    "multiply": "product",
    "matmul": "product",
    "einsum": "product",
    "divide": "ratio",
    "reciprocal": "inverse",
    "negative": "negated",
    "square": "squares",
    "sqrt": "root",
    "absolute": "size",
    "where": "chosen",
    "clip": "clipped",
    "maximum": "larger",
    "minimum": "smaller",
    "reshape": "reshaped",
    "transpose": "transposed",
    "getitem": "part",
    "gather": "taken",
    "concatenate": "joined",
    "broadcast_to": "repeated",
    "pad": "padded",
    "sort": "sorted",
    "scan": "steps",
    "while_loop": "last",
    "switch": "branch",
    "random_bits": "bits",
    **dict.fromkeys(
        "equal not_equal less less_equal greater greater_equal logical_and logical_or logical_not isfinite isnan isinf "
        "signbit".split(),
        "mask",
    ),
}


def state_wishes(names: Sequence[str]) -> list[str]:
    """A name for each part of the state, from its path: the layer and the variable, and more where two are alike.

    What an optimizer keeps for a variable is called after that: `adam/model_dense_kernel_momentum` is
    `dense_kernel_momentum`.
    """
    whole = {name.replace("/", "_"): name for name in names}
    owners: dict[str, tuple[str, str]] = {}
    for name in names:
        _, _, tail = name.rpartition("/")
        found = [
            variable for variable in whole if tail.startswith(f"{variable}_") and whole[variable] != name
        ]
        if found:
            variable = max(found, key=len)
            owners[name] = whole[variable], tail[len(variable) + 1 :]
    plain = [name for name in names if name not in owners]
    short = dict(zip(plain, endings(plain), strict=True))
    return [short[name] if name in short else _owned(name, owners, short) for name in names]


def _owned(name: str, owners: Mapping[str, tuple[str, str]], short: Mapping[str, str]) -> str:
    variable, slot = owners[name]
    return f"{short.get(variable, variable.replace('/', '_'))}_{slot}"


class Naming:
    """Names for the results of a graph's nodes.

    Args:
        inputs, state, outputs: a name for each of the graph's. sections: each node's.
    """

    def __init__(
        self,
        graph: Graph,
        inputs: Sequence[str],
        state: Sequence[str],
        outputs: Sequence[str],
        sections: Mapping[Node, str],
    ) -> None:
        self.sections = sections
        self.users = users(graph)
        self.results = set(graph.results)
        self.known: dict[Value, str] = dict(zip(graph.inputs, inputs, strict=True))
        self.known.update(zip(graph.state_inputs, state, strict=True))
        for i, now in graph.changes.items():
            self.known.setdefault(now, f"new_{state[i]}")
        for value, name in zip(graph.outputs, outputs, strict=True):
            if value.node is not None and sections.get(value.node) == METRICS:
                self.known.setdefault(value, f"metric_{name}")
        self._name_gradients(graph, state)

    def __call__(self, node: Node, value: Value) -> str:
        """The name that a node's result should have."""
        if value not in self.known:
            self.known[value] = self._named(node, value)
        return self.known[value]

    def _named(self, node: Node, value: Value) -> str:
        layer, gradient = split_scope(node.scope)
        name = "loss" if layer.startswith("compile_loss/") else layer.split("/")[-1]
        if node.primitive.name == "astype":
            of = self.known.get(node.inputs[0], name).removeprefix("new_")
            return "_".join(filter(None, [of, node.params["dtype"].name]))
        readers = [user for user in self.users[value] if split_scope(user.scope) != (layer, gradient)]
        if gradient:
            # What the derivative of another layer begins with is the gradient of what that gave.
            others = {split_scope(user.scope) for user in readers}
            if len(others) == 1 and all(also and other for other, also in others):
                return f"grad_{others.pop()[0].split('/')[-1]}"
            return "_".join(filter(None, ["grad", name, self._result(node)]))
        if self.sections.get(node) == LOSS and (value in self.results or readers) and not value.aval.shape:
            return "loss"
        forward = any(not split_scope(user.scope)[1] for user in readers)
        if name and (forward or value in self.results) and self.sections.get(node) != UPDATE:
            return name
        return "_".join(filter(None, [name, self._result(node)]))

    @staticmethod
    def _result(node: Node) -> str:
        return _RESULTS.get(node.primitive.name, node.primitive.name)

    def _name_gradients(self, graph: Graph, state: Sequence[str]) -> None:
        """What leads to a variable's new value, from the gradient on: values of its shape."""
        for i, now in graph.changes.items():
            aval = graph.state_inputs[i].aval
            found: set[Value] = set()
            seen: set[Value] = set()
            ways = [now]
            while ways:
                value = ways.pop()
                node = value.node
                if value in seen or node is None or value.aval.shape != aval.shape or not aval.shape:
                    continue
                seen.add(value)
                if self.sections.get(node) == GRADIENTS:
                    found.add(value)
                elif self.sections.get(node) == UPDATE:
                    ways.extend(node.inputs)
                    self.known.setdefault(value, f"{state[i]}_step")
            if len(found) == 1 and not found & self.known.keys():
                self.known[found.pop()] = f"grad_{state[i]}"


def input_names(paths: Sequence[tuple[object, ...]], parameters: Sequence[str]) -> list[str]:
    """A name for each array that a function is given.

    Args:
        paths: where each is among `(args, kwargs)`. parameters: the function's own names for its arguments.
    """
    names = []
    for kind, first, *rest in paths:
        if kind == 0 and isinstance(first, int):
            first = parameters[first] if first < len(parameters) else f"x{first}"
        names.append(identifier("_".join(map(str, (first, *rest)))))
    return names
