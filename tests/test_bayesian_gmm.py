"""BayesianGaussianMixture: scikit-learn's results and priors, what it prunes, special functions."""

import math

import numpy as np
import pytest
from coterie import BayesianGaussianMixture
from coterie._estimator import ConvergenceWarning
from coterie._special import digamma, gammaln
from mixtures import KINDS, assert_bits, assert_half, assert_same_fit, rows, towns
from tolerance import EPS, assert_within

EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
PRIORS = ("dirichlet_process", "dirichlet_distribution")
EITHER = pytest.mark.parametrize("prior", PRIORS)
POSTERIOR = (
    "weights_",
    "means_",
    "covariances_",
    "precisions_",
    "precisions_cholesky_",
    "mean_precision_",
    "degrees_of_freedom_",
    "weight_concentration_prior_",
    "mean_precision_prior_",
    "mean_prior_",
    "degrees_of_freedom_prior_",
    "covariance_prior_",
)


def fit(X, k=3, kind="full", prior=PRIORS[0], w=None, **options):
    options = {"weight_concentration_prior_type": prior, "random_state": 0, **options}
    model = BayesianGaussianMixture(n_components=k, covariance_type=kind, **options)
    return model.fit(X, sample_weight=w)


def covariance(X, kind):
    """A prior of the shape that goes with the kind."""
    S = np.cov(X.T) / 2
    wide = {"full": S, "tied": S, "diag": S.diagonal(), "spherical": float(np.trace(S) / len(S))}
    return wide[kind]


def priors(X, kind):
    d = X.shape[1]
    return {
        "mean_prior": X[3],
        "covariance_prior": covariance(X, kind),
        "degrees_of_freedom_prior": d + 2.5,
        "weight_concentration_prior": 0.3,
        "mean_precision_prior": 0.7,
    }


# --- scikit-learn's results


@EVERY_KIND
@EITHER
@pytest.mark.parametrize("with_priors", [False, True])
@pytest.mark.parametrize("name", ["iris", "wine"])
def test_a_seed_gives_what_sklearn_gives(name, with_priors, prior, kind):
    mixture = pytest.importorskip("sklearn.mixture")
    X = getattr(pytest.importorskip("sklearn.datasets"), f"load_{name}")().data
    options = priors(X, kind) if with_priors else {}
    options |= {"weight_concentration_prior_type": prior, "random_state": 1, "max_iter": 200}
    theirs = mixture.BayesianGaussianMixture(n_components=4, covariance_type=kind, **options)
    ours, theirs = fit(X, 4, kind, **options), theirs.fit(X)
    assert_same_fit(ours, theirs, POSTERIOR)
    for one, other in zip(
        np.atleast_2d(ours.weight_concentration_),
        np.atleast_2d(theirs.weight_concentration_),
        strict=True,
    ):
        assert_half(one, other)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    for method in ("predict_proba", "score_samples", "score"):
        assert_half(getattr(ours, method)(X), getattr(theirs, method)(X))
    assert_half(ours.sample(30)[0], theirs.sample(30)[0])


@pytest.mark.parametrize("init", ["random", "k-means++", "random_from_data"])
@EITHER
def test_starts_are_sklearns(prior, init):
    mixture = pytest.importorskip("sklearn.mixture")
    X, options = rows(200, 3), {"init_params": init, "random_state": 3, "max_iter": 0}
    options["weight_concentration_prior_type"] = prior
    theirs = mixture.BayesianGaussianMixture(n_components=3, **options).fit(X)
    ours = BayesianGaussianMixture(n_components=3, **options).fit(X)
    for name in POSTERIOR:
        assert_half(getattr(ours, name), getattr(theirs, name))


