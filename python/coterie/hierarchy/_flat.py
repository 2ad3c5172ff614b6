"""Flat clusters from a linkage matrix: fcluster, fclusterdata, cut_tree, leaders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from coterie import _core
from coterie._memory import require_memory
from coterie.hierarchy._linkage import linkage
from coterie.hierarchy._pairs import pdist
from coterie.hierarchy._stats import inconsistent, maxdists, maxinconsts
from coterie.hierarchy._valid import linkage_matrix, num_obs_linkage

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CRITERIA = ("inconsistent", "distance", "maxclust", "monocrit", "maxclust_monocrit")


def fcluster(
    Z: ArrayLike,
    t: float,
    criterion: str = "inconsistent",
    depth: int = 2,
    R: ArrayLike | None = None,
    monocrit: ArrayLike | None = None,
) -> NDArray[np.int32]:
    """Form flat clusters from a linkage matrix.

    Every link has a number c, and all below it that has c <= t becomes one cluster. What c is
    depends on the criterion; but for 'monocrit', it is the largest value of the link and of all
    links below it.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix.
    t : float
        The threshold, or for 'maxclust' and 'maxclust_monocrit' the largest number of clusters.
    criterion : str, default='inconsistent'
        'inconsistent': c is the largest inconsistency coefficient, column 3 of R. 'distance': c is
        the largest height, so that no two observations of a cluster have a cophenetic distance
        above t. 'monocrit': c is `monocrit` as it is given. 'maxclust': as 'distance', with the
        smallest threshold that leaves at most t clusters. 'maxclust_monocrit': as 'monocrit', with
        such a threshold. Links that tie are cut together, so there may be fewer than t clusters;
        `cut_tree` gives exactly as many as are asked for.
    depth : int, default=2
        Levels for `inconsistent`, if R is None.
    R : array-like of shape (n - 1, 4), default=None
        Inconsistency matrix, for criterion 'inconsistent'.
    monocrit : array-like of shape (n - 1,), default=None
        The number c of each link, which should not be below that of a link under it.

    Returns
    -------
    ndarray of shape (n,), int32
        Cluster of each observation, from 1, numbered as SciPy does: depth first, left before
        right, single observations of a link after what else is below it; or in the order of
        observations if t asks for n clusters or more.

    Raises
    ------
    ValueError
        If Z or R is not what it should be, the criterion is unknown, `monocrit` is missing, of
        another length or NaN, or less than one cluster is asked for (where SciPy gives n).

    Notes
    -----
    O(n) time and memory. The search for the smallest threshold is exact where heights fall
    (centroid, median); SciPy's search by halves supposes that they ascend.

    References
    ----------
    A. K. Jain, R. C. Dubes: Algorithms for Clustering Data. Prentice-Hall, 1988, section 3.2.

    Examples
    --------
    >>> Z = [[0, 1, 1.0, 2], [2, 3, 1.5, 2], [4, 5, 6.0, 4]]
    >>> fcluster(Z, 2.0, criterion="distance")
    array([1, 1, 2, 2], dtype=int32)
    >>> fcluster(Z, 3, criterion="maxclust")
    array([1, 1, 2, 3], dtype=int32)
    """
    matrix = linkage_matrix(Z)
    if criterion not in CRITERIA:
        raise ValueError(f"criterion: wanted one of {CRITERIA}, got {criterion!r}")
    if criterion == "inconsistent":
        values = maxinconsts(matrix, inconsistent(matrix, depth) if R is None else R)
    elif criterion in ("distance", "maxclust"):
        values = maxdists(matrix)
    else:
        values = _monocrit(monocrit, len(matrix))
    n = len(matrix) + 1
    threshold = float(t)
    if criterion.startswith("maxclust"):
        if not threshold >= 1:
            raise ValueError(f"t: wanted at least one cluster for {criterion!r}, got {t!r}")
        if threshold >= n:
            return np.arange(1, n + 1, dtype=np.int32)
        threshold = _core.tree_threshold(matrix, values, int(threshold))
    labels = np.empty(n, dtype=np.int32)
    _core.tree_flat_clusters(matrix, values, threshold, labels)
    return labels


def fclusterdata(
    X: ArrayLike,
    t: float,
    criterion: str = "inconsistent",
    metric: str = "euclidean",
    depth: int = 2,
    method: str = "single",
    R: ArrayLike | None = None,
) -> NDArray[np.int32]:
    """Form flat clusters from observations: `pdist`, `linkage` and `fcluster` in one.

    Parameters
    ----------
    X : array-like of shape (n, n_features)
        Observations.
    t : float
        Threshold, or largest number of clusters, as `fcluster` takes it.
    criterion : str, default='inconsistent'
        'inconsistent', 'distance' or 'maxclust', see `fcluster`.
    metric : str, default='euclidean'
        Distance between observations, as `pdist` takes it.
    depth : int, default=2
        Levels for `inconsistent`.
    method : str, default='single'
        Distance between clusters, as `linkage` takes it.
    R : array-like of shape (n - 1, 4), default=None
        Inconsistency matrix.

    Returns
    -------
    ndarray of shape (n,), int32
        Cluster of each observation, from 1.

    Raises
    ------
    TypeError
        If X is not two-dimensional.
    ValueError
        As the three functions raise it.

    Notes
    -----
    O(n^2) time and memory, for the distances.

    Examples
    --------
    >>> fclusterdata([[0.0, 0], [0, 1], [9, 9], [9, 8]], 2, criterion="maxclust")
    array([1, 1, 2, 2], dtype=int32)
    """
    rows = np.asarray(X, dtype=np.float64)
    if rows.ndim != 2:
        raise TypeError(f"X: wanted a 2-D array of observations, got shape {rows.shape}")
    Z = linkage(pdist(rows, metric=metric), method=method)
    return fcluster(Z, t, criterion=criterion, depth=depth, R=R)


def cut_tree(
    Z: ArrayLike, n_clusters: ArrayLike | None = None, height: ArrayLike | None = None
) -> NDArray[np.int64]:
    """Cut a tree at numbers of clusters or at heights.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix.
    n_clusters : int or array-like of ints, default=None
        Numbers of clusters, each at least 1; numbers above n count as n.
    height : float or array-like of floats, default=None
        Heights. Observations stay together if every link below the one at which they meet, and
        that link itself, is strictly below the height.

    Returns
    -------
    ndarray of shape (n, n_cuts), int64
        A column a cut, in the order in which cuts are asked for; with neither `n_clusters` nor
        `height`, a column for each number of clusters from n down to 1. Clusters are numbered from
        0 in the order of their first observation. There are always exactly as many clusters as
        were asked for, and each cut by number is a refinement of those with fewer.

    Raises
    ------
    TypeError
        If Z is not of float64.
    ValueError
        If Z is not a linkage matrix, both kinds of cut are asked for, or a number of clusters is
        below 1 or not whole, or a height is NaN.
    MemoryError
        If the memory for the labels of all cuts is not to be had.

    Notes
    -----
    O(n log n) time, then O(n) a cut.

    The result is SciPy's where heights ascend, ties included: of equal heights, the link farther
    from the root is made first. It differs from SciPy 1.17.1 in what is wrong there. Where heights
    fall (centroid, median), SciPy makes links before those below them and ends with other numbers
    of clusters than were asked for; here clusters are those that the rows of Z leave, and heights
    are judged as by `fcluster`. A cut into n clusters that is not the first of several comes out
    as one cluster there, and so do cuts into 0 clusters and less, here an error.

    Examples
    --------
    >>> Z = [[0.0, 1, 1.0, 2], [2, 3, 1.5, 2], [4, 5, 6.0, 4]]
    >>> cut_tree(Z, n_clusters=[2, 3]).T
    array([[0, 0, 1, 1],
           [0, 0, 1, 2]])
    >>> cut_tree(Z, height=1.5).T
    array([[0, 0, 1, 2]])
    """
    n = num_obs_linkage(Z)
    matrix = linkage_matrix(Z)
    if height is not None and n_clusters is not None:
        raise ValueError("height: wanted None where n_clusters is given, got both")
    if height is not None:
        key = maxdists(matrix)
        cutoffs = _numbers(height, "height")
        if np.isnan(cutoffs).any():
            raise ValueError("height: wanted numbers, got NaN")
    else:
        key = np.empty(n - 1)
        _core.tree_merge_ranks(matrix, key)
        counts = np.arange(n, 0.0, -1) if n_clusters is None else _numbers(n_clusters, "n_clusters")
        wrong = ~((counts >= 1) & (counts == np.floor(counts)))
        if wrong.any():
            raise ValueError(f"n_clusters: wanted integers >= 1, got {counts[wrong][0]:g}")
        cutoffs = n - np.minimum(counts, n)
    advice = "ask for fewer cuts at a time, by n_clusters or height"
    require_memory(8 * n * len(cutoffs), "Z", advice)
    labels = np.empty((len(cutoffs), n), dtype=np.int64)
    _core.tree_cut(matrix, key, cutoffs, labels, _core.default_threads())
    columns: NDArray[np.int64] = labels.T
    return columns


def leaders(Z: ArrayLike, T: ArrayLike) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the topmost cluster of the tree in each flat cluster.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix.
    T : array-like of shape (n,), int32
        Flat cluster of each observation, as `fcluster` returns.

    Returns
    -------
    L : ndarray of shape (n_clusters,), int32
        Numbers of the clusters in the tree: below n an observation, else row L - n of Z.
    M : ndarray of shape (n_clusters,), int32
        The flat cluster that each of them is.

    Raises
    ------
    TypeError
        If T is not of int32.
    ValueError
        If Z is not a linkage matrix, T is of another shape, or a flat cluster of T is not a
        cluster of the tree.

    Notes
    -----
    O(n log n). The order is SciPy's: as subtrees are left, left before right.

    Examples
    --------
    >>> import numpy as np
    >>> Z = [[0, 1, 1.0, 2], [2, 3, 1.5, 2], [4, 5, 6.0, 4]]
    >>> L, M = leaders(Z, np.array([1, 1, 2, 2], dtype=np.int32))
    >>> L.tolist(), M.tolist()
    ([4, 5], [1, 2])
    """
    matrix = linkage_matrix(Z)
    labels = np.asarray(T)
    if labels.dtype != np.int32:
        raise TypeError(f"T: wanted an array of int32, got dtype {labels.dtype}")
    n = len(matrix) + 1
    if labels.shape != (n,):
        raise ValueError(
            f"T: wanted a label for each of the {n} observations, got shape {labels.shape}"
        )
    nodes, ids = _core.tree_leaders(matrix, np.ascontiguousarray(labels))
    found, parts = np.unique(ids, return_counts=True)
    if len(found) < len(ids):
        split = found[parts > 1][0]
        raise ValueError(
            f"T: wanted clusters that are clusters of the tree, got {split}, "
            f"whose parts are the clusters {nodes[ids == split].tolist()} of the tree"
        )
    return nodes, ids


def _monocrit(monocrit: ArrayLike | None, n_links: int) -> NDArray[np.float64]:
    if monocrit is None:
        raise ValueError("monocrit: wanted a number for each row of Z, got None")
    values = np.require(monocrit, np.float64, ("C", "A"))
    if values.shape != (n_links,):
        raise ValueError(
            f"monocrit: wanted a number for each row of Z, shape ({n_links},), "
            f"got shape {values.shape}"
        )
    if np.isnan(values).any():
        raise ValueError(f"monocrit: wanted numbers, got NaN at {int(np.isnan(values).argmax())}")
    return values


def _numbers(value: ArrayLike, name: str) -> NDArray[np.float64]:
    try:
        numbers = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: wanted a number or numbers, got {value!r}") from None
    if numbers.ndim != 1:
        raise ValueError(f"{name}: wanted a number or a 1-D array, got shape {numbers.shape}")
    return np.ascontiguousarray(numbers)
