"""Backends of strangers, for the fixture `plugin`."""

# Backends that compute what graphs mean, node by node; some of them not quite. What is wrong stands in BROKEN: a
# primitive whose results are a thousandth too large (of integers, one), in the environment to reach other processes.
SOURCE = """
    import os

    import numpy as np

    from kerasflow.graph import evaluate, evaluate_node
    from kerasflow.primitives import PRIMITIVES

    class Right:
        name = "right"
        primitives = frozenset(PRIMITIVES)

        def compile(self, graph):
            def program(state, inputs):
                return [list(map(np.asarray, arrays)) for arrays in evaluate(graph, state, inputs, self.apply)]

            return program

        def apply(self, node, operands):
            if not node.subgraphs:
                return self.compute(node, operands)
            return node.primitive.evaluate(
                *operands, **node.params, run=lambda graph, given: evaluate(graph, [], given, self.apply)[0]
            )

        def compute(self, node, operands):
            return evaluate_node(node, operands)

        def from_host(self, array):
            return np.array(array)

        def to_host(self, buffer):
            return buffer

    class Wrong(Right):
        name = "wrong"

        def compute(self, node, operands):
            results = super().compute(node, operands)
            if node.primitive.name != os.environ.get("BROKEN"):
                return results
            return tuple((x + 1 if x.dtype.kind in "iu" else x * 1.001).astype(x.dtype) for x in results)

    class Backwards(Right):
        name = "backwards"

        def apply(self, node, operands):
            if node.primitive.name == "scan":
                node.params["reverse"] = not node.params["reverse"]
            try:
                return super().apply(node, operands)
            finally:
                if node.primitive.name == "scan":
                    node.params["reverse"] = not node.params["reverse"]

    class Another(Right):
        name = "another"

        def compute(self, node, operands):
            results = super().compute(node, operands)
            match node.primitive.name:
                case "sum":  # one number after the other, from the last to the first
                    axes = node.params["axis"]
                    flat = np.moveaxis(operands[0], axes, range(len(axes)))
                    flat = flat.reshape(-1, *flat.shape[len(axes):])[::-1]
                    return (np.add.accumulate(flat, axis=0)[-1].reshape(results[0].shape),)
                case "svd":
                    return -results[0], results[1], -results[2]
                case "eigh":
                    return results[0], -results[1]
            return results
"""

POINTS = {
    "right": "strange_backends:Right",
    "wrong": "strange_backends:Wrong",
    "backwards": "strange_backends:Backwards",
    "another": "strange_backends:Another",
    "homeless": "strange_backends_elsewhere:Backend",
}
