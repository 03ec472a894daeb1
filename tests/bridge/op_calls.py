"""Calls of every operation of `keras.ops`, as expressions over named operands.

A line begins with the names that it covers if those do not stand in it (aliases), then a colon. `~` before an
expression: its derivative is not compared with differences (it is zero, has kinks there, or is a convention).
"""

from __future__ import annotations

import functools
import inspect
import re
from typing import Any

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
import numpy as np


def operands() -> dict[str, np.ndarray[Any, Any]]:
    """New float64 arrays: x, y (3, 4), v (4,), w (4, 2), s (), p in (0, 1), q (3, 3), c (2, 3, 4), g (2, 6, 6, 2)."""
    rng = np.random.default_rng(0)
    q = rng.normal(size=(3, 3))
    return {
        "x": rng.normal(size=(3, 4)),
        "y": rng.normal(size=(3, 4)),
        "v": rng.normal(size=4),
        "w": rng.normal(size=(4, 2)),
        "s": np.array(0.7),
        "p": rng.uniform(0.15, 0.85, (3, 4)),
        "q": q,
        "d": q @ q.T + 2 * np.eye(3),  # positive definite
        "l": np.tril(q) + 2 * np.eye(3),
        "c": rng.normal(size=(2, 3, 4)),
        "g": rng.uniform(0.1, 0.9, (2, 6, 6, 2)),
        "o": np.array([[0, 0.2], [0, 5], [5, 0], [5, 4.1]]),  # an image's corners
        "rgb": rng.uniform(0.1, 0.9, (2, 4, 5, 3)),
        "n": np.where(rng.uniform(size=(3, 4)) < 0.3, np.nan, rng.normal(size=(3, 4))),
        "k": rng.normal(size=(3, 3, 2, 4)),
        "a": rng.normal(size=(2, 3, 2, 4)),
        "i": rng.integers(-4, 5, (3, 4)),
        "j": np.array([2, 0, 1, 2]),
        "u": rng.integers(1, 9, (3, 4)),
        "b": rng.integers(0, 2, (3, 4)).astype(bool),
    }


_ELEMENTWISE = """
ops.abs(x)
ops.absolute(x)
ops.fabs(x)
ops.arccos(p)
ops.arccosh(p + 1)
ops.arcsin(p)
ops.arcsinh(x)
ops.arctan(x)
ops.arctanh(p)
ops.cbrt(p)
~ops.ceil(x)
ops.conj(x)
ops.conjugate(x)
ops.copysign(x, y)
ops.cos(x)
ops.cosh(x)
ops.deg2rad(x)
ops.exp(x)
ops.exp2(x)
ops.expm1(x)
~ops.floor(x)
ops.i0(x)
ops.log(p)
ops.log10(p)
ops.log1p(p)
ops.log2(p)
ops.negative(x)
ops.nan_to_num(n)
ops.rad2deg(x)
ops.real(x)
~ops.imag(x)
ops.reciprocal(p)
~ops.round(x)
~ops.round(x, 1)
~ops.sign(x)
ops.sin(x)
ops.sinc(x)
ops.sinh(x)
ops.sqrt(p)
ops.square(x)
ops.tan(p)
ops.tanh(x)
~ops.trunc(x)
ops.erf(x)
ops.erfc(x)
ops.erfinv(p)
ops.lgamma(p)
ops.lgamma(x)
ops.rsqrt(p)
ops.angle(x)
ops.add(x, v)
ops.arctan2(x, y)
ops.copy(x)
ops.divide(x, p)
ops.true_divide(x, p)
ops.divide_no_nan(x, p)
~ops.floor_divide(x, p)
ops.float_power(p, x)
ops.float_power(u, i)
ops.fmax(x, y)
ops.fmin(x, y)
ops.fmod(x, p)
ops.mod(x, p)
ops.hypot(x, y)
~ops.heaviside(x, y)
ops.ldexp(x, i)
ops.logaddexp(x, y)
ops.logaddexp2(x, y)
~ops.gammainc(p, y * y)
ops.gammainc(u, p)
ops.maximum(x, y)
ops.minimum(x, y)
ops.multiply(x, v)
~ops.nextafter(x, y)
ops.power(p, x)
ops.subtract(x, v)
ops.clip(x, -0.5, 0.5)
ops.where(b, x, y)
ops.select([b, x > 0], [x, y], 0.0)
ops.polar(p, x)
~ops.view_as_real(ops.view_as_complex(w))
ops.add(i, u)
ops.gcd(i, u)
ops.lcm(i, u)
ops.bitwise_and(i, u)
ops.bitwise_or(i, u)
ops.bitwise_xor(i, u)
ops.bitwise_not(i)
ops.bitwise_invert(i)
ops.bitwise_left_shift(i, j)
ops.bitwise_right_shift(i, j)
ops.left_shift(i, j)
ops.right_shift(i, j)
ops.logical_and(b, x > 0)
ops.logical_or(b, x > 0)
ops.logical_xor(b, x > 0)
ops.logical_not(b)
ops.equal(i, u)
ops.not_equal(i, u)
ops.less(x, y)
ops.less_equal(x, y)
ops.greater(x, y)
ops.greater_equal(x, y)
~ops.allclose(x, y)
ops.isclose(x, y)
ops.isfinite(n)
ops.isinf(n)
ops.isnan(n)
ops.isneginf(n)
ops.isposinf(n)
ops.isreal(x)
ops.signbit(x)
ops.isin(i, j)
~ops.cast(x, "float32")
ops.cast(i, "float32")
~ops.saturate_cast(x * 100, "int8")
~ops.view(x, "int32")
~ops.stop_gradient(x)
"""

