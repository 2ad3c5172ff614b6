"""What clusterings by centres share: distances to the centres, the score, fitting in one call."""

# ruff: noqa: ARG002  (pipelines pass a `y` that clustering does not use)

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from coterie import _core
from coterie._assign import assign, centers_for, weighted_sum
from coterie._estimator import Transformer
from coterie._validate import check_threads, check_weights, core_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from coterie._core import Floats
    from coterie._validate import Rows

Model = TypeVar("Model", bound="CenterModel")


class CenterModel(Transformer):
    """Base of the estimators with `cluster_centers_`: `_fit` finds them and returns the rows."""

    _estimator_type: ClassVar[str] = "clusterer"
    _accepts_sparse: ClassVar[bool] = True

    n_threads: int | None
    cluster_centers_: Floats
    labels_: NDArray[np.int32]
    inertia_: float

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)

    def _fit(self, X: object, sample_weight: object) -> Rows:
        raise NotImplementedError

    def fit(
        self: Model, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Model:
        """Find the clusters of X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows to cluster, all finite. C-ordered float32 and float64 are not copied.
        y : ignored
            Only there for pipelines.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, not all zero; None stands for ones.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If X, the weights or a parameter is not as described; the message names it.

        Warns
        -----
        ConvergenceWarning
            If fewer than n_clusters clusters have rows, as when X has fewer distinct rows.
        """
        self._fit(X, sample_weight)
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Return the Euclidean distance of every row to every centre.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows, all finite.

        Returns
        -------
        ndarray of shape (n_samples, n_clusters), or what `set_output` chose
            Distances, in the dtype of X, in the unit of X.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X is not finite or has other features than at fit.
        """
        rows = self._fitted_rows(X)
        _core.moments(core_rows(rows), None, check_threads(self.n_threads))
        return self._wrapped(self._distances(rows), X)

    def _distances(self, rows: Rows) -> Floats:
        centers = centers_for(rows, self.cluster_centers_)
        out: Floats = np.empty((rows.shape[0], len(centers)), dtype=rows.dtype)
        _core.distances(core_rows(rows), centers, out, check_threads(self.n_threads))
        return out

    def fit_predict(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> NDArray[np.int32]:
        """Fit, and return `labels_`. Arguments and errors are those of `fit`."""
        return self.fit(X, sample_weight=sample_weight).labels_

    def fit_transform(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Any:
        """Fit, and return the distances that `transform` yields. Arguments are those of `fit`."""
        return self._wrapped(self._distances(self._fit(X, sample_weight)), X)

    def score(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return minus the inertia of X: minus its weighted sum of squared distances.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows, all finite.
        y : ignored
            Only there for pipelines.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, not all zero; None stands for ones.

        Returns
        -------
        float
            At most 0, higher is better. Divided by -n_samples it is the mean squared distance.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X is not finite or has other features than at fit.
        """
        rows = self._fitted_rows(X)
        weights = check_weights(sample_weight, rows.shape[0])
        _, sq_distances = assign(rows, self.cluster_centers_, check_threads(self.n_threads))
        return -weighted_sum(sq_distances, weights)