BAD_PRIORS = {
    "mean": ({"mean_prior": [1.0]}, r"'means' should have the shape of \(3,\), but got \(1,\)"),
    "degrees": (
        {"degrees_of_freedom_prior": 2.0},
        r"'degrees_of_freedom_prior' should be greater than 2, but got 2\.000",
    ),
    "covariance, shape": (
        {"covariance_prior": np.eye(2)},
        r"'full covariance_prior' should have the shape of \(3, 3\), but got \(2, 2\)",
    ),
    "diag, shape": (
        {"covariance_prior": np.eye(3), "covariance_type": "diag"},
        r"'diag covariance_prior' should have the shape of \(3,\), but got \(3, 3\)",
    ),
    "indefinite": (
        {"covariance_prior": -np.eye(3)},
        "'full precision' should be symmetric, positive-definite",
    ),
    "not symmetric": (
        {"covariance_prior": np.triu(np.ones((3, 3))), "covariance_type": "tied"},
        "'tied precision' should be symmetric, positive-definite",
    ),
    "negative": (
        {"covariance_prior": -np.ones(3), "covariance_type": "diag"},
        "'diag precision' should be positive",
    ),
}


@pytest.mark.parametrize("case", BAD_PRIORS)
def test_bad_priors_in_sklearns_words(case):
    options, message = BAD_PRIORS[case]
    with pytest.raises(ValueError, match=message):
        BayesianGaussianMixture(**options).fit(rows(20, 3))
    mixture = pytest.importorskip("sklearn.mixture")
    with pytest.raises(ValueError, match=message):
        mixture.BayesianGaussianMixture(**options).fit(rows(20, 3))


BAD_NUMBERS = [
    ({"weight_concentration_prior": 0}, "weight_concentration_prior: wanted a number > 0, got 0"),
    ({"weight_concentration_prior": -1.0}, "weight_concentration_prior: wanted"),
    ({"mean_precision_prior": 0.0}, "mean_precision_prior: wanted a number > 0"),
    ({"mean_precision_prior": np.inf}, "mean_precision_prior: wanted a finite number"),
    ({"degrees_of_freedom_prior": np.nan}, "degrees_of_freedom_prior: wanted a finite number"),
    (
        {"covariance_prior": 0.0, "covariance_type": "spherical"},
        "covariance_prior: wanted a number",
    ),
    ({"mean_prior": [np.nan, 0, 0]}, "'means' should be finite"),
    ({"weight_concentration_prior_type": "flat"}, "weight_concentration_prior_type: wanted one of"),
]


@pytest.mark.parametrize(("options", "message"), BAD_NUMBERS)
def test_bad_numbers(options, message):
    with pytest.raises(ValueError, match=message):
        BayesianGaussianMixture(**options).fit(rows(20, 3))


# --- what does not matter, and what does


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@EVERY_KIND
@EITHER
def test_weights_are_repetitions(prior, kind, dtype):
    """One component needs no start."""
    X, w = rows(150, 3, dtype), np.arange(150) % 3
    weighted, repeated = fit(X, 1, kind, prior, w), fit(np.repeat(X, w, axis=0), 1, kind, prior)
    off = 4 * len(X) * np.finfo(dtype).eps  # a rounding of each row, in both sums
    for name in POSTERIOR:
        wanted = getattr(repeated, name)
        assert_within(getattr(weighted, name), wanted, off * max(1, np.abs(wanted).max()))
    assert weighted.n_iter_ == repeated.n_iter_
    np.testing.assert_allclose(weighted.lower_bounds_, repeated.lower_bounds_, rtol=off)
    mean = repeated.score(np.repeat(X, w, axis=0))
    assert_within(weighted.score(X, sample_weight=w), mean, off * abs(mean))


