"""KMeans on CSR rows: what dense rows give, and the core's own refusals of a broken matrix."""

import numpy as np
import pytest
from coterie import KMeans, _core, kmeans_assign, kmeans_plus_plus
from reference import kmeans as reference
from rows import assert_bits, integers
from shapes import COLUMNS, DEPTHS
from tolerance import assert_within, distance_bound, mean_bound

sparse = pytest.importorskip("scipy.sparse")
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def thin(n, d, share=0.3, dtype=np.float64):
    """Integers, most of them zero, some rows empty."""
    rng = np.random.default_rng(n + d)
    X = rng.integers(-4, 5, (n, d)) * (rng.uniform(size=(n, d)) < share)
    X[rng.uniform(size=n) < 0.1] = 0
    return X.astype(dtype)


def test_sparse_rows_are_fitted_like_dense_ones():
    X = integers(120, 6) * (np.random.default_rng(4).uniform(size=(120, 6)) < 0.3)
    for S in (sparse.csr_matrix(X), sparse.csc_matrix(X)):
        for init in ("k-means++", "random", X[:4]):
            model = KMeans(4, init=init, random_state=1).fit(S)
            dense = KMeans(4, init=init, random_state=1).fit(X)
            np.testing.assert_array_equal(model.labels_, dense.labels_)
            assert_within(model.cluster_centers_, dense.cluster_centers_, mean_bound(X))
        np.testing.assert_array_equal(model.predict(S), model.predict(X))
        distances = dense.transform(X)  # centres that differ by mean_bound move them by its norm
        bound = distance_bound(distances, 6, np.float64) + np.sqrt(6) * mean_bound(X)
        assert_within(model.transform(S), distances, bound)
        assert KMeans(4, init="k-means||", random_state=1).fit(S).inertia_ > 0
        model.partial_fit(S[:30])
        np.testing.assert_array_equal(model.labels_, model.predict(X[:30]))
    given = []
    KMeans(2, init=lambda S, k, random_state: given.append(S) or X[:k], n_init=1).fit(S)
    assert sparse.issparse(given[0])


@DTYPES
@pytest.mark.parametrize(
    ("n", "d", "k"),
    [*((90, d, 7) for d in DEPTHS), *((90, 40, k) for k in COLUMNS), (1100, 30, 5), (1, 1, 1)],
)
def test_assignment_of_integers(n, d, k, dtype):
    X, centers = thin(n, d, dtype=dtype), integers(k, d, seed=1).astype(dtype)
    labels, distances = kmeans_assign(sparse.csr_array(X), centers)
    wanted, least = reference.assign(X, centers)
    np.testing.assert_array_equal(labels, wanted)
    np.testing.assert_array_equal(distances, least)


@DTYPES
def test_weights_threads_and_seeds(dtype):
    X, w = thin(6000, 30, dtype=dtype), np.random.default_rng(0).integers(0, 3, 6000)
    S = sparse.csr_array(X)
    models = [KMeans(8, random_state=0, n_threads=t).fit(S, sample_weight=w) for t in (1, 2, 3, 8)]
    for model in models[1:]:
        assert_bits(models[0], model)
    dense = KMeans(8, random_state=0).fit(X, sample_weight=w)
    np.testing.assert_array_equal(models[0].labels_, dense.labels_)
    seeds = [kmeans_plus_plus(rows, 30, sample_weight=w, random_state=2)[1] for rows in (S, X)]
    np.testing.assert_array_equal(*seeds)


def test_explicit_zeros_and_empty_matrices():
    S = sparse.csr_array(thin(50, 4))
    S.data[::3] = 0
    assert_bits(
        KMeans(3, init=np.eye(3, 4)).fit(S),
        KMeans(3, init=np.eye(3, 4)).fit(sparse.csr_array(S.toarray())),
    )
    with pytest.warns(UserWarning, match="distinct clusters"):
        model = KMeans(2, random_state=0).fit(sparse.csr_array((9, 3)))
    np.testing.assert_array_equal(model.cluster_centers_, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite(bad):
    S = sparse.csr_array(thin(50, 4))
    S.data[-1] = bad
    row, column = S.nonzero()[0][-1], S.indices[-1]
    message = rf"X: wanted finite values, got (NaN|inf) at row {row}, column {column} \(1 in all"
    model = KMeans(2, random_state=0).fit(thin(50, 4))
    for call in (KMeans(2).fit, model.predict, model.transform, model.score, model.partial_fit):
        with pytest.raises(ValueError, match=message):
            call(S)


BROKEN = [
    ("indices", [0, 3, 1], "indices: wanted columns within n_features, got 3"),
    ("indices", [0, -1, 1], "indices: wanted columns within n_features, got -1"),
    ("indices", [0, 1], "indices: wanted length 3, got length 2"),
    ("indptr", [0, 2, 4], "indptr: wanted 0 to the number of stored values, got 0 to 4"),
    ("indptr", [1, 2, 3], "indptr: wanted 0 to the number of stored values, got 1 to 3"),
    ("indptr", [0, 5, 3], "indptr: wanted ascending entries, got a descent at row 1"),
    ("indptr", [], "indptr"),
    ("n_features", 0, "n_features: wanted 1 to 2147483647 features, got 0"),
    ("n_features", 2**31, "n_features: wanted 1 to 2147483647 features"),
]


@pytest.mark.parametrize(("name", "value", "message"), BROKEN)
def test_a_broken_matrix_is_refused(name, value, message):
    good = {
        "data": np.ones(3),
        "indices": np.array([0, 2, 1]),
        "indptr": np.array([0, 2, 3]),
        "n_features": 3,
    }
    assert _core.Csr(**good).shape == (2, 3)
    broken = value if name == "n_features" else np.array(value, dtype=np.int64)
    with pytest.raises(ValueError, match=message):
        _core.Csr(**{**good, name: broken})
