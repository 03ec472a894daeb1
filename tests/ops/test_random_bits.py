"""`random_bits` against its published definition, written out in Python integers."""

from __future__ import annotations

import numpy as np
import pytest

from kerasflow.tracing import apply

MASK = 2**64 - 1
MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)


def philox4x64(key: tuple[int, int], counter: int) -> list[int]:
    """Four words: ten rounds of Philox on the counter `(counter, 0, 0, 0)`."""
    c = [counter, 0, 0, 0]
    k = list(key)
    for _ in range(10):
        low, high = MULTIPLIERS[0] * c[0], MULTIPLIERS[1] * c[2]
        c = [high >> 64 ^ c[1] ^ k[0], high & MASK, low >> 64 ^ c[3] ^ k[1], low & MASK]
        k = [(k[0] + WEYL[0]) & MASK, (k[1] + WEYL[1]) & MASK]
    return c


@pytest.mark.parametrize("seed", [(0, 0), (1, 2), (2**32 - 1, 12345)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
@pytest.mark.parametrize("shape", [(3, 7), (4,), (), (2, 0)])
def test_it_is_philox(seed: tuple[int, int], dtype: type, shape: tuple[int, ...]) -> None:
    words = [word for counter in range(1, 60) for word in philox4x64(seed, counter)]
    stream = np.array(words, "<u8").view(np.dtype(dtype).newbyteorder("<"))
    count = int(np.prod(shape))
    found = apply("random_bits", np.array(seed, np.uint32), shape=shape, dtype=np.dtype(dtype))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, stream[:count].reshape(shape))


def test_the_same_seed_gives_the_same_bits() -> None:
    first, other, again = (
        apply("random_bits", np.array(seed, np.uint32), shape=(100,), dtype=np.dtype(np.uint32))
        for seed in ([1, 2], [1, 3], [1, 2])
    )
    np.testing.assert_array_equal(first, again)
    assert not (first == other).any()
