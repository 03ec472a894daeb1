"""Connectionist temporal classification (Graves et al., 2006): the loss, and how to read labels off the outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.backend.common import dtypes

from kerasflow.bridge.ops.activations import log_softmax
from kerasflow.bridge.ops.control import scan
from kerasflow.bridge.ops.encodings import one_hot
from kerasflow.bridge.ops.sequences import top_k
from kerasflow.bridge.ops.tensors import cast, tensor
from kerasflow.tracing.tensor import tensors

# The logarithm of what cannot be. As in Keras's other backends it is a number, so that the loss of labels that do not
# fit into their sequence is large and its gradient finite.
_NEVER = -1e5


def _indicators(x: Any, classes: int, dtype: Any) -> Any:
    return one_hot(x, classes, dtype=dtype)


def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Any:
    """Minus the log of the probability of all alignments of each sequence with its labels.

    The forward algorithm in logarithms: `alpha[:, s]` is the probability of all ways to have come, by now, to place s
    of the labels with a blank before, between and behind them.

    Args:
        target: integer labels, (batch, labels). output: logits, (batch, time, classes).
        target_length, output_length: how many of them count, for each sequence, (batch,).
        mask_index: the class that is the blank.

    Returns:
        The losses, (batch,), in float32 at least.
    """
    target, output = tensor(target, "int32"), tensor(output)
    target_length = np.reshape(tensor(target_length, "int32"), (-1, 1))
    output_length = np.reshape(tensor(output_length, "int32"), (-1, 1))
    logs = log_softmax(cast(output, dtypes.result_type(output.dtype, "float32")), axis=-1)
    (batch, labels), (_, steps, classes) = target.shape, logs.shape
    places = 2 * labels + 1
    never = np.asarray(_NEVER, logs.dtype)

    blanks = np.full((batch, labels, 1), mask_index, np.int32)
    pairs = np.reshape(np.concatenate([blanks, np.expand_dims(target, -1)], axis=-1), (batch, 2 * labels))
    symbols = np.concatenate([pairs, blanks[:, :1, 0]], axis=1)
    # From a label to the next one may skip the blank between, unless they are the same.
    change = np.concatenate([np.zeros((batch, 1), np.bool_), target[:, 1:] != target[:, :-1]], axis=1)
    skips = np.reshape(np.stack([np.zeros_like(change), change], axis=-1), (batch, 2 * labels))
    skips = np.concatenate([skips, np.zeros((batch, 1), np.bool_)], axis=1)
    # A product with indicators and not a gather: its derivative is a product too.
    at_symbols = tensors(logs) @ np.swapaxes(_indicators(symbols, classes, logs.dtype), 1, 2)

    def shifted(alpha: Any, count: int) -> Any:
        return np.concatenate([np.full((batch, count), never), alpha[:, :-count]], axis=1)[:, :places]

    def step(alpha: Any, now: Any) -> tuple[Any, None]:
        at_symbols, counts = now
        skip = np.where(skips, shifted(alpha, 2), never)
        reached = np.logaddexp(np.logaddexp(alpha, shifted(alpha, 1)), skip)
        return np.where(counts, reached + at_symbols, alpha), None

    begins = np.arange(places) < 2  # with a blank or with the first label
    first = np.where(begins, at_symbols[:, 0], never)
    counts = np.arange(steps)[:, None, None] < output_length
    alpha, _ = scan(step, first, (np.swapaxes(at_symbols, 0, 1)[1:], counts[1:]))
    # At the end stands the last label or the blank behind it.
    last = np.arange(places) - 2 * target_length
    ends = np.where((last == 0) | (last == -1), alpha, -np.inf)
    most = np.max(ends, axis=1, keepdims=True)
    return -(np.log(np.sum(np.exp(ends - most), axis=1)) + most[:, 0])


def _greedy(inputs: Any, lengths: Any, merge_repeated: bool, blank: int) -> tuple[Any, Any]:
    """The best class of each step, without blanks and, if wanted, without repetitions."""
    steps = inputs.shape[1]
    unused = np.arange(steps) >= np.expand_dims(lengths, 1)
    best = np.where(unused, blank, cast(np.argmax(inputs, axis=-1), "int32"))
    scores = np.sum(np.where(unused, 0.0, np.max(inputs, axis=-1)), axis=1, keepdims=True)
    dropped = best == blank
    if merge_repeated:
        same = best[:, 1:] == best[:, :-1]
        dropped = np.logical_or(dropped, np.pad(same, ((0, 0), (1, 0))))
    # The labels to the front, in their order.
    order = np.argsort(np.where(dropped, steps, np.arange(steps)), axis=-1, kind="stable")
    labels = np.take_along_axis(np.where(dropped, -1, best), order, axis=-1)
    return np.expand_dims(cast(labels, "int32"), 0), -scores


# A prefix is known by a hash of 64 bits: the one before it, times an odd number, plus the new label.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def _beam_search(inputs: Any, lengths: Any, width: int, top_paths: int, blank: int) -> tuple[Any, Any]:
    """Prefix beam search: the most probable label sequences, each summed over its alignments.

    A prefix in the beam has two probabilities: that its last step is a blank, and that it is its last label.
    """
    logs = log_softmax(inputs, axis=-1)
    batch, steps, classes = logs.shape
    used = np.arange(steps) < np.expand_dims(lengths, 1)
    # The first step always counts, as in Keras's own backends.
    used = np.logical_or(used, np.arange(steps) == 0)
    labels = np.arange(classes, dtype=np.int32)
    nothing = np.asarray(-np.inf, logs.dtype)

    def pick(x: Any, places: Any) -> Any:
        return np.take_along_axis(x, places, axis=1)

    def step(beam: Any, now: Any) -> tuple[Any, None]:
        paths, sizes, last, key, parent, by_blank, by_label = beam
        x, counts = now
        total = np.logaddexp(by_blank, by_label)
        repeated = pick(x, np.maximum(last, 0)) + by_label
        # Every prefix with every label behind it; the same label again needs a blank between.
        again = np.expand_dims(last, -1) == labels
        longer = np.where(again, np.expand_dims(by_blank, -1), np.expand_dims(total, -1))
        longer = longer + np.expand_dims(x, 1)
        longer = np.where(labels == blank, nothing, longer)
        # One that is in the beam already adds to what is there.
        child = np.logical_and(
            np.expand_dims(key, 2) == np.expand_dims(parent, 1), np.expand_dims(sizes, 1) > 0
        )
        last_of_child = np.broadcast_to(np.expand_dims(np.maximum(last, 0), 1), (batch, width, width))
        found = np.where(child, np.take_along_axis(longer, last_of_child, axis=2), nothing)
        repeated = np.logaddexp(repeated, np.max(found, axis=1))
        indicators = _indicators(last, classes, "float32")
        longer = np.where(np.matmul(cast(child, "float32"), indicators) > 0, nothing, longer)

        paused = total + x[:, blank : blank + 1]
        # New prefixes before old ones: this is which of equally probable ones comes first.
        flat = np.reshape(longer, (batch, width * classes))
        scores, chosen = top_k(np.concatenate([flat, np.logaddexp(paused, repeated)], axis=1), width)
        is_new = chosen < width * classes
        slot = np.where(is_new, chosen // classes, chosen - width * classes)
        label = np.where(is_new, chosen % classes, pick(last, slot))
        size, old_key = pick(sizes, slot), pick(key, slot)
        new_key = old_key * _FACTOR + cast(label + 1, "uint64")
        path = np.take_along_axis(paths, np.expand_dims(slot, -1), axis=1)
        here = np.logical_and(np.arange(steps) == np.expand_dims(size, -1), np.expand_dims(is_new, -1))
        grown = (
            np.where(here, np.expand_dims(label, -1), path),
            np.where(is_new, size + 1, size),
            label,
            np.where(is_new, new_key, old_key),
            np.where(is_new, old_key, pick(parent, slot)),
            np.where(is_new, nothing, pick(paused, slot)),
            np.where(is_new, scores, pick(repeated, slot)),
        )
        # What only fills the beam is no prefix.
        kept = [_where(scores > -np.inf, new, empty) for new, empty in zip(grown, nowhere, strict=True)]
        return tuple(_where(counts, new, old) for new, old in zip(kept, beam, strict=True)), None

    slots = (batch, width)
    nowhere = (
        np.full((*slots, steps), -1, np.int32),
        np.zeros(slots, np.int32),
        np.full(slots, -1, np.int32),
        np.ones(slots, np.uint64),
        np.zeros(slots, np.uint64),
        np.full(slots, nothing),
        np.full(slots, nothing),
    )
    first = np.where(np.arange(width) == 0, np.zeros((), logs.dtype), nowhere[-1])
    beam, _ = scan(step, (*nowhere[:-2], first, nowhere[-1]), (np.swapaxes(logs, 0, 1), used.T))
    scores, best = top_k(np.logaddexp(beam[-2], beam[-1]), top_paths)
    paths = np.take_along_axis(beam[0], np.expand_dims(best, -1), axis=1)
    return np.swapaxes(paths, 0, 1), scores


def _where(condition: Any, new: Any, old: Any) -> Any:
    """`np.where`, with a condition for the first axes."""
    return np.where(np.reshape(condition, condition.shape + (1,) * (new.ndim - condition.ndim)), new, old)


def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> tuple[Any, Any]:
    """The labels that the outputs (batch, time, classes) say.

    Returns:
        The labels, (paths, batch, time), behind the last one -1; the scores, (batch, paths).

    Raises:
        ValueError: for an unknown strategy, or more paths than the beam is wide.
    """
    inputs = tensor(inputs)
    inputs = cast(inputs, dtypes.result_type(inputs.dtype, "float32"))
    lengths = tensor(sequence_lengths, "int32")
    blank = (inputs.shape[-1] - 1 if mask_index is None else mask_index) % inputs.shape[-1]
    if strategy == "greedy":
        return _greedy(inputs, lengths, merge_repeated, blank)
    if strategy != "beam_search":
        raise ValueError(f"Invalid strategy {strategy}. Supported values are 'greedy' and 'beam_search'.")
    if top_paths > beam_width:
        raise ValueError(f"`top_paths` is at most `beam_width`. Received: {top_paths=}, {beam_width=}")
    return _beam_search(inputs, lengths, beam_width, top_paths, blank)


__all__ = ["ctc_decode", "ctc_loss"]
