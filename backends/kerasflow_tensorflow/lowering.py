"""The lowering table: from each primitive to the function that computes it with TensorFlow; graphs, node by node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from kerasflow.graph import Graph, Node, evaluate
from kerasflow.primitives import PRIMITIVES
from kerasflow.primitives.foreign import foreign_function
from kerasflow_tensorflow import algebra, arrays, collective, convolution, elementwise, philox, pooling, sizes
from kerasflow_tensorflow.dtypes import Lowering, Tensor
from kerasflow_tensorflow.recorded import Recorded

# -- control flow: sub-graphs -------------------------------------------------------------------------------


def _run(graph: Graph, operands: Sequence[Tensor]) -> list[Tensor]:
    return run(graph, [], operands)[0]


def _switch(index: Tensor, *operands: Tensor, branches: tuple[Graph, ...]) -> tuple[Tensor, ...]:
    functions = [lambda b=b: tuple(_run(b, operands)) for b in branches]
    if index.dtype == tf.bool:
        return tuple(tf.cond(index, functions[1], functions[0]))
    return tuple(tf.switch_case(index, functions))


def _while_loop(
    *operands: Tensor, cond: Graph, body: Graph, constants: int, maximum: int | None
) -> tuple[Tensor, ...]:
    fixed, carried = operands[:constants], operands[constants:]
    return tuple(
        tf.while_loop(
            lambda *carried: _run(cond, [*fixed, *carried])[0],
            lambda *carried: tuple(_run(body, [*fixed, *carried])),
            carried,
            maximum_iterations=maximum,
        )
    )


def _reader(stack: Tensor) -> Callable[[Tensor], Tensor]:
    """What reads an element of a stack: of one that a loop has made, from that loop's array.

    A stack that only other loops read (what the derivative keeps of each step) is then never put together.
    """
    array = getattr(stack, "_elements", None)
    return stack.__getitem__ if array is None else array.read


def _stack(array: Any) -> Tensor:
    stack = array.stack()
    stack._elements = array
    return stack


def _scan(
    *operands: Tensor, body: Graph, length: int, reverse: bool, constants: int, carries: int
) -> tuple[Tensor, ...]:
    fixed, carried = operands[:constants], operands[constants : constants + carries]
    readers = [_reader(x) for x in operands[constants + carries :]]
    results = [v.aval for v in body.outputs[carries:]]
    stacks = tuple(
        tf.TensorArray(aval.dtype, length, element_shape=sizes.known(aval.shape), clear_after_read=False)
        for aval in results
    )
    if isinstance(length, int) and not length:
        return (*carried, *(tf.zeros((0, *aval.shape), aval.dtype) for aval in results))

    def step(i: Tensor, carried: tuple[Tensor, ...], found: tuple[Any, ...]) -> tuple[Any, ...]:
        t = length - 1 - i if reverse else i
        new = _run(body, [*fixed, *carried, *(read(t) for read in readers)])
        written = tuple(a.write(t, y) for a, y in zip(found, new[carries:], strict=True))
        return i + 1, tuple(new[:carries]), written

    _, carried, found = tf.while_loop(
        lambda i, *_: i < length, step, (tf.constant(0), tuple(carried), stacks), maximum_iterations=length
    )
    return (*carried, *map(_stack, found))


def _foreign_function(*operands: Tensor, function: Recorded) -> Sequence[Tensor]:
    return function.on(operands)


def _custom_vjp(*values: Tensor, outputs: int, **_: Any) -> tuple[Tensor, ...]:
    return values[len(values) - outputs :]


LOWERINGS: dict[str, Lowering] = {
    **elementwise.LOWERINGS,
    **arrays.LOWERINGS,
    **algebra.LOWERINGS,
    **convolution.LOWERINGS,
    **pooling.LOWERINGS,
    **philox.LOWERINGS,
    **collective.LOWERINGS,
    "switch": _switch,
    "while_loop": _while_loop,
    "scan": _scan,
    "custom_vjp": _custom_vjp,
    foreign_function.name: _foreign_function,
}

# What XLA has no kernels for, by the kinds of its operands' dtypes.
WITHOUT_XLA = {
    "i0": "f", "i1": "f", "det": "fc", "cofactors": "fc", "slogdet": "fc", "eig": "fc",
    "cumsum": "c", "cumprod": "c", "solve": "c", "lstsq": "c", "svd": "c",
    "all_reduce": "iufcV", "all_gather": "biufcV",
}  # fmt: skip

SUPPORTED = frozenset(LOWERINGS) & frozenset(PRIMITIVES)


def _apply(node: Node, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    lowering, several = LOWERINGS[node.primitive.name], node.primitive.multiple_results
    with tf.name_scope(node.primitive.name):
        if not sizes.for_every_batch():
            found = lowering(*tensors, **node.params)
            return found if several else (found,)
        found = lowering(*tensors, **sizes.params(node))
        found = found if several else (found,)
        for x, v in zip(found, node.outputs, strict=True):
            x.set_shape(sizes.known(v.aval.shape))  # TensorFlow finds out less than the graph knows.
        return found


def run(graph: Graph, state: Sequence[Tensor], inputs: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """The outputs and the new state of a graph on tensors."""
    return evaluate(graph, state, inputs, _apply, tf.constant)
