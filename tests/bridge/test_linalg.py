"""Keras's linear algebra in all three modes, its derivatives, and what it does with bad matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import scipy.linalg

import kerasflow
from kerasflow.bridge.ops import linalg
from kerasflow.errors import GradientError
from kerasflow.testing import check_grads
from kerasflow.tracing import Trace, recording

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(2, 4, 4))
COMPLEX = REAL + 1j * RNG.normal(size=(2, 4, 4))
TALL, WIDE = RNG.normal(size=(2, 5, 3)), RNG.normal(size=(2, 3, 5))
COLUMNS = RNG.normal(size=(2, 4, 3))
LOWER = np.tril(REAL) + 4 * np.eye(4)


def adjoint(x: Any) -> Any:
    return np.conjugate(np.swapaxes(x, -1, -2))


POSITIVE = REAL @ adjoint(REAL) + 4 * np.eye(4)
HERMITIAN = COMPLEX @ adjoint(COMPLEX) + 4 * np.eye(4)


def eager(function: Callable[..., Any], *xs: Any) -> Any:
    return function(*xs)


def recorded(function: Callable[..., Any], *xs: Any) -> Any:
    """In a concrete trace, as `run_eagerly=True`."""
    trace = Trace(concrete=True)
    with recording(trace):
        result = function(*map(trace.lift, xs))
    return tuple(map(np.asarray, result)) if isinstance(result, tuple) else np.asarray(result)


def compiled(function: Callable[..., Any], *xs: Any) -> Any:
    return kerasflow.jit(function)(*xs)


MODES = pytest.mark.parametrize("run", [eager, recorded, compiled])


def by_matrix(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of matrices, one after the other."""
    return lambda *stacks: np.stack([function(*matrices) for matrices in zip(*stacks, strict=True)])


