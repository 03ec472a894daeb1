"""The lowering table: from each primitive to the NumPy statements that compute it into memory that is there.

A lowering gets a `Call` and returns lines of Python. `np.name` is NumPy,
`kernels.name`, `blas.name` and so on this backend's few functions, everything else is an array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Node, Value
from kerasflow.primitives import PRIMITIVES
from kerasflow.primitives.elementwise import BINARY, SPECIAL, UNARY
from kerasflow_numpy.emit.algebra import ALGEBRA
from kerasflow_numpy.emit.call import Call
from kerasflow_numpy.plan.halves import FLOAT16, PIECE

# A product of fewer multiplications and additions is not worth waking a thread for.
MIN_OPERATIONS = 1 << 24


def _ufunc(call: Call) -> list[str]:
    return [f"np.{call.node.primitive.name}({', '.join(call.args)}, out={call.out})"]


def _special(call: Call) -> list[str]:
    return [f"scipy.{call.node.primitive.name}({call.args[0]}, out={call.out})"]


def _erf(call: Call) -> list[str]:
    if call.node.outputs[0].aval.dtype.char == "f":
        return [f"kernels.erf({call.args[0]}, {call.out})"]
    return _special(call)


def _logistic(call: Call) -> list[str]:
    out = call.out
    return [
        f"np.negative({call.args[0]}, out={out})",
        f"np.exp({out}, out={out})",
        f"np.add({out}, 1, out={out})",
        f"np.reciprocal({out}, out={out})",
    ]


def _polygamma(call: Call) -> list[str]:
    return [f"np.copyto({call.out}, scipy.polygamma({call.params['n']}, {call.args[0]}), casting='unsafe')"]


def _gammainc(call: Call) -> list[str]:
    return [f"np.copyto({call.out}, scipy.gammainc({', '.join(call.args)}), casting='unsafe')"]


def _extremum(call: Call) -> list[str]:
    """Against a scalar, `np.clip` has the fast loop that maximum and minimum lack.

    Of equal numbers it gives the array's, and those the second one: of zeros with different signs that is another one.
    """
    name = call.node.primitive.name
    sizes = [v.aval.size for v in call.node.inputs]
    dtype = call.node.outputs[0].aval.dtype
    if dtype.kind != "f" or dtype.itemsize < 4 or 1 not in sizes or max(sizes) == 1:
        return _ufunc(call)
    scalar = sizes.index(1)
    x, bound = call.args[1 - scalar], call.args[scalar]
    low, high = (bound, "np.inf") if name == "maximum" else ("-np.inf", bound)
    lines = [f"np.clip({x}, {low}, {high}, out={call.out})"]
    if scalar == 0:
        return lines
    constant = call.node.inputs[1]
    if not isinstance(constant, Constant) or (constant.array == 0 and np.signbit(constant.array)):
        return _ufunc(call)
    return lines if constant.array != 0 else [*lines, f"np.add({call.out}, 0, out={call.out})"]


def _clip(call: Call) -> list[str]:
    x, low, high = call.args
    if call.node.outputs[0].aval.dtype.name == "bfloat16":
        return [f"np.minimum(np.maximum({x}, {low}), {high}, out={call.out})"]
    return [f"np.clip({x}, {low}, {high}, out={call.out})"]


def _copy(call: Call) -> list[str]:
    return [] if call.same[0] else [f"np.copyto({call.out}, {call.args[0]})"]


def _astype(call: Call) -> list[str]:
    return [f"np.copyto({call.out}, {call.args[0]}, casting='unsafe')"]


def _where(call: Call) -> list[str]:
    condition, x, y = call.args
    if call.same[1] or call.same[0]:
        return [f"{call.out}[...] = np.where({condition}, {x}, {y})"]
    first = [] if call.same[2] else [f"np.copyto({call.out}, {y})"]
    return [*first, f"np.copyto({call.out}, {x}, where={condition})"]


def _bit_mask(call: Call) -> list[str]:
    return [f"np.copyto({call.out}, {call.args[0]})", f"np.negative({call.out}, out={call.out})"]


def _mask_bits(call: Call) -> list[str]:
    word = call.node.inputs[1].aval.dtype.name
    out = call.view(call.out, f".view(np.{word})")
    x = out if call.same[0] else call.view(call.args[0], f".view(np.{word})")
    return [f"np.bitwise_and({x}, {call.args[1]}, out={out})"]


def _round_to(call: Call) -> list[str]:
    dtype, size = call.params["dtype"], call.node.outputs[0].aval.size
    name = call.bind("dtype", dtype)
    if dtype != FLOAT16 and size <= PIECE:
        return [f"np.copyto({call.out}, {call.args[0]}.astype({name}))"]
    return [f"halves.round_to({call.args[0]}, {call.out}, {name}, {call.threads})"]


def _bounded(call: Call) -> list[str]:
    return [f"halves.bounded({call.args[0]}, {call.out})"]


def _axpby(call: Call) -> list[str]:
    x, y, a, b = call.args
    if call.same[0]:
        x, y, a, b = y, x, b, a
    copy = [] if call.same[0] or call.same[1] else [f"np.copyto({call.out}, {y})"]
    return [*copy, f"blas.axpby({a}, {x}, {b}, {call.out})"]


_REDUCERS = {
    "sum": "add",
    "prod": "multiply",
    "max": "maximum",
    "min": "minimum",
    "any": "logical_or",
    "all": "logical_and",
}


def _reduction(call: Call) -> list[str]:
    axis, keepdims = call.params["axis"], call.params["keepdims"]
    x = call.node.inputs[0].aval
    axis_text = "None" if len(axis) == x.ndim else repr(axis[0] if len(axis) == 1 else axis)
    keep = ", keepdims=True" if keepdims else ""
    dtype = (
        f", dtype={call.bind('dtype', x.dtype)}"
        if x.dtype.kind in "iub" and call.node.primitive.name in ("sum", "prod")
        else ""
    )
    reduce = f"np.{_REDUCERS[call.node.primitive.name]}.reduce"
    return [f"{reduce}({call.args[0]}, axis={axis_text}{dtype}{keep}, out={call.out})"]


def _arg_reduction(call: Call) -> list[str]:
    return [f"{call.args[0]}.{call.node.primitive.name}(axis={call.params['axis']}, out={call.out})"]


def _cumulative(call: Call) -> list[str]:
    name = "add" if call.node.primitive.name == "cumsum" else "multiply"
    return [f"np.{name}.accumulate({call.args[0]}, axis={call.params['axis']}, out={call.out})"]


def _view_copy(call: Call) -> list[str]:
    """A view operation that could not be a view."""
    return [f"np.copyto({call.out}, {view_expression(call.node, call.args[0])})"]


def view_expression(node: Node, x: str) -> str:
    """NumPy's expression for a view of x."""
    name, params = node.primitive.name, node.params
    if name == "reshape":
        return f"{x}.reshape({params['shape']})"
    if name == "transpose":
        return (
            f"{x}.T"
            if params["axes"] == tuple(reversed(range(len(params["axes"]))))
            else f"{x}.transpose({params['axes']})"
        )
    if name == "broadcast_to":
        return f"np.broadcast_to({x}, {params['shape']})"
    if name == "getitem":
        return f"{x}[{slice_text(params['index'])}]"
    if name in ("real", "imag"):
        return f"{x}.{name}"
    if name == "own_part":
        return f"kernels.part_of({x}, {_given(params)})"
    return x


