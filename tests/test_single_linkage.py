"""Single linkage by a k-d tree or by tiles: Prim's tree, edge by edge and bit for bit."""

import numpy as np
import pytest
from coterie import _core
from coterie.hierarchy import linkage, pdist

METRICS = ("euclidean", "sqeuclidean", "cityblock", "chebyshev")


def tree(X, way, metric="euclidean", n_threads=2, callback=None):
    X = np.ascontiguousarray(X, dtype="float64")
    Z = np.empty((len(X) - 1, 4))
    _core.single_linkage(X, metric, way, Z, n_threads, callback)
    return Z


def assert_same(X, metric="euclidean"):
    np.testing.assert_array_equal(tree(X, "tree", metric), tree(X, "prim", metric))


def normal(n, d, rng):
    return rng.normal(size=(n, d))


def integers(n, d, rng):
    """Distances that tie, and about as many distinct rows as there are rows."""
    return rng.integers(0, max(2, round(n ** (1 / d))) + 1, size=(n, d))


def duplicates(n, d, rng):
    return rng.normal(size=(max(1, n // 7), d))[rng.integers(0, max(1, n // 7), n)]


def clusters(n, d, rng):
    """Tight and far apart, so that lists of neighbours are used up."""
    centers = rng.uniform(-100, 100, size=(7, d))
    return centers[rng.integers(0, 7, n)] + rng.normal(size=(n, d)) * 1e-3


def outliers(n, d, rng):
    X = rng.normal(size=(n, d))
    X[:: max(1, n // 5)] *= 1e9
    return X


def line(n, d, rng):
    return np.outer(rng.permutation(n), np.arange(1, d + 1))


def grown(n, d, rng):
    """Density over many scales."""
    return rng.normal(size=(n, d)) * np.exp(rng.uniform(-20, 20, size=(n, 1)))


def sphere(n, d, rng):
    """All but equally far from the first row."""
    X = rng.normal(size=(n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    X[0] = 0
    return X


MAKERS = (normal, integers, duplicates, clusters, outliers, line, grown, sphere)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("d", [1, 2, 3, 4, 7, 10])
def test_the_tree_is_prims(make, d):
    for n in (2, 3, 8, 9, 16, 17, 33, 130, 700, 2000):
        assert_same(make(n, d, np.random.default_rng(n + d)))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("metric", METRICS)
def test_every_metric(make, metric):
    assert_same(make(900, 3, np.random.default_rng(5)), metric)


@pytest.mark.parametrize("make", [normal, integers, duplicates, clusters])
def test_distances_give_the_same_tree(make):
    X = make(400, 3, np.random.default_rng(1)).astype("float64")
    np.testing.assert_array_equal(tree(X, "tree"), linkage(pdist(X), "single"))


@pytest.mark.parametrize("make", MAKERS)
def test_same_bits_for_any_number_of_threads(make):
    X = make(5000, 3, np.random.default_rng(2))
    first = tree(X, "tree", n_threads=1)
    for n_threads in (2, 3, 8):
        np.testing.assert_array_equal(tree(X, "tree", n_threads=n_threads), first)


def test_many_rows():
    X = np.random.default_rng(3).normal(size=(20_000, 3))
    Z = tree(X, "tree")
    np.testing.assert_array_equal(Z, tree(X, "prim"))
    np.testing.assert_array_equal(linkage(X, "single"), Z)


def test_lists_end_in_ties():
    """More neighbours at one distance than a list holds: ids decide beyond it."""
    for d in (2, 3, 5):
        grid = np.stack(np.meshgrid(*[np.arange(4)] * d), -1).reshape(-1, d)
        for seed in range(3):
            assert_same(np.random.default_rng(seed).permutation(grid))
            assert_same(np.random.default_rng(seed).permutation(grid), "chebyshev")


@pytest.mark.parametrize("n", [2, 9, 1000, 20_000])
def test_rows_all_equal(n):
    Z = tree(np.full((n, 3), 0.1), "tree")
    np.testing.assert_array_equal(Z[:, 2], 0)
    np.testing.assert_array_equal(Z[:, 3], np.arange(2, n + 1))
    np.testing.assert_array_equal(Z[0], [0, 1, 0, 2])
    np.testing.assert_array_equal(Z[1:, 0], np.arange(2, n))


def test_zeros_of_either_sign_are_equal():
    X = np.zeros((40, 2))
    X[::3] = -0.0
    X[::5, 0] = 1
    assert_same(X)


@pytest.mark.parametrize("scale", [1e-170, 1e-160, 1e-5, 1e150, 1e160])
def test_squares_that_underflow_or_overflow(scale):
    rng = np.random.default_rng(4)
    assert_same(rng.normal(size=(300, 3)) * scale)
    assert_same(np.r_[rng.normal(size=(100, 2)), rng.normal(size=(100, 2)) * scale])


def test_equal_rows_at_distance_zero_from_others():
    """Squares that underflow: distance zero is not equality, nor does it carry over."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        X = rng.integers(0, 6, size=(120, 2)) * 1e-162
        X[::3] += rng.integers(0, 2, size=(40, 1))
        assert_same(X)


def test_row_stride_is_free():
    X = np.random.default_rng(6).normal(size=(500, 8))
    Z, wanted = np.empty((499, 4)), tree(X[:, :3], "prim")
    _core.single_linkage(X[:, :3], "euclidean", "tree", Z, 1, None)
    np.testing.assert_array_equal(Z, wanted)


def test_progress_is_told_and_may_end_it():
    X, told = np.random.default_rng(7).normal(size=(5000, 2)), []
    tree(X, "tree", callback=told.append)
    assert told == sorted(told)
    assert told[-1] == 4999

    def stop(merges):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        tree(X, "tree", callback=stop)


def test_metrics_without_boxes_are_refused():
    with pytest.raises(ValueError, match="metric: wanted one that boxes bound"):
        tree(np.eye(3), "tree", "cosine")


# ---- tiles


def rounds(X, metric="euclidean", n_threads=2):
    """Return the tree, and whether it was found in rounds: Prim's tells of every 256th edge."""
    told = []
    Z = tree(X, "tiles", metric, n_threads, told.append)
    return Z, told[:1] != [256]


def assert_tiles(X, metric="euclidean", in_rounds=True):
    Z, seen = rounds(X, metric)
    np.testing.assert_array_equal(Z, tree(X, "prim", metric))
    assert in_rounds is None or seen == in_rounds


def crowds(n, d, rng):
    """Apart from each other, so that lists hold nothing but their own and are made anew."""
    return rng.normal(size=(20, d))[rng.integers(0, 20, n)] * 4 + rng.normal(size=(n, d))


@pytest.mark.parametrize("make", [normal, crowds, line, sphere])
@pytest.mark.parametrize("d", [1, 3, 16, 33, 100])
def test_the_tree_of_tiles_is_prims(make, d):
    for n in (512, 700, 1500):
        X = np.asarray(make(n, d, np.random.default_rng(n + d)), dtype="float64")
        assert_tiles(X + 3, in_rounds=None if d == 1 or make is line else True)


@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine"])
@pytest.mark.parametrize("make", [normal, crowds, integers])
def test_metrics_of_tiles(metric, make):
    X = make(900, 24, np.random.default_rng(8)) + 0.01
    if metric == "cosine":
        X /= np.linalg.norm(X, axis=1, keepdims=True)
    assert_tiles(X, metric)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("d", [2, 20])
def test_tiles_of_any_rows(make, d):
    """Whether the filter tells them apart or not."""
    for n in (2, 511, 900, 2000):
        assert_tiles(make(n, d, np.random.default_rng(n)), in_rounds=None)


def test_ties_on_tiles():
    """More neighbours at one distance than a list holds, in places."""
    rng = np.random.default_rng(9)
    for make in (normal, crowds):
        X = make(3000, 40, rng)
        X[100:112] = X[7]  # to be compared with all others
        X[1500:1511] = X[8] + 100  # likewise, when they look outside
        assert_tiles(X)
    for values, d in ((2, 12), (3, 40), (100, 40)):
        assert_tiles(rng.integers(0, values, size=(1500, d)), in_rounds=None)


def test_groups_that_the_filter_takes_for_points():
    rng = np.random.default_rng(10)
    X = rng.normal(size=(1200, 30))
    assert_tiles(X + 1e6 * rng.integers(0, 2, size=(1200, 1)), in_rounds=False)
    X[:4] *= 1e12  # some that are far leave the others apart
    assert_tiles(X)


@pytest.mark.parametrize("scale", [1e-170, 1e-160, 1e-120, 1e-5, 1e90, 1e150])
def test_tiles_of_any_scale(scale):
    X = np.random.default_rng(11).normal(size=(600, 20))
    assert_tiles(X * scale, in_rounds=1e-100 < scale < 1e100)
    X[::2] *= scale
    assert_tiles(X, in_rounds=None)


@pytest.mark.parametrize("make", [normal, crowds, integers])
def test_tiles_give_the_same_bits_for_any_number_of_threads(make):
    X = make(5000, 17, np.random.default_rng(12))
    first, seen = rounds(X, n_threads=1)
    assert seen or make is integers
    for n_threads in (2, 3, 8):
        np.testing.assert_array_equal(rounds(X, n_threads=n_threads)[0], first)
    np.testing.assert_array_equal(linkage(X, "single"), first)


def test_tiles_refuse_what_products_do_not_tell():
    with pytest.raises(ValueError, match="metric: wanted one that products tell"):
        tree(np.eye(3), "tiles", "cityblock")


def test_progress_of_tiles_may_end_it():
    def stop(merges):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        tree(np.random.default_rng(13).normal(size=(600, 20)), "tiles", callback=stop)