CASES: dict[str, tuple[Any, ...]] = {
    "cholesky": (linalg.cholesky, np.linalg.cholesky, POSITIVE),
    "cholesky upper": (
        lambda a: linalg.cholesky(a, upper=True),
        lambda a: adjoint(np.linalg.cholesky(a)),
        HERMITIAN,
    ),
    "cholesky_inverse": (linalg.cholesky_inverse, lambda x: np.linalg.inv(x @ adjoint(x)), LOWER),
    "cholesky_inverse upper": (
        lambda a: linalg.cholesky_inverse(a, upper=True),
        lambda x: np.linalg.inv(adjoint(x) @ x),
        adjoint(LOWER),
    ),
    "cholesky_inverse complex": (
        linalg.cholesky_inverse,
        lambda x: np.linalg.inv(x @ adjoint(x)),
        np.tril(COMPLEX) + 4 * np.eye(4),
    ),
    "det": (linalg.det, np.linalg.det, REAL),
    "inv": (linalg.inv, np.linalg.inv, COMPLEX),
    "eigh": (linalg.eigh, lambda x: tuple(np.linalg.eigh(x)), POSITIVE),
    "eigh values": (lambda a: linalg.eigh(a)[0], np.linalg.eigvalsh, HERMITIAN),
    "eig values": (lambda a: linalg.eig(a)[0], np.linalg.eigvals, COMPLEX),
    "eig of real": (lambda a: linalg.eig(a)[0], lambda x: np.linalg.eigvals(x) + np.complex64(0), REAL),
    "lu_factor": (
        lambda a: linalg.lu_factor(a)[0],
        by_matrix(lambda x: scipy.linalg.lu_factor(x)[0]),
        COMPLEX,
    ),
    "lu_factor pivots": (
        lambda a: linalg.lu_factor(a)[1],
        by_matrix(lambda x: scipy.linalg.lu_factor(x)[1].astype(np.int32)),
        REAL,
    ),
    "qr": (linalg.qr, lambda x: tuple(np.linalg.qr(x)), TALL),
    "qr complete": (
        lambda a: linalg.qr(a, mode="complete"),
        lambda x: tuple(np.linalg.qr(x, "complete")),
        TALL,
    ),
    "solve": (linalg.solve, np.linalg.solve, REAL, COLUMNS),
    "solve vectors": (
        linalg.solve,
        lambda a, b: np.linalg.solve(a, b[..., None])[..., 0],
        REAL,
        COLUMNS[..., 0],
    ),
    "solve_triangular": (
        linalg.solve_triangular,
        lambda a, b: np.linalg.solve(np.triu(a), b),
        REAL + 4 * np.eye(4),
        COLUMNS,
    ),
    "solve_triangular lower vectors": (
        lambda a, b: linalg.solve_triangular(a, b, lower=True),
        lambda a, b: np.linalg.solve(np.tril(a), b[..., None])[..., 0],
        COMPLEX + 4 * np.eye(4),
        COLUMNS[..., 0].astype(complex),
    ),
    "svd": (linalg.svd, lambda x: tuple(np.linalg.svd(x)), TALL),
    "svd reduced": (
        lambda a: linalg.svd(a, full_matrices=False),
        lambda x: tuple(np.linalg.svd(x, full_matrices=False)),
        WIDE,
    ),
    "svd values": (
        lambda a: linalg.svd(a, compute_uv=False),
        lambda x: np.linalg.svd(x, compute_uv=False),
        COMPLEX,
    ),
    "lstsq": (linalg.lstsq, by_matrix(lambda a, b: np.linalg.lstsq(a, b)[0]), TALL, TALL[..., :2] ** 2),
    "lstsq wide vectors": (
        linalg.lstsq,
        by_matrix(lambda a, b: np.linalg.lstsq(a, b)[0]),
        WIDE,
        WIDE[..., 0] ** 2,
    ),
    "lstsq rcond": (
        lambda a, b: linalg.lstsq(a, b, rcond=0.6),
        lambda a, b: np.linalg.lstsq(a, b, rcond=0.6)[0],
        TALL[0],
        TALL[0, :, 0] ** 2,
    ),
    "matrix_rank": (
        linalg.matrix_rank,
        lambda x: np.linalg.matrix_rank(x).astype(np.int32),
        np.stack([np.ones((3, 3)), np.eye(3)]),
    ),
    "matrix_power": (lambda a: linalg.matrix_power(a, 3), lambda x: np.linalg.matrix_power(x, 3), REAL),
    "matrix_power inverse": (
        lambda a: linalg.matrix_power(a, -2),
        lambda x: np.linalg.matrix_power(x, -2),
        REAL,
    ),
    "pinv": (linalg.pinv, np.linalg.pinv, WIDE),
    "pinv rcond": (lambda a: linalg.pinv(a, rcond=0.5), lambda x: np.linalg.pinv(x, rcond=0.5), TALL),
    "slogdet": (lambda a: keras.ops.slogdet(a), lambda x: tuple(np.linalg.slogdet(x)), COMPLEX),
    "logdet": (keras.ops.logdet, lambda x: np.linalg.slogdet(x)[1], HERMITIAN),
    **{
        f"norm {order} {axis}": (
            lambda x, order=order, axis=axis: linalg.norm(x, order, axis, keepdims=axis is None),
            lambda x, order=order, axis=axis: np.linalg.norm(x, order, axis, keepdims=axis is None),
            x,
        )
        for order, axis, x in (
            *((order, 1, COLUMNS) for order in (None, 0, 1, 2, 3, -1.5, np.inf, -np.inf)),
            *((order, (2, 0), COMPLEX) for order in (None, 1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc")),
            (None, None, COMPLEX),
        )
    },
}


@MODES
@pytest.mark.parametrize("name", CASES)
def test_functions(name: str, run: Callable[..., Any]) -> None:
    function, reference, *arrays = CASES[name]
    for single in (False, True):
        if single:
            arrays = [x.astype({"f": np.float32, "c": np.complex64}[x.dtype.kind]) for x in arrays]
        found, expected = run(function, *arrays), reference(*arrays)
        pairs = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
        for ours, theirs in pairs:
            assert ours.dtype == theirs.dtype
            np.testing.assert_allclose(
                ours, theirs, rtol=2e-3 if single else 1e-9, atol=2e-4 if single else 1e-10
            )


@MODES
def test_factors(run: Callable[..., Any]) -> None:
    """What is unique but for signs or phases."""
    for a in (REAL, COMPLEX):
        values, vectors = run(linalg.eig, a)
        np.testing.assert_allclose(a @ vectors, vectors * values[:, None], atol=1e-12)
        packed, pivots = run(linalg.lu_factor, a)
        product = (np.tril(packed, -1) + np.eye(4)) @ np.triu(packed)
        for matrix, lu, exchanges in zip(a, product, pivots, strict=True):
            rows = matrix.copy()
            for i, other in enumerate(exchanges):
                rows[[i, other]] = rows[[other, i]]
            np.testing.assert_allclose(rows, lu, atol=1e-12)
        values, vectors = run(linalg.eigh, a @ adjoint(a))
        np.testing.assert_allclose(a @ adjoint(a) @ vectors, vectors * values[:, None], atol=1e-11)
    with pytest.raises(ValueError, match="mode"):
        linalg.qr(REAL, mode="r")


@MODES
def test_no_matrices_and_matrices_without_elements(run: Callable[..., Any]) -> None:
    none, empty = np.zeros((0, 3, 3), np.float32), np.zeros((2, 0, 0), np.float32)
    for name in ("cholesky", "cholesky_inverse", "inv", "lu_factor", "qr", "svd", "eigh", "eig", "det"):
        for x in (none, empty):
            result = run(getattr(linalg, name), x)
            first = result[0] if isinstance(result, tuple) else result
            assert first.shape[0] == len(x)
    assert run(linalg.solve_triangular, none, np.zeros((0, 3, 2), np.float32)).shape == (0, 3, 2)
    np.testing.assert_array_equal(run(linalg.det, empty), [1, 1])


def test_integers_and_half_precision() -> None:
    assert linalg.inv(np.array([[2, 1], [1, 1]])).dtype == np.float32
    assert linalg.norm(np.array([3, 4])).dtype == np.float32
    assert linalg.norm(TALL.astype(np.float16)).dtype == np.float16
    assert linalg.solve(REAL.astype(np.float32), COLUMNS.astype(np.int32)).dtype == np.float32
    for run in (recorded, compiled):
        with pytest.raises(TypeError, match="float16 is unsupported in linalg"):
            run(np.linalg.inv, REAL.astype(np.float16))


# -- derivatives --------------------------------------------------------------------------------------------


def projectors(vectors: Any) -> Any:
    """What does not depend on the phases of the columns."""
    return vectors[..., :, None, :] * np.conjugate(vectors[..., None, :, :])


def eigh(a: Any) -> Any:
    values, vectors = linalg.eigh(a + adjoint(a))
    return values, projectors(vectors)


def eig(a: Any) -> Any:
    values, vectors = linalg.eig(a)
    return values, projectors(vectors)


def svd(a: Any) -> Any:
    u, s, vh = linalg.svd(a, full_matrices=False)
    return s, u[..., :, None, :] * np.swapaxes(vh, -1, -2)[..., None, :, :]


def left_of_wide(a: Any) -> Any:
    u, s, _ = linalg.svd(a)
    return s, projectors(u)


def right_of_tall(a: Any) -> Any:
    _, s, vh = linalg.svd(a)
    return s, projectors(adjoint(vh))


def positive(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a: function(a @ adjoint(a) + np.eye(a.shape[-1]))


SMALL = REAL[:, :3, :3]


def both(x: Any) -> list[Any]:
    """Real and complex numbers."""
    return [x, x + 1j * np.random.default_rng(1).normal(size=x.shape)]


@pytest.mark.parametrize(
    ("function", "arrays"),
    [
        pytest.param(function, [a, *more], id=f"{name}-{a.dtype.kind}{'x'.join(map(str, a.shape))}")
        for name, function, at in (
            ("eigh", eigh, SMALL),
            ("svd", svd, SMALL),
            ("svd", svd, TALL[:, :4]),
            ("svd", svd, WIDE[..., :4]),
            ("left", left_of_wide, WIDE[..., :4]),
            ("right", right_of_tall, TALL[:, :4]),
            ("cholesky", positive(linalg.cholesky), SMALL),
            ("upper", positive(lambda a: linalg.cholesky(a, upper=True)), SMALL),
            ("inverse", positive(lambda a: linalg.cholesky_inverse(linalg.cholesky(a))), SMALL),
            ("slogdet", lambda a: keras.ops.slogdet(a), SMALL),
            ("logdet", positive(keras.ops.logdet), SMALL),
            ("pinv", linalg.pinv, TALL[:, :4]),
            ("lu", lambda a: linalg.lu_factor(a)[0], SMALL),
            ("qr", linalg.qr, WIDE[..., :4]),
            ("complete", lambda a: linalg.qr(a, mode="complete")[1], TALL[:, :4]),
            ("nuclear", lambda a: linalg.norm(a, "nuc", axis=(0, 1)), SMALL),
            ("spectral", lambda a: linalg.norm(a, 2, axis=(-2, -1)), TALL),
        )
        for a in both(at)
        for more in ([],)
    ]
    + [
        pytest.param(eig, [both(SMALL)[1]], id="eig"),
        pytest.param(linalg.lstsq, both(TALL)[1:] + both(TALL[..., 0])[1:], id="lstsq"),
        pytest.param(linalg.lstsq, [WIDE, WIDE[..., 0]], id="lstsq-wide"),
        pytest.param(linalg.solve, [SMALL, both(SMALL[..., 0])[1]], id="solve-mixed"),
    ],
)
def test_derivatives(function: Callable[..., Any], arrays: list[Any]) -> None:
    check_grads(function, arrays, tolerance=1e-5)


def test_real_matrices_with_complex_eigenvalues() -> None:
    turn = np.array([[0.2, -1.0, 0.1], [1.3, 0.4, 0.0], [0.3, 0.2, 2.0]])
    check_grads(lambda a: eig(a + 0j), [turn], tolerance=1e-5)
    values, vectors = compiled(linalg.eig, turn)
    assert values.dtype == vectors.dtype == np.complex128


def test_gradients_among_hermitian_matrices_are_hermitian() -> None:
    for function in (linalg.cholesky, lambda a: linalg.eigh(a)[0], lambda a: linalg.eigh(a)[1] ** 2):
        for a in (POSITIVE, HERMITIAN):
            gradient = kerasflow.grad(lambda a, f=function: np.sum(np.real(f(a) * COLUMNS[0, 0, 0])))(a)
            np.testing.assert_allclose(gradient, adjoint(gradient), atol=1e-12)


def test_single_precision_gradients_stay_single() -> None:
    for function in (linalg.inv, lambda a: linalg.svd(a)[0], linalg.pinv, lambda a: linalg.qr(a)[1]):
        a = REAL.astype(np.float32)
        found = kerasflow.grad(lambda a, f=function: np.sum(f(a) ** 3))(a)
        assert found.dtype == np.float32
        exact = kerasflow.grad(lambda a, f=function: np.sum(f(a) ** 3))(REAL)
        np.testing.assert_allclose(found, exact, rtol=0.02, atol=0.02 * np.abs(exact).max())


def test_jvp() -> None:
    x, y = RNG.normal(size=(2, 3)), RNG.normal(size=(3,))
    dx, dy = RNG.normal(size=x.shape), RNG.normal(size=y.shape)

    def function(x: Any, y: Any) -> Any:
        return {"product": x @ y, "squares": (x**2,)}, np.max(x)

    values, tangents, aux = keras.ops.jvp(function, (x, y), (dx, dy), has_aux=True)
    np.testing.assert_allclose(values["product"], x @ y)
    np.testing.assert_allclose(tangents["product"], dx @ y + x @ dy)
    np.testing.assert_allclose(tangents["squares"][0], 2 * x * dx)
    assert isinstance(aux, np.ndarray) and aux == x.max()

    def inverse(a: Any, da: Any) -> Any:
        return keras.ops.jvp(linalg.inv, (a,), (da,))

    for a, da in ((REAL, REAL[::-1] + 1), (COMPLEX, REAL + 1j)):
        for run in (eager, recorded, compiled):
            value, tangent = run(inverse, a, da)
            np.testing.assert_allclose(value, np.linalg.inv(a), rtol=1e-9)
            np.testing.assert_allclose(tangent, -value @ da @ value, rtol=1e-9)
    with pytest.raises(ValueError, match="tangent of the same shape"):
        linalg.jvp(np.sin, (x,), (y,))


def test_jvp_has_derivatives() -> None:
    def along(x: Any) -> Any:
        return keras.ops.jvp(np.tanh, (x,), (x,))[1]

    check_grads(lambda x: 1 / np.cosh(x) ** 2 * x, [COLUMNS[0]], order=1)
    found = kerasflow.grad(lambda x: np.sum(along(x)))(COLUMNS)
    expected = kerasflow.grad(lambda x: np.sum(x / np.cosh(x) ** 2))(COLUMNS)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# -- matrices that are not as they should be ------------------------------------------------------------------

SINGULAR = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]])


