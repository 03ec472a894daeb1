"""Numbers that depend on the batch size, in the shapes and parameters of a graph for every batch size."""

from __future__ import annotations


class Size(int):
    """A whole number that depends on the batch size n: `times * n + plus`; as an int, that of one batch size."""

    times: int
    plus: int

    def __new__(cls, number: int, times: int, plus: int) -> Size:
        size = super().__new__(cls, number)
        size.times, size.plus = times, plus
        return size

    @property
    def is_batch(self) -> bool:
        """Whether it is the batch size itself."""
        return (self.times, self.plus) == (1, 0)

    def __repr__(self) -> str:
        text = {1: "n", -1: "-n"}.get(self.times, f"{self.times} * n")
        if self.plus:
            text += f" {'+' if self.plus > 0 else '-'} {abs(self.plus)}"
        return text

    def __eq__(self, other: object) -> bool:
        """A size equals only what grows as it does: never a number that it happens to be."""
        return isinstance(other, Size) and (self.times, self.plus) == (other.times, other.plus)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((self.times, self.plus))
