"""Python expressions with their precedence, so that parentheses stand only where they are needed."""

from __future__ import annotations

from dataclasses import dataclass

# Python's precedence, from the weakest.
COMPARE, OR, XOR, AND, SHIFT, SUM, PRODUCT, UNARY, POWER, ATOM = range(10)


@dataclass(frozen=True)
class Expression:
    """A text and how strongly its outermost operator binds.

    Attributes:
        inverse: the expression of which it is the reciprocal, if it is one.
        literal: whether it is a Python number, whose dtype is its neighbour's.
    """

    text: str
    rank: int = ATOM
    inverse: Expression | None = None
    literal: bool = False

    def at(self, rank: int) -> str:
        """The text as an operand of an operator: in parentheses if it binds less strongly than `rank`."""
        return self.text if self.rank >= rank else f"({self.text})"

    @property
    def atom(self) -> str:
        """The text in front of a dot or a bracket."""
        return f"({self.text})" if self.literal else self.at(ATOM)

    def __str__(self) -> str:
        return self.text


def binary(left: Expression, symbol: str, right: Expression, rank: int) -> Expression:
    """`left symbol right`. Of equal operators the left ones come first; comparisons and powers are never chained."""
    alone = rank in (COMPARE, POWER)
    return Expression(f"{left.at(rank + alone)} {symbol} {right.at(rank + 1)}", rank)
