"""A graph as a `tf.function`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from kerasflow.graph import Graph, check_inputs
from kerasflow_tensorflow.dtypes import host_array
from kerasflow_tensorflow.lowering import run


class TensorflowProgram:
    """A compiled graph; may be called from several threads.

    Args:
        device: where it runs; None for where TensorFlow puts it. jit_compile: whether XLA compiles it.

    Attributes:
        function: the `tf.function`'s concrete function, of all state and all inputs.
    """

    def __init__(self, graph: Graph, device: str | None, jit_compile: bool) -> None:
        self.inputs = [v.aval for v in graph.inputs]
        self.outputs = len(graph.outputs)
        self.written = list(graph.changes)

        def step(*arguments: Any) -> list[Any]:
            count = len(graph.state_inputs)
            with tf.device(device):
                outputs, now = run(graph, arguments[:count], arguments[count:])
            return [*outputs, *(now[i] for i in self.written)]

        signature = [tf.TensorSpec(v.aval.shape, v.aval.dtype) for v in graph.arguments]
        function = tf.function(step, input_signature=signature, autograph=False, jit_compile=jit_compile)
        self.function = function.get_concrete_function()

    def __call__(self, state: Sequence[Any], inputs: Sequence[Any]) -> tuple[list[Any], Sequence[Any]]:
        check_inputs(self.inputs, inputs)
        found = self.function(*state, *(tf.constant(x) for x in inputs))
        now = list(state)
        for i, tensor in zip(self.written, found[self.outputs :], strict=True):
            now[i] = tensor
        return [host_array(x) for x in found[: self.outputs]], now
