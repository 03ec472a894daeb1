"""Control flow: branches and loops as sub-graphs, with the state that they read and assign.

Where values are known (plain arrays, `run_eagerly`) Python's own `if` and `for` do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from keras.src import tree

from kerasflow.bridge.ops.loops import Loop, same_structure, while_graphs
from kerasflow.bridge.ops.subgraphs import Shared, Subgraph
from kerasflow.bridge.ops.tensors import convert_to_tensor
from kerasflow.primitives import PRIMITIVES
from kerasflow.tracing import Trace, Tracer, adopted, at_user_line, cast, current_trace


def is_abstract(x: Any) -> bool:
    """Whether x is traced and has no value."""
    return isinstance(x, Tracer) and not x.owner.concrete


def abstract_trace() -> Trace | None:
    """The trace that records a program without values, if one does."""
    trace = current_trace()
    return None if trace is None or trace.concrete else trace


# -- branches -----------------------------------------------------------------------------------------------


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """`true_fn()` if `pred`, else `false_fn()`; only one of them runs.

    Variables that a branch assigns change only where that branch runs.

    Args:
        pred: a boolean scalar, traced or not.
        true_fn, false_fn: functions without arguments, returning the same
            structure of arrays of the same shapes.
    """
    pred = convert_to_tensor(pred)
    trace = abstract_trace()
    if trace is None or not is_abstract(pred):
        return true_fn() if pred else false_fn()
    if pred.size != 1:
        raise ValueError(at_user_line(f"cond: the predicate must be a scalar, received shape {pred.shape}"))
    pred = np.reshape(cast(pred, np.bool_), ())
    return _branches(trace, "cond", pred, {"false_fn": false_fn, "true_fn": true_fn})


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """`branches[index](*operands)`, the index clipped to the list; only that branch runs.

    Args:
        index: an integer scalar, traced or not. branches: as `cond`'s, but for their arguments.
    """
    if not branches:
        raise ValueError("switch: there are no branches")
    index = convert_to_tensor(index)
    if index.size != 1 or index.dtype.kind not in "iu":
        raise ValueError(
            at_user_line(f"switch: the index must be an integer scalar, received {index.dtype}{index.shape}")
        )
    index = np.reshape(cast(np.clip(index, 0, len(branches) - 1), np.int32), ())
    trace = abstract_trace()
    if trace is None or not is_abstract(index):
        return branches[int(index)](*operands)
    named = {f"branch {i}": lambda f=f: f(*operands) for i, f in enumerate(branches)}
    return _branches(trace, "switch", index, named)


def _branches(trace: Trace, what: str, index: Any, functions: Mapping[str, Callable[[], Any]]) -> Any:
    """Record the functions as the branches of a `switch`."""
    subgraphs, structures = [], []
    for function in functions.values():
        branch = Subgraph(trace)
        with branch.recording():
            structures.append(function())
            branch.outputs = [
                None if x is None else convert_to_tensor(x) for x in tree.flatten(structures[-1])
            ]
        subgraphs.append(branch)
    names, first = list(functions), subgraphs[0].outputs
    for name, branch, structure in zip(names[1:], subgraphs[1:], structures[1:], strict=True):
        same_structure(f"{what}: `{names[0]}` and `{name}` must return", structures[0], structure)
        for i, (x, y) in enumerate(zip(first, branch.outputs, strict=True)):
            if (x is None) != (y is None) or (x is not None and x.shape != y.shape):
                # Of `cond` the first branch is the one for False.
                (one, x), (other, y) = sorted([(names[0], x), (name, y)], key=lambda p: p[0] == "false_fn")
                shapes = ["None" if z is None else z.shape for z in (x, y)]
                raise ValueError(
                    at_user_line(
                        f"{what}: the branches must return arrays of the same shapes, but result {i} of `{one}` and "
                        f"`{other}` has the shapes {shapes[0]} and {shapes[1]}"
                    )
                )
    some = [i for i, x in enumerate(first) if x is not None]
    dtypes = [np.result_type(*(b.outputs[i].dtype for b in subgraphs)) for i in some]
    shared = Shared(trace, *subgraphs)
    operands = [*shared.constants(), *shared.changing()]
    graphs = tuple(
        b.graph(
            [*shared.constants_of(b), *shared.changing_of(b)],
            [
                *(b.cast(b.outputs[i], dtype) for i, dtype in zip(some, dtypes, strict=True)),
                *shared.changed(b),
            ],
        )
        for b in subgraphs
    )
    results = trace.bind(PRIMITIVES["switch"], (index, *operands), {"branches": graphs})
    shared.assign(results[len(some) :])
    values: list[Any] = [None] * len(first)
    for i, x in zip(some, results, strict=False):
        values[i] = x
    return tree.pack_sequence_as(structures[0], values)


# -- loops --------------------------------------------------------------------------------------------------


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: Any = None
) -> Any:
    """Repeat `body` while `cond` holds, at most `maximum_iterations` times.

    Args:
        cond: takes the loop's variables, returns a boolean scalar.
        body: takes them and returns their new values: same structure, shapes and dtypes.
        maximum_iterations: an integer, which may be traced, or None for as many as the condition allows.

    Raises:
        ValueError: if the condition is no boolean scalar, the maximum no integer, or the body returns something else
            than it takes.
    """
    if is_abstract(maximum_iterations):
        return _while_counted(cond, body, loop_vars, maximum_iterations)
    is_tuple = isinstance(loop_vars, (tuple, list))
    state = tree.map_structure(convert_to_tensor, tuple(loop_vars) if is_tuple else (loop_vars,))
    trace = abstract_trace()
    if trace is not None:
        state = while_graphs(trace, cond, body, state, maximum_iterations)
        return state if is_tuple else state[0]
    iteration = 0
    while (maximum_iterations is None or iteration < maximum_iterations) and cond(*state):
        result = body(*state)
        state = tuple(result) if isinstance(result, (list, tuple)) else (result,)
        iteration += 1
    return state if is_tuple else state[0]


def _while_counted(cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum: Any) -> Any:
    """`while_loop` with a maximum that only the program knows: one more variable counts."""
    if maximum.size != 1 or maximum.dtype.kind not in "iu":
        raise ValueError(
            at_user_line(
                f"while_loop: `maximum_iterations` must be an integer scalar, received {maximum.aval}"
            )
        )
    is_tuple = isinstance(loop_vars, (tuple, list))
    maximum = np.reshape(cast(maximum, np.int64), ())

    def go_on(count: Any, *state: Any) -> Any:
        # Beyond the maximum the condition is not asked.
        return switch(cast(count < maximum, np.int32), [lambda *_: np.False_, cond], *state)

    def step(count: Any, *state: Any) -> Any:
        result = body(*state)
        return (count + 1, *(result if isinstance(result, (list, tuple)) else (result,)))

    _, *last = while_loop(go_on, step, (np.int64(0), *(loop_vars if is_tuple else (loop_vars,))))
    return tuple(last) if is_tuple else last[0]


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """`val = body_fun(i, val)` for i from lower to upper, which may be traced."""
    trace = abstract_trace()
    if trace is None:
        val = init_val
        for i in range(int(lower), int(upper)):
            val = body_fun(i, val)
        return val
    init_val = tree.map_structure(convert_to_tensor, init_val)
    if is_abstract(lower) or is_abstract(upper):
        upper = convert_to_tensor(upper)
        start = cast(convert_to_tensor(lower), upper.dtype)
        return while_loop(
            lambda i, _: i < upper, lambda i, val: (i + 1, body_fun(i, val)), (start, init_val)
        )[1]
    if int(upper) <= int(lower):
        return init_val
    numbers = np.arange(int(lower), int(upper), dtype=np.int32)
    loop = Loop(trace, "fori_loop", len(numbers))
    with loop.recording():
        (number,), val = loop.slices([numbers]), loop.carries(init_val)
        loop.carry(val, body_fun(number, val))
    loop.run()
    return loop.last(val)


def scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: Any = 1,
) -> Any:
    """`carry, y = f(carry, x)` along the first axis; returns the last carry and the stacked ys.

    Args:
        unroll: True records the steps one after the other; other values mean nothing here.
    """
    if not callable(f):
        raise TypeError(f"`f` should be a callable. Received: f={f}")
    if not isinstance(unroll, bool) and (not isinstance(unroll, int) or unroll < 1):
        raise ValueError(f"`unroll` must be an positive integer or boolean. Received: unroll={unroll}")
    if xs is None and length is None:
        raise ValueError("Got no `xs` to scan over and `length` not provided.")
    flat = [] if xs is None else [convert_to_tensor(x) for x in tree.flatten(xs)]
    n = _steps("scan", flat, length)
    init = tree.map_structure(convert_to_tensor, init)

    def packed(slices: Sequence[Any]) -> Any:
        return tree.pack_sequence_as(xs, list(slices)) if flat else None

    trace = abstract_trace()
    if trace is not None and unroll is not True:
        loop = Loop(trace, "scan", n, reverse)
        with loop.recording():
            slices, carry = loop.slices(flat), loop.carries(init)
            new, y = f(carry, packed(slices))
            loop.carry(carry, new)
            loop.stack(y)
        loop.run()
        return loop.last(carry), _no_results(init, n) if y is None else loop.stacked
    carry, results = init, []
    for i in reversed(range(n)) if reverse else range(n):
        carry, y = f(carry, packed([leaf[i] for leaf in flat]))
        results.append(tree.map_structure(adopted, y))
    if not n or results[0] is None:
        return carry, _no_results(init, n)
    if reverse:
        results.reverse()
    return carry, tree.map_structure(lambda *leaves: np.stack(leaves), *results)


def _no_results(init: Any, n: int) -> Any:
    """What stock Keras gives where a step returns None: zeros."""
    return tree.map_structure(lambda x: np.zeros((n, *x.shape), x.dtype), init)


def _steps(what: str, flat: Sequence[Any], length: Any = None) -> int:
    """The number of steps over these arrays.

    Raises:
        ValueError: if they do not all have it.
    """
    lengths = [x.shape[0] if x.ndim else None for x in flat]
    n = int(length) if length is not None else lengths[0]
    if n is None or any(k != n for k in lengths):
        wanted = "the same first dimension" if length is None else f"the first dimension {n}, the length"
        raise ValueError(
            at_user_line(f"{what}: all arrays must have {wanted}; received shapes {[x.shape for x in flat]}")
        )
    return n


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """`f` of each slice along the first axis, one after the other, stacked."""
    _, ys = scan(lambda carry, x: (carry, f(x)), (), xs)
    return ys


def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """`function` of each element of the batch, stacked; in a program all at once, where its operations can be.

    Args:
        elements: an array, or a nested structure of them, with the same first dimension.
    """
    flat = [convert_to_tensor(x) for x in tree.flatten(elements)]
    n = _steps("vectorized_map", flat)
    trace = abstract_trace()
    if trace is None:
        results = [function(tree.pack_sequence_as(elements, [x[i] for x in flat])) for i in range(n)]
        return tree.map_structure(lambda *leaves: np.stack([convert_to_tensor(x) for x in leaves]), *results)
    loop = Loop(trace, "vectorized_map", n)
    with loop.recording():
        loop.stack(function(tree.pack_sequence_as(elements, loop.slices(flat))))
    loop.run(at_once=True)
    return loop.stacked


def associative_scan(f: Callable[..., Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Running combinations of elements along an axis with an associative function.

    The function is called on whole arrays, a number of times that grows with the logarithm of their length.
    (Blelloch, "Prefix sums and their applications", 1990.)

    Args:
        f: `f(a, b)`, element by element along the axis.
    """
    if not callable(f):
        raise TypeError(f"`f` should be a callable. Received: f={f}")
    flat = [convert_to_tensor(x) for x in tree.flatten(elems)]
    if any(x.shape[axis] != flat[0].shape[axis] for x in flat):
        raise ValueError(
            "Array inputs to associative_scan must have the same first dimension. "
            f"(saw: {[x.shape for x in flat]})"
        )
    # Along the first axis here; `f` sees the axis where it was.
    flat = [np.moveaxis(x, axis, 0) for x in flat]
    flat = [x[::-1] for x in flat] if reverse else flat

    def combine(xs: list[Any], ys: list[Any]) -> list[Any]:
        a, b = (tree.pack_sequence_as(elems, [np.moveaxis(x, 0, axis) for x in z]) for z in (xs, ys))
        return [np.moveaxis(convert_to_tensor(x), axis, 0) for x in tree.flatten(f(a, b))]

    def running(xs: list[Any]) -> list[Any]:
        n = xs[0].shape[0]
        if n < 2:
            return xs
        odd = running(combine([x[0 : n - 1 : 2] for x in xs], [x[1::2] for x in xs]))
        if n == 2:
            return [np.concatenate([x[:1], o]) for x, o in zip(xs, odd, strict=True)]
        rest = combine([o[: (n - 1) // 2] for o in odd], [x[2::2] for x in xs])
        even = [np.concatenate([x[:1], r]) for x, r in zip(xs, rest, strict=True)]
        return [_interleaved(e, o) for e, o in zip(even, odd, strict=True)]

    found = [np.moveaxis(x[::-1] if reverse else x, 0, axis) for x in running(flat)]
    return tree.pack_sequence_as(elems, found)


def _interleaved(even: Any, odd: Any) -> Any:
    """Elements of two arrays, along the first axis, in turn; the first array may have one more."""
    k = odd.shape[0]
    pairs = np.reshape(np.stack([even[:k], odd], axis=1), (2 * k, *odd.shape[1:]))
    return pairs if even.shape[0] == k else np.concatenate([pairs, even[k:]])
