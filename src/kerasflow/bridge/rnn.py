"""Recurrence (`keras.src.backend.numpy.rnn`): one loop over the time axis, whatever its length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NoReturn

import numpy as np
from keras.src import tree

from kerasflow.bridge.ops.control import abstract_trace, is_abstract
from kerasflow.bridge.ops.loops import Loop
from kerasflow.bridge.ops.tensors import cast, convert_to_tensor
from kerasflow.tracing import Trace, at_user_line


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
        inputs: arrays of shape (batch, time, ...), or (time, batch, ...) if `time_major`.
        go_backwards: from the last step to the first; outputs come in the order in which they are computed.
        mask: boolean, of shape (batch, time) or (batch, time, 1): where it is False, the
            states stay as they are and the output is the last one (zero before the first one, or everywhere
            if `zero_output_for_mask`).
        constants: passed to each step, behind the states.
        unroll: record the steps one after the other instead of a loop.
        input_length: without a mask, the length of each sample, an array of shape (batch,): what lies behind counts
            as masked, with outputs of zero. An integer says nothing that the inputs' shape does not.

    Returns:
        `(last_output, outputs, new_states)`; `outputs` has one step if not `return_all_outputs`.

    Raises:
        ValueError: if there is no time step, or a state changes its shape or dtype.
    """

    def swap(x: Any) -> Any:
        return np.swapaxes(x, 0, 1)

    inputs = tree.map_structure(convert_to_tensor, inputs)
    if not time_major:
        inputs = tree.map_structure(swap, inputs)
    length = tree.flatten(inputs)[0].shape[0]
    if not length:
        raise ValueError("`rnn` needs at least one time step; the time axis of its inputs is empty.")
    if mask is not None:
        mask = cast(mask, "bool")
        mask = np.any(mask, axis=-1) if mask.ndim == 3 else mask
        mask = mask if time_major else swap(mask)
    elif input_length is not None and np.ndim(input_length):
        mask = np.arange(length)[:, None] < convert_to_tensor(input_length)
        zero_output_for_mask = True
    states = tree.map_structure(convert_to_tensor, initial_states)
    run = _Steps(step_function, tuple(constants or ()), zero_output_for_mask, return_all_outputs)
    trace = abstract_trace()
    if trace is not None and not unroll:
        last, outputs, states = run.loop(trace, inputs, states, mask, length, go_backwards)
    else:
        last, outputs, states = run.one_by_one(inputs, states, mask, length, go_backwards)
    return last, outputs if time_major else tree.map_structure(swap, outputs), states


class _Steps:
    """The steps of a recurrence over time-major arrays."""

    def __init__(
        self, step: Callable[..., Any], constants: tuple[Any, ...], zero_output: bool, all_outputs: bool
    ) -> None:
        self.step = step
        self.constants = constants
        self.zero_output = zero_output
        self.all_outputs = all_outputs

    def one(self, x: Any, states: Any, mask: Any, last: Callable[[Any], Any]) -> tuple[Any, Any]:
        """One step: its output and the new states.

        Args:
            mask: for each sample whether the step counts; None if all do.
            last: gives the output before, in the structure of this one.
        """
        output, new = self.step(x, (*states, *self.constants))
        if mask is not None:
            before = tree.map_structure(np.zeros_like, output) if self.zero_output else last(output)
            output, new = _select(mask, output, before), _select(mask, new, states)
        return output, new

    def one_by_one(
        self, inputs: Any, states: Any, mask: Any, length: int, go_backwards: bool
    ) -> tuple[Any, Any, Any]:
        last: Any = None
        outputs: list[Any] = []
        for t in reversed(range(length)) if go_backwards else range(length):
            x = tree.map_structure(itemgetter(t), inputs)
            seen = None if mask is None else mask[t]
            last, states = self.one(x, states, seen, partial(_or_zeros, last))
            outputs = [*outputs, last] if self.all_outputs else [last]
        return last, tree.map_structure(lambda *steps: np.stack(steps), *outputs), states

    def loop(
        self, trace: Trace, inputs: Any, states: Any, mask: Any, length: int, go_backwards: bool
    ) -> tuple[Any, Any, Any]:
        loop = Loop(trace, "rnn", length, go_backwards)
        flat = tree.flatten(inputs)
        carried: list[Any] = []

        def zeros(output: Any) -> Any:
            carried.append(loop.carries(tree.map_structure(lambda y: np.zeros(y.shape, y.dtype), output)))
            return carried[-1]

        with loop.recording():
            slices = loop.slices(flat if mask is None else [*flat, mask])
            x = tree.pack_sequence_as(inputs, slices[: len(flat)])
            old = loop.carries(states)
            output, new = self.one(x, old, None if mask is None else slices[-1], zeros)
            output = tree.map_structure(convert_to_tensor, output)
            loop.carry(old, _as(old, new))
            if self.all_outputs:
                loop.stack(output)
            end = _same_states(output, old, new)
            if end is None:
                end = carried[-1] if carried else zeros(output)
                loop.carry(end, output)
        loop.run()
        last = loop.last(end)
        if not self.all_outputs:
            outputs = tree.map_structure(lambda y: np.expand_dims(y, 0), last)
        elif go_backwards:
            outputs = tree.map_structure(lambda y: y[::-1], loop.stacked)
        else:
            outputs = loop.stacked
        return last, outputs, loop.last(old)


def _or_zeros(last: Any, output: Any) -> Any:
    """The output before; zeros before the first one."""
    return tree.map_structure(np.zeros_like, output) if last is None else last


def _as(old: Any, new: Any) -> Any:
    """New states in the structure of the old ones: cells return lists and tuples as they like."""
    leaves = tree.flatten(new)
    if len(leaves) != len(tree.flatten(old)):
        raise ValueError(
            at_user_line(f"rnn: a step takes {len(tree.flatten(old))} states and returns {len(leaves)}")
        )
    return tree.pack_sequence_as(old, leaves)


def _same_states(output: Any, old: Any, new: Any) -> Any:
    """For an output that is made of new states, as most cells' is, the states that it becomes; None for others."""
    states = [
        (x.value, y) for x, y in zip(tree.flatten(new), tree.flatten(old), strict=True) if is_abstract(x)
    ]
    found = [[y for value, y in states if is_abstract(x) and x.value is value] for x in tree.flatten(output)]
    return tree.pack_sequence_as(output, [ys[0] for ys in found]) if all(found) else None


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


__all__ = ["bidirectional_gru", "bidirectional_lstm", "cudnn_ok", "gru", "lstm", "rnn", "unstack"]