@MODES
def test_what_cannot_be_computed_is_an_error_when_it_runs(run: Callable[..., Any]) -> None:
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        run(linalg.inv, np.zeros((2, 2)))
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        run(linalg.solve_triangular, np.diag([1.0, 0.0]), np.ones((2, 1)))
    with pytest.raises(ValueError, match=r"Cholesky decomposition failed|positive definite"):
        run(keras.ops.cholesky, -np.eye(2))


@MODES
def test_what_has_the_wrong_shape_is_an_error(run: Callable[..., Any]) -> None:
    for function in (np.linalg.inv, np.linalg.det, np.linalg.cholesky, np.linalg.eigh, linalg.lu_factor):
        with pytest.raises((np.linalg.LinAlgError, ValueError)):
            run(function, np.ones(3))
    for function in (np.linalg.inv, np.linalg.slogdet, np.linalg.eigvals, linalg.eig):
        with pytest.raises((np.linalg.LinAlgError, ValueError), match="square"):
            run(function, np.ones((2, 3)))
    for function in (linalg.solve_triangular, linalg.lstsq):
        with pytest.raises(ValueError, match="3 equations with 2 right-hand sides"):
            run(function, np.eye(3), np.ones((2, 1)))
    with pytest.raises(ValueError, match="rank >= 2"):
        run(linalg.matrix_rank, np.ones(3))


