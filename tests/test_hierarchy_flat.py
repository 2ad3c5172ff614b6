"""Flat clusters: fcluster, fclusterdata, cut_tree, leaders."""

import numpy as np
import pytest
from coterie import hierarchy as ours
from reference import hierarchy as reference
from trees import METHODS, chain, inverted, linked, random_tree

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

scipy = pytest.importorskip("scipy.cluster.hierarchy")
kinds = pytest.mark.parametrize("kind", ["real", "ties"])
methods = pytest.mark.parametrize("method", METHODS)
quietly = settings(max_examples=100, derandomize=True, deadline=None)
sizes = pytest.mark.parametrize("n", [2, 3, 4, 9, 33, 100])


def by_appearance(labels):
    """The same clusters, numbered from 0 in the order of their first member."""
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[codes]


# --- fcluster


@kinds
@methods
@sizes
def test_fcluster_by_thresholds_equals_scipy(n, method, kind):
    Z, _ = linked(n, method, kind)
    R, monocrit = ours.inconsistent(Z), np.cumsum(np.arange(n - 1) % 3)
    for q in (-1.0, 0.0, 0.3, 0.7, 1.0):
        for values, options in (
            (Z[:, 2], {"criterion": "distance"}),
            (R[:, 3], {"criterion": "inconsistent", "R": R}),
            (monocrit, {"criterion": "monocrit", "monocrit": monocrit}),
            (R[::-1, 3], {"criterion": "monocrit", "monocrit": R[::-1, 3]}),  # not monotone
        ):
            t = -1.0 if q < 0 else float(np.quantile(values, q, method="lower"))
            labels = ours.fcluster(Z, t, **options)
            np.testing.assert_array_equal(labels, scipy.fcluster(Z, t, **options))
            assert labels.dtype == np.int32


@kinds
@methods
@sizes
def test_fcluster_by_numbers_equals_scipy(n, method, kind):
    Z, _ = linked(n, method, kind)
    distances = ours.maxdists(Z)
    # SciPy searches among rows as if their numbers ascended.
    sorted_rows = (np.diff(distances) >= 0).all()
    monocrit = np.cumsum(np.arange(n - 1) % 3).astype(float)
    for k in (1, 2, 3, n // 2 + 1, n - 1 or 1, n, n + 1, 10 * n):
        labels = ours.fcluster(Z, k, criterion="maxclust")
        expected = scipy.fcluster(Z, k, criterion="maxclust")
        if sorted_rows:
            np.testing.assert_array_equal(labels, expected)
        assert labels.max() <= k
        np.testing.assert_array_equal(by_appearance(labels), reference.thresholds(Z, distances, k))
        np.testing.assert_array_equal(
            ours.fcluster(Z, k, "maxclust_monocrit", monocrit=monocrit),
            scipy.fcluster(Z, k, "maxclust_monocrit", monocrit=monocrit),
        )


def test_fcluster_with_defaults_and_depth_equals_scipy():
    Z, _ = linked(60, "average", "real")
    for t in (0.5, 0.8, 1.1):
        for depth in (1, 2, 3, 50):
            np.testing.assert_array_equal(
                ours.fcluster(Z, t, depth=depth), scipy.fcluster(Z, t, depth=depth)
            )
    np.testing.assert_array_equal(ours.fcluster(Z, 1), scipy.fcluster(Z, 1))


@quietly
@given(st.integers(2, 30), st.integers(0, 10**6), st.integers(1, 32))
def test_fcluster_where_heights_fall(n, seed, k):
    Z = inverted(n, seed)
    values = np.random.default_rng(seed).integers(0, 5, n - 1).astype(float)
    for options, criterion in (
        ({"criterion": "maxclust"}, ours.maxdists(Z)),
        ({"criterion": "maxclust_monocrit", "monocrit": values}, values),
    ):
        labels = ours.fcluster(Z, k, **options)
        expected = reference.thresholds(Z, criterion, k)
        np.testing.assert_array_equal(by_appearance(labels), expected)
    distance = ours.fcluster(Z, 2, criterion="distance")
    np.testing.assert_array_equal(distance, scipy.fcluster(Z, 2, criterion="distance"))
    np.testing.assert_array_equal(by_appearance(distance), reference.cut_height(Z, 2.5))


def test_fcluster_takes_lists_integers_and_float32():
    Z = [[0, 1, 1, 2], [2, 3, 2, 3]]
    for given_Z in (Z, np.array(Z), np.array(Z, np.float32), np.array(Z, float, order="F")):
        assert ours.fcluster(given_Z, 1, criterion="distance").tolist() == [1, 1, 2]
    assert ours.fcluster(Z, 2.7, criterion="maxclust").tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"criterion": "nearest"}, "criterion: wanted one of"),
        ({"criterion": "maxclust", "t": 0}, "at least one cluster"),
        ({"criterion": "maxclust", "t": np.nan}, "at least one cluster"),
        ({"criterion": "monocrit"}, "monocrit: .* got None"),
        ({"criterion": "monocrit", "monocrit": [1.0]}, r"monocrit: .*\(2,\)"),
        ({"criterion": "monocrit", "monocrit": [1.0, np.nan]}, "NaN at 1"),
        ({"R": np.ones((3, 4))}, "R: wanted as many rows"),
        ({"R": -np.ones((2, 4))}, "mean heights >= 0"),
        ({"depth": 1.5}, "d: wanted an integer"),
    ],
)
def test_fcluster_refuses(options, message):
    Z = [[0, 1, 1, 2], [2, 3, 2, 3]]
    with pytest.raises(ValueError, match=message):
        ours.fcluster(Z, **{"t": 1, **options})


