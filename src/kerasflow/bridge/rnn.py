"""Recurrence (`keras.src.backend.numpy.rnn`): the steps one after the other, unrolled where they are traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from keras.src import tree

from kerasflow.bridge.ops.core import cast


def rnn(
    step_function: Callable[..., Any],
    inputs: Any,
    initial_states: Any,
    go_backwards: bool = False,
    mask: Any = None,
    constants: Sequence[Any] | None = None,
    unroll: bool = False,
    input_length: Any = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
) -> tuple[Any, Any, Any]:
    """Run a cell over the time axis of nested inputs.

    Args:
        step_function: `step_function(input_t, states)` returns `(output_t, new_states)`.
        mask: boolean, (batch, time) or (batch, time, 1): where it is False, the
            states stay as they are and the output is the last one (or zero, if
            `zero_output_for_mask`).

    Returns:
        `(last_output, outputs, new_states)`; `outputs` has one step if not `return_all_outputs`.
    """

    def swap(x: Any) -> Any:
        return np.swapaxes(x, 0, 1)

    if not time_major:
        inputs = tree.map_structure(swap, inputs)
    if mask is not None:
        mask = cast(mask, "bool")
        mask = np.any(mask, axis=-1) if mask.ndim == 3 else mask
        mask = mask if time_major else swap(mask)
    constants = tuple(constants or ())
    steps = tree.flatten(inputs)[0].shape[0]
    if not steps:
        raise ValueError("`rnn` needs at least one time step; the time axis of its inputs is empty.")

    states = initial_states
    outputs: list[Any] = []
    last: Any = None
    for t in reversed(range(steps)) if go_backwards else range(steps):
        output, new_states = step_function(_at(inputs, t), (*states, *constants))
        if mask is not None:
            if last is None or zero_output_for_mask:
                last = tree.map_structure(np.zeros_like, output)
            output = _select(mask[t], output, last)
            new_states = _select(mask[t], new_states, states)
        states, last = new_states, output
        outputs = [*outputs, output] if return_all_outputs else [output]
    stacked = tree.map_structure(lambda *xs: np.stack(xs, axis=0 if time_major else 1), *outputs)
    return last, stacked, states


def _at(inputs: Any, t: int) -> Any:
    return tree.map_structure(lambda x: x[t], inputs)


def _select(mask: Any, new: Any, old: Any) -> Any:
    """The arrays of `new` where the mask, one truth value for each sample, holds; else those of `old`."""

    def choose(x: Any, y: Any) -> Any:
        return np.where(np.reshape(mask, mask.shape + (1,) * (x.ndim - 1)), x, y)

    pairs = zip(tree.flatten(new), tree.flatten(old), strict=True)
    return tree.pack_sequence_as(new, [choose(x, y) for x, y in pairs])


def lstm(*args: Any, **kwargs: Any) -> NoReturn:
    """Keras takes `NotImplementedError` as: use the general `rnn`."""
    raise NotImplementedError


def gru(*args: Any, **kwargs: Any) -> NoReturn:
    """Keras takes `NotImplementedError` as: use the general `rnn`."""
    raise NotImplementedError


def bidirectional_lstm(*args: Any, **kwargs: Any) -> NoReturn:
    """Keras takes `NotImplementedError` as: use the general `rnn`."""
    raise NotImplementedError


def bidirectional_gru(*args: Any, **kwargs: Any) -> NoReturn:
    """Keras takes `NotImplementedError` as: use the general `rnn`."""
    raise NotImplementedError


def unstack(x: Any, axis: int = 0) -> list[Any]:
    """The slices along an axis."""
    x = np.moveaxis(x, axis, 0)
    return [x[i] for i in range(x.shape[0])]


def cudnn_ok(*args: Any, **kwargs: Any) -> bool:
    """Whether NVIDIA's kernels can be used: never here."""
    return False
