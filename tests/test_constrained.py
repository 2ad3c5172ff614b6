"""Agglomeration along a connectivity graph: merges, ties, components, where it stops."""

import sys
import warnings

import numpy as np
import pytest
from coterie import AgglomerativeClustering, _constrained, _core, _distances
from reference import constrained as reference

sparse = pytest.importorskip("scipy.sparse")
LINKAGES = ("ward", "complete", "average", "single")


def fit(X, graph, linkage, n_clusters=2, **options):
    options = {"compute_distances": True, "compute_full_tree": True, **options}
    return AgglomerativeClustering(n_clusters, connectivity=graph, linkage=linkage, **options).fit(
        X
    )


def path(n):
    return sparse.diags_array([np.ones(n - 1)], offsets=[1], shape=(n, n))


def neighbours(X, k):
    near = np.argsort(((X[:, None] - X) ** 2).sum(axis=2), axis=1, kind="stable")[:, 1 : k + 1]
    graph = np.zeros((len(X), len(X)))
    np.put_along_axis(graph, near, 1, axis=1)
    return graph


def connected(n, edges, seed):
    """A random graph of one component: a random tree and `edges` more."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, n, (2, edges))
    a = np.append(a, np.arange(1, n))
    b = np.append(b, [rng.integers(0, i) for i in range(1, n)])
    graph = np.zeros((n, n))
    graph[a, b] = 1
    np.fill_diagonal(graph, 0)
    return graph


def edge_lengths(graph, distances):
    i, j = np.nonzero(np.triu(graph + graph.T))
    return {(int(a), int(b)): float(distances[a, b]) for a, b in zip(i, j, strict=True)}


def manhattan(X):
    return np.abs(X[:, None] - X).sum(axis=2)


# --- against the definition, ties included


@pytest.mark.parametrize("linkage", LINKAGES)
@pytest.mark.parametrize(
    ("n", "edges", "values"), [(2, 0, 3), (12, 20, 3), (30, 0, 4), (30, 60, 2), (40, 700, 9)]
)
def test_merges_are_those_of_the_definition(linkage, n, edges, values):
    for seed in range(5):
        graph = connected(n, edges, seed)
        X = np.random.default_rng(seed).integers(0, values, (n, 1)).astype(np.float64)
        model = fit(X, graph, linkage, metric="euclidean" if linkage == "ward" else "manhattan")
        children, heights = reference.agglomerate(edge_lengths(graph, manhattan(X)), linkage, X)
        np.testing.assert_array_equal(model.children_, children)
        np.testing.assert_array_equal(model.distances_, heights)


@pytest.mark.parametrize("linkage", LINKAGES)
def test_hubs_and_duplicates(linkage):
    n = 60
    star = np.zeros((n, n))
    star[7] = star[:, 31] = 1  # two rows that know all others
    X = np.random.default_rng(0).integers(0, 4, (n, 1)).astype(np.float64)
    children, heights = reference.agglomerate(
        edge_lengths(star - np.diag(np.diag(star)), manhattan(X)), linkage, X
    )
    model = fit(X, star, linkage, metric="euclidean" if linkage == "ward" else "l1")
    np.testing.assert_array_equal(model.children_, children)
    np.testing.assert_array_equal(model.distances_, heights)
    same = fit(np.ones((9, 3)), np.ones((9, 9)), linkage)
    np.testing.assert_array_equal(same.distances_, np.zeros(8))
    np.testing.assert_array_equal(same.children_[:2], [[0, 1], [2, 9]])


@pytest.mark.parametrize("linkage", LINKAGES)
def test_a_path_merges_intervals(linkage):
    X = np.random.default_rng(3).normal(size=(50, 2))
    labels = fit(X, path(50), linkage, 7).labels_
    assert np.count_nonzero(np.diff(labels)) == 6


@pytest.mark.parametrize("linkage", LINKAGES)
def test_a_complete_graph_is_no_constraint(linkage):
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    X = np.random.default_rng(4).normal(size=(70, 3))
    model = fit(X, np.ones((70, 70)), linkage, 6)
    Z = hierarchy.linkage(X, linkage)
    np.testing.assert_array_equal(model.children_, Z[:, :2])
    np.testing.assert_allclose(model.distances_, Z[:, 2], rtol=1e-13)  # Z: by recurrences


# --- against scikit-learn


@pytest.mark.parametrize("linkage", LINKAGES)
@pytest.mark.parametrize("k", [1, 3, 12])
def test_results_are_sklearns(linkage, k):
    cluster = pytest.importorskip("sklearn.cluster")
    metrics = ["euclidean"] if linkage == "ward" else ["l2", "l1", "manhattan", "cosine"]
    for seed, metric in enumerate(metrics):
        X = np.random.default_rng(seed).normal(size=(90, 4))
        for n_clusters, full in ((2, "auto"), (9, True), (9, False), (90, True)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of components, tested below
                options = {"metric": metric, "compute_full_tree": full}
                model = fit(X, neighbours(X, k), linkage, n_clusters, **options)
                theirs = cluster.AgglomerativeClustering(
                    n_clusters,
                    linkage=linkage,
                    connectivity=neighbours(X, k),
                    compute_distances=True,
                    **options,
                ).fit(X)
            same(model, theirs)


def same(model, theirs):
    single = model.linkage == "single"  # whose pairs scikit-learn does not order
    pairs = np.sort(theirs.children_, axis=1) if single else theirs.children_
    np.testing.assert_array_equal(model.children_, pairs)
    np.testing.assert_allclose(model.distances_, theirs.distances_, rtol=1e-13)
    assert model.n_connected_components_ == theirs.n_connected_components_
    assert model.n_clusters_ == theirs.n_clusters_
    if single:
        both = set(zip(model.labels_.tolist(), theirs.labels_.tolist(), strict=True))
        assert len(both) == model.n_clusters_
    else:
        np.testing.assert_array_equal(model.labels_, theirs.labels_)


def test_an_image_is_segmented_as_by_sklearn():
    cluster = pytest.importorskip("sklearn.cluster")
    image = pytest.importorskip("sklearn.feature_extraction.image")
    X = np.random.default_rng(0).normal(size=(35 * 30, 1))
    graph = image.grid_to_graph(35, 30)
    for linkage in LINKAGES:
        theirs = cluster.AgglomerativeClustering(
            30, connectivity=graph, linkage=linkage, compute_distances=True
        ).fit(X)
        same(fit(X, graph, linkage, 30, compute_full_tree="auto"), theirs)


@pytest.mark.parametrize("linkage", ["complete", "average", "single"])
def test_precomputed_and_callable(linkage):
    cluster = pytest.importorskip("sklearn.cluster")
    X = np.random.default_rng(5).normal(size=(40, 2))
    square = manhattan(X)
    with pytest.warns(UserWarning, match="number of connected components"):
        plain = fit(X, neighbours(X, 1), linkage, 4, metric="manhattan")
    for data, metric in ((square, "precomputed"), (X, lambda x, y: np.abs(x - y).sum())):
        with pytest.warns(UserWarning, match="number of connected components"):
            model = fit(data, neighbours(X, 1), linkage, 4, metric=metric)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = cluster.AgglomerativeClustering(
                4,
                metric=metric,
                connectivity=neighbours(X, 1),
                linkage=linkage,
                compute_distances=True,
            ).fit(data)
        same(model, theirs)
        np.testing.assert_array_equal(model.children_, plain.children_)


def test_threshold():
    X = np.array([[0.0], [1], [3], [6], [10]])
    for threshold, k in ((0.5, 5), (1, 5), (1.5, 4), (4, 2), (4.5, 1)):
        model = fit(X, path(5), "single", None, distance_threshold=threshold)
        assert model.n_clusters_ == k == len(set(model.labels_.tolist()))
    np.testing.assert_array_equal(model.distances_, [1, 2, 3, 4])


# --- components


@pytest.mark.parametrize("linkage", LINKAGES)
def test_components_are_joined_where_they_are_nearest(linkage):
    X = np.array([[0.0], [1], [9], [5], [6], [20]])
    graph = np.zeros((6, 6))
    graph[0, 1] = graph[3, 4] = 1  # and 2 and 5 alone
    message = "connectivity: the number of connected components of the graph is 4 > 1"
    with pytest.warns(UserWarning, match=message) as caught:
        model = fit(X, graph, linkage)
    assert caught[0].filename == __file__
    assert model.n_connected_components_ == 4
    for a, b in ((1, 2), (1, 3), (2, 4), (1, 5), (2, 5), (4, 5)):
        graph[a, b] = 1
    whole = fit(X, graph, linkage)
    assert whole.n_connected_components_ == 1
    np.testing.assert_array_equal(model.children_, whole.children_)
    np.testing.assert_array_equal(model.distances_, whole.distances_)


def test_bridges_take_the_lowest_of_equal_rows(monkeypatch):
    X = np.random.default_rng(1).integers(0, 4, (60, 2)).astype(np.float64)
    parts = np.random.default_rng(2).integers(0, 5, 60).astype(np.int32)
    wanted = []
    for a in range(1, 5):
        for b in range(a):
            pairs = (
                (((X[i] - X[j]) ** 2).sum(), i, j)
                for i in np.flatnonzero(parts == a)
                for j in np.flatnonzero(parts == b)
            )
            wanted.append(min(pairs)[1:])
    for block in (1, 50, 1 << 22):
        monkeypatch.setattr(_constrained, "BLOCK", block)
        for n_threads in (1, 2, 5):
            found = _constrained._bridges(X, parts, "euclidean", n_threads)
            np.testing.assert_array_equal(np.transpose(found), wanted)


# --- where it stops


@pytest.mark.parametrize("linkage", LINKAGES)
def test_stopping_early_gives_the_clusters_of_the_whole_tree(linkage):
    X = np.random.default_rng(6).normal(size=(80, 2))
    graph = connected(80, 100, 6)
    whole = fit(X, graph, linkage, 11)
    early = fit(X, graph, linkage, 11, compute_full_tree=False)
    n = 79 if linkage == "single" else 69
    assert early.children_.shape == (n, 2)
    assert early.distances_.shape == (n,)
    np.testing.assert_array_equal(early.children_, whole.children_[:n])
    if linkage != "ward":  # whose heights may fall, so that later merges can be cut before others
        both = set(zip(whole.labels_.tolist(), early.labels_.tolist(), strict=True))
        assert len(both) == 11
    assert fit(X, graph, linkage, 80, compute_full_tree=False).labels_.tolist() == list(range(80))


def test_auto_stops_early_from_100_clusters_on():
    X = np.random.default_rng(7).normal(size=(150, 1))
    for n_clusters, merges in ((99, 149), (100, 50)):
        model = fit(X, path(150), "ward", n_clusters, compute_full_tree="auto")
        assert len(model.children_) == merges
        assert len(set(model.labels_.tolist())) == n_clusters
    with pytest.raises(ValueError, match="compute_full_tree: wanted True for a dendrogram"):
        model.plot_dendrogram()


# --- what is taken for a graph


def test_graphs_of_every_kind():
    X = np.random.default_rng(8).normal(size=(20, 2))
    upper = np.triu(connected(20, 10, 8) + connected(20, 10, 8).T, 1)
    wanted = fit(X, upper, "average").children_
    noisy = sparse.csr_array(upper + 3 * np.eye(20))
    noisy.data[noisy.data == 1] = -2.5
    zeros = sparse.csr_array(np.ones((20, 20)))
    zeros.data[:] = upper.ravel()  # explicit zeros
    for graph in (
        upper.T,
        upper.tolist(),
        upper.astype(bool),
        upper.astype(np.float32) * 7,
        noisy,
        zeros,
        lambda rows: upper if rows.shape == (20, 2) else None,
        *(sparse.csr_array(upper).asformat(name) for name in ("csc", "coo", "lil", "dok")),
        sparse.csr_matrix(upper),
    ):
        np.testing.assert_array_equal(fit(X, graph, "average").children_, wanted)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (np.ones((3, 4)), r"connectivity: wanted shape .* = \(4, 4\), got \(3, 4\)"),
        (np.full((4, 4), np.nan), "connectivity: wanted finite values"),
        (np.ones(4), "connectivity: wanted a 2-D array"),
    ],
)
def test_bad_graphs(graph, message):
    with pytest.raises(ValueError, match=message):
        fit(np.ones((4, 2)), graph, "ward")


def test_bad_options():
    X = np.arange(8.0).reshape(4, 2)
    with pytest.raises(ValueError, match=r"linkage: wanted one of .* got 'median' with a connect"):
        fit(X, path(4), "median")
    with pytest.raises(ValueError, match=r"metric: wanted one of 'euclidean', .* got 'hamming'"):
        fit(X, path(4), "single", metric="hamming")
    with pytest.raises(ValueError, match=r"metric: wanted distances >= 0, got -1\.0 between rows"):
        fit(X, path(4), "single", metric=lambda x, y: -1.0)
    with pytest.raises(ValueError, match=r"got 1 zero vector, the first at row 0"):
        fit(np.eye(4)[:, 1:], path(4), "average", metric="cosine")


def test_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"pip install 'coterie\[sparse\]'"):
        fit(np.ones((3, 1)), np.ones((3, 3)), "ward")


def test_blocks_change_nothing(monkeypatch):
    X = np.random.default_rng(9).normal(size=(30, 3))
    i, j = np.triu_indices(30, 1)
    for metric in ("euclidean", "sqeuclidean", "l1", "cosine"):
        whole = _distances.paired(X, i, j, metric)
        with monkeypatch.context() as patch:
            patch.setattr(_distances, "BLOCK", 7)
            np.testing.assert_array_equal(_distances.paired(X, i, j, metric), whole)


def test_the_core_refuses_what_is_no_graph():
    def merge(low, high, n_samples=3, n_clusters=1):
        ends = (np.array(a, dtype=np.int32) for a in (low, high))
        return _core.constrained(*ends, "single", np.ones(len(low)), n_samples, n_clusters)

    assert merge([0, 1], [1, 2])[0].tolist() == [0, 1, 2, 3]
    for low, high in (([0, 1], [1, 3]), ([1], [1]), ([-1], [1])):
        with pytest.raises(ValueError, match="connectivity: wanted edges between two rows"):
            merge(low, high)
    with pytest.raises(ValueError, match="connectivity: wanted no more components"):
        merge([0], [1])
    with pytest.raises(ValueError, match="n_clusters: wanted 1 to n_samples"):
        merge([0], [1], n_clusters=4)
    with pytest.raises(ValueError, match="linkage: wanted 'ward'"):
        _core.constrained(np.zeros(0, np.int32), np.zeros(0, np.int32), "x", np.ones(0), 1, 1)