@kinds
@methods
def test_fclusterdata_is_linkage_and_fcluster(method, kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)) if kind == "real" else rng.integers(0, 30, (12, 2))
    for options in ({"t": 4, "criterion": "maxclust"}, {"t": 1.0}, {"t": 1.1, "depth": 3}):
        labels = ours.fclusterdata(X, method=method, **options)
        assert labels.shape == (len(X),)
        if kind == "real":
            expected = scipy.fclusterdata(X, method=method, **options)
            np.testing.assert_array_equal(by_appearance(labels), by_appearance(expected))
    with pytest.raises(TypeError, match="X: wanted a 2-D array"):
        ours.fclusterdata([1.0, 2.0], 1)


# --- cut_tree


@kinds
@pytest.mark.parametrize("method", METHODS[:5])
@sizes
def test_cut_tree_equals_scipy(n, method, kind):
    Z, _ = linked(n, method, kind)
    cuts = ours.cut_tree(Z)
    np.testing.assert_array_equal(cuts, scipy.cut_tree(Z))
    assert cuts.dtype == np.int64
    assert cuts.shape == (n, n)
    for k in (1, 2, n - 1 or 1, n, n + 7):
        np.testing.assert_array_equal(
            ours.cut_tree(Z, n_clusters=k), scipy.cut_tree(Z, n_clusters=[k])
        )
    for h in (0, Z[:, 2].mean(), Z[n // 2 - 1, 2], Z[-1, 2], 2 * Z[-1, 2]):
        np.testing.assert_array_equal(ours.cut_tree(Z, height=h), scipy.cut_tree(Z, height=h))


def test_cut_tree_at_several_places():
    Z, _ = linked(30, "average", "ties")
    ks = np.array([3, 30, 1, 3, 99])
    together = ours.cut_tree(Z, n_clusters=ks)
    for column, k in zip(together.T, ks, strict=True):
        assert column.max() + 1 == min(k, 30)
        np.testing.assert_array_equal(column, ours.cut_tree(Z, n_clusters=k)[:, 0])
    hs = [9.0, 0.0, 1.0, 1.5]
    for column, h in zip(ours.cut_tree(Z, height=hs).T, hs, strict=True):
        np.testing.assert_array_equal(column, reference.cut_height(Z, h))


@quietly
@given(st.integers(2, 30), st.integers(0, 10**6))
def test_cut_tree_where_heights_fall(n, seed):
    Z = inverted(n, seed)
    cuts = ours.cut_tree(Z)
    if not ours.is_monotonic(Z):
        for made, column in enumerate(cuts.T):
            np.testing.assert_array_equal(column, reference.partition(Z, range(made)))
    for finer, coarser in zip(cuts.T, cuts.T[1:], strict=False):
        assert coarser.max() == finer.max() - 1
        assert len(np.unique(finer * n + coarser)) == finer.max() + 1  # nested
    for h in range(7):
        np.testing.assert_array_equal(ours.cut_tree(Z, height=h)[:, 0], reference.cut_height(Z, h))


def test_cut_tree_of_centroids_has_as_many_clusters_as_asked_for():
    for seed in range(5):
        for method in ("centroid", "median"):
            Z, _ = linked(50, method, "real", seed)
            assert [len(np.unique(column)) for column in ours.cut_tree(Z).T] == [*range(50, 0, -1)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_clusters": 2, "height": 1.0}, "got both"),
        ({"n_clusters": 0}, "integers >= 1, got 0"),
        ({"n_clusters": [2, -1]}, "integers >= 1, got -1"),
        ({"n_clusters": 1.5}, "integers >= 1, got 1.5"),
        ({"n_clusters": [[1]]}, "1-D array"),
        ({"height": np.nan}, "NaN"),
        ({"height": "high"}, "height: wanted a number"),
    ],
)
def test_cut_tree_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        ours.cut_tree([[0.0, 1, 1, 2], [2, 3, 2, 3]], **options)


# --- leaders


@kinds
@methods
@sizes
def test_leaders_equal_scipys(n, method, kind):
    Z, _ = linked(n, method, kind)
    for k in (1, 2, 3, n // 2 + 1, n):
        T = ours.fcluster(Z, k, criterion="maxclust")
        for mine, theirs in zip(ours.leaders(Z, T), scipy.leaders(Z, T), strict=True):
            np.testing.assert_array_equal(mine, theirs)
            assert mine.dtype == np.int32


def test_leaders_refuse_what_is_no_cut_of_the_tree():
    Z = [[0, 1, 1, 2], [2, 3, 2, 2], [4, 5, 3, 4]]
    with pytest.raises(ValueError, match=r"T: wanted clusters of|T: wanted clusters that are"):
        ours.leaders(Z, np.array([1, 2, 1, 2], dtype=np.int32))
    with pytest.raises(ValueError, match="each of the 4 observations, got shape"):
        ours.leaders(Z, np.array([1, 2, 1], dtype=np.int32))
    with pytest.raises(ValueError, match=r"each of the 4 observations, got shape \(1, 4\)"):
        ours.leaders(Z, np.ones((1, 4), dtype=np.int32))
    for labels in ([1, 1, 2, 2], np.ones(4)):
        with pytest.raises(TypeError, match="T: wanted an array of int32"):
            ours.leaders(Z, labels)


# --- size


@pytest.mark.parametrize("make", [chain, random_tree])
def test_large_trees(make):
    n = 100_000
    Z = make(n)
    labels = ours.fcluster(Z, 1000, criterion="maxclust")
    assert labels.max() == 1000
    nodes, ids = ours.leaders(Z, labels)
    assert len(nodes) == 1000
    assert sorted(ids) == [*range(1, 1001)]
    columns = ours.cut_tree(Z, n_clusters=[1000, 2, n])
    assert columns.max(axis=0).tolist() == [999, 1, n - 1]
    assert ours.is_isomorphic(columns[:, 0], labels)
    assert ours.fcluster(Z, 1.0).max() >= 1
