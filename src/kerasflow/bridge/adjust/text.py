"""Keras's layers that look up and hash: with NumPy, and with TensorFlow what is TensorFlow's."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import Any

from kerasflow.bridge.adjust.seen import Seen
from kerasflow.bridge.symbolic import is_symbolic
from kerasflow.bridge.text import features, hashing, lookup, vectorization
from kerasflow.bridge.text.batch import is_recorded
from kerasflow.bridge.text.standin import Standin, for_tensorflow, genuine, graph_scope, imported
from kerasflow.bridge.versions import LAYOUT


def _with_numpy(
    ours: Callable[..., Any], theirs: Callable[..., Any], asks: Callable[[Any], bool] = lambda layer: False
) -> Callable[..., Any]:
    """A layer's method: ours, but Keras's own for what is TensorFlow's.

    Args:
        asks: whether a layer may call functions of TensorFlow's itself.
    """

    @functools.wraps(theirs)
    def method(self: Any, inputs: Any) -> Any:
        if for_tensorflow(inputs) or (asks(self) and imported() is not None and not is_recorded(inputs)):
            return genuinely(theirs)(self, inputs)
        return ours(self, inputs)

    return method


def genuinely(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keras's own function, for which `tf` is TensorFlow."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with genuine():
            return function(*args, **kwargs)

    return run


def _let_sparse(cls: Any, of_int: bool = False) -> None:
    """Let a layer's `sparse=True` be, which Keras's constructor has TensorFlow's backend alone do.

    Args:
        of_int: whether the layer lets it be also where there is nothing sparse, for `output_mode="int"`.
    """
    init = cls.__init__
    signature = inspect.signature(init)

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        given = signature.bind(self, *args, **kwargs)
        sparse = bool(given.arguments.pop("sparse", False))
        given.apply_defaults()
        init(*given.args, **given.kwargs)
        mode = getattr(self, "output_mode", None) or self._output_mode
        if sparse and mode == "int" and not of_int:
            raise ValueError(
                "`sparse` may only be true if `output_mode` is `'one_hot'`, `'multi_hot'`, `'count'` or `'tf_idf'`. "
                f"Received: sparse={sparse} and output_mode={mode}"
            )
        for layer in (self, getattr(self, "_lookup_layer", self)):
            layer.sparse = sparse

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    cls.__init__ = __init__


Adjustment = Callable[[ModuleType], AbstractContextManager[None]]


def _with_a_standin(change: Callable[[ModuleType], None]) -> Adjustment:
    """What is changed in a module behind its execution, beside TensorFlow, for which there is a stand-in."""

    @functools.wraps(change)
    @contextmanager
    def around(module: Any) -> Iterator[None]:
        yield
        module.tf = Standin()
        change(module)

    return around


@_with_a_standin
def ask_a_standin(module: ModuleType) -> None:
    """Layers that ask TensorFlow alone whether data are its datasets."""


@_with_a_standin
def look_up(module: ModuleType) -> None:
    """`IndexLookup`: its tables, its vocabulary and what it gives."""
    cls = module.IndexLookup
    cls._lookup_table_from_tokens = lookup.table_from_tokens
    cls._lookup_table_from_file = lookup.table_from_file
    cls._uninitialized_lookup_table = lookup.uninitialized_table
    for name in ("adapt", "reset_state", "finalize_state", "save_assets", "load_assets"):
        setattr(cls, name, functools.wraps(getattr(cls, name))(getattr(lookup, name)))
    update_state = cls.update_state

    @functools.wraps(update_state)
    def update(self: Any, data: Any) -> None:
        # Keras's refuses, with its words.
        (update_state if self._has_input_vocabulary else lookup.update_state)(self, data)

    cls.update_state = update
    cls.call = _with_numpy(lookup.call, cls.call)


@_with_a_standin
def look_up_strings(module: ModuleType) -> None:
    """`StringLookup` and `IntegerLookup`, which take more than that one does."""
    cls = getattr(module, "StringLookup", None) or module.IntegerLookup
    _let_sparse(cls)
    cls.call = _with_numpy(lookup.call, cls.call)


@_with_a_standin
def split_texts(module: ModuleType) -> None:
    """`TextVectorization`."""
    cls = module.TextVectorization
    _let_sparse(cls)
    cls.adapt = functools.wraps(cls.adapt)(vectorization.adapt)
    cls.call = _with_numpy(vectorization.call, cls.call, vectorization.has_functions)
    cls._preprocess = _with_numpy(vectorization.preprocess, cls._preprocess, vectorization.has_functions)
    if LAYOUT.standardizes_arrays:
        cls._apply_standardize_with_np_arrays = _in_graphs(genuinely(cls._apply_standardize_with_np_arrays))


def _in_graphs(apply: Callable[..., Any]) -> Callable[..., Any]:
    """Keras gives a user's `standardize` an array of text, which a tensor of a graph has not while it is recorded.

    A function of TensorFlow's (`tf.strings`) takes the tensor itself. One that does not, NumPy's say, is called with
    the text of each batch when the graph runs; what goes in and what comes out have the same shape then.
    """

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

    return standardize


@_with_a_standin
def hash_values(module: ModuleType) -> None:
    """`Hashing`."""
    module.Hashing.call = _with_numpy(hashing.hash_call, module.Hashing.call)


@_with_a_standin
def cross_values(module: ModuleType) -> None:
    """`HashedCrossing`."""
    _let_sparse(module.HashedCrossing, of_int=True)
    module.HashedCrossing.call = _with_numpy(hashing.cross_call, module.HashedCrossing.call)


@_with_a_standin
def prepare_features(module: ModuleType) -> None:
    """`FeatureSpace`."""
    module.backend_utils = Seen(module.backend_utils, TFGraphScope=graph_scope)  # type: ignore[attr-defined]
    module.TFDConcat.call = features.concatenating(module.TFDConcat.call)
    cls = module.FeatureSpace
    adapt, call = cls.adapt, cls.__call__

    @functools.wraps(adapt)
    def adapt_features(self: Any, dataset: Any) -> None:
        # Keras's takes datasets of TensorFlow's, and refuses others.
        (features.adapt if isinstance(dataset, dict) else genuinely(adapt))(self, dataset)

    cls.adapt = adapt_features
    cls.__call__ = _with_numpy(call, call)
