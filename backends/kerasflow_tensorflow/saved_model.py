"""Functions for every batch size as a SavedModel, which TensorFlow loads without kerasflow."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from kerasflow.errors import ExportError
from kerasflow.graph import Graph, Size
from kerasflow_tensorflow import sizes
from kerasflow_tensorflow.lowering import run


def write_saved_model(
    path: str, endpoints: Mapping[str, Any], variables: Mapping[str, Sequence[Any]], options: Any = None
) -> None:
    """Write endpoints, and collections of variables, as attributes of one object.

    Raises:
        ExportError: TensorFlow cannot compute something for every batch size.
    """
    made: dict[Any, tf.Variable] = {}

    def variable(x: Any) -> tf.Variable:
        if x not in made:
            made[x] = tf.Variable(x.array, trainable=x.trainable, name=_name(x.name))
        return made[x]

    # Keras's archives are such objects too: one with no attributes but those that are given to it.
    saved = tf.__internal__.tracking.AutoTrackable()
    for name, collection in variables.items():
        setattr(saved, name, [variable(x) for x in collection])
    functions = {name: _function(endpoint, variable) for name, endpoint in endpoints.items()}
    for name, function in functions.items():
        setattr(saved, name, function)
    saved._all_variables = list(made.values())
    signatures = {"serving_default": next(iter(functions.values())), **functions}
    tf.saved_model.save(saved, path, signatures=signatures, options=options)


def _name(text: str) -> str:
    """A name as TensorFlow wants them: it begins with a letter or a digit."""
    name = re.sub(r"[^A-Za-z0-9_./]", "_", text)
    return name if re.match(r"[A-Za-z0-9]", name) else f"x{name}"


def _function(endpoint: Any, variable: Any) -> Any:
    graph: Graph = endpoint.graph
    state = [variable(x) for x in endpoint.variables]
    leaves = iter(zip(graph.inputs, endpoint.names, strict=True))

    def spec(_: Any) -> tf.TensorSpec:
        value, name = next(leaves)
        return tf.TensorSpec(sizes.known(value.aval.shape), value.aval.dtype, _name(name))

    def function(*arguments: Any) -> Any:
        inputs = tf.nest.flatten(arguments)
        outputs, _ = _run(graph, state, inputs)
        return endpoint.result([tf.identity(x) for x in outputs], tf.constant)

    signature = tf.nest.map_structure(spec, list(endpoint.arguments))
    made = tf.function(function, input_signature=signature, autograph=False)
    try:
        made.get_concrete_function()
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ExportError(f"TensorFlow cannot compute the model for every batch size: {error}") from error
    return made


def _run(graph: Graph, state: Sequence[Any], inputs: Sequence[Any]) -> Any:
    weights = [tf.convert_to_tensor(x) for x in state]
    for tensor, value in zip(inputs, graph.inputs, strict=True):
        for axis, n in enumerate(value.aval.shape):
            if isinstance(n, Size) and n.is_batch:
                with sizes.batch_of(tf.shape(tensor)[axis]):
                    return run(graph, weights, inputs)
    return run(graph, weights, inputs)
