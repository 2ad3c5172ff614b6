"""Statistics of links: cophenetic distances, inconsistency, maxima over subtrees."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np

from coterie import _core
from coterie._memory import require_memory
from coterie._validate import check_threads
from coterie.hierarchy._valid import condensed_size, inconsistency_matrix, linkage_matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CHUNK = 1 << 20  # distances at a time: what a correlation needs beside its input


@overload
def cophenet(
    Z: ArrayLike, Y: None = None, *, n_threads: int | None = None
) -> NDArray[np.float64]: ...
@overload
def cophenet(
    Z: ArrayLike, Y: ArrayLike, *, n_threads: int | None = None
) -> tuple[np.float64, NDArray[np.float64]]: ...
def cophenet(
    Z: ArrayLike, Y: ArrayLike | None = None, *, n_threads: int | None = None
) -> NDArray[np.float64] | tuple[np.float64, NDArray[np.float64]]:
    """Return cophenetic distances, and their correlation with the original distances.

    The cophenetic distance of two observations is the height of the link at which they meet.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix.
    Y : array-like of shape (n * (n - 1) / 2,), default=None
        Condensed distances from which Z was made.
    n_threads : int, default=None
        Threads to use; None is all CPUs of this process. The result has the same bits for any.

    Returns
    -------
    c : float64, only if Y is given
        Pearson's correlation of Y and d; NaN if all of either are equal.
    d : ndarray of shape (n * (n - 1) / 2,)
        Cophenetic distances, condensed.

    Raises
    ------
    ValueError
        If Z is not a linkage matrix, or Y not condensed distances of as many observations.
    MemoryError
        If the memory for n * (n - 1) / 2 distances is not to be had.

    Notes
    -----
    O(n^2) time, and no memory beyond the result.

    References
    ----------
    R. R. Sokal, F. J. Rohlf: The Comparison of Dendrograms by Objective Methods. Taxon 11, 1962.

    Examples
    --------
    >>> Z = [[0, 1, 1.0, 2], [2, 3, 5.0, 3]]
    >>> cophenet(Z)
    array([1., 5., 5.])
    >>> c, d = cophenet(Z, [1.0, 4.0, 5.0])
    >>> round(float(c), 4)
    0.9707
    """
    matrix = linkage_matrix(Z)
    n = len(matrix) + 1
    given = None if Y is None else np.asarray(Y)
    if given is not None and condensed_size(given, "Y") != n:
        raise ValueError(f"Y: wanted {n * (n - 1) // 2} distances, got {len(given)}")
    require_memory(4 * n * (n - 1), "Z", "cut the tree, or take the distances of some observations")
    d = np.empty(n * (n - 1) // 2)
    _core.tree_cophenetic(matrix, d, check_threads(n_threads))
    return d if given is None else (_correlation(given, d), d)


def inconsistent(Z: ArrayLike, d: int = 2) -> NDArray[np.float64]:
    """Compare the height of each link with those below it.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix.
    d : int, default=2
        Levels to look at: the link itself is the first, the links it joins are the second.

    Returns
    -------
    ndarray of shape (n - 1, 4)
        For each link, over the heights of the links looked at: mean; standard deviation, with one
        less than their number in the denominator, 0 of a single one; their number; and the
        inconsistency coefficient (height - mean) / deviation, 0 where the deviation is.

    Raises
    ------
    ValueError
        If Z is not a linkage matrix, or d negative or not whole.

    Notes
    -----
    Time in proportion to the number of links looked at, for d = 2 at most 3 a row. Deviations are
    formed from differences: equal heights, which in SciPy's sums of squares may leave a remainder,
    have a deviation of 0. Where one of the heights is infinite, so is the mean, and deviation and
    coefficient are 0.

    References
    ----------
    A. K. Jain, R. C. Dubes: Algorithms for Clustering Data. Prentice-Hall, 1988, section 3.2.

    Examples
    --------
    >>> inconsistent([[0, 1, 1.0, 2], [2, 3, 5.0, 3]]).round(3)
    array([[1.   , 0.   , 1.   , 0.   ],
           [3.   , 2.828, 2.   , 0.707]])
    """
    matrix = linkage_matrix(Z)
    if d != np.floor(d) or d < 0:
        raise ValueError(f"d: wanted an integer >= 0, got {d!r}")
    R = np.empty((len(matrix), 4))
    _core.tree_inconsistency(matrix, min(int(d), len(matrix)), R, _core.default_threads())
    return R


def maxdists(Z: ArrayLike) -> NDArray[np.float64]:
    """Return the largest height among each link and all links below it.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix.

    Returns
    -------
    ndarray of shape (n - 1,)
        The largest height; the height itself unless heights fall somewhere below.

    Raises
    ------
    ValueError
        If Z is not a linkage matrix.

    Notes
    -----
    O(n).

    Examples
    --------
    >>> maxdists([[0, 1, 1.0, 2], [2, 3, 0.9, 3]])
    array([1., 1.])
    """
    matrix = linkage_matrix(Z)
    return _subtree_max(matrix, matrix[:, 2])


def maxinconsts(Z: ArrayLike, R: ArrayLike) -> NDArray[np.float64]:
    """Return the largest inconsistency coefficient among each link and all links below it.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix.
    R : array-like of shape (n - 1, 4)
        Inconsistency matrix.

    Returns
    -------
    ndarray of shape (n - 1,)
        The largest coefficient, column 3 of R.

    Raises
    ------
    ValueError
        If Z or R is not what it should be, or they are of different length.

    Notes
    -----
    O(n).

    Examples
    --------
    >>> Z = [[0, 1, 1.0, 2], [2, 3, 5.0, 3]]
    >>> maxinconsts(Z, inconsistent(Z)).round(3)
    array([0.   , 0.707])
    """
    return maxRstat(Z, R, 3)


def maxRstat(Z: ArrayLike, R: ArrayLike, i: int) -> NDArray[np.float64]:  # noqa: N802  (SciPy's)
    """Return the largest value of a column of R among each link and all links below it.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix.
    R : array-like of shape (n - 1, 4)
        Inconsistency matrix.
    i : int
        The column, 0 to 3.

    Returns
    -------
    ndarray of shape (n - 1,)
        The largest value.

    Raises
    ------
    TypeError
        If i is not an integer.
    ValueError
        If i is not a column of R, Z or R is not what it should be, or they are of different
        length.

    Notes
    -----
    O(n).

    Examples
    --------
    >>> Z = [[0, 1, 1.0, 2], [2, 3, 5.0, 3]]
    >>> maxRstat(Z, inconsistent(Z), 0)
    array([1., 3.])
    """
    matrix = linkage_matrix(Z)
    statistics = inconsistency_matrix(R, len(matrix))
    try:
        column = operator.index(i)
    except TypeError:
        raise TypeError(f"i: wanted an integer, got {i!r}") from None
    if not 0 <= column <= 3:
        raise ValueError(f"i: wanted an integer between 0 and 3, got {i!r}")
    return _subtree_max(matrix, statistics[:, column])


def _subtree_max(matrix: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = np.empty(len(matrix))
    _core.tree_subtree_max(matrix, np.ascontiguousarray(values), largest)
    return largest


def _correlation(a: NDArray[Any], b: NDArray[np.float64]) -> np.float64:
    mean_a, mean_b = a.mean(), b.mean()
    ab = aa = bb = np.float64(0)
    for start in range(0, len(a), CHUNK):
        da, db = a[start : start + CHUNK] - mean_a, b[start : start + CHUNK] - mean_b
        ab += (da * db).sum()
        aa += (da * da).sum()
        bb += (db * db).sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        return cast("np.float64", ab / (np.sqrt(aa) * np.sqrt(bb)))