_REDUCTIONS = """
~ops.all(b, axis=0)
~ops.any(b, axis=0)
ops.amax(x, axis=1)
ops.amin(x, axis=1)
ops.max(x, axis=1)
ops.min(x, axis=1)
ops.mean(x, axis=0)
ops.median(x, axis=1)
ops.prod(x, axis=1)
ops.std(x, axis=1)
ops.sum(x, axis=(0, 1))
ops.var(x, axis=0, keepdims=True)
ops.cumsum(x, axis=1)
ops.cumprod(x, axis=1)
ops.average(x, axis=1, weights=v)
~ops.argmax(x, axis=1)
~ops.argmin(x)
~ops.count_nonzero(i, axis=0)
ops.logsumexp(x, axis=1)
ops.quantile(x, 0.3, axis=1)
ops.percentile(x, 30, axis=1)
~ops.nanargmax(n, axis=1)
~ops.nanargmin(n, axis=1)
~ops.nancumprod(n, axis=1)
~ops.nancumsum(n, axis=1)
~ops.nanmax(n, axis=1)
~ops.nanmean(n, axis=1)
~ops.nanmedian(n, axis=1)
~ops.nanmin(n, axis=1)
~ops.nanpercentile(n, 30, axis=1)
~ops.nanprod(n, axis=1)
~ops.nanquantile(n, 0.3, axis=1)
~ops.nanstd(n, axis=1)
~ops.nansum(n, axis=1)
~ops.nanvar(n, axis=1)
ops.ptp(x, axis=1)
ops.corrcoef(x)
ops.cov(x)
ops.cov(v)
ops.diff(x)
ops.trapezoid(x)
ops.moments(x, axes=[0])
ops.norm(x)
ops.norm(q, ord="nuc")
ops.norm(x, ord=1, axis=1)
ops.histogram(v, bins=4)
~ops.bincount(j, minlength=4)
~ops.digitize(x, [-1.0, 0.0, 1.0])
~ops.searchsorted(ops.sort(v), x)
"""

