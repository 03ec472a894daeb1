"""How Keras's operations are served: they give tensors, and in a graph of TensorFlow's they are its backend's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from keras.src import tree

from kerasflow.bridge.ops import numpy as overrides
from kerasflow.bridge.ops.finite import check_operation
from kerasflow.bridge.ops.sparse import any_sparse, on_sparse
from kerasflow.bridge.ops.tensors import as_tensors
from kerasflow.bridge.symbolic import any_symbolic, call_in_graph
from kerasflow.compiler.nans import watching
from kerasflow.tracing import adopted, at_user_line, is_accompanied

# What gives arrays of NumPy's on purpose, or none, or tensors where it has to.
_AS_IT_IS = frozenset(
    {"compute_output_spec", "convert_to_numpy", "convert_to_tensor", "device_scope", "is_tensor", "shape"}
)


def serve_operations(module: ModuleType, place: str) -> None:
    """Put around the operations of one of the backend's modules what all of them have in common.

    Outside of programs they give tensors, which share no memory with a user's own arrays. What is given a symbolic
    tensor of TensorFlow's is done by Keras's TensorFlow backend.

    Args:
        module: its operations are those in its `__all__`; without that, what it defines, and `OVERRIDES`.
        place: its name in Keras.
    """
    names: Iterable[str] | None = getattr(module, "__all__", None)
    if names is None:
        defined = (
            name for name, x in vars(module).items() if getattr(x, "__module__", "") == module.__name__
        )
        names = {*defined, *overrides.OVERRIDES}
    for name in names:
        function = getattr(module, name)
        if isinstance(function, FunctionType):
            setattr(module, name, _served(function, place, name))


def _served(function: Callable[..., Any], place: str, name: str) -> Callable[..., Any]:
    as_it_is = name in _AS_IT_IS

    @functools.wraps(function)
    def served(*args: Any, **kwargs: Any) -> Any:
        if any_symbolic(args, kwargs):
            return call_in_graph(place, name, args, kwargs)
        if is_accompanied():
            args, kwargs = tree.map_structure(adopted, (args, kwargs))
        if as_it_is:
            return function(*args, **kwargs)
        if any_sparse(args, kwargs):
            return as_tensors(on_sparse(name, served, args, kwargs), args)
        try:
            # Outside of programs NumPy would warn, say of a logarithm of 0 that `where` leaves out: in a line of
            # Keras's, and as no other backend does, nor a program or a tape. (`debug_nans` finds what makes them.)
            with np.errstate(all="ignore"):
                result = function(*args, **kwargs)
        except np.exceptions.AxisError as error:
            if isinstance(error.args[0], str):
                raise
            # Its first argument is what Keras takes for the message: the number of the axis.
            raise np.exceptions.AxisError(at_user_line(str(error))) from None
        if watching():
            check_operation(name, args, kwargs, result)
        return as_tensors(result, args)

    return served
