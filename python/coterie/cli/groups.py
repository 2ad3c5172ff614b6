"""Means of groups of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["group_means"]

ROWS_AT_ONCE = 4096


def group_means(
    X: NDArray[Any], labels: NDArray[np.integer[Any]], near: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean row of each group, NaN for one without rows.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        The rows.
    labels : ndarray of int of shape (n,)
        A group from 0 to k - 1 for each.
    near : ndarray of shape (k, d)
        A place near the rows of each group, from which it is summed: sums of large numbers lose
        digits, those of differences do not.

    Examples
    --------
    >>> X = np.array([[1.0], [3.0], [8.0]])
    >>> group_means(X, np.array([0, 0, 1]), np.array([[2.0], [8.0]])).tolist()
    [[2.0], [8.0]]
    """
    sums = np.zeros(near.shape)
    for start in range(0, len(X), ROWS_AT_ONCE):
        some = labels[start : start + ROWS_AT_ONCE]
        order = np.argsort(some, kind="stable")
        present, first = np.unique(some[order], return_index=True)
        block = X[start : start + ROWS_AT_ONCE][order] - near[some[order]]
        sums[present] += np.add.reduceat(block, first, axis=0)
    sizes = np.bincount(labels, minlength=len(near))
    with np.errstate(all="ignore"):
        return near + sums / sizes[:, None]
