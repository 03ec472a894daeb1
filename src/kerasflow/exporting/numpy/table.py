"""The table from each primitive to the expression that computes it with NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasflow.exporting.batch import dtype_text
from kerasflow.exporting.numpy import helpers
from kerasflow.exporting.numpy.expression import (
    AND,
    COMPARE,
    OR,
    POWER,
    PRODUCT,
    SHIFT,
    SUM,
    UNARY,
    XOR,
    Expression,
    binary,
)
from kerasflow.exporting.refusal import refuse
from kerasflow.graph import Graph, Node
from kerasflow.primitives import (
    complex,
    convolution,
    decompositions,
    elementwise,
    indexing,
    pooling,
    shape,
    sparse,
)
from kerasflow.primitives.linalg import split_subscripts


@dataclass(frozen=True)
class Operation:
    """A node to write.

    Attributes:
        args: an expression for each operand.
        include: puts a function of this package into the file; its name there.
        keep: puts what a recipe is made with into the file; the expression that reads it.
    """

    node: Node
    args: Sequence[Expression]
    include: Callable[[Callable[..., Any]], str]
    keep: Callable[[Any], str] = repr

    @property
    def params(self) -> dict[str, Any]:
        return self.node.params

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.node.outputs[0].aval.dtype


Template = Callable[[Operation], Expression]


def _text(param: Any) -> str:
    """A parameter as Python source."""
    if isinstance(param, tuple):
        return f"({', '.join(map(_text, param))}{',' if len(param) == 1 else ''})"
    return dtype_text(param) if isinstance(param, np.dtype) else repr(param)


def _call(text: str) -> Template:
    """A call, with `{0}` or `{0.atom}` for an operand and `{name}` for a parameter."""

    def template(op: Operation) -> Expression:
        params = {name: _text(value) for name, value in op.params.items()}
        return Expression(text.format(*op.args, **params))

    return template


def _ufunc(op: Operation) -> Expression:
    return Expression(f"np.{op.node.primitive.name}({', '.join(map(str, op.args))})")


def _operator(symbol: str, rank: int) -> Template:
    return lambda op: binary(op.args[0], symbol, op.args[1], rank)


def _prefix(symbol: str) -> Template:
    return lambda op: Expression(f"{symbol}{op.args[0].at(UNARY)}", UNARY)


def _included(function: Callable[..., Any]) -> Template:
    """A function that is included, with the parameters by name."""

    def template(op: Operation) -> Expression:
        params = (f"{name}={_text(value)}" for name, value in op.params.items())
        return Expression(f"{op.include(function)}({', '.join([*map(str, op.args), *params])})")

    return template


def _in_single(function: Callable[..., Any]) -> Template:
    """The same for a function that computes half precision in single precision."""

    def template(op: Operation) -> Expression:
        if op.dtype != np.float16:
            return _included(function)(op)
        args = [Expression(f"{x.atom}.astype(np.float32)") for x in op.args]
        result = _included(function)(Operation(op.node, args, op.include))
        return Expression(f"{result}.astype(np.float16)")

    return template


def _same(op: Operation) -> Expression:
    return op.args[0]


def _reciprocal(op: Operation) -> Expression:
    if op.dtype.kind not in "fc":
        return _ufunc(op)
    return Expression(f"1 / {op.args[0].at(PRODUCT + 1)}", PRODUCT, inverse=op.args[0])


def _multiply(op: Operation) -> Expression:
    x, y = op.args
    if y.inverse:
        return binary(x, "/", y.inverse, PRODUCT)
    return binary(y, "/", x.inverse, PRODUCT) if x.inverse else binary(x, "*", y, PRODUCT)


def _extremum(op: Operation) -> Expression:
    x, y = sorted(op.args, key=lambda arg: arg.literal)  # The bound comes last.
    return Expression(f"np.{op.node.primitive.name}({x}, {y})")


def _logistic(op: Operation) -> Expression:
    return Expression(f"1 / (1 + np.exp(-{op.args[0].at(UNARY)}))", PRODUCT)


def _reduction(op: Operation) -> Expression:
    x, axis = op.node.inputs[0].aval, op.params["axis"]
    axis = tuple(i - x.ndim if i == x.ndim - 1 else i for i in axis)
    parts = [] if len(axis) == x.ndim else [f"axis={axis[0] if len(axis) == 1 else axis}"]
    if x.dtype.kind in "iub" and op.node.primitive.name in ("sum", "prod"):
        parts.append(f"dtype={dtype_text(x.dtype)}")
    if op.params["keepdims"]:
        parts.append("keepdims=True")
    return Expression(f"{op.args[0].atom}.{op.node.primitive.name}({', '.join(parts)})")


def _cumulative(op: Operation) -> Expression:
    name, axis = op.node.primitive.name, op.params["axis"]
    return Expression(f"np.{name}({op.args[0]}, axis={axis}, dtype={dtype_text(op.dtype)})")


def _reshape(op: Operation) -> Expression:
    shape = op.params["shape"]
    return Expression(f"{op.args[0].atom}.reshape({', '.join(map(repr, shape)) or ()})")


def _transpose(op: Operation) -> Expression:
    axes = op.params["axes"]
    if axes == tuple(reversed(range(len(axes)))):
        return Expression(f"{op.args[0].atom}.T")
    return Expression(f"{op.args[0].atom}.transpose{axes}")


def _getitem(op: Operation) -> Expression:
    sizes = op.node.inputs[0].aval.shape
    parts = []
    for (start, stop, step), n in zip(op.params["index"], sizes, strict=True):
        first = "" if start == (0 if step > 0 else n - 1) else repr(start)
        last = "" if stop is None or (stop == n and step > 0) else repr(stop)
        parts.append(f"{first}:{last}" + (f":{step}" if step != 1 else ""))
    while parts and parts[-1] == ":":
        parts.pop()
    return Expression(f"{op.args[0].atom}[{', '.join(parts) or '...'}]")


def _concatenate(op: Operation) -> Expression:
    return Expression(f"np.concatenate([{', '.join(map(str, op.args))}], axis={op.params['axis']})")


def _gather(op: Operation) -> Expression:
    return Expression(f"{op.args[0].atom}[{', '.join(map(str, op.args[1:]))}]")


def _einsum(op: Operation) -> Expression:
    subscripts = op.params["subscripts"]
    listed = ", ".join([repr(subscripts), *map(str, op.args)])
    if len(op.args) != 2:
        return Expression(f"np.einsum({listed}{', optimize=True' if len(op.args) > 2 else ''})")
    (left, right), result = split_subscripts(subscripts)
    shared = "".join(letter for letter in left if letter in right)
    kept = left.replace(shared, "") + right.replace(shared, "")
    if shared and left.endswith(shared) and right.startswith(shared) and kept == result:
        return Expression(f"np.tensordot({op.args[0]}, {op.args[1]}, {len(shared)})")
    return Expression(f"{op.include(helpers.einsum)}({listed})")


def _of_texts(op: Operation) -> Expression:
    recipe = op.params["recipe"]
    made_with = map(op.keep, recipe.arguments)
    return Expression(f"{op.include(recipe.function)}({', '.join([*made_with, *map(str, op.args)])})")


def _solve_triangular(op: Operation) -> Expression:
    triangle = "np.tril" if op.params["lower"] else "np.triu"
    return Expression(f"np.linalg.solve({triangle}({op.args[0]}), {op.args[1]})")


_OPERATORS: dict[str, tuple[str, int]] = {
    "add": ("+", SUM),
    "subtract": ("-", SUM),
    "divide": ("/", PRODUCT),
    "floor_divide": ("//", PRODUCT),
    "remainder": ("%", PRODUCT),
    "matmul": ("@", PRODUCT),
    "power": ("**", POWER),
    "left_shift": ("<<", SHIFT),
    "right_shift": (">>", SHIFT),
    "bitwise_and": ("&", AND),
    "bitwise_xor": ("^", XOR),
    "bitwise_or": ("|", OR),
    "equal": ("==", COMPARE),
    "not_equal": ("!=", COMPARE),
    "less": ("<", COMPARE),
    "less_equal": ("<=", COMPARE),
    "greater": (">", COMPARE),
    "greater_equal": (">=", COMPARE),
}

_CALLS: dict[str, str] = {
    "where": "np.where({0}, {1}, {2})",
    "clip": "np.clip({0}, {1}, {2})",
    "astype": "{0.atom}.astype({dtype})",
    "i0": "np.i0({0}).astype({0.atom}.dtype)",
    "real": "{0.atom}.real",
    "imag": "{0.atom}.imag",
    "argmax": "{0.atom}.argmax(axis={axis})",
    "argmin": "{0.atom}.argmin(axis={axis})",
    "broadcast_to": "np.broadcast_to({0}, {shape})",
    "pad": "np.pad({0}, {pad_width}, constant_values={1})",
    "sort": "np.sort({0}, axis={axis})",
    "argsort": "np.argsort({0}, axis={axis}, kind='stable')",
    "searchsorted": "np.searchsorted({0}, {1}, side={side})",
    "cholesky": "np.linalg.cholesky({0})",
    "solve": "np.linalg.solve({0}, {1})",
    "det": "np.linalg.det({0})",
    "slogdet": "np.linalg.slogdet({0})",
    "qr": "np.linalg.qr({0}, {mode})",
    "svd": "np.linalg.svd({0}, {full_matrices})",
    "eigh": "np.linalg.eigh({0})",
    "fft": "np.fft.fft({0})",
    "ifft": "np.fft.ifft({0})",
    "rfft": "np.fft.rfft({0})",
    "irfft": "np.fft.irfft({0}, {n})",
}

# Functions that take arrays, never Python numbers.
INCLUDED: dict[str, Callable[..., Any]] = {
    "erf": helpers.erf,
    "erfc": helpers.erfc,
    "random_bits": helpers.random_bits,
    "complex": complex._complex,
    "setitem": shape._setitem,
    "view": shape._view,
    "scatter": indexing._scatter,
    "collect_rows": indexing._collect_rows,
    "top_k": indexing.top_k_places,
    "sparse_matmul": sparse._sparse_matmul,
    "lstsq": decompositions.lstsq,
    "cofactors": decompositions.cofactors,
    "eig": decompositions.eig,
    "max_pool": pooling._max_pool,
    "max_pool_vjp": pooling._max_pool_vjp,
    "max_pool_take": pooling._max_pool_take,
}

_IN_SINGLE: dict[str, Callable[..., Any]] = {
    "convolution": convolution._convolution,
    "convolution_transpose": convolution._convolution_transpose,
    "convolution_kernel": convolution._convolution_kernel,
}

TEMPLATES: dict[str, Template] = {
    **dict.fromkeys(elementwise.UNARY + elementwise.BINARY, _ufunc),
    **{name: _operator(*how) for name, how in _OPERATORS.items()},
    **{name: _call(text) for name, text in _CALLS.items()},
    **{name: _included(function) for name, function in INCLUDED.items()},
    **{name: _in_single(function) for name, function in _IN_SINGLE.items()},
    **dict.fromkeys(("sum", "prod", "max", "min", "any", "all"), _reduction),
    **dict.fromkeys(("cumsum", "cumprod"), _cumulative),
    **dict.fromkeys(("maximum", "minimum"), _extremum),
    **dict.fromkeys(("stop_gradient", "identity"), _same),
    "negative": _prefix("-"),
    "invert": _prefix("~"),
    "reciprocal": _reciprocal,
    "multiply": _multiply,
    "logistic": _logistic,
    "reshape": _reshape,
    "transpose": _transpose,
    "getitem": _getitem,
    "concatenate": _concatenate,
    "gather": _gather,
    "einsum": _einsum,
    "solve_triangular": _solve_triangular,
    "of_texts": _of_texts,
}

# What is written as statements (`block.py`).
STATEMENTS = frozenset({"scan", "while_loop", "switch", "custom_vjp"})


def check_exportable(graph: Graph) -> None:
    """Refuse a graph that needs more than NumPy.

    Raises:
        ExportError: naming the primitives or dtypes, and the layers that they come from.
    """
    refuse(graph, "with NumPy alone", _lacks)


def _lacks(node: Node) -> Iterator[str]:
    name = node.primitive.name
    if name not in TEMPLATES and name not in STATEMENTS:
        yield f"`{name}`"
    for value in (*node.inputs, *node.outputs):
        if value.aval.dtype.kind == "V":
            yield f"the dtype {value.aval.dtype.name}"


__all__ = ["INCLUDED", "TEMPLATES", "Operation", "check_exportable"]
