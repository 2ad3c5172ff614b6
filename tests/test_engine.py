"""The compiled core against NumPy: integers to the last bit, real data within a derived bound."""

import numpy as np
import pytest
from compare import assert_nearest
from coterie import _core
from reference import engine as reference
from reference import kmeans
from shapes import ASSIGNMENTS, COLUMNS, DEEP, DEPTHS, ROWS, TILES, around
from tolerance import assert_within, distance_bound, inertia_bound, moments_bound, product_bound

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def integers(shape, seed, dtype=np.float64, low=-3, high=4):
    """Integers so small that every product and sum of the tests is exact in float32."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def reals(shape, seed, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def strided(a):
    """The same rows, farther apart, read-only; what lies between them must not matter."""
    wide = np.full((len(a), a.shape[1] + 5), np.nan, a.dtype)
    wide[:, : a.shape[1]] = a
    wide.flags.writeable = False
    return wide[:, : a.shape[1]]


def into(shape, dtype, function, *args):
    """Call function(*args, out, 1) and return `out`, which held NaN before."""
    out = np.full(shape, np.nan, dtype)
    function(*args, out, 1)
    return out


def product(x, y):
    return into((len(x), y.shape[1]), x.dtype, _core.product, x, y)


def gram(x, y):
    return into((x.shape[1], y.shape[1]), x.dtype, _core.split_depth, x, y)


def distances(X, centers):
    return into((len(X), len(centers)), X.dtype, _core.distances, X, centers)


def assign(X, centers):
    labels, sq_distances = np.full(len(X), -7, np.int32), np.full(len(X), np.nan)
    _core.kmeans_assign(X, centers, labels, sq_distances, 1)
    alone = np.full(len(X), -7, np.int32)
    _core.kmeans_assign(X, centers, alone, None, 1)
    np.testing.assert_array_equal(alone, labels)
    return labels, sq_distances


def step(X, centers, w=None):
    labels, sums = np.full(len(X), -7, np.int32), np.full(centers.shape, np.nan)
    totals = np.full(len(centers), np.nan)
    inertia = _core.kmeans_step(X, w, centers, labels, sums, totals, 1)
    return labels, sums, totals, inertia


def plus_plus(X, w, first, uniforms):
    indices = np.full(len(uniforms) + 1, -7, np.int64)
    _core.kmeans_plus_plus(X, w, first, uniforms, indices, 1)
    return indices


# --- integers: equal to the last bit


@DTYPES
@pytest.mark.parametrize("shape", TILES, ids=str)
def test_product_of_integers(shape, dtype):
    n, d, m = shape
    x, y = integers((n, d), 0, dtype), integers((d, m), 1, dtype)
    np.testing.assert_array_equal(product(x, y), reference.product(x, y))
    np.testing.assert_array_equal(product(strided(x), strided(y)), reference.product(x, y))


@DTYPES
@pytest.mark.parametrize("n", [*ROWS, *around(256, 2048, 4096)])
@pytest.mark.parametrize(("p", "m"), [(1, 1), (7, 13), (65, 33)])
def test_gram_of_integers(n, p, m, dtype):
    x, y = integers((n, p), 0, dtype), integers((n, m), 1, dtype)
    np.testing.assert_array_equal(gram(x, y), reference.gram(x, y))
    np.testing.assert_array_equal(gram(strided(x), strided(y)), reference.gram(x, y))


@DTYPES
@pytest.mark.parametrize("shape", ASSIGNMENTS, ids=str)
def test_assignment_of_integers(shape, dtype):
    n, d, k = shape
    X, centers = integers((n, d), 0, dtype), integers((k, d), 1, dtype)  # many ties
    wanted = kmeans.assign(X, centers)
    for given in (X, strided(X)):
        labels, sq_distances = assign(given, centers)
        np.testing.assert_array_equal(labels, wanted[0])
        np.testing.assert_array_equal(sq_distances, wanted[1])


@DTYPES
@pytest.mark.parametrize("d", DEPTHS + DEEP[:3])
@pytest.mark.parametrize("k", [1, 4, 21])
def test_distances_of_integers(d, k, dtype):
    X, centers = integers((67, d), 0, dtype), integers((k, d), 1, dtype)
    wanted = np.sqrt(kmeans.sq_distances(X, centers)).astype(dtype)
    np.testing.assert_array_equal(distances(X, centers), wanted)
    np.testing.assert_array_equal(distances(strided(X), centers), wanted)


@DTYPES
@pytest.mark.parametrize("n", [1, 2, 32, 64, 128, 1024, 4096])
@pytest.mark.parametrize("d", [1, 7, 8, 9, 33])
def test_moments_of_integers(n, d, dtype):
    X = integers((n, d), 0, dtype)  # n is a power of two: even the means are exact
    for given in (X, strided(X)):
        mean, variance = _core.moments(given, None, 1)
        np.testing.assert_array_equal(mean, X.astype(np.float64).mean(axis=0))
        np.testing.assert_array_equal(variance, X.astype(np.float64).var(axis=0))


@DTYPES
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", ASSIGNMENTS[::3], ids=str)
def test_step_of_integers(shape, weighted, dtype):
    n, d, k = shape
    X, centers = integers((n, d), 0, dtype), integers((k, d), 1, dtype)
    w = integers(n, 2, low=0) if weighted else None
    wanted = reference.step(X, centers, w)
    for given in (X, strided(X)):
        for actual, one in zip(step(given, centers, w), wanted, strict=True):
            np.testing.assert_array_equal(actual, one)


@DTYPES
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("trials", [1, 3, 17])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 3), (200, 1), (300, 9), (90, 130), (4097, 2)])
def test_plus_plus_of_integers(n, d, trials, weighted, dtype):
    X, rng = integers((n, d), 0, dtype, -50, 51), np.random.default_rng(3)
    w = np.append(integers(n - 1, 2, low=0, high=4), 1) if weighted else None
    uniforms = rng.uniform(size=(min(n, 9) - 1, trials))
    wanted = kmeans.plus_plus(X, len(uniforms) + 1, w, n - 1, uniforms)
    np.testing.assert_array_equal(plus_plus(X, w, n - 1, uniforms), wanted)
    np.testing.assert_array_equal(plus_plus(strided(X), w, n - 1, uniforms), wanted)


def test_the_ends_of_a_draw_meet_rows_of_mass():
    X, w = np.array([[0.0], [0.0], [3.0], [4.0], [0.0]]), np.array([1.0, 1, 0, 1, 1])
    for u in (0.0, np.nextafter(1, 0)):
        np.testing.assert_array_equal(plus_plus(X, w, 0, np.array([[u]])), [0, 3])
    nothing_left = plus_plus(X, w, 1, np.full((3, 2), 0.5))
    np.testing.assert_array_equal(nothing_left, [1, 3, 1, 1])


# --- real data: within a bound


@DTYPES
@pytest.mark.parametrize("shape", TILES[::2], ids=str)
def test_product_of_reals(shape, dtype):
    n, d, m = shape
    x, y = reals((n, d), 0, dtype), reals((d, m), 1, dtype)
    assert_within(product(x, y), reference.product(x, y), product_bound(x, y, dtype))


@DTYPES
@pytest.mark.parametrize("n", ROWS + around(2048))
def test_gram_of_reals(n, dtype):
    x, y = reals((n, 9), 0, dtype), reals((n, 13), 1, dtype)
    assert_within(gram(x, y), reference.gram(x, y), product_bound(x.T, y, dtype))


@DTYPES
@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("shape", ASSIGNMENTS[::2], ids=str)
def test_assignment_of_reals(shape, offset, dtype):
    n, d, k = shape
    X, centers = (reals((n, d), 0) + offset).astype(dtype), reals((k, d), 1) + offset
    assert_nearest(X, centers.astype(dtype), *assign(X, centers.astype(dtype)))


@DTYPES
@pytest.mark.parametrize("d", [1, 8, 130])
def test_distances_of_reals(d, dtype):
    X, centers = reals((67, d), 0, dtype), reals((11, d), 1, dtype)
    wanted = np.sqrt(kmeans.sq_distances(X, centers))
    assert_within(distances(X, centers), wanted, distance_bound(wanted, d, dtype))


@DTYPES
@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [1, 3, 65, 1000, 3001])
def test_moments_of_reals(n, weighted, offset, dtype):
    X = (reals((n, 11), 0) + offset).astype(dtype)
    w = np.random.default_rng(1).uniform(0.5, 2, n) if weighted else None
    moments, wanted = _core.moments(X, w, 1), reference.moments(X, w)
    for actual, one, bound in zip(moments, wanted, moments_bound(X), strict=True):
        assert_within(actual, one, bound)


@DTYPES
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_step_of_reals(offset, dtype):
    X, centers = (reals((700, 11), 0) + offset).astype(dtype), reals((8, 11), 1) + offset
    centers, w = centers.astype(dtype), np.random.default_rng(2).uniform(size=700)
    labels, sums, totals, inertia = step(X, centers, w)
    assert_nearest(X, centers, labels)
    _, wanted_sums, wanted_totals, wanted_inertia = reference.step(X, centers, w)
    member = (labels == np.arange(8)[:, None]) * w
    assert_within(sums, wanted_sums, 2 * product_bound(member, X, np.float64))
    ones = np.ones((700, 1))
    assert_within(totals, wanted_totals, product_bound(member, ones, np.float64)[:, 0])
    assert_within(inertia, wanted_inertia, inertia_bound(X, w))


# --- what the door refuses


def call(name, **changed):
    """Call a function of the core on good arguments, some of them replaced."""
    X, centers, w = reals((6, 3), 0), reals((2, 3), 1), np.ones(6)
    k = {"labels": np.empty(6, np.int32), "n_threads": 1}
    good = {
        "product": {"x": X, "y": X[:3].copy(), "out": np.empty((6, 3)), "n_threads": 1},
        "split_depth": {"x": X, "y": X.copy(), "out": np.empty((3, 3)), "n_threads": 1},
        "moments": {"X": X, "sample_weight": w, "n_threads": 1},
        "kmeans_assign": {"X": X, "centers": centers, "sq_distances": np.empty(6), **k},
        "kmeans_step": {
            "X": X,
            "sample_weight": w,
            "centers": centers,
            "sums": np.empty((2, 3)),
            "weights": np.empty(2),
            **k,
        },
        "kmeans_plus_plus": {
            "X": X,
            "sample_weight": w,
            "first": 0,
            "uniforms": np.full((1, 2), 0.5),
            "indices": np.empty(2, np.int64),
            "n_threads": 1,
        },
        "distances": {"X": X, "centers": centers, "out": np.empty((6, 2)), "n_threads": 1},
    }
    return getattr(_core, name)(**{**good[name], **changed})


def read_only(*shape, dtype=np.float64):
    a = np.empty(shape, dtype)
    a.flags.writeable = False
    return a


ANY = {"product": "x", "split_depth": "x"} | dict.fromkeys(
    ("moments", "kmeans_assign", "kmeans_step", "kmeans_plus_plus", "distances"), "X"
)
REFUSED = [
    *((f, x, np.ones((6, 6))[:, ::2], ValueError, f"^{x}: wanted unit") for f, x in ANY.items()),
    *((f, x, np.ones((3, 6)).T, ValueError, f"^{x}: wanted unit col") for f, x in ANY.items()),
    *((f, x, np.ones((6, 3))[::-1], ValueError, f"^{x}: wanted rows") for f, x in ANY.items()),
    *((f, x, np.ones(3), ValueError, f"^{x}: wanted a 2-D array, got 1-D") for f, x in ANY.items()),
    *((f, x, np.ones((6, 3), int), TypeError, None) for f, x in ANY.items()),
    *((f, x, np.ones((6, 3), ">f8"), TypeError, None) for f, x in ANY.items()),
    *((f, x, [[1.0] * 3] * 6, TypeError, None) for f, x in ANY.items()),
    *((f, "n_threads", 0, ValueError, "^n_threads: wanted a number >= 1, got 0") for f in ANY),
    ("product", "y", reals((4, 3), 0), ValueError, "^y: wanted as many rows as x has columns"),
    ("product", "y", np.ones((3, 3), np.float32), TypeError, None),
    ("product", "out", np.empty((6, 4)), ValueError, "^out: wanted length 3, got length 4"),
    ("product", "out", read_only(6, 3), ValueError, "^out: wanted a writeable array"),
    ("split_depth", "y", reals((5, 3), 0), ValueError, "^y: wanted as many rows as x"),
    ("split_depth", "out", np.empty((3, 6))[:, :3], ValueError, "^out: wanted C-contiguous data"),
    ("moments", "sample_weight", np.ones(5), ValueError, "^sample_weight: wanted length 6"),
    (
        "moments",
        "sample_weight",
        np.ones(6, np.float32),
        TypeError,
        "^sample_weight: wanted a float64",
    ),
    ("moments", "sample_weight", np.ones(12)[::2], ValueError, "^sample_weight: wanted contig"),
    (
        "kmeans_assign",
        "centers",
        np.ones((2, 3), np.float32),
        TypeError,
        "^centers: wanted a float64",
    ),
    ("kmeans_assign", "centers", np.ones((2, 4)), ValueError, "^centers: wanted length 3"),
    ("kmeans_assign", "centers", np.ones((0, 3)), ValueError, "^centers: wanted at least one row"),
    ("kmeans_assign", "centers", np.ones((4, 3))[::2], ValueError, "^centers: wanted C-contig"),
    ("kmeans_assign", "labels", np.empty(5, np.int32), ValueError, "^labels: wanted length 6"),
    ("kmeans_assign", "labels", np.empty(6, np.int64), TypeError, None),
    ("kmeans_assign", "labels", read_only(6, dtype=np.int32), ValueError, "^labels: wanted a wr"),
    ("kmeans_assign", "sq_distances", np.empty(6, np.float32), TypeError, "^sq_distances: wanted"),
    ("kmeans_assign", "sq_distances", np.empty(5), ValueError, "^sq_distances: wanted length 6"),
    ("kmeans_step", "sums", np.empty((3, 3)), ValueError, "^sums: wanted length 2"),
    ("kmeans_step", "weights", np.empty(3), ValueError, "^weights: wanted length 2"),
    ("kmeans_plus_plus", "first", 6, ValueError, "^first: wanted a row of X, got 6"),
    ("kmeans_plus_plus", "first", -1, ValueError, "^first: wanted a row of X, got -1"),
    ("kmeans_plus_plus", "uniforms", np.empty((1, 0)), ValueError, "^uniforms: wanted at least"),
    ("kmeans_plus_plus", "indices", np.empty(3, np.int64), ValueError, "^indices: wanted length 2"),
    ("distances", "out", np.empty((6, 3)), ValueError, "^out: wanted length 2"),
    ("distances", "out", np.empty((6, 2), np.float32), TypeError, "^out: wanted a float64"),
]


@pytest.mark.parametrize(("name", "argument", "value", "error", "message"), REFUSED)
def test_the_door_refuses_by_name(name, argument, value, error, message):
    assert call(name) is None or name in ("moments", "kmeans_step")
    with pytest.raises(error, match=message or argument) as caught:
        call(name, **{argument: value})
    assert argument in str(caught.value)


def test_unaligned_arrays_are_refused():
    off = np.frombuffer(b"." + bytes(6 * 3 * 8), np.float64, offset=1).reshape(6, 3)
    for name, x in ANY.items():
        with pytest.raises(ValueError, match=f"^{x}: wanted aligned data"):
            call(name, **{x: off})


@DTYPES
def test_empty_products(dtype):
    assert product(np.empty((0, 3), dtype), np.empty((3, 4), dtype)).shape == (0, 4)
    assert product(np.empty((2, 3), dtype), np.empty((3, 0), dtype)).shape == (2, 0)
    nothing = np.empty((2, 0), dtype), np.empty((0, 4), dtype)
    np.testing.assert_array_equal(product(*nothing), np.zeros((2, 4)))
    np.testing.assert_array_equal(gram(nothing[1], nothing[1]), np.zeros((4, 4)))


def test_columns_beyond_one_tag():
    """64 columns share a tag: equal centres beyond each multiple still lose to the first."""
    for k in COLUMNS:
        X, centers = np.zeros((9, 13), np.float32), np.zeros((k, 13), np.float32)
        np.testing.assert_array_equal(assign(X, centers)[0], 0)
        centers[:-1] = 1
        np.testing.assert_array_equal(assign(X, centers)[0], k - 1)
