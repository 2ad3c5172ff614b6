"""What inputs become, and what each refused one is told."""

import re

import numpy as np
import pytest
from coterie import KMeans, _core, _validate, kmeans_assign, kmeans_plus_plus
from coterie._sparse import SparseRows

CENTERS = np.array([[0.0, 0.0, 0.0], [8.0, 8.0, 8.0]])


@pytest.fixture
def X():  # noqa: N802  (the field's name for rows)
    """Small integers, so that every dtype holds them and every sum is exact."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 5, (40, 3)) + 5.0 * rng.integers(0, 2, (40, 1))


def fit(X, **options):
    return KMeans(2, init=CENTERS, **options).fit(X)


def assert_same_fit(model, other):
    np.testing.assert_array_equal(model.labels_, other.labels_)
    np.testing.assert_array_equal(model.cluster_centers_, other.cluster_centers_)
    assert model.inertia_ == other.inertia_


LAYOUTS = {
    "fortran": np.asfortranarray,
    "row stride": lambda X: np.repeat(X, 2, axis=0)[::2],
    "wide rows": lambda X: np.hstack([X, X])[:, :3],
    "column stride": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "reversed rows": lambda X: X[::-1].copy()[::-1],
    "reversed columns": lambda X: X[:, ::-1].copy()[:, ::-1],
    "transposed": lambda X: X.T.copy().T,
    "byte-swapped": lambda X: X.astype(X.dtype.newbyteorder()),
    "unaligned": lambda X: np.frombuffer(b"." + X.tobytes(), X.dtype, offset=1).reshape(X.shape),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_does_not_matter(X, layout, dtype):
    given = LAYOUTS[layout](X.astype(dtype))
    model = fit(given)
    assert model.cluster_centers_.dtype == dtype
    assert_same_fit(model, fit(X.astype(dtype)))
    np.testing.assert_array_equal(model.predict(given), model.labels_)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_are_not_copied(X, dtype):
    X = X.astype(dtype)
    assert _validate.check_rows(X) is X
    for view in (X[::2], np.hstack([X, X])[:, :3]):
        assert np.shares_memory(_validate.check_rows(view), view)


def test_overlapping_rows_are_told_apart(X):
    windows = np.lib.stride_tricks.sliding_window_view(X.ravel(), 3)
    assert_same_fit(fit(windows), fit(windows.copy()))
    alike = np.broadcast_to(X[0], X.shape)
    np.testing.assert_array_equal(kmeans_assign(alike, CENTERS)[0], kmeans_assign(X, CENTERS)[0][0])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_read_only_and_memory_mapped(X, dtype, tmp_path):
    np.save(tmp_path / "X.npy", X.astype(dtype))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert np.shares_memory(_validate.check_rows(mapped), mapped)
    assert_same_fit(fit(mapped), fit(X.astype(dtype)))
    frozen = X.astype(dtype)
    frozen.flags.writeable = False
    assert_same_fit(fit(frozen), fit(mapped))


@pytest.mark.parametrize(
    ("dtype", "becomes"),
    [
        (np.float16, np.float32),
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.longdouble, np.float64),
        (np.int8, np.float64),
        (np.uint8, np.float64),
        (np.int32, np.float64),
        (np.int64, np.float64),
        (np.uint64, np.float64),
        (object, np.float64),
        (">f4", np.float32),
        (">i4", np.float64),
    ],
)
def test_dtype_table(X, dtype, becomes):
    model = fit(X.astype(dtype))
    assert model.cluster_centers_.dtype == becomes
    assert_same_fit(model, fit(X.astype(becomes)))


def test_booleans(X):
    assert_same_fit(fit(X > 4), fit((X > 4).astype(np.float64)))


@pytest.mark.parametrize("nested", [list, tuple])
def test_lists(X, nested):
    assert_same_fit(fit(nested(map(nested, X))), fit(X))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(X, library):
    frames = pytest.importorskip(library)
    columns = {name: X[:, i] for i, name in enumerate("abc")}
    model = fit(frames.DataFrame(columns))
    assert_same_fit(model, fit(X))
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    narrow = {name: column.astype(np.float32) for name, column in columns.items()}
    assert fit(frames.DataFrame(narrow)).cluster_centers_.dtype == np.float32


def test_missing_values_of_frames_are_found(X):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X.astype(int), columns=list("abc")).astype("Int64")
    assert_same_fit(fit(frame), fit(X))
    frame.loc[3, "b"] = pd.NA
    with pytest.raises(ValueError, match="X: wanted finite values, got NaN at row 3, column 1"):
        fit(frame)
    pl = pytest.importorskip("polars")
    nulls = pl.DataFrame({"a": [1, None, 3], "b": [4, 5, 6]})
    with pytest.raises(ValueError, match="got NaN at row 1, column 0"):
        KMeans(2).fit(nulls)


def test_masked_arrays(X):
    masked = np.ma.masked_array(X, mask=False)
    assert_same_fit(fit(masked), fit(X))
    masked[2, 1] = np.ma.masked
    with pytest.raises(ValueError, match="X: wanted no masked entries, got 1"):
        fit(masked)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "bsr"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("form", ["matrix", "array"])
def test_sparse_formats(X, kind, dtype, form):
    sparse = pytest.importorskip("scipy.sparse")
    S = getattr(sparse, f"{kind}_{form}")(X.astype(dtype))
    model, dense = fit(S), fit(X.astype(dtype))
    np.testing.assert_array_equal(model.labels_, dense.labels_)
    np.testing.assert_array_equal(model.cluster_centers_, dense.cluster_centers_)
    np.testing.assert_array_equal(model.predict(S), dense.predict(X.astype(dtype)))
    assert model.cluster_centers_.dtype == dense.cluster_centers_.dtype


def test_sparse_arrays_are_viewed_and_never_written(X):
    sparse = pytest.importorskip("scipy.sparse")
    S = sparse.csr_matrix(X)
    rows = _validate.check_rows(S)
    assert isinstance(rows, SparseRows)
    assert rows.matrix is S
    twice = sparse.csr_matrix(
        (np.ones(4), np.array([2, 0, 2, 1]), np.array([0, 3, 4])), shape=(2, 3)
    )
    np.testing.assert_array_equal(
        KMeans(2, init=[[0, 0, 2], [0, 1, 0]]).fit(twice).cluster_centers_, [[1, 0, 2], [0, 1, 0]]
    )
    np.testing.assert_array_equal(twice.indices, [2, 0, 2, 1])


def test_sparse_indices_may_be_wide(X):
    sparse = pytest.importorskip("scipy.sparse")
    S = sparse.csr_matrix(X)
    S.indices, S.indptr = S.indices.astype(np.int64), S.indptr.astype(np.int64)
    np.testing.assert_array_equal(fit(S).labels_, fit(X).labels_)


REFUSED = {
    "one dimension": (np.ones(4), ValueError, "Reshape your data"),
    "three dimensions": (np.ones((2, 2, 2)), ValueError, r"2-D array .* got shape \(2, 2, 2\)"),
    "a number": (3.0, ValueError, r"got shape \(\)"),
    "no rows": (np.ones((0, 3)), ValueError, r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum"),
    "no columns": (np.ones((3, 0)), ValueError, r"0 feature\(s\) \(shape=\(3, 0\)\) while a min"),
    "complex": (np.ones((3, 3)) * 1j, ValueError, "X: Complex data not supported"),
    "text": (np.full((3, 3), "a"), TypeError, "X: wanted numbers, got dtype <U1"),
    "bytes": (np.full((3, 3), b"a"), TypeError, "X: wanted numbers, got dtype"),
    "dates": (np.zeros((3, 3), "M8[s]"), TypeError, "X: wanted numbers, got dtype datetime64"),
    "records": (np.zeros((3, 3), "f8,f8"), TypeError, "X: wanted numbers, got dtype"),
    "objects": ([[1, {}, 3]], TypeError, "X: wanted numbers, got .*number"),
    "ragged": ([[1, 2], [3]], ValueError, "X: wanted an array of numbers, got"),
    "wide integers": ([[2**53 + 1, 0, 0]] * 3, ValueError, "X: wanted integers within"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_rows(case):
    X, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        KMeans(1).fit(X)
    with pytest.raises(error, match=message):
        kmeans_assign(X, CENTERS)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_that_are_not_finite(X, bad, dtype):
    X = X.astype(dtype)
    model = fit(X)
    X[7, 2] = bad
    message = r"X: wanted finite values, got -?(NaN|inf) at row 7, column 2 \(1 in all\)"
    for call in (fit, model.predict, model.score, model.transform, model.partial_fit):
        with pytest.raises(ValueError, match=message):
            call(X)
    with pytest.raises(ValueError, match=message):
        kmeans_assign(X, CENTERS)
    with pytest.raises(ValueError, match=message):
        kmeans_plus_plus(X, 2)


WEIGHTS = {
    "negative": (-np.ones(40), r"wanted weights >= 0, got -1.0 at row 0"),
    "nan": (np.r_[np.ones(5), np.nan, np.ones(34)], "got nan at row 5"),
    "infinite": (np.r_[np.inf, np.ones(39)], "got inf at row 0"),
    "overflow": (np.full(40, 1e308), "got an overflow"),
    "zero": (np.zeros(40), "at least one weight above zero, got all zero"),
    "short": (np.ones(39), r"shape \(40,\), got shape \(39,\)"),
    "two-dimensional": (np.ones((40, 1)), r"shape \(40,\), got shape \(40, 1\)"),
    "complex": (np.ones(40) * 1j, "Complex data not supported"),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_refused_weights(X, case):
    weights, message = WEIGHTS[case]
    model = fit(X)
    for call in (KMeans(2).fit, model.score, model.partial_fit):
        with pytest.raises(ValueError, match=f"sample_weight: .*{message}"):
            call(X, sample_weight=weights)
    with pytest.raises(ValueError, match=f"sample_weight: .*{message}"):
        kmeans_plus_plus(X, 2, sample_weight=weights)


@pytest.mark.parametrize("kind", [list, tuple, np.float32, np.int64])
def test_weights_of_any_kind(X, kind):
    weights = np.arange(40) % 3
    given = kind(weights.tolist()) if kind in (list, tuple) else weights.astype(kind)
    model = KMeans(2, init=CENTERS)
    assert_same_fit(
        model.fit(X, sample_weight=given),
        KMeans(2, init=CENTERS).fit(X, sample_weight=weights.astype(np.float64)),
    )


PARAMETERS = [
    ("n_clusters", 0, ValueError, "n_clusters: wanted an integer >= 1 .*, got 0"),
    ("n_clusters", 2.0, TypeError, "n_clusters: wanted an integer >= 1, got 2.0"),
    ("n_clusters", True, TypeError, "n_clusters: wanted an integer >= 1, got True"),
    ("n_clusters", 41, ValueError, "n_samples=40 should be >= n_clusters, got n_clusters=41"),
    ("init", "farthest", ValueError, r"init: wanted one of 'k-means\+\+', .*, got 'farthest'"),
    ("init", None, TypeError, "init: wanted one of .*, got None"),
    ("init", CENTERS[:1], ValueError, r"init: wanted shape .* = \(2, 3\), got \(1, 3\)"),
    ("init", CENTERS[:, :2], ValueError, r"init: wanted shape .* = \(2, 3\), got \(2, 2\)"),
    ("init", CENTERS * np.nan, ValueError, "init: wanted finite values .* got nan at row 0"),
    ("init", lambda X, k, random_state: X[:1], ValueError, "init: wanted shape"),
    ("n_init", 0, ValueError, "n_init: wanted an integer >= 1"),
    ("n_init", "all", ValueError, "n_init: wanted 'auto', got 'all'; an integer"),
    ("max_iter", 0, ValueError, "max_iter: wanted an integer >= 1"),
    ("max_iter", 1.5, TypeError, "max_iter: wanted an integer >= 1"),
    ("tol", -1e-9, ValueError, "tol: wanted a finite number >= 0, got -1e-09"),
    ("tol", np.nan, ValueError, "tol: wanted a finite number >= 0, got nan"),
    ("tol", "small", TypeError, "tol: wanted a number >= 0, got 'small'"),
    ("tol", CENTERS, TypeError, "tol: wanted a number >= 0, got array"),
    ("max_iter", CENTERS, TypeError, "max_iter: wanted an integer >= 1, got array"),
    ("verbose", "loud", TypeError, "verbose: wanted an integer >= 0, got 'loud'"),
    ("verbose", -1, ValueError, "verbose: wanted an integer >= 0"),
    ("random_state", "seed", TypeError, "random_state: wanted None, an integer"),
    ("random_state", -1, ValueError, r"random_state: wanted a seed in \[0, 2\*\*32\), got -1"),
    ("copy_x", "no", TypeError, "copy_x: wanted a bool, got 'no'"),
    ("algorithm", "elkan", ValueError, "algorithm: wanted 'lloyd', got 'elkan'.*replaces"),
    ("empty_cluster", "drop", ValueError, "empty_cluster: wanted one of 'relocate', 'keep', 'err"),
    ("n_threads", 0, ValueError, "n_threads: wanted an integer >= 1"),
    ("n_threads", 2**40, ValueError, re.escape("below 2**31, got 1099511627776")),
    ("callback", 3, TypeError, "callback: wanted a callable or None, got 3"),
]


@pytest.mark.parametrize(("name", "value", "error", "message"), PARAMETERS)
def test_refused_parameters(X, name, value, error, message):
    model = KMeans(2).set_params(**{name: value})
    with pytest.raises(error, match=message):
        model.fit(X)
    assert vars(model) == vars(KMeans(2).set_params(**{name: value})), "a failed fit left a trace"


def test_refused_arguments_of_functions(X):
    with pytest.raises(ValueError, match="n_local_trials: wanted an integer >= 1"):
        kmeans_plus_plus(X, 2, n_local_trials=0)
    with pytest.raises(ValueError, match="n_samples=40 should be >= n_clusters"):
        kmeans_plus_plus(X, 41)
    with pytest.raises(ValueError, match=r"centers: wanted shape .* = \(n_clusters, 3\), got"):
        kmeans_assign(X, CENTERS[:, :2])
    with pytest.raises(ValueError, match="centers: wanted shape"):
        kmeans_assign(X, CENTERS[:0])
    with pytest.raises(ValueError, match="centers: wanted finite values in float32, got 1e"):
        kmeans_assign(X.astype(np.float32), CENTERS + 1e300)
    with pytest.raises(ValueError, match="n_threads: wanted an integer >= 1"):
        kmeans_assign(X, CENTERS, n_threads=-1)


def test_integers_may_be_numpy_integers(X):
    assert_same_fit(fit(X, max_iter=np.int32(5), n_init=np.uint8(1)), fit(X, max_iter=5))


def test_inputs_are_never_written(X):
    for given in (X, np.asfortranarray(X), X.astype(np.float32)):
        before, start = given.tobytes(), CENTERS.tobytes()
        model = fit(given, copy_x=False)
        model.predict(given)
        model.transform(given)
        model.partial_fit(given)
        assert given.tobytes() == before
        assert CENTERS.tobytes() == start


def test_threads_default_to_what_the_core_offers():
    assert _validate.check_threads(None) == _core.default_threads()
    assert _validate.check_threads(3) == 3
