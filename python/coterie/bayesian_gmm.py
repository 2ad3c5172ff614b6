"""Variational Bayesian Gaussian mixtures: BayesianGaussianMixture, after scikit-learn's.

Weights, means and precisions have distributions: a Dirichlet distribution or a Dirichlet process
(stick breaking) over the weights, Gaussian-Wishart (tied, full), Gaussian-gamma (diag, spherical)
over the components. Components that the rows do not need lose their weight, so n_components is only
the most there may be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coterie import _core
from coterie import _variational as vb
from coterie._mixture import Mixture
from coterie._mixture_run import (
    Data,
    MixtureInfo,
    Options,
    Run,
    factors_of,
    precisions_of,
    shape_of,
    upper_of,
)
from coterie._mixture_start import check_precisions, check_shape, initial_labels
from coterie._validate import check_option, check_real
from coterie._variational import Posterior, Prior

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from coterie._seeding import Random

__all__ = ["BayesianGaussianMixture"]

PRIORS = ("dirichlet_process", "dirichlet_distribution")


class State(NamedTuple):
    """What a run carries from iteration to iteration, and what it was given once."""

    posterior: Posterior
    prior: Prior
    products: NDArray[np.float64]  # sum of w z z^T about the mean of the rows


class BayesianGaussianMixture(Mixture):
    """Variational Bayesian Gaussian mixture, with scikit-learn's interface and results.

    Parameters
    ----------
    n_components : int, default=1
        The most components there may be, at most n_samples.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}, default='full'
        A matrix a component; one matrix for all; a variance a feature and component; a variance a
        component.
    tol : float, default=1e-3
        A run has converged when the lower bound rises by less than this.
    reg_covar : float, default=1e-6
        Added to the diagonal of every covariance, in squared units of X.
    max_iter : int, default=100
        Most iterations of one run; 0 only starts.
    n_init : int, default=1
        Number of starts, of which the one with the highest bound is kept.
    init_params : {'kmeans', 'k-means++', 'random', 'random_from_data'}, default='kmeans'
        Who is responsible for which row at first, as in GaussianMixture.
    weight_concentration_prior_type : {'dirichlet_process', 'dirichlet_distribution'}
        Default 'dirichlet_process'.
    weight_concentration_prior : float > 0, default=None
        Low values favour few components; None is 1 / n_components.
    mean_precision_prior : float > 0, default=None
        How strongly means are drawn to `mean_prior`; None is 1.
    mean_prior : array-like of shape (n_features,), default=None
        None is the mean of X.
    degrees_of_freedom_prior : float > n_features - 1, default=None
        None is n_features.
    covariance_prior : array-like or float, default=None
        (n_features, n_features) for 'full' and 'tied', (n_features,) for 'diag', a number for
        'spherical'; None is the covariance of X.
    random_state : int, RandomState, Generator or None, default=None
        Source of the draws; starts are those of scikit-learn.
    warm_start : bool, default=False
        Start where the last `fit` ended.
    verbose : int, default=0
        Above 0, print progress; above 1, also the change of the bound.
    verbose_interval : int, default=10
        Iterations between two lines.
    n_threads : int, default=None
        Threads to use; None is all CPUs of this process. The result has the same bits for any.
    callback : callable, default=None
        As in GaussianMixture.

    Attributes
    ----------
    weights_, means_, covariances_, precisions_, precisions_cholesky_, converged_, n_iter_,
    lower_bound_, lower_bounds_, n_features_in_, feature_names_in_
        As in GaussianMixture; the bound is that of the variational objective, up to a constant.
    weight_concentration_ : tuple of two ndarrays, or ndarray, of shape (n_components,)
        Beta parameters of the sticks, or Dirichlet parameters.
    mean_precision_, degrees_of_freedom_ : ndarray of shape (n_components,)
        Posterior counts behind means and precisions; the latter a number for 'tied'.
    weight_concentration_prior_, mean_precision_prior_, mean_prior_, degrees_of_freedom_prior_,
    covariance_prior_
        The priors that were used.

    Notes
    -----
    The E-step and the sums of the M-step are GaussianMixture's one pass over X, with the same
    complexity. `score_samples` is the log-sum-exp of the expected log densities, as in
    scikit-learn.

    References
    ----------
    C. M. Bishop: Pattern Recognition and Machine Learning, section 10.2. Springer, 2006.
    D. M. Blei, M. I. Jordan: Variational Inference for Dirichlet Process Mixtures. Bayesian
    Analysis 1, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> X[:100] += 9
    >>> model = BayesianGaussianMixture(n_components=5, random_state=0).fit(X)
    >>> int((model.weights_ > 0.01).sum())  # of five components, two are needed
    2
    """

    weight_concentration_: Any
    mean_precision_: NDArray[np.float64]
    degrees_of_freedom_: Any
    precisions_: NDArray[np.float64]

    def __init__(
        self,
        *,
        n_components: int = 1,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str = "kmeans",
        weight_concentration_prior_type: str = "dirichlet_process",
        weight_concentration_prior: float | None = None,
        mean_precision_prior: float | None = None,
        mean_prior: ArrayLike | None = None,
        degrees_of_freedom_prior: float | None = None,
        covariance_prior: ArrayLike | None = None,
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
        self.weight_concentration_prior_type = weight_concentration_prior_type
        self.weight_concentration_prior = weight_concentration_prior
        self.mean_precision_prior = mean_precision_prior
        self.mean_prior = mean_prior
        self.degrees_of_freedom_prior = degrees_of_freedom_prior
        self.covariance_prior = covariance_prior
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.n_threads = n_threads
        self.callback = callback

    def _process(self) -> bool:
        return self.weight_concentration_prior_type == "dirichlet_process"

    def _prior(self, data: Data, kind: str, products: NDArray[np.float64]) -> Prior:
        """Return the priors, from the parameters or from X with these `products`."""
        check_option(
            self.weight_concentration_prior_type, "weight_concentration_prior_type", PRIORS
        )
        d = data.rows.shape[1]
        mean = data.mean
        if self.mean_prior is not None:
            mean = check_shape(self.mean_prior, (d,), "means")
        degrees = float(d)
        if self.degrees_of_freedom_prior is not None:
            degrees = check_real(self.degrees_of_freedom_prior, "degrees_of_freedom_prior")
            if not degrees > d - 1:
                raise ValueError(
                    f"The parameter 'degrees_of_freedom_prior' should be greater than {d - 1}, but "
                    f"got {degrees:.3f}."
                )
        k = self.n_components
        return Prior(
            _positive(self.weight_concentration_prior, "weight_concentration_prior", 1 / k),
            _positive(self.mean_precision_prior, "mean_precision_prior", 1.0),
            mean,
            degrees,
            self._covariance_prior(kind, d, products / max(data.total - 1, 1)),
        )

    def _covariance_prior(
        self, kind: str, d: int, of_rows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        if self.covariance_prior is None:
            variances = of_rows.diagonal()
            chosen: Any = {"diag": variances, "spherical": variances.mean()}.get(kind, of_rows)
            return np.asarray(chosen)
        if kind == "spherical":
            return np.asarray(_positive(self.covariance_prior, "covariance_prior", 1.0))
        shape = shape_of(kind, 1, d)[-1:] if kind == "diag" else (d, d)
        return check_precisions(self.covariance_prior, kind, shape, "covariance_prior")

    def _begin(self, data: Data, options: Options, random: Random) -> State:
        kind, k, n_threads = options.covariance_type, options.n_components, data.n_threads
        products = vb.products(data)
        prior = self._prior(data, kind, products)
        rows, weights, mean = data.rows, data.weights, data.mean
        given = initial_labels(rows, weights, k, options.init_params, random, n_threads)
        zero = np.zeros((k, rows.shape[1]))
        sums = _core.gmm_gather(rows, weights, mean, "tied", given, zero, n_threads)
        if kind != "tied":
            n = sums[0] + vb.NOTHING * data.total / len(rows)
            centers = sums[3].reshape(k, -1) + sums[1].reshape(k, -1) / n[:, None]
            sums = _core.gmm_gather(rows, weights, mean, kind, given, centers, n_threads)
        moments = vb.moments(sums, data, kind, options.reg_covar, products)
        return State(vb.posterior(moments, prior, kind, self._process()), prior, products)

    def _resume(self, data: Data, options: Options) -> State:
        products = vb.products(data)
        prior = self._prior(data, options.covariance_type, products)
        return State(self._fitted_posterior(), prior, products)

    def _fitted_posterior(self) -> Posterior:
        return Posterior(
            self.weight_concentration_,
            self.mean_precision_,
            self.means_,
            self.degrees_of_freedom_,
            self.covariances_,
            factors_of(self.precisions_cholesky_, self.covariance_type),
        )

    def _iterate(self, data: Data, options: Options, state: State, before: float) -> Run:
        kind, bounds, converged = options.covariance_type, [], False
        posterior, prior, products = state
        groups = np.zeros(len(data.rows), dtype=np.uint16)  # the core's guess, from pass to pass
        for iteration in range(options.max_iter):
            sums = _core.gmm_expect(
                data.rows,
                data.weights,
                data.mean,
                kind,
                posterior.means,
                posterior.factors,
                vb.constants(posterior, kind),
                groups,
                data.n_threads,
            )
            moments = vb.moments(sums, data, kind, options.reg_covar, products)
            posterior = vb.posterior(moments, prior, kind, self._process())
            bounds.append(sums[5] + vb.bound(posterior, kind))
            change, before = bounds[-1] - before, bounds[-1]
            converged = abs(change) < options.tol
            stop = options.progress is not None and options.progress(iteration, before, change)
            if converged or stop:
                break
        return Run(self._attributes(posterior, prior, kind), bounds, converged, [])

    def _attributes(self, state: Posterior, prior: Prior, kind: str) -> dict[str, Any]:
        upper = upper_of(state.factors, kind)
        if self._process():
            a, b = state.concentration
            weights = a / (a + b) * np.hstack((1, np.cumprod((b / (a + b))[:-1])))
        else:
            weights = state.concentration
        return {
            "weights_": weights / weights.sum(),
            "means_": state.means,
            "covariances_": state.covariances,
            "precisions_cholesky_": upper,
            "precisions_": precisions_of(upper, kind),
            "weight_concentration_": state.concentration,
            "mean_precision_": state.mean_precision,
            "degrees_of_freedom_": state.degrees,
            "weight_concentration_prior_": prior.concentration,
            "mean_precision_prior_": prior.mean_precision,
            "mean_prior_": prior.mean,
            "degrees_of_freedom_prior_": prior.degrees,
            "covariance_prior_": prior.covariance,
        }

    def _constants(self) -> NDArray[np.float64]:
        return vb.constants(self._fitted_posterior(), self.covariance_type)


def _positive(value: object, name: str, default: float) -> float:
    if value is None:
        return default
    number = check_real(value, name)
    if number == 0:
        raise ValueError(f"{name}: wanted a number > 0, got {value!r}")
    return number
