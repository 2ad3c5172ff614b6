"""Mixtures to test with, and the core's functions on them with their results by name."""

from typing import NamedTuple

import numpy as np
from coterie import _core
from reference import gmm as reference

KINDS = ("full", "tied", "diag", "spherical")


class Model(NamedTuple):
    kind: str
    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray

    @property
    def triangles(self):
        return reference.triangles(self.factors, self.kind, *self.means.shape)

    @property
    def constants(self):
        """What is added to -|T z|^2 / 2."""
        log_det = np.log(np.einsum("cii->ci", self.triangles)).sum(axis=1)
        return np.log(self.weights) + log_det - self.means.shape[1] / 2 * np.log(2 * np.pi)

    def log_joint(self, X):
        return reference.log_joint(np.asarray(X, dtype=np.float64), *self[1:], self.kind)


def model(k, d, kind, seed=0, spread=1.5):
    """A mixture whose components overlap, so that each has its share of every row."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.2, 1, k)
    means = spread / np.sqrt(d) * rng.standard_normal((k, d))
    if kind in ("diag", "spherical"):
        factors = rng.uniform(0.7, 1.5, (k, d) if kind == "diag" else k)
    else:
        below = np.tril(rng.uniform(-0.5, 0.5, (k, d, d)) / np.sqrt(d), -1)
        factors = below + rng.uniform(0.7, 1.5, (k, d, 1)) * np.eye(d)
        factors = factors if kind == "full" else factors[0].copy()
    return Model(kind, weights / weights.sum(), means, factors)


def rows(n, d, dtype=np.float64, seed=1):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(dtype)


def towns(n=240, d=2, k=3, seed=0, dtype=np.float64, apart=8.0):
    """Blobs that no start can mistake, and their labels; component c stands at apart * c."""
    labels = np.arange(n) % k
    rng = np.random.default_rng(seed)
    return (apart * labels[:, None] + rng.standard_normal((n, d))).astype(dtype), labels


def score(X, m, n_threads=1, constants=None):
    """Log densities, responsibilities and labels, each also asked for alone."""
    n, k = len(X), len(m.means)
    log_density, r = np.full(n, np.nan), np.full((n, k), np.nan, X.dtype)
    labels = np.full(n, -7, np.int32)
    weights = m.weights if constants is None else None

    def call(*out):
        _core.gmm_score(X, m.kind, weights, m.means, m.factors, constants, *out, n_threads)

    call(log_density, r, labels)
    for i, out in enumerate((log_density, r, labels)):
        alone = [None, None, None]
        alone[i] = np.full_like(out, -9)
        call(*alone)
        np.testing.assert_array_equal(alone[i], out)
    return log_density, r, labels


class Sums(NamedTuple):
    n: np.ndarray
    s1: np.ndarray
    s2: np.ndarray  # (k, d, d), (k, d), or nothing for 'tied'
    centers: np.ndarray
    log_likelihood: float
    entropy: float


def _sums(found, kind, k, d):
    n, s1, s2, centers, *rest = found
    if kind == "full":
        side = (d + 3) // 4 * 4
        s2 = np.tril(s2.reshape(k, side, side)[:, :d, :d])
        s2 = s2 + np.tril(s2, -1).swapaxes(1, 2)
    elif kind != "tied":
        s2 = s2.reshape(k, d)
    return Sums(n, s1.reshape(k, d), s2, centers.reshape(k, d), *rest)


def expect(X, w, m, groups=None, n_threads=1, shift=None):
    """The E-step's sums; groups: a guess at every row's component, written to."""
    k, d = m.means.shape
    shift = X.mean(axis=0, dtype=np.float64) if shift is None else shift
    groups = np.zeros(len(X), np.uint16) if groups is None else groups
    found = _core.gmm_expect(
        X, w, shift, m.kind, m.means, m.factors, m.constants, groups, n_threads
    )
    return _sums(found, m.kind, k, d)


def gather(X, w, kind, given, centers, n_threads=1, shift=None):
    shift = X.mean(axis=0, dtype=np.float64) if shift is None else shift
    found = _core.gmm_gather(X, w, shift, kind, given, centers, n_threads)
    return _sums(found, kind, *centers.shape)


class Fit(NamedTuple):
    model: Model
    covariances: np.ndarray
    lower_bounds: np.ndarray
    converged: bool
    regularised: list
    reseeded: list


def _fit(found, kind, k, d):
    weights, means, covariances, factors, *rest = found
    shape = {"full": (k, d, d), "tied": (d, d), "diag": (k, d), "spherical": (k,)}[kind]
    fitted = Model(kind, weights, means.reshape(k, d), factors.reshape(shape))
    return Fit(fitted, covariances.reshape(shape), *rest)


def fit(X, w, m, max_iter=1, tol=0.0, reg_covar=0.0, n_threads=1, callback=None, before=-np.inf):
    mean, variance = _core.moments(X, w, n_threads)
    options = (before, max_iter, tol, reg_covar, n_threads, callback)
    found = _core.gmm_fit(X, w, mean, variance, *m, *options)
    return _fit(found, m.kind, *m.means.shape)


def start(X, w, kind, k, given, reg_covar=0.0, n_threads=1):
    mean, variance = _core.moments(X, w, n_threads)
    found = _core.gmm_start(X, w, mean, variance, kind, k, given, reg_covar, n_threads)
    return _fit(found, kind, k, X.shape[1])


# Two fits agree to half the digits of float64: a rounding of the first iterations, in sums of
# another order, is carried along by all that follow, through covariances and their inverses.
HALF = float(np.sqrt(np.finfo(np.float64).eps))


def assert_half(ours, theirs):
    """Equal to half the digits of float64, of the largest entry."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=HALF * max(1.0, np.abs(theirs).max()))


PARAMETERS = ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_")


def assert_same_fit(ours, theirs, names=PARAMETERS):
    assert (ours.n_iter_, ours.converged_) == (theirs.n_iter_, theirs.converged_)
    for name in names:
        assert_half(getattr(ours, name), getattr(theirs, name))
    assert_half(ours.lower_bounds_, np.ravel(theirs.lower_bounds_))
    assert_half(ours.lower_bound_, np.ravel(theirs.lower_bound_)[-1])


def assert_bits(model, other):
    for name in PARAMETERS:
        np.testing.assert_array_equal(getattr(model, name), getattr(other, name))
    assert model.lower_bounds_ == other.lower_bounds_
    assert (model.n_iter_, model.converged_) == (other.n_iter_, other.converged_)
