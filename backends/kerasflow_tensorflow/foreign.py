"""TensorFlow's own functions in a program: what a user's code asks of them while it is traced.

TensorFlow records it in a graph of its own (`Recording`), beside the trace. Cut by cut, that graph becomes functions of
arrays (`Recorded`), which are put into programs as they are, and whose derivatives are TensorFlow's.
"""

from __future__ import annotations

import functools
import itertools
import linecache
import os
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerasflow import errors
from kerasflow.errors import GradientError, TracingError
from kerasflow.graph import ShapedArray
from kerasflow_tensorflow.dtypes import Tensor, host_array, numpy_dtype

# What stands for an operation's input that comes from elsewhere; and what is known without running anything.
_GIVEN, _KNOWN = "Placeholder", "Const"
# What calls a `tf.function`.
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
# Dtypes of what is no array of numbers.
_OPAQUE = (tf.resource, tf.variant, tf.string)
# What is done for its effect alone, also in a branch or in a function.
_WITHOUT_RESULT = {"Assert", "Print", "PrintV2"}
_NO_VARIABLES = (
    "Variables and tables of TensorFlow's are no part of a model's programs. Make variables with `self.add_weight(…)` or "
    "`keras.Variable(…)`."
)
# Where no user's code is: what is installed, and this project's packages.
_INSTALLED = (
    *map(sysconfig.get_path, ("stdlib", "purelib", "platlib")),
    *(os.path.dirname(os.path.abspath(file)) for file in (errors.__file__, __file__)),
)


def _is_array(x: Tensor) -> bool:
    return x.dtype not in _OPAQUE and x.shape.is_fully_defined()


def _aval(x: Tensor) -> ShapedArray:
    return ShapedArray(tuple(x.shape), numpy_dtype(x))


def _placeholder(aval: ShapedArray) -> Tensor:
    return tf.compat.v1.placeholder(aval.dtype, aval.shape)


def _is_stateful(op: tf.Operation) -> bool:
    return bool(op.op_def.is_stateful) and op.type != _GIVEN


class Recording:
    """A graph that TensorFlow records beside a trace; see `kerasflow.tracing.foreign`."""

    framework = "tensorflow"

    def __init__(self) -> None:
        self.graph = tf.__internal__.FuncGraph("beside_a_trace")
        self._begin = 0  # how many operations were there at the last cut
        self._given: dict[str, Tensor] = {}  # what has a value in the trace
        self._once: set[str] = set()  # the operations before the last cut that are not done again

    @property
    def is_on(self) -> bool:
        return not tf.executing_eagerly()

    @property
    def is_current(self) -> bool:
        return tf.compat.v1.get_default_graph() is self.graph

    def active(self) -> Any:
        return self.graph.as_default()

    def inactive(self) -> Any:
        return tf.init_scope()

    def symbol(self, aval: ShapedArray) -> Tensor:
        with self.graph.as_default(), tf.control_dependencies(None):
            found = _placeholder(aval)
        self._given[found.name] = found
        return found

    def key(self, x: Any) -> Any:
        if isinstance(x, tf.Variable):
            return id(x)
        return x.name if isinstance(x, tf.Tensor) and getattr(x, "graph", None) is self.graph else None

    def constant(self, symbol: Any) -> np.ndarray[Any, Any] | None:
        """The value of what may be a size: of integers that depend on nothing that is given."""
        if isinstance(symbol, tf.Variable) or not (symbol.dtype.is_integer and _is_array(symbol)):
            return None
        ops, inputs = _needed([symbol], {})
        if inputs or any(map(_is_stateful, ops)):
            return None
        return Recorded([symbol], {})()[0]

    def cut(self) -> tuple[Recorded, list[Any], list[Tensor]] | None:
        """What was recorded since the last cut.

        Raises:
            TracingError: it uses a variable of TensorFlow's, or does something besides giving results.
        """
        ops = self.graph.get_operations()[self._begin :]
        self._begin += len(ops)
        for op in ops:
            _require_results(op)
        results = [x for op in ops if op.type not in (_GIVEN, _KNOWN) for x in op.outputs if _is_array(x)]
        if not results:
            return None
        outside = {inner.name: outer for outer, inner in self.graph.captures}
        function = Recorded(results, self._given, self._once)
        self._given.update((x.name, x) for x in results)
        self._once.update(op.name for op in ops if _is_stateful(op))
        return function, [_from_outside(outside.get(x.name, x)) for x in function.inputs], results

    def reason(self, symbol: Any) -> str:
        if isinstance(symbol, tf.Variable):
            return _NO_VARIABLES
        if symbol.dtype in _OPAQUE:
            return f"TensorFlow gives a {symbol.dtype.name}, which is no array of numbers, in a program."
        return (
            f"TensorFlow gives an array of a size that depends on values ({symbol.dtype.name}, {symbol.shape}); in a "
            "program sizes are known. Where you know it, say so (`tf.ensure_shape`); else use `tf.where` with a mask, or "
            "pad to a size."
        )


