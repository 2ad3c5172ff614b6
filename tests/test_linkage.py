"""linkage and pdist: every merge replayed and proved least, SciPy's results, invariances."""

import numpy as np
import pytest
from coterie import hierarchy
from coterie.hierarchy import linkage, pdist
from reference.linkage import SQUARED, replay
from tolerance import assert_within

METHODS = ("single", "complete", "average", "weighted", "centroid", "median", "ward")
METRICS = ("euclidean", "sqeuclidean", "cityblock", "chebyshev", "cosine", "correlation")
SHAPES = [(2, 1), (3, 2), (9, 1), (64, 3), (130, 7), (257, 20)]
REDUCIBLE = ("single", "complete", "average", "weighted", "ward")


def rows(n, d, seed=0):
    return np.random.default_rng(n + d + seed).normal(size=(n, d))


def integers(n, d, seed=0):
    """Rows whose distances tie: few values, some rows equal."""
    return np.random.default_rng(n + d + seed).integers(0, 3, size=(n, d)).astype("float64")


def square_of(y, n):
    square = np.zeros((n, n))
    square[np.triu_indices(n, 1)] = y
    return square + square.T


def assert_minimal(Z, square, method, slack=64):
    """Every merge joins the two nearest clusters there were, at their distance."""
    heights, merged, least = replay(square, Z, method).T
    # Rounding of a chain of updates, on the scale of the distances; squares halve the digits of
    # what is near zero.
    scale = square.max()
    bound = slack * np.finfo(float).eps * scale
    if method in SQUARED:
        bound = bound * scale / np.maximum(heights, np.sqrt(slack * np.finfo(float).eps) * scale)
    assert_within(heights, merged, bound)
    assert_within(merged, least, bound)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("make", [rows, integers])
def test_every_merge_is_least(method, n, d, make):
    X = make(n, d)
    square = square_of(pdist(X), n)
    assert_minimal(linkage(X, method), square, method)
    assert_minimal(linkage(pdist(X), method), square, method)
    assert_minimal(linkage(X, method, memory="matrix"), square, method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_results_are_scipys(method, n, d):
    scipy = pytest.importorskip("scipy.cluster.hierarchy")
    X = rows(n, d, 1)
    wanted = scipy.linkage(X, method)
    for Z in (linkage(X, method), linkage(pdist(X), method), linkage(X, method, memory="matrix")):
        np.testing.assert_array_equal(Z[:, [0, 1, 3]], wanted[:, [0, 1, 3]])
        np.testing.assert_allclose(Z[:, 2], wanted[:, 2], rtol=1e-10)
        assert hierarchy.is_valid_linkage(Z)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("method", ["single", "complete", "average", "weighted"])
def test_metrics_are_scipys(metric, method):
    scipy = pytest.importorskip("scipy.cluster.hierarchy")
    X = rows(120, 5, 2)
    wanted = scipy.linkage(X, method, metric)
    for memory in ("auto", "matrix"):
        Z = linkage(X, method, metric, memory=memory)
        np.testing.assert_array_equal(Z[:, [0, 1, 3]], wanted[:, [0, 1, 3]])
        np.testing.assert_allclose(Z[:, 2], wanted[:, 2], rtol=1e-9, atol=1e-14)


def crowds(n, d, seed=0):
    """Rows of clusters of very unequal sizes, some rows far from all."""
    rng = np.random.default_rng(n + d + seed)
    centers = rng.normal(size=(9, d)) * 4
    return centers[rng.geometric(0.4, size=n) % 9] + rng.standard_t(3, size=(n, d)) * 0.5


@pytest.mark.parametrize("method", ["complete", "average", "weighted"])
@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "chebyshev", "cosine"])
@pytest.mark.parametrize(("n", "d"), [(900, 1), (1500, 5), (900, 40)])
def test_many_rows_are_scipys(method, metric, n, d):
    """Clusters as their members first, then a matrix of those that are left."""
    scipy = pytest.importorskip("scipy.cluster.hierarchy")
    if metric == "cosine" and d == 1:
        pytest.skip("all directions are alike")
    X = crowds(n, d)
    wanted = scipy.linkage(X, method, metric)
    for memory in ("matrix", "auto"):
        Z = linkage(X, method, metric, memory=memory)
        np.testing.assert_array_equal(Z[:, [0, 1, 3]], wanted[:, [0, 1, 3]])
        np.testing.assert_allclose(Z[:, 2], wanted[:, 2], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("method", ["complete", "average", "weighted"])
@pytest.mark.parametrize("step", [0, 1, 1e-9, 1e-30])
def test_many_rows_that_tie(method, step):
    """What the filter cannot tell apart is told exactly."""
    X = np.random.default_rng(3).integers(0, 12, size=(700, 2)) * 1.0
    X[350:] = X[:350] + step * X[350:]
    square = square_of(pdist(X), 700)
    assert_minimal(linkage(X, method), square, method)
    assert_minimal(linkage(X, method, dtype=np.float32), square, method, slack=2.0**32)


@pytest.mark.parametrize("method", ["average", "weighted"])
def test_many_directions_that_tie(method):
    """Rows of few directions, some nearly alike."""
    X = np.random.default_rng(4).integers(1, 5, size=(700, 2)) * 1.0
    X[::3] *= 1 + 1e-9
    X[::7, 0] += 1e-9
    square = square_of(pdist(X, "cosine"), 700)
    assert_minimal(linkage(X, method, "cosine"), square, method, slack=1024)


@pytest.mark.parametrize("method", ["complete", "average", "weighted"])
@pytest.mark.parametrize("scale", [1e-140, 1e-15, 1e15, 1e30])
def test_many_rows_of_any_scale(method, scale):
    X = rows(600, 3)
    Z, wanted = linkage(X * scale, method), linkage(X, method)
    np.testing.assert_array_equal(Z[:, [0, 1, 3]], wanted[:, [0, 1, 3]])
    np.testing.assert_allclose(Z[:, 2], wanted[:, 2] * scale, rtol=1e-12)


@pytest.mark.parametrize("method", ["complete", "average", "weighted"])
def test_one_large_cluster(method):
    """A crowd of one place that the others join one by one."""
    scipy = pytest.importorskip("scipy.cluster.hierarchy")
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(500, 3)) * 1e-3, rng.normal(size=(300, 3)) * 9])
    Z, wanted = linkage(X, method), scipy.linkage(X, method)
    np.testing.assert_array_equal(Z[:, [0, 1, 3]], wanted[:, [0, 1, 3]])
    np.testing.assert_allclose(Z[:, 2], wanted[:, 2], rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [rows, integers])
