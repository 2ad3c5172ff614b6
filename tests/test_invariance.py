"""What must not change the answer of k-means, and what must change it in a known way."""

import warnings

import numpy as np
import pytest
from compare import assert_nearest
from coterie import KMeans, _core, kmeans_assign, kmeans_plus_plus
from reference import kmeans as reference
from rows import assert_bits, blobs, integers
from tolerance import assert_within, inertia_bound, mean_bound

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
STARTS = ["k-means++", "k-means||", "random", "rows"]
# (n, d, k) of each kernel: depth up to 12, tile, few deep columns; and both ways to sum.
REGIMES = pytest.mark.parametrize(
    "shape", [(6000, 2, 9), (5000, 17, 33), (3000, 150, 6), (4200, 24, 300)], ids=str
)


def fit(X, k=5, start="rows", w=None, **options):
    init = X[:k] if isinstance(start, str) and start == "rows" else start
    options = {"tol": 0, "max_iter": 6, "random_state": 0, "n_init": 1, **options}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Number of distinct clusters")
        return KMeans(k, init=init, **options).fit(X, sample_weight=w)


# --- the same bits


@DTYPES
@REGIMES
@pytest.mark.parametrize("weighted", [False, True])
def test_threads(shape, weighted, dtype):
    n, d, k = shape
    X = blobs(n, d, k, dtype=dtype)
    w = np.random.default_rng(1).uniform(size=n) if weighted else None
    one = fit(X, k, w=w, max_iter=3, n_threads=1)
    for n_threads in (2, 3, 8):
        assert_bits(one, fit(X, k, w=w, max_iter=3, n_threads=n_threads))


@pytest.mark.parametrize("start", STARTS)
def test_threads_and_starts(start):
    X = blobs(9000, 5, 12, dtype=np.float32)
    one = fit(X, 12, start, n_threads=1)
    for n_threads in (2, 3, 8):
        assert_bits(one, fit(X, 12, start, n_threads=n_threads))


def test_threads_of_everything_else():
    X, C = blobs(20_000, 9, 8), blobs(11, 9)
    w = np.random.default_rng(1).uniform(size=len(X))

    def outcomes(n_threads):
        labels, sums, totals = np.empty(len(X), np.int32), np.empty(C.shape), np.empty(len(C))
        inertia = _core.kmeans_step(X, w, C, labels, sums, totals, n_threads)
        out, square, big = np.empty((len(X), len(C))), np.empty((9, 9)), np.empty(X.shape)
        _core.distances(X, C, out, n_threads)
        _core.split_depth(X, X, square, n_threads)
        _core.product(X, square, big, n_threads)
        seeds = kmeans_plus_plus(X, 20, sample_weight=w, random_state=0, n_threads=n_threads)
        assigned, moments = kmeans_assign(X, C, n_threads=n_threads), _core.moments(X, w, n_threads)
        return [*assigned, *moments, *seeds, labels, sums, totals, out, square, big, inertia]

    one = outcomes(1)
    for n_threads in (2, 3, 8):
        for here, there in zip(one, outcomes(n_threads), strict=True):
            np.testing.assert_array_equal(here, there)


LAYOUTS = {
    "fortran": np.asfortranarray,
    "far rows": lambda X: np.repeat(X, 3, axis=0)[::3],
    "part of a row": lambda X: np.hstack([X, X])[:, : X.shape[1]],
    "columns apart": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "byte-swapped": lambda X: X.astype(X.dtype.newbyteorder()),
    "unaligned": lambda X: np.frombuffer(b"." + X.tobytes(), X.dtype, offset=1).reshape(X.shape),
    "end of a page": lambda X: np.concatenate([np.zeros(3, X.dtype), X.ravel()])[3:].reshape(
        X.shape
    ),
}


