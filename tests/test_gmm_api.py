"""Mixtures as their users see them: scikit-learn's results, starts, when to stop and go on."""

import inspect
import pickle

import numpy as np
import pytest
from coterie import BayesianGaussianMixture, GaussianAnomalyDetector, GaussianMixture
from coterie._estimator import ConvergenceWarning, NotFittedError
from mixtures import HALF, KINDS, assert_bits, assert_half, assert_same_fit, model, rows, towns
from tolerance import EPS, assert_within

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
MIXTURES = pytest.mark.parametrize("cls", [GaussianMixture, BayesianGaussianMixture])


def given(m):
    """Parameters that start a fit at `m`."""
    T = m.factors
    precisions = T.swapaxes(-1, -2) @ T if m.kind in ("full", "tied") else T**2
    return {
        "n_components": len(m.means),
        "covariance_type": m.kind,
        "weights_init": m.weights,
        "means_init": m.means,
        "precisions_init": precisions,
    }


def by_hand(m):
    """A mixture that was never fitted."""
    out, T = GaussianMixture(len(m.means), covariance_type=m.kind), m.factors
    out.weights_, out.means_, out.precisions_cholesky_ = m.weights, m.means, T
    if m.kind in ("full", "tied"):
        out.precisions_cholesky_ = T.swapaxes(-1, -2)
        out.covariances_ = np.linalg.inv(T.swapaxes(-1, -2) @ T)
    else:
        out.covariances_ = 1 / T**2
    return out


# --- scikit-learn's results


def real_data(name):
    return getattr(pytest.importorskip("sklearn.datasets"), f"load_{name}")().data


@pytest.mark.parametrize("name", ["iris", "wine"])
@pytest.mark.parametrize("init", ["kmeans", "random"])
@pytest.mark.parametrize("seed", [0, 1])
@EVERY_KIND
def test_a_seed_gives_what_sklearn_gives(kind, seed, init, name):
    mixture = pytest.importorskip("sklearn.mixture")
    X = real_data(name)
    options = {"covariance_type": kind, "init_params": init, "random_state": seed}
    theirs = mixture.GaussianMixture(3, **options).fit(X)
    ours = GaussianMixture(3, **options).fit(X)
    assert_same_fit(ours, theirs)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    for method in ("predict_proba", "score_samples", "score", "aic", "bic"):
        assert_half(getattr(ours, method)(X), getattr(theirs, method)(X))
    for ours_out, theirs_out in zip(ours.sample(50), theirs.sample(50), strict=True):
        assert_half(ours_out, theirs_out)
    assert GaussianMixture(3, **options).fit_predict(X).tolist() == ours.predict(X).tolist()


@EVERY_KIND
def test_samples_are_sklearns(kind):
    mixture = pytest.importorskip("sklearn.mixture")
    theirs = mixture.GaussianMixture(3, covariance_type=kind, random_state=0).fit(real_data("wine"))
    ours = GaussianMixture(3, covariance_type=kind, random_state=0)
    for name in ("weights_", "means_", "covariances_", "precisions_cholesky_"):
        setattr(ours, name, getattr(theirs, name))
    for n in (1, 2, 100):
        for one, other in zip(ours.sample(n), theirs.sample(n), strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="Invalid value for 'n_samples': 0"):
        ours.sample(0)
    ours.random_state = np.random.default_rng(0)
    assert ours.sample(5)[0].shape == (5, 13)


@pytest.mark.parametrize("name", ["GaussianMixture", "BayesianGaussianMixture"])
def test_signature_is_a_superset_of_sklearns(name):
    theirs = inspect.signature(getattr(pytest.importorskip("sklearn.mixture"), name)).parameters
    ours = inspect.signature(globals()[name]).parameters
    for one, parameter in theirs.items():
        assert ours[one].default == parameter.default, one
        assert ours[one].kind == parameter.kind, one
    assert [one for one in ours if one not in theirs] == ["n_threads", "callback"]


