"""Lloyd's k-means: KMeans, an estimator after scikit-learn's, and the plain nearest-centre search.

The objective is the inertia J = sum_i w_i |x_i - c(i)|^2 over rows x_i with weights w_i, where c(i)
is the centre nearest to x_i, the lowest index winning ties. An iteration assigns every row to its
nearest centre, then moves each centre to the weighted mean of its rows; neither can raise J.
"""

# ruff: noqa: ARG002  (pipelines pass a `y` that clustering does not use)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from coterie import _core
from coterie._assign import assign, batch_step, centers_for, kmeans_assign, weighted_sum
from coterie._centers import CenterModel
from coterie._lloyd import IterationInfo, best_run, check_options, warn_if_fewer
from coterie._seeding import check_count, check_random, initial_centers
from coterie._validate import (
    check_rows,
    check_state,
    check_threads,
    check_weights,
    core_rows,
    feature_names,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from coterie._seeding import Random, Start
    from coterie._validate import Rows

__all__ = ["KMeans", "kmeans_assign"]

HISTORY = np.dtype([("inertia", np.float64), ("shift", np.float64)])


class KMeans(CenterModel):
    """k-means clustering by Lloyd's algorithm, with scikit-learn's interface.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters k, at most n_samples.
    init : {'k-means++', 'k-means||', 'random'}, array-like or callable, default='k-means++'
        Where to start: greedy k-means++; k-means||, which needs few passes over the rows and suits
        large k; k different rows; an array of shape (n_clusters, n_features), which is not
        modified; or a callable `init(X, n_clusters, random_state=generator)` returning one.
    n_init : 'auto' or int, default='auto'
        Number of starts, of which the one with the lowest inertia is kept. 'auto' is 10 for
        'random' and a callable, else 1.
    max_iter : int, default=300
        Most iterations of one run.
    tol : float, default=1e-4
        A run ends when the summed squared movement of the centres is at most `tol` times the mean
        of the features' variances (weighted, if rows are), or when no label changes.
    verbose : int, default=0
        Above 0, print the inertia of every iteration.
    random_state : int, RandomState, Generator or None, default=None
        Source of the draws; None is NumPy's global generator. The same seed gives the same start
        as scikit-learn's KMeans.
    copy_x : bool, default=True
        Accepted for scikit-learn's sake: X is never written to.
    algorithm : 'lloyd', default='lloyd'
        Accepted for scikit-learn's sake.
    empty_cluster : {'relocate', 'keep', 'error'}, default='relocate'
        What becomes of a cluster that loses its last row: its centre moves to the row farthest
        from its own centre; or stays where it is; or ValueError.
    n_threads : int, default=None
        Threads to use; None is all CPUs of this process. The result has the same bits for any.
    callback : callable, default=None
        Called as `callback(info)` after every iteration, with the fields `iteration`, `inertia`,
        `shift` and `run`. A true value ends the fit with a valid model; an exception aborts it and
        leaves the estimator as it was.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        Centres, in the dtype of X.
    labels_ : ndarray of shape (n_samples,), int32
        Index of each row's nearest centre, always equal to `predict(X)`.
    inertia_ : float
        The objective J: the weighted sum of squared distances of rows to their centres.
    n_iter_ : int
        Iterations of the run that was kept.
    history_ : ndarray of shape (n_iter_,)
        Fields 'inertia' (of the iteration's assignment, before the centres moved) and 'shift'
        (summed squared movement of the centres), both float64.
    n_steps_ : int
        Batches that `partial_fit` has taken since the last `fit`.
    counts_ : ndarray of shape (n_clusters,)
        Weight of the rows behind each centre, float64.
    n_features_in_ : int
        Number of features of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, only if all of them are strings.

    Notes
    -----
    An iteration takes O(n_samples * n_clusters * n_features) operations and one pass over X;
    nothing of size n_samples * n_clusters is stored. float32 rows stay float32, sums are float64.
    A row of weight zero is labelled but never becomes a start and never moves a centre.

    References
    ----------
    S. P. Lloyd: Least Squares Quantization in PCM. IEEE Trans. Inf. Theory 28, 1982.
    D. Arthur, S. Vassilvitskii: k-means++: The Advantages of Careful Seeding. SODA 2007.
    B. Bahmani et al.: Scalable K-Means++. PVLDB 5, 2012 (k-means||).
    D. Sculley: Web-Scale K-Means Clustering. WWW 2010 (`partial_fit`).

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> model = KMeans(n_clusters=2, random_state=0).fit(X)
    >>> model.labels_
    array([1, 1, 1, 0, 0, 0], dtype=int32)
    >>> model.predict([[0, 0], [12, 3]])
    array([1, 0], dtype=int32)
    >>> model.cluster_centers_
    array([[10.,  2.],
           [ 1.,  2.]])
    """

    n_iter_: int
    history_: NDArray[Any]
    n_steps_: int
    _counts: NDArray[np.float64] | None

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Start = "k-means++",
        n_init: str | int = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        random_state: int | Random | None = None,
        copy_x: bool = True,
        algorithm: str = "lloyd",
        empty_cluster: str = "relocate",
        n_threads: int | None = None,
        callback: Callable[[IterationInfo], object] | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm
        self.empty_cluster = empty_cluster
        self.n_threads = n_threads
        self.callback = callback

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(check_state(state))

    @property
    def counts_(self) -> NDArray[np.float64]:
        """Weight of the rows behind each centre, shape (n_clusters,)."""
        self._require_fit()
        if self._counts is None:  # after a fit without weights every row counts one
            k = len(self.cluster_centers_)
            self._counts = np.bincount(self.labels_, minlength=k).astype(np.float64)
        return self._counts

    def _fit(self, X: object, sample_weight: object) -> Rows:
        options = check_options(self)
        names = feature_names(X)
        rows = check_rows(X)
        weights = check_weights(sample_weight, rows.shape[0])
        check_count(options.n_clusters, rows.shape[0])
        best = best_run(rows, weights, self, options)
        warn_if_fewer(best.labels, options.n_clusters)
        counts: NDArray[np.float64] | None = None
        if weights is not None:
            counts = np.zeros(options.n_clusters) + np.bincount(
                best.labels, weights, minlength=options.n_clusters
            )
        # All is known: from here on nothing can fail, so an aborted fit leaves no trace.
        self.cluster_centers_, self.labels_, self.inertia_ = best[:3]
        self.history_ = best.history.view(HISTORY)[:, 0]
        self.n_iter_ = len(best.history)
        self.n_steps_, self._counts = 0, counts
        self._store_features(rows.shape[1], names)
        return rows

    def partial_fit(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> KMeans:
        """Move the centres by one batch of rows: online k-means (Sculley 2010).

        Every row goes to its nearest centre. With W the weight and S the weighted sum of the rows
        a centre c got, and N the weight it had before, c becomes c + (S - W c) / (N + W), the mean
        of all it ever got. The first batch also provides the start, by `init`; after `fit`, its
        centres are refined. `labels_` and `inertia_` are those of the batch, after the move.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            The batch; the first one needs at least n_clusters rows.
        y : ignored
            Only there for pipelines.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, not all zero; None stands for ones.

        Returns
        -------
        self
            The estimator.

        Raises
        ------
        TypeError, ValueError
            If X, the weights or a parameter is not as described; the message names it.

        Examples
        --------
        >>> model = KMeans(n_clusters=1).partial_fit([[0.0], [2.0]])
        >>> model.partial_fit([[7.0]]).cluster_centers_
        array([[3.]])
        """
        options = check_options(self)
        k, n_threads = options.n_clusters, options.n_threads
        first = not self.__sklearn_is_fitted__()
        names = feature_names(X) if first else None
        rows = check_rows(X) if first else self._fitted_rows(X)
        weights = check_weights(sample_weight, rows.shape[0])
        _core.moments(core_rows(rows), weights, n_threads)  # refuses what is not finite
        if first:
            check_count(k, rows.shape[0])
            random = check_random(self.random_state)
            centers = initial_centers(rows, self.init, k, weights, random, n_threads)
            counts = np.zeros(k)
        else:
            centers, counts = centers_for(rows, self.cluster_centers_), self.counts_
        centers, counts = batch_step(rows, weights, centers, counts, n_threads)
        labels, sq_distances = assign(rows, centers, n_threads)
        self.cluster_centers_, self._counts, self.labels_ = centers, counts, labels
        self.inertia_ = weighted_sum(sq_distances, weights)
        self.n_steps_ = 1 if first else self.n_steps_ + 1
        if first:
            self._store_features(rows.shape[1], names)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Return the index of the nearest centre of every row.

        Where X and the centres differ in dtype, the centres are rounded to that of X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows, all finite.

        Returns
        -------
        ndarray of shape (n_samples,), int32
            Labels; the lowest index wins a tie.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X is not finite or has other features than at fit.
        """
        rows = self._fitted_rows(X)
        labels = np.empty(rows.shape[0], dtype=np.int32)
        centers = centers_for(rows, self.cluster_centers_)
        threads = check_threads(self.n_threads)
        _core.kmeans_assign(core_rows(rows), centers, labels, None, threads)
        return labels