def test_the_determinant_of_singular_matrices_has_a_gradient() -> None:
    gradient = kerasflow.grad(np.linalg.det)
    np.testing.assert_allclose(gradient(SINGULAR), [[4, 4, -4], [-2, -2, 2], [0, 0, 0]], atol=1e-12)
    np.testing.assert_array_equal(gradient(np.zeros((3, 3))), 0)
    check_grads(np.linalg.det, [SINGULAR], order=1)
    check_grads(lambda a: np.linalg.det(a), [both(SINGULAR)[1]], order=2)
    with pytest.raises(np.linalg.LinAlgError):  # The second derivative needs the inverse.
        kerasflow.grad(lambda a: np.sum(gradient(a) ** 2))(np.zeros((2, 2)))
    assert kerasflow.grad(linalg.det)(np.array([[3.0]])) == 1


def test_values_that_coincide() -> None:
    """Gradients of the values are right; those of the vectors are undefined, and are no numbers."""
    identity = np.eye(3)
    np.testing.assert_allclose(kerasflow.grad(lambda a: np.sum(linalg.eigh(a)[0]))(identity), identity)
    np.testing.assert_allclose(
        kerasflow.grad(lambda a: np.sum(linalg.svd(a)[1]))(identity), identity, atol=1e-15
    )
    for function in (lambda a: linalg.eigh(a)[1], lambda a: linalg.svd(a)[0]):
        gradient = kerasflow.grad(lambda a, f=function: np.sum(f(a) * np.arange(9).reshape(3, 3)))(identity)
        assert np.isnan(gradient).any()


