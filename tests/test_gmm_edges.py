"""Gaussian mixtures on inputs of every class, with weights, and on data that no mixture fits."""

import pickle
import warnings

import numpy as np
import pytest
from coterie import BayesianGaussianMixture, GaussianMixture
from coterie._estimator import ConvergenceWarning, NotFittedError
from mixtures import KINDS, assert_bits, assert_half, model, rows, towns
from reference import gmm as reference
from test_gmm_api import by_hand, given
from test_invariance import LAYOUTS
from tolerance import EPS, assert_within

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
MIXTURES = pytest.mark.parametrize("cls", [GaussianMixture, BayesianGaussianMixture])
X, LABELS = towns(120, 3, 2)


def fit(X, k=2, kind="full", cls=GaussianMixture, w=None, **options):
    options = {"n_components": k, "covariance_type": kind, "random_state": 0, **options}
    return cls(**options).fit(X, sample_weight=w)


# --- scores


@DTYPES
@EVERY_KIND
def test_scores_of_parameters_set_by_hand(kind, dtype):
    m, X = model(3, 4, kind), rows(80, 4, dtype)
    hand = by_hand(m)
    log_density, r = reference.expect(m.log_joint(X))
    bound = 1e3 * np.finfo(dtype).eps  # tests/test_gmm.py has the sharp one
    assert_within(hand.score_samples(X), log_density, bound)
    assert_within(hand.predict_proba(X), r, bound)
    np.testing.assert_array_equal(hand.predict(X), r.argmax(axis=1))
    assert (hand.predict(X).dtype, hand.score_samples(X).dtype) == (np.int32, np.float64)
    assert hand.predict_proba(X).dtype == dtype
    w = np.arange(80) % 3
    assert_within(hand.score(X), log_density.mean(), bound)
    assert_within(hand.score(X, sample_weight=w), np.average(log_density, weights=w), bound)
    k, d = m.means.shape
    free = {"full": k * 10, "tied": 10, "diag": k * d, "spherical": k}[kind] + k * d + k - 1
    total = -2 * hand.score_samples(X).sum()
    assert hand.aic(X) == total + 2 * free
    assert hand.bic(X) == total + free * np.log(80)
    with pytest.raises(ValueError, match="X has 3 features, but GaussianMixture is expecting 4"):
        hand.predict(X[:, :3])


@EVERY_KIND
def test_lists_set_by_hand(kind):
    m = model(3, 4, kind)
    hand, plain = by_hand(m), by_hand(m)
    for name in ("weights_", "means_", "covariances_", "precisions_cholesky_"):
        setattr(hand, name, getattr(plain, name).tolist())
    np.testing.assert_array_equal(hand.predict_proba(rows(9, 4)), plain.predict_proba(rows(9, 4)))
    np.testing.assert_array_equal(hand.predict(rows(9, 4)), plain.predict(rows(9, 4)))


@MIXTURES
@pytest.mark.parametrize("method", ["predict", "predict_proba", "score_samples", "score", "sample"])
def test_not_fitted(method, cls):
    with pytest.raises(NotFittedError, match=f"This {cls.__name__} instance is not fitted yet"):
        getattr(cls(), method)(*[X] * (method != "sample"))
    for name in ("means_", "weights_", "converged_", "n_features_in_", "lower_bound_"):
        assert not hasattr(cls(), name)


@MIXTURES
@EVERY_KIND
def test_fit_predict_is_fit_and_predict(kind, cls):
    one, other = (cls(n_components=3, covariance_type=kind, random_state=2) for _ in range(2))
    rows_, w = rows(200, 2), np.arange(200) % 3
    options = {"tol": 0.1}
    labels = one.set_params(**options).fit_predict(rows_, sample_weight=w)
    other.set_params(**options).fit(rows_, sample_weight=w)
    assert_bits(one, other)
    np.testing.assert_array_equal(labels, other.predict(rows_))
    assert labels.dtype == np.int32


@MIXTURES
@EVERY_KIND
def test_clone_and_pickle(kind, cls):
    trained = fit(X, kind=kind, cls=cls)
    back = pickle.loads(pickle.dumps(trained))
    assert_bits(back, trained)
    np.testing.assert_array_equal(back.predict_proba(X), trained.predict_proba(X))
    base = pytest.importorskip("sklearn.base")
    copy = base.clone(trained)
    assert copy.get_params() == trained.get_params()
    assert not hasattr(copy, "means_")
    assert_bits(copy.fit(X), trained)
    assert repr(cls(n_components=2)) == f"{cls.__name__}(n_components=2)"


