"""Products, moments and one k-means step in float64."""

import numpy as np

from reference.kmeans import assign


def product(x, y):
    """Return x y."""
    return np.asarray(x, dtype=np.float64) @ np.asarray(y, dtype=np.float64)


def gram(x, y):
    """Return x^T y."""
    return product(np.asarray(x).T, y)


def moments(X, sample_weight=None):
    """Weighted mean and population variance of each column, about the first row."""
    X = np.asarray(X, dtype=np.float64)
    w = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    off = X - X[0]
    mean = w @ off / w.sum()
    return X[0] + mean, w @ (off - mean) ** 2 / w.sum()


def step(X, centers, sample_weight=None):
    """Labels, weighted sums and weights of the clusters, inertia."""
    X = np.asarray(X, dtype=np.float64)
    w = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    labels, distances = assign(X, centers)
    member = labels == np.arange(len(centers))[:, None]
    return labels, (member * w) @ X, member @ w, w @ distances
