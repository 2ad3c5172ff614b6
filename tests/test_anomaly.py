"""GaussianAnomalyDetector: scikit-learn's conventions, thresholds, and what explains an anomaly."""

import pickle

import numpy as np
import pytest
from coterie import GaussianAnomalyDetector, GaussianMixture
from coterie._estimator import NotFittedError
from mixtures import KINDS, rows, towns
from reference import gmm as reference
from tolerance import EPS, assert_within

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
X = rows(400, 3) * [1, 3, 0.5] + [0, 5, -2]


def fit(X, k=1, w=None, **options):
    return GaussianAnomalyDetector(k, random_state=0, **options).fit(X, sample_weight=w)


@EVERY_KIND
def test_conventions(kind):
    model = fit(X, 2, covariance_type=kind, contamination=0.1)
    mixture = GaussianMixture(2, covariance_type=kind, random_state=0).fit(X)
    scores, decision = model.score_samples(X), model.decision_function(X)
    np.testing.assert_array_equal(scores, mixture.score_samples(X))
    np.testing.assert_array_equal(decision, scores - model.offset_)
    np.testing.assert_array_equal(model.predict(X), np.where(decision < 0, -1, 1))
    np.testing.assert_array_equal(
        GaussianAnomalyDetector(
            2, covariance_type=kind, contamination=0.1, random_state=0
        ).fit_predict(X),
        model.predict(X),
    )
    assert np.issubdtype(model.predict(X).dtype, np.integer)
    assert (model.n_iter_, model.n_features_in_) == (mixture.n_iter_, 3)
    assert isinstance(model.mixture_, GaussianMixture)
    assert isinstance(model.offset_, float)
    base = pytest.importorskip("sklearn.base")
    assert base.is_outlier_detector(model)
    assert base.clone(model).get_params() == model.get_params()


@DTYPES
@pytest.mark.parametrize("contamination", [0.001, 0.01, 0.1, 0.37, 0.5])
def test_the_share_of_anomalies(contamination, dtype):
    model = fit(X.astype(dtype), contamination=contamination)
    scores = model.score_samples(X.astype(dtype))
    assert model.offset_ == np.quantile(scores, contamination)
    # Below a linear quantile of n different scores lie ceil(q (n - 1)) of them.
    wanted = np.ceil(contamination * (len(X) - 1))
    assert (model.predict(X.astype(dtype)) == -1).sum() == wanted


def test_a_given_threshold():
    model = fit(X, threshold=-6.5, contamination=0.3)
    assert model.offset_ == -6.5
    np.testing.assert_array_equal(model.predict(X) == -1, model.score_samples(X) < -6.5)
    assert fit(X, threshold=np.float32(-7)).offset_ == -7