def _require_results(op: tf.Operation) -> None:
    """Refuse what a program would not do: it computes results.

    Raises:
        TracingError: naming the operation.
    """
    if any(x.dtype == tf.resource for x in (*op.inputs, *op.outputs)):
        raise TracingError(_NO_VARIABLES + _place(op))
    if (_is_stateful(op) and not op.outputs) or _WITHOUT_RESULT & _called(op):
        raise TracingError(
            f"`{op.type}` of TensorFlow checks or prints something and gives no result, so that a program would not run "
            f"it. Leave it out, or do it with values, outside of the program.{_place(op)}"
        )


def _calls(node: Any) -> set[str]:
    """The names of the functions that a node calls."""
    attrs = node.attr.values()
    return {f.name for attr in attrs for f in (attr.func, *attr.list.func) if f.name}


def _called(op: tf.Operation) -> set[str]:
    """The types of the operations in the functions that one calls."""
    pending = _calls(op.node_def)
    if not pending:
        return set()
    functions = {f.signature.name: f.node_def for f in op.graph.as_graph_def().library.function}
    seen: set[str] = set()
    while pending:
        seen |= pending
        pending = {name for f in pending for node in functions.get(f, ()) for name in _calls(node)} - seen
    return {node.op for name in seen for node in functions.get(name, ())}


def _place(op: tf.Operation) -> str:
    """The line of the user's that an operation comes from, as errors show it."""
    frames = [f for f in op.traceback if not f.filename.startswith(_INSTALLED)]
    if not frames:
        return ""
    name, line = frames[-1].filename, frames[-1].lineno
    return f"\n  at {name}:{line}: {linecache.getline(name, line).strip()}"


def _from_outside(x: Tensor) -> Any:
    return host_array(x) if hasattr(x, "numpy") else x


