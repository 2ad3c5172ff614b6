"""Linkage matrices of all kinds: every method, ties, inversions, chains, the smallest."""

import numpy as np
import pytest

METHODS = ("single", "complete", "average", "weighted", "ward", "centroid", "median")


def linked(n, method, kind, seed=0):
    """SciPy's linkage matrix of n points, and their condensed distances.

    `kind` 'real' has no ties; 'ties' has small integer coordinates, and duplicates.
    """
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    distance = pytest.importorskip("scipy.spatial.distance")
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) if kind == "real" else rng.integers(0, 4, (n, 2)).astype(float)
    return hierarchy.linkage(X, method), distance.pdist(X)


def chain(n, seed=0):
    """Observations joined one after the other to one cluster, on either side."""
    side = np.random.default_rng(seed).integers(0, 2, n - 1).astype(bool)
    grown, single = np.r_[0, np.arange(n, 2 * n - 2)], np.arange(1, n)
    heights, sizes = np.arange(1, n), np.arange(2, n + 1)
    columns = (np.where(side, grown, single), np.where(side, single, grown), heights, sizes)
    return np.column_stack(columns).astype(float)


def random_tree(n, seed=0, heights=None):
    """Joins at random; heights 0, 1, 2 ... or as given."""
    rng = np.random.default_rng(seed)
    alive, Z, sizes = list(range(n)), [], [1] * n
    for t in range(n - 1):
        a, b = (alive.pop(rng.integers(len(alive))) for _ in range(2))
        alive.append(n + t)
        sizes.append(sizes[a] + sizes[b])
        Z.append([a, b, t if heights is None else heights[t], sizes[-1]])
    return np.array(Z, dtype=float)


def inverted(n, seed=0):
    """A tree at random with heights of few values in any order."""
    heights = np.random.default_rng(seed).integers(0, 6, n - 1)
    return random_tree(n, seed, heights)
