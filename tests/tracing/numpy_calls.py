"""NumPy calls to try on traced arrays: expressions over the named operands of `operands()`.

`EXACT` are computed by the same NumPy function in the graph, or by moving
elements: bit for bit the same. `CLOSE` are decomposed into several: the last
digits may differ.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np


def operands() -> dict[str, np.ndarray[Any, Any]]:
    """New arrays. One letter each: x, y, v, w, s, c, z, e, q, p, n are float32; d, h, g, i, j, u, b other dtypes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4)).astype(np.float32)
    return {
        "x": x,
        "y": rng.normal(size=(3, 4)).astype(np.float32),
        "v": rng.normal(size=4).astype(np.float32),
        "w": rng.normal(size=(4, 2)).astype(np.float32),
        "s": np.float32(0.7) * np.ones((), np.float32),
        "c": rng.normal(size=(2, 3, 4)).astype(np.float32),
        "z": rng.normal(size=(3, 1, 4, 1)).astype(np.float32),
        "e": np.zeros((0, 3), np.float32),
        "q": rng.normal(size=(3, 3)).astype(np.float32),
        "p": rng.uniform(0.2, 0.9, (3, 4)).astype(np.float32),
        "n": np.where(x > 0.4, np.float32("nan"), x),
        "d": rng.normal(size=(3, 4)),
        "h": rng.normal(size=(3, 4)).astype(np.float16),
        "g": rng.normal(size=(3, 4)).astype(ml_dtypes.bfloat16),
        "i": rng.integers(-4, 5, (3, 4)).astype(np.int32),
        "j": np.array([2, 0, 1, 2]),
        "u": rng.integers(0, 9, (3, 4)).astype(np.uint8),
        "b": rng.integers(0, 2, (3, 4)).astype(bool),
        "t": np.sort(rng.normal(size=6).astype(np.float32)),
    }


