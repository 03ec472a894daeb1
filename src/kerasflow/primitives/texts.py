"""What a layer of text computes, as an operation of a graph that is to be written: no part of the language.

No backend has it: what is done with strings runs on the host, before a program. Exported files have its text.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.graph import Primitive, ShapedArray
from kerasflow.strings.layers import Recipe


def _evaluate(*arrays: Any, recipe: Recipe) -> Any:
    return recipe(*arrays)


def _rule(*operands: ShapedArray, recipe: Recipe) -> ShapedArray:
    return ShapedArray(recipe.shape(*(x.shape for x in operands)), np.dtype(np.int64))


of_texts = Primitive("of_texts", _evaluate, _rule, takes_text=True)