@EVERY_KIND
def test_weights_are_repetitions_of_clusters(kind):
    X, w = towns(150, 3, 3)[0], np.arange(150) % 3 + 1
    weighted, repeated = fit(X, 3, kind, w=w), fit(np.repeat(X, w, axis=0), 3, kind)
    for name in ("means_", "weights_"):  # the process prefers an order, the start has its own
        ours, theirs = (np.sort(getattr(m, name), axis=0) for m in (weighted, repeated))
        assert_within(ours, theirs, 0.1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@EVERY_KIND
@EITHER
def test_same_bits_for_any_number_of_threads(prior, kind, dtype):
    X = towns(5000, 4, 3, dtype=dtype, apart=2)[0]
    w = np.random.default_rng(0).uniform(size=5000)
    one, *others = (
        fit(X, 5, kind, prior, w, n_threads=t, max_iter=5, tol=1e9) for t in (1, 2, 3, 8)
    )
    for other in others:
        assert_bits(other, one)
        np.testing.assert_array_equal(other.score_samples(X), one.score_samples(X))


@EVERY_KIND
@EITHER
def test_components_that_are_not_needed_lose_their_weight(prior, kind):
    X, labels = towns(600, 2, 3)
    model = fit(X, 8, kind, prior, weight_concentration_prior=1e-3, max_iter=1000, tol=1e-5)
    kept = np.flatnonzero(model.weights_ > 0.02)
    assert len(kept) == 3
    assert_within(model.weights_[kept], np.full(3, 1 / 3), 0.02)
    assert len(set(zip(model.predict(X), labels, strict=True))) == 3
    assert_within(model.weights_.sum(), 1, 8 * EPS)


@EITHER
def test_the_bound_does_not_fall(prior):
    """Those of the other kinds may: they follow scikit-learn's conventions."""
    options = {"reg_covar": 0, "tol": 0, "max_iter": 60}
    with pytest.warns(ConvergenceWarning, match="no run converged within max_iter=60"):
        bounds = fit(rows(300, 3), 4, "full", prior, **options).lower_bounds_
    assert len(bounds) == 60
    assert (np.diff(bounds) >= -1e3 * EPS * np.abs(bounds).max()).all()


@EVERY_KIND
@EITHER
def test_warm_start_goes_on(prior, kind):
    X, options = towns(300, 2, 3, apart=3)[0], {"tol": 1e-4, "max_iter": 500}
    long = fit(X, 4, kind, prior, **options)
    parts = fit(X, 4, kind, prior, tol=1e9, warm_start=True)  # converged by decree
    assert parts.n_iter_ == 1 or parts.lower_bounds_ == long.lower_bounds_[: parts.n_iter_]
    done = parts.n_iter_
    parts.set_params(**options).fit(X)
    assert done + parts.n_iter_ == long.n_iter_
    for name in POSTERIOR:
        assert_half(getattr(parts, name), getattr(long, name))


# --- special functions


ARGUMENTS = np.concatenate(
    [
        np.logspace(-12, 12, 400),
        np.linspace(0.01, 30, 500),
        [1.4616321449683623, 1, 2, 0.5, 9.999999999, 10, 1e-300, 1e300],
    ]
)


def test_digamma():
    special = pytest.importorskip("scipy.special")
    wanted = special.digamma(ARGUMENTS)
    # Ten reciprocals are subtracted at most, and one logarithm of at most ln 20 added.
    assert_within(digamma(ARGUMENTS), wanted, 16 * EPS * (np.abs(wanted) + 3))
    assert digamma(3).shape == ()
    assert digamma(np.ones((2, 3))).shape == (2, 3)


def test_digamma_of_whole_numbers():
    """psi(n) = -gamma + 1 + 1/2 + ... + 1/(n-1)."""
    n = np.arange(1, 60)
    wanted = -np.euler_gamma + np.concatenate([[0], np.cumsum(1 / n)[:-1]])
    assert_within(digamma(n), wanted, 16 * EPS * (np.abs(wanted) + 3))


def test_gammaln():
    few = ARGUMENTS[ARGUMENTS < 1e299]
    np.testing.assert_array_equal(gammaln(few), [math.lgamma(x) for x in few])
    assert gammaln(np.ones((2, 3))).shape == (2, 3)
    special = pytest.importorskip("scipy.special")
    wanted = special.gammaln(few)
    assert_within(gammaln(few), wanted, 8 * EPS * (np.abs(wanted) + 1))