# --- what X may be


@MIXTURES
@pytest.mark.parametrize("kind", ["full", "spherical"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, kind, cls):
    for dtype in (np.float32, np.float64):
        plain = X.astype(dtype)
        there = LAYOUTS[layout](plain)
        assert_bits(fit(there, kind=kind, cls=cls), fit(plain, kind=kind, cls=cls))


@MIXTURES
def test_classes_of_rows(cls):
    whole = np.round(X)
    plain = fit(whole, cls=cls)
    for rows_ in (
        whole.tolist(),
        whole.astype(int),
        whole.astype(object),
        np.asfortranarray(whole),
    ):
        assert_bits(fit(rows_, cls=cls), plain)
    narrow = fit(whole.astype(np.float16), cls=cls)
    assert_bits(narrow, fit(whole.astype(np.float32), cls=cls))
    assert narrow.means_.dtype == np.float64
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(whole, columns=list("abc"))
    named = fit(frame, cls=cls)
    assert_bits(named, plain)
    assert list(named.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        named.predict(frame[["b", "a", "c"]])
    with pytest.warns(UserWarning, match=f"valid feature names, but {cls.__name__} was"):
        named.predict(whole)


@MIXTURES
def test_sparse_rows_are_refused(cls):
    sparse = pytest.importorskip("scipy.sparse")
    trained = fit(X, cls=cls)
    for call in (cls().fit, cls().fit_predict, trained.predict, trained.score):
        with pytest.raises(TypeError, match=rf"X: wanted a dense .*{cls.__name__} .*X\.toarray"):
            call(sparse.csr_array(X))


@MIXTURES
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite(bad, cls):
    broken, name = X.copy(), "NaN" if np.isnan(bad) else "inf"
    broken[7, 1] = broken[9, 0] = bad
    trained = fit(X, cls=cls)
    message = rf"X: wanted finite values, got {name} at row 7, column 1 \(2 in all\)"
    for call in (cls().fit, trained.predict, trained.predict_proba, trained.score_samples):
        with pytest.raises(ValueError, match=message):
            call(broken)


BAD_OPTIONS = [
    ({"n_components": 0}, ValueError, "n_components: wanted an integer >= 1 .*, got 0"),
    ({"n_components": 2.0}, TypeError, r"n_components: wanted an integer >= 1, got 2\.0"),
    ({"n_components": 200}, ValueError, "n_samples >= n_components .* = 200, n_samples = 120"),
    ({"covariance_type": "ball"}, ValueError, "covariance_type: wanted one of 'full', .* 'ball'"),
    ({"init_params": "best"}, ValueError, "init_params: wanted one of 'kmeans', .*got 'best'"),
    ({"tol": -1.0}, ValueError, "tol: wanted a finite number >= 0"),
    ({"reg_covar": np.nan}, ValueError, "reg_covar: wanted a finite number >= 0"),
    ({"max_iter": -1}, ValueError, "max_iter: wanted an integer >= 0"),
    ({"n_init": 0}, ValueError, "n_init: wanted an integer >= 1"),
    ({"n_threads": 0}, ValueError, "n_threads: wanted an integer >= 1"),
    ({"warm_start": "yes"}, TypeError, "warm_start: wanted a bool"),
    ({"verbose": -1}, ValueError, "verbose: wanted an integer >= 0"),
    ({"verbose_interval": 0}, ValueError, "verbose_interval: wanted an integer >= 1"),
    ({"callback": 3}, TypeError, "callback: wanted a callable or None, got 3"),
]


@MIXTURES
@pytest.mark.parametrize(("options", "error", "message"), BAD_OPTIONS)
def test_bad_options(options, error, message, cls):
    with pytest.raises(error, match=message):
        cls(**options).fit(X)


# --- what must not matter


@MIXTURES
@EVERY_KIND
def test_same_bits_for_any_number_of_threads(kind, cls):
    many = towns(6000, 4, 5, dtype=np.float32, apart=2)[0]
    fits = [fit(many, 5, kind, cls, n_threads=t, max_iter=4, tol=1e3) for t in (1, 2, 3, 8, None)]
    for other in fits[1:]:
        assert_bits(other, fits[0])
        np.testing.assert_array_equal(other.predict_proba(many), fits[0].predict_proba(many))


@MIXTURES
@EVERY_KIND
@pytest.mark.parametrize(("dtype", "shift"), [(np.float32, 1e3), (np.float64, 1e6)])
def test_a_shift_of_the_data(dtype, shift, kind, cls):
    near = (np.round(64 * X) / 64).astype(dtype)  # a shifted row is exact
    far = near + dtype(shift)
    np.testing.assert_array_equal(far - dtype(shift), near)
    here, there = fit(near, kind=kind, cls=cls), fit(far, kind=kind, cls=cls)
    off = 1e-5 if dtype == np.float32 else 1e-8
    assert here.n_iter_ == there.n_iter_
    assert_within(there.means_ - shift, here.means_, off)
    assert_within(there.covariances_, here.covariances_, off)
    np.testing.assert_allclose(there.lower_bounds_, here.lower_bounds_, rtol=off)
    np.testing.assert_array_equal(there.predict(far), here.predict(near))


@MIXTURES
@EVERY_KIND
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(np.float32, 2.0**-50), (np.float32, 2.0**50), (np.float64, 1e-100), (np.float64, 1e100)],
)
def test_magnitudes(dtype, scale, kind, cls):
    plain = fit(X.astype(dtype), kind=kind, cls=cls, reg_covar=0)
    scaled = fit(X.astype(dtype) * dtype(scale), kind=kind, cls=cls, reg_covar=0)
    off = 1e-5 if dtype == np.float32 else 1e-8
    assert_within(scaled.means_ / scale, plain.means_, off)
    assert_within(scaled.covariances_ / scale**2, plain.covariances_, off)
    assert scaled.n_iter_ == plain.n_iter_


