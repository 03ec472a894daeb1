"""The one source of randomness: Philox4x64-10 bits, a function of the seed and nothing else.

Definition. A seed is two unsigned integers `(k0, k1)`, the state of a Keras
`SeedGenerator`. The stream of 64-bit words is Philox4x64-10 (Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", SC11) with key `(k0, k1)` and
counters `(1, 0, 0, 0), (2, 0, 0, 0), ...`, four words a counter: NumPy's
`Philox(key=[k0, k1])`. Read as little-endian bytes, the stream gives the
elements of the wanted unsigned dtype in C order.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from kerasflow.graph import Primitive, ShapedArray

_local = threading.local()


def philox(seed: Any) -> np.random.Philox:
    """A Philox bit generator at the start of the stream of `seed`.

    The object is this thread's own and is set anew by the next call: making one costs ten times as much.
    """
    if not hasattr(_local, "bits"):
        _local.bits = np.random.Philox(0)
        _local.state = _local.bits.state
        _local.state["state"]["counter"] = np.zeros(4, np.uint64)
        _local.state.update(buffer_pos=4, has_uint32=0, uinteger=0)
    _local.state["state"]["key"] = np.asarray(seed).astype(np.uint64)
    bits: np.random.Philox = _local.bits
    bits.state = _local.state
    return bits


def random_bits(seed: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Random bits of the given shape and unsigned dtype; see the module's definition."""
    count = int(np.prod(shape, dtype=np.int64))
    words = -(-count * dtype.itemsize // 8)
    bits = philox(seed).random_raw(words).view(dtype)[:count]
    return bits.reshape(shape)


def _rule(seed: ShapedArray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> ShapedArray:
    if seed.shape != (2,) or seed.dtype.kind not in "ui":
        raise ValueError(f"a seed is two integers, received {seed}")
    return ShapedArray(shape, dtype)


PRIMITIVES: tuple[Primitive, ...] = (Primitive("random_bits", random_bits, _rule),)
