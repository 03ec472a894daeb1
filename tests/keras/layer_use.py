"""A way to use a layer, and what it gives: value, gradients of inputs and weights, new state.

The tables of layers (`cases_layers.py` and its neighbours) are made of this.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
from parity_case import Case, Results, classes, normal, rng, set_weights

L = keras.layers


@dataclass(frozen=True)
class Use:
    """A way to use a layer: how it is made and what it gets.

    Attributes:
        differentiable: whether its inputs are floats to differentiate with respect to.
        random: only its inference, and the moments of its training result, can be compared.
        call: further arguments of the call.
    """

    make: Callable[[], Any]
    inputs: Any
    differentiable: bool = True
    random: bool = False
    call: tuple[tuple[str, Any], ...] = ()


X2, X3, X4, X5 = normal(6, 8), normal(4, 5, 6), normal(3, 4, 5, 6), normal(2, 3, 4, 5, 2)
PAIR = (normal(4, 5, 6), normal(4, 5, 6, seed=1))
TRIPLE = (*PAIR, normal(4, 5, 6, seed=2))
IDS = classes(24, 7).reshape(4, 6)
MASKED = np.where(rng("masked").random((4, 5, 1)) < 0.4, 0, X3).astype("float32")


def gradients(
    function: Callable[..., Any], inputs: list[Any], layer: Any
) -> tuple[Any, list[Any], list[Any]]:
    """The results of `function(*inputs)` (first a scalar), and its gradients for the inputs and the layer's weights.

    Under kerasflow inside a compiled program, as in training.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tensors = [tf.convert_to_tensor(x) for x in inputs]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            results = function(*tensors)
        sources, zero = [tensors, [v.value for v in layer.trainable_variables]], tf.UnconnectedGradients.ZERO
        found = tape.gradient(results[0], sources, unconnected_gradients=zero)
        found = tf.nest.map_structure(tf.convert_to_tensor, found)  # an embedding's are sparse
        return results, *found

    import kerasflow

    def program(*tensors: Any) -> Any:
        variables = [v.value for v in layer.trainable_variables]
        with kerasflow.GradientTape() as tape:
            tape.watch(list(tensors))
            results = function(*tensors)
        flat = tape.gradient(results[0], [*tensors, *layer.trainable_variables])
        flat = [
            np.zeros_like(x) if g is None else g for g, x in zip(flat, [*tensors, *variables], strict=True)
        ]
        return results, flat[: len(tensors)], flat[len(tensors) :]

    return kerasflow.jit(program)(*inputs)


def layer_results(use: Use) -> Results:
    layer = use.make()
    inputs = list(use.inputs) if isinstance(use.inputs, tuple) else [use.inputs]
    kwargs = dict(use.call)
    together = (lambda xs: list(xs)) if isinstance(use.inputs, tuple) else (lambda xs: xs[0])
    layer(together(inputs), **kwargs)  # builds
    for variable in layer.variables:
        if "seed" not in variable.path:
            variable.assign(
                rng(variable.path.split("/")[-1]).uniform(0.2, 1.0, variable.shape).astype("float32")
            )
    set_weights(layer.trainable_variables)
    outputs = layer(together(inputs), **kwargs)
    found = {"eager": keras.ops.convert_to_numpy(outputs)}
    if use.random:
        return found  # inference; training is in test_distributions.py
    weights = normal(*found["eager"].shape, seed="loss")

    def loss(*xs: Any) -> Any:
        y = layer(together(xs), **kwargs)
        total = keras.ops.sum(keras.ops.cast(y, "float32") * weights)
        for term in layer.losses:
            total = total + term
        return [total, y, *(v.value for v in layer.non_trainable_variables if "seed" not in v.path)]

    if not use.differentiable:
        fixed = inputs
        results, _, of_weights = gradients(lambda: loss(*fixed), [], layer)
        of_inputs = []
    else:
        results, of_inputs, of_weights = gradients(loss, inputs, layer)
    named = {"result": results, "gradient of input": of_inputs, "gradient of weight": of_weights}
    return found | {
        f"{name} {i}": keras.ops.convert_to_numpy(value)
        for name, values in named.items()
        for i, value in enumerate(values)
    }


def use_cases(table: Mapping[str, Mapping[str, Use]]) -> list[Case]:
    """The cases of a table of layer classes: by class and kind of use."""
    return [
        Case(f"layer/{name} {what}".rstrip(), partial(layer_results, use), covers=name)
        for name, uses in table.items()
        if hasattr(L, name)  # older versions of Keras lack some
        for what, use in uses.items()
    ]
