"""Elementwise functions, operators, attributes, methods and indexing."""

from __future__ import annotations

import numpy as np

from numpy_calls.operands import listed

_UNARY = """
negative positive absolute fabs sign sqrt cbrt square reciprocal exp exp2 expm1 log log2 log10 log1p sin cos tan
arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh floor ceil trunc rint deg2rad rad2deg degrees radians
conjugate conj isnan isinf isfinite signbit spacing logical_not isposinf isneginf real imag isreal abs
""".split()

_BINARY = """
add subtract multiply divide true_divide floor_divide remainder mod fmod power pow float_power maximum minimum fmax fmin
logaddexp logaddexp2 arctan2 atan2 hypot heaviside copysign nextafter equal not_equal less less_equal greater
greater_equal logical_and logical_or logical_xor
""".split()

_BITWISE = "bitwise_and bitwise_or bitwise_xor gcd lcm left_shift right_shift".split()

EXACT = [
    *(f"np.{name}({x})" for name in _UNARY for x in "xpsndhgiub" if hasattr(np, name)),
    *(
        f"np.{name}({xy})"
        for name in _BINARY
        for xy in ("x, y", "x, v", "p, 2", "2.0, p", "d, x", "i, u", "h, x", "g, g")
    ),
    *(
        f"np.{name}({xy})"
        for name in _BINARY
        for xy in ("x, np.float64(2)", "x, np.ones(4)", "i, 3", "u, 3", "b, b", "h, 2.5")
    ),
    *(f"np.{name}({xy})" for name in _BITWISE for xy in ("u, u", "i, u", "i, 3", "np.abs(i), u")),
    *(f"np.{name}({x})" for name in ("invert", "bitwise_not", "bitwise_invert") for x in "iub"),
    *listed("""
    np.ldexp(x, j)
    np.ldexp(x, 2)
    np.exp(x, dtype=np.float64)
    np.exp(i, dtype="float32")
    np.add(x, y, dtype="float64")
    np.add(i, u, dtype=np.float32)
    np.sqrt(np.abs(i), dtype=np.float16)
    np.greater(x, 0, dtype=bool)
    np.add.outer(v, v)
    np.multiply.outer(x, v)
    np.subtract.outer(v, [1.0, 2.0])
    np.add.reduce(x)
    np.add.reduce(x, axis=1)
    np.add.reduce(x, axis=None)
    np.add.reduce(x, -1, keepdims=True)
    np.multiply.reduce(x, axis=(0, 1))
    np.maximum.reduce(x)
    np.minimum.reduce(x, axis=1)
    np.logical_and.reduce(b)
    np.logical_or.reduce(b, axis=1)
    np.add.accumulate(x)
    np.add.accumulate(x, axis=1)
    np.multiply.accumulate(v)

    # Operators
    x + y
    x + 1
    1 + x
    x - 1.5
    1.5 - x
    2 * x
    x / 2
    2 / x
    x // 2
    7 // p
    x % 0.7
    i % 3
    i // 2
    divmod(i, 3)
    divmod(x, 0.5)
    x ** 2
    x ** 2.0
    p ** 0.5
    p ** -1
    2 ** x
    p ** y
    -x
    +x
    abs(x)
    ~b
    ~i
    b & b
    b | (x > 0)
    b ^ b
    i & 3
    3 | i
    i ^ u
    u << 1
    u >> 1
    x == y
    x == 1
    x != y
    x < 0
    0 < x
    x <= v
    x > y
    x >= 0.5
    x @ w
    x.T @ y
    [1.0, 2.0, 3.0] @ x
    np.ones((2, 3)) @ x
    np.ones((3, 4)) + x
    x + [1, 2, 3, 4]
    [1.0, 2.0, 3.0, 4.0] - x
    np.float32(2) * x
    np.float64(2) * x
    np.int64(2) * x
    np.array(2.0) * x
    True + i
    i + 2.5
    u + 1
    b + 1
    b * 2.0
    h * 2.5
    g ** 2
    g > 0.5
    g + np.float32(1)
    g + i
    g + np.arange(4)
    np.add(g, i.astype(np.int64))
    h + i
    h + u
    x + i
    x + u
    x + b
    d + x
    x.astype("float64") + 1
    u < 300
    300 > u
    u >= -1
    u == 256
    u + 300
    u * -1
    i * 2**40
    np.modf(x)
    np.modf(i)
    np.fix(x)

    # Attributes and methods
    x.T
    c.T
    v.T
    c.mT
    x.shape
    x.ndim
    x.size
    x.itemsize
    x.nbytes
    len(x)
    x.real
    x.imag
    x.flat[3]
    x.astype("float16")
    x.astype(np.int32)
    x.astype(bool)
    i.astype(x.dtype)
    x.astype("float64", copy=False)
    g.astype("float32")
    x.astype(g.dtype)
    x.reshape(4, 3)
    x.reshape((2, 6))
    x.reshape(-1)
    x.reshape(2, -1)
    x.reshape(-1, 1, 4)
    x.reshape([12])
    s.reshape(1, 1)
    s.reshape(())
    e.reshape(3, 0)
    e.reshape(-1, 3)
    x.transpose()
    x.transpose(1, 0)
    c.transpose((2, 0, 1))
    c.transpose([1, 0, 2])
    c.transpose(-1, 0, 1)
    x.flatten()
    x.ravel()
    x.sum()
    x.sum(0)
    x.sum(axis=1, keepdims=True)
    x.prod(axis=1)
    x.max()
    x.max(1)
    x.min(axis=0)
    b.any()
    b.all(axis=1)
    x.argmax()
    x.argmax(1)
    x.argmin(axis=0)
    x.cumsum()
    x.cumsum(1)
    x.cumprod(axis=0)
    z.squeeze()
    z.squeeze(1)
    c.swapaxes(0, 2)
    x.repeat(2, axis=0)
    x.take([0, 2], axis=1)
    x.clip(-0.5, 0.5)
    x.clip(min=0)
    x.clip(max=0.0)
    x.round()
    x.copy()
    x.dot(w)
    v.dot(v)
    np.sort(x)
    x.argsort()
    x.argsort(axis=0)
    q.diagonal()
    q.trace()
    x.conj()
    x.conjugate()
    t.searchsorted(x)
    t.searchsorted(0.5, side="right")
    [row for row in x]
    list(v)

    # Indexing
    x[0]
    x[-1]
    x[1, 2]
    x[-1, -2]
    x[1:]
    x[:, 1]
    x[:, 1:3]
    x[::2]
    x[::-1]
    x[:, ::-2]
    x[2:0:-1, 3:0:-2]
    x[5:]
    x[1:1]
    x[-2:, :-1]
    x[...]
    x[..., 0]
    c[0, ..., 1]
    c[..., 1:2, :]
    x[None]
    x[:, None]
    x[None, ..., None]
    x[None, 1, None, :]
    x[np.newaxis, ::-1]
    x[()]
    s[()]
    s[None]
    s[...]
    x[np.int64(1)]
    x[np.array(1)]
    x[[0, 2]]
    x[np.array([0, 2, 0])]
    x[[-1, 0]]
    x[[[0, 1], [2, 0]]]
    x[:, [0, 3]]
    x[[0, 1, 2], [0, 1, 2]]
    x[[[0], [2]], [1, 3]]
    c[:, [0, 2], 1]
    c[0, :, [1, 2]]
    c[[0, 1], :, [1, 2]]
    c[:, [0, 1], [1, 2]]
    c[1, [0, 2]]
    c[[1, 0], 1:]
    c[None, [1, 0]]
    c[[1, 0], None]
    c[:, None, [1, 0]]
    c[[0, 1], None, [1, 2]]
    c[..., [0, 1], 2]
    c[0, 1, [2, 3]]
    z[:, 0, [1, 2], 0]
    z[[0, 1], 0, [1, 2]]
    z[:, [0], 1, [0]]
    x[np.array([], int)]
    x[[]]
    x[np.array([True, False, True])]
    x[[True, False, True]]
    x[np.eye(3, 4, dtype=bool)]
    c[:, np.array([True, False, True])]
    c[:, np.eye(3, 4, dtype=bool)]
    c[np.ones((2, 3), bool), 1]
    x[j]
    x[j, j]
    x[:, j]
    x[j[1:3], 1:]
    x[-j]
    x[j - 3]
    x[j.astype("int32")]
    x[j.astype("uint8")]
    x[j[0]]
    x[1, j[0]]
    x[j[0], j]
    c[:, j, 1]
    c[0, :, j]
    e[:, 1]
    e[:0]
    t[::-1][1:4]
    """),
]
