"""Rows to cluster, and the comparison of two fits."""

import numpy as np


def blobs(n=240, d=2, k=4, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    centers = rng.uniform(-10, 10, (k, d))
    return (centers[rng.integers(0, k, n)] + rng.standard_normal((n, d))).astype(dtype)


def integers(n=200, d=3, seed=0):
    """Rows whose products and sums are exact in float32 and float64."""
    return np.random.default_rng(seed).integers(-8, 9, (n, d)).astype(np.float64)


def assert_bits(model, other):
    for name in ("labels_", "cluster_centers_", "history_"):
        np.testing.assert_array_equal(getattr(model, name), getattr(other, name))
    assert (model.inertia_, model.n_iter_) == (other.inertia_, other.n_iter_)
