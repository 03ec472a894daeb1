"""Connectionist temporal classification (Graves et al., 2006)."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.backend.common import dtypes

from kerasflow.bridge.ops.activations import log_softmax
from kerasflow.bridge.ops.core import cast, convert_to_tensor


def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Any:
    """Minus the log of the probability of all alignments of each sequence with its labels.

    The forward algorithm in logarithms, unrolled over time: `alpha[:, s]` is the
    probability of all ways to have come, by now, to place s of the labels with a
    blank before, between and behind them.

    Args:
        target: integer labels, (batch, labels). output: logits, (batch, time, classes).
        target_length, output_length: how many of them count, for each sequence.
        mask_index: the class that is the blank.
    """
    target, output = convert_to_tensor(target, "int32"), convert_to_tensor(output)
    target_length = np.reshape(convert_to_tensor(target_length, "int32"), (-1, 1))
    output_length = np.reshape(convert_to_tensor(output_length, "int32"), (-1, 1))
    logs = log_softmax(cast(output, dtypes.result_type(output.dtype, "float32")), axis=-1)
    batch, labels = target.shape
    places = 2 * labels + 1

    blanks = np.full((batch, labels, 1), mask_index, np.int32)
    pairs = np.reshape(np.concatenate([blanks, np.expand_dims(target, -1)], axis=-1), (batch, 2 * labels))
    symbols = np.concatenate([pairs, blanks[:, :1, 0]], axis=1)
    # Of a symbol one may skip the blank before, unless the label before that is the same.
    skips = np.concatenate(
        [
            np.zeros((batch, 2), np.bool_),
            (symbols[:, 2:] != symbols[:, :-2]) & (symbols[:, 2:] != mask_index),
        ],
        axis=1,
    )
    at_symbols = np.take_along_axis(
        logs, np.broadcast_to(symbols[:, None, :], (batch, logs.shape[1], places)), axis=2
    )

    nothing = np.array(-np.inf, logs.dtype)
    never = np.broadcast_to(nothing, (batch, 2))
    begins = np.arange(places) < 2  # with a blank or with the first label
    alpha = np.where(begins, at_symbols[:, 0], nothing)
    for t in range(1, logs.shape[1]):
        stay_or_step = np.logaddexp(alpha, np.concatenate([never[:, :1], alpha[:, :-1]], axis=1))
        skip = np.where(skips, np.concatenate([never, alpha[:, :-2]], axis=1), nothing)
        alpha = np.where(t < output_length, np.logaddexp(stay_or_step, skip) + at_symbols[:, t], alpha)
    # At the end stands the last label or the blank behind it.
    last = np.arange(places) - 2 * target_length
    ends = np.where((last == 0) | (last == -1), alpha, nothing)
    total = ends[:, 0]
    for s in range(1, places):
        total = np.logaddexp(total, ends[:, s])
    return -total


__all__ = ["ctc_loss"]