@EVERY_KIND
@pytest.mark.parametrize("scale", [2.0**60, 2.0**80, 2.0**120])
def test_large_float32(scale, kind):
    """Squares overflow float32: the answer is right, or the rows are refused for what they are."""
    large = X.astype(np.float32) * np.float32(scale)
    try:
        scaled = fit(large, kind=kind, reg_covar=0)
    except ValueError as error:
        refusal = str(error)
    else:
        wanted = fit(X.astype(np.float32), kind=kind, reg_covar=0)
        return assert_within(scaled.covariances_ / scale**2, wanted.covariances_, 1e-5)
    assert refusal.startswith("X: wanted values whose squared distances fit")
    return None


# --- weights


@pytest.mark.parametrize("init", ["kmeans", "given"])
@DTYPES
@EVERY_KIND
def test_weights_are_repetitions(kind, dtype, init):
    X = rows(150, 3, dtype) if init == "given" else towns(150, 3, 2, dtype=dtype)[0]
    w = np.arange(150) % 3
    options = given(model(2, 3, kind)) if init == "given" else {"n_components": 2}
    options = {"covariance_type": kind, "max_iter": 20, "tol": 1e-2, "random_state": 0, **options}
    weighted = GaussianMixture(**options).fit(X, sample_weight=w)
    repeated = GaussianMixture(**options).fit(np.repeat(X, w, axis=0))
    order = np.argsort(repeated.means_[:, 0]) if init == "kmeans" else [0, 1]
    mine = np.argsort(weighted.means_[:, 0]) if init == "kmeans" else [0, 1]
    off = 1e-3 if dtype == np.float32 else 1e-9  # of 20 iterations; exact in tests/test_gmm.py
    assert weighted.n_iter_ == repeated.n_iter_
    assert_within(weighted.lower_bounds_, repeated.lower_bounds_, off)
    assert_within(weighted.weights_[mine], repeated.weights_[order], off)
    assert_within(weighted.means_[mine], repeated.means_[order], off)
    mean = repeated.score(np.repeat(X, w, axis=0))
    assert_within(weighted.score(X, sample_weight=w), mean, off)


@MIXTURES
@EVERY_KIND
def test_rows_of_weight_zero_count_for_nothing(kind, cls):
    both = np.vstack([X, X + 1e3])
    w = np.r_[np.ones(120), np.zeros(120)]
    for init in ("kmeans", "k-means++", "random_from_data"):
        trained = fit(both, kind=kind, cls=cls, w=w, init_params=init)
        assert trained.means_.max() < 20
        assert trained.covariances_.max() < 200
    with pytest.raises(ValueError, match=r"at least n_components=130 weights .* got 120"):
        fit(both, 130, w=w, init_params="random_from_data")


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("power", [-200, -20, 20, 200])
def test_a_factor_common_to_all_weights_changes_nothing(power, kind, dtype):
    plain, scaled = (fit(X.astype(dtype), kind=kind, w=w) for w in (None, np.full(120, 2.0**power)))
    assert_half(scaled.means_, plain.means_)
    assert_half(scaled.covariances_, plain.covariances_)
    assert_half(scaled.lower_bounds_, plain.lower_bounds_)


