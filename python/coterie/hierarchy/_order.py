"""Optimal leaf ordering: the swaps of a tree that bring similar leaves next to each other."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from coterie import _core
from coterie._memory import require_memory
from coterie._validate import check_threads
from coterie.hierarchy._pairs import looks_like_distances, pdist
from coterie.hierarchy._valid import ClusterWarning, condensed_size, linkage_matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def optimal_leaf_ordering(
    Z: ArrayLike, y: ArrayLike, metric: str = "euclidean", *, n_threads: int | None = None
) -> NDArray[np.float64]:
    """Reorder a tree so that the distances between neighbouring leaves have the least sum.

    Of the 2^(n - 1) orders that swapping the two sides of links can give, this is the best::

        minimise  sum_i d(leaf_i, leaf_{i+1})

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix.
    y : array-like of shape (n * (n - 1) / 2,) or (n, n_features)
        Condensed distances, or the observations.
    metric : str, default='euclidean'
        Distance between observations, as `pdist` takes it; of no concern to condensed distances.
    n_threads : int, default=None
        Threads to use; None is all CPUs of this process. The result has the same bits for any.

    Returns
    -------
    ndarray of shape (n - 1, 4)
        Z with the first two columns swapped in some rows.

    Raises
    ------
    TypeError
        If Z is not of float64.
    ValueError
        If Z is not a linkage matrix, y of another size, not finite, or neither one- nor
        two-dimensional.
    MemoryError
        If the memory that is needed is not to be had; nothing has been allocated then.

    Warns
    -----
    ClusterWarning
        If y looks like a square matrix of distances, which would be taken for observations.

    Notes
    -----
    O(n^3) time, at most 10 n^2 bytes beside the distances, all in float64. The sum is the least
    there is; SciPy 1.17.1 takes O(n^4) time in the worst case, works in float32, and may miss it.

    References
    ----------
    Z. Bar-Joseph, D. K. Gifford, T. S. Jaakkola: Fast Optimal Leaf Ordering for Hierarchical
    Clustering. Bioinformatics 17, 2001.

    Examples
    --------
    >>> Z = [[0.0, 2, 1.0, 2], [1, 3, 5.0, 3]]
    >>> optimal_leaf_ordering(Z, [6.0, 1.0, 5.0])  # leaves 1, 2, 0
    array([[2., 0., 1., 2.],
           [1., 3., 5., 3.]])
    """
    matrix = linkage_matrix(Z, convert=False)
    distances = np.require(y, np.float64, ("C", "A"))
    if distances.ndim == 2:
        distances = _distances(distances, metric, n_threads)
    elif distances.ndim != 1:
        raise ValueError(f"y: wanted a 1-D or 2-D array, got shape {distances.shape}")
    n = condensed_size(distances, "y")
    if n != len(matrix) + 1:
        raise ValueError(f"y: wanted distances of {len(matrix) + 1} observations, got of {n}")
    if not np.isfinite(distances).all():
        raise ValueError("y: wanted finite distances, got NaN or infinity")
    require_memory(10 * n * n, "Z", "order the leaves of a cut, not of every observation")
    ordered: NDArray[np.float64] = matrix.copy()
    columns = np.empty((len(matrix), 2))
    _core.tree_leaf_order(matrix, distances, columns, check_threads(n_threads))
    ordered[:, :2] = columns
    return ordered


def _distances(
    rows: NDArray[np.float64], metric: str, n_threads: int | None
) -> NDArray[np.float64]:
    if looks_like_distances(rows):
        warnings.warn(
            "y: got a symmetric matrix of numbers >= 0 with a diagonal of zeros, taken for "
            "observations; if these are distances, pass them condensed",
            ClusterWarning,
            stacklevel=3,
        )
    return np.ascontiguousarray(pdist(rows, metric=metric, n_threads=n_threads), np.float64)
