"""Agglomerative linkage: from observations or distances to a linkage matrix."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coterie import _core
from coterie._distances import above_diagonal, angles, core_name, directed, near_origin
from coterie._memory import require_memory
from coterie._validate import check_bool, check_option, check_threads
from coterie.hierarchy._order import optimal_leaf_ordering
from coterie.hierarchy._pairs import (
    known_metric,
    looks_like_distances,
    marked_values,
    observations,
    pdist,
    require_condensed,
)
from coterie.hierarchy._valid import ClusterWarning, condensed_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, DTypeLike, NDArray

METHODS = ("single", "complete", "average", "weighted", "centroid", "median", "ward")
EUCLIDEAN = ("centroid", "median", "ward")  # defined for Euclidean distances alone
AVERAGES = ("average", "weighted")
# Averages known from the clusters' means, so that no distances need be kept.
CLOSED_AVERAGES = ("sqeuclidean", "cosine", "correlation")
MANY_KINDS = 8  # values of a feature: with more, a matrix is faster


class LinkageInfo(NamedTuple):
    """What `callback` hears now and then."""

    merges: int  # merges found so far
    total: int  # merges in all: one fewer than observations


def linkage(
    y: ArrayLike,
    method: str = "single",
    metric: str | Callable[[Any, Any], float] = "euclidean",
    optimal_ordering: bool = False,
    *,
    n_threads: int | None = None,
    dtype: DTypeLike | None = None,
    memory: str = "auto",
    callback: Callable[[LinkageInfo], object] | None = None,
) -> NDArray[np.float64]:
    """Merge the two nearest clusters until one is left.

    Every observation begins as a cluster; n - 1 times the two clusters of least (distance, smaller
    id, larger id) become one. The distance of clusters A and B is, by `method`::

        single     the least distance of a member of A and one of B
        complete   the greatest
        average    their mean (UPGMA)
        weighted   the mean of the distances of B to the two clusters A was merged from (WPGMA)
        centroid   |a - b| with a, b the means (UPGMC)
        median     the same, with the mean of a merged cluster halfway between the two (WPGMC)
        ward       sqrt(2 |A| |B| / (|A| + |B|)) |a - b|: the growth of the squared error

    Parameters
    ----------
    y : array-like of shape (n * (n - 1) / 2,) or (n, n_features), or (n, n)
        Condensed distances, all finite and >= 0; or observations; or, with
        metric='precomputed', a symmetric matrix of distances with a diagonal of zeros.
    method : str, default='single'
        One of the above.
    metric : str or callable, default='euclidean'
        Distance of observations, as `pdist` takes it, or 'precomputed'. Of no concern to condensed
        distances. 'centroid', 'median' and 'ward' need 'euclidean'.
    optimal_ordering : bool, default=False
        Whether to order leaves so that neighbours are near each other (`optimal_leaf_ordering`).
    n_threads : int, default=None
        Threads to use; None stands for all CPUs this process may use.
    dtype : dtype, default=None
        Where distances are kept, numpy.float32 halves their memory; heights then have seven
        digits, and merges whose distances agree in those may change places. None stands for
        float64.
    memory : {'auto', 'vectors', 'matrix'}, default='auto'
        'vectors' keeps O(n n_features): 'single' by any metric, 'ward', 'centroid' and 'median',
        and 'average' and 'weighted' of 'sqeuclidean', 'cosine', 'correlation' and 'hamming', which
        for other than zeros and ones keeps a number for every observation and value of a feature.
        'matrix' keeps up to 8 n^2 bytes (see Notes). 'auto' takes the first where it can, and where
        features have up to eight values on average.
    callback : callable, default=None
        Called with a LinkageInfo now and then.

    Returns
    -------
    Z : ndarray of shape (n - 1, 4)
        Row t: the two clusters merged (smaller id first; below n an observation, n + s the
        cluster of row s), their distance, the observations in the new cluster. As SciPy's.

    Raises
    ------
    ValueError
        If there are fewer than two observations, a distance is negative or not finite, `y` is of
        a length no observations have, or method, metric and memory do not go together.
    MemoryError
        If a matrix of distances does not fit into memory, before it is allocated: at once where no
        merges could make it fit, else when it is known how many clusters have a row in it.

    Warns
    -----
    ClusterWarning
        If the observations look like a square matrix of distances.

    Notes
    -----
    'single' takes O(n^2 n_features) time and O(n n_features) memory by Prim's algorithm or, of many
    rows by 'euclidean', 'sqeuclidean' or 'cosine', by Boruvka's, whose searches share what they
    read; with many rows of few features, by a metric that adds up over features, a k-d tree takes
    about O(n log n) time. All find the same tree. 'complete', 'average', 'weighted' and 'ward'
    merge all pairs of clusters that are each other's nearest at once, O(n^2) time on most data;
    many rows, by a metric without a closed form, are compared as the members of clusters until an
    eighth of the clusters is left, whose distances then fill a matrix of n^2 / 8 bytes. 'centroid'
    and 'median' merge one pair at a time, and heights may decrease. Equal distances: Z depends
    neither on threads nor on CPU, but SciPy may break ties otherwise.

    References
    ----------
    W. March, P. Ram, A. Gray: Fast Euclidean minimum spanning tree: algorithm, analysis, and
    applications. KDD 2010.
    D. Muellner: Modern hierarchical, agglomerative clustering algorithms. arXiv:1109.2378, 2011.
    F. Murtagh: A survey of recent advances in hierarchical clustering algorithms. The Computer
    Journal 26, 1983.

    Examples
    --------
    >>> linkage([[0.0], [1.0], [5.0], [7.0]], "single")
    array([[0., 1., 1., 2.],
           [2., 3., 2., 2.],
           [4., 5., 4., 4.]])
    """
    check_option(method, "method", METHODS)
    check_option(memory, "memory", ("auto", "vectors", "matrix"))
    check_bool(optimal_ordering, "optimal_ordering")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback: wanted a callable or None, got {callback!r}")
    task = _Task(method, memory, _single_precision(dtype), check_threads(n_threads), callback)
    distances, rows = _given(y, method, metric, task.n_threads)
    if optimal_ordering and rows is not None:
        require_condensed(len(rows), "optimal_ordering")
    if distances is not None:
        Z = _from_distances(distances, task)
    else:
        assert rows is not None
        Z = _from_rows(rows, known_metric(metric), task)
    if optimal_ordering:
        if distances is None:
            assert rows is not None
            distances = pdist(rows, metric, n_threads=task.n_threads)
        Z = optimal_leaf_ordering(Z, distances, n_threads=task.n_threads)
    return Z


class _Task(NamedTuple):
    method: str
    memory: str
    single_precision: bool
    n_threads: int
    callback: Callable[[LinkageInfo], object] | None

    def progress(self, n: int) -> Callable[[int], object] | None:
        callback = self.callback
        return None if callback is None else lambda merges: callback(LinkageInfo(merges, n - 1))

    def require(self, n_bytes: int, clusters: int) -> None:
        """Raise MemoryError where the distances of so many clusters are too many to keep."""
        advice = "" if self.single_precision else "dtype=numpy.float32 halves it; "
        require_memory(
            n_bytes,
            f"y, of which {clusters:,} clusters are left",
            f"{advice}method 'single' or 'ward' of observations needs little",
        )


def _single_precision(dtype: DTypeLike | None) -> bool:
    kind = np.dtype(np.float64 if dtype is None else dtype)
    if kind not in (np.float32, np.float64):
        raise ValueError(f"dtype: wanted float32, float64 or None, got {dtype!r}")
    return bool(kind == np.float32)


def _given(
    y: object, method: str, metric: str | Callable[[Any, Any], float], n_threads: int
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return what was given: condensed distances, or observations."""
    if isinstance(metric, str) and metric == "levenshtein":
        _need_euclidean(method, metric)
        return pdist(y, metric, n_threads=n_threads), None  # type: ignore[arg-type]
    array = np.asarray(y)
    if np.iscomplexobj(array):
        raise TypeError(f"y: wanted real numbers, got dtype {array.dtype}")
    if array.ndim == 1:
        return _checked(np.ascontiguousarray(array, dtype=np.float64), "y"), None
    if array.ndim != 2:
        raise ValueError(f"y: wanted a 1-D or 2-D array, got shape {array.shape}")
    if isinstance(metric, str) and metric == "precomputed":
        return _condensed(np.asarray(array, dtype=np.float64)), None
    _need_euclidean(method, metric)
    rows = observations(y, n_threads, "y")
    if callable(metric):
        return _checked(pdist(rows, metric, n_threads=n_threads), "metric"), None
    if looks_like_distances(rows):
        warnings.warn(
            "y: got a symmetric matrix of numbers >= 0 with a diagonal of zeros, taken for "
            "observations; metric='precomputed' takes it for distances",
            ClusterWarning,
            stacklevel=3,
        )
    return None, rows


