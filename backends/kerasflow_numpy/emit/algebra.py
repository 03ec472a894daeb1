"""Lowerings of complex numbers, linear algebra and Fourier transforms: NumPy's functions, called.

LAPACK's functions make their results, which are copied to where they belong.
"""

from __future__ import annotations

from collections.abc import Callable

from kerasflow_numpy.emit.call import Call

# The calls: `{0}`, `{1}` are operands, names in braces parameters.
_CALLS = {
    "cholesky": "np.linalg.cholesky({0})",
    "solve": "np.linalg.solve({0}, {1})",
    "solve_triangular": "kernels.solve_triangular({0}, {1}, {lower})",
    "lstsq": "kernels.lstsq({0}, {1}, {rcond})",
    "det": "np.linalg.det({0})",
    "cofactors": "kernels.cofactors({0})",
    "slogdet": "tuple(map(np.asarray, np.linalg.slogdet({0})))",
    "lu": "kernels.lu({0})",
    "qr": "np.linalg.qr({0}, {mode!r})",
    "svd": "np.linalg.svd({0}, {full_matrices})",
    "eigh": "np.linalg.eigh({0})",
    "eig": "kernels.eig({0})",
}


def _call(call: Call) -> list[str]:
    text = _CALLS[call.node.primitive.name].format(*call.args, **call.params)
    if call.node.primitive.multiple_results:
        return [f"{call.out} = {text}"]
    return [f"np.copyto({call.out}, {text})"]


def _transform(call: Call) -> list[str]:
    options = "".join(f", {key}={value}" for key, value in call.params.items())
    return [f"np.fft.{call.node.primitive.name}({call.args[0]}{options}, out={call.out})"]


def _complex(call: Call) -> list[str]:
    parts = [call.view(call.out, f".{part}") for part in ("real", "imag")]
    return [f"np.copyto({part}, {x})" for part, x in zip(parts, call.args, strict=True)]


ALGEBRA: dict[str, Callable[[Call], list[str]]] = {
    **dict.fromkeys(_CALLS, _call),
    **dict.fromkeys(("fft", "ifft", "rfft", "irfft"), _transform),
    "complex": _complex,
}
