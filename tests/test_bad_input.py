"""Attempts to break KMeans: each ends in the right answer or in an error that names the culprit."""

import decimal
import fractions
import pickle
import re
import warnings

import numpy as np
import pytest
from compare import assert_nearest
from coterie import KMeans, kmeans_assign, kmeans_plus_plus
from reference import kmeans as reference
from rows import assert_bits, blobs, integers

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
X = integers(40)


def fit(rows, k=2, w=None, **options):
    return KMeans(k, random_state=0, **options).fit(rows, sample_weight=w)


# --- numbers at the ends of their range


@DTYPES
@pytest.mark.parametrize("scale", [1e-15, 1e-5, 1e5, 1e15])
def test_magnitudes(scale, dtype):
    rows = X.astype(dtype) * dtype(scale)
    model = KMeans(3, init=rows[:3], max_iter=1).fit(rows)
    labels, _ = reference.assign(rows, model.cluster_centers_)
    np.testing.assert_array_equal(model.labels_, labels)


def test_subnormal_float32():
    tiny = np.finfo(np.float32).smallest_subnormal
    rows = (X * float(tiny)).astype(np.float32)
    np.testing.assert_array_equal(rows.astype(np.float64) / float(tiny), X)
    labels, _ = kmeans_assign(rows, rows[:3])
    np.testing.assert_array_equal(labels, reference.assign(X, X[:3])[0])
    assert len(np.unique(fit(rows, 3).labels_)) == 3


@DTYPES
def test_signed_zeros(dtype):
    model = fit(np.array([[-0.0], [0.0], [1.0]], dtype))
    assert model.labels_[0] == model.labels_[1] != model.labels_[2]
    assert model.inertia_ == 0


@pytest.mark.parametrize("large", [1e19, 1e20, 1e38, 3e38])
def test_large_float32(large):
    """Squares overflow float32, but what decides is float64."""
    rows = np.vstack([X, np.full((2, 3), large)]).astype(np.float32)
    model = KMeans(2, init=rows[[0, -1]]).fit(rows)
    np.testing.assert_array_equal(model.labels_, [0] * 40 + [1] * 2)
    assert np.isfinite(model.inertia_)
    np.testing.assert_array_equal(model.labels_, model.predict(rows))


@pytest.mark.parametrize("d", [1, 3, 13, 130])
@pytest.mark.parametrize(("dtype", "large"), [(np.float32, 3e37), (np.float64, 1e307)])
def test_a_centre_far_beyond_all_rows(large, d, dtype):
    """A product with it overflows, in either direction; rows must not follow it there."""
    rows = integers(600, d).astype(dtype)
    for far in (np.full(d, large), np.full(d, -large), large * np.eye(1, d)[0]):
        labels, _ = kmeans_assign(rows, np.array([far, np.zeros(d), far], dtype))
        np.testing.assert_array_equal(labels, 1)


@pytest.mark.parametrize("mixed", ["within rows", "with zeros", "between rows and centres"])
@pytest.mark.parametrize("d", [1, 2, 13, 40, 130])
@pytest.mark.parametrize(("dtype", "low", "high"), [(np.float32, -44, 38), (np.float64, -150, 150)])
def test_any_mixture_of_magnitudes(dtype, low, high, d, mixed):
    rng = np.random.default_rng(d)

    def draw(n, highest):
        exponent = rng.uniform(low, highest, (n, d))
        if mixed == "between rows and centres":
            exponent = np.minimum(rng.uniform(low, highest) + rng.uniform(0, 2, (n, d)), highest)
        values = rng.choice([-1, 1], (n, d)) * 10.0**exponent
        return (values * (rng.uniform(size=(n, d)) < 0.5 if mixed == "with zeros" else 1)).astype(
            dtype
        )

    for _ in range(20):
        rows, centers = draw(40, high), draw(int(rng.integers(2, 25)), high / 2 - 2)
        assert_nearest(rows, centers, kmeans_assign(rows, centers)[0])


@pytest.mark.parametrize("large", [1e150, 1e155, 1e308])
def test_large_float64(large):
    rows = np.vstack([X, np.full((2, 3), large)])
    if large < 1e154:  # squares fit
        model = KMeans(2, init=rows[[0, -1]]).fit(rows)
        np.testing.assert_array_equal(model.labels_, [0] * 40 + [1] * 2)
        return
    model = fit(X)
    for call in (KMeans(2).fit, model.predict, model.transform, model.score, model.partial_fit):
        with pytest.raises(ValueError, match=r"X: wanted values whose .* fit float64, got an over"):
            call(rows)


