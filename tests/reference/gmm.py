"""EM for Gaussian mixtures in float64, n x k x d arrays and all.

A model is weights (k), means (k, d) and factors T with precision = T^T T, lower triangular: shaped
(k, d, d), (d, d), (k, d) or (k) for 'full', 'tied', 'diag' and 'spherical'; so are covariances.
"""

import numpy as np


def triangles(factors, kind, k, d):
    """The factors as k lower triangular matrices; covariances as k matrices."""
    if kind in ("full", "tied"):
        return np.broadcast_to(factors, (k, d, d))
    return np.broadcast_to(factors.reshape(k, -1, 1), (k, d, 1)) * np.eye(d)


def factors_of(covariances, kind):
    if kind in ("full", "tied"):
        return np.linalg.inv(np.linalg.cholesky(covariances))
    return 1 / np.sqrt(covariances)


def log_joint(X, weights, means, factors, kind):
    """ln pi_c N(x_i | mu_c, S_c), (n, k)."""
    T = triangles(factors, kind, *means.shape)
    squares = (np.einsum("cij,ncj->nci", T, X[:, None] - means) ** 2).sum(axis=2)
    log_det = np.log(np.einsum("cii->ci", T)).sum(axis=1)
    return np.log(weights) + log_det - means.shape[1] / 2 * np.log(2 * np.pi) - squares / 2


def expect(log_joint):
    """Log density of every row and responsibilities, by the largest term first."""
    top = log_joint.max(axis=1)
    log_density = top + np.log(np.exp(log_joint - top[:, None]).sum(axis=1))
    return log_density, np.exp(log_joint - log_density[:, None])


def maximise(X, w, r, kind, reg_covar=0.0):
    """Weights, means and covariances of the rows with weights w shared out by r."""
    rho = w[:, None] * r
    n, origin = rho.sum(axis=0), X.mean(axis=0)
    means = origin + rho.T @ (X - origin) / n[:, None]
    z = X[:, None] - means
    scatter = np.einsum("nc,nci,ncj->cij", rho, z, z, optimize=True)
    if kind == "tied":
        S = scatter.sum(axis=0) / n.sum() + reg_covar * np.eye(X.shape[1])
    else:
        S = scatter / n[:, None, None] + reg_covar * np.eye(X.shape[1])
    if kind in ("diag", "spherical"):
        S = np.einsum("cii->ci", S)
    return n / n.sum(), means, S.mean(axis=1) if kind == "spherical" else S


def step(X, w, weights, means, factors, kind, reg_covar=0.0):
    """One iteration: the mean log density before it, then weights, means and covariances."""
    log_density, r = expect(log_joint(X, weights, means, factors, kind))
    return (w @ log_density / w.sum(), *maximise(X, w, r, kind, reg_covar))
