"""Gaussian mixtures by expectation maximisation: GaussianMixture, after scikit-learn's.

The density is p(x) = sum_c pi_c N(x | mu_c, S_c). An iteration computes the responsibilities
r_ic = pi_c N(x_i | mu_c, S_c) / p(x_i), then sets each component's weight, mean and covariance to
those of the rows weighted by r_ic; neither step can lower the likelihood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coterie import _core
from coterie._mixture import Mixture
from coterie._mixture_run import (
    Data,
    MixtureInfo,
    Options,
    Run,
    factors_of,
    notes_on,
    precisions_of,
    shape_of,
    upper_of,
)
from coterie._mixture_start import (
    check_mixture_weights,
    check_precisions,
    check_shape,
    initial_labels,
    lower_factors,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from coterie._seeding import Random

__all__ = ["GaussianMixture"]


class State(NamedTuple):
    """Parameters between iterations; factors as the core has them."""

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]
    factors: NDArray[np.float64]
    notes: list[str]


class GaussianMixture(Mixture):
    """Gaussian mixture by expectation maximisation, with scikit-learn's interface.

    Parameters
    ----------
    n_components : int, default=1
        Number of components k, at most n_samples.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}, default='full'
        A matrix a component; one matrix for all; a variance a feature and component; a variance a
        component.
    tol : float, default=1e-3
        A run has converged when the mean log density rises by less than this.
    reg_covar : float, default=1e-6
        Added to the diagonal of every covariance, in squared units of X.
    max_iter : int, default=100
        Most iterations of one run; 0 only starts.
    n_init : int, default=1
        Number of starts, of which the one with the highest bound is kept.
    init_params : {'kmeans', 'k-means++', 'random', 'random_from_data'}, default='kmeans'
        Who is responsible for which row at first: k-means clusters; one row a component, chosen
        by k-means++ or at random; random responsibilities (n_samples * n_components numbers).
    weights_init : array-like of shape (n_components,), default=None
        Weights to start from, summing to 1.
    means_init : array-like of shape (n_components, n_features), default=None
        Means to start from.
    precisions_init : array-like, default=None
        Inverse covariances to start from, shaped like `covariances_`. If all three are given,
        `init_params` is not used.
    random_state : int, RandomState, Generator or None, default=None
        Source of the draws. The same seed gives the same start as scikit-learn's GaussianMixture,
        but for 'tied' from single rows, where the latter's depends on the origin of X.
    warm_start : bool, default=False
        Start where the last `fit` ended.
    verbose : int, default=0
        Above 0, print progress; above 1, also the change of the bound.
    verbose_interval : int, default=10
        Iterations between two lines.
    n_threads : int, default=None
        Threads to use; None is all CPUs of this process. The result has the same bits for any.
    callback : callable, default=None
        Called as `callback(info)` after every iteration, with the fields `iteration`,
        `lower_bound`, `change` and `run`. A true value ends the fit with a valid model.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
        Weights, summing to 1. All attributes are float64.
    means_ : ndarray of shape (n_components, n_features)
        Means.
    covariances_ : ndarray
        (n_components, n_features, n_features) for 'full', (n_features, n_features) for 'tied',
        (n_components, n_features) for 'diag', (n_components,) for 'spherical'.
    precisions_ : ndarray
        Inverse covariances, of the same shape.
    precisions_cholesky_ : ndarray
        Upper triangular P with precision = P P^T, of the same shape; square roots of precisions
        for 'diag' and 'spherical'.
    converged_ : bool
        Whether the run that was kept has converged.
    n_iter_ : int
        Its iterations.
    lower_bound_ : float
        Its last mean log density, before the last M-step.
    lower_bounds_ : list of float
        That of every iteration.
    n_features_in_ : int
        Number of features of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, only if all of them are strings.

    Notes
    -----
    An iteration is one pass over X; nothing of size n_samples * n_components is stored. It takes
    O(n_samples * n_components * n_features^2) operations for 'full', and O(n_samples *
    n_components * n_features) for the others, besides one product with the shared factor for
    'tied'. float32 rows stay float32; sums over blocks of rows and all statistics are float64.

    With three or more components that are 'diag' or 'spherical', and enough features, groups of
    rows that one component has to itself are left unread, pass after pass, until bounds in
    Elkan's manner no longer prove that they are its own; their sums are kept.

    A component whose covariance cannot be inverted is regularised; one that has shrunk to less
    than a point is started again once, at the row of lowest density. Both are reported by a
    warning that names the component; the result never holds a NaN or a negative variance.

    References
    ----------
    A. P. Dempster, N. M. Laird, D. B. Rubin: Maximum Likelihood from Incomplete Data via the EM
    Algorithm. J. R. Stat. Soc. B 39, 1977.
    C. M. Bishop: Pattern Recognition and Machine Learning, section 9.2. Springer, 2006.
    C. Elkan: Using the Triangle Inequality to Accelerate k-Means. ICML 2003.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> model = GaussianMixture(n_components=2, random_state=0).fit(X)
    >>> model.means_
    array([[10.,  2.],
           [ 1.,  2.]])
    >>> model.predict([[0, 0], [12, 3]])
    array([1, 0], dtype=int32)
    """

    precisions_: NDArray[np.float64]

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str = "kmeans",
        weights_init: ArrayLike | None = None,
        means_init: ArrayLike | None = None,
        precisions_init: ArrayLike | None = None,
        random_state: int | Random | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        n_threads: int | None = None,
        callback: Callable[[MixtureInfo], object] | None = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.n_threads = n_threads
        self.callback = callback

    def aic(self, X: ArrayLike) -> float:
        """Return Akaike's information criterion on X, the lower the better (Akaike 1974)."""
        scores = self.score_samples(X)
        return float(-2 * scores.sum() + 2 * self._n_parameters())

    def bic(self, X: ArrayLike) -> float:
        """Return the Bayesian information criterion on X, the lower the better (Schwarz 1978)."""
        scores = self.score_samples(X)
        return float(-2 * scores.sum() + self._n_parameters() * np.log(len(scores)))

    def _n_parameters(self) -> int:
        k, d = self.means_.shape
        free = {"full": k * d * (d + 1) // 2, "tied": d * (d + 1) // 2, "diag": k * d}
        return int(free.get(self.covariance_type, k) + k * d + k - 1)

    def _begin(self, data: Data, options: Options, random: Random) -> State:
        k, d, kind = options.n_components, data.rows.shape[1], options.covariance_type
        labels = vars(self).pop("_labels", None)  # shared by select_n_components
        given: dict[str, Any] = {}
        if self.weights_init is not None:
            given["weights"] = check_mixture_weights(self.weights_init, k)
        if self.means_init is not None:
            given["means"] = check_shape(self.means_init, (k, d), "means")
        if self.precisions_init is not None:
            precisions = check_precisions(self.precisions_init, kind, shape_of(kind, k, d))
            given["factors"] = lower_factors(precisions, kind)
            given["covariances"] = _inverse(precisions, kind)
        if len(given) == 4:
            return State(**given, notes=[])
        moments = data.moments
        if labels is None:
            labels = initial_labels(
                data.rows, data.weights, k, options.init_params, random, data.n_threads
            )
        started = _core.gmm_start(
            data.rows,
            data.weights,
            *moments,
            kind,
            k,
            labels,
            options.reg_covar,
            data.n_threads,
        )
        return _state(started, kind, k, d)._replace(**given)

    def _resume(self, data: Data, options: Options) -> State:
        del data, options
        factors = factors_of(self.precisions_cholesky_, self.covariance_type)
        return State(self.weights_, self.means_, self.covariances_, factors, [])

    def _iterate(self, data: Data, options: Options, state: State, before: float) -> Run:
        kind, (k, d) = options.covariance_type, state.means.shape
        converged, bounds = False, []
        # A pass over X that the first iteration does as well.
        ask = kind == "tied" or options.max_iter == 0 or "moments" in vars(data)
        mean, variance = data.moments if ask else (None, None)
        if options.max_iter > 0:
            fitted = _core.gmm_fit(
                data.rows,
                data.weights,
                mean,
                variance,
                kind,
                state.weights,
                state.means,
                state.factors,
                before,
                options.max_iter,
                options.tol,
                options.reg_covar,
                data.n_threads,
                options.progress,
            )
            converged, bounds = fitted[5], fitted[4].tolist()
            state = _state(fitted, kind, k, d)
        upper = upper_of(state.factors, kind)
        attributes = {
            "weights_": state.weights,
            "means_": state.means,
            "covariances_": state.covariances,
            "precisions_cholesky_": upper,
            "precisions_": precisions_of(upper, kind),
        }
        return Run(attributes, bounds, converged, state.notes)


def _state(outcome: _core.Mixture, kind: str, k: int, d: int) -> State:
    weights, means, covariances, factors = outcome[:4]
    shape = shape_of(kind, k, d)
    return State(
        weights,
        means.reshape(k, d),
        covariances.reshape(shape),
        factors.reshape(shape),
        notes_on(outcome[6], outcome[7]),
    )


def _inverse(precisions: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    inverse: Any = np.linalg.inv(precisions) if kind in ("full", "tied") else 1 / precisions
    return np.asarray(inverse)
