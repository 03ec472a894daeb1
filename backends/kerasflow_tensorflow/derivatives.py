"""The graph that a derivative is recorded in, which knows what the operations that it has a copy of are copies of.

A function with a gradient of its own (`tf.custom_gradient`) is Python, that TensorFlow calls when it records a
derivative. It may read what it has computed before: tensors of the graph in which the function was recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import tensorflow as tf

from kerasflow.errors import GradientError
from kerasflow_tensorflow.dtypes import Tensor

Copying = Callable[[Tensor, Mapping[str, Tensor]], Tensor]


class Derivative(tf.__internal__.FuncGraph):
    """A graph with copies of others' operations.

    Args:
        copying: makes one more copy: of a tensor, given the copies, by name, of others of its graph.
    """

    def __init__(self, copying: Copying) -> None:
        super().__init__("derivative")
        self._copying = copying
        self._copies: dict[tf.Graph, dict[str, Tensor]] = {}
        self._several: set[tf.Graph] = set()

    def copied(self, graph: tf.Graph, given: Iterable[str], copies: Mapping[str, Tensor]) -> None:
        """Note the copies of a graph's tensors, by name; those that were `given` are among them.

        A graph that is copied once more, for something else, is one of which nothing can be asked for.
        """
        before = self._copies.setdefault(graph, {})
        if any(before.get(name, copies[name]) is not copies[name] for name in given):
            self._several.add(graph)
        before.update(copies)

    def capture(self, tensor: Tensor, name: str | None = None, shape: object = None) -> Tensor:
        """What stands in this graph for a tensor of another one, where TensorFlow records that it is read."""
        found = None if getattr(tensor, "graph", self) is self else self._copy(tensor)
        return super().capture(tensor, name, shape) if found is None else found

    def _copy(self, tensor: Tensor) -> Tensor | None:
        for graph, copies in self._copies.items():
            if graph is tensor.graph:
                if graph in self._several:
                    raise GradientError(
                        "A `tf.function` with a `tf.custom_gradient` in it that reads what it has computed before is "
                        "called twice. Leave `tf.function` out: a program is compiled as a whole."
                    )
                if tensor.name not in copies:
                    copies[tensor.name] = self._copying(tensor, copies)
                return copies[tensor.name]
            # Of a derivative's derivative: the copy of a copy.
            inner = graph._copies.get(tensor.graph, {}) if isinstance(graph, Derivative) else {}
            if tensor.name in inner:
                return self._copy(inner[tensor.name])
        return None