_MOVING = """
ops.append(x, y, axis=0)
ops.array_split(x, 3, axis=1)
ops.broadcast_to(v, (3, 4))
ops.column_stack([v, w])
ops.concatenate([x, y], axis=1)
ops.diag(v)
ops.diagflat(v)
ops.diagonal(x)
ops.dsplit(c, 2)
ops.dstack([x, y])
ops.expand_dims(x, 1)
ops.flip(x, 1)
ops.fliplr(x)
ops.flipud(x)
ops.get_item(x, (0, slice(1, 3)))
ops.hsplit(x, 2)
ops.hstack([x, y])
ops.meshgrid(v, v)
ops.moveaxis(c, 0, 2)
ops.pad(x, ((1, 0), (0, 2)))
ops.pad(x, ((1, 0), (0, 2)), mode="reflect")
ops.ravel(x)
ops.rearrange(c, "b h w -> h (b w)")
ops.repeat(x, 2, axis=1)
ops.reshape(x, (2, 6))
ops.roll(x, 2, axis=1)
ops.rot90(x)
ops.slice(x, (1, 0), (2, 3))
ops.slice(x, (j[0] - 1, j[1]), (2, 3))
ops.slice_update(x, (1, 1), w[:2])
ops.slice_update(x, (j[2], j[1]), w[:2])
ops.sort(x, axis=1)
~ops.argsort(x, axis=1)
~ops.sort(ops.argpartition(x, 1)[:, :2], axis=1)
ops.split(x, 2, axis=1)
ops.squeeze(x[None])
ops.stack([x, y], axis=1)
ops.swapaxes(x, 0, 1)
ops.take(x, j, axis=1)
ops.take_along_axis(x, j[None], axis=1)
ops.tile(x, (2, 1))
ops.top_k(x, 2)
~ops.in_top_k(j[:3], x, 2)
ops.transpose(c, (2, 0, 1))
ops.tril(x)
ops.triu(x)
ops.unstack(x, axis=1)
ops.vander(v)
ops.vsplit(x, 3)
ops.vstack([x, y])
~ops.unique(i, size=6)
~ops.unique(i, axis=0, size=2, return_inverse=True, return_counts=True, return_index=True)
ops.unravel_index(j, (2, 2))
ops.scatter(j[:, None], v, (3,))
ops.scatter_update(x, j[:3, None], c[0])
ops.scatter_update(x, ops.stack([j, j], axis=1), v, reduction="add")
ops.scatter_update(x, ops.stack([j, j], axis=1), v, reduction="mul")
ops.scatter_update(x, ops.stack([j, j], axis=1), v, reduction="max")
ops.scatter_update(x, ops.stack([j, j], axis=1), v, reduction="min")
ops.segment_sum(w, j, 4)
ops.segment_prod(w, j, 4)
ops.segment_max(w, j, 3)
ops.segment_min(w, j, 3)
ops.extract_sequences(x, 2, 1)
ops.depth_to_space(c[None].transpose((0, 1, 3, 2))[..., :2, :] @ ops.ones((3, 4)), 2)
ops.space_to_depth(g, 2)
"""

_CREATION = """
ops.zeros_like(x)
ops.ones_like(x)
ops.empty_like(i) * 0
ops.full_like(x, 3.0)
ops.full((2, 2), s)
ops.linspace(s, s + 2, 5)
ops.logspace(s, s + 1, 4)
ops.geomspace(p[0], p[0] + 1, 4)
ops.array([s, s])
ops.convert_to_tensor([s, 2.0])
"""

_PRODUCTS = """
ops.cdist(x, y)
ops.correlate(v, x[0], mode="full")
ops.cross(q, q[::-1])
ops.cross(x[:, :2], y[:, :2])
ops.cross(x[:, :2], q, axisb=0, axisc=0)
ops.dot(x, w)
ops.einsum("ij,jk->ik", x, w)
ops.inner(x, y)
ops.kron(q, w)
ops.matmul(x, w)
ops.matrix_power(q, 3)
ops.matrix_power(q, -2)
ops.outer(v, v)
ops.tensordot(x, w, 1)
ops.trace(q)
ops.vdot(x, y)
"""

