"""DIANA, divisive analysis: from one cluster of all rows down to single rows."""

# ruff: noqa: ARG002  (pipelines pass a `y` that clustering does not use)

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from coterie import _core
from coterie._clusters import Clusters
from coterie._estimator import Estimator
from coterie._memory import require_memory
from coterie._mixture import dense
from coterie._seeding import check_count
from coterie._validate import check_int, check_option, check_real, check_threads, feature_names
from coterie.hierarchy import dendrogram, pdist

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from coterie._core import Floats

__all__ = ["Diana"]

METRICS = (
    "euclidean",
    "sqeuclidean",
    "cityblock",
    "chebyshev",
    "cosine",
    "angular",
    "correlation",
    "hamming",
    "jaccard",
    "precomputed",
)


class Diana(Estimator):
    r"""Divisive analysis (DIANA) of Kaufman and Rousseeuw.

    All rows begin as one cluster. The cluster of largest diameter is divided until every row is
    alone: the row with the largest mean distance to the others of its cluster C leaves first, to
    found S. Then the row i of C \ S follows for which

        mean of d(i, j), j in C \ S other than i  -  mean of d(i, j), j in S

    is largest, as long as that is above zero and C \ S keeps a row.

    Parameters
    ----------
    n_clusters : int or None, default=2
        Number of clusters, those after n_clusters - 1 divisions; None with `distance_threshold`.
    metric : str, default='euclidean'
        Distance between rows: 'euclidean', 'sqeuclidean', 'cityblock', 'chebyshev', 'cosine',
        'angular', 'correlation', 'hamming' or 'jaccard', those of `coterie.hierarchy.pdist`; or
        'precomputed', for which X holds the distances.
    distance_threshold : float, default=None
        Divide the clusters whose diameter is at least this; `n_clusters` must then be None.
    n_threads : int, default=None
        Threads to use; None is all CPUs of this process. The result has the same bits for any.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        Cluster of each row. Numbers are given in the order of the rows: the first row is in 0.
    n_clusters_ : int
        Number of clusters.
    linkage_matrix_ : ndarray of shape (n_samples - 1, 4), float64
        The whole tree in SciPy's format, read as merges. The height of a node is the diameter of
        its cluster, the largest distance within it, in the unit of the distances; no part is
        higher than the whole.
    children_ : ndarray of shape (n_samples - 1, 2)
        The first two columns of `linkage_matrix_` as integers: what node n_samples + t consists
        of; numbers below n_samples are rows.
    distances_ : ndarray of shape (n_samples - 1,)
        Its third column: the diameters, ascending.
    n_leaves_ : int
        Number of rows.
    divisive_coefficient_ : float
        Mean over the rows of 1 - d(i) / d, where d(i) is the diameter of the last cluster that
        held row i and another, d that of all rows. In [0, 1]; near 1 where there is a clear
        structure, and larger for more rows. 0 where all rows are equal or there is one.
    n_features_in_ : int
        Number of features of X; for 'precomputed', of samples.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, only if all of them are strings.

    Notes
    -----
    Memory is 4 n_samples^2 bytes for the distances (none for those that are given as float64) and
    a copy of X for `predict`. Time is O(n_samples^2) for each level of the tree if divisions are
    even, O(n_samples^3) if every one takes off a single row. Ties go to the lowest row; sums carry
    their rounding errors along, so small integers tie exactly.

    References
    ----------
    L. Kaufman, P. J. Rousseeuw: Finding Groups in Data. Wiley, 1990, chapter 6.

    Examples
    --------
    >>> import numpy as np
    >>> model = Diana(n_clusters=2).fit([[0.0], [1.0], [6.0], [10.0], [11.0]])
    >>> model.labels_
    array([0, 0, 1, 1, 1])
    >>> model.distances_
    array([ 1.,  1.,  5., 11.])
    >>> model.predict([[2.0], [20.0]])
    array([0, 1])
    """

    _estimator_type: ClassVar[str] = "clusterer"

    labels_: NDArray[np.intp]
    n_clusters_: int
    linkage_matrix_: NDArray[np.float64]
    n_leaves_: int
    divisive_coefficient_: float
    _rows: Floats | None  # None: distances were given

    def __init__(
        self,
        n_clusters: int | None = 2,
        *,
        metric: str = "euclidean",
        distance_threshold: float | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.metric = metric
        self.distance_threshold = distance_threshold
        self.n_threads = n_threads

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = tags.input_tags.positive_only = self.metric == "precomputed"
        return tags

    @property
    def children_(self) -> NDArray[np.intp]:
        """What each node consists of, shape (n_samples - 1, 2)."""
        self._require_fit()
        return self.linkage_matrix_[:, :2].astype(np.intp)

    @property
    def distances_(self) -> NDArray[np.float64]:
        """Diameter of each node, ascending, shape (n_samples - 1,)."""
        self._require_fit()
        return self.linkage_matrix_[:, 2]

    def fit(self, X: ArrayLike, y: object = None) -> Diana:
        """Divide the rows of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, all finite. For 'precomputed', distances: a matrix of shape
            (n_samples, n_samples), but for rounding symmetric with zeros on its diagonal, of
            which the entries above the diagonal are used; or these n_samples (n_samples - 1) / 2
            alone, as `pdist` returns them.
        y : ignored
            Only there for pipelines.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If X or a parameter is not as described; the message names it.
        MemoryError
            If the distances need more memory than there is, before they are formed.
        """
        threads = check_threads(self.n_threads)
        given = check_option(self.metric, "metric", METRICS) == "precomputed"
        k, threshold = _check_cut(self)
        names = feature_names(X)
        if given:
            distances, n = _given_distances(X, self)
            rows = None
        else:
            rows = dense(X, self)
            n = len(rows)
        check_count(k, n)
        if rows is not None:
            _core.moments(rows, None, threads)  # refuses what is not finite
            distances = _distances(rows, self.metric, threads)
        merges, order, cuts = np.empty((n - 1, 4)), np.zeros(n, np.int64), np.empty(n - 1, np.int64)
        if n > 1:
            _core.diana(distances, merges, order, cuts, threads)
        # All is known: from here on nothing can fail, so an aborted fit leaves no trace.
        self.linkage_matrix_, self.n_leaves_ = merges, n
        self.n_clusters_ = max(k, 1 + int(np.count_nonzero(merges[:, 2] >= threshold)))
        self.labels_ = _labels(order, cuts[n - self.n_clusters_ :])
        self.divisive_coefficient_ = _coefficient(merges, n)
        self._rows = None if rows is None else rows.copy()
        self._store_features(n if rows is None else rows.shape[1], names)
        return self

    def fit_predict(self, X: ArrayLike, y: object = None) -> NDArray[np.intp]:
        """Fit, and return `labels_`. Arguments and errors are those of `fit`."""
        return self.fit(X).labels_

    def predict(self, X: ArrayLike) -> NDArray[np.intp]:
        """Return the cluster with the lowest mean distance to each row.

        The rows of `fit` stay where they are: nothing is divided anew, and for one of them the
        answer may differ from `labels_`.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows, all finite; for 'precomputed', their distances to the rows of `fit`, shape
            (n_rows, n_samples).

        Returns
        -------
        ndarray of shape (n_rows,)
            Labels; the lowest wins a tie.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X is not finite or has other features than at fit.
        """
        self._require_fit()
        dense(X, self)
        rows = cast("Floats", self._fitted_rows(X))
        threads = check_threads(self.n_threads)
        _core.moments(rows, None, threads)  # refuses what is not finite
        clusters = Clusters(
            self._rows, self.labels_, np.ones(len(self.labels_)), "average", self.metric
        )
        return clusters.nearest(rows, threads)

    def plot_dendrogram(self, **options: Any) -> dict[str, Any]:
        """Draw the tree: `coterie.hierarchy.dendrogram` of `linkage_matrix_`.

        Parameters
        ----------
        **options : dict
            What `dendrogram` takes, such as `ax`, `labels`, `truncate_mode` or `no_plot`.

        Returns
        -------
        dict
            What it returns: the coordinates, labels and colours.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ImportError
            If matplotlib is missing, unless no_plot=True.
        """
        self._require_fit()
        drawn: dict[str, Any] = dendrogram(self.linkage_matrix_, **options)
        return drawn


def _check_cut(model: Diana) -> tuple[int, float]:
    """Return where to cut: how many clusters at least, and which diameter divides further ones."""
    if (model.n_clusters is None) == (model.distance_threshold is None):
        raise ValueError(
            "n_clusters, distance_threshold: wanted one of them and None for the other, "
            f"got {model.n_clusters!r} and {model.distance_threshold!r}"
        )
    if model.n_clusters is None:
        return 1, check_real(model.distance_threshold, "distance_threshold")
    return check_int(model.n_clusters, "n_clusters"), math.inf


def _given_distances(X: ArrayLike, model: Diana) -> tuple[NDArray[np.float64], int]:
    """Return distances, square or condensed, as the core reads them, and the number of rows."""
    flat = np.ndim(X) == 1
    table = dense(np.reshape(np.asarray(X), (1, -1)) if flat else X, model)
    length = table.shape[1]
    n = (1 + math.isqrt(1 + 8 * length)) // 2 if flat else length
    if table.size != (n * (n - 1) // 2 if flat else n * n):
        raise ValueError(
            "X: wanted distances for metric='precomputed', a square matrix or the "
            f"n (n - 1) / 2 entries above its diagonal, got shape {np.shape(X)}"
        )
    if table.dtype != np.float64:
        require_memory(8 * table.size, "X", "pass the distances as float64")
    distances = table.astype(np.float64, copy=False)
    return (distances[0] if flat else distances), n


def _distances(rows: Floats, metric: str, n_threads: int) -> NDArray[np.float64]:
    """Return the distances between rows, condensed, if there is memory for them."""
    n = len(rows)
    if n == 1:
        return np.empty(0)
    need = 4 * n * (n - 1)
    require_memory(
        need,
        "X",
        f"these are the distances between {n} rows: cluster a sample of the rows, or all of them "
        "by BisectingKMeans, whose memory grows with their number alone",
    )
    distances: NDArray[np.float64] = pdist(rows, metric, n_threads=n_threads)
    return distances


def _labels(order: NDArray[np.int64], cuts: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the number of each row's part when `order` is cut, counted by first appearance."""
    starts = np.zeros(len(order), dtype=np.intp)
    starts[cuts] = 1
    parts = np.empty_like(starts)
    parts[order] = starts.cumsum()
    _, first, numbers = np.unique(parts, return_index=True, return_inverse=True)
    labels: NDArray[np.intp] = first.argsort().argsort()[numbers]
    return labels


def _coefficient(merges: NDArray[np.float64], n: int) -> float:
    if n == 1 or merges[-1, 2] == 0:
        return 0.0
    single = merges[:, :2] < n  # parts of one row: each row is one, once
    last = np.repeat(merges[:, 2], single.sum(axis=1))
    return float(np.mean(1 - last / merges[-1, 2]))