def _need_euclidean(method: str, metric: object) -> None:
    named = isinstance(metric, str) and metric != "levenshtein"
    if method in EUCLIDEAN and not (named and known_metric(metric) == "euclidean"):
        raise ValueError(
            f"metric: wanted 'euclidean' for method {method!r}, which is defined for Euclidean "
            f"distances alone, got {metric!r}"
        )


def _checked(y: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    condensed_size(y, name)
    if not np.isfinite(y).all():
        at = int(np.flatnonzero(~np.isfinite(y))[0])
        raise ValueError(f"{name}: wanted finite distances only, got {y[at]} at {at}")
    if y.min() < 0:
        at = int(y.argmin())
        raise ValueError(f"{name}: wanted distances >= 0, got {y[at]} at {at}")
    return y


def _condensed(square: NDArray[np.float64]) -> NDArray[np.float64]:
    n = len(square)
    if square.shape != (n, n):
        raise ValueError(f"y: wanted a square matrix of distances, got shape {square.shape}")
    if n < 2:
        raise ValueError(f"y: wanted two observations or more, got {n}")
    if np.diag(square).any():
        at = int(np.flatnonzero(np.diag(square))[0])
        raise ValueError(f"y: wanted a diagonal of zeros, got {square[at, at]} at row {at}")
    for i in range(n - 1):
        line, across = square[i, i + 1 :], square[i + 1 :, i]
        if not np.array_equal(line, across, equal_nan=True):
            j = i + 1 + int(np.flatnonzero(line != across)[0])
            raise ValueError(
                f"y: wanted a symmetric matrix, got {square[i, j]} at ({i}, {j}) and "
                f"{square[j, i]} at ({j}, {i})"
            )
    return _checked(above_diagonal(square), "y")


def _from_distances(y: NDArray[np.float64], task: _Task) -> NDArray[np.float64]:
    n = condensed_size(y, "y")
    if task.memory == "vectors" and task.method != "single":
        raise ValueError("memory: 'vectors' wants observations, got distances")
    if task.method != "single":
        task.require(n * ((n + 15) // 16 * 16) * (4 if task.single_precision else 8), n)
    Z = np.empty((n - 1, 4))
    _core.linkage_condensed(
        y, n, task.method, task.single_precision, Z, task.n_threads, task.progress(n)
    )
    return Z


def _from_rows(rows: NDArray[np.float64], metric: str, task: _Task) -> NDArray[np.float64]:
    n, method = len(rows), task.method
    averages, marks = method in AVERAGES, None
    if metric == "hamming" and averages and task.memory != "matrix":
        most = n if task.memory == "vectors" else MANY_KINDS * rows.shape[1]
        marks = marked_values(rows, most)
    closed = method == "single" or method in EUCLIDEAN
    closed = closed or (averages and (metric in CLOSED_AVERAGES or marks is not None))
    if task.memory == "vectors" and not closed:
        raise ValueError(
            f"memory: 'vectors' wants a method and metric with a closed form, got {method!r} of "
            f"{metric!r}; 'matrix' keeps all distances"
        )
    X, core = directed(rows, metric), core_name(metric)
    Z, progress = np.empty((n - 1, 4)), task.progress(n)
    if method == "single" or (closed and task.memory != "matrix"):
        if marks is not None:
            X, core = marks, "sqeuclidean"
        if method != "single" and core in ("euclidean", "sqeuclidean"):
            X = near_origin(X)
        _core.linkage_points(X, method, core, Z, task.n_threads, progress)
        if marks is not None:
            Z[:, 2] /= (1 if marks is rows else 2) * rows.shape[1]
        if metric == "angular":
            Z[:, 2] = angles(Z[:, 2])
        return Z
    _core.linkage_matrix(
        X,
        method,
        core,
        metric == "angular",
        task.single_precision,
        Z,
        task.n_threads,
        task.require,
        progress,
    )
    return Z


def single(y: ArrayLike) -> NDArray[np.float64]:
    """Return linkage(y, 'single').

    Examples
    --------
    >>> single([1.0, 5.0, 4.0])
    array([[0., 1., 1., 2.],
           [2., 3., 4., 3.]])
    """
    return linkage(y, "single")


def complete(y: ArrayLike) -> NDArray[np.float64]:
    """Return linkage(y, 'complete').

    Examples
    --------
    >>> complete([1.0, 5.0, 4.0])
    array([[0., 1., 1., 2.],
           [2., 3., 5., 3.]])
    """
    return linkage(y, "complete")


def average(y: ArrayLike) -> NDArray[np.float64]:
    """Return linkage(y, 'average').

    Examples
    --------
    >>> average([1.0, 5.0, 4.0])
    array([[0. , 1. , 1. , 2. ],
           [2. , 3. , 4.5, 3. ]])
    """
    return linkage(y, "average")


def weighted(y: ArrayLike) -> NDArray[np.float64]:
    """Return linkage(y, 'weighted').

    Examples
    --------
    >>> weighted([1.0, 5.0, 4.0])
    array([[0. , 1. , 1. , 2. ],
           [2. , 3. , 4.5, 3. ]])
    """
    return linkage(y, "weighted")


def centroid(y: ArrayLike) -> NDArray[np.float64]:
    """Return linkage(y, 'centroid').

    Examples
    --------
    >>> centroid([[0.0], [1.0], [5.0]])
    array([[0. , 1. , 1. , 2. ],
           [2. , 3. , 4.5, 3. ]])
    """
    return linkage(y, "centroid")


def median(y: ArrayLike) -> NDArray[np.float64]:
    """Return linkage(y, 'median').

    Examples
    --------
    >>> median([[0.0], [1.0], [5.0]])
    array([[0. , 1. , 1. , 2. ],
           [2. , 3. , 4.5, 3. ]])
    """
    return linkage(y, "median")


def ward(y: ArrayLike) -> NDArray[np.float64]:
    """Return linkage(y, 'ward').

    Examples
    --------
    >>> ward([[0.0], [1.0], [3.5]])
    array([[0.        , 1.        , 1.        , 2.        ],
           [2.        , 3.        , 3.46410162, 3.        ]])
    """
    return linkage(y, "ward")
