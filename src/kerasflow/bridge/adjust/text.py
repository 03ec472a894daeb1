"""Text in a graph of TensorFlow's."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from kerasflow.bridge.symbolic import is_symbolic


@contextmanager
def standardize_in_graphs(module: ModuleType) -> Iterator[None]:
    """Keras gives a user's `standardize` an array of text, which a tensor of a graph has not while it is recorded.

    A function of TensorFlow's (`tf.strings`) takes the tensor itself. One that does not, NumPy's say, is called with
    the text of each batch when the graph runs; what goes in and what comes out have the same shape then.
    """
    yield
    apply = module.TextVectorization._apply_standardize_with_np_arrays

    @functools.wraps(apply)
    def standardize(self: Any, text: Any) -> Any:
        if not is_symbolic(text):
            return apply(self, text)
        tf = sys.modules["tensorflow"]
        try:
            return tf.cast(self._standardize(text), tf.string)
        except Exception:
            # Whatever it raises of a tensor without contents; of its own faults it raises them again when it has them.
            result = tf.py_function(functools.partial(apply, self), [text], tf.string)
            result.set_shape(text.shape)
            return result

    module.TextVectorization._apply_standardize_with_np_arrays = standardize