def listed(table: str) -> list[str]:
    """The lines of a table that are no comments."""
    lines = (line.strip() for line in table.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


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
        for xy in ("x, y", "x, v", "p, 2", "2.0, p", "d, x", "i, u", "h, x", "g, 2")
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
    1 - g
    g ** 2
    g / 3
    g > 0.5
    1 + g * g
    g + np.float32(1)
    g + i
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

_REDUCTIONS = [
    *(
        f"np.{name}({x})"
        for name in ("sum", "prod", "max", "min", "amax", "amin", "any", "all")
        for x in "xsdhgiubc"
    ),
    *(
        f"np.{name}(c, {options})"
        for name in ("sum", "prod", "max", "min", "any", "all")
        for options in (
            "axis=0",
            "axis=-1",
            "axis=(0, 2)",
            "axis=(-1, 1)",
            "axis=()",
            "axis=1, keepdims=True",
            "keepdims=True",
        )
    ),
    *(
        f"np.{name}({x})"
        for name in ("argmax", "argmin", "cumsum", "cumprod", "count_nonzero")
        for x in "xdhgiub"
    ),
    *(
        f"np.{name}(c, {options})"
        for name in ("argmax", "argmin")
        for options in ("axis=0", "axis=-1", "1", "keepdims=True", "axis=1, keepdims=True")
    ),
    *(
        f"np.{name}(c, axis={axis})"
        for name in ("cumsum", "cumprod", "count_nonzero")
        for axis in (None, 0, -1)
    ),
    *(
        f"np.{name}({x})"
        for name in ("nansum", "nanprod", "nanmax", "nanmin", "nanargmax", "nanargmin")
        for x in "ndiu"
    ),
    *(
        f"np.{name}(n, axis={axis})"
        for name in ("nansum", "nanprod", "nanmax", "nanmin", "nanargmin", "nancumsum", "nancumprod")
        for axis in (0, -1)
    ),
]

_STATISTICS = [
    *(f"np.{name}({x})" for name in ("mean", "var", "std", "median", "ptp", "average") for x in "xsdhgiubc"),
    *(
        f"np.{name}(c, {options})"
        for name in ("mean", "var", "std", "median")
        for options in ("axis=0", "axis=-1", "axis=(0, 2)", "axis=1, keepdims=True", "keepdims=True")
    ),
    *(
        f"np.{name}({n})"
        for name in ("nanmean", "nanvar", "nanstd", "nanmedian")
        for n in ("n", "n, axis=0", "n, axis=-1", "d", "i")
    ),
    *(f"np.{name}(n, axis=1, keepdims=True)" for name in ("nanmean", "nanvar", "nanstd", "nanmedian")),
    *(
        f"np.{name}(c, {q}, {options})"
        for name, qs in (("quantile", (0.3, "[0.1, 0.5, 1.0]")), ("percentile", (30, "[0, 50, 90]")))
        for q in qs
        for options in ("axis=None", "axis=0", "axis=(0, 2)", "axis=-1, keepdims=True", "keepdims=True")
    ),
    *(
        f"np.quantile(x, 0.4, axis=1, method={m!r})"
        for m in ("linear", "lower", "higher", "midpoint", "nearest")
    ),
    *(f"np.quantile({x}, 0.4)" for x in "dhiu"),
    *listed("""
    np.nanquantile(n, 0.4)
    np.nanquantile(n, [0.2, 0.5], axis=1)
    np.nanpercentile(n, 30, axis=0, keepdims=True)
    np.nanpercentile(n, 30.0, method="nearest")
    np.mean(x, dtype=np.float64)
    np.mean(i, dtype=np.float32)
    np.mean(x, where=b)
    np.var(x, axis=1, where=x > -9)
    np.std(x, where=b, ddof=1)
    np.median(n)
    np.median(n, axis=1)
    np.quantile(n, 0.3, axis=0)
    np.quantile(x, s)
    np.quantile(x, [0.25, 0.75], axis=1, method="lower")
    np.quantile(i, 0.5, method="nearest")
    np.quantile(i, 0.5, method="midpoint")
    np.percentile(x, s, axis=0)
    np.percentile(x, np.float32(30))
    np.percentile(x, np.array([30], "float32"), axis=1)
    np.nanmean(n / 0, axis=1)
    np.mean(x, axis=1, where=x > -5)
    np.var(x, ddof=1)
    np.var(x, axis=1, ddof=1)
    np.std(x, axis=0, ddof=1, keepdims=True)
    np.var(x, correction=1)
    np.var(x, dtype=np.float64)
    np.std(h, dtype=np.float32)
    np.average(x, axis=1)
    np.average(x, weights=p)
    np.average(x, axis=1, weights=[1.0, 2.0, 3.0, 4.0])
    np.average(x, axis=0, weights=np.array([1, 2, 3]))
    np.average(c, axis=(1, 2), weights=p)
    np.average(x, axis=1, weights=p, keepdims=True)
    np.average(x, axis=1, weights=p, returned=True)
    np.median(c, axis=(0, 1))
    np.cov(x)
    np.cov(x, rowvar=False)
    np.cov(x, y)
    np.cov(x, bias=True)
    np.cov(x, ddof=0)
    np.cov(v)
    np.corrcoef(x)
    np.corrcoef(x, y)
    np.corrcoef(x, rowvar=False)
    np.corrcoef(v, v[::-1])
    np.trapezoid(x)
    np.trapezoid(x, dx=0.5)
    np.trapezoid(x, dx=0.5, axis=0)
    np.trapezoid(x, x=[0.0, 0.5, 2.0, 3.0])
    np.trapezoid(x, p)
    np.trapezoid(i)
    np.vander(v)
    np.vander(v, 3)
    np.vander(v, 3, increasing=True)
    np.vander(j, 3)
    np.gradient(v)
    np.gradient(v, 0.5)
    np.gradient(x)
    np.gradient(x, axis=1)
    np.gradient(x, 0.5, 2.0)
    np.interp(x, [-1.0, 0.0, 0.5, 2.0], [3.0, 1.0, -1.0, 0.0])
    np.interp(x, t, v[[0, 1, 2, 3, 0, 1]])
    np.interp(0.3, t, np.arange(6.0))
    np.interp(x, t, t * 2, left=-7.0, right=9.0)
    np.polyval([1.0, -2.0, 0.5], x)
    np.polyval(v, 0.5)
    """),
]

EXACT += _REDUCTIONS + listed("""
    np.sum(x, dtype=np.float64)
    np.sum(i, axis=1, dtype="float32")
    np.sum(x, axis=1, initial=2.0)
    np.prod(u, dtype=np.int32)
    np.max(x, initial=0.5)
    np.max(i, axis=1, initial=0)
    np.min(x, where=b, initial=3.0)
    np.max(x, axis=0, where=x > 0, initial=-1)
    np.all(x > 0, axis=1, where=b)
    np.any(x > 0, where=b)
    np.sum(e)
    np.sum(e, axis=0)
    np.prod(e, axis=1)
    np.max(e)
    np.max(e, axis=1)
    np.argmax(e)
    np.sum(x, axis=2)
    np.sum(x, axis=(0, 0))
    np.cumsum(i, dtype=np.float32)
    np.cumsum(x, axis=1, dtype="float64")
    np.cumulative_sum(x, axis=1)
    np.cumulative_sum(x, axis=0, include_initial=True)
    np.cumulative_prod(v)
    np.nansum(n, dtype=np.float64)
    np.nanmax(n, axis=1, keepdims=True)
    np.ptp(x, axis=1)
    np.ptp(i, axis=0, keepdims=True)
    np.count_nonzero(i, axis=1, keepdims=True)

    # Rearranging
    np.reshape(x, (4, 3))
    np.reshape(x, -1)
    np.reshape(x, (2, -1))
    np.reshape(x, shape=(6, 2))
    np.reshape(x, (5, 2))
    np.reshape(x, (4, 3), order="F")
    np.reshape(x, (4, 3), order="A")
    np.reshape(x, (2, 6), order="C")
    np.reshape(c, (4, 6), order="F")
    np.ravel(x)
    np.ravel(x, order="F")
    np.transpose(c)
    np.transpose(c, (1, 2, 0))
    np.transpose(c, [-1, 0, 1])
    np.permute_dims(c, (2, 1, 0))
    np.matrix_transpose(c)
    np.moveaxis(c, 0, -1)
    np.moveaxis(c, [0, 1], [-1, 0])
    np.moveaxis(c, source=2, destination=0)
    np.rollaxis(c, 2)
    np.swapaxes(c, 0, -1)
    np.expand_dims(x, 0)
    np.expand_dims(x, -1)
    np.expand_dims(x, (0, 2))
    np.expand_dims(x, axis=[0, -1])
    np.squeeze(z)
    np.squeeze(z, 1)
    np.squeeze(z, (1, -1))
    np.squeeze(x, 0)
    np.broadcast_to(v, (3, 4))
    np.broadcast_to(s, (2, 2))
    np.broadcast_to(v, 4)
    np.broadcast_to(v, (4, 3))
    np.broadcast_arrays(x, v, 1.0)
    np.atleast_1d(s)
    np.atleast_1d(x, s)
    np.atleast_2d(v)
    np.atleast_3d(v)
    np.atleast_3d(x)
    np.atleast_3d(c, s)
    np.flip(x)
    np.flip(x, 1)
    np.flip(c, (0, -1))
    np.flipud(x)
    np.fliplr(x)
    np.rot90(x)
    np.rot90(x, 2)
    np.rot90(x, -1)
    np.rot90(c, 3, axes=(1, 2))
    np.roll(x, 1)
    np.roll(x, -5)
    np.roll(x, 2, axis=1)
    np.roll(x, (1, -1), axis=(0, 1))
    np.roll(x, 2, axis=(0, 1))
    np.roll(x, (1, 2), axis=0)
    np.roll(s, 1)
    np.roll(e, 1, axis=0)
    np.tile(x, 2)
    np.tile(x, (2, 1))
    np.tile(v, (2, 2, 1))
    np.tile(c, [2])
    np.tile(s, 3)
    np.tile(x, 0)
    np.repeat(x, 2)
    np.repeat(x, 2, axis=1)
    np.repeat(x, [1, 0, 2], axis=0)
    np.repeat(v, np.array([2]))
    np.repeat(s, 3)
    np.repeat(x, 0, axis=1)
    np.concatenate([x, y])
    np.concatenate([x, y], axis=1)
    np.concatenate((x, y), axis=-1)
    np.concatenate([x, y], axis=None)
    np.concatenate([x, i])
    np.concatenate([x, d], axis=1)
    np.concatenate([x, np.ones((1, 4))])
    np.concatenate([x, y], dtype="float64")
    np.concatenate([x, [[1, 2, 3, 4]]])
    np.concatenate([g, g])
    np.concatenate([x])
    np.concatenate([x, v])
    np.concat([x, y], axis=0)
    np.append(x, y)
    np.append(x, y, axis=0)
    np.append(v, 1.0)
    np.stack([x, y])
    np.stack([x, y], axis=-1)
    np.stack((x, i), axis=1)
    np.stack([s, 1.0, 2])
    np.stack([x, y], dtype=np.float64)
    np.stack(x)
    np.vstack([x, y])
    np.vstack([v, x])
    np.vstack([v, v])
    np.hstack([x, y])
    np.hstack([v, v])
    np.hstack([s, v])
    np.dstack([x, y])
    np.dstack([v, v])
    np.column_stack([v, v])
    np.column_stack([x[:, 0], x])
    np.block([[x, y], [y, x]])
    np.block([v, v])
    np.split(x, 2, axis=1)
    np.split(x, [1, 3], axis=1)
    np.split(x, 3)
    np.split(x, 2)
    np.split(x, [1, 7], axis=1)
    np.split(x, [-1], axis=1)
    np.array_split(x, 3, axis=1)
    np.array_split(v, 3)
    np.vsplit(x, 3)
    np.hsplit(x, [1])
    np.hsplit(v, 2)
    np.dsplit(c, 2)
    np.unstack(x)
    np.unstack(x, axis=1)
    np.pad(x, 1)
    np.pad(x, (1, 2))
    np.pad(x, ((1, 0), (0, 2)))
    np.pad(x, [[1, 0], [0, 2]], constant_values=3)
    np.pad(x, 1, constant_values=s)
    np.pad(i, 1, constant_values=7)
    np.pad(x, ((1, 0), (0, 2)), mode="constant", constant_values=2.5)
    np.pad(x, 1, constant_values=((1, 2), (3, 4)))
    np.pad(x, 1, constant_values=(1, 2))
    np.pad(x, 2, mode="reflect")
    np.pad(x, ((1, 2), (2, 3)), mode="symmetric")
    np.pad(x, ((1, 2), (0, 3)), mode="edge")
    np.pad(x, ((1, 2), (3, 5)), mode="wrap")
    np.pad(v, (2, 1), "reflect")
    np.pad(v, {0: (1, 2)})
    np.pad(x, 0)
    np.tril(x)
    np.tril(x, 1)
    np.triu(x)
    np.triu(x, -1)
    np.triu(c, k=1)
    np.tril(i)
    np.tril(v)
    np.diff(x)
    np.diff(x, n=2)
    np.diff(x, axis=0)
    np.diff(x, n=0)
    np.diff(x, n=5)
    np.diff(v, prepend=0)
    np.diff(x, append=y, axis=0)
    np.diff(x, prepend=1.0, append=[[2.0], [1.0], [0.0]])
    np.diff(b)
    np.meshgrid(v, j)
    np.meshgrid(v, j, indexing="ij")
    np.meshgrid(v, j, v, sparse=True)
    np.meshgrid(v)
    np.meshgrid(v, s)

    # Creation and choice
    np.zeros_like(x)
    np.zeros_like(x, dtype=int)
    np.zeros_like(x, shape=(2, 2))
    np.ones_like(i)
    np.ones_like(g)
    np.full_like(x, 3)
    np.full_like(i, 2.7)
    np.full_like(x, v)
    np.full_like(x, 1, dtype=np.int32)
    np.full_like(x, 1, shape=5)
    np.copy(x)
    np.where(b, x, y)
    np.where(x > 0, x, 0)
    np.where(x > 0, 1.0, x)
    np.where(x > 0, 1, 2)
    np.where(x > 0, 1.5, 0)
    np.where(b, x, i)
    np.where(b, x, d)
    np.where(b, x, np.float64(0))
    np.where(b, g, 0)
    np.where(b, h, 1e-3)
    np.where(i, x, v)
    np.where(b, u, 1)
    np.where(True, x, y)
    np.where([True, False, True, False], x, 0.0)
    np.where(b, [1, 2, 3, 4], x)
    np.where(b, v, z[:, 0, :, 0][:, ::-1])
    np.clip(x, -0.5, 0.5)
    np.clip(x, None, 0.5)
    np.clip(x, 0, None)
    np.clip(x, v, 1)
    np.clip(x, a_min=-1, a_max=v)
    np.clip(x, min=-0.1, max=0.2)
    np.clip(x, min=0)
    np.clip(x)
    np.clip(i, -2, 2)
    np.clip(i, -1.5, 2)
    np.clip(u, 2, 5)
    np.clip(u, -2, 300)
    np.clip(h, -0.5, 0.5)
    np.clip(x, 0.5, -0.5)
    np.clip(x, np.float64(0), 1)
    np.clip(n, -0.1, 0.1)
    np.clip(b, 0, 1)
    np.clip(v, x, 2.0)
    np.round(x)
    np.round(x, 0)
    np.around(x)
    np.round(i)
    np.round(i, 2)
    np.round(b)
    np.rint(x)
    np.round(x, 2)
    np.round(d, decimals=3)
    np.round(h, 1)
    np.round(x, -1)
    np.round(i, -1)
    round(x, 1)
    round(x)
    np.nan_to_num(n)
    np.nan_to_num(n, nan=1.5)
    np.nan_to_num(1 / (x - x), nan=0.5, posinf=2, neginf=-2)
    np.nan_to_num(np.log(np.zeros_like(x)))
    np.nan_to_num(i)
    np.nan_to_num(g)
    np.isclose(x, y, atol=0.5)
    np.isclose(x, x + 1e-6)
    np.isclose(n, n, equal_nan=True)
    np.isclose(n, n)
    np.isclose(x / 0, x / 0)
    np.isclose(i, i + 1, rtol=0.5)
    np.isclose(x, 0.5, 0.1, 0.1)
    np.allclose(x, x)
    np.allclose(x, y)
    np.array_equal(x, x)
    np.array_equal(x, y)
    np.array_equal(x, v)
    np.iscomplexobj(x)
    np.isrealobj(x)
    np.iscomplex(x)
    np.isscalar(x)
    np.shape(x)
    np.ndim(c)
    np.size(x)
    np.size(x, 1)
    np.result_type(x, i) == np.float64
    np.can_cast(x, np.float64)
    np.select([x > 1, x > 0], [x, -x], 0)
    np.select([x > 1, b], [1.0, y], default=x)
    np.select([b], [i])

    # Places that are data
    np.take(x, 1)
    np.take(x, [0, 5, -1])
    np.take(x, [0, 2], axis=0)
    np.take(x, [[0, 1], [2, 3]], axis=1)
    np.take(x, -1, axis=1)
    np.take(x, j)
    np.take(x, j, axis=0)
    np.take(c, j, axis=1)
    np.take(c, j[0], axis=-1)
    np.take(x, [0, 9], axis=1, mode="clip")
    np.take(x, [-1, 9], axis=1, mode="wrap")
    np.take(x, [-3, 9], axis=1, mode="clip")
    np.take_along_axis(x, np.argsort(x, 1), 1)
    np.take_along_axis(x, np.argsort(x, axis=0), axis=0)
    np.take_along_axis(x, np.argmax(x, axis=1, keepdims=True), axis=-1)
    np.take_along_axis(x, np.array([[0], [1], [-1]]), axis=1)
    np.take_along_axis(x, np.array([3, 1, 3]), axis=None)
    np.take_along_axis(c, np.array([[[1, 2]]]), axis=2)
    np.take_along_axis(x, j[None, :], axis=0)
    np.sort(x, axis=0)
    np.sort(x, axis=None)
    np.sort(c, 1)
    np.sort(n)
    np.sort(i)
    np.sort(g)
    np.sort(b)
    np.argsort(x)
    np.argsort(x, axis=0)
    np.argsort(x, axis=None)
    np.argsort(i, kind="stable")
    np.argsort(x, stable=True)
    np.searchsorted(t, x)
    np.searchsorted(t, x, side="right")
    np.searchsorted(t, 0.3)
    np.searchsorted([0.0, 0.5, 1.0], x)
    np.searchsorted([0, 1, 2], x)
    np.searchsorted(j[:1], i)
    np.digitize(x, [-0.5, 0.0, 0.5])
    np.digitize(x, [-0.5, 0.0, 0.5], right=True)
    np.digitize(x, [0.5, 0.0, -0.5])
    np.digitize(x, t)
    np.digitize(x, -t)
    np.digitize(x, -t, right=True)
    np.diagonal(x)
    np.diagonal(x, 1)
    np.diagonal(x, -1)
    np.diagonal(c, axis1=1, axis2=2)
    np.diagonal(c, 1, 2, 0)
    np.diagonal(x, 9)
    np.linalg.diagonal(c)
    np.diag(v)
    np.diag(v, 1)
    np.diag(v, k=-2)
    np.diag(x)
    np.diag(x, 1)
    np.diag(i[0])
    np.diagflat(x)
    np.diagflat(v, 1)
    np.trace(x)
    np.trace(x, 1)
    np.trace(c, axis1=1, axis2=2)
    np.trace(i)
    np.trace(u, dtype=np.int32)
    np.linalg.trace(c)
    np.isin(i, [1, 2, 3])
    np.isin(i, u, invert=True)
    np.isin(x, x[0])
    np.isin(3, i)
    np.bincount(j, minlength=6)
    np.bincount(u[0], minlength=12)
    np.bincount(j, weights=v, minlength=5)
    np.unravel_index(j, (2, 2))
    np.unravel_index(j, 4)
    np.unravel_index(j + 3, (2, 3, 4))
    np.unravel_index(j + 3, (2, 3, 4), order="F")
    np.nextafter(x, 1)
    np.astype(x, np.float64)
    np.astype(x, int)

    # Products whose numbers are exact: of integers
    i @ i.T
    u @ u.T
    b @ b.T
    np.dot(i, i.T)
    np.matmul(i, i[0])
    np.inner(i, i)
    np.outer(i, j)
    np.outer(v, v)
    np.outer(x, v)
    np.outer([1, 2], v)
    np.kron(i, j)
    np.kron(v, x)
    np.kron(x, [[1, 2]])
    np.linalg.outer(v, v)
    np.einsum("ij,kj->ik", i, i)
    np.vdot(i, i)
""")

CLOSE = _STATISTICS + listed("""
    np.sum(x, where=b)
    np.sum(x, axis=0, where=x > 0)
    np.sum(x, where=b, initial=1)
    np.prod(x, where=b)
    np.linspace(0.0, s, 5)
    np.matmul(x, w)
    np.matmul(v, w)
    np.matmul(x, v)
    np.matmul(v, v)
    np.matmul(c, w)
    np.matmul(c, c.mT)
    np.matmul(v, w[None])
    np.matmul(c, v)
    np.matmul(np.ones((5, 2, 3)), x)
    np.matmul(x, d.T)
    np.matmul(h, h.T)
    np.matmul(x, w, dtype=np.float64)
    np.matmul(x, x)
    np.matmul(s, x)
    np.matmul(e, q)
    np.matmul(e.T, e)
    np.matmul(z, z.mT)
    v @ x.T
    np.dot(x, w)
    np.dot(v, v)
    np.dot(s, x)
    np.dot(x, 2.0)
    np.dot(c, w)
    np.dot(c, c.mT)
    np.dot(v, c.mT)
    np.dot(x, v)
    np.dot(x, d.T)
    np.vdot(x, y)
    np.vdot(x, d)
    np.inner(x, y)
    np.inner(v, x)
    np.inner(s, x)
    np.inner(c, x)
    np.tensordot(x, w, 1)
    np.tensordot(x, y)
    np.tensordot(x, y, axes=2)
    np.tensordot(x, y, axes=0)
    np.tensordot(c, x, axes=([1, 2], [0, 1]))
    np.tensordot(c, x, axes=(1, 0))
    np.tensordot(c, x, axes=((-1,), (1,)))
    np.tensordot(e, q, 1)
    np.tensordot(x, y, axes=([0], [1]))
    np.vecdot(x, y)
    np.vecdot(x, v)
    np.vecdot(x, y, axis=0)
    np.linalg.vecdot(x, y)
    np.matvec(x, v)
    np.vecmat(v, w)
    np.linalg.matmul(x, w)
    np.linalg.tensordot(x, w, axes=1)
    np.einsum("ij,jk->ik", x, w)
    np.einsum("ij,jk", x, w)
    np.einsum("ij->ji", x)
    np.einsum("ij", x)
    np.einsum("ji", x)
    np.einsum("ii", q)
    np.einsum("ii->i", q)
    np.einsum("ij->", x)
    np.einsum("ij->j", x)
    np.einsum("...j,jk->...k", c, w)
    np.einsum("...j,...j->...", c, x)
    np.einsum("...j,...j", c, x)
    np.einsum("b...->...b", c)
    np.einsum("i,j->ij", v, v)
    np.einsum("i,i", v, v)
    np.einsum("bij,bjk->bik", c, c.mT)
    np.einsum("ij,jk,kl->il", x, w, w.T)
    np.einsum("ij , jk -> ik", x, w)
    np.einsum("ij,j->i", x, [1, 2, 3, 4])
    np.einsum("ij,ij->i", x, i)
    np.einsum("ij,jk->ik", x, w, optimize=True)
    np.einsum("ij,jk->ik", x, np.ones((1, 2)))
    np.einsum("ij,ij->ij", x, np.ones((1, 4)))
    np.einsum("ij,kj->ik", h, h)
    np.cross(x[:, :3], y[:, 1:])
    np.cross(x[:, :2], y[:, :3])
    np.cross(x.T, y.T)
    np.cross(x, y, axis=0)
    np.cross(x, y, axisa=0, axisb=0, axisc=0)
    np.cross(i[:, :3], u[:, :3])
    np.linalg.cross(x[:, :3], y[:, 1:])
    np.linalg.norm(x)
    np.linalg.norm(x, axis=1)
    np.linalg.norm(x, axis=(0, 1))
    np.linalg.norm(x, axis=1, keepdims=True)
    np.linalg.norm(x, keepdims=True)
    np.linalg.norm(c)
    np.linalg.norm(v, 1)
    np.linalg.norm(v, 2)
    np.linalg.norm(v, 3)
    np.linalg.norm(v, np.inf)
    np.linalg.norm(v, -np.inf)
    np.linalg.norm(v, 0)
    np.linalg.norm(x, 0, axis=0)
    np.linalg.norm(x, 1)
    np.linalg.norm(x, -1)
    np.linalg.norm(x, np.inf)
    np.linalg.norm(x, -np.inf, axis=(0, 1))
    np.linalg.norm(x, "fro")
    np.linalg.norm(c, 1, axis=(1, 2), keepdims=True)
    np.linalg.norm(c, "fro", axis=(0, -1))
    np.linalg.norm(i)
    np.linalg.norm(i, 1, axis=1)
    np.linalg.norm(h)
    np.linalg.norm(x, 2, axis=-1)
    np.linalg.vector_norm(x)
    np.linalg.vector_norm(x, axis=1, ord=1)
    np.linalg.matrix_norm(c)
    np.linalg.matrix_power(q, 3)
    np.linalg.matrix_power(q, 0)
    np.linalg.multi_dot([x, w, w.T])
    np.sinc(x)
    np.sinc(s * 0)
    np.sinc(i)
    np.sinc(h)
    np.angle(x)
    np.angle(i)
    np.i0(d)
    np.heaviside(x, 0.5)
    np.linspace(s, 1, 4)
    np.linspace(s, 9, 4, dtype=int)
    np.linspace(s, v, 4, endpoint=False, axis=-1)
    np.linspace(s, v, 3, retstep=True)
    np.linspace(s, 2.0, 1)
    np.linspace(0, v, 3)
    np.logspace(0.0, s, 3)
    np.float_power(h, 2)
    np.real_if_close(x)
""")
