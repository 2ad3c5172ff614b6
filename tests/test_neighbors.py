"""NearestNeighbors: what scikit-learn finds, by number and by radius, and its conventions."""

import inspect
import pickle
import sys
import warnings

import child
import numpy as np
import pytest
from coterie import NearestNeighbors, TopN
from coterie._estimator import NotFittedError
from rankings import assert_exact, exact, real

METRICS = ["minkowski", "euclidean", "l2", "cosine"]
X, Q = real(150, 4, seed=1), real(40, 4, seed=2)


def fitted(rows=X, **options):
    return NearestNeighbors(**options).fit(rows)


def theirs(rows=X, **options):
    neighbors = pytest.importorskip("sklearn.neighbors")
    return neighbors.NearestNeighbors(algorithm="brute", **options).fit(rows)


def assert_close(found, wanted):
    assert type(found) is type(wanted)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


# ---- scikit-learn's results


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("queries", [None, Q])
@pytest.mark.parametrize("n", [1, 5, 149])
def test_neighbors_by_number(n, queries, metric):
    ours, other = (make(metric=metric, n_neighbors=n) for make in (fitted, theirs))
    assert_close(ours.kneighbors(queries), other.kneighbors(queries))
    assert_close(ours.kneighbors(queries, 3), other.kneighbors(queries, 3))
    indices = ours.kneighbors(queries, return_distance=False)
    np.testing.assert_array_equal(indices, other.kneighbors(queries, return_distance=False))
    for mode in ("connectivity", "distance"):
        assert_same_graph(*(m.kneighbors_graph(queries, mode=mode) for m in (ours, other)))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("queries", [None, Q])
@pytest.mark.parametrize("radius", [0, 0.05, 0.5, 1.5, 100])
def test_neighbors_by_radius(radius, queries, metric):
    ours, other = (make(metric=metric, radius=radius) for make in (fitted, theirs))
    distances, indices = ours.radius_neighbors(queries)
    far, there = other.radius_neighbors(queries, sort_results=True)
    assert indices.dtype == distances.dtype == object
    assert indices.shape == distances.shape == there.shape
    assert {a.dtype for a in indices} <= {np.dtype(np.int64)}
    for pairs in (zip(indices, there, strict=True), zip(distances, far, strict=True)):
        for one, another in pairs:
            np.testing.assert_allclose(one, another, rtol=1e-12, atol=1e-14)
    alone = ours.set_params(radius=1).radius_neighbors(queries, radius, return_distance=False)
    assert all(np.array_equal(a, b) for a, b in zip(alone, indices, strict=True))
    for mode in ("connectivity", "distance"):
        graphs = (m.radius_neighbors_graph(queries, radius, mode) for m in (ours, other))
        assert_same_graph(*graphs)


def assert_same_graph(graph, other):
    assert type(graph) is type(other)
    assert graph.shape == other.shape
    assert graph.nnz == other.nnz
    np.testing.assert_allclose(graph.toarray(), other.toarray(), rtol=1e-12, atol=1e-14)


def test_sparse_rows():
    sparse = pytest.importorskip("scipy.sparse")
    rows = exact(80, 20)
    for metric in ("euclidean", "cosine"):
        whole = fitted(rows, metric=metric).kneighbors(rows[:30], 9)
        for kind in (sparse.csr_matrix, sparse.csc_array):
            model = fitted(kind(rows), metric=metric)
            for queries in (kind(rows[:30]), rows[:30]):
                for one, other in zip(model.kneighbors(queries, 9), whole, strict=True):
                    np.testing.assert_array_equal(one, other)
            near = model.radius_neighbors(radius=0.9, return_distance=False)
            dense = fitted(rows, metric=metric).radius_neighbors(radius=0.9, return_distance=False)
            assert all(np.array_equal(a, b) for a, b in zip(near, dense, strict=True))


# ---- what is promised beyond


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("metric", ["euclidean", "angular"])
def test_ties_go_to_the_lowest_index(metric, dtype):
    rows = exact(200, 16).astype(dtype)
    distances, indices = fitted(rows, metric=metric).kneighbors(rows[:50], 200)
    assert distances.dtype == dtype
    assert_exact(TopN(indices, distances), rows[:50], rows, 200, metric)
    distances, indices = fitted(rows, metric=metric).kneighbors(n_neighbors=50)
    assert_exact(TopN(indices, distances), rows, rows, 50, metric, exclude_self=True)