def test_same_bits_for_any_number_of_threads(method, make):
    X = make(1500, 40)  # work enough for several threads
    for y, options in ((X, {}), (X, {"memory": "matrix"}), (pdist(X), {})):
        first = linkage(y, method, n_threads=1, **options)
        for n_threads in (2, 3, 8):
            np.testing.assert_array_equal(linkage(y, method, n_threads=n_threads, **options), first)


@pytest.mark.parametrize("method", METHODS)
def test_layout_does_not_matter(method):
    X = rows(70, 6)
    wanted = linkage(X, method)
    wide = np.zeros((70, 12))
    wide[:, ::2] = X
    for same in (np.asfortranarray(X), wide[:, ::2], X.tolist()):
        np.testing.assert_array_equal(linkage(same, method), wanted)


@pytest.mark.parametrize("method", METHODS)
def test_far_from_zero(method):
    X = rows(80, 5)
    moved = linkage(X + 2.0**20, method)
    wanted = linkage((X + 2.0**20) - 2.0**20, method)
    np.testing.assert_allclose(moved, wanted, rtol=1e-9)


@pytest.mark.parametrize("method", [*SQUARED, "average"])
def test_far_from_zero_and_close_together(method):
    """A constant in a column changes no distance, so it may change nothing."""
    metric = "sqeuclidean" if method == "average" else "euclidean"
    grid = np.random.default_rng(0).integers(0, 2**20, size=(120, 3)) * 2.0**-20
    for shift in (2.0**20, -(2.0**31)):
        moved = linkage(grid + shift, method, metric)
        np.testing.assert_allclose(moved, linkage(grid, method, metric), rtol=1e-12)


