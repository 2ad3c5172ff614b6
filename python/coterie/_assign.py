"""Rows against given centres: the nearest one, and the move of the centres by a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from coterie import _core
from coterie._validate import check_centers, check_rows, check_threads, core_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from coterie._core import Floats, Weights
    from coterie._validate import Rows


def kmeans_assign(
    X: ArrayLike, centers: ArrayLike, *, n_threads: int | None = None
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the nearest centre of every row and its squared Euclidean distance.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Rows, all finite; float32 and float64 are used as they are.
    centers : array-like of shape (n_clusters, n_features)
        Centres, all finite; rounded to the dtype of X where theirs differs.
    n_threads : int, default=None
        Threads to use; None stands for all CPUs of this process. The result does not depend on it.

    Returns
    -------
    labels : ndarray of shape (n_samples,), int32
        Index of the nearest centre, the lowest winning ties.
    sq_distances : ndarray of shape (n_samples,), float64
        Squared distance to it, from differences, so that nothing cancels.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Notes
    -----
    O(n_samples * n_clusters * n_features) operations: the assignment step of Lloyd (1982).

    Examples
    --------
    >>> kmeans_assign([[0.0, 1.0], [5.0, 5.0]], [[0.0, 0.0], [5.0, 7.0]])
    (array([0, 1], dtype=int32), array([1., 4.]))
    """
    rows = check_rows(X)
    wanted = check_centers(centers, (None, rows.shape[1]), rows.dtype, "centers")
    return assign(rows, wanted, check_threads(n_threads))


def assign(
    rows: Rows, centers: Floats, n_threads: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return labels and squared distances of checked rows."""
    labels = np.empty(rows.shape[0], dtype=np.int32)
    sq_distances = np.empty(rows.shape[0])
    centers = centers_for(rows, centers)
    _core.kmeans_assign(core_rows(rows), centers, labels, sq_distances, n_threads)
    return labels, sq_distances


def batch_step(
    rows: Rows, weights: Weights, centers: Floats, counts: NDArray[np.float64], n_threads: int
) -> tuple[Floats, NDArray[np.float64]]:
    """Return the centres and their weights after one batch, as new arrays."""
    sums, gained = np.empty(centers.shape), np.empty(len(centers))
    labels = np.empty(rows.shape[0], dtype=np.int32)
    used = centers_for(rows, centers)
    _core.kmeans_step(core_rows(rows), weights, used, labels, sums, gained, n_threads)
    old, total = centers.astype(np.float64), counts + gained
    moved = old + (sums - gained[:, None] * old) / np.where(total > 0, total, 1)[:, None]
    return cast("Floats", moved.astype(centers.dtype)), total


def weighted_sum(values: NDArray[np.float64], weights: Weights) -> float:
    """Return the sum of `values`, each times the weight of its row."""
    return float(values.sum() if weights is None else (weights * values).sum())


def centers_for(rows: Rows, centers: Floats) -> Floats:
    """Return the centres as a C-ordered array in the dtype of the rows; users may have set any."""
    if type(centers) is np.ndarray and centers.ndim == 2 and centers.dtype == rows.dtype:
        fits = centers.shape[1] == rows.shape[1] and centers.size > 0
        if fits and np.isfinite(centers).all():
            return cast("Floats", np.ascontiguousarray(centers))
    return check_centers(centers, (None, rows.shape[1]), rows.dtype, "cluster_centers_")
