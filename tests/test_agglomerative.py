"""AgglomerativeClustering without a graph: trees, cuts, numbers of labels, manners."""

import inspect
import pickle
import sys
import warnings

import numpy as np
import pytest
from coterie import AgglomerativeClustering, _clusters
from coterie._estimator import NotFittedError
from tolerance import EPS

pytest.importorskip("coterie.hierarchy")
LINKAGES = ("ward", "complete", "average", "single", "weighted", "centroid", "median")
METRICS = ("euclidean", "l2", "l1", "manhattan", "cityblock", "cosine")


def rows(n=60, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def theirs():
    return pytest.importorskip("sklearn.cluster").AgglomerativeClustering


def test_check_estimator():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for linkage in ("ward", "single"):
            model = AgglomerativeClustering(linkage=linkage)
            results = checks.check_estimator(model, on_fail=None, on_skip=None)
            assert len(results) > 30
            assert [r["check_name"] for r in results if r["status"] == "failed"] == []


def test_signature_is_a_superset_of_sklearns():
    wanted = inspect.signature(theirs()).parameters
    ours = inspect.signature(AgglomerativeClustering).parameters
    assert [name for name in ours if name not in wanted] == ["n_threads"]
    for name, parameter in wanted.items():
        assert (ours[name].default, ours[name].kind) == (parameter.default, parameter.kind), name


# --- trees and cuts


@pytest.mark.parametrize("linkage", LINKAGES[:4])
def test_results_are_sklearns(linkage):
    X = rows()
    for metric in METRICS[: 2 if linkage == "ward" else None]:
        for n_clusters in (1, 2, 3, 7, 29, 60):
            options = {"metric": metric, "linkage": linkage, "compute_distances": True}
            wanted = theirs()(n_clusters, **options).fit(X)
            model = AgglomerativeClustering(n_clusters, **options).fit(X)
            same(model, wanted, linkage == "single")


def same(model, wanted, unordered=False):
    """Compare two fits; unordered: the other did not write the smaller child first."""
    pairs = np.sort(wanted.children_, axis=1) if unordered else wanted.children_
    np.testing.assert_array_equal(model.children_, pairs)
    # 1 - cos is off by roundings of the 1, however small it is.
    atol = (2 * model.n_features_in_ + 8) * EPS if model.metric == "cosine" else 0
    np.testing.assert_allclose(model.distances_, wanted.distances_, rtol=1e-12, atol=atol)
    for name in ("n_clusters_", "n_leaves_", "n_connected_components_", "n_features_in_"):
        assert getattr(model, name) == getattr(wanted, name), name
    if unordered:
        both = set(zip(model.labels_.tolist(), wanted.labels_.tolist(), strict=True))
        assert len(both) == model.n_clusters_
    else:
        np.testing.assert_array_equal(model.labels_, wanted.labels_)
    assert model.labels_.dtype == wanted.labels_.dtype
    assert model.children_.dtype == wanted.children_.dtype


@pytest.mark.parametrize("linkage", LINKAGES)
def test_children_are_those_of_the_linkage_matrix(linkage):
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    X = rows(40, 2, 1)
    Z = hierarchy.linkage(X, linkage)
    model = AgglomerativeClustering(5, linkage=linkage, compute_distances=True).fit(X)
    np.testing.assert_array_equal(model.children_, Z[:, :2])
    np.testing.assert_allclose(model.distances_, Z[:, 2], rtol=1e-10)
    assert sorted(set(model.labels_.tolist())) == list(range(5))


@pytest.mark.parametrize("linkage", ["complete", "average", "single"])
def test_ties_are_broken_as_along_a_complete_graph(linkage):
    pytest.importorskip("scipy.sparse")
    for seed in range(10):
        X = np.random.default_rng(seed).integers(0, 4, (40, 2)).astype(np.float64)
        options = {"linkage": linkage, "metric": "manhattan", "compute_distances": True}
        free = AgglomerativeClustering(**options).fit(X)
        graph = AgglomerativeClustering(connectivity=np.ones((40, 40)), **options).fit(X)
        np.testing.assert_array_equal(free.children_, graph.children_)
        np.testing.assert_allclose(free.distances_, graph.distances_, rtol=1e-14)


@pytest.mark.parametrize("linkage", LINKAGES[:4])
def test_threshold(linkage):
    X = rows(50, 2, 2)
    for threshold in (0, 0.3, 1.5, 1e3):
        options = {"distance_threshold": threshold, "linkage": linkage}
        wanted = theirs()(None, **options).fit(X)
        same(AgglomerativeClustering(None, **options).fit(X), wanted, linkage == "single")
    # At the threshold itself a merge is undone.
    model = AgglomerativeClustering(None, linkage="single", distance_threshold=2.0)
    assert model.fit([[0.0], [1], [3], [6]]).n_clusters_ == 3


@pytest.mark.parametrize("linkage", ["complete", "average", "single"])
def test_precomputed_and_callable(linkage):
    X = rows(30, 2, 3)
    square = np.abs(X[:, None] - X).sum(axis=2)
    plain = AgglomerativeClustering(4, linkage=linkage, metric="manhattan").fit(X)

    def metric(given):
        return np.abs(given[:, None] - given).sum(axis=2)

    for data, by in ((square, "precomputed"), (X, metric), (np.triu(square), "precomputed")):
        options = {"metric": by, "linkage": linkage, "compute_distances": True}
        model = AgglomerativeClustering(4, **options).fit(data)
        same(model, theirs()(4, **options).fit(data))
        np.testing.assert_array_equal(model.labels_, plain.labels_)


def test_distances_are_there_when_asked_for():
    X = rows()
    model = AgglomerativeClustering(compute_distances=True).fit(X)
    assert model.distances_.shape == (59,)
    assert not hasattr(model.set_params(compute_distances=False).fit(X), "distances_")
    model = AgglomerativeClustering(None, distance_threshold=1).fit(X)
    assert model.distances_.shape == (59,)


def test_float32_and_frames():
    pd = pytest.importorskip("pandas")
    X = rows().astype(np.float32)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = AgglomerativeClustering(4).fit(frame)
    np.testing.assert_array_equal(model.labels_, AgglomerativeClustering(4).fit_predict(X))
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(X)


def test_long_chains_are_labelled():
    n = 5000
    children = np.column_stack([np.append(0, np.arange(n, 2 * n - 2)), np.arange(1, n)])
    nodes = _clusters.top_nodes(children, n, 3)
    labels = _clusters.leaf_labels(children, n, nodes)
    assert [labels[i] for i in (-1, -2, -3, 0)] == [nodes.index(n - 1), nodes.index(n - 2)] + [
        nodes.index(2 * n - 4)
    ] * 2


# --- manners


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_clusters": 0}, ValueError, r"n_clusters: wanted an integer >= 1 .* got 0"),
        ({"n_clusters": 2.0}, TypeError, "n_clusters: wanted an integer"),
        ({"n_clusters": 9}, ValueError, "n_clusters: wanted at most n_samples = 8 clusters, got 9"),
        ({"n_clusters": None}, ValueError, "exactly one of n_clusters and distance_threshold"),
        ({"distance_threshold": 1}, ValueError, "exactly one of n_clusters and distance_thresh"),
        (
            {"n_clusters": None, "distance_threshold": -1},
            ValueError,
            "distance_threshold: wanted a finite number >= 0, got -1",
        ),
        (
            {"n_clusters": None, "distance_threshold": 1, "compute_full_tree": False},
            ValueError,
            "compute_full_tree: wanted True or 'auto' with a distance_threshold, got False",
        ),
        ({"compute_full_tree": "no"}, ValueError, "compute_full_tree: wanted 'auto', got 'no'"),
        ({"compute_full_tree": None}, TypeError, "compute_full_tree: wanted a bool, got None"),
        ({"compute_distances": "yes"}, TypeError, "compute_distances: wanted a bool"),
        ({"linkage": "maximum"}, ValueError, "linkage: wanted one of 'ward', .* got 'maximum'"),
        ({"metric": 3, "linkage": "single"}, TypeError, "metric: wanted a name or a callable"),
        ({"metric": "l1"}, ValueError, "metric: wanted 'euclidean' or 'l2' for linkage 'ward'"),
        ({"metric": "precomputed"}, ValueError, "for linkage 'ward', got 'precomputed'"),
        (
            {"metric": "precomputed", "linkage": "single"},
            ValueError,
            r"X: wanted a square matrix .* got shape \(8, 3\)",
        ),
        (
            {"metric": lambda X: X, "linkage": "single"},
            ValueError,
            r"metric: wanted a callable that returns a matrix of shape \(8, 8\), got shape",
        ),
        ({"memory": 3}, ValueError, "memory: wanted None, a folder or an object with a method"),
        ({"n_threads": 0}, ValueError, "n_threads: wanted an integer >= 1"),
    ],
)
def test_bad_options(options, error, message):
    model = AgglomerativeClustering().fit(rows(20))
    before = dict(vars(model))
    with pytest.raises(error, match=message):
        model.set_params(**options).fit(rows(8))
    assert {**vars(model), **{name: before[name] for name in options}} == before


