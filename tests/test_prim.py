"""Single linkage from points by Prim's algorithm: the tree of their distances, bit for bit.

Points are looked at in float32 first; whatever that cannot tell must be decided as distances in
float64 decide it.
"""

import numpy as np
import pytest
from coterie import _core
from coterie.hierarchy import linkage
from test_single_linkage import MAKERS, crowds, integers, normal, tree

METRICS = ("sqeuclidean", "cityblock", "chebyshev", "cosine")


def assert_prims(X, metric="sqeuclidean", n_threads=2):
    X = np.ascontiguousarray(X, dtype="float64")
    if metric == "cosine":
        X = X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-300)
    distances = np.empty(len(X) * (len(X) - 1) // 2)
    _core.pairwise(X, metric, distances, 1)
    np.testing.assert_array_equal(
        tree(X, "prim", metric, n_threads), linkage(distances, "single"), strict=True
    )


def tenths(n, d, rng):
    """Ties of decimals that floats tell apart by their rounding."""
    return integers(n, d, rng) * 0.1 + 0.3


def nearly_tied(n, d, rng):
    """Integers, and what float32 does not see."""
    return integers(n, d, rng) + rng.normal(size=(n, d)) * 1e-9


def far_away(n, d, rng):
    return rng.normal(size=(n, d)) + 1e5


def doubled(n, d, rng):
    """Every row twice, and the same but for its last bit."""
    X = rng.normal(size=(-(-n // 3), d)) + 3
    return np.r_[X, X, np.nextafter(X, np.inf)][rng.permutation(3 * len(X))[:n]]


def powers(n, d, rng):
    """Small integers but for a factor, and one row that is not."""
    X = integers(n, d, rng) * 2.0**-40
    X[-1] += 1e-13
    return X


OTHERS = (tenths, nearly_tied, far_away, doubled, powers, crowds)


@pytest.mark.parametrize("make", MAKERS + OTHERS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [1, 3, 11])
def test_the_tree_is_that_of_the_distances(make, metric, d):
    for n in (2, 3, 16, 17, 65, 300):
        X = np.asarray(make(n, d, np.random.default_rng(n + d)), dtype="float64")
        assert_prims(X + 1e-3 if metric == "cosine" else X, metric)


@pytest.mark.parametrize("make", [normal, integers, tenths, doubled])
@pytest.mark.parametrize("metric", METRICS)
def test_many_features(make, metric):
    """Sums of 32 features at a time."""
    for d in (31, 32, 33, 64, 100, 257):
        assert_prims(make(150, d, np.random.default_rng(d)) + 0.5, metric)


@pytest.mark.parametrize("make", [normal, integers, nearly_tied, tenths])
def test_more_rows(make):
    for d in (2, 10):
        assert_prims(make(1500, d, np.random.default_rng(d)))


@pytest.mark.parametrize("values", [2, 3, 2000, 5000, 10_000_000])
def test_integers_of_any_size(values):
    """Exact in float32 or not, and every value there often."""
    rng = np.random.default_rng(values)
    for d in (1, 2, 9):
        X = rng.integers(0, values, size=(40, d))[rng.integers(0, 40, 400)]
        for metric in METRICS[:3]:
            assert_prims(X, metric)


@pytest.mark.parametrize("scale", [1e-170, 1e-155, 1e-30, 1e30, 1e150])
def test_any_scale(scale):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200, 3))
    assert_prims(X * scale, "cityblock")
    assert_prims(X * scale)
    X[::2] *= scale
    assert_prims(X)


def test_rows_all_equal_or_but_one():
    X = np.full((200, 3), 0.1)
    assert_prims(X)
    X[77, 1] = 0.3
    assert_prims(X)


@pytest.mark.parametrize("make", [normal, integers, tenths])
def test_the_same_bits_for_any_number_of_threads(make):
    """Enough features for a step to be shared."""
    X = make(1200, 700, np.random.default_rng(3)).astype("float64")
    for n_threads in (1, 2, 3, 8):
        assert_prims(X, n_threads=n_threads)


def test_progress_goes_forwards():
    """Where the filter gives up, too."""
    for make in (normal, tenths):
        told = []
        tree(make(2000, 2, np.random.default_rng(4)), "prim", callback=told.append)
        assert told == sorted(set(told))
        assert told[0] == 256


def test_zeros_of_either_sign_are_equal():
    X = np.zeros((60, 2))
    X[::3] = -0.0
    X[::5, 0] = 1
    assert_prims(X)
    assert_prims(-X * 0)


def test_equal_rows_among_rows_at_distance_zero():
    """Squares that underflow tie unequal rows, too, and in another order."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.integers(0, 6, size=(120, 2)) * 1e-162
        X[::3] += rng.integers(0, 2, size=(40, 1)) * 1e-90
        assert_prims(X)