def test_cosine_distances():
    rows = exact(200, 16)
    distances, indices = fitted(rows, metric="cosine").kneighbors(rows[:50], 200)
    assert_exact(TopN(indices, 1 - distances), rows[:50], rows, 200)
    assert distances.min() == 0
    same = np.tile(real(1, 7), (40, 1))
    assert fitted(same, metric="cosine").kneighbors(n_neighbors=39)[0].max() <= 2e-16


def test_a_row_is_not_its_own_neighbor():
    """By its index, also among its duplicates."""
    rows = np.repeat(exact(20, 16), 4, axis=0)
    for metric in ("euclidean", "cosine"):
        model = fitted(rows, metric=metric)
        indices = model.kneighbors(n_neighbors=3, return_distance=False)
        near = model.radius_neighbors(radius=0.1, return_distance=False)
        for i, (some, within) in enumerate(zip(indices, near, strict=True)):
            assert i not in some
            assert i not in within
            if metric == "euclidean" or rows[i].any():
                group = [j for j in range(i // 4 * 4, i // 4 * 4 + 4) if j != i]
                assert set(group) <= set(within.tolist())


def test_many_within_the_radius():
    """More than are looked for at first."""
    line = np.arange(3000.0)[:, None]
    for radius, queries in [(15, [0]), (16, [1500]), (255, [1500]), (256, [1500, 5]), (9e9, [7])]:
        model = fitted(line)
        distances, indices = model.radius_neighbors(line[queries], radius)
        for query, near, far in zip(queries, indices, distances, strict=True):
            wanted = np.flatnonzero(np.abs(line[:, 0] - query) <= radius)
            assert sorted(near.tolist()) == wanted.tolist()
            np.testing.assert_array_equal(far, np.abs(near - query))
            assert (np.diff(far) >= 0).all()


def test_the_radius_is_within():
    rows = np.array([[0.0], [0.1], [0.3], [np.nextafter(0.3, 1)]])
    near = fitted(rows).radius_neighbors([[0.0]], 0.3, return_distance=False)[0]
    assert near.tolist() == [0, 1, 2]
    rows = real(300, 5, np.float32)
    for radius in np.random.default_rng(0).uniform(0, 2, 20):
        distances, _ = fitted(rows, metric="cosine").radius_neighbors(rows[:20], radius)
        every = fitted(rows, metric="cosine").kneighbors(rows[:20], 300)[0].astype(np.float64)
        assert [len(d) for d in distances] == (every <= radius).sum(axis=1).tolist()


@pytest.mark.parametrize("n_jobs", [1, 2, 3, 8, -1, -2, -100, None])
def test_threads_do_not_decide(n_jobs):
    one, other = fitted(n_jobs=1), fitted(n_jobs=n_jobs)
    for a, b in zip(one.kneighbors(Q), other.kneighbors(Q), strict=True):
        np.testing.assert_array_equal(a, b)


def test_fit_keeps_a_copy():
    rows = X.copy()
    model = fitted(rows)
    before = model.kneighbors(Q)
    rows[:] = 0
    assert_close(model.kneighbors(Q), before)
    assert_close(pickle.loads(pickle.dumps(model)).kneighbors(Q), before)
    assert fitted(X.astype(np.int8)).kneighbors(Q.astype(np.int8))[0].dtype == np.float32


# ---- conventions


def test_check_estimator():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks warn about bases
        results = checks.check_estimator(NearestNeighbors(), on_fail=None, on_skip=None)
    assert len(results) > 30
    assert [r["check_name"] for r in results if r["status"] not in ("passed", "skipped")] == []


def test_signature_is_sklearns():
    other = pytest.importorskip("sklearn.neighbors").NearestNeighbors
    methods = ("kneighbors", "radius_neighbors", "kneighbors_graph", "radius_neighbors_graph")
    for name in ("__init__", "fit", *methods):
        ours, theirs = (
            {
                key: (parameter.default, parameter.kind)
                for key, parameter in inspect.signature(getattr(cls, name)).parameters.items()
            }
            for cls in (NearestNeighbors, other)
        )
        assert ours == theirs, name


def test_attributes():
    pd = pytest.importorskip("pandas")
    model = fitted(pd.DataFrame(X, columns=list("abcd")), metric="l2")
    assert (model.n_samples_fit_, model.n_features_in_) == (150, 4)
    assert model.effective_metric_ == "euclidean"
    assert model.feature_names_in_.tolist() == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        model.kneighbors(pd.DataFrame(Q, columns=list("abce")))
    assert repr(NearestNeighbors(n_neighbors=3)) == "NearestNeighbors(n_neighbors=3)"


@pytest.mark.parametrize(
    "method", ["kneighbors", "radius_neighbors", "kneighbors_graph", "radius_neighbors_graph"]
)
def test_not_fitted(method):
    for queries in (None, Q):
        with pytest.raises(NotFittedError, match="This NearestNeighbors instance is not fitted"):
            getattr(NearestNeighbors(), method)(queries)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_neighbors": 0}, ValueError, "n_neighbors: wanted an integer >= 1"),
        ({"n_neighbors": 2.0}, TypeError, "n_neighbors: wanted an integer >= 1"),
        ({"radius": -1}, ValueError, "radius: wanted a finite number >= 0"),
        ({"radius": None}, TypeError, "radius: wanted a number >= 0"),
        ({"metric": "manhattan"}, ValueError, "metric: wanted one of 'minkowski', 'euclidean'"),
        ({"metric": len}, TypeError, "metric: wanted one of"),
        ({"p": 1}, ValueError, "p: wanted 2"),
        ({"algorithm": "lsh"}, ValueError, "algorithm: wanted one of"),
        ({"metric_params": {"V": 1}}, ValueError, "metric_params: wanted None"),
        ({"n_jobs": 0}, ValueError, "n_jobs: wanted None or an integer other than 0"),
        ({"n_jobs": 1.5}, TypeError, "n_jobs: wanted"),
    ],
)
def test_refused_parameters(options, error, message):
    model = NearestNeighbors(**options)
    with pytest.raises(error, match=message):
        model.fit(X)
    assert not hasattr(model, "n_features_in_")