def test_bad_rows():
    with pytest.raises(ValueError, match=r"X: wanted at least 2 rows, got 1 sample"):
        AgglomerativeClustering(1).fit([[1.0, 2.0]])
    with pytest.raises(ValueError, match="X: wanted finite values, got NaN at row 0, column 1"):
        AgglomerativeClustering().fit([[1.0, np.nan], [0, 0]])
    with pytest.raises(ValueError, match="got 1 zero vector, the first"):
        AgglomerativeClustering(metric="cosine", linkage="average").fit(np.eye(4)[:, 1:])


def test_memory(tmp_path):
    pytest.importorskip("joblib")
    X, calls = rows(), []

    class Memory:
        def cache(self, function):
            def kept(*given):
                calls.append(given)
                return function(*given)

            return kept

    plain = AgglomerativeClustering(3).fit(X)
    for memory in (Memory(), str(tmp_path)):
        for n_clusters in (3, 3, 5):
            model = AgglomerativeClustering(n_clusters, memory=memory).fit(X)
            np.testing.assert_array_equal(model.children_, plain.children_)
    assert len(calls) == 3
    assert len(list(tmp_path.rglob("output.pkl"))) == 1


def test_memory_without_joblib(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(ImportError, match="memory: wanted joblib"):
        AgglomerativeClustering(memory=str(tmp_path)).fit(rows())


def test_a_dendrogram_is_that_of_the_tree(monkeypatch):
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    X, drawn = rows(25, 2, 6), []
    monkeypatch.setattr(
        "coterie.hierarchy.dendrogram", lambda Z, **options: drawn.append((Z, options))
    )
    AgglomerativeClustering(4, linkage="average").fit(X).plot_dendrogram(no_labels=True)
    ((Z, options),) = drawn
    np.testing.assert_allclose(Z, hierarchy.linkage(X, "average"), rtol=1e-12)
    assert options == {"no_labels": True}
    with pytest.raises(NotFittedError):
        AgglomerativeClustering().plot_dendrogram()


def test_pickle_and_clone():
    base = pytest.importorskip("sklearn.base")
    X = rows()
    model = AgglomerativeClustering(3, linkage="complete").fit(X)
    back = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(back.labels_, model.labels_)
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    assert base.is_clusterer(model)
    assert not hasattr(base.clone(model), "labels_")
    assert repr(model) == "AgglomerativeClustering(n_clusters=3, linkage='complete')"


@pytest.mark.parametrize("linkage", LINKAGES)
def test_same_bits_for_any_number_of_threads(linkage):
    X = rows(80, 5, 7)
    first, second = (
        AgglomerativeClustering(5, linkage=linkage, n_threads=n, compute_distances=True).fit(X)
        for n in (1, 3)
    )
    np.testing.assert_array_equal(first.children_, second.children_)
    np.testing.assert_array_equal(first.distances_, second.distances_)
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
