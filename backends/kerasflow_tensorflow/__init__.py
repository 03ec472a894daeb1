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
from kerasflow_tensorflow.lowering import REFUSED, SUPPORTED
from kerasflow_tensorflow.program import TensorflowProgram


class TensorflowBackend:
    """Runs programs with TensorFlow.

    Args:
        jit_compile: compile whole programs with XLA.
    """

    name = "tensorflow"
    framework = "tensorflow"
    primitives = SUPPORTED
    refused = REFUSED

    def __init__(self, jit_compile: bool = False) -> None:
        self.jit_compile = jit_compile
        for device in tf.config.list_physical_devices("GPU"):
            try:  # Another framework may want memory too.
                tf.config.experimental.set_memory_growth(device, True)
            except RuntimeError:  # TensorFlow is in use already, as its user has set it up.
                break

    def devices(self) -> list[str]:
        """TensorFlow's physical devices, with their makers' names where it knows them."""
        found = []
        for device in tf.config.list_physical_devices():
            model = tf.config.experimental.get_device_details(device).get("device_name")
            found.append(device.name.removeprefix("/physical_device:") + (f" ({model})" if model else ""))
        return found

    def compile(self, graph: Graph) -> TensorflowProgram:
        """The graph as a program; state is immutable tensors."""
        return TensorflowProgram(graph, self.jit_compile)

    def from_host(self, array: np.ndarray[Any, Any]) -> Any:
        """A tensor with the array's contents."""
        return tf.constant(array)

    def to_host(self, buffer: Any) -> np.ndarray[Any, Any]:
        """The tensor's contents."""
        return np.asarray(buffer)
