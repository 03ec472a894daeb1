"""The numbers of strings or integers: those of a vocabulary, and bins for all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow.strings.flat import Array, Strings
from kerasflow.strings.hashing import bins, decimals, fingerprint64, siphash
from kerasflow.strings.table import Index, keys_of


class Lookup:
    """Which number each string or integer has.

    Args:
        keys: the vocabulary: `Strings`, or integers of 64 bits.
        numbers: of each key, and last of what is no key, where that has no bins.
        count: how many bins there are for what is no key; 1 is that last number, with 0 there may be no other.
        first: the first bin's number.
        salt: SipHash's key; None chooses the bins of strings by FarmHash, and those of integers by their remainder.
        spelled: choose the bins of integers by hashes too, of their digits.
    """

    def __init__(
        self, keys: Any, numbers: Array, count: int, first: int, salt: Sequence[int] | None, spelled: bool
    ) -> None:
        self.keys, self.numbers = keys, numbers
        self.count, self.first, self.salt, self.spelled = count, first, salt, spelled
        self._index = Index(keys_of(keys))

    @property
    def integers(self) -> bool:
        """Whether it is of integers."""
        return not isinstance(self.keys, Strings)

    def __call__(self, values: Any) -> Array:
        """The numbers of `Strings`, or of integers of 64 bits.

        Raises:
            ValueError: something is no key, and there are no bins.
        """
        places = self._index.find(keys_of(values))
        found: Array = self.numbers.take(places, mode="wrap")
        if self.count == 1:
            return found
        unknown = np.flatnonzero(places < 0)
        if len(unknown) and not self.count:
            raise ValueError(
                "When `num_oov_indices=0` all inputs should be in vocabulary, found OOV values "
                f"{values[unknown[:10]].tolist()}, consider setting `num_oov_indices=1`."
            )
        if len(unknown):
            found[unknown] = self._bins(values[unknown]) + self.first
        return found

    def _bins(self, values: Any) -> Array:
        if self.integers and not self.spelled:
            return np.remainder(values, self.count)
        strings = decimals(values) if self.integers else values
        return bins(fingerprint64(strings) if self.salt is None else siphash(strings, self.salt), self.count)
