"""Keras's operations outside of programs and tapes, for `kerasflow.debug_nans`: what they make of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src import tree

from kerasflow.compiler.finite import check_results
from kerasflow.tracing import Tracer, trace

# What is NaN for samples of an ignored class Keras replaces afterwards.
_REPLACED = frozenset({"sparse_categorical_crossentropy"})


def check_operation(name: str, args: Any, kwargs: Any, result: Any) -> None:
    """See that an operation that ran at once makes no NaN and no infinity of finite numbers.

    What is recorded is looked at where it is computed.

    Raises:
        NonFiniteError: it does.
    """
    results = [x for x in tree.flatten(result) if isinstance(x, (np.ndarray, np.generic))]
    leaves = [x for x in tree.flatten((args, kwargs)) if not isinstance(x, type)]  # dtypes
    given = [x for x in leaves if isinstance(x, (int, float)) or hasattr(x, "__array__")]
    if name not in _REPLACED and not any(isinstance(x, Tracer) for x in given):
        check_results(name, trace.current_scope(), given, results)