@DTYPES
@pytest.mark.parametrize("d", [1, 3, 17, 150])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, d, dtype):
    X = blobs(700, d, 5, dtype=dtype)
    given, plain = LAYOUTS[layout](X), fit(X)
    assert_bits(plain, fit(given, start=X[:5]))
    np.testing.assert_array_equal(plain.predict(given), plain.labels_)
    np.testing.assert_array_equal(plain.transform(given), plain.transform(X))


def test_rows_of_a_wide_file(tmp_path):
    """Row offsets beyond 2**31 entries; the file is sparse, nothing of that size is read."""
    d = 2**30 + 1
    wide = np.memmap(tmp_path / "wide", np.float32, "w+", shape=(4, d))
    wide[:, :2] = [[0, 1], [9, 9], [0, 0], [9, 8]]
    model = KMeans(2, init=wide[:2, :2]).fit(wide[:, :2])
    np.testing.assert_array_equal(model.labels_, [0, 1, 0, 1])
    np.testing.assert_array_equal(model.cluster_centers_, [[0, 0.5], [9, 8.5]])


# --- moved and scaled data


@DTYPES
@REGIMES
def test_translation_of_rows_and_centres(shape, dtype):
    n, d, k = shape
    shift = dtype(1e3 if dtype == np.float32 else 1e6)
    X = (np.random.default_rng(0).integers(-64, 65, (n, d)) / 64).astype(dtype)  # many ties
    moved = X + shift
    np.testing.assert_array_equal(moved - shift, X)  # the shift is exact
    here, there = kmeans_assign(X, X[:k]), kmeans_assign(moved, moved[:k])
    np.testing.assert_array_equal(here[0], there[0])
    np.testing.assert_array_equal(here[1], there[1])


@DTYPES
@pytest.mark.parametrize("start", ["k-means++", "k-means||", "rows"])
@pytest.mark.parametrize("d", [2, 17, 150])
def test_translation_of_a_fit(d, start, dtype):
    """Clusters are apart: the centres that are rounded at the shift have no say in the labels."""
    shift, rng = dtype(1e3 if dtype == np.float32 else 1e6), np.random.default_rng(0)
    towns = np.unique(4 * rng.integers(-3, 4, (30, d)), axis=0)[:9]
    at = np.append(np.arange(len(towns)), rng.integers(0, len(towns), 3000))
    X = (towns[at] + rng.integers(-32, 33, (len(at), d)) / 64).astype(dtype)
    here, there = fit(X, len(towns), start), fit(X + shift, len(towns), start)
    np.testing.assert_array_equal(X + shift - shift, X)
    np.testing.assert_array_equal(here.labels_, there.labels_)
    centers = there.cluster_centers_.astype(np.float64) - float(shift)
    assert_within(here.cluster_centers_, centers, mean_bound(X + shift))
    np.testing.assert_array_equal(there.labels_, there.predict(X + shift))


