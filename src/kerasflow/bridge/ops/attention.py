"""Scaled dot-product attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kerasflow.bridge.ops.activations import softmax
from kerasflow.bridge.ops.precision import common_dtype, compute_dtype
from kerasflow.bridge.ops.tensors import cast, tensor
from kerasflow.tracing.tensor import tensors

_AXES = (0, 2, 1, 3)


def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """Attention over tensors of shape (batch, length, heads, size).

    Fewer heads of key and value than of the query are shared by groups of
    query heads. Like on Keras's other backends on a CPU, `attn_logits_soft_cap`
    has no effect: it is an option of a TPU kernel.
    """
    if flash_attention:
        raise ValueError(
            "Flash attention is not supported by the numpy backend. Leave `flash_attention` out."
        )
    query, key, value = tensor(query), tensor(key), tensor(value)
    if not query.ndim == key.ndim == value.ndim == 4:
        raise ValueError(
            "`dot_product_attention` only supports 4D inputs. "
            f"Received: query.shape={query.shape}, key.shape={key.shape}, value.shape={value.shape}."
        )
    dtype = common_dtype(query, key, value)
    compute = compute_dtype(dtype)
    query, key, value = (np.transpose(cast(x, compute), _AXES) for x in (query, key, value))
    heads, shared = query.shape[1], key.shape[1]
    if heads != shared:
        if not shared or heads % shared:
            raise ValueError(f"{heads} query heads cannot share {shared} key and value heads evenly")
        key, value = (np.repeat(x, heads // shared, axis=1) for x in (key, value))
    scale = 1.0 / math.sqrt(key.shape[-1]) if scale is None else scale
    logits = tensors(query) @ np.swapaxes(key, -1, -2) * tensor(scale, compute)
    if bias is not None:
        logits = logits + tensor(bias, dtype=compute)
    allowed = _allowed(mask, is_causal, *logits.shape[2:])
    if allowed is not None:
        # A large number and not infinity: a row without anything allowed is uniform then, and not NaN.
        logits = np.where(allowed, logits, float(np.finfo(logits.dtype).min) * 0.7)
    return cast(np.transpose(tensors(softmax(logits, axis=-1)) @ value, _AXES), dtype)


def _allowed(mask: Any, is_causal: bool, targets: int, sources: int) -> Any:
    """Where a target may look at a source, or None for everywhere."""
    causal = np.tri(targets, sources, dtype=bool) if is_causal else None
    if mask is None:
        return causal
    mask = cast(mask, "bool")
    return mask if causal is None else np.logical_and(mask, causal)