@pytest.mark.parametrize("q", [0.001, 0.05, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_a_weighted_quantile_is_that_of_repetitions(seed, q):
    w = np.random.default_rng(seed).integers(0, 4, len(X))
    weighted, repeated = fit(X, w=w, contamination=q), fit(np.repeat(X, w, 0), contamination=q)
    near = 1e3 * EPS * np.abs(repeated.offset_)  # of scores of a mean and covariance of 400 rows
    assert_within(weighted.offset_, repeated.offset_, near)
    scores = weighted.score_samples(X)
    assert_within(
        weighted.offset_, np.quantile(np.repeat(scores, w), q), 4 * EPS * abs(scores).max()
    )


def test_fractional_weights():
    """Between those of the integers around them; less than one row in all is the lowest score."""
    few = fit(X, w=np.full(len(X), 1e-3), contamination=0.5)
    assert few.offset_ == few.score_samples(X).min()
    halves = fit(X, w=np.full(len(X), 2.5), contamination=0.25)
    scores = np.sort(halves.score_samples(X))
    assert scores[98] <= halves.offset_ <= scores[101]


BAD = [
    ({"contamination": 0}, ValueError, r"contamination: wanted a number in \(0, 0\.5\], got 0"),
    ({"contamination": 0.51}, ValueError, r"contamination: wanted a number in \(0, 0\.5\]"),
    ({"contamination": -0.1}, ValueError, "contamination: wanted"),
    ({"contamination": np.nan}, ValueError, "contamination: wanted"),
    ({"contamination": "auto"}, TypeError, "contamination: wanted"),
    ({"threshold": np.nan}, ValueError, "threshold: wanted a finite number, got nan"),
    ({"threshold": np.inf}, ValueError, "threshold: wanted a finite number, got inf"),
    ({"threshold": "low"}, TypeError, "threshold: wanted a"),
    ({"n_components": 0}, ValueError, "n_components: wanted an integer >= 1"),
    ({"covariance_type": "ball"}, ValueError, "covariance_type: wanted one of"),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        GaussianAnomalyDetector(**options).fit(X)


@pytest.mark.parametrize(
    "method", ["predict", "score_samples", "decision_function", "explain", "predict_proba"]
)
def test_not_fitted_and_bad_rows(method):
    if method == "predict_proba":
        assert not hasattr(GaussianAnomalyDetector(), method)
        return
    with pytest.raises(NotFittedError, match="This GaussianAnomalyDetector instance is not fitted"):
        getattr(GaussianAnomalyDetector(), method)(X)
    assert not hasattr(GaussianAnomalyDetector(), "n_iter_")
    model, broken = fit(X), X.copy()
    broken[7, 1] = np.nan
    with pytest.raises(ValueError, match="X: wanted finite values, got NaN at row 7, column 1"):
        getattr(model, method)(broken)
    with pytest.raises(ValueError, match="X has 2 features, but GaussianAnomalyDetector is expec"):
        getattr(model, method)(X[:, :2])
    with pytest.raises(TypeError, match="X: wanted a dense array"):
        getattr(model, method)(pytest.importorskip("scipy.sparse").csr_array(X))


def test_names_of_features():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = GaussianAnomalyDetector().fit(frame)
    np.testing.assert_array_equal(model.explain(frame), fit(X).explain(X))
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        model.explain(frame[["c", "b", "a"]])
    with pytest.warns(UserWarning, match="but GaussianAnomalyDetector was fitted with"):
        model.predict(X)


def test_pickle():
    model = fit(X, 2, contamination=0.05)
    back = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(back.decision_function(X), model.decision_function(X))
    np.testing.assert_array_equal(back.explain(X), model.explain(X))


# --- explanations


def shares(X, mixture):
    """Shares of |C^(-1/2) D (x - mean)|^2 at the nearest mean, one row and component at a time."""
    means = mixture.means_
    S = reference.triangles(mixture.covariances_, mixture.covariance_type, *means.shape)
    out = np.empty(X.shape)
    for i, x in enumerate(X):
        best = np.inf
        for mean, s in zip(means, S, strict=True):
            D = np.diag(s.diagonal() ** -0.5)
            values, vectors = np.linalg.eigh(D @ s @ D)
            w = vectors @ np.diag(values**-0.5) @ vectors.T @ D @ (x - mean)
            if w @ w < best:
                best, out[i] = w @ w, w**2 / (w @ w)
    return out


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("k", [1, 3])
def test_shares_equal_the_formula(k, kind, dtype):
    mixed = (rows(300, 4) @ np.random.default_rng(5).normal(size=(4, 4))).astype(dtype)
    model = fit(mixed, k, covariance_type=kind)
    found = model.explain(mixed)
    assert found.shape == mixed.shape
    assert (found >= 0).all()
    assert_within(found.sum(axis=1), np.ones(300), 8 * EPS)
    S = np.atleast_2d(model.mixture_.covariances_)
    condition = np.linalg.cond(S).max() if kind in ("full", "tied") else 1.0
    wanted = shares(mixed.astype(np.float64), model.mixture_)
    assert_within(found, wanted, 100 * condition * EPS)


@EVERY_KIND
def test_an_outlier_in_one_feature(kind):
    model = fit(X, covariance_type=kind)
    for feature in range(3):
        outlier = X.mean(axis=0)
        outlier[feature] += 50 * X.std(axis=0)[feature]
        assert model.predict([outlier])[0] == -1
        share = model.explain([outlier])[0]
        assert share.argmax() == feature
        assert share[feature] > 0.95


def test_a_pair_that_disagrees():
    """Correlated features apart from each other share the blame; a bystander has none."""
    z = rows(4000, 3)
    pair = np.c_[z[:, 0], z[:, 0] + 0.1 * z[:, 1], z[:, 2]]
    share = fit(pair).explain([[2.0, -2, 0]])[0]
    assert_within(share, [0.5, 0.5, 0], 0.02)


def test_the_nearest_component_is_the_reason():
    blobs = towns(600, 2, 2, apart=20)[0]
    model = fit(blobs, 2)
    found = model.explain([[0.0, 6], [26, 20]])
    np.testing.assert_array_equal(found.argmax(axis=1), [1, 0])


@EVERY_KIND
def test_a_row_at_the_mean_has_equal_shares(kind):
    model = fit(X, covariance_type=kind)
    np.testing.assert_array_equal(model.explain(model.mixture_.means_), [[1 / 3] * 3])


def test_many_rows_equal_a_few():
    """Rows are worked on in blocks."""
    many = rows(9000, 3)
    model = fit(many[:500], 2)
    found = model.explain(many)
    for part in (slice(0, 10), slice(4090, 4100), slice(8990, 9000)):
        assert_within(model.explain(many[part]), found[part], 64 * EPS)


def test_flat_data_has_an_explanation():
    flat = np.c_[rows(100, 2), np.full(100, 3.0)]
    model = fit(flat)
    found = model.explain([[0.0, 0, 3.5], [9, 0, 3]])
    np.testing.assert_array_equal(found.argmax(axis=1), [2, 0])
    assert np.isfinite(found).all()