def _given(params: Mapping[str, Any]) -> str:
    """Parameters that are numbers, or tuples of numbers, as arguments of a call."""
    return ", ".join(f"{name}={value!r}" for name, value in params.items())


def slice_text(index: tuple[tuple[int, int | None, int], ...]) -> str:
    parts = []
    for start, stop, step in index:
        text = f"{start}:{'' if stop is None else stop}"
        parts.append(text if step == 1 else f"{text}:{step}")
    return ", ".join(parts) or "..."


def _setitem(call: Call) -> list[str]:
    target = call.view(call.out, f"[{slice_text(call.params['index'])}]")
    return [*_copy(call), f"np.copyto({target}, {call.args[1]})"]


def _concatenate(call: Call) -> list[str]:
    return [f"np.concatenate(({', '.join(call.args)},), axis={call.params['axis']}, out={call.out})"]


def _pad(call: Call) -> list[str]:
    x = call.node.inputs[0].aval
    index = tuple(
        (before, before + n, 1) for (before, _), n in zip(call.params["pad_width"], x.shape, strict=True)
    )
    inner = call.view(call.out, f"[{slice_text(index)}]")
    return [f"np.copyto({call.out}, {call.args[1]})", f"np.copyto({inner}, {call.args[0]})"]


def _view(call: Call) -> list[str]:
    shape, dtype = call.node.inputs[0].aval.shape, call.bind("dtype", call.params["dtype"])
    return [f"np.copyto({call.out}, np.ascontiguousarray({call.args[0]}).reshape({shape}).view({dtype}))"]


