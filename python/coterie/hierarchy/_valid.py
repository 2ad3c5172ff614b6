"""Checks of linkage matrices, inconsistency matrices and condensed distances.

The public checks are those of `scipy.cluster.hierarchy`, by name, result and kind of error. They
refuse two things more: cluster numbers that are not whole, and heights that are NaN.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    Faults = Iterator[Exception]


class ClusterWarning(UserWarning):
    """What the functions of `coterie.hierarchy` warn of.

    Examples
    --------
    >>> issubclass(ClusterWarning, UserWarning)
    True
    """


def is_valid_linkage(
    Z: ArrayLike, warning: bool = False, throw: bool = False, name: str | None = None
) -> bool:
    """Tell whether Z is a linkage matrix.

    A linkage matrix of n >= 2 observations is a float64 array of shape (n - 1, 4). Row t joins the
    clusters Z[t, 0] and Z[t, 1], both formed before and joined to nothing else, at the height
    Z[t, 2] >= 0 into cluster n + t of Z[t, 3] observations, at most n. Whether the sizes in the
    last column are right is not looked at, nor whether heights ascend (`is_monotonic`).

    Parameters
    ----------
    Z : array-like
        What may be a linkage matrix.
    warning : bool, default=False
        Warn of everything that is wrong.
    throw : bool, default=False
        Raise what is wrong first.
    name : str, default=None
        What messages call the matrix.

    Returns
    -------
    bool
        True if nothing is wrong.

    Raises
    ------
    TypeError
        With `throw`, if Z is not of float64.
    ValueError
        With `throw`, if anything else is wrong.

    Warns
    -----
    ClusterWarning
        With `warning`, one for each thing that is wrong.

    Notes
    -----
    O(n). Of a single row only the cluster numbers are looked at. Unlike SciPy's, the check refuses
    cluster numbers that are not whole, heights that are NaN, and a single row that joins anything
    but the observations 0 and 1.

    Examples
    --------
    >>> is_valid_linkage([[0.0, 1.0, 1.5, 2.0], [2.0, 3.0, 4.0, 3.0]])
    True
    >>> is_valid_linkage([[0.0, 1.0, 1.5, 2.0], [2.0, 1.0, 4.0, 3.0]])
    False
    """
    return _verdict(_linkage_faults(np.asarray(Z), name or "Z"), warning, throw)


def is_valid_im(
    R: ArrayLike, warning: bool = False, throw: bool = False, name: str | None = None
) -> bool:
    """Tell whether R is an inconsistency matrix, as `inconsistent` returns.

    That is a float64 array of 4 columns and one row or more, whose first three columns (means and
    standard deviations of heights, numbers of links) hold nothing negative.

    Parameters
    ----------
    R : array-like
        What may be an inconsistency matrix.
    warning, throw, name
        What becomes of what is wrong, as `is_valid_linkage` takes them, errors and warnings alike.

    Returns
    -------
    bool
        True if nothing is wrong.

    Examples
    --------
    >>> is_valid_im([[1.0, 0.0, 1.0, 0.0], [2.0, 0.5, 2.0, 0.7]])
    True
    >>> is_valid_im([[1.0, -0.5, 1.0, 0.0]])
    False
    """
    return _verdict(_im_faults(np.asarray(R), name or "R"), warning, throw)


def is_monotonic(Z: ArrayLike) -> bool:
    """Tell whether no row of a linkage matrix is lower than the row before it.

    Centroid and median linkage can give heights that fall: an inversion.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix.

    Returns
    -------
    bool
        True if heights never fall.

    Raises
    ------
    TypeError, ValueError
        If Z is not a linkage matrix (`is_valid_linkage`).

    Examples
    --------
    >>> is_monotonic([[0.0, 1.0, 1.0, 2.0], [2.0, 3.0, 0.9, 3.0]])
    False
    """
    heights = linkage_matrix(Z, convert=False)[:, 2]
    return bool((heights[1:] >= heights[:-1]).all())


def num_obs_linkage(Z: ArrayLike) -> int:
    """Return the number of observations that a linkage matrix joins.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix.

    Returns
    -------
    int
        n.

    Raises
    ------
    TypeError, ValueError
        If Z is not a linkage matrix (`is_valid_linkage`).

    Examples
    --------
    >>> num_obs_linkage([[0.0, 1.0, 1.0, 2.0], [2.0, 3.0, 4.0, 3.0]])
    3
    """
    return len(linkage_matrix(Z, convert=False)) + 1


def correspond(Z: ArrayLike, Y: ArrayLike) -> bool:
    """Tell whether a linkage matrix and condensed distances are of equally many observations.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix.
    Y : array-like of shape (m * (m - 1) / 2,)
        Condensed distances of m observations.

    Returns
    -------
    bool
        Whether m = n.

    Raises
    ------
    TypeError, ValueError
        If Z is not a linkage matrix, or no m fits the length of Y.

    Examples
    --------
    >>> correspond([[0.0, 1.0, 1.0, 2.0], [2.0, 3.0, 4.0, 3.0]], [1.0, 4.0, 5.0])
    True
    """
    matrix = linkage_matrix(Z, convert=False)
    return condensed_size(np.asarray(Y), "Y") == len(matrix) + 1


def is_isomorphic(T1: ArrayLike, T2: ArrayLike) -> bool:
    """Tell whether two assignments to flat clusters differ in the names of clusters only.

    Parameters
    ----------
    T1, T2 : array-like of shape (n,)
        Cluster of each observation.

    Returns
    -------
    bool
        True if a one-to-one renaming turns one into the other.

    Raises
    ------
    ValueError
        If they are not one-dimensional or not of equal length.

    Notes
    -----
    O(n log n). SciPy's 1.17.1 takes [1, 2, 3, 4] and [1, 2, 1, 2] for isomorphic; they are not.

    Examples
    --------
    >>> is_isomorphic([1, 1, 2, 3], [7, 7, 5, 6])
    True
    >>> is_isomorphic([1, 2, 3, 4], [1, 2, 1, 2])
    False
    """
    first, second = np.asarray(T1), np.asarray(T2)
    for name, labels in (("T1", first), ("T2", second)):
        if labels.ndim != 1:
            raise ValueError(f"{name}: wanted a 1-D array, got shape {labels.shape}")
    if first.shape != second.shape:
        raise ValueError(
            f"T2: wanted as many labels as T1, {len(first)}, got {len(second)}",
        )
    codes1, codes2 = (np.unique(labels, return_inverse=True)[1] for labels in (first, second))
    n1, n2 = (int(codes.max(initial=-1)) + 1 for codes in (codes1, codes2))
    pairs = np.unique(codes1.astype(np.int64) * n2 + codes2)
    return n1 == n2 == len(pairs)


def linkage_matrix(Z: ArrayLike, name: str = "Z", *, convert: bool = True) -> NDArray[np.float64]:
    """Return Z as a C-ordered float64 array once it is known to be a linkage matrix.

    With `convert`, integers and float32 become float64; without, they are a TypeError. Which
    functions do convert is as in SciPy.
    """
    matrix = np.asarray(Z, dtype=np.float64) if convert else np.asarray(Z)
    _verdict(_linkage_faults(matrix, name), warning=False, throw=True)
    return np.require(matrix, np.float64, ("C", "A"))


def inconsistency_matrix(R: ArrayLike, n_links: int) -> NDArray[np.float64]:
    """Return R as a C-ordered float64 array once it is known to fit `n_links` links."""
    matrix = np.require(R, np.float64, ("C", "A"))
    _verdict(_im_faults(matrix, "R"), warning=False, throw=True)
    if len(matrix) != n_links:
        raise ValueError(
            f"R: wanted as many rows as Z, {n_links} (the matrices have different numbers of "
            f"rows), got {len(matrix)}"
        )
    return matrix


def condensed_size(y: NDArray[Any], name: str) -> int:
    """Return the number of observations behind condensed distances."""
    if y.ndim != 1:
        raise ValueError(f"{name}: wanted a 1-D condensed distance matrix, got shape {y.shape}")
    n = math.isqrt(2 * len(y)) + 1
    if not len(y) or n * (n - 1) // 2 != len(y):
        raise ValueError(
            f"{name}: wanted n * (n - 1) / 2 distances for some n >= 2, got {len(y)}",
        )
    return n


def _verdict(faults: Faults, warning: bool, throw: bool) -> bool:
    valid = True
    for fault in faults:
        valid = False
        if throw:
            raise fault
        if not warning:
            break
        warnings.warn(str(fault), ClusterWarning, stacklevel=3)
    return valid


def _form_fault(matrix: NDArray[Any], name: str) -> Exception | None:
    if matrix.dtype != np.float64:
        return TypeError(f"{name}: wanted an array of float64, got dtype {matrix.dtype}")
    if matrix.ndim != 2 or matrix.shape[1] != 4:
        return ValueError(f"{name}: wanted a 2-D array of 4 columns, got shape {matrix.shape}")
    return None


def _linkage_faults(Z: NDArray[Any], name: str) -> Faults:
    fault = _form_fault(Z, name)
    if fault:
        yield fault
        return
    n_links = len(Z)
    if n_links == 0:
        yield ValueError(f"{name}: wanted a linkage of at least two observations, got no row")
        return
    ids, heights, sizes = Z[:, :2], Z[:, 2], Z[:, 3]
    several = n_links > 1  # of a single row SciPy looks at nothing; here at what it joins
    formed = np.arange(n_links + 1, 2 * n_links + 1)[:, np.newaxis]
    for values, wrong, wanted in (
        (ids, ids < 0, "cluster numbers that are not negative"),
        (ids, ids != np.floor(ids), "cluster numbers that are whole"),
        (heights, several & ~(heights >= 0), "distances >= 0, none negative or NaN"),
        (sizes, several & (sizes < 0), "counts that are not negative"),
        (
            sizes,
            several & (sizes > n_links + 1),
            f"no excessive observations in a cluster, at most {n_links + 1}",
        ),
        (ids, ids >= formed, "clusters that are formed before they are joined"),
    ):
        if wrong.any():
            at = np.argwhere(wrong)[0]
            yield ValueError(f"{name}: wanted {wanted}, got {values[tuple(at)]:g} in row {at[0]}")
    possible = (ids >= 0) & (ids < 2 * n_links + 1)
    times = np.bincount(ids[possible].astype(np.int64))
    if (times > 1).any():
        cluster = int(times.argmax())
        yield ValueError(
            f"{name}: wanted clusters that are joined once, "
            f"got cluster {cluster} {times[cluster]} times"
        )


def _im_faults(R: NDArray[Any], name: str) -> Faults:
    fault = _form_fault(R, name)
    if fault:
        yield fault
        return
    if len(R) == 0:
        yield ValueError(f"{name}: wanted at least one row, got none")
        return
    for column, what in enumerate(("mean heights", "standard deviations", "numbers of links")):
        wrong = R[:, column] < 0
        if wrong.any():
            row = int(wrong.argmax())
            yield ValueError(
                f"{name}: wanted {what} >= 0 in column {column}, none negative, "
                f"got {R[row, column]:g} in row {row}"
            )
