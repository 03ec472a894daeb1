"""What TensorFlow has recorded as a function of arrays: lowered as it is, with TensorFlow's derivative."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerasflow.errors import GradientError, TracingError
from kerasflow.graph import ShapedArray
from kerasflow_tensorflow.derivatives import Derivative
from kerasflow_tensorflow.dtypes import Tensor, host_array, numpy_dtype

# What stands for a tensor that comes from elsewhere.
GIVEN = "Placeholder"
# What calls a `tf.function`.
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
# Dtypes of what is no array of numbers.
OPAQUE = (tf.resource, tf.variant, tf.string)


def is_array(x: Tensor) -> bool:
    """Whether a tensor is an array of numbers of known size."""
    return x.dtype not in OPAQUE and x.shape.is_fully_defined()


def is_stateful(op: tf.Operation) -> bool:
    """Whether an operation may give something else each time, or does something besides."""
    return bool(op.op_def.is_stateful) and op.type != GIVEN


def placeholder(aval: ShapedArray) -> Tensor:
    """A tensor that stands for an array, in the graph that is being recorded."""
    return tf.compat.v1.placeholder(aval.dtype, aval.shape)


def _aval(x: Tensor) -> ShapedArray:
    return ShapedArray(tuple(x.shape), numpy_dtype(x))


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
        self.ops, self.inputs = needed(outputs, given)
        if again := sorted({op.name for op in self.ops} & set(once)):
            raise TracingError(
                f"What TensorFlow's {', '.join(map(repr, again))} gives is used in two places with operations of "
                "`keras.ops` or NumPy between them, and is no array of known size."
            )
        self._stateful = [op for op in self.ops if is_stateful(op)]
        self.draws = bool(self._stateful)

    @functools.cached_property
    def operands(self) -> list[ShapedArray]:
        return list(map(_aval, self.inputs))

    @functools.cached_property
    def results(self) -> list[ShapedArray]:
        return list(map(_aval, self.outputs))

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
        given = known = {
            name: x if getattr(x, "graph", None) is current else tf.identity(x) for name, x in tensors.items()
        }
        for is_call, group in itertools.groupby(self.ops, lambda op: op.type in _CALLS):
            ops = list(group)
            known = {**(_inlined if is_call else _imported)(ops, known), **known}
        if isinstance(current, Derivative) and self.outputs:
            current.copied(self.outputs[0].graph, given, known)
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

    def derived(self, places: Sequence[int]) -> bool:
        """Whether some results are computed of those at the places."""
        given = _by_name(self.outputs[i] for i in places)
        others = [x for x in self.outputs if x.name not in given]
        return any(x.name in given for x in needed(others, given)[1])

    def vjp(self, flowing: Sequence[int], wanted: Sequence[int]) -> tuple[Recorded, list[int]]:
        """The function that gives cotangents; what was drawn it takes, and does not draw again.

        Raises:
            GradientError: if TensorFlow has no derivative, or one that would draw again.
        """
        drawn = [i for i, x in enumerate(self.outputs) if is_stateful(x.op)]
        given = _by_name([*self.inputs, *(self.outputs[i] for i in drawn)])
        forward = Recorded([self.outputs[i] for i in flowing], given)
        self._require_derivative(forward, {self.inputs[i].name for i in wanted})
        with Derivative(lambda x, copies: Recorded([x], copies)._with(copies)[0]).as_default():
            taken = [placeholder(_aval(x)) for x in given.values()]
            weights = [placeholder(self.results[i]) for i in flowing]
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
        if any(x.name not in place for x in function.inputs):
            raise GradientError(
                "A gradient of one's own (`tf.custom_gradient`) reads what was computed in a loop or a branch of "
                "TensorFlow's, of which that is not kept. Compute it once more in the gradient, or take the loop or "
                "branch of `keras.ops`."
            )
        return function, [place[x.name] for x in function.inputs]

    def _require_derivative(self, forward: Recorded, wanted: set[str]) -> None:
        """Refuse what would have to be drawn again.

        Raises:
            GradientError: naming the operation.
        """
        for op in self._stateful:
            reached = {x.name for x in needed(op.inputs, _by_name(self.inputs))[1]}
            if op in forward.ops or (reached & wanted and _has_derivative(op)):
                raise GradientError(
                    f"`{op.type}` of TensorFlow has a derivative that needs what is not kept of it. Use "
                    "`keras.random`, or functions of TensorFlow without state."
                )


def calls(node: Any) -> set[str]:
    """The names of the functions that a node calls."""
    attrs = node.attr.values()
    return {f.name for attr in attrs for f in (attr.func, *attr.list.func) if f.name}


def _definition(ops: Sequence[tf.Operation]) -> Any:
    """Operations as TensorFlow writes them, without what refers to operations elsewhere."""
    definition = tf.compat.v1.GraphDef(versions=ops[0].graph.graph_def_versions if ops else None)
    if any(calls(op.node_def) for op in ops):
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
    found = tf.graph_util.import_graph_def(
        _definition(ops), {name: known[name] for name in read}, made, "foreign"
    )
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


def needed(outputs: Sequence[Tensor], given: Mapping[str, Tensor]) -> tuple[list[tf.Operation], list[Tensor]]:
    """The operations that the outputs are computed by, and the tensors that those take from elsewhere."""
    ops: dict[str, tf.Operation] = {}
    inputs: dict[str, Tensor] = {}
    pending = list(outputs)
    while pending:
        x = pending.pop()
        if x.name in given or x.op.type == GIVEN:
            inputs[x.name] = x
        elif x.op.name not in ops:
            ops[x.op.name] = x.op
            pending.extend(x.op.inputs)
    place = {op: i for i, op in enumerate(outputs[0].graph.get_operations())} if outputs else {}
    return sorted(ops.values(), key=place.__getitem__), list(inputs.values())


def _has_derivative(op: tf.Operation) -> bool:
    """Whether something flows back through an operation alone; yes, if that cannot be tried."""
    if not all(map(is_array, op.inputs)):
        return True
    with tf.__internal__.FuncGraph("trial").as_default():
        inputs = {x.name: placeholder(_aval(x)) for x in op.inputs}
        results = Recorded(op.outputs, _by_name(op.inputs))._with(inputs)
        try:
            found = tf.gradients([x for x in results if x.dtype.is_floating], list(inputs.values()))
        except LookupError:
            return False
    return any(g is not None for g in found)
