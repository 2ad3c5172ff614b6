"""Optimal leaf ordering: the least sum of all orders, the same tree, the same bits."""

import numpy as np
import pytest
from coterie import hierarchy as ours
from reference import hierarchy as reference
from tolerance import EPS
from trees import METHODS, chain, linked, random_tree

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

scipy = pytest.importorskip("scipy.cluster.hierarchy")
squareform = pytest.importorskip("scipy.spatial.distance").squareform
quietly = settings(max_examples=100, derandomize=True, deadline=None)


def assert_same_tree(Z, ordered):
    np.testing.assert_array_equal(np.sort(ordered[:, :2], axis=1), np.sort(Z[:, :2], axis=1))
    np.testing.assert_array_equal(ordered[:, 2:], Z[:, 2:])
    assert ours.is_valid_linkage(ordered)


def cost(Z, square):
    return reference.path(square, ours.leaves_list(Z))


@quietly
@given(st.integers(2, 8), st.integers(0, 10**6), st.booleans())
def test_no_order_is_better(n, seed, shaped):
    y = np.random.default_rng(seed).integers(0, 50, n * (n - 1) // 2).astype(float)
    Z = scipy.linkage(y, "average") if shaped else random_tree(n, seed)
    ordered = ours.optimal_leaf_ordering(Z, y)
    assert_same_tree(Z, ordered)
    square = squareform(y)
    assert cost(ordered, square) == reference.best_path(Z, square)  # sums of integers


@pytest.mark.parametrize("kind", ["real", "ties"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [2, 3, 9, 40])
def test_never_worse_than_scipy(n, method, kind):
    Z, y = linked(n, method, kind)
    ordered, square = ours.optimal_leaf_ordering(Z, y), squareform(y)
    assert_same_tree(Z, ordered)
    bound = 2 * n * EPS * n * y.max(initial=0)  # two sums of n terms, in other orders
    assert cost(ordered, square) <= cost(scipy.optimal_leaf_ordering(Z, y), square) + bound
    assert cost(ordered, square) <= cost(Z, square) + bound


@pytest.mark.parametrize("n", [130, 333])  # blocks of rows, columns and depth, and what is left
@pytest.mark.parametrize("make", [random_tree, chain])
def test_beyond_a_block(make, n):
    """Leaves on a line at random: with the tree of a line's halves, the best order is the line."""
    place = np.random.default_rng(0).permutation(n)
    square = np.abs(place[:, np.newaxis] - place).astype(float)
    y = squareform(square)
    Z = make(n)
    ordered = ours.optimal_leaf_ordering(Z, y)
    assert_same_tree(Z, ordered)
    again = ours.optimal_leaf_ordering(ordered, y)
    assert cost(again, square) == cost(ordered, square) <= cost(Z, square)
    line = scipy.linkage(y, "average")
    assert cost(ours.optimal_leaf_ordering(line, y), square) == n - 1


def test_same_bits_for_any_number_of_threads():
    Z, y = linked(300, "average", "ties")
    one = ours.optimal_leaf_ordering(Z, y, n_threads=1)
    for n_threads in (2, 3, 8):
        np.testing.assert_array_equal(ours.optimal_leaf_ordering(Z, y, n_threads=n_threads), one)


def test_observations_and_lists():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 4))
    distance = pytest.importorskip("scipy.spatial.distance")
    for metric in ("euclidean", "cityblock"):
        y = distance.pdist(X, metric)
        Z = scipy.linkage(y, "average")
        expected = ours.optimal_leaf_ordering(Z, y)
        np.testing.assert_array_equal(ours.optimal_leaf_ordering(Z, X, metric), expected)
        np.testing.assert_array_equal(ours.optimal_leaf_ordering(Z.tolist(), list(y)), expected)
    with pytest.warns(ours.ClusterWarning, match="taken for observations"):
        ours.optimal_leaf_ordering(Z, squareform(y))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1.0, 2, 3, 4], r"n \* \(n - 1\) / 2"),
        ([1.0], "of 3 observations, got of 2"),
        ([1.0, np.nan, 2], "finite"),
        ([1.0, np.inf, 2], "finite"),
        (1.0, "1-D or 2-D"),
        (np.ones((1, 1, 1)), "1-D or 2-D"),
    ],
)
def test_refused(y, message):
    Z = [[0.0, 1, 1, 2], [2, 3, 2, 3]]
    with pytest.raises(ValueError, match=message):
        ours.optimal_leaf_ordering(Z, y)
    with pytest.raises(TypeError, match="float64"):
        ours.optimal_leaf_ordering(np.array(Z, np.float32), [1.0, 2, 3])


def test_nothing_is_written_to():
    Z, y = linked(10, "average", "real")
    Z.flags.writeable = y.flags.writeable = False
    ours.optimal_leaf_ordering(Z, y)
