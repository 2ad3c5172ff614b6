"""Linkage by the members of clusters: more rows than are put into a matrix at once."""

import numpy as np
import pytest
from coterie.hierarchy import linkage, pdist

METHODS = ["complete", "average", "weighted"]


@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "chebyshev"])
@pytest.mark.parametrize("side", [4, 40, 1000])
def test_rows_that_tie(metric, side):
    """Lists find what a matrix from the start finds."""
    X = np.random.default_rng(side).integers(0, side, size=(1500, 3)) * 1.0
    wanted = linkage(pdist(X, metric), "complete")
    for threads in (1, 2, 3, 8):
        np.testing.assert_array_equal(linkage(X, "complete", metric, n_threads=threads), wanted)


@pytest.mark.parametrize("method", METHODS)
def test_as_many_threads_as_you_like(method):
    X = np.random.default_rng(1).normal(size=(1700, 7))
    wanted = linkage(X, method, n_threads=1)
    for threads in (2, 3, 8):
        np.testing.assert_array_equal(linkage(X, method, n_threads=threads), wanted)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("spread", "apart", "offset"), [(1e-4, 1e3, 0), (1, 3, 1e6), (1e-6, 1, -5)]
)
def test_rows_that_float32_does_not_tell_apart(method, spread, apart, offset):
    """Crowds far from one another, or all far from the origin."""
    scipy = pytest.importorskip("scipy.cluster.hierarchy")
    rng = np.random.default_rng(2)
    X = rng.normal(size=(1300, 4)) * spread + apart * rng.integers(0, 4, size=(1300, 1)) + offset
    Z, wanted = linkage(X, method), scipy.linkage(X, method)
    np.testing.assert_array_equal(Z[:, [0, 1, 3]], wanted[:, [0, 1, 3]])
    np.testing.assert_allclose(Z[:, 2], wanted[:, 2], rtol=1e-10)