def test_refused_queries():
    model = fitted()
    bad = Q.copy()
    bad[7, 2] = np.nan
    for call in (model.kneighbors, model.radius_neighbors, NearestNeighbors().fit):
        with pytest.raises(ValueError, match=r"^X: .* got NaN at row 7, column 2"):
            call(bad)
    with pytest.raises(ValueError, match="X has 3 features, but NearestNeighbors is expecting 4"):
        model.kneighbors(Q[:, :3])
    for queries in (Q[0], 3):
        with pytest.raises(ValueError, match="X: wanted a 2-D array"):
            model.kneighbors(queries)
    for n, queries, words in [
        (151, Q, "n_neighbors <= n_samples_fit"),
        (150, None, "n_neighbors <"),
    ]:
        with pytest.raises(
            ValueError, match=f"Expected {words}.*, but n_neighbors = {n}, n_sample"
        ):
            model.kneighbors(queries, n)
    assert len(model.kneighbors(Q, 150)[1][0]) == 150
    for radius in (-1, np.nan, np.inf, "1"):
        with pytest.raises((TypeError, ValueError), match="radius: wanted a "):
            model.radius_neighbors(Q, radius)
    for graph in (model.kneighbors_graph, model.radius_neighbors_graph):
        with pytest.raises(ValueError, match="mode: wanted one of 'connectivity', 'distance'"):
            graph(Q, mode="both")


def test_without_scipy(monkeypatch):
    code = (
        "import sys; sys.modules['sklearn'] = sys.modules['scipy'] = None;"
        "from coterie import NearestNeighbors, CosineIndex, cosine_top_n;"
        "m = NearestNeighbors(n_neighbors=1).fit([[0.0], [2.0]]); print(m.kneighbors([[5.0]]))"
    )
    assert child.run(code) == "(array([[3.]]), array([[1]]))"
    model = fitted()
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"wanted SciPy.* pip install 'coterie\[sparse\]'"):
        model.kneighbors_graph(Q)