def test_the_last_value_of_many():
    rows = blobs(100_001, 3)
    rows[-1, -1] = np.nan
    message = r"X: wanted finite values, got NaN at row 100000, column 2 \(1 in all\)"
    for call in (KMeans(2).fit, fit(X).predict, lambda a: kmeans_plus_plus(a, 2)):
        with pytest.raises(ValueError, match=message):
            call(rows)


# --- objects, frames, containers


@pytest.mark.parametrize("number", [decimal.Decimal, fractions.Fraction, np.float32, int, str])
def test_objects_that_are_numbers(number):
    rows = np.array([[number(int(v)) for v in row] for row in X], dtype=object)
    assert_bits(fit(rows), fit(X))


REFUSED = {
    "huge objects": ([[10**400], [1]], ValueError, "X: wanted numbers within float64, got int too"),
    "objects and text": ([[1, "a"], [2, object()]], TypeError, "X: wanted numbers, got"),
    "complex objects": (np.array([[1j], [1]], object), TypeError, "X: wanted numbers, got"),
    "missing objects": ([[1, None], [2, 3]], ValueError, "finite values, got NaN at row 0, column"),
    "text of digits": ([["1", "2"], ["3", "4"]], TypeError, "X: wanted numbers, got dtype <U1"),
    "durations": (np.zeros((3, 2), "m8[s]"), TypeError, "X: wanted numbers, got dtype timedelta"),
    "void": (np.zeros((3, 2), "V8"), TypeError, r"X: wanted numbers, got dtype \|V8"),
    "a generator": ((row for row in X), ValueError, r"X: wanted a 2-D array .* got shape \(\)"),
    "a dict": ({"a": [1, 2]}, ValueError, r"X: wanted a 2-D array .* got shape \(\)"),
    "None": (None, ValueError, r"X: wanted a 2-D array .* got shape \(\)"),
    "an empty list": ([], ValueError, r"X: wanted a 2-D array .* got shape \(0,\)"),
    "an empty row": ([[]], ValueError, r"got 0 feature\(s\) \(shape=\(1, 0\)\) while a minimum"),
    "ragged": ([[1, 2], [3]], ValueError, "X: wanted an array of numbers, got"),
    "bytes": (b"abcd", TypeError, "X: wanted numbers, got dtype"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_containers(case):
    rows, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        fit(rows, 1)


def test_columns_of_pandas():
    pd = pytest.importorskip("pandas")
    columns = {
        "Int64": pd.array([1, 2, 9], "Int64"),
        "boolean": pd.array([True, False, True], "boolean"),
        "Float32": pd.array([1.5, 2, 9], "Float32"),
        "category": pd.Categorical([1, 2, 9]),
    }
    for name, column in columns.items():
        frame = pd.DataFrame({"a": column})
        plain = frame["a"].to_numpy().astype(np.float64)[:, None]
        assert_bits(fit(frame.astype({"a": "float64"})), fit(plain))
        np.testing.assert_array_equal(fit(frame).labels_, fit(plain).labels_, name)
    with pytest.raises(ValueError, match="got NaN at row 1, column 0"):
        fit(pd.DataFrame({"a": pd.array([1.0, None, 3], "Float32")}))
    with pytest.raises(TypeError, match="X: wanted numbers, got dtype datetime64"):
        fit(pd.DataFrame({"a": pd.to_datetime(["2020", "2021", "2022"])}))
    with pytest.raises(ValueError, match=r"sample_weight: wanted finite weights .* nan at row 39"):
        fit(X, w=pd.array([1] * 39 + [None], "Int64"))
    upside_down = pd.Series(np.arange(40.0), index=range(40, 0, -1))  # a position is what counts
    assert_bits(fit(X, w=upside_down), fit(X, w=np.arange(40.0)))


# --- weights


WEIGHTS = {
    "a number": (2.0, r"wanted one weight a row of X, shape \(40,\), got shape \(\)"),
    "text": ("abc", r"wanted one weight a row of X"),
    "masked": (np.ma.masked_array(np.ones(40), np.arange(40) < 3), "no masked entries, got 3"),
    "barely negative": (np.r_[-5e-324, np.ones(39)], "wanted weights >= 0, got -5e-324 at row 0"),
    "infinite at the end": (np.r_[np.ones(39), np.inf], "got inf at row 39"),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_refused_weights(case):
    w, message = WEIGHTS[case]
    with pytest.raises(ValueError, match=f"sample_weight: .*{message}"):
        fit(X, w=w)


@pytest.mark.parametrize("power", [-1000, 900])
def test_extreme_weights(power):
    """A power of two common to all weights changes the inertia alone."""
    plain, scaled = fit(X, 3), fit(X, 3, np.full(40, 2.0**power))
    np.testing.assert_array_equal(scaled.labels_, plain.labels_)
    np.testing.assert_array_equal(scaled.cluster_centers_, plain.cluster_centers_)
    assert scaled.inertia_ == plain.inertia_ * 2.0**power


def test_weights_of_negative_zero_count_nothing():
    assert_bits(fit(X, w=np.r_[-0.0, np.ones(39)]), fit(X, w=np.r_[0.0, np.ones(39)]))


# --- parameters and callables


@pytest.mark.parametrize("k", [np.int8(2), np.uint64(2), np.array(2)])
def test_integers_of_numpy(k):
    assert_bits(fit(X, k), fit(X, 2))


@pytest.mark.parametrize("k", [True, np.True_, 2.0, np.float64(2), "2", None, [2], 2 + 0j])
def test_what_is_no_integer(k):
    with pytest.raises(
        TypeError, match=re.escape(f"n_clusters: wanted an integer >= 1, got {k!r}")
    ):
        fit(X, k)


@pytest.mark.parametrize("tol", [10**400, np.inf, -np.inf])
def test_tolerances_without_bound(tol):
    with pytest.raises(ValueError, match="tol: wanted a finite number >= 0, got"):
        fit(X, tol=tol)


@pytest.mark.parametrize("n_threads", [100, 100_000, 2**31 - 1])
def test_more_threads_than_anyone_has(n_threads):
    assert_bits(fit(X, n_threads=n_threads), fit(X, n_threads=1))


STARTS = {
    "one row": (lambda X, k, random_state: X[0], r"init: wanted shape .* = \(2, 3\), got \(3,\)"),
    "None": (lambda X, k, random_state: None, r"init: wanted shape .* got \(\)"),
    "text": (lambda X, k, random_state: "abc", r"init: wanted shape .* got \(\)"),
    "3-D": (lambda X, k, random_state: X[None], r"init: wanted shape .* got \(1, 40, 3\)"),
    "many": (lambda X, k, random_state: X[: k + 1], r"init: wanted shape .* got \(3, 3\)"),
    "infinite": (lambda X, k, random_state: np.full((2, 3), np.inf), "init: wanted finite values"),
    "complex": (lambda X, k, random_state: X[:k] * 1j, "init: Complex data not supported"),
    "masked": (lambda X, k, random_state: np.ma.masked_less(X[:k], 9), "init: wanted no masked"),
    "text of digits": (lambda X, k, random_state: [["1"] * 3] * 2, "init: wanted numbers, got dty"),
}


@pytest.mark.parametrize("case", STARTS)
def test_starts_of_a_bad_callable(case):
    init, message = STARTS[case]
    model = KMeans(2, init=init, n_init=1)
    before = dict(vars(model))
    with pytest.raises((TypeError, ValueError), match=message):
        model.fit(X)
    assert vars(model) == before


def test_starts_far_away():
    far = np.array([[1e200] * 3, [0.0] * 3])
    model = KMeans(2, init=far).fit(X)  # the first centre is empty and moves to a row
    assert np.abs(model.cluster_centers_).max() <= 8
    with pytest.raises(ValueError, match="init: wanted finite values in float32, got 1e"):
        KMeans(2, init=far).fit(X.astype(np.float32))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, StopIteration])
@pytest.mark.parametrize("iteration", [1, 3])
def test_a_callback_that_raises(error, iteration):
    model = fit(X, 5)
    before = dict(vars(model))

    def fail(info):
        if info.iteration == iteration:
            raise error("enough")

    model.callback = fail
    with pytest.raises(error, match="enough"):
        model.fit(X + 1)
    assert vars(model) == {**before, "callback": fail}
    model.callback = None
    assert_bits(model.fit(X), fit(X, 5))


def test_a_callback_that_fits():
    inner = []
    model = fit(X, 5, callback=lambda info: inner.append(fit(X, 4)))
    assert_bits(model, fit(X, 5))
    assert len(inner) == model.n_iter_
    assert_bits(inner[-1], fit(X, 4))


def test_rows_that_change_between_calls():
    """The model keeps nothing of X, so what becomes of X does not matter."""
    rows = X.copy()
    model, plain = fit(rows, 3), fit(X, 3)
    rows[:] = np.nan
    assert_bits(model, plain)
    np.testing.assert_array_equal(model.predict(X), plain.labels_)
    start = X[:3].copy()
    moved = KMeans(3, init=start).fit(X)
    centers = moved.cluster_centers_.copy()
    start[:] = np.nan
    np.testing.assert_array_equal(moved.cluster_centers_, centers)


# --- models that were tampered with


TAMPERED = {
    "no centres": ({"cluster_centers_": None}, "cluster_centers_: wanted an array of kind 'f'"),
    "text": ({"cluster_centers_": "abc"}, "cluster_centers_: wanted an array of kind 'f'"),
    "objects": ({"cluster_centers_": X[:3].astype(object)}, "cluster_centers_: wanted an array of"),
    "1-D": ({"cluster_centers_": np.ones(3)}, r"cluster_centers_: wanted shape .* got \(3,\)"),
    "empty": ({"cluster_centers_": np.ones((0, 3))}, r"cluster_centers_: .* got \(0, 3\)"),
    "wide": ({"cluster_centers_": np.ones((3, 5))}, r"cluster_centers_: .* 3\), got \(3, 5\)"),
    "NaN": ({"cluster_centers_": np.full((3, 3), np.nan)}, "cluster_centers_: wanted finite"),
    "features": ({"n_features_in_": 7}, "cluster_centers_: wanted shape .* 7"),
    "no features": ({"n_features_in_": 0}, "n_features_in_: wanted an integer >= 1"),
    "no labels": ({"labels_": None}, "labels_: wanted an array of kind 'i'"),
    "negative": ({"labels_": np.array([0, -5], np.int32)}, r"labels_: .*in \[0, 3\)"),
    "beyond": ({"labels_": np.array([0, 2**30], np.int32)}, r"labels_: .*in \[0, 3\)"),
    "few counts": ({"_counts": np.ones(1)}, "counts_: wanted 3 finite numbers >= 0"),
    "negative counts": ({"_counts": -np.ones(3)}, "counts_: wanted 3 finite numbers >= 0"),
    "NaN counts": ({"_counts": np.full(3, np.nan)}, "counts_: wanted 3 finite numbers >= 0"),
    "text counts": ({"_counts": "a"}, "counts_: wanted numbers"),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_a_pickle_that_was_tampered_with(case):
    changes, message = TAMPERED[case]
    model = fit(X, 3)
    vars(model).update(changes)
    saved = pickle.dumps(model)
    with pytest.raises((TypeError, ValueError), match=message):
        pickle.loads(saved)


def test_a_pickle_of_the_other_byte_order():
    model, plain = fit(X, 3, np.ones(40)), fit(X, 3, np.ones(40))
    for name in ("cluster_centers_", "labels_", "_counts"):
        old = vars(model)[name]
        vars(model)[name] = old.astype(old.dtype.newbyteorder())
    back = pickle.loads(pickle.dumps(model))
    assert_bits(back, plain)
    np.testing.assert_array_equal(back.partial_fit(X).counts_, plain.partial_fit(X).counts_)
    assert back.cluster_centers_.dtype.isnative


@pytest.mark.parametrize("kind", [np.ndarray.tolist, np.asfortranarray, np.float16, np.int64])
def test_centres_set_by_hand(kind):
    model = fit(X, 3)
    model.cluster_centers_ = kind(X[:3])
    labels, distances = reference.assign(X, X[:3])
    np.testing.assert_array_equal(model.predict(X), labels)
    assert model.score(X) == -distances.sum()
    np.testing.assert_array_equal(model.transform(X), np.sqrt(reference.sq_distances(X, X[:3])))


def test_no_warning_but_our_own():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(np.vstack([X, [[1e150] * 3]]))
        fit(X, w=np.full(40, 1e300))
        with pytest.raises(UserWarning, match="distinct clusters"):
            fit(np.zeros((9, 2)))
