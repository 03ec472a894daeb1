"""Correlation, convolution, histograms, geometric progressions."""

from __future__ import annotations

CLOSE = [
    *(
        f"np.{name}({a}, {b}, {mode!r})"
        for name in ("correlate", "convolve")
        for a, b in (("v", "t"), ("t", "v"), ("v", "v"), ("d[0]", "v"), ("i[0]", "j"), ("h[0]", "h[1]"))
        for mode in ("valid", "same", "full")
    ),
    "np.correlate(x[0] + 1j * x[1], y[0] - 1j * y[1], 'full')",
    "np.convolve(x[0] + 1j * x[1], y[0] - 1j * y[1])",
    "np.correlate(x, v)",
    *(f"np.histogram({x})" for x in "xdiupc"),
    "np.histogram(x, 4)",
    "np.histogram(x, bins=3, range=(-1, 1))",
    "np.histogram(n, bins=3, range=(-1, 1))",
    "np.histogram(x, t)",
    "np.histogram(x, bins=[-1.0, 0.0, 0.5])",
    "np.histogram(np.ones_like(x), 3)",
    "np.histogram(x, 4, weights=d)",
    "np.histogram(d, 4, density=True)",
    "np.histogram(x, 4)[0] * 2",
    "np.geomspace(p[0, 0], 2.0)",
    "np.geomspace(d[0, 0] * d[0, 0], 8.0, 4, endpoint=False)",
    "np.geomspace(-p[0], -p[1], 5, axis=1)",
    "np.geomspace(p, 3.0, 1)",
    "np.geomspace(p, 3.0, 3, dtype=np.float32)",
]