@pytest.mark.parametrize("method", REDUCIBLE)
@pytest.mark.parametrize("seed", range(5))
def test_ties_fall_alike_by_points_and_by_distances(method, seed):
    """The order is total, so one tree is right: children before parents, heights ascending."""
    X = integers(90, 3, seed)
    for y in (X, pdist(X)):
        Z = linkage(y, method)
        assert hierarchy.is_valid_linkage(Z)
        assert (np.diff(Z[:, 2]) >= 0).all()
    np.testing.assert_array_equal(linkage(X, "single"), linkage(pdist(X), "single"))
    np.testing.assert_array_equal(
        linkage(X, "complete", "cityblock"), linkage(pdist(X, "cityblock"), "complete")
    )


@pytest.mark.parametrize("method", METHODS)
def test_all_rows_equal(method):
    Z = linkage(np.ones((33, 4)), method)
    assert (Z[:, 2] == 0).all()
    assert Z[-1, 3] == 33


@pytest.mark.parametrize("method", METHODS)
def test_float32_keeps_seven_digits(method):
    X = rows(200, 6)
    Z = linkage(X, method, dtype=np.float32, memory="matrix")
    tolerance = 1e-3 if method in SQUARED else 1e-5  # of squares that cancel
    np.testing.assert_allclose(Z[:, 2], linkage(X, method)[:, 2], rtol=tolerance)


def test_growing_shells():
    """Each merge brings the cluster nearer to nobody: one pair a round."""
    X = (4.0 ** np.arange(40))[:, None]
    for method in ("single", "complete", "average", "centroid"):
        Z = linkage(X, method)
        np.testing.assert_array_equal(Z[:, 3], np.arange(2, 41))


@pytest.mark.parametrize("method", ["average", "weighted"])
def test_hamming_of_zeros_and_ones_needs_no_matrix(method):
    X = (rows(60, 24) > 0).astype("float64")
    Z = linkage(X, method, "hamming", memory="vectors")
    square = square_of(pdist(X, "hamming"), 60)
    assert_minimal(Z, square, method)


@pytest.mark.parametrize("method", ["average", "weighted"])
def test_hamming_of_categories_needs_no_matrix(method):
    X = np.random.default_rng(3).integers(2, 6, (70, 9)) * 2.5
    X[5] = X[9]
    square = square_of(pdist(X, "hamming"), 70)
    for memory in ("vectors", "auto"):
        Z = linkage(X, method, "hamming", memory=memory)
        assert_minimal(Z, square, method)
        for n_threads in (1, 3):
            again = linkage(X, method, "hamming", memory=memory, n_threads=n_threads)
            np.testing.assert_array_equal(again, Z)
    assert_minimal(linkage(X, method, "hamming", memory="matrix"), square, method)
    with pytest.raises(ValueError, match="closed form"):
        linkage(rows(70, 9), method, "hamming", memory="vectors")


def test_optimal_ordering():
    X = rows(30, 3)
    np.testing.assert_array_equal(
        linkage(X, "average", optimal_ordering=True),
        hierarchy.optimal_leaf_ordering(linkage(X, "average"), pdist(X)),
    )


def test_callback_hears_of_merges():
    heard = []
    linkage(rows(600, 3), "ward", callback=heard.append)
    assert heard[-1] == (599, 599)
    assert [info.merges for info in heard] == sorted(info.merges for info in heard)

    def stop(info):
        raise RuntimeError("enough")

    for method in METHODS:
        with pytest.raises(RuntimeError, match="enough"):
            linkage(rows(600, 3), method, callback=stop)