def _gather(call: Call) -> list[str]:
    x, *indices = call.args
    if len(indices) == 1:
        return [f"np.take({x}, {indices[0]}, axis=0, out={call.out})"]
    return [f"{call.out}[...] = {x}[{_places(x, call.node.inputs[1:], indices)}]"]


def _scatter(call: Call) -> list[str]:
    _, updates, *indices = call.args
    if call.params["mode"] == "set":
        places = _places(call.out, call.node.inputs[2:], indices)
        return [*_copy(call), f"{call.out}[{places}] = {updates}"]
    rest = ", ".join([updates, *indices])
    return [*_copy(call), f"kernels.scatter({call.out}, {rest}, mode={call.params['mode']!r})"]


def _collect_rows(call: Call) -> list[str]:
    return [f"kernels.collect_rows({', '.join(call.args)}, {call.params['size']}, {call.out})"]


def _places(x: str, values: Sequence[Value], indices: Sequence[str]) -> str:
    """The index for the elements of x at some places, which may be those of a block."""
    text = ", ".join(indices)
    return f"kernels.block({x}, {text})" if _is_block(values) else text


def _is_block(indices: Sequence[Value]) -> bool:
    """Whether indices are those of a block: a number, or consecutive places along an axis of its own."""
    lines = [v for v in indices if v.aval.ndim]
    return bool(lines) and all(
        v.aval.ndim == len(lines) and v.aval.shape[axis] == v.aval.size > 0 and _is_consecutive(v)
        for axis, v in enumerate(lines)
    )


def _is_consecutive(value: Value) -> bool:
    if isinstance(value, Constant):
        return bool((np.diff(value.array.reshape(-1)) == 1).all())
    if value.aval.size == 1 or value.node is None:
        return value.aval.size == 1
    if value.node.primitive.name == "add":
        sizes = sorted(v.aval.size for v in value.node.inputs)
        return sizes == [1, value.aval.size] and all(map(_is_consecutive, value.node.inputs))
    return value.node.primitive.name == "reshape" and _is_consecutive(value.node.inputs[0])


def _sort(call: Call) -> list[str]:
    return [*_copy(call), f"{call.out}.sort(axis={call.params['axis']})"]


def _argsort(call: Call) -> list[str]:
    return [f"{call.out}[...] = {call.args[0]}.argsort(axis={call.params['axis']}, kind='stable')"]


def _top_k(call: Call) -> list[str]:
    return [f"{call.out}[...] = kernels.top_k_places({call.args[0]}, {call.params['k']})"]


def _searchsorted(call: Call) -> list[str]:
    a, v = call.args
    return [f"{call.out}[...] = np.searchsorted({a}, {v}, side={call.params['side']!r})"]


def _matmul(call: Call) -> list[str]:
    x, _ = (v.aval for v in call.node.inputs)
    operations = 2 * call.node.outputs[0].aval.size * x.shape[-1]
    if operations < MIN_OPERATIONS or x.dtype.char not in "fd" or call.threads == 1:
        return _ufunc(call)
    return [f"parallel.matmul({call.args[0]}, {call.args[1]}, {call.threads}, out={call.out})"]