@pytest.mark.parametrize("cls", [GaussianMixture, BayesianGaussianMixture, GaussianAnomalyDetector])
@pytest.mark.filterwarnings("ignore")  # the checks provoke our warnings
def test_check_estimator(cls):
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    results = checks.check_estimator(cls(), on_fail=None, on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 40
    assert [r["check_name"] for r in results if r["status"] not in ("passed", "skipped")] == []


# --- starts


@pytest.mark.parametrize("init", ["kmeans", "k-means++", "random", "random_from_data"])
@EVERY_KIND
def test_every_start_finds_what_is_plain(kind, init):
    X, labels = towns(300, 3, 3)
    fit = GaussianMixture(
        3, covariance_type=kind, init_params=init, n_init=5, random_state=0, max_iter=300
    ).fit(X)
    found = fit.predict(X)
    if init != "random":  # whose components all start at the mean of X
        assert len(set(zip(found, labels, strict=True))) == 3
    assert len(np.unique(found)) <= 3
    assert_within(fit.weights_.sum(), 1, 4 * EPS)


@EVERY_KIND
def test_given_parameters(kind):
    """All three are the start themselves; what is not given comes from the data."""
    X, m = rows(200, 3), model(4, 3, kind)
    fit = GaussianMixture(**given(m), max_iter=0).fit(X)
    np.testing.assert_array_equal(fit.weights_, m.weights)
    np.testing.assert_array_equal(fit.means_, m.means)
    assert_half(fit.precisions_, given(m)["precisions_init"])
    assert_half(fit.precisions_cholesky_, by_hand(m).precisions_cholesky_)
    assert_half(fit.covariances_, by_hand(m).covariances_)
    for name in ("weights_init", "means_init", "precisions_init"):
        some = {**given(m), "max_iter": 0, "random_state": 0, name: None}
        fit = GaussianMixture(**some).fit(X)
        plain = GaussianMixture(4, covariance_type=kind, max_iter=0, random_state=0).fit(X)
        attribute = name.replace("init", "")
        if name != "precisions_init":
            np.testing.assert_array_equal(getattr(fit, attribute), getattr(plain, attribute))
        else:
            assert_half(fit.precisions_, plain.precisions_)
    lists = {name: np.asarray(value).tolist() for name, value in given(m).items() if "init" in name}
    again = GaussianMixture(4, covariance_type=kind, **lists, max_iter=2, tol=9).fit(X)
    assert_bits(again, GaussianMixture(**given(m), max_iter=2, tol=9).fit(X))


BAD_STARTS = {
    "weights, shape": ({"weights_init": [1.0]}, r"'weights' should have the shape of \(2,\), but"),
    "weights, range": ({"weights_init": [-0.5, 1.5]}, r"'weights' should be in the range \[0, 1\]"),
    "weights, sum": ({"weights_init": [0.5, 0.6]}, "'weights' should be normalized, but got sum"),
    "means": ({"means_init": [[1.0, 2, 3]]}, r"'means' should have the shape of \(2, 3\), but"),
    "NaN": ({"means_init": np.full((2, 3), np.nan)}, "'means' should be finite"),
    "precisions, shape": (
        {"precisions_init": np.eye(3)},
        r"'full precision' should have the shape of \(2, 3, 3\), but got \(3, 3\)",
    ),
    "not symmetric": (
        {"precisions_init": np.array([np.eye(3), np.triu(np.ones((3, 3)))])},
        "'full precision' should be symmetric, positive-definite",
    ),
    "indefinite": (
        {"precisions_init": -np.eye(3), "covariance_type": "tied"},
        "'tied precision' should be symmetric, positive-definite",
    ),
    "negative": (
        {"precisions_init": -np.ones((2, 3)), "covariance_type": "diag"},
        "'diag precision' should be positive",
    ),
    "zero": (
        {"precisions_init": np.zeros(2), "covariance_type": "spherical"},
        "'spherical precision' should be positive",
    ),
}


@pytest.mark.parametrize("case", BAD_STARTS)
def test_bad_starts_in_sklearns_words(case):
    options, message = BAD_STARTS[case]
    X = rows(20, 3)
    with pytest.raises(ValueError, match=message):
        GaussianMixture(2, **options).fit(X)
    mixture = pytest.importorskip("sklearn.mixture")
    if case != "NaN":
        with pytest.raises(ValueError, match=message):
            mixture.GaussianMixture(2, **options).fit(X)


def test_the_best_of_several_runs():
    X = rows(200, 3)
    options = {"init_params": "random", "max_iter": 4, "tol": 0}

    def fits(n_init, n_fits):
        model = GaussianMixture(4, n_init=n_init, random_state=random, **options)
        for _ in range(n_fits):
            with pytest.warns(ConvergenceWarning, match="no run converged within max_iter=4"):
                model.fit(X)
            yield pickle.loads(pickle.dumps(model))

    random = np.random.RandomState(0)
    single = list(fits(1, 5))
    random = np.random.RandomState(0)
    (best,) = fits(5, 1)
    assert len({one.lower_bound_ for one in single}) == 5
    assert_bits(best, max(single, key=lambda one: one.lower_bound_))


# --- stopping, going on


@EVERY_KIND
def test_warm_start_goes_on(kind):
    X, m = rows(400, 3), model(3, 3, kind)
    options = {**given(m), "tol": 1e-5, "max_iter": 400}
    long = GaussianMixture(**options).fit(X)
    parts = GaussianMixture(**{**options, "max_iter": 5}, warm_start=True)
    with pytest.warns(ConvergenceWarning, match="no run converged within max_iter=5"):
        parts.fit(X)
    bounds = parts.lower_bounds_
    parts.set_params(max_iter=400).fit(X)
    np.testing.assert_allclose(bounds + parts.lower_bounds_, long.lower_bounds_, rtol=HALF)
    assert (5 + parts.n_iter_, parts.converged_) == (long.n_iter_, True)
    for name in ("weights_", "means_", "covariances_", "precisions_"):
        assert_half(getattr(parts, name), getattr(long, name))


@MIXTURES
@EVERY_KIND
def test_no_iteration_at_all(kind, cls):
    X, _ = towns()
    fit = cls(n_components=3, covariance_type=kind, max_iter=0, random_state=0).fit(X)
    assert (fit.n_iter_, fit.converged_, fit.lower_bounds_) == (0, False, [])
    assert fit.lower_bound_ == -np.inf
    assert len(np.unique(fit.predict(X))) == 3


@MIXTURES
def test_callback_hears_every_iteration(cls):
    X, heard = rows(300, 2), []
    options = {"n_components": 3, "n_init": 2, "random_state": 0, "max_iter": 500}
    fit = cls(**options, callback=heard.append).fit(X)
    assert_bits(fit, cls(**options).fit(X))
    assert heard[0]._fields == ("iteration", "lower_bound", "change", "run")
    runs = [[info for info in heard if info.run == run] for run in (0, 1)]
    assert heard == runs[0] + runs[1]
    assert fit.lower_bounds_ in [[info.lower_bound for info in run] for run in runs]
    for run in runs:
        assert [info.iteration for info in run] == list(range(1, len(run) + 1))
        changes = np.diff([info.lower_bound for info in run], prepend=-np.inf)
        np.testing.assert_array_equal([info.change for info in run], changes)


@MIXTURES
def test_callback_may_stop_a_fit(cls):
    X, heard = rows(300, 2), []

    def stop(info):
        heard.append(info)
        return len(heard) == 2

    fit = cls(n_components=3, n_init=5, tol=0, random_state=0, callback=stop).fit(X)  # no warning
    assert (len(heard), fit.n_iter_, fit.converged_) == (2, 2, False)
    assert fit.predict(X).shape == (300,)


@MIXTURES
def test_an_exception_leaves_the_estimator_as_it_was(cls):
    X = rows(300, 2)

    def fail(info):
        raise RuntimeError("enough")

    fresh = cls(n_components=2, callback=fail)
    with pytest.raises(RuntimeError, match="enough"):
        fresh.fit(X)
    with pytest.raises(NotFittedError):
        fresh.predict(X)
    fit = cls(n_components=2, random_state=0).fit(X)
    before = dict(vars(fit))
    with pytest.raises(RuntimeError, match="enough"):
        fit.set_params(callback=fail).fit(X[:100])
    assert vars(fit) == {**before, "callback": fail}


@MIXTURES
def test_verbose_prints_as_sklearn(cls, capsys):
    X = rows(300, 2)
    options = {"n_components": 3, "random_state": 0, "n_init": 2, "max_iter": 500}
    options["verbose_interval"] = 2
    fit = cls(**options, verbose=1).fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Initialization 0"
    assert lines[1] == "  Iteration 2"
    assert lines.count("Initialization converged.") == 2
    theirs = getattr(pytest.importorskip("sklearn.mixture"), cls.__name__)
    theirs(**options, verbose=1).fit(X)
    assert capsys.readouterr().out.splitlines() == lines
    assert_bits(cls(**options, verbose=2).fit(X), fit)
    assert "  Iteration 2\t lower bound change " in capsys.readouterr().out
    with pytest.warns(ConvergenceWarning):
        cls(**{**options, "n_init": 1, "max_iter": 1}, verbose=True).fit(X)
    assert capsys.readouterr().out.splitlines()[-1] == "Initialization did not converge."