_NN = """
ops.celu(x)
ops.elu(x)
ops.gelu(x)
ops.gelu(x, approximate=False)
ops.glu(x)
ops.hard_shrink(x)
ops.hard_sigmoid(x)
ops.hard_silu(x)
ops.hard_swish(x)
ops.hard_tanh(x)
ops.leaky_relu(x)
ops.log_sigmoid(x)
ops.log_softmax(x)
ops.relu(x)
ops.relu6(x)
ops.selu(x)
ops.sigmoid(x)
ops.silu(x)
ops.swish(x)
ops.soft_shrink(x)
ops.softmax(x)
ops.softmax(x, axis=(0, 1))
ops.softplus(x)
ops.softsign(x)
ops.sparse_plus(x)
ops.sparse_sigmoid(x)
ops.sparsemax(x)
ops.squareplus(x)
ops.tanh_shrink(x)
ops.threshold(x, 0.1, -1.0)
ops.normalize(x, axis=1)
ops.layer_normalization(x)
ops.layer_normalization(x, v, v)
ops.rms_normalization(x, v)
ops.batch_normalization(x, v, ops.square(v), axis=-1, offset=v, scale=v)
~ops.one_hot(j, 3)
~ops.multi_hot(j, 3)
ops.binary_crossentropy(b, p)
ops.binary_crossentropy(b, x, from_logits=True)
ops.categorical_crossentropy(p, y, from_logits=True)
ops.categorical_crossentropy(p, p)
ops.sparse_categorical_crossentropy(j[:3], x, from_logits=True)
ops.psnr(x, y, 2.0)
ops.ctc_loss(j[None, :3] + 1, c[:1], j[:1], j[:1] + 1)
~ops.ctc_decode(c, ops.array([3, 2]))
~ops.ctc_decode(c, ops.array([3, 2]), strategy="beam_search", beam_width=5, top_paths=2)
ops.dot_product_attention(a, a[::-1], a * 2)
ops.dot_product_attention(a, a, a, is_causal=True, scale=0.3)
ops.dot_product_attention(a, a, a, bias=q, mask=b[:, :3])
ops.conv(g, k)
ops.conv(g, k, strides=2, padding="same")
ops.conv_transpose(g, ops.transpose(k, (0, 1, 3, 2)), strides=2)
ops.depthwise_conv(g, k)
ops.separable_conv(g, k[..., :2], ops.reshape(w, (1, 1, 4, 2)))
ops.average_pool(g, 2)
ops.max_pool(g, 2)
ops.adaptive_average_pool(g, 2)
ops.adaptive_max_pool(g, 2)
ops.unfold(ops.transpose(g, (0, 3, 1, 2)), 2)
ops.fold(ops.unfold(ops.transpose(g, (0, 3, 1, 2)), 2), (6, 6), 2)
"""

_LINALG = """
ops.cholesky((d + ops.transpose(d)) / 2)
ops.cholesky_inverse(l)
ops.det(q)
ops.eigh((d + ops.transpose(d)) / 2)[0]
~ops.eig(d)[0]
ops.inv(q)
ops.logdet(d)
ops.lstsq(d, q)
ops.lu_factor(d)[0]
~ops.matrix_rank(q)
ops.pinv(q)
ops.qr(q)
ops.slogdet(d)[1]
ops.solve(q, d)
ops.solve_triangular(l, q, lower=True)
ops.svd(q, compute_uv=False)
ops.fft((x, y))
ops.fft2((x, y))
ops.ifft2((x, y))
ops.rfft(x)
ops.irfft((x, y))
ops.stft(c.reshape((24,)), 6, 2, 6)
ops.istft(ops.stft(c.reshape((24,)), 6, 2, 6), 6, 2, 6)
"""