def _einsum(call: Call) -> list[str]:
    optimize = ", optimize=True" if len(call.args) > 2 else ""
    subscripts = repr(call.params["subscripts"])
    if call.node.outputs[0].aval.dtype.kind == "V":  # NumPy has no einsum of extension dtypes.
        args = ", ".join(f"{arg}.astype(np.float32)" for arg in call.args)
        return [f"np.copyto({call.out}, np.einsum({subscripts}, {args}{optimize}), casting='unsafe')"]
    return [f"np.einsum({subscripts}, {', '.join(call.args)}, out={call.out}{optimize})"]


def _by_samples(function: str) -> Callable[[Call], list[str]]:
    """A call of this backend's function, which shares the samples out among threads."""

    def lower(call: Call) -> list[str]:
        params = "".join(f", {name}={value!r}" for name, value in call.params.items())
        return [f"{function}({', '.join(call.args)}, {call.threads}, out={call.out}{params})"]

    return lower


def _sparse_matmul(call: Call) -> list[str]:
    return [f"kernels.sparse_matmul({', '.join(call.args)}, {call.out})"]


def _random_bits(call: Call) -> list[str]:
    return [f"kernels.random_bits({call.args[0]}, {call.out})"]


def _random_part(call: Call) -> list[str]:
    sizes, size = call.params["sizes"], call.params["size"]
    return [f"kernels.random_part({call.args[0]}, {sizes}, {size}, {call.out})"]


def _all_reduce(call: Call) -> list[str]:
    return [f"kernels.all_reduce(({', '.join(call.args)},), {call.out})"]


def _all_gather(call: Call) -> list[str]:
    axis, sizes = call.params["axis"], call.params["sizes"]
    return [f"kernels.all_gather({call.args[0]}, {axis}, {sizes}, {call.out})"]


def _random_gamma_grad(call: Call) -> list[str]:
    return [f"np.copyto({call.out}, kernels.random_gamma_grad({', '.join(call.args)}))"]


LOWERINGS: dict[str, Callable[[Call], list[str]]] = {
    **dict.fromkeys(UNARY + BINARY, _ufunc),
    **dict.fromkeys(SPECIAL, _special),
    "erf": _erf,
    "logistic": _logistic,
    "polygamma": _polygamma,
    "gammainc": _gammainc,
    "maximum": _extremum,
    "minimum": _extremum,
    "clip": _clip,
    "astype": _astype,
    "where": _where,
    "bit_mask": _bit_mask,
    "mask_bits": _mask_bits,
    "round_to": _round_to,
    "bounded": _bounded,
    "axpby": _axpby,
    "stop_gradient": _copy,
    "identity": _copy,
    **dict.fromkeys(_REDUCERS, _reduction),
    **dict.fromkeys(("argmax", "argmin"), _arg_reduction),
    **dict.fromkeys(("cumsum", "cumprod"), _cumulative),
    **dict.fromkeys(
        ("reshape", "transpose", "broadcast_to", "getitem", "real", "imag", "own_part"), _view_copy
    ),
    "setitem": _setitem,
    "concatenate": _concatenate,
    "pad": _pad,
    "view": _view,
    "gather": _gather,
    "scatter": _scatter,
    "collect_rows": _collect_rows,
    "sort": _sort,
    "argsort": _argsort,
    "top_k": _top_k,
    "searchsorted": _searchsorted,
    "matmul": _matmul,
    "einsum": _einsum,
    "sparse_matmul": _sparse_matmul,
    "convolution": _by_samples("convolution.convolve"),
    "convolution_transpose": _by_samples("convolution.transpose"),
    "convolution_kernel": _by_samples("convolution.correlate"),
    "max_pool": _by_samples("pooling.max_pool"),
    "max_pool_vjp": _by_samples("pooling.max_pool_vjp"),
    "max_pool_take": _by_samples("pooling.max_pool_take"),
    "random_bits": _random_bits,
    "random_gamma_grad": _random_gamma_grad,
    "random_part": _random_part,
    "all_reduce": _all_reduce,
    "all_gather": _all_gather,
    **ALGEBRA,
    "custom_vjp": _copy,
}

# Conditionals and loops are written by `control`.
SUPPORTED = (frozenset(LOWERINGS) | {"switch", "while_loop", "scan"}) & frozenset(PRIMITIVES)

__all__ = ["LOWERINGS", "SUPPORTED", "Call", "slice_text", "view_expression"]
