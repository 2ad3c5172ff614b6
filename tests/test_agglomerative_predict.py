"""AgglomerativeClustering.predict: the distance that each linkage defines, by definition."""

import numpy as np
import pytest
from coterie import AgglomerativeClustering, _clusters
from coterie._estimator import NotFittedError

pytest.importorskip("coterie.hierarchy")
LINKAGES = ("ward", "complete", "average", "single", "weighted", "centroid", "median")
EUCLIDEAN = ("ward", "centroid", "median")


def rows(n=60, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def halved(X, distances, children, members):
    """What halves at each merge: the mean of values of members, by recursion down the tree."""
    n = len(X)

    def leaves(node):
        return [node] if node < n else [i for c in children[node - n] for i in leaves(c)]

    def value(node):
        if node < n:
            return distances[node]
        return sum(value(c) for c in children[node - n]) / 2

    nodes = [c for c in range(n + len(children)) if sorted(leaves(c)) == sorted(members)]
    return value(nodes[0])


def to_cluster(model, X, x, members, apart):
    """The distance from x to a cluster, by definition."""
    distances = apart(X, x)
    n = len(members)
    match model.linkage:
        case "single":
            return distances[members].min()
        case "complete":
            return distances[members].max()
        case "average":
            return distances[members].mean()
        case "weighted":
            return halved(X, distances, model.children_, members)
        case "median":
            return np.linalg.norm(x - halved(X, X, model.children_, members))
        case _:
            distance = np.linalg.norm(x - X[members].mean(axis=0))
            return distance * (np.sqrt(2 * n / (n + 1)) if model.linkage == "ward" else 1)


APART = {
    "euclidean": lambda X, x: np.sqrt(((X - x) ** 2).sum(axis=1)),
    "manhattan": lambda X, x: np.abs(X - x).sum(axis=1),
    "cosine": lambda X, x: 1 - X @ x / np.linalg.norm(X, axis=1) / np.linalg.norm(x),
    "chebyshev": lambda X, x: np.abs(X - x).max(axis=1),
    "sqeuclidean": lambda X, x: ((X - x) ** 2).sum(axis=1),
    "angular": lambda X, x: np.arccos(np.clip(1 - APART["cosine"](X, x), -1, 1)) / np.pi,
    "correlation": lambda X, x: APART["cosine"](X - X.mean(axis=1)[:, None], x - x.mean()),
}


@pytest.mark.parametrize(
    ("linkage", "metric"),
    [(a, b) for a in LINKAGES for b in APART if a not in EUCLIDEAN or b == "euclidean"],
)
def test_predict_is_the_distance_of_the_linkage(linkage, metric, monkeypatch):
    X, new = rows(40, 3, 4), rows(50, 3, 5)
    model = AgglomerativeClustering(6, linkage=linkage, metric=metric).fit(X)
    clusters = [np.flatnonzero(model.labels_ == k).tolist() for k in range(6)]
    wanted = [np.argmin([to_cluster(model, X, x, c, APART[metric]) for c in clusters]) for x in new]
    found = model.predict(new)
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == model.labels_.dtype
    monkeypatch.setattr(_clusters, "BLOCK", 7)
    np.testing.assert_array_equal(model.predict(new), wanted)
    if linkage not in EUCLIDEAN:
        model = AgglomerativeClustering(6, linkage=linkage, metric="precomputed")
        model.fit(np.array([APART[metric](X, x) for x in X]))
        square = np.array([APART[metric](X, x) for x in new])
        np.testing.assert_array_equal(model.predict(square), wanted)


def test_ward_predicts_what_it_would_merge():
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    X = np.array([[0.0], [0.5], [1.0], [9.0]])
    model = AgglomerativeClustering(2).fit(X)
    clusters = _clusters.Clusters(X, model.labels_, np.ones(4), "ward", "euclidean")
    apart = clusters._reduced(np.abs(np.array([[5.5]]) - clusters.points.T))
    of_three = hierarchy.linkage(np.append(X[:3], [[5.5]], axis=0), "ward")[-1, 2]
    np.testing.assert_allclose(apart[0, model.labels_[0]], of_three, rtol=1e-14)
    assert apart[0, model.labels_[3]] == 3.5


@pytest.mark.parametrize("linkage", LINKAGES)
def test_ties_go_to_the_lowest_label(linkage):
    X = np.array([[0.0], [0], [8], [8], [40], [40]])
    model = AgglomerativeClustering(3, linkage=linkage).fit(X)
    near = {model.labels_[0], model.labels_[2]}
    assert model.predict([[4.0]])[0] == min(near)
    np.testing.assert_array_equal(model.predict(X), model.labels_)


def test_predict_keeps_to_what_was_fitted():
    X = rows()
    model = AgglomerativeClustering(3, linkage="single").fit(X)
    before = model.predict(X)
    model.set_params(linkage="ward", metric="cosine")
    np.testing.assert_array_equal(model.predict(X), before)
    np.testing.assert_array_equal(before, model.labels_)


def test_predict_refuses():
    X = rows(10)
    model = AgglomerativeClustering()
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.fit(X)
    with pytest.raises(ValueError, match="X has 2 features, but AgglomerativeClustering is exp"):
        model.predict(X[:, :2])
    with pytest.raises(ValueError, match="X: wanted finite values, got NaN at row 1, column 2"):
        model.predict(np.where(np.arange(30).reshape(10, 3) == 5, np.nan, X))
    with pytest.raises(TypeError, match="X: wanted a dense array"):
        model.predict(pytest.importorskip("scipy.sparse").csr_array(X))

    def metric(given):
        return np.abs(given[:, None] - given).sum(axis=2)

    model = AgglomerativeClustering(linkage="average", metric=metric).fit(X)
    with pytest.raises(ValueError, match="metric: wanted the name of one for predict"):
        model.predict(X)
    model = AgglomerativeClustering(linkage="centroid", metric="precomputed").fit(metric(X))
    with pytest.raises(ValueError, match="metric: wanted one between rows for predict"):
        model.predict(metric(X))
