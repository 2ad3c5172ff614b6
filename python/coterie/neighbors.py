"""NearestNeighbors: the nearest rows of every row, with scikit-learn's interface."""

# ruff: noqa: ARG002  (`y` and `sort_results` are there for scikit-learn's sake)

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from coterie._estimator import Estimator
from coterie._kept import Kept
from coterie._sparse import need_sparse
from coterie._top_n import Wanted, check_vectors, nowhere, renamed
from coterie._validate import (
    INT_MAX,
    check_int,
    check_option,
    check_real,
    check_threads,
    feature_names,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from coterie._core import Floats

__all__ = ["NearestNeighbors"]

METRICS = {  # what the index calls them
    "minkowski": "euclidean",
    "euclidean": "euclidean",
    "l2": "euclidean",
    "cosine": "cosine",
    "angular": "angular",
}
ALGORITHMS = ("auto", "ball_tree", "kd_tree", "brute")
MODES = ("connectivity", "distance")


class NearestNeighbors(Estimator):
    """The nearest rows of every row, by number or by radius: exact, ties to the lowest index.

    Parameters
    ----------
    n_neighbors : int, default=5
        Number of neighbours that `kneighbors` finds.
    radius : float, default=1.0
        Greatest distance of the neighbours that `radius_neighbors` finds.
    algorithm : {'auto', 'ball_tree', 'kd_tree', 'brute'}, default='auto'
        Accepted for scikit-learn's sake: all pairs are compared, by one kernel.
    leaf_size : int, default=30
        Accepted for scikit-learn's sake.
    metric : {'minkowski', 'euclidean', 'l2', 'cosine', 'angular'}, default='minkowski'
        The distance: Euclidean, which the first three are; 1 - cosine; or the angle as a share of
        pi. A zero vector has cosine 0 to everything.
    p : float, default=2
        Power of 'minkowski': 2.
    metric_params : None, default=None
        Accepted for scikit-learn's sake: no metric has parameters.
    n_jobs : int, default=None
        Threads to use; None and -1 stand for all CPUs of this process. The result has the same
        bits for any.

    Attributes
    ----------
    effective_metric_ : str
        The distance: 'euclidean', 'cosine' or 'angular'.
    n_samples_fit_ : int
        Number of rows at fit.
    n_features_in_ : int
        Number of features of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, only if all of them are strings.

    Notes
    -----
    Distances are computed in float64, Euclidean ones from differences, and returned in the dtype of
    the rows at fit, to which queries are rounded.
    O(n_queries * n_samples_fit * n_features) operations a search. The estimator keeps a copy of X.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0], [0, 3], [4, 0]])
    >>> model = NearestNeighbors(n_neighbors=2).fit(X)
    >>> distances, indices = model.kneighbors([[0.0, 1]])
    >>> distances, indices
    (array([[1., 2.]]), array([[0, 1]]))
    >>> model.kneighbors(n_neighbors=1, return_distance=False).ravel()
    array([1, 0, 0])
    >>> model.radius_neighbors([[4.0, 3]], radius=4, return_distance=False)[0]
    array([2, 1])
    """

    _estimator_type: ClassVar[str | None] = None
    _accepts_sparse = True

    effective_metric_: str
    n_samples_fit_: int
    _kept: Kept

    def __init__(
        self,
        *,
        n_neighbors: int = 5,
        radius: float = 1.0,
        algorithm: str = "auto",
        leaf_size: int = 30,
        metric: str = "minkowski",
        p: float = 2,
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.radius = radius
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: object = None) -> NearestNeighbors:
        """Keep the rows among which neighbours are looked for.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows, all finite. float32 and float64 stay what they are; float16, int8 and uint8
            become float32, other integers float64.
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
        """
        metric = self._checked()
        names = feature_names(X)
        rows = check_vectors(X, "X", least=1)
        with renamed("items", "X"):
            kept = Kept(rows, metric, "auto", self._threads())
        self._kept, self.effective_metric_, self.n_samples_fit_ = kept, metric, rows.shape[0]
        self._store_features(rows.shape[1], names)
        return self

    def kneighbors(
        self,
        X: ArrayLike | None = None,
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """Return the nearest rows of every row of X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features), default=None
            Rows, all finite. None stands for those of `fit`, none of which is its own neighbour.
        n_neighbors : int, default=None
            Number of neighbours; None stands for that of the estimator.
        return_distance : bool, default=True
            Whether to return distances, too.

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors)
            Ascending; only if asked for.
        indices : ndarray of shape (n_queries, n_neighbors), int64
            Rows of `fit`, the nearest first, ties to the lowest index.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If an argument is not as described, or n_neighbors more than there are.

        Examples
        --------
        >>> NearestNeighbors(n_neighbors=1).fit([[0.0], [5.0]]).kneighbors([[3.0]])
        (array([[2.]]), array([[1]]))
        """
        self._require_fit()
        n = check_int(self.n_neighbors if n_neighbors is None else n_neighbors, "n_neighbors")
        rows = None if X is None else self._fitted_rows(X)
        there = self.n_samples_fit_
        if n > there - (rows is None):
            sign = "<" if rows is None else "<="
            raise ValueError(
                f"Expected n_neighbors {sign} n_samples_fit, but n_neighbors = {n}, "
                f"n_samples_fit = {there}, n_samples = {there if rows is None else rows.shape[0]}"
            )
        wanted = Wanted(n, nowhere(self.effective_metric_))
        with renamed("queries", "X"):
            indices, scores = self._kept.search(rows, wanted, self._threads())
        return (self._distances(scores), indices) if return_distance else indices

    def radius_neighbors(
        self,
        X: ArrayLike | None = None,
        radius: float | None = None,
        return_distance: bool = True,
        sort_results: bool = False,
    ) -> Any:
        """Return all rows within a radius of every row of X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features), default=None
            Rows, all finite. None stands for those of `fit`, none of which is its own neighbour.
        radius : float, default=None
            Greatest distance; None stands for that of the estimator.
        return_distance : bool, default=True
            Whether to return distances, too.
        sort_results : bool, default=False
            Accepted for scikit-learn's sake: the nearest come first in any case.

        Returns
        -------
        distances : ndarray of shape (n_queries,) of arrays
            Ascending, none above `radius`; only if asked for.
        indices : ndarray of shape (n_queries,) of int64 arrays
            Rows of `fit`, the nearest first, ties to the lowest index.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If an argument is not as described.

        Examples
        --------
        >>> model = NearestNeighbors(radius=2).fit([[0.0], [1.0], [5.0]])
        >>> model.radius_neighbors([[2.0]], return_distance=False)[0]
        array([1, 0])
        """
        pairs = self._within(X, radius)
        distances, indices = (np.empty(len(pairs), dtype=object) for _ in range(2))
        for i, (near, far) in enumerate(pairs):
            indices[i], distances[i] = near, far
        return (distances, indices) if return_distance else indices

    def kneighbors_graph(
        self,
        X: ArrayLike | None = None,
        n_neighbors: int | None = None,
        mode: str = "connectivity",
    ) -> Any:
        """Return the nearest rows of every row of X as a sparse matrix.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features), default=None
            Rows, all finite. None stands for those of `fit`, none of which is its own neighbour.
        n_neighbors : int, default=None
            Number of neighbours; None stands for that of the estimator.
        mode : {'connectivity', 'distance'}, default='connectivity'
            Whether an entry is 1 or the distance.

        Returns
        -------
        scipy.sparse.csr_matrix of shape (n_queries, n_samples_fit)
            An entry for every neighbour, in the order of `kneighbors`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If an argument is not as described.
        ImportError
            If SciPy is not installed.

        Examples
        --------
        >>> model = NearestNeighbors(n_neighbors=1).fit([[0.0], [1.0], [5.0]])
        >>> model.kneighbors_graph(mode="distance").toarray()
        array([[0., 1., 0.],
               [1., 0., 0.],
               [0., 4., 0.]])
        """
        check_option(mode, "mode", MODES)
        distances, indices = self.kneighbors(X, n_neighbors)
        lengths = np.full(len(indices), indices.shape[1])
        return self._graph(lengths, indices.ravel(), distances.ravel(), mode)

    def radius_neighbors_graph(
        self,
        X: ArrayLike | None = None,
        radius: float | None = None,
        mode: str = "connectivity",
        sort_results: bool = False,
    ) -> Any:
        """Return all rows within a radius of every row of X as a sparse matrix.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features), default=None
            Rows, all finite. None stands for those of `fit`, none of which is its own neighbour.
        radius : float, default=None
            Greatest distance; None stands for that of the estimator.
        mode : {'connectivity', 'distance'}, default='connectivity'
            Whether an entry is 1 or the distance.
        sort_results : bool, default=False
            Accepted for scikit-learn's sake: the nearest come first in any case.

        Returns
        -------
        scipy.sparse.csr_matrix of shape (n_queries, n_samples_fit)
            An entry for every neighbour, in the order of `radius_neighbors`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If an argument is not as described.
        ImportError
            If SciPy is not installed.

        Examples
        --------
        >>> model = NearestNeighbors(radius=2).fit([[0.0], [1.0], [5.0]])
        >>> model.radius_neighbors_graph([[2.0]]).toarray()
        array([[1., 1., 0.]])
        """
        check_option(mode, "mode", MODES)
        pairs = self._within(X, radius)
        lengths = np.array([len(indices) for indices, _ in pairs], np.int64)
        none = (np.empty(0, np.int64), np.empty(0, self._kept.dtype))
        indices, distances = map(np.concatenate, zip(none, *pairs, strict=True))
        return self._graph(lengths, indices, distances, mode)

    def _checked(self) -> str:
        """Return the index's name of the metric; the parameters are checked."""
        metric = METRICS[check_option(self.metric, "metric", tuple(METRICS))]
        check_option(self.algorithm, "algorithm", ALGORITHMS)
        check_int(self.n_neighbors, "n_neighbors")
        check_real(self.radius, "radius")
        if self.metric == "minkowski" and self.p != 2:
            raise ValueError(f"p: wanted 2, the power of Euclidean distances, got {self.p!r}")
        if self.metric_params:
            raise ValueError(f"metric_params: wanted None, got {self.metric_params!r}")
        return metric

    def _threads(self) -> int | None:
        """Return the number of threads; below zero, they are counted from all CPUs down."""
        if self.n_jobs is None:
            return None
        n = check_int(self.n_jobs, "n_jobs", -INT_MAX)
        if n == 0:
            raise ValueError("n_jobs: wanted None or an integer other than 0, got 0")
        return n if n > 0 else max(1, check_threads(None) + 1 + n)

    def _distances(self, scores: Floats) -> Floats:
        """Return what the search calls scores as distances."""
        return 1 - scores if self.effective_metric_ == "cosine" else scores

    def _within(self, X: object, radius: object) -> list[tuple[NDArray[np.int64], Floats]]:
        """Return for every row its neighbours within the radius and their distances."""
        self._require_fit()
        far = check_real(self.radius if radius is None else radius, "radius")
        rows = None if X is None else self._fitted_rows(X)
        threshold = far
        if self.effective_metric_ == "cosine":  # whether 1 - score is too far is found out below
            threshold = 1 - far - 2 * float(np.finfo(self._kept.dtype).eps)
        with renamed("queries", "X"):
            found = self._kept.within(rows, threshold, self._threads())
        pairs = ((indices, self._distances(scores)) for indices, scores in found)
        if self.effective_metric_ != "cosine":
            return list(pairs)
        near = ((i, d, np.count_nonzero(d.astype(np.float64) <= far)) for i, d in pairs)
        return [(indices[:n], distances[:n]) for indices, distances, n in near]

    def _graph(
        self,
        lengths: NDArray[np.int64],
        indices: NDArray[np.int64],
        distances: Floats,
        mode: str,
    ) -> Any:
        """Return neighbours, given row by row, as a sparse matrix."""
        matrix = need_sparse("kneighbors_graph").csr_matrix
        indptr = np.concatenate(([0], np.cumsum(lengths)))
        data = distances if mode == "distance" else np.ones(len(indices))
        return matrix((data, indices, indptr), shape=(len(lengths), self.n_samples_fit_))