def test_precomputed():
    X = rows(40, 3)
    square = square_of(pdist(X), 40)
    wanted = linkage(pdist(X), "average")
    np.testing.assert_array_equal(linkage(square, "average", "precomputed"), wanted)
    for spoil, message in (
        ((3, 4, 9.0), "symmetric"),
        ((5, 5, 1.0), "diagonal of zeros"),
    ):
        bad = square.copy()
        bad[spoil[:2]] = spoil[2]
        with pytest.raises(ValueError, match=message):
            linkage(bad, "average", "precomputed")
    with pytest.raises(ValueError, match=">= 0"):
        linkage(-square, "average", "precomputed")
    with pytest.warns(hierarchy.ClusterWarning, match="precomputed"):
        linkage(square)


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        ([], {}, "y"),
        ([[1.0, 2.0]], {}, "two observations"),
        ([1.0, 2.0], {}, "y"),
        ([1.0, np.nan, 2.0], {}, "finite"),
        ([1.0, np.inf, 2.0], {}, "finite"),
        ([1.0, -1.0, 2.0], {}, ">= 0"),
        ([[0.0, np.nan], [1, 1]], {}, "row 0"),
        ([[0.0, 1.0], [1, 1]], {"method": "wrad"}, "method: wanted one of"),
        ([[0.0, 1.0], [1, 1]], {"metric": "euclidian"}, "metric: wanted one of"),
        ([[0.0, 1.0], [1, 1]], {"method": "ward", "metric": "cityblock"}, "Euclidean"),
        ([[0.0, 0.0], [1, 1]], {"metric": "cosine"}, "the first at row 0"),
        ([[1.0, 1.0], [1, 2]], {"metric": "correlation"}, "the first at row 0"),
        ([[0.0, 1.0], [1, 1]], {"memory": "disk"}, "memory"),
        ([[0.0, 1.0], [1, 1]], {"dtype": "float16"}, "dtype"),
        ([[0.0, 1.0], [1, 1]], {"method": "complete", "memory": "vectors"}, "memory"),
        ([1.0, 2.0, 2.0], {"method": "ward", "memory": "vectors"}, "memory"),
        (np.zeros((2, 2, 2)), {}, "1-D or 2-D"),
        ([[1e200], [-1e200], [0]], {"method": "ward"}, "overflow"),
        ([[1e200], [-1e200], [0]], {"method": "centroid"}, "overflow"),
        ([[1e200], [-1e200], [0]], {"method": "complete"}, "overflow"),
    ],
)
def test_refuses(y, options, message):
    with pytest.raises(ValueError, match=message):
        linkage(y, **options)


def test_complex_numbers_are_refused():
    for y in ([1j, 2, 3], [[1j], [2], [3]]):
        with pytest.raises(TypeError, match="y: wanted real numbers, got dtype complex128"):
            linkage(y)


def test_memory_is_asked_for_before_it_is_taken(monkeypatch):
    monkeypatch.setattr("coterie._memory.available_memory", lambda: 1000.0)
    with pytest.raises(MemoryError, match=r"89,600 bytes.*1,000 available.*float32"):
        linkage(rows(100, 2), "complete")
    linkage(rows(100, 2), "ward")
    with pytest.raises(MemoryError, match="optimal_ordering"):
        linkage(rows(100, 2), "ward", optimal_ordering=True)


def test_memory_of_many_rows_is_what_they_need(monkeypatch):
    X = rows(2000, 3)
    monkeypatch.setattr("coterie._memory.available_memory", lambda: 1.1e7)
    linkage(X, "complete", memory="matrix")  # all distances took 32 MB
    linkage(X, "average", "cityblock")
    monkeypatch.setattr("coterie._memory.available_memory", lambda: 9e6)
    with pytest.raises(MemoryError, match=r"2,000 clusters are left: wanted 10,196,608 bytes"):
        linkage(X, "complete")
    linkage(X, "complete", dtype=np.float32)
    monkeypatch.setattr("coterie._memory.available_memory", lambda: 5e6)
    with pytest.raises(MemoryError, match=r"6,002,304 bytes .* available; method 'single'"):
        linkage(X, "complete", dtype=np.float32)


def test_memory_is_asked_for_again_when_clusters_are_left(monkeypatch):
    X = rows(4200, 3)
    monkeypatch.setattr("coterie._memory.available_memory", lambda: 4e7)
    with pytest.raises(MemoryError, match=r"2,[0-9]{3} clusters are left: wanted [4-6]"):
        linkage(X, "average", "correlation", memory="matrix")


def test_memory_is_asked_for_again_where_few_clusters_merge(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 10)) * np.exp(rng.uniform(-8, 8, size=(3000, 1)))
    monkeypatch.setattr("coterie._memory.available_memory", lambda: 1.2e7)
    with pytest.raises(MemoryError, match=r"y, of which 2,[0-9]{3} clusters are left: wanted"):
        linkage(X, "average")


def test_convenience_names():
    X = rows(30, 2)
    for method in METHODS:
        np.testing.assert_array_equal(getattr(hierarchy, method)(X), linkage(X, method))
