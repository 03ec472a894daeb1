"""Other frameworks' functions on traced arrays: which one was called, where, and what to call in its place.

TensorFlow, JAX and PyTorch each ask an argument that they do not know for a tensor of their own (`__tf_tensor__`,
`__jax_array__`, `__torch_function__`). What they would compute with it is not recorded, and has no gradient.
"""

from __future__ import annotations

import ast
import linecache
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

from kerasflow.errors import GradientError, KerasflowError, TracingError
from kerasflow.tracing.source import AT, FRAMEWORKS, Place, at_user_line, stack, stack_of

# The functions of `keras.ops`, or of this package, by the last part of their names in the frameworks.
_SAME = """
    abs add all any arange arccos arcsin arctan arctan2 argmax argmin argsort average average_pool cast ceil cholesky
    clip concatenate cond conj conv cos cosh cross cumprod cumsum det diag diagonal divide divide_no_nan dot einsum elu
    equal erf erfinv exp expand_dims expm1 extract_sequences fft flip floor floor_divide full gelu greater
    greater_equal imag in_top_k inv isfinite isinf isnan leaky_relu less less_equal linspace log log10 log1p log2
    log_softmax logaddexp logical_and logical_not logical_or logsumexp matmul max max_pool maximum mean meshgrid min
    minimum mod moments moveaxis multiply negative norm not_equal one_hot ones ones_like pad power prod qr real
    reciprocal relu relu6 repeat reshape roll round rsqrt scan segment_max segment_sum selu shape sigmoid sign silu sin
    sinh slice softmax softplus softsign solve sort split sqrt square squeeze stack std stop_gradient subtract sum svd
    switch take take_along_axis tan tanh tensordot tile top_k trace transpose tril triu true_divide unstack var
    vectorized_map where while_loop zeros zeros_like
"""
OPS = {name: name for name in _SAME.split()} | {
    "absolute": "abs",
    "acos": "arccos",
    "add_n": "sum",
    "asarray": "convert_to_tensor",
    "asin": "arcsin",
    "atan": "arctan",
    "atan2": "arctan2",
    "avg_pool2d": "average_pool",
    "batch_norm": "batch_normalization",
    "binary_cross_entropy": "binary_crossentropy",
    "binary_cross_entropy_with_logits": "binary_crossentropy",
    "boolean_mask": "where",
    "cat": "concatenate",
    "clamp": "clip",
    "clip_by_value": "clip",
    "concat": "concatenate",
    "constant": "convert_to_tensor",
    "conv1d": "conv",
    "conv2d": "conv",
    "conv3d": "conv",
    "convert_to_tensor": "convert_to_tensor",
    "cross_entropy": "sparse_categorical_crossentropy",
    "depthwise_conv2d": "depthwise_conv",
    "div": "divide",
    "eigh": "eigh",
    "flip_left_right": "flip",
    "flip_up_down": "flip",
    "floordiv": "floor_divide",
    "floormod": "mod",
    "gather": "take",
    "gather_nd": "take",
    "function": "kerasflow.jit",
    "global_norm": "norm",
    "grad": "kerasflow.grad",
    "identity": "copy",
    "index_select": "take",
    "is_finite": "isfinite",
    "is_inf": "isinf",
    "is_nan": "isnan",
    "jit": "kerasflow.jit",
    "l2_normalize": "normalize",
    "matrix_transpose": "swapaxes",
    "max_pool2d": "max_pool",
    "mul": "multiply",
    "neg": "negative",
    "normalize": "normalize",
    "permute": "transpose",
    "pow": "power",
    "range": "arange",
    "rank": "ndim",
    "reduce_all": "all",
    "reduce_any": "any",
    "reduce_euclidean_norm": "norm",
    "reduce_logsumexp": "logsumexp",
    "reduce_max": "max",
    "reduce_mean": "mean",
    "reduce_min": "min",
    "reduce_prod": "prod",
    "reduce_std": "std",
    "reduce_sum": "sum",
    "reduce_variance": "var",
    "resize": "image.resize",
    "reverse": "flip",
    "rgb_to_grayscale": "image.rgb_to_grayscale",
    "scatter_nd": "scatter",
    "sigmoid_cross_entropy_with_logits": "binary_crossentropy",
    "size": "size",
    "softmax_cross_entropy_with_logits": "categorical_crossentropy",
    "sparse_softmax_cross_entropy_with_logits": "sparse_categorical_crossentropy",
    "squared_difference": "square",
    "sub": "subtract",
    "swish": "silu",
    "tensor_scatter_nd_add": "scatter_update",
    "tensor_scatter_nd_update": "scatter_update",
    "truediv": "true_divide",
    "unsqueeze": "expand_dims",
    "value_and_grad": "kerasflow.value_and_grad",
    "vmap": "vectorized_map",
}


# What TensorFlow's tape asks of targets and sources.
ASKED_BY_TAPE = ("_id", "_should_act_as_resource_variable")


def is_foreign(x: Any) -> bool:
    """Whether x is of a class of one of the frameworks."""
    return type(x).__module__.partition(".")[0] in FRAMEWORKS


