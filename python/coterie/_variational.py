"""Variational updates of a Bayesian Gaussian mixture: from sums over rows to the posterior.

Formulas are those of Bishop, Pattern Recognition and Machine Learning, section 10.2, with the
conventions of scikit-learn: covariances are normalised by their degrees of freedom, and tied ones
average over components.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coterie import _core
from coterie._special import digamma, gammaln

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie._mixture_run import Data

FLAT = 1e-10  # share of the mean variance below which a direction counts as singular
SINGULAR = "reg_covar: wanted covariances that can be inverted, got singular ones"
NOTHING = 10 * np.finfo(np.float64).eps  # added to the weight of a component: none is zero


class Prior(NamedTuple):
    """What is believed before X is seen."""

    concentration: float
    mean_precision: float
    mean: NDArray[np.float64]
    degrees: float
    covariance: NDArray[np.float64]


class Posterior(NamedTuple):
    """The variational parameters; factors as the core has them."""

    concentration: Any  # (k,) for the distribution, a pair of (k,) for the process
    mean_precision: NDArray[np.float64]
    means: NDArray[np.float64]
    degrees: NDArray[np.float64]  # (k,), or a scalar for tied
    covariances: NDArray[np.float64]
    factors: NDArray[np.float64]


class Moments(NamedTuple):
    """Weight, mean and covariance (with reg_covar) of the rows of each component."""

    n: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]


def products(data: Data) -> NDArray[np.float64]:
    """Return sum of w z z^T about the mean, (d, d)."""
    d, centers = data.rows.shape[1], data.mean[None]
    sums = _core.gmm_gather(
        data.rows, data.weights, data.mean, "full", None, centers, data.n_threads
    )
    off = sums[3] - data.mean  # the core works about the mean as rounded to the dtype of X
    s1 = sums[1]
    cross = np.outer(s1, off)
    total: NDArray[np.float64] = square(sums[2], 1, d)[0] + cross + cross.T
    total += sums[0] * np.outer(off, off)
    return total


def square(s2: NDArray[np.float64], k: int, d: int) -> NDArray[np.float64]:
    """Return the core's lower triangles as symmetric matrices."""
    side = math.isqrt(s2.size // k)
    lower = np.tril(s2.reshape(k, side, side)[:, :d, :d])
    symmetric: NDArray[np.float64] = lower + np.tril(lower, -1).swapaxes(1, 2)
    return symmetric


def moments(
    sums: _core.Sums, data: Data, kind: str, reg_covar: float, products: NDArray[np.float64]
) -> Moments:
    """Return what a pass gathered as weights, means and covariances."""
    n, d = sums[0] + NOTHING * data.total / len(data.rows), data.rows.shape[1]
    k = len(n)
    delta = sums[1].reshape(k, d) / n[:, None]
    means = sums[3].reshape(k, d) + delta
    ridge = reg_covar * np.eye(d)
    if kind == "full":
        outer = delta[:, :, None] * delta[:, None, :]
        return Moments(n, means, square(sums[2], k, d) / n[:, None, None] - outer + ridge)
    if kind == "tied":
        off = means - data.mean
        return Moments(n, means, (products - (n * off.T) @ off) / n.sum() + ridge)
    variances = sums[2].reshape(k, d) / n[:, None] - delta**2 + reg_covar
    return Moments(n, means, variances if kind == "diag" else variances.mean(axis=1))


def posterior(m: Moments, prior: Prior, kind: str, process: bool) -> Posterior:
    """Return the parameters that the moments of the rows and the priors make."""
    k = len(m.n)
    if process:
        above = np.hstack((np.cumsum(m.n[::-1])[-2::-1], 0))  # weight of the sticks that follow
        concentration: Any = (1 + m.n, prior.concentration + above)
    else:
        concentration = prior.concentration + m.n
    precision = prior.mean_precision + m.n
    means = (prior.mean_precision * prior.mean + m.n[:, None] * m.means) / precision[:, None]
    shrunk = m.n * prior.mean_precision / precision
    off = m.means - prior.mean
    degrees: Any = prior.degrees + m.n
    if kind == "full":
        outer = off[:, :, None] * off[:, None, :]
        scale = (
            prior.covariance + m.n[:, None, None] * m.covariances + shrunk[:, None, None] * outer
        )
        covariances = scale / degrees[:, None, None]
    elif kind == "tied":
        degrees = prior.degrees + m.n.sum() / k
        scale = prior.covariance + m.covariances * m.n.sum() / k + (shrunk * off.T) @ off / k
        covariances = scale / degrees
    elif kind == "diag":
        scale = prior.covariance + m.n[:, None] * m.covariances + shrunk[:, None] * off**2
        covariances = scale / degrees[:, None]
    else:
        scale = prior.covariance + m.n * m.covariances + shrunk * (off**2).mean(axis=1)
        covariances = scale / degrees
    lifted, inverse = factors(covariances, kind)
    return Posterior(concentration, precision, means, degrees, lifted, inverse)


def factors(
    covariances: NDArray[np.float64], kind: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the covariances, lifted where they are singular, and T with T^T T their inverse."""
    if kind in ("diag", "spherical"):
        least = FLAT * np.mean(covariances)
        if not least > 0:
            raise ValueError(SINGULAR)
        lifted = np.maximum(covariances, least)
        return lifted, np.asarray(1 / np.sqrt(lifted))
    eye = np.eye(covariances.shape[-1])
    variance = covariances.diagonal(axis1=-2, axis2=-1).mean(axis=-1)[..., None, None]
    for share in (0, FLAT, 100 * FLAT, 1e4 * FLAT):
        lifted = covariances + share * variance * eye
        try:
            lower = np.linalg.cholesky(lifted)
        except np.linalg.LinAlgError:
            continue
        pivots = lower.diagonal(axis1=-2, axis2=-1) ** 2
        if (pivots > 0.1 * FLAT * variance[..., 0]).all():
            inverse = np.linalg.solve(lower, np.broadcast_to(eye, lower.shape))
            return lifted, np.ascontiguousarray(np.tril(inverse))
    raise ValueError(SINGULAR)


def log_det(state: Posterior, kind: str) -> Any:
    """Return ln of the determinant of every T, less d/2 ln of the degrees of freedom."""
    d = state.means.shape[1]
    if kind in ("full", "tied"):
        logs = np.log(state.factors.diagonal(axis1=-2, axis2=-1)).sum(axis=-1)
    elif kind == "diag":
        logs = np.log(state.factors).sum(axis=1)
    else:
        logs = d * np.log(state.factors)
    return logs - 0.5 * d * np.log(state.degrees)


def constants(state: Posterior, kind: str) -> NDArray[np.float64]:
    """Return what the E-step adds to -|T (x - m)|^2 / 2: expected logarithms."""
    k, d = state.means.shape
    if isinstance(state.concentration, tuple):
        a, b = state.concentration
        both = digamma(a + b)
        log_weights = digamma(a) - both + np.hstack((0, np.cumsum(digamma(b) - both)[:-1]))
    else:
        log_weights = digamma(state.concentration) - digamma(state.concentration.sum())
    steps = np.arange(d).reshape(d, *[1] * np.ndim(state.degrees))
    log_lambda = d * math.log(2) + digamma(0.5 * (state.degrees - steps)).sum(axis=0)
    log_gauss = log_det(state, kind) - 0.5 * d * math.log(2 * math.pi)
    constants = log_weights + log_gauss + 0.5 * (log_lambda - d / state.mean_precision)
    return np.ascontiguousarray(np.broadcast_to(constants, (k,)), dtype=np.float64)


def bound(state: Posterior, kind: str) -> float:
    """Return the lower bound without the entropy of the responsibilities, up to a constant."""
    k, d = state.means.shape
    steps = np.arange(d).reshape(d, *[1] * np.ndim(state.degrees))
    log_wishart = -(
        state.degrees * log_det(state, kind)
        + state.degrees * d * 0.5 * math.log(2)
        + gammaln(0.5 * (state.degrees - steps)).sum(axis=0)
    )
    if isinstance(state.concentration, tuple):
        a, b = state.concentration
        log_norm = -(gammaln(a) + gammaln(b) - gammaln(a + b)).sum()
    else:
        alpha = state.concentration
        log_norm = gammaln(alpha.sum()) - gammaln(alpha).sum()
    total = k * log_wishart if kind == "tied" else log_wishart.sum()
    return float(-total - log_norm - 0.5 * d * np.log(state.mean_precision).sum())
