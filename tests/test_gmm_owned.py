"""Fits whose rows mostly belong to one component alone, and so are not read in every iteration."""

import numpy as np
import pytest
from coterie import GaussianMixture, _core
from mixtures import assert_half
from reference import gmm as reference

N, D, K, ITERATIONS = 3000, 64, 3, 8
KINDS = pytest.mark.parametrize("kind", ["diag", "spherical"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def apart(dtype):
    """Rows of K groups, two of them in reach of each other, and weights of rows."""
    rng = np.random.default_rng(5)
    centers = rng.normal(scale=3, size=(K, D))
    centers[1] = centers[0] + rng.normal(scale=0.6, size=D)
    X = centers[rng.integers(0, K, N)] + rng.normal(size=(N, D)) * rng.uniform(0.5, 1.5, size=D)
    return X.astype(dtype), centers + rng.normal(scale=0.3, size=(K, D)), rng.integers(0, 4, N)


def start_of(X, kind):
    precision = 1 / X.var(axis=0, dtype="float64")
    return np.tile(precision, (K, 1)) if kind == "diag" else np.full(K, precision.mean())


@DTYPES
@KINDS
@pytest.mark.parametrize("weighted", [False, True])
def test_bounds_are_those_of_a_plain_loop(kind, dtype, weighted):
    X, means, counts = apart(dtype)
    weights = counts.astype("float64") if weighted else None
    given = {"weights_init": [1 / K] * K, "means_init": means, "precisions_init": start_of(X, kind)}
    fits = [
        GaussianMixture(K, covariance_type=kind, tol=0, max_iter=ITERATIONS, n_threads=t, **given)
        for t in (1, 2, 3, 8)
    ]
    for fit in fits:
        with pytest.warns(UserWarning, match="converged"):
            fit.fit(X, sample_weight=weights)
    for fit in fits[1:]:  # the same bits
        assert fit.lower_bounds_ == fits[0].lower_bounds_
        np.testing.assert_array_equal(fit.means_, fits[0].means_)
        np.testing.assert_array_equal(fit.covariances_, fits[0].covariances_)
    rows = X.astype("float64")
    w = np.ones(N) if weights is None else weights
    model, wanted = (np.full(K, 1 / K), means, np.sqrt(start_of(X, kind))), []
    for _ in range(ITERATIONS):
        bound, *parameters, covariances = reference.step(rows, w, *model, kind, 1e-6)
        model = (*parameters, reference.factors_of(covariances, kind))
        wanted.append(bound)
    digits = 1e-9 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(fits[0].lower_bounds_, wanted, rtol=digits)
    if dtype == np.float64:
        assert_half(fits[0].means_, model[1])


@DTYPES
@pytest.mark.parametrize("kind", ["full", "diag", "spherical"])
def test_moments_of_columns_need_not_be_known(kind, dtype):
    X, means, _ = apart(dtype)
    precision = start_of(X, "spherical" if kind == "spherical" else "diag")
    factors = np.sqrt(precision)
    if kind == "full":
        factors = np.stack([np.diag(f) for f in factors])
    options = (kind, np.full(K, 1 / K), means, factors, -np.inf, 4, 0.0, 1e-6, 2, None)
    known = _core.gmm_fit(X, None, *_core.moments(X, None, 2), *options)
    found = _core.gmm_fit(X, None, None, None, *options)
    digits = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(found[4], known[4], rtol=digits)


def test_tied_covariances_need_moments():
    X, means, _ = apart(np.float64)
    factors = np.eye(D)
    with pytest.raises(ValueError, match="mean: wanted the columns' means, got None"):
        _core.gmm_fit(
            X, None, None, None, "tied", np.full(K, 1 / K), means, factors, 0.0, 1, 0, 0, 1, None
        )
