"""Centroid and median linkage from points: every merge is the least there is, to the last bit.

Centers are looked at in float32 first; the replay knows float64 alone.
"""

import numpy as np
import pytest
from coterie import _core
from test_prim import OTHERS
from test_single_linkage import MAKERS, integers, normal


def centers_linkage(X, method, n_threads=1):
    Z = np.empty((len(X) - 1, 4))
    X = np.ascontiguousarray(X, dtype="float64")
    _core.linkage_points(X, method, "euclidean", Z, n_threads, None)
    return Z


def squares(point, others):
    """Distances from differences, feature by feature."""
    total = np.zeros(len(others))
    for f in range(others.shape[1]):
        total += (point[f] - others[:, f]) ** 2
    return total


def assert_least(X, method):
    """A union takes the place of the part that has the larger last point."""
    Z, n = centers_linkage(X, method), len(X)
    points = np.array(X, dtype="float64")
    d = np.stack([squares(p, points) for p in points])
    np.fill_diagonal(d, np.inf)
    place, size = list(range(n)), [1] * n
    for t, (a, b, height, count) in enumerate(Z):
        i, j = sorted((place[int(a)], place[int(b)]))
        assert height == np.sqrt(d.min()) == np.sqrt(d[i, j]), t
        assert count == size[i] + size[j]
        share = 0.5 if method == "median" else size[i] / count
        points[j] += share * (points[i] - points[j])
        d[i] = d[:, i] = np.inf
        gone = np.isinf(d[j])
        d[j] = np.where(gone, np.inf, squares(points[j], points))
        d[:, j] = d[j]
        size[j] = count
        place.append(j)


@pytest.mark.parametrize("make", MAKERS + OTHERS)
@pytest.mark.parametrize("method", ["centroid", "median"])
@pytest.mark.parametrize("d", [1, 4, 11, 40])
def test_every_merge_is_least(make, method, d):
    for n in (2, 17, 64, 150):
        assert_least(make(n, d, np.random.default_rng(n + d)), method)


@pytest.mark.parametrize("make", [normal, integers])
def test_more_rows(make):
    """Slots close up several times, and bounds stand in many blocks."""
    assert_least(make(700, 6, np.random.default_rng(1)), "centroid")


@pytest.mark.parametrize("scale", [1e-170, 1e-120, 1e-30, 1e30, 1e140])
def test_any_scale(scale):
    X = np.random.default_rng(2).normal(size=(90, 3))
    assert_least(X * scale, "centroid")
    X[::2] *= scale
    assert_least(X, "centroid")


def test_rows_all_equal_or_but_one():
    X = np.full((130, 2), 0.1)
    assert_least(X, "median")
    X[77, 1] = 0.3
    assert_least(X, "centroid")