def test_vectors_that_are_not_unique_have_no_gradient() -> None:
    with pytest.raises(GradientError, match='Use mode="reduced"'):
        kerasflow.grad(lambda a: np.sum(linalg.qr(a, mode="complete")[0]))(TALL)
    with pytest.raises(GradientError, match="full_matrices=False"):
        kerasflow.grad(lambda a: np.sum(linalg.svd(a)[0]))(TALL)
    with pytest.raises(GradientError, match="full_matrices=False"):
        kerasflow.grad(lambda a: np.sum(linalg.svd(a)[2]))(WIDE)


# -- in a model -----------------------------------------------------------------------------------------------


class Whitening(keras.layers.Layer):
    """Samples with a covariance matrix that is learned, made uncorrelated."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(shape[-1], shape[-1]), initializer="identity")

    def call(self, x: Any) -> Any:
        covariance = self.factor @ keras.ops.transpose(self.factor) + 0.1 * np.eye(
            x.shape[-1], dtype="float32"
        )
        lower = keras.ops.cholesky(covariance)
        white = keras.ops.solve_triangular(lower, keras.ops.transpose(x), lower=True)
        self.add_loss(keras.ops.mean(keras.ops.sum(white**2, axis=0)) + np.linalg.slogdet(covariance)[1])
        return keras.ops.transpose(white)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_a_layer_learns_a_covariance(run_eagerly: bool) -> None:
    mixing = np.array([[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [-0.3, 0.4, 0.9]])
    x = (RNG.normal(size=(512, 3)) @ mixing.T).astype(np.float32)
    model = keras.Sequential([Whitening()])
    model.compile(keras.optimizers.Adam(0.05), run_eagerly=run_eagerly)
    model.fit(x, epochs=4 if run_eagerly else 40, batch_size=128, verbose=0)
    white = np.cov(model.predict(x, verbose=0).T)
    if run_eagerly:
        return
    np.testing.assert_allclose(white, np.eye(3), atol=0.1)
