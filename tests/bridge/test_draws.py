"""Random numbers: their definition, their distributions, and that programs draw the same."""

from __future__ import annotations

import hashlib
from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest
from scipy import stats

import kerasflow
from kerasflow.bridge import random
from kerasflow.primitives.random import random_bits

SEED = np.array([1337, 0], np.uint32)
N = 40_000


def _seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let arrays and traced arrays be seeds."""
    draw = random.draw_seed
    monkeypatch.setattr(random, "draw_seed", lambda s: draw(s) if s is None or isinstance(s, int) else s)


# -- the definition -------------------------------------------------------------------------------------------


def test_bits_are_philox() -> None:
    words = random_bits(SEED, (4,), np.dtype(np.uint64))
    assert [hex(w) for w in words] == [
        "0xeb6bf934b7db5b09",
        "0xfc01b74cf6d30053",
        "0x1cecf5f3ca4cb62e",
        "0xd3a4e4ce30635525",
    ]
    np.testing.assert_array_equal(words, np.random.Philox(key=[1337, 0]).random_raw(4))
    for dtype in (np.uint8, np.uint16, np.uint32):
        narrow = random_bits(SEED, (3,), np.dtype(dtype))
        np.testing.assert_array_equal(narrow, words.astype("<u8").view(dtype)[:3])


def test_uniform_is_the_upper_bits() -> None:
    words = random_bits(SEED, (5,), np.dtype(np.uint32))
    np.testing.assert_array_equal(random.uniform((5,), seed=1337), (words >> 8).astype(np.float64) * 2.0**-24)
    words = random_bits(SEED, (5,), np.dtype(np.uint64))
    np.testing.assert_array_equal(
        random.uniform((5,), dtype="float64", seed=1337), (words >> np.uint64(11)) * 2.0**-53
    )


def test_known_values() -> None:
    np.testing.assert_array_equal(
        random.uniform((3,), seed=1337), np.array([0.71819085, 0.9196163, 0.9641571], np.float32)
    )
    np.testing.assert_allclose(random.normal((3,), seed=1337), [1.5513659, 2.2346385, -0.35540763], rtol=1e-5)
    np.testing.assert_array_equal(random.randint((4,), 0, 100, seed=1337), KNOWN_INTEGERS)
    mask = random.dropout(np.ones(32, np.float32), 0.5, seed=1337) > 0
    assert "".join("01"[int(kept)] for kept in mask) == KNOWN_MASK


KNOWN_INTEGERS = [int(w) % 100 for w in np.random.Philox(key=[1337, 0]).random_raw(4)]
KNOWN_MASK = "".join("01"[int(b < 128)] for b in np.random.Philox(key=[1337, 0]).random_raw(4).view(np.uint8))


# Every distribution, as functions of (shape, seed).
DRAWS: dict[str, Any] = {
    "uniform": lambda s: random.uniform((7, 3), seed=s),
    "uniform_scaled": lambda s: random.uniform((7, 3), -2.0, 5.0, seed=s),
    "uniform_float64": lambda s: random.uniform((7, 3), dtype="float64", seed=s),
    "uniform_float16": lambda s: random.uniform((7, 3), dtype="float16", seed=s),
    "uniform_bfloat16": lambda s: random.uniform((7, 3), dtype="bfloat16", seed=s),
    "normal": lambda s: random.normal((7, 3), 1.0, 2.0, seed=s),
    "normal_float64": lambda s: random.normal((7, 3), dtype="float64", seed=s),
    "normal_float16": lambda s: random.normal((7, 3), dtype="float16", seed=s),
    "truncated_normal": lambda s: random.truncated_normal((7, 3), 1.0, 2.0, seed=s),
    "randint": lambda s: random.randint((7, 3), -5, 6, seed=s),
    "randint_uint8": lambda s: random.randint((7, 3), 0, 255, "uint8", seed=s),
    "categorical": lambda s: random.categorical(np.log([[0.2, 0.8], [0.5, 0.5]]), 9, seed=s),
    "shuffle": lambda s: random.shuffle(np.arange(30).reshape(10, 3), seed=s),
    "shuffle_last": lambda s: random.shuffle(np.arange(30).reshape(3, 10), axis=-1, seed=s),
    "dropout_half": lambda s: random.dropout(np.ones((7, 3), np.float32), 0.5, seed=s),
    "dropout_tenth": lambda s: random.dropout(np.ones((7, 3), np.float16), 0.1, seed=s),
    "dropout_rare": lambda s: random.dropout(np.ones((700, 30), np.float64), 0.001, seed=s),
    "gamma": lambda s: random.gamma((7, 3), 0.7, seed=s),
    "gamma_float64": lambda s: random.gamma((7, 3), 2.5, dtype="float64", seed=s),
    "beta": lambda s: random.beta((7, 3), 0.7, 2.0, seed=s),
    "binomial_small": lambda s: random.binomial((7, 3), 10, 0.3, seed=s),
    "binomial_large": lambda s: random.binomial((7, 3), 1000, 0.7, seed=s),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_programs_draw_the_same(draw: Any, monkeypatch: pytest.MonkeyPatch, assert_traces: Any) -> None:
    _seeded(monkeypatch)
    result = assert_traces(draw, SEED)
    np.testing.assert_array_equal(result, draw(1337))
    assert not np.array_equal(result, draw(1338))


def test_parameters_may_be_traced(monkeypatch: pytest.MonkeyPatch, assert_traces: Any) -> None:
    _seeded(monkeypatch)
    low, high = np.array([0.0, 10.0]), np.array([1.0, 20.0])
    assert_traces(lambda s, a, b: random.uniform((5, 2), a, b, seed=s), SEED, low, high)
    assert_traces(lambda s, a, b: random.normal((5, 2), a, b, seed=s), SEED, low, high)
    assert_traces(
        lambda s, a, b: random.randint((5, 2), a, b, seed=s), SEED, low.astype(int), high.astype(int)
    )
    assert_traces(lambda s, a: random.gamma((5, 2), a, seed=s), SEED, high)
    assert_traces(lambda s, a, b: random.beta((5, 2), a, b, seed=s), SEED, high, high)
    assert_traces(lambda s, n, p: random.binomial((5, 2), n, p, seed=s), SEED, high, low + 0.3)
    assert_traces(lambda s, x: random.categorical(x, 4, seed=s), SEED, np.log([low[1:] * 0 + 0.5] * 2))
    assert_traces(lambda s, x: random.shuffle(x, seed=s), SEED, np.arange(9.0))
    assert_traces(lambda s, m: random.truncated_normal((5, 2), m, 2.0, seed=s), SEED, high)


def test_gradients_flow_to_location_and_scale() -> None:
    def total(mean: Any, stddev: Any) -> Any:
        return np.sum(random.normal((50,), mean, stddev, dtype="float64", seed=3))

    found = kerasflow.grad(total, (0, 1))(np.float64(1), np.float64(2))
    np.testing.assert_allclose(found, [50, random.normal((50,), dtype="float64", seed=3).sum()])


# -- distributions --------------------------------------------------------------------------------------------

CONTINUOUS: dict[str, tuple[Any, Any]] = {
    "uniform": (lambda s, d: random.uniform((N,), dtype=d, seed=s), stats.uniform()),
    "uniform_scaled": (lambda s, d: random.uniform((N,), -2, 5, dtype=d, seed=s), stats.uniform(-2, 7)),
    "normal": (lambda s, d: random.normal((N - 1,), dtype=d, seed=s), stats.norm()),
    "normal_scaled": (lambda s, d: random.normal((N // 2, 2), 3, 2, dtype=d, seed=s), stats.norm(3, 2)),
    "truncated": (lambda s, d: random.truncated_normal((N,), dtype=d, seed=s), stats.truncnorm(-2, 2)),
    "gamma_small": (lambda s, d: random.gamma((N,), 0.4, dtype=d, seed=s), stats.gamma(0.4)),
    "gamma_one": (lambda s, d: random.gamma((N,), 1.0, dtype=d, seed=s), stats.gamma(1)),
    "gamma_large": (lambda s, d: random.gamma((N,), 12.0, dtype=d, seed=s), stats.gamma(12)),
    "beta": (lambda s, d: random.beta((N,), 2.0, 3.0, dtype=d, seed=s), stats.beta(2, 3)),
    "beta_small": (lambda s, d: random.beta((N,), 0.5, 0.3, dtype=d, seed=s), stats.beta(0.5, 0.3)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("draw", "distribution"), CONTINUOUS.values(), ids=CONTINUOUS)
def test_distributions(draw: Any, distribution: Any, dtype: str) -> None:
    pvalues = []
    for seed in range(5):
        x = draw(seed, dtype)
        assert x.dtype == dtype
        x = x.astype(np.float64).ravel()
        pvalues.append(stats.kstest(x, distribution.cdf).pvalue)
        sigma = distribution.std() / np.sqrt(x.size)
        assert abs(x.mean() - distribution.mean()) < 5 * sigma
        spread = np.sqrt((distribution.stats("k") + 2) / x.size) * distribution.var()
        assert abs(x.var() - distribution.var()) < 5 * spread
    # Fixed seeds: these fail for good or not at all.
    assert min(pvalues) > 1e-3
    assert max(pvalues) > 0.05


def test_truncated_normal_is_exact_in_the_tails() -> None:
    u = np.linspace(0, 1 - 2**-20, 1001)
    numbers = random._normal_quantile(u * random._BETWEEN + random._BELOW)
    np.testing.assert_allclose(numbers, stats.truncnorm(-2, 2).ppf(u), rtol=1e-13, atol=1e-13)
    x = random.truncated_normal((N,), 10.0, 3.0, seed=1)
    assert x.min() >= 4
    assert x.max() <= 16


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_uniform_never_reaches_its_upper_end(dtype: Any) -> None:
    for low, high in ((0, 1), (1, 2), (-3, -2.5)):
        x = random.uniform((N,), low, high, dtype=np.dtype(dtype).name, seed=0)
        assert x.dtype == dtype
        assert x.min() >= dtype(low)
        assert x.max() < dtype(high)


def test_integers() -> None:
    x = random.randint((N,), -3, 7, seed=1)
    assert x.dtype == np.int32
    assert stats.chisquare(np.bincount(x + 3)).pvalue > 1e-3
    wide = random.randint((1000,), -(2**63), 2**63 - 1, "int64", seed=1)
    assert wide.min() < -(2**62)
    assert wide.max() > 2**62
    with pytest.raises(ValueError, match="`minval` must be less than `maxval`"):
        random.randint((3,), 5, 5)


def test_categories() -> None:
    probabilities = np.array([[0.1, 0.2, 0.7, 0], [0.25, 0.25, 0.25, 0.25]])
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities).astype(np.float32)
    draws = random.categorical(logits, N, seed=2)
    assert draws.shape == (2, N)
    assert draws.dtype == np.int64
    for row, p in zip(draws, probabilities, strict=True):
        counts = np.bincount(row, minlength=4)
        assert counts[p == 0].sum() == 0
        assert stats.chisquare(counts[p > 0], N * p[p > 0]).pvalue > 1e-3


def test_shuffle_moves_whole_slices() -> None:
    x = np.arange(60).reshape(20, 3)
    y = random.shuffle(x, seed=3)
    assert not np.array_equal(x, y)
    assert {tuple(row) for row in y} == {tuple(row) for row in x}
    # The same seed moves data and labels alike.
    np.testing.assert_array_equal(random.shuffle(x[:, 0], seed=3), y[:, 0])
    orders = [tuple(random.shuffle(np.arange(3), seed=s)) for s in range(6000)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("rate", [0.5, 0.25, 0.75, 0.1, 0.3, 0.001, 0.999])
def test_dropout(rate: float) -> None:
    x = np.linspace(1, 2, N, dtype=np.float32)
    y = random.dropout(x, rate, seed=4)
    kept = y != 0
    assert stats.binomtest(int(kept.sum()), N, 1 - rate).pvalue > 1e-3
    np.testing.assert_allclose(y[kept], x[kept] / (1 - rate), rtol=1e-6)


def test_dropout_options() -> None:
    x = np.ones((4, 5, 6), np.float32)
    np.testing.assert_array_equal(random.dropout(x, 0.0), x)
    np.testing.assert_array_equal(random.dropout(x, 1.0), np.zeros_like(x))
    y = random.dropout(x, 0.5, noise_shape=(None, 1, 6), seed=1)
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1], x.shape))
    assert 0 < (y == 0).mean() < 1
    gradient = kerasflow.grad(lambda x: np.sum(random.dropout(x, 0.5, seed=1)))(x)
    np.testing.assert_array_equal(gradient, random.dropout(x, 0.5, seed=1))
    with pytest.raises(ValueError, match="between 0 and 1"):
        random.dropout(x, 1.5)


def assert_binomial(x: Any, n: int, p: float) -> None:
    """Chi-square of counts in bins of a few numbers each, so wide that enough fall into every one."""
    distribution = stats.binom(n, p)
    low, high = (int(distribution.ppf(q)) for q in (1e-3, 1 - 1e-3))
    edges = np.concatenate([[-1], np.unique(np.linspace(low, high, 20).astype(int)), [n]])
    counts, _ = np.histogram(x, edges + 0.5)
    expected = np.diff(distribution.cdf(edges)) * x.size
    few = expected < 5
    counts, expected = (np.append(v[~few], v[few].sum()) for v in (counts, expected))
    used = expected > 0
    assert stats.chisquare(counts[used], expected[used]).pvalue > 1e-3


# Counted one by one with a mean below 10, else proposed and accepted; on both sides of 1/2.
@pytest.mark.parametrize(
    ("n", "p"),
    [(10, 0.3), (100, 0.05), (6, 0.9), (39, 0.25), (41, 0.25), (500, 0.5), (1000, 0.98), (10**6, 0.3)],
)
def test_binomial(n: int, p: float) -> None:
    x = random.binomial((N,), n, p, seed=1)
    assert x.dtype == np.float32
    assert_binomial(x, n, p)
    np.testing.assert_array_equal(x, random.binomial((N,), n, p, seed=1))


def test_binomial_at_its_ends() -> None:
    for n, p, expected in ((0, 0.3, 0), (7, 0.0, 0), (7, 1.0, 7), (10**6, 1.0, 10**6)):
        np.testing.assert_array_equal(random.binomial((50,), n, p, seed=1), np.full(50, expected))
    assert np.isnan(random.binomial((3,), 5, np.array([-0.1, 1.1, np.nan]), seed=1)).all()
    mixed = random.binomial((3, N), np.array([[3], [30], [3000]]), np.array([[0.5], [0.6], [0.7]]), seed=2)
    for row, n, p in zip(mixed, (3, 30, 3000), (0.5, 0.6, 0.7), strict=True):
        assert_binomial(row, n, p)


# -- gradients ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.3, 0.9, 1.0, 2.5, 40.0])
def test_gamma_moves_with_its_parameter(alpha: float) -> None:
    """Each variate stays at its place of the distribution: of those below it there are as many as before."""
    x, gradient = (
        kerasflow.jit(f)(np.full(200, alpha))
        for f in (lambda a: gamma(a), kerasflow.grad(lambda a: np.sum(gamma(a))))
    )
    # Of a small alpha the uniform number that is the factor has its share: not the place in the whole distribution.
    if alpha >= 1:
        step = 1e-5 * alpha
        places = stats.gamma(alpha).cdf(x)
        moved = [stats.gamma(alpha + s).ppf(places) for s in (step, -step)]
        np.testing.assert_allclose(gradient, (moved[0] - moved[1]) / (2 * step), rtol=1e-4)
    # The mean of gamma variates is alpha, so that of the derivatives is 1; that of their squares 2 alpha + 1.
    many = np.full(N, alpha)
    mean = kerasflow.grad(lambda a: np.mean(gamma(a)))(many).sum()
    square = kerasflow.grad(lambda a: np.mean(np.square(gamma(a))))(many).sum()
    np.testing.assert_allclose([mean, square], [1, 2 * alpha + 1], rtol=0.1)


def gamma(alpha: Any) -> Any:
    return random.gamma(alpha.shape, alpha, dtype="float64", seed=5)


def test_beta_moves_with_its_parameters() -> None:
    def mean(a: Any, b: Any) -> Any:
        return np.mean(random.beta((N,), a, b, dtype="float64", seed=5))

    a, b = 1.5, 0.7
    found = kerasflow.grad(mean, (0, 1))(np.float64(a), np.float64(b))
    np.testing.assert_allclose(found, [b / (a + b) ** 2, -a / (a + b) ** 2], rtol=0.05)


def test_what_has_no_gradient_has_none() -> None:
    for draw in (
        lambda p: np.sum(random.binomial((5,), 10, p, dtype="float64", seed=1)) * p,
        lambda p: np.sum(random.categorical(np.log([[0.5, 0.5]]) * p, 5, seed=1)) * p,
    ):
        value, gradient = kerasflow.value_and_grad(draw)(np.float64(0.25))
        np.testing.assert_allclose(gradient, value / 0.25)


# -- independence ---------------------------------------------------------------------------------------------


def test_seeds_and_steps_are_independent() -> None:
    generator = keras.random.SeedGenerator(7)
    rows = [random.normal((2000,), seed=seed) for seed in range(20)]
    rows += [random.normal((2000,), seed=generator) for _ in range(20)]
    correlations = np.corrcoef(rows)[np.triu_indices(40, 1)] * np.sqrt(2000)
    assert stats.kstest(correlations, "norm").pvalue > 1e-3
    # Neighbours in one stream, and the two halves that Box and Muller's method makes of one pair.
    x = random.normal((N,), seed=11).astype(np.float64)
    for y, z in ((x[1:], x[:-1]), (x[: N // 2], x[N // 2 :]), (np.abs(x[: N // 2]), np.abs(x[N // 2 :]))):
        assert abs(np.corrcoef(y, z)[0, 1]) * np.sqrt(y.size) < 4


SCORES: dict[str, Any] = {
    "uniform": lambda s: random.uniform((2000,), seed=s),
    "truncated_normal": lambda s: random.truncated_normal((2000,), seed=s),
    "randint": lambda s: random.randint((2000,), 0, 1000, seed=s),
    "categorical": lambda s: random.categorical(np.zeros((1, 50)), 2000, seed=s)[0],
    "gamma": lambda s: random.gamma((2000,), 0.8, seed=s),
    "beta": lambda s: random.beta((2000,), 2.0, 3.0, seed=s),
    "binomial": lambda s: random.binomial((2000,), 20, 0.4, seed=s),
    "binomial_large": lambda s: random.binomial((2000,), 200, 0.4, seed=s),
    "dropout": lambda s: random.dropout(np.ones(2000, np.float32), 0.5, seed=s),
    "shuffle": lambda s: random.shuffle(np.arange(2000), seed=s),
}


@pytest.mark.parametrize("draw", SCORES.values(), ids=SCORES)
def test_every_distribution_is_independent_across_seeds_and_steps(draw: Any) -> None:
    generator = keras.random.SeedGenerator(11)
    rows = [draw(seed) for seed in range(15)] + [draw(generator) for _ in range(15)]
    correlations = np.corrcoef(rows)[np.triu_indices(30, 1)] * np.sqrt(2000)
    assert stats.kstest(correlations, "norm").pvalue > 1e-3
    neighbours = np.concatenate([row[1:] for row in rows]), np.concatenate([row[:-1] for row in rows])
    # (Of a shuffled range neighbours are correlated by -1/n.)
    assert abs(np.corrcoef(*neighbours)[0, 1]) * np.sqrt(neighbours[0].size) < 4


def test_a_generator_moves_on_and_a_number_does_not() -> None:
    generator = keras.random.SeedGenerator(7)
    first, second = (keras.random.uniform((4,), seed=generator) for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, keras.random.uniform((4,), seed=7))
    assert not np.array_equal(keras.random.uniform((4,)), keras.random.uniform((4,)))


def test_global_seed() -> None:
    draws = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        draws.append(np.concatenate([keras.random.normal((3,)), keras.random.normal((3,))]))
    np.testing.assert_array_equal(*draws)
    assert len(set(draws[0].tolist())) == 6


def test_streams_do_not_depend_on_who_drew_before() -> None:
    def digest() -> str:
        return hashlib.sha256(random.uniform((1001,), seed=1).tobytes()).hexdigest()

    before = digest()
    random.dropout(np.ones(7, np.float32), 0.5, seed=2)
    random.binomial((3,), 5, 0.5, seed=3)
    assert digest() == before
