"""Moving blocks of space to channels and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.bridge.ops.tensors import tensor


def depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    x, b = tensor(x), block_size
    if data_format == "channels_last":
        n, h, w, c = x.shape
        blocks = np.reshape(x, (n, h, w, b, b, c // b**2))
        return np.reshape(np.transpose(blocks, (0, 1, 3, 2, 4, 5)), (n, h * b, w * b, c // b**2))
    n, c, h, w = x.shape
    blocks = np.reshape(x, (n, c // b**2, b, b, h, w))
    return np.reshape(np.transpose(blocks, (0, 1, 4, 2, 5, 3)), (n, c // b**2, h * b, w * b))


def space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    x, b = tensor(x), block_size
    if data_format == "channels_last":
        n, h, w, c = x.shape
        blocks = np.reshape(x, (n, h // b, b, w // b, b, c))
        return np.reshape(np.transpose(blocks, (0, 1, 3, 2, 4, 5)), (n, h // b, w // b, c * b**2))
    n, c, h, w = x.shape
    blocks = np.reshape(x, (n, c, h // b, b, w // b, b))
    return np.reshape(np.transpose(blocks, (0, 1, 3, 5, 2, 4)), (n, c * b**2, h // b, w // b))
