"""Linkage of rows that are there several times: they merge first, in the order of their ids."""

from itertools import pairwise

import numpy as np
import pytest
from coterie.hierarchy import linkage, pdist
from test_linkage import METHODS, assert_minimal, square_of

METRICS = ("euclidean", "sqeuclidean", "cityblock", "chebyshev", "hamming", "jaccard")
AVERAGES = ("average", "weighted")


def repeated(n, distinct, d, seed=0, values=None):
    """Return so many rows of some, in any order, each there at least once."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(distinct, d))
    if values:
        X = np.stack(np.unravel_index(rng.permutation(values**d)[:distinct], [values] * d), 1)
    of = np.r_[np.arange(distinct), rng.integers(0, distinct, n - distinct)]
    return X[rng.permutation(of)].astype("float64")


def chain(X):
    """Return the merges at zero: (id of the union so far, id of the next row), size."""
    found = []
    for row in np.unique(X, axis=0):
        ids = np.flatnonzero((row == X).all(axis=1))
        found += [(0.0, a, b, k + 2) for k, (a, b) in enumerate(pairwise(ids))]
    return sorted(found)


def assert_chain(Z, X):
    """Unions go by their last row."""
    goes_by, n = list(range(len(X))), len(X)
    wanted = chain(X)
    for t, merge in enumerate(wanted):
        a, b = sorted(goes_by[int(i)] for i in Z[t, :2])
        assert (Z[t, 2], a, b, Z[t, 3]) == merge, t
        goes_by.append(b)
    assert (Z[len(wanted) :, 2] > 0).all()
    assert len(goes_by) == n + len(wanted)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "single"])
@pytest.mark.parametrize(("n", "distinct"), [(3, 2), (9, 3), (150, 20), (150, 149), (200, 199)])
def test_every_merge_is_least(method, n, distinct):
    for values in (None, 6):
        X = repeated(n, distinct, 4, n, values)
        assert_minimal(linkage(X, method), square_of(pdist(X), n), method)


@pytest.mark.parametrize("method", ["complete", "average", "weighted", "ward"])
@pytest.mark.parametrize(("n", "distinct"), [(40, 7), (700, 100), (1500, 1200), (2000, 5)])
def test_equal_rows_merge_in_the_order_of_their_ids(method, n, distinct):
    X = repeated(n, distinct, 3, n)
    assert_chain(linkage(X, method), X)
    X[np.isclose(X, X[0, 0])] = 0
    X[3:][X[3:] == 0] = -0.0  # an equal number
    assert_chain(linkage(X, method), X)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("method", ["complete", *AVERAGES])
def test_metrics_are_those_of_a_matrix(method, metric):
    X = repeated(130, 30, 4, 5)
    Z, wanted = linkage(X, method, metric), linkage(pdist(X, metric), method)
    if metric in ("hamming", "jaccard"):  # nothing but ties
        assert_minimal(Z, square_of(pdist(X, metric), 130), method)
    else:
        np.testing.assert_array_equal(Z[:, [0, 1, 3]], wanted[:, [0, 1, 3]])
        np.testing.assert_allclose(Z[:, 2], wanted[:, 2], rtol=1e-13)


@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "chebyshev"])
def test_ties_go_by_ids(metric):
    for n, distinct in ((150, 40), (400, 399)):
        X = repeated(n, distinct, 4, n, 5)
        np.testing.assert_array_equal(
            linkage(X, "complete", metric), linkage(pdist(X, metric), "complete")
        )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [2, 9, 1500])
def test_all_rows_equal(method, n):
    Z = linkage(np.full((n, 3), 0.1), method)
    np.testing.assert_array_equal(Z[:, 2], 0)
    np.testing.assert_array_equal(Z[:, 3], np.arange(2, n + 1))
    np.testing.assert_array_equal(Z[0, :2], [0, 1])
    np.testing.assert_array_equal(Z[1:, 0], np.arange(2, n))


@pytest.mark.parametrize("method", ["complete", "average", "ward"])
def test_unequal_rows_at_distance_zero(method):
    """Squares that underflow: rows merge by ids alone, equal or not."""
    X = np.array([[0.0, 0], [1e-170, 0], [0, 0], [1, 0], [1e-170, 0], [1, 0]])
    Z = linkage(X, method)
    np.testing.assert_array_equal(Z[:4, :2], [[0, 1], [2, 6], [4, 7], [3, 5]])
    np.testing.assert_array_equal(Z[:4, 2], 0)


@pytest.mark.parametrize("method", ["complete", "average", "ward"])
def test_the_same_bits_for_any_number_of_threads(method):
    X = repeated(1800, 700, 6, 9)
    wanted = linkage(X, method, n_threads=1)
    for n_threads in (2, 3, 8):
        np.testing.assert_array_equal(linkage(X, method, n_threads=n_threads), wanted)
    Z = linkage(X, method, dtype="float32")
    np.testing.assert_allclose(Z[:, 2], wanted[:, 2], rtol=1e-4, atol=1e-6)
