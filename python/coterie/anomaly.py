"""Anomaly detection by density: rows that a Gaussian mixture finds improbable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from coterie._estimator import Estimator
from coterie._mixture import dense, refuse_sparse
from coterie._validate import check_real, check_weights, feature_names
from coterie.gmm import GaussianMixture

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from coterie._core import Floats, Weights
    from coterie._seeding import Random

__all__ = ["GaussianAnomalyDetector"]

BLOCK = 4096  # rows `explain` works on at a time


class GaussianAnomalyDetector(Estimator):
    """Outlier detector on a Gaussian mixture, with scikit-learn's conventions.

    Parameters
    ----------
    n_components : int, default=1
        Components of the mixture.
    contamination : float in (0, 0.5], default=0.01
        Share of the training rows to call anomalous: the threshold is this quantile of their log
        densities.
    threshold : float, default=None
        Log density below which a row is an anomaly, instead of the quantile.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}, default='full'
        As in GaussianMixture; so are `tol`, `reg_covar`, `max_iter`, `n_init`, `init_params`,
        `random_state` and `n_threads`.

    Attributes
    ----------
    mixture_ : GaussianMixture
        The fitted density.
    offset_ : float
        The threshold in use: `decision_function` is `score_samples` minus it.
    n_iter_ : int
        Iterations of the mixture's fit.
    n_features_in_ : int
        Number of features of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, only if all of them are strings.

    Notes
    -----
    The cost is that of GaussianMixture. Scores of the rows that were fitted are a little too good;
    for a threshold on new data, take a quantile of the scores of rows held out.

    References
    ----------
    V. Chandola, A. Banerjee, V. Kumar: Anomaly Detection: A Survey. ACM Computing Surveys 41, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> detector = GaussianAnomalyDetector(contamination=0.02).fit(X)
    >>> detector.predict([[0.1, 0.2], [9.0, 0.0]])
    array([ 1, -1])
    >>> detector.explain([[9.0, 0.0]]).round(2)
    array([[1., 0.]])
    """

    _estimator_type: ClassVar[str] = "outlier_detector"

    mixture_: GaussianMixture
    offset_: float

    def __init__(
        self,
        n_components: int = 1,
        *,
        contamination: float = 0.01,
        threshold: float | None = None,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str = "kmeans",
        random_state: int | Random | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.contamination = contamination
        self.threshold = threshold
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.random_state = random_state
        self.n_threads = n_threads

    def fit(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> GaussianAnomalyDetector:
        """Fit the mixture and set the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, all finite.
        y : ignored
            Only there for pipelines.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0: a weight of 2 counts a row twice. None stands for ones.

        Returns
        -------
        self
            The fitted detector.

        Raises
        ------
        TypeError, ValueError
            If X, the weights or a parameter is not as described; the message names it.
        """
        del y
        contamination = check_real(self.contamination, "contamination")
        if not 0 < contamination <= 0.5:
            raise ValueError(f"contamination: wanted a number in (0, 0.5], got {contamination!r}")
        threshold: Any = self.threshold
        if isinstance(threshold, (str, bytes, bool)) or np.ndim(threshold) > 0:
            raise TypeError(f"threshold: wanted a number or None, got {threshold!r}")
        if threshold is not None and not np.isfinite(threshold):
            raise ValueError(f"threshold: wanted a finite number, got {threshold!r}")
        names = feature_names(X)
        rows = dense(X, self)
        own = ("contamination", "threshold")
        parameters = {name: v for name, v in self.get_params().items() if name not in own}
        mixture = GaussianMixture(**parameters).fit(rows, sample_weight=sample_weight)
        if threshold is None:
            weights = check_weights(sample_weight, len(rows))
            offset = _quantile(mixture.score_samples(rows), weights, contamination)
        else:
            offset = float(threshold)
        self.mixture_, self.offset_ = mixture, offset
        self._store_features(rows.shape[1], names)
        return self

    @property
    def n_iter_(self) -> int:
        """Iterations of the mixture's fit."""
        self._require_fit()
        return self.mixture_.n_iter_

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the log density of every row, (n_samples,): the lower, the more abnormal."""
        rows = self._rows(X)
        return self.mixture_.score_samples(rows)

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return `score_samples(X) - offset_`, (n_samples,): negative for anomalies."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Return -1 for anomalies and 1 for the others, (n_samples,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def fit_predict(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> NDArray[np.int64]:
        """Fit, and return `predict(X)`."""
        del y
        return self.fit(X, sample_weight=sample_weight).predict(X)

    def explain(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return each feature's share of the distance to the nearest component.

        The nearest component is the one of least Mahalanobis distance. With D the inverse
        deviations and C the correlations of its covariance, the squared distance is |w|^2 for
        w = C^(-1/2) D (x - mean), whose entries stay as close as may be to the features'
        standardised values; a feature's share is its w^2 of that sum.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, all finite.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Shares >= 0; rows sum to 1. A row at the mean has equal shares.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X is not finite or has other features than at fit.

        References
        ----------
        P. H. Garthwaite, I. Koch: Evaluating the Contributions of Individual Variables to a
        Quadratic Form. Australian & New Zealand Journal of Statistics 58, 2016.
        """
        rows = self._rows(X)
        self.mixture_.score_samples(rows)  # refuses what is not finite
        maps = _whitening(self.mixture_)
        out = np.empty(rows.shape)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK].astype(np.float64)
            least = np.full(len(block), np.inf)
            for mean, whiten in zip(self.mixture_.means_, maps, strict=True):
                squares = ((block - mean) @ whiten) ** 2
                distance = squares.sum(axis=1)
                nearer = distance < least
                least[nearer] = distance[nearer]
                out[start : start + BLOCK][nearer] = squares[nearer]
        total = out.sum(axis=1, keepdims=True)
        shares: NDArray[np.float64] = np.where(
            total > 0, out / np.where(total > 0, total, 1), 1 / rows.shape[1]
        )
        return shares

    def _rows(self, X: object) -> Floats:
        self._require_fit()
        refuse_sparse(X, self)
        rows: Any = self._fitted_rows(X)
        return rows  # type: ignore[no-any-return]


def _quantile(scores: NDArray[np.float64], weights: Weights, q: float) -> float:
    """Return the q-quantile, linear between neighbours; an integer weight repeats a score."""
    if weights is None:
        return float(np.quantile(scores, q))
    order = np.argsort(scores, kind="stable")
    above = np.cumsum(weights[order])
    place = q * max(above[-1] - 1, 0.0)
    low, high = (
        scores[order[min(int(np.searchsorted(above, p, side="right")), len(order) - 1)]]
        for p in (np.floor(place), np.ceil(place))
    )
    return float(low + (high - low) * (place - np.floor(place)))


def _whitening(mixture: GaussianMixture) -> list[NDArray[np.float64]]:
    """Return D C^(-1/2) for every component, (n_features, n_features) each."""
    k, d = mixture.means_.shape
    maps = []
    for c in range(k):
        covariance = mixture.covariances_ if mixture.covariance_type == "tied" else None
        covariance = mixture.covariances_[c] if covariance is None else covariance
        if covariance.ndim < 2:
            maps.append(np.diag(np.broadcast_to(1 / np.sqrt(covariance), (d,))))
            continue
        scale = 1 / np.sqrt(covariance.diagonal())
        values, vectors = np.linalg.eigh(covariance * scale[:, None] * scale)
        values = np.maximum(values, d * np.finfo(np.float64).eps * values.max())
        maps.append(scale[:, None] * (vectors / np.sqrt(values) @ vectors.T))
    return maps
