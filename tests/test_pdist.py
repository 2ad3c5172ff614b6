"""pdist and the metrics of linkage: SciPy's values, names and refusals."""

import numpy as np
import pytest
from coterie.hierarchy import linkage, pdist

METRICS = ("euclidean", "sqeuclidean", "cityblock", "chebyshev", "cosine", "correlation")
SHORT_NAMES = {
    "euclidean": ("e", "eu", "euclid"),
    "sqeuclidean": ("sqe", "sqeuclid"),
    "cityblock": ("c", "cb", "cblock"),
    "chebyshev": ("ch", "cheb", "cheby", "chebychev"),
    "cosine": ("cos",),
    "correlation": ("co",),
    "hamming": ("h", "ha", "hamm", "matching"),
    "jaccard": ("j", "ja", "jacc"),
}


def rows(n, d, seed=0):
    return np.random.default_rng(n + d + seed).normal(size=(n, d))


def integers(n, d, seed=0):
    """Rows some of whose values, and some of which, are equal."""
    return np.random.default_rng(n + d + seed).integers(0, 3, size=(n, d)).astype("float64")


@pytest.mark.parametrize("metric", [*METRICS, "hamming", "jaccard"])
@pytest.mark.parametrize("make", [rows, integers])
def test_distances_are_scipys(metric, make):
    distance = pytest.importorskip("scipy.spatial.distance")
    X = make(41, 6)
    if metric in ("cosine", "correlation"):
        X = X + np.arange(6)  # no row without direction
    if metric == "jaccard":
        X = X * (np.abs(X) > 0.7)
    np.testing.assert_allclose(pdist(X, metric), distance.pdist(X, metric), atol=1e-14, rtol=1e-13)


def test_metrics_go_by_scipys_short_names():
    distance = pytest.importorskip("scipy.spatial.distance")
    X = np.abs(rows(12, 4)) + 0.1
    for name, aliases in SHORT_NAMES.items():
        for alias in (*aliases, aliases[0].upper()):
            np.testing.assert_allclose(pdist(X, alias), distance.pdist(X, alias), rtol=1e-12)
            np.testing.assert_array_equal(
                linkage(X, "complete", alias), linkage(X, "complete", name)
            )
        for method in ("ward", "centroid", "median"):
            if name == "euclidean":
                np.testing.assert_array_equal(linkage(X, method, aliases[0]), linkage(X, method))
                continue
            with pytest.raises(ValueError, match="metric: wanted 'euclidean' for method"):
                linkage(X, method, aliases[0])


def test_metrics_there_are_not():
    for metric in ("seuclidean", "minkowski", "s", "mahal", "js", ""):
        with pytest.raises(ValueError, match=r"metric: wanted one of .* may be passed condensed"):
            linkage(rows(5, 2), "average", metric)
    with pytest.raises(TypeError, match="metric: wanted a name"):
        linkage(rows(5, 2), "average", None)


def test_euclidean_distances_of_integers_are_exact():
    X = integers(50, 4) * 5
    wanted = [np.sqrt(((a - b) ** 2).sum()) for i, a in enumerate(X) for b in X[i + 1 :]]
    np.testing.assert_array_equal(pdist(X), wanted)


def test_angular_is_the_angle():
    X = np.array([[1.0, 0], [1, 1], [0, 2], [-3, 0]])
    np.testing.assert_allclose(pdist(X, "angular"), [0.25, 0.5, 1, 0.25, 0.75, 0.5], rtol=1e-15)
    for method in ("single", "complete", "average"):
        Y = rows(60, 4)
        Z, wanted = linkage(Y, method, "angular"), linkage(pdist(Y, "angular"), method)
        np.testing.assert_array_equal(Z[:, [0, 1, 3]], wanted[:, [0, 1, 3]])
        np.testing.assert_allclose(Z[:, 2], wanted[:, 2], rtol=1e-12)


def test_a_function_is_a_metric():
    X = rows(20, 3)

    def far(a, b):
        return float(np.abs(a - b).sum())

    np.testing.assert_allclose(pdist(X, far), pdist(X, "cityblock"), rtol=1e-14)
    np.testing.assert_allclose(
        linkage(X, "average", far), linkage(X, "average", "cityblock"), rtol=1e-13
    )


def test_edit_distance():
    pytest.importorskip("rapidfuzz")
    words = ["kitten", "sitting", "mitten", "", "sitting"]
    wanted = [3, 1, 6, 3, 3, 7, 0, 6, 3, 7]
    np.testing.assert_array_equal(pdist(words, "levenshtein"), wanted)
    assert linkage(words, "complete", "levenshtein")[0].tolist() == [1, 4, 0, 2]
    with pytest.raises(TypeError, match="X: wanted strings"):
        pdist(["a", 1], "levenshtein")


def test_edit_distances_come_in_blocks_that_ctrl_c_may_wait_for(monkeypatch):
    process = pytest.importorskip("rapidfuzz.process")
    whole, rows_of = process.cdist, []

    def cdist(queries, choices, **options):
        rows_of.append(len(queries))
        return whole(queries, choices, **options)

    monkeypatch.setattr(process, "cdist", cdist)
    rng = np.random.default_rng(0)
    for letters, rows_at_once in ((5, 60), (1000, 42)):
        words = ["".join(rng.choice(list("abc"), size=letters)) for _ in range(60)]
        scorer = pytest.importorskip("rapidfuzz.distance").Levenshtein.distance
        wanted = whole(words, words, scorer=scorer)[np.triu_indices(60, 1)]
        rows_of.clear()
        np.testing.assert_array_equal(pdist(words, "levenshtein"), wanted)
        assert max(rows_of) == rows_at_once
