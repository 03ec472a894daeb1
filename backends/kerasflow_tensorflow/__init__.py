"""The TensorFlow backend: graphs become `tf.function`s.

`lowering` has the table from primitives to TensorFlow's operations, and control flow; `elementwise`, `arrays`,
`algebra`, `convolution`, `pooling`, `philox` and `collective` have the functions that it names, family by family;
`dtypes` and `places` what these share. What a user's code asks of TensorFlow itself is a `recording`, and its pieces
are functions (`recorded`). `program` makes a graph a `tf.function`; `saved_model` writes files, of functions for every
batch size (`sizes`). A graph comes in, a program goes out. Open `lowering` first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerasflow.errors import UnsupportedPrimitiveError
from kerasflow.graph import Graph, all_nodes, format_origins
from kerasflow.primitives.foreign import foreign_function
from kerasflow_tensorflow.dtypes import host_array
from kerasflow_tensorflow.lowering import SUPPORTED, WITHOUT_XLA
from kerasflow_tensorflow.program import TensorflowProgram
from kerasflow_tensorflow.recording import Recording
from kerasflow_tensorflow.saved_model import write_saved_model


class TensorflowBackend:
    """Runs programs with TensorFlow.

    On graphics processors whole programs are compiled with XLA, as stock Keras does, unless the user says otherwise.
    """

    name = "tensorflow"
    framework = "tensorflow"
    primitives = SUPPORTED
    options = frozenset({"device", "jit_compile"})
    formats = frozenset({"tf_saved_model"})

    def __init__(self) -> None:
        for device in tf.config.list_physical_devices("GPU"):
            try:  # Another framework may want memory too.
                tf.config.experimental.set_memory_growth(device, True)
            except RuntimeError:  # TensorFlow is in use already, as its user has set it up.
                break

    def devices(self) -> dict[str, str]:
        """TensorFlow's processors and graphics processors, with their makers' names where it knows them."""
        physical, logical = tf.config.list_physical_devices("GPU"), tf.config.list_logical_devices("GPU")
        models = [tf.config.experimental.get_device_details(x).get("device_name", "") for x in physical]
        if len(logical) != len(physical):  # The user has divided one.
            models = [""] * len(logical)
        processors = range(len(tf.config.list_logical_devices("CPU")))
        return {f"cpu:{i}": "" for i in processors} | {f"gpu:{i}": model for i, model in enumerate(models)}

    def compile(
        self, graph: Graph, device: str | None = None, jit_compile: bool | None = None
    ) -> TensorflowProgram:
        """The graph as a program; state is immutable tensors.

        Args:
            device: where it runs; None leaves that to TensorFlow, which takes the first GPU if there is one.
            jit_compile: whether XLA compiles it; None for on a GPU, if it is known that XLA can: of functions of
                TensorFlow's own it is not.

        Raises:
            UnsupportedPrimitiveError: naming the primitives that XLA cannot compile, and where they come from.
        """
        return TensorflowProgram(graph, device, self._by_xla(graph, device, jit_compile))

    def _by_xla(self, graph: Graph, device: str | None, asked: bool | None) -> bool:
        missing = [
            node
            for node in all_nodes(graph)
            if any(v.aval.dtype.kind in WITHOUT_XLA.get(node.primitive.name, "") for v in node.inputs)
        ]
        if asked is None:
            known = not any(node.primitive is foreign_function for node in all_nodes(graph))
            return (device or [*self.devices()][-1]).startswith("gpu") and not missing and known
        if asked and missing:
            raise UnsupportedPrimitiveError(
                f'TensorFlow\'s XLA cannot compile {format_origins(missing)}. Use jit_compile=False, or "auto".'
            )
        return asked

    def record(self) -> Recording:
        """A recording of TensorFlow's own functions, of what a user's code asks of them while it is traced."""
        return Recording()

    def export(
        self,
        format: str,
        path: str,
        endpoints: Mapping[str, Any],
        variables: Mapping[str, Sequence[Any]],
        **options: Any,
    ) -> None:
        """Write functions for every batch size as a SavedModel.

        Args:
            format: "tf_saved_model". path: a new folder. endpoints: functions by name.
            variables: collections of variables, by the names that they have in the loaded object.
            options: `options`, TensorFlow's own (`tf.saved_model.SaveOptions`).

        Raises:
            ExportError: TensorFlow cannot compute something for every batch size.
        """
        write_saved_model(path, endpoints, variables, **options)

    def from_host(self, array: np.ndarray[Any, Any]) -> Any:
        """A tensor with the array's contents."""
        return tf.constant(array)

    def to_host(self, buffer: Any) -> np.ndarray[Any, Any]:
        """The tensor's contents."""
        return host_array(buffer)