class Recorded:
    """Operations of a graph of TensorFlow's as a function of arrays; see `kerasflow.primitives.foreign`.

    Args:
        outputs: what it gives.
        given: the tensors, by name, that are not computed but taken: those among them that the outputs depend on.
        once: the names of operations that may not be a part of it, having been done.

    Attributes:
        inputs: the tensors that it takes.

    Raises:
        TracingError: if an operation that it needs may not be done again.
    """

    framework = "tensorflow"

    def __init__(
        self, outputs: Sequence[Tensor], given: Mapping[str, Tensor], once: Iterable[str] = ()
    ) -> None:
        self.outputs = list(outputs)
        self.ops, self.inputs = _needed(outputs, given)
        if again := sorted({op.name for op in self.ops} & set(once)):
            raise TracingError(
                f"What TensorFlow's {', '.join(map(repr, again))} gives is used in two places with operations of "
                "`keras.ops` or NumPy between them, and is no array of known size."
            )
        self.operands = list(map(_aval, self.inputs))
        self.results = list(map(_aval, self.outputs))
        self._stateful = [op for op in self.ops if _is_stateful(op)]
        self.draws = bool(self._stateful)

    def __call__(self, *arrays: Any) -> list[np.ndarray[Any, Any]]:
        with tf.init_scope():
            return list(map(host_array, self._function(*map(tf.constant, arrays))))

    @functools.cached_property
    def _function(self) -> Any:
        signature = [tf.TensorSpec(aval.shape, aval.dtype) for aval in self.operands]
        made = tf.function(lambda *xs: self.on(xs), input_signature=signature, autograph=False)
        return made.get_concrete_function()

    def on(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Its results for tensors of another graph, the one that is being recorded."""
        return self._with(dict(zip((x.name for x in self.inputs), tensors, strict=True)))

    def _with(self, tensors: Mapping[str, Tensor]) -> list[Tensor]:
        current = tf.compat.v1.get_default_graph()
        known = {
            name: x if getattr(x, "graph", None) is current else tf.identity(x) for name, x in tensors.items()
        }
        for is_call, ops in itertools.groupby(self.ops, lambda op: op.type in _CALLS):
            made = _inlined(list(ops), known) if is_call else _imported(list(ops), known)
            known = {**made, **known}
        return [known[x.name] for x in self.outputs]

    @functools.cached_property
    def _text(self) -> bytes:
        return bytes(_definition(self.ops).SerializeToString(deterministic=True))

    def __eq__(self, other: object) -> bool:
        """Whether it computes the same of the same, whatever the sizes are."""
        if not isinstance(other, Recorded) or self.draws or other.draws:
            return self is other
        names = [[x.name for x in (*f.inputs, *f.outputs)] for f in (self, other)]
        return names[0] == names[1] and self._text == other._text

    def __hash__(self) -> int:
        return hash((len(self.ops), len(self.inputs)))

    def __repr__(self) -> str:
        return "functions of TensorFlow's"

    def vjp(self, flowing: Sequence[int], wanted: Sequence[int]) -> tuple[Recorded, list[int]]:
        """The function that gives cotangents; what was drawn it takes, and does not draw again.

        Raises:
            GradientError: if TensorFlow has no derivative, or one that would draw again.
        """
        drawn = [i for i, x in enumerate(self.outputs) if _is_stateful(x.op)]
        given = _by_name([*self.inputs, *(self.outputs[i] for i in drawn)])
        forward = Recorded([self.outputs[i] for i in flowing], given)
        self._require_derivative(forward, {self.inputs[i].name for i in wanted})
        with tf.__internal__.FuncGraph("derivative").as_default():
            taken = [_placeholder(_aval(x)) for x in given.values()]
            weights = [_placeholder(self.results[i]) for i in flowing]
            sources = [taken[i] for i in wanted]
            targets = forward._with(dict(zip(given, taken, strict=True)))
            try:
                found = tf.gradients(targets, sources, list(map(tf.math.conj, weights)))
            except LookupError as error:
                raise GradientError(f"TensorFlow has no derivative here: {error}") from error
            cotangents = [
                tf.zeros_like(x) if g is None else tf.identity(tf.math.conj(tf.convert_to_tensor(g)))
                for x, g in zip(sources, found, strict=True)
            ]
        function = Recorded(cotangents, _by_name([*taken, *weights]))
        before, behind = len(self.inputs), len(self.inputs) + len(self.outputs)
        places = [*range(before), *(before + i for i in drawn), *range(behind, behind + len(flowing))]
        place = dict(zip((x.name for x in (*taken, *weights)), places, strict=True))
        return function, [place[x.name] for x in function.inputs]

    def _require_derivative(self, forward: Recorded, wanted: set[str]) -> None:
        """Refuse what would have to be drawn again.

        Raises:
            GradientError: naming the operation.
        """
        for op in self._stateful:
            reached = {x.name for x in _needed(op.inputs, _by_name(self.inputs))[1]}
            if op in forward.ops or (reached & wanted and _has_derivative(op)):
                raise GradientError(
                    f"`{op.type}` of TensorFlow has a derivative that needs what is not kept of it. Use "
                    "`keras.random`, or functions of TensorFlow without state."
                )


def _definition(ops: Sequence[tf.Operation]) -> Any:
    """Operations as TensorFlow writes them, without what refers to operations elsewhere."""
    definition = tf.compat.v1.GraphDef(versions=ops[0].graph.graph_def_versions if ops else None)
    if any(_calls(op.node_def) for op in ops):
        definition.library.CopyFrom(ops[0].graph.as_graph_def().library)
    names = {op.name for op in ops}
    for op in ops:
        node = definition.node.add()
        node.CopyFrom(op.node_def)
        node.attr.pop("_class", None)  # beside which operation it is to be put
        kept = [x for x in node.input if not x.startswith("^") or x[1:] in names]
        del node.input[:]
        node.input.extend(kept)
    return definition


def _imported(ops: Sequence[tf.Operation], known: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What operations give in the graph that is being recorded, by the names of their results."""
    read = {x.name for op in ops for x in op.inputs} & set(known)
    made = [x.name for op in ops for x in op.outputs]
    found = tf.graph_util.import_graph_def(_definition(ops), {name: known[name] for name in read}, made, "foreign")
    return dict(zip(made, found, strict=True))


def _inlined(ops: Sequence[tf.Operation], known: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same for calls of `tf.function`s: the operations in them, which have derivatives of any order."""
    made: dict[str, Tensor] = {}
    for op in ops:
        called = op.graph._get_function(op.get_attr("f").name).graph
        given = (made.get(x.name, known.get(x.name)) for x in op.inputs)
        results = Recorded(called.outputs, _by_name(called.inputs))._with(
            dict(zip((x.name for x in called.inputs), given, strict=True))
        )
        made.update(zip((x.name for x in op.outputs), results, strict=True))
    return made


def _by_name(tensors: Iterable[Tensor]) -> dict[str, Tensor]:
    return {x.name: x for x in tensors}


def _needed(
    outputs: Sequence[Tensor], given: Mapping[str, Tensor]
) -> tuple[list[tf.Operation], list[Tensor]]:
    """The operations that the outputs are computed by, and the tensors that those take from elsewhere."""
    ops: dict[str, tf.Operation] = {}
    inputs: dict[str, Tensor] = {}
    pending = list(outputs)
    while pending:
        x = pending.pop()
        if x.name in given or x.op.type == _GIVEN:
            inputs[x.name] = x
        elif x.op.name not in ops:
            ops[x.op.name] = x.op
            pending.extend(x.op.inputs)
    place = {op: i for i, op in enumerate(outputs[0].graph.get_operations())} if outputs else {}
    return sorted(ops.values(), key=place.__getitem__), list(inputs.values())


def _has_derivative(op: tf.Operation) -> bool:
    """Whether something flows back through an operation alone."""
    with tf.__internal__.FuncGraph("trial").as_default():
        inputs = {x.name: _placeholder(_aval(x)) for x in op.inputs if _is_array(x)}
        results = Recorded(op.outputs, _by_name(op.inputs))._with(inputs)
        try:
            found = tf.gradients([x for x in results if x.dtype.is_floating], list(inputs.values()))
        except LookupError:
            return False
    return any(g is not None for g in found)
