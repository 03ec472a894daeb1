"""Which of NumPy's dtypes Keras calls "string"."""

from __future__ import annotations

from typing import Any

# The kinds: bytes, text, Python objects, NumPy's own strings.
_KINDS = ("S", "U", "O", "T")


def is_string(dtype: Any) -> bool:
    """Whether a dtype of NumPy's is one; of anything else, say a dtype's name, False."""
    return getattr(dtype, "kind", "") in _KINDS
