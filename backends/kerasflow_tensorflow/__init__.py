"""The TensorFlow backend: graphs become `tf.function`s.

`lowering` has the table from primitives to TensorFlow's operations, and control flow; `elementwise`, `arrays`,
`algebra`, `convolution`, `pooling` and `philox` have the functions that it names, family by family; `dtypes` and
`places` what these share. `program` makes a graph a `tf.function`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from kerasflow.graph import Graph
from kerasflow_tensorflow.dtypes import host_array
from kerasflow_tensorflow.lowering import REFUSED, SUPPORTED
from kerasflow_tensorflow.program import TensorflowProgram


class TensorflowBackend:
    """Runs programs with TensorFlow.

    Args:
        jit_compile: compile whole programs with XLA.
    """

    name = "tensorflow"
    primitives = SUPPORTED
    refused = REFUSED

    def __init__(self, jit_compile: bool = False) -> None:
        self.jit_compile = jit_compile
        for device in tf.config.list_physical_devices("GPU"):
            try:  # Another framework may want memory too.
                tf.config.experimental.set_memory_growth(device, True)
            except RuntimeError:  # TensorFlow is in use already, as its user has set it up.
                break

    def compile(self, graph: Graph) -> TensorflowProgram:
        """The graph as a program; state is immutable tensors."""
        return TensorflowProgram(graph, self.jit_compile)

    def from_host(self, array: np.ndarray[Any, Any]) -> Any:
        """A tensor with the array's contents."""
        return tf.constant(array)

    def to_host(self, buffer: Any) -> np.ndarray[Any, Any]:
        """The tensor's contents."""
        return host_array(buffer)
