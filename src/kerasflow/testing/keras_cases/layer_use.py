"""A way to use a layer, and what it gives: value, gradients of inputs and weights, new state.

The tables of layers (`layers.py` and its neighbours) are made of this.
"""

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

import keras
import numpy as np

from .case import Case, Results, classes, known, normal, public_classes, rng, set_weights

L = keras.layers


@dataclass(frozen=True)
class Use:
    """A way to use a layer: how it is made and what it gets.

    Attributes:
        differentiable: whether its inputs are floats to differentiate with respect to.
        random: only its inference, and the moments of its training result, can be compared.
        drawn: its random draws are replaced by fixed ones, the same under both engines.
        vanishing: results that are zero, but for rounding.
        limits: tolerances of single results.
        call: further arguments of the call.
    """

    make: Callable[[], Any]
    inputs: Any
    differentiable: bool = True
    random: bool = False
    drawn: bool = False
    vanishing: tuple[str, ...] = ()
    limits: tuple[tuple[str, float], ...] = ()
    call: tuple[tuple[str, Any], ...] = ()


X2, X3, X4, X5 = normal(6, 8), normal(4, 5, 6), normal(3, 4, 5, 6), normal(2, 3, 4, 5, 2)
PAIR = (normal(4, 5, 6), normal(4, 5, 6, seed=1))
TRIPLE = (*PAIR, normal(4, 5, 6, seed=2))
IDS = classes(24, 7).reshape(4, 6)
MASKED = np.where(rng("masked").random((4, 5, 1)) < 0.4, 0, X3).astype("float32")


@contextlib.contextmanager
def drawn(layer: Any) -> Iterator[None]:
    """Replaces the random functions that a layer gets from its engine by a fixed stream of numbers."""
    stream = rng("draws")

    def numbers(kind: str, shape: Any, dtype: Any, *limits: float) -> Any:
        found = np.asarray(getattr(stream, kind)(*limits, size=[int(n) for n in shape]))
        return keras.ops.convert_to_tensor(found.astype(dtype or "float32"))

    def uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
        return numbers("uniform", shape, dtype, 0.0, 1.0) * (maxval - minval) + minval

    def randint(shape: Any, minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None) -> Any:
        low, high = keras.ops.cast(minval, "float32"), keras.ops.cast(maxval, "float32")
        return keras.ops.cast(keras.ops.floor(uniform(shape, low, high)), dtype)

    def normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
        return numbers("standard_normal", shape, dtype) * stddev + mean

    def beta(shape: Any, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Any:
        return numbers("uniform", shape, dtype, 0.2, 0.8)

    def gamma(shape: Any, alpha: Any, dtype: Any = None, seed: Any = None) -> Any:
        return numbers("uniform", shape, dtype, 0.2, 2.0)

    def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
        return keras.ops.take(x, stream.permutation(int(x.shape[axis])), axis)

    functions: dict[str, Any] = {f.__name__: f for f in (uniform, randint, normal, beta, gamma, shuffle)}
    random.seed(0)  # AugMix asks Python for its kinds of change
    with mock.patch.multiple(layer.backend.random, **functions):
        yield


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
    draws = partial(drawn, layer) if use.drawn else contextlib.nullcontext
    with draws():
        layer(together(inputs), **kwargs)  # builds
    for variable in layer.variables:
        if "seed" not in variable.path:
            variable.assign(
                rng(variable.path.split("/")[-1]).uniform(0.2, 1.0, variable.shape).astype("float32")
            )
    set_weights(layer.trainable_variables)
    with draws():
        outputs = layer(together(inputs), **kwargs)
    found = {"eager": keras.ops.convert_to_numpy(outputs)}
    if use.random:
        return found  # inference; training is in test_distributions.py
    # Terms of one sign: a small sum of large numbers would say nothing but how they are added up.
    sign = np.where(found["eager"] < 0, np.float32(-1), np.float32(1))
    weights = np.abs(normal(*found["eager"].shape, seed="loss")) * sign

    def loss(*xs: Any) -> Any:
        with draws():
            y = layer(together(xs), **kwargs)
        total = keras.ops.sum(keras.ops.cast(y, "float32") * weights)
        for term in layer.losses:
            total = total + term
        return [total, y, *(v.value for v in layer.non_trainable_variables if "seed" not in v.path)]

    if not use.differentiable:
        fixed = inputs
        results, of_inputs, of_weights = gradients(lambda: loss(*fixed), [], layer)
    else:
        results, of_inputs, of_weights = gradients(loss, inputs, layer)
    named = {"result": results, "gradient of input": of_inputs, "gradient of weight": of_weights}
    found |= {
        f"{name} {i}": keras.ops.convert_to_numpy(value)
        for name, values in named.items()
        for i, value in enumerate(values)
    }
    return found | {name: np.round(found[name], 5) for name in use.vanishing}


def use_cases(table: Mapping[str, Mapping[str, Use]]) -> list[Case]:
    """The cases of a table of layer classes: by class and kind of use."""
    return [
        Case(
            f"layer/{name} {what}".rstrip(),
            partial(layer_results, use),
            covers=name,
            limits=dict(use.limits),
            checked=not use.vanishing,
        )
        for name in known(table, public_classes(L, L.Layer))
        for what, use in table[name].items()
    ]