_CONTROL = """
ops.cond(s > 0, lambda: x * 2, lambda: y)
ops.switch(j[0] - 1, [lambda x: x, lambda x: x * x], x)
ops.fori_loop(0, 3, lambda i, x: x * y, x)
~ops.while_loop(lambda x: ops.max(x) < 100, lambda x: (x * x + 1,), (x,))
ops.scan(lambda carry, x: (carry * x, carry), v, x)
ops.associative_scan(lambda x, y: x + y, x)
ops.map(lambda x: ops.sum(x * x), x)
ops.vectorized_map(lambda x: ops.sum(x * x), x)
ops.vectorize(lambda x: ops.sum(x * x), signature="(n)->()")(x)
ops.grad(lambda x, y: ops.sum(x * x * y), argnums=(0, 1))(x, y)
ops.custom_gradient(lambda x: (x * x, lambda *a, upstream=None: 2 * x * (a[0] if upstream is None else upstream)))(x)
"""

_IMAGE = """
ops.image.affine_transform(g, ops.array([1.0, 0.1, 0.3, -0.1, 0.9, 0.2, 0.0, 0.0]))
~ops.image.affine_transform(g, ops.array([1.0, 0.1, 0.3, -0.1, 0.9, 0.2, 0.0, 0.0]), interpolation="nearest")
ops.image.crop_images(g, 1, 1, target_height=4, target_width=3)
ops.image.elastic_transform(g, alpha=2.0, sigma=1.0, seed=1)
ops.image.extract_patches(g, 2)
ops.image.extract_patches_3d(g[None], 2)
ops.image.gaussian_blur(g)
ops.image.hsv_to_rgb(rgb)
ops.image.map_coordinates(x, c[:, :, :2] * 0.5 + 1, order=1)
ops.image.pad_images(g, 1, 1, target_height=9, target_width=8)
ops.image.reconstruct_patches(ops.image.extract_patches(g, 2), 2, (6, 6))
ops.image.reconstruct_patches(ops.image.extract_patches(g, 4, padding="same"), 4, (6, 6), padding="same")
ops.image.perspective_transform(g, o, o * 0.9 + 0.1)
ops.image.resize(g, (4, 9))
ops.image.resize(g, (4, 9), interpolation="bicubic", antialias=True)
ops.image.resize(g, (4, 3), interpolation="lanczos3", crop_to_aspect_ratio=True)
ops.image.resize(g, (4, 3), interpolation="nearest", pad_to_aspect_ratio=True)
ops.image.rgb_to_grayscale(rgb)
ops.image.rgb_to_hsv(rgb)
ops.image.scale_and_translate(g, (2, 4, 4, 2), ops.array([0.7, 0.8]), ops.array([0.1, 0.2]), (1, 2), "linear")
ops.image.sobel_edges(g)
ops.image.ssim(rgb, rgb[::-1], max_val=1.0, filter_size=3)
"""

TABLES = (
    _ELEMENTWISE,
    _REDUCTIONS,
    _MOVING,
    _CREATION,
    _PRODUCTS,
    _NN,
    _LINALG,
    _CONTROL,
    _IMAGE,
)
CALLS = [line for table in TABLES for line in table.strip().splitlines()]


def is_there(expression: str) -> bool:
    """Whether the installed Keras has the operations of a call: older ones have not all."""
    missing = object()
    if (
        "reduction=" in expression
        and "reduction" not in inspect.signature(keras.ops.scatter_update).parameters
    ):
        return False
    names = [name.split(".") for name in re.findall(r"\bops\.([a-z][\w.]*)\(", expression)]
    return all(
        functools.reduce(lambda x, part: getattr(x, part, missing), name, keras.ops) is not missing
        for name in names
    )


# Operations that compute nothing from arrays, by the reason.
NOT_CALLED: dict[str, str] = {
    **dict.fromkeys(
        "arange bartlett blackman empty eye hamming hanning identity kaiser ones tri zeros".split(),
        "makes an array from sizes",
    ),
    **dict.fromkeys("convert_to_numpy dtype is_tensor ndim shape size".split(), "asks about an array"),
    "nonzero": "the shape of its result depends on values (see test_shapes_that_depend_on_values)",
    "jvp": "forward mode, tested with linear algebra",
}