@DTYPES
@REGIMES
@pytest.mark.parametrize("power", [-20, -3, 1, 15])
def test_scaling_by_powers_of_two(shape, power, dtype):
    n, d, k = shape
    X, factor = blobs(n // 4, d, k, dtype=dtype), dtype(2.0**power)
    here, there = fit(X, k), fit(X * factor, k)
    np.testing.assert_array_equal(here.labels_, there.labels_)
    np.testing.assert_array_equal(here.cluster_centers_ * factor, there.cluster_centers_)
    assert there.inertia_ == here.inertia_ * 4.0**power
    for name in ("inertia", "shift"):
        np.testing.assert_array_equal(here.history_[name] * 4.0**power, there.history_[name])


def test_reflection_and_order_of_features():
    X = integers(300, 6)
    plain = fit(X, max_iter=1)
    for other in (-X, X[:, ::-1], X[:, [3, 1, 2, 0, 5, 4]]):
        np.testing.assert_array_equal(fit(other, max_iter=1).labels_, plain.labels_)
        assert_within(fit(other, max_iter=1).inertia_, plain.inertia_, inertia_bound(X))


# --- rows in another order, repeated, left out


@DTYPES
@pytest.mark.parametrize("d", [2, 17, 150])
def test_order_of_rows(d, dtype):
    X = integers(900, d).astype(dtype)
    order = np.random.default_rng(1).permutation(len(X))
    start = X[:7].copy()
    here, there = fit(X, 7, start), fit(X[order], 7, start)
    np.testing.assert_array_equal(here.labels_[order], there.labels_)
    # Integers: the sums are exact in any order, so the centres are, too.
    np.testing.assert_array_equal(here.cluster_centers_, there.cluster_centers_)
    assert_within(here.inertia_, there.inertia_, inertia_bound(X))


def test_order_of_centres():
    X, C = blobs(500, 3, 6, dtype=np.float32), blobs(6, 3, dtype=np.float32)
    order = np.array([4, 2, 0, 5, 1, 3])
    here, there = fit(X, 6, C), fit(X, 6, C[order])
    np.testing.assert_array_equal(order[there.labels_], here.labels_)
    np.testing.assert_array_equal(there.cluster_centers_, here.cluster_centers_[order])


@DTYPES
@pytest.mark.parametrize("d", [1, 9, 130])
def test_weights_are_repetitions(d, dtype):
    X, start = integers(300, d).astype(dtype), integers(6, d, seed=1)
    w = np.random.default_rng(2).integers(0, 4, len(X))
    weighted, repeated = fit(X, 6, start, w), fit(np.repeat(X, w, axis=0), 6, start)
    np.testing.assert_array_equal(np.repeat(weighted.labels_, w), repeated.labels_)
    np.testing.assert_array_equal(weighted.cluster_centers_, repeated.cluster_centers_)
    np.testing.assert_array_equal(weighted.counts_, repeated.counts_)
    assert weighted.n_iter_ == repeated.n_iter_


@pytest.mark.parametrize("factor", [0.25, 8.0])
def test_weights_by_a_power_of_two(factor):
    X, w = blobs(400, 3), np.random.default_rng(1).uniform(size=400)
    for start in STARTS:
        here, there = fit(X, 5, start, w), fit(X, 5, start, factor * w)
        np.testing.assert_array_equal(here.labels_, there.labels_)
        np.testing.assert_array_equal(here.cluster_centers_, there.cluster_centers_)
        assert there.inertia_ == factor * here.inertia_


def test_weight_zero_is_a_removed_row():
    X, start = integers(300, 4), integers(6, 4, seed=1)
    w = np.random.default_rng(2).integers(0, 2, len(X)).astype(np.float64)
    X[w == 0] *= 1000.0  # outliers, were they to count
    weighted, removed = fit(X, 6, start, w), fit(X[w > 0], 6, start)
    np.testing.assert_array_equal(weighted.labels_[w > 0], removed.labels_)
    np.testing.assert_array_equal(weighted.cluster_centers_, removed.cluster_centers_)
    assert_within(weighted.inertia_, removed.inertia_, inertia_bound(X[w > 0]))
    seeds = kmeans_plus_plus(X, 20, sample_weight=w, random_state=0)[1]
    assert (w[seeds] > 0).all()


@pytest.mark.parametrize("n", [1, 2, 511, 512, 513])
def test_a_row_alone_equals_itself_in_company(n):
    X, C = blobs(513, 17, dtype=np.float32), blobs(40, 17, dtype=np.float32)
    labels, distances = kmeans_assign(X, C)
    for rows in (slice(0, n), slice(513 - n, 513)):
        mine, near = kmeans_assign(X[rows], C)
        np.testing.assert_array_equal(mine, labels[rows])
        np.testing.assert_array_equal(near, distances[rows])


# --- ties and extreme shapes


@DTYPES
@pytest.mark.parametrize("shift", [0, 500])
@pytest.mark.parametrize("d", [1, 2, 3, 13])
def test_ties_on_a_grid(d, shift, dtype):
    """Integer rows against integer centres with repeats: the lowest of the nearest, everywhere."""
    X = integers(600, d) + shift
    C = np.vstack([integers(40, d, seed=1), integers(25, d, seed=1)]) + shift
    labels, distances = kmeans_assign(X.astype(dtype), C.astype(dtype))
    wanted, least = reference.assign(X, C)
    np.testing.assert_array_equal(labels, wanted)
    np.testing.assert_array_equal(distances, least)
    assert labels.max() < 40, "a repeated centre won"


@pytest.mark.parametrize("start", STARTS)
def test_every_row_a_cluster(start):
    X = np.unique(integers(60, 3), axis=0)
    model = fit(X, len(X), start)
    assert model.inertia_ == 0
    np.testing.assert_array_equal(np.sort(model.labels_), np.arange(len(X)))
    np.testing.assert_array_equal(model.cluster_centers_[model.labels_], X)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_more_clusters_than_distinct_rows(start, dtype):
    X = np.repeat(np.array([[0, 1], [2, 3], [4, 5]], dtype), 200, axis=0)
    with pytest.warns(UserWarning, match="distinct clusters"):
        model = KMeans(50, init=X[:50] if start == "rows" else start, random_state=0).fit(X)
    assert np.isfinite(model.cluster_centers_).all()
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    assert set(map(tuple, model.cluster_centers_)) <= set(map(tuple, X.tolist())) | {
        tuple(X.mean(axis=0))
    }
    if start in ("k-means++", "k-means||"):
        assert model.inertia_ == 0


def test_constant_features():
    X = blobs(300, 3, 4)
    constant = np.hstack([np.full((300, 1), 1e9), X, np.zeros((300, 2))])
    plain, padded = fit(X, 4), fit(constant, 4)
    np.testing.assert_array_equal(plain.labels_, padded.labels_)
    np.testing.assert_array_equal(padded.cluster_centers_[:, 0], 1e9)
    np.testing.assert_array_equal(padded.cluster_centers_[:, 4:], 0)
    # Zeros only change how a row's sum is folded.
    assert_within(padded.inertia_, plain.inertia_, inertia_bound(X))


@DTYPES
@pytest.mark.parametrize(("n", "d", "k"), [(1, 1, 1), (900, 1, 7), (60, 5000, 4), (200, 5000, 30)])
def test_extreme_shapes(n, d, k, dtype):
    X = blobs(n, d, k, dtype=dtype)
    model = fit(X, k, max_iter=4)
    labels, centers, _, _ = reference.lloyd(X, X[:k], max_iter=4)
    np.testing.assert_array_equal(model.labels_, labels)
    assert_within(model.cluster_centers_, centers, mean_bound(X))
    assert_nearest(X, model.cluster_centers_, model.labels_)


@DTYPES
def test_one_cluster_is_the_mean(dtype):
    X = blobs(5000, 7, 3, dtype=dtype)
    w = np.random.default_rng(0).uniform(size=5000)
    for weights in (None, w):
        model = fit(X, 1, w=weights)
        wanted = np.average(X.astype(np.float64), axis=0, weights=weights)
        assert_within(model.cluster_centers_[0], wanted, mean_bound(X))
        assert (model.labels_ == 0).all()


@pytest.mark.slow
def test_pairs_beyond_two_to_the_31():
    n, k = 70_000, 32_000
    X = np.arange(n, dtype=np.float64)[:, None]
    C = np.random.default_rng(0).permutation(2 * k)[:k, None].astype(np.float64)
    labels, distances = kmeans_assign(X, C)
    order = np.sort(C[:, 0])
    after = np.searchsorted(order, X[:, 0]).clip(1, k - 1)
    nearest = np.minimum(np.abs(X[:, 0] - order[after - 1]), np.abs(X[:, 0] - order[after]))
    np.testing.assert_array_equal(distances, nearest**2)
    np.testing.assert_array_equal((X - C[labels])[:, 0] ** 2, distances)
