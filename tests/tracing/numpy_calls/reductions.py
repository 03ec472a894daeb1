"""Reductions, cumulative functions and statistics."""

from __future__ import annotations

from numpy_calls.operands import listed

EXACT = [
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

EXACT += listed("""
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
""")

CLOSE = [
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