BAD_WEIGHTS = {
    "few": (np.ones(3), r"one weight a row of X, shape \(120,\), got shape \(3,\)"),
    "negative": (np.r_[-1.0, np.ones(119)], "weights >= 0, got -1.0 at row 0"),
    "NaN": (np.r_[np.ones(119), np.nan], "finite weights with a finite sum, got nan at row 119"),
    "zero": (np.zeros(120), "at least one weight above zero, got all zero"),
}


@MIXTURES
@pytest.mark.parametrize("case", BAD_WEIGHTS)
def test_bad_weights(case, cls):
    w, message = BAD_WEIGHTS[case]
    with pytest.raises(ValueError, match=f"sample_weight: wanted {message}"):
        cls().fit(X, sample_weight=w)


# --- data that no mixture fits


FLAT = {  # name: rows, components
    "a constant feature": (np.c_[X, np.full(120, 3.0)], 2),
    "a line": (np.c_[X[:, :1], 2 * X[:, :1]], 2),
    "equal rows": (np.full((20, 2), 3.7), 2),
    "zeros": (np.zeros((9, 2)), 2),
    "duplicates": (np.repeat([[0.0, 1], [2, 3], [4, 5]], 7, axis=0), 5),
    "a component a row": (X[:6], 6),
    "one row": (X[:1], 1),
    "two rows": (X[:2], 2),
}


def assert_sound(trained, rows_):
    """No NaN, positive definite covariances, precisions that are their inverses."""
    d = rows_.shape[1]
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        assert np.isfinite(getattr(trained, name)).all(), name
    S = reference.triangles(trained.covariances_, trained.covariance_type, *trained.means_.shape)
    P = reference.triangles(trained.precisions_, trained.covariance_type, *trained.means_.shape)
    assert (np.linalg.eigvalsh(S) > 0).all()
    conditions = [np.linalg.cond(one) for one in S]
    for s, p, condition in zip(S, P, conditions, strict=True):
        assert_within(s @ p, np.eye(d), 100 * d * EPS * condition + 1e-9)
    assert_within(trained.weights_.sum(), 1, 8 * EPS)
    assert (trained.weights_ > 0).all()
    r = trained.predict_proba(rows_)
    assert_within(r.sum(axis=1, dtype=np.float64), np.ones(len(r)), 64 * np.finfo(r.dtype).eps)
    assert np.isfinite(trained.score_samples(rows_)).all()


@DTYPES
@MIXTURES
@EVERY_KIND
@pytest.mark.parametrize("case", FLAT)
def test_flat_data(case, kind, cls, dtype):
    rows_, k = FLAT[case]
    rows_ = rows_.astype(dtype)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Number of distinct clusters|no run converged")
        assert_sound(fit(rows_, k, kind, cls), rows_)


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("case", FLAT)
def test_flat_data_without_help(case, kind, dtype):
    """reg_covar=0: what collapses is said, by number, and never becomes NaN."""
    rows_, k = FLAT[case]
    rows_ = rows_.astype(dtype)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trained = fit(rows_, k, kind, reg_covar=0)
    assert_sound(trained, rows_)
    said = [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]
    fine = {"a line": ("diag", "spherical"), "a constant feature": ("spherical",)}
    fine |= {"a component a row": ("tied",)}  # six rows about fewer means are not flat
    if kind not in fine.get(case, ()):
        assert any(message.startswith("components [") for message in said)
        assert all(w.filename == __file__ for w in caught)


@EVERY_KIND
@pytest.mark.parametrize("case", FLAT)
def test_flat_data_without_help_but_priors(case, kind):
    """The variational mixture has its priors; where they are flat, too, it may refuse."""
    rows_, k = FLAT[case]
    trained, refusal = None, ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            trained = fit(rows_, k, kind, BayesianGaussianMixture, reg_covar=0)
        except ValueError as error:
            refusal = str(error)
    if trained is None:
        assert "reg_covar: wanted covariances that can be inverted" in refusal
    else:
        assert_sound(trained, rows_)