def calling_framework() -> str | None:
    """The framework whose code has called kerasflow's, or None."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _package(frame) == "kerasflow":
        frame = frame.f_back
    return None if frame is None else FRAMEWORKS.get(_package(frame))


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def foreign_tape_error() -> GradientError:
    """The error for a traced array or a variable that was given to TensorFlow's tape."""
    return GradientError(
        at_user_line(
            "`tf.GradientTape` does not see what kerasflow computes. "
            "Use `kerasflow.GradientTape`, which has the same methods."
        )
    )


def require_no_foreign_tape(xs: Iterable[Any]) -> None:
    """Refuse tensors that an open tape of TensorFlow's watches: what is computed with them here it would not see.

    Raises:
        GradientError: with the tape to use.
    """
    record = sys.modules.get("tensorflow.python.eager.record")
    should_record = getattr(record, "should_record_backprop", None)
    if should_record is None:
        return
    tensors = [x for x in xs if type(x).__name__ == "EagerTensor"]
    if tensors and should_record(tensors):
        raise foreign_tape_error()


def foreign_error(
    framework: str, what: str, places: list[Place] | None = None, needs_numbers: bool = False
) -> TracingError:
    """The error for a traced array that was given to a framework.

    Args:
        what: the array. places: the calls that were running, the innermost first; those that are running if None.
        needs_numbers: the backend runs the framework's functions, but this one asked for the array's numbers.
    """
    places = stack() if places is None else places
    names = list(_names_of_call(places))
    shown = f"`{names[0]}`" if names else "A function"
    known = next((OPS[last] for name in names if (last := name.rpartition(".")[2]) in OPS), None)
    prefix = "" if known and known.startswith("kerasflow.") else "keras.ops."
    remedy = f"`{prefix}{known}`" if known else "what does the same in `keras.ops` or NumPy"
    reason = f"What {framework} computes is no part of what is recorded, and has no gradient."
    if needs_numbers:
        reason = "It asked for its numbers, which are not there while a program is recorded."
    return TracingError(
        at_user_line(
            f"{shown} of {framework} was given {what}. {reason} Use {remedy}, which runs on every backend.",
            places,
        )
    )


def translated(error: Exception) -> Exception:
    """An error that JAX raises of a tracer or a variable without asking it, as ours; any other as it is.

    One that another framework has raised says where the user has called it.
    """
    message = str(error)
    if "symbolic tf.Tensor" in message and isinstance(error, NotImplementedError):
        return TracingError(
            at_user_line(
                "NumPy was given what TensorFlow gives in a program, which has no numbers while it is recorded. "
                "`keras.ops.convert_to_tensor` makes a traced array of it, or use a function of `keras.ops`.",
                stack_of(error),
            )
        )
    if "<tf.Tensor" in message and "is out of scope" in message:
        return TracingError(
            at_user_line(
                "What TensorFlow gives in a gradient tape's block has no numbers, and a function of TensorFlow's was "
                "given it outside of the block. `x = keras.ops.convert_to_tensor(x)` makes a traced array of it.",
                stack_of(error),
            )
        )
    is_of_ours = re.search(r"\bkeras(flow)?\.[\w.]+\.(Tracer|Variable)\b", message)
    is_of_jax = re.search(r"\bjax\b", message, re.IGNORECASE)
    if isinstance(error, KerasflowError) or not is_of_ours or not is_of_jax:
        return error
    places = stack_of(error)
    begin = next((i for i, place in enumerate(places) if not place.is_in_library), 0)
    return foreign_error("JAX", "a traced array", places[begin:])


def place(error: Exception, framework: str) -> None:
    """Have an error that a framework has raised say where the user has called it."""
    places = stack_of(error)
    raised_there = bool(places) and places[0].package == framework and not isinstance(error, KerasflowError)
    if raised_there and len(error.args) == 1 and AT not in str(error):
        error.args = (at_user_line(error.args[0], places),)


def _names_of_call(places: list[Place]) -> Iterator[str]:
    """What a framework's function may be called: what is written where it is called, and its own name."""
    inner: list[str] = []
    caller: Place | None = None
    for place in places:
        if place.package in FRAMEWORKS:
            inner.append(place.frame.f_code.co_name)
        elif place.package != "kerasflow":
            caller = place
            break
    if caller is not None and not caller.is_in_library and (written := _written_call(caller)):
        yield written
    # From the outside in: the first that is known is the function, what is around it calls any of them.
    yield from (name for name in reversed(inner) if name in OPS)


def _written_call(place: Place) -> str | None:
    """The function of the call that a place is in, or the expression, as its source has it; None if it has none."""
    code = place.frame.f_code
    begin, end, column, end_column = list(code.co_positions())[place.instruction // 2]
    if begin is None or end is None:
        return None
    lines = [linecache.getline(code.co_filename, n).encode() for n in range(begin, end + 1)]
    lines[-1] = lines[-1][:end_column]
    lines[0] = lines[0][column:]
    try:
        tree = ast.parse(b"(" + b"".join(lines).strip() + b")", mode="eval").body
    except SyntaxError:  # The source is not there, or is another one by now.
        return None
    while isinstance(tree, ast.Call):  # of `jax.grad(f)(x)` it is `jax.grad`
        tree = tree.func
    return textwrap.shorten(ast.unparse(tree), 60, placeholder=" …")
