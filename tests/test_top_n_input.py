"""The forms in which vectors come to a search, and what is refused."""

import re

import numpy as np
import pytest
from coterie import cosine_top_n, similarity
from rankings import METRICS, assert_exact, assert_ranked, assert_same, exact, real
from reference import top_n as reference

EVERY_METRIC = pytest.mark.parametrize("metric", METRICS)
Q, X = real(20, 6, np.float32, 1), real(90, 6, np.float32, 2)
WHOLE = cosine_top_n(Q, X, 7)

# ---- layouts


def strided(a):
    wide = np.full((len(a), a.shape[1] + 5), np.nan, a.dtype)
    wide[:, 2 : 2 + a.shape[1]] = a
    return wide[:, 2 : 2 + a.shape[1]]


def every_other(a):
    wide = np.full((len(a), 2 * a.shape[1]), np.nan, a.dtype)
    wide[:, ::2] = a
    return wide[:, ::2]


def unaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)
    out = raw[1:].view(a.dtype).reshape(a.shape)
    out[:] = a
    return out


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


LAYOUTS = {
    "strided rows": strided,
    "every other column": every_other,
    "every other row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "Fortran": np.asfortranarray,
    "backwards": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "unaligned": unaligned,
    "read-only": read_only,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "list": np.ndarray.tolist,
    "objects": lambda a: a.astype(object),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout):
    change = LAYOUTS[layout]
    found = cosine_top_n(change(Q), change(X), 7)
    np.testing.assert_array_equal(found.indices, WHOLE.indices)
    if layout in ("list", "objects"):  # float64 then
        np.testing.assert_array_equal(found.scores.astype(np.float32), WHOLE.scores)
    else:
        assert_same(found, WHOLE)
    itself = cosine_top_n(change(X), n=7)
    np.testing.assert_array_equal(itself.indices, cosine_top_n(X, n=7).indices)
    np.testing.assert_array_equal(similarity(change(Q), X).astype("f4"), similarity(Q, X))


def test_memory_mapped(tmp_path):
    np.save(tmp_path / "x.npy", X)
    assert_same(cosine_top_n(Q, np.load(tmp_path / "x.npy", mmap_mode="r"), 7), WHOLE)


def test_one_row_for_all():
    """Rows that are one row in memory."""
    same = np.broadcast_to(X[0], (30, 6))
    assert cosine_top_n(X[0], same, 30).indices.tolist() == list(range(30))


def test_frames():
    pd = pytest.importorskip("pandas")
    assert_same(cosine_top_n(pd.DataFrame(Q), pd.DataFrame(X), 7), WHOLE)
    assert_same(cosine_top_n(pd.Series(Q[0]), X, 7), [part[0] for part in WHOLE])


def test_arguments_are_not_written_to():
    queries, items, exclude, deny = (
        Q.copy(),
        X.copy(),
        np.tile([5, 3, 5], (20, 1)),
        np.array([9, 1]),
    )
    before = [a.copy() for a in (queries, items, exclude, deny)]
    cosine_top_n(queries, items, 7, exclude=exclude, deny=deny)
    for a, was in zip((queries, items, exclude, deny), before, strict=True):
        np.testing.assert_array_equal(a, was)


# ---- dtypes


@EVERY_METRIC
@pytest.mark.parametrize(
    ("dtype", "becomes"),
    [("f2", "f4"), ("i1", "f4"), ("u1", "f4"), ("i2", "f8"), ("i8", "f8"), ("?", "f8")],
)
def test_dtypes(dtype, becomes, metric):
    whole = np.random.default_rng(0).integers(-9, 10, (60, 7))
    whole = np.abs(whole) if dtype == "u1" else whole != 0 if dtype == "?" else whole
    rows = whole.astype(dtype)
    found = cosine_top_n(rows[:20], rows, 9, metric=metric)
    assert_same(
        found, cosine_top_n(rows[:20].astype(becomes), rows.astype(becomes), 9, metric=metric)
    )
    assert similarity(rows, metric=metric).dtype == becomes
    assert_ranked(found, rows[:20], rows, 9, metric)


def test_extremes_of_narrow_dtypes():
    small = np.full((2, 40), -128, np.int8)
    assert cosine_top_n(small, n=1, metric="dot").scores.tolist() == [[40 * 128**2]] * 2
    large = np.full((2, 40), 65504, np.float16)
    scores = cosine_top_n(large, n=1, metric="dot").scores
    np.testing.assert_array_equal(scores, np.float32(40 * 65504.0**2))


@pytest.mark.parametrize("one", ["f4", "f8", "i1"])
@pytest.mark.parametrize("other", ["f4", "f8", "i1"])
def test_mixed_dtypes(one, other):
    queries, items = exact(9, 16, 1).astype(one), exact(50, 16, 2).astype(other)
    found = cosine_top_n(queries, items, 5)
    assert found.scores.dtype == ("f8" if "f8" in (one, other) else "f4")
    assert_exact(found, queries, items, 5)
    assert similarity(queries, items).dtype == found.scores.dtype


@EVERY_METRIC
def test_close_float64_rows_are_told_apart(metric):
    """Differences that float32 does not see."""
    items = 1 + 1e-12 * np.arange(50)[::-1, None] * [[1.0, 0, 0]]
    found = cosine_top_n(items[20], items, 50, metric=metric)
    assert_ranked(
        found._replace(indices=found.indices[None], scores=found.scores[None]),
        items[20:21],
        items,
        50,
        metric,
    )
    if metric == "euclidean":
        assert found.indices[0] == 20


@pytest.mark.parametrize("power", [-1060, -1000, -530, 500, 1000])
@pytest.mark.parametrize("metric", ["cosine", "angular"])
def test_any_magnitude_has_an_angle(power, metric):
    """Where squares would be zero or infinite."""
    queries, items = exact(9, 16, 1), exact(50, 16, 2)
    for q, x in [(0, power), (power, 0), (power, power)]:
        found = cosine_top_n(np.ldexp(queries, q), np.ldexp(items, x), 5, metric=metric)
        assert_exact(found, queries, items, 5, metric)


@pytest.mark.parametrize("power", [-147, -100, 100, 126])
def test_any_magnitude_of_float32(power):
    queries, items = exact(9, 16, 1), exact(50, 16, 2)
    scaled = (items * 2.0**power).astype(np.float32)  # exact, also where it is subnormal
    for precision in ("float", "certified-int8"):
        found = cosine_top_n(queries.astype(np.float32), scaled, 5, precision=precision)
        assert_exact(found, queries, items, 5)


# ---- sparse rows


def sparse_pair(m=30, k=80, d=40, share=0.2, dtype=np.float64):
    rng = np.random.default_rng(0)
    queries, items = exact(m, d, 1), exact(k, d, 2)
    queries[rng.uniform(size=m) < 0.1] = 0
    return queries.astype(dtype), items.astype(dtype)


@EVERY_METRIC
@pytest.mark.parametrize("kinds", [("csr", "csr"), ("csr", ""), ("", "csr"), ("csc", "coo")])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8])
def test_sparse_rows_are_found_as_dense_ones(kinds, dtype, metric):
    sparse = pytest.importorskip("scipy.sparse")
    queries, items = (2 * a for a in sparse_pair())
    queries, items = queries.astype(dtype), items.astype(dtype)
    q, x = (
        getattr(sparse, f"{kind}_array")(a) if kind else a
        for kind, a in zip(kinds, (queries, items), strict=True)
    )
    exclude = [[i, i + 1] for i in range(30)]
    for n in (1, 10, 80, 90):
        for options in ({}, {"threshold": 0.5}, {"exclude": exclude, "deny": [0, 5]}):
            found = cosine_top_n(q, x, n, metric=metric, **options)
            assert found.scores.dtype == (np.float32 if dtype == np.int8 else dtype)
            assert_exact(found, queries, items, n, metric, **options)
            assert_same(cosine_top_n(q, x, n, metric=metric, n_threads=3, **options), found)
    wanted = reference.ranks_and_scores(queries, items, metric)[1]
    tolerance = 4 * np.finfo(found.scores.dtype).eps
    np.testing.assert_allclose(similarity(q, x, metric), wanted, rtol=tolerance)


@EVERY_METRIC
def test_a_sparse_self_join(metric):
    sparse = pytest.importorskip("scipy.sparse")
    _, items = sparse_pair()
    for itself in (False, True):
        options = {"metric": metric, "exclude_self": itself}
        found = cosine_top_n(sparse.csr_matrix(items), n=12, **options)
        assert_exact(found, items, items, 12, **options)
    assert_same(cosine_top_n(sparse.csr_matrix(items), n=80), cosine_top_n(items, n=80))


def test_untidy_sparse_rows():
    sparse = pytest.importorskip("scipy.sparse")
    items = np.eye(4)
    parts = ([1.0, 2, 1, 0], [3, 0, 3, 1], [0, 3, 4])  # unsorted, repeated, a stored zero
    queries = sparse.csr_matrix(parts, shape=(2, 4))
    found = cosine_top_n(queries, items, 4)
    assert_exact(found, [[2, 0, 0, 2], [0, 0, 0, 0]], items, 4)
    assert queries.indices.tolist() == [3, 0, 3, 1]


def test_sparse_rows_with_room_to_spare():
    sparse = pytest.importorskip("scipy.sparse")
    rows = sparse.csr_array(X)
    rows.data = np.append(rows.data, np.float32([9, 9]))
    rows.indices = np.append(rows.indices, np.int32([0, 1]))
    assert_same(cosine_top_n(rows, rows, 5), cosine_top_n(X, X, 5))


def test_no_sparse_rows():
    sparse = pytest.importorskip("scipy.sparse")
    none, some = sparse.csr_array((0, 6)), sparse.csr_array(X)
    assert cosine_top_n(none, some).indices.shape == (0, 10)
    assert (cosine_top_n(some, none).indices == -1).all()
    assert (cosine_top_n(sparse.csr_array((3, 6)), some, 4).indices == np.arange(4)).all()


# ---- refusals


@pytest.mark.parametrize("name", ["queries", "items"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_finite(dtype, value, name):
    text = "NaN" if np.isnan(value) else str(value)
    for row, column in [(0, 0), (13, 5), (89, 2)]:
        bad = np.zeros((90, 6), dtype)
        bad[row, column] = value
        arguments = {"queries": X.astype(dtype), "items": X.astype(dtype), name: bad}
        wanted = f"{name}: wanted finite values, got {text} at row {row}, column {column}"
        with pytest.raises(ValueError, match=re.escape(wanted)):
            cosine_top_n(**arguments)
        with pytest.raises(
            ValueError, match=f"got {re.escape(text)} at row {row}, column {column}"
        ):
            cosine_top_n(bad)
        with pytest.raises(ValueError, match=f"b: .* got {re.escape(text)} at row {row}, column"):
            similarity(X.astype(dtype), bad)


def test_what_is_not_finite_among_sparse_rows():
    sparse = pytest.importorskip("scipy.sparse")
    bad = X.copy()
    bad[:3], bad[40, 3] = 0, np.nan
    for queries, items, name in [(bad, X, "queries"), (X, bad, "items")]:
        with pytest.raises(ValueError, match=f"{name}: .* got NaN at row 40, column 3"):
            cosine_top_n(sparse.csr_array(queries), sparse.csr_array(items))


def test_what_float32_cannot_hold():
    found = cosine_top_n(Q, X.astype(np.float64) * 1e200, 3)  # both become float64
    np.testing.assert_array_equal(found.indices, WHOLE.indices[:, :3])


@pytest.mark.parametrize(("dtype", "power"), [(np.float64, 600), (np.float32, 70)])
def test_scores_that_overflow(dtype, power):
    queries, items = (np.ldexp(exact(20, 16, i, 0), power).astype(dtype) for i in (1, 2))
    wanted = f"wanted vectors whose scores fit {np.dtype(dtype)}, got an overflow"
    with pytest.raises(ValueError, match=f"queries: {wanted}"):
        cosine_top_n(queries, items, metric="dot")
    with pytest.raises(ValueError, match=f"a: {wanted}"):
        similarity(queries, items, "dot")
    if dtype == np.float64:
        with pytest.raises(ValueError, match=f"queries: {wanted}"):
            cosine_top_n(queries, items, metric="euclidean")
    assert_exact(cosine_top_n(queries, items, 5), queries / 2.0**power, items / 2.0**power, 5)


LIST = "exclude: wanted a list of item indices"
REFUSED = {
    "features": ({"queries": X[:, :5]}, ValueError, "queries: wanted 6 features, as the items"),
    "features of one": ({"queries": X[0, :5]}, ValueError, "queries: wanted 6 features"),
    "no features": ({"queries": X[:, :0]}, ValueError, r"queries: .* got 0 feature\(s\)"),
    "3-D": ({"items": X[None]}, ValueError, r"items: wanted a 2-D array .* got shape \(1, 90, 6\)"),
    "1-D items": ({"items": X[0]}, ValueError, r"items: wanted a 2-D array .* got shape \(6,\)"),
    "a number": ({"queries": 3.0}, ValueError, r"queries: wanted a 2-D array .* got shape \(\)"),
    "ragged": ({"queries": [[1, 2], [3]]}, ValueError, "queries: wanted an array of numbers"),
    "text": ({"items": [["a"] * 6]}, TypeError, "items: wanted numbers, got dtype <U1"),
    "complex": ({"items": X * 1j}, ValueError, "items: Complex data not supported"),
    "masked": ({"items": np.ma.masked_less(X, 0)}, ValueError, "items: wanted no masked entries"),
    "n = 0": ({"n": 0}, ValueError, "n: wanted an integer >= 1 and below .*, got 0"),
    "n < 0": ({"n": -1}, ValueError, "n: wanted an integer >= 1 and below .*, got -1"),
    "n a float": ({"n": 2.0}, TypeError, r"n: wanted an integer >= 1, got 2\.0"),
    "n true": ({"n": True}, TypeError, "n: wanted an integer >= 1, got True"),
    "n huge": ({"n": 2**31}, ValueError, "n: wanted an integer >= 1 and below"),
    "threshold NaN": ({"threshold": np.nan}, ValueError, "threshold: wanted a number or None"),
    "threshold text": ({"threshold": "0.5"}, TypeError, "threshold: wanted a number or None"),
    "threshold true": ({"threshold": True}, TypeError, "threshold: wanted a number or None"),
    "threshold large": ({"threshold": 10**400}, ValueError, "threshold: wanted a number or None"),
    "thresholds": ({"threshold": [0.1, 0.2]}, TypeError, "threshold: wanted a number or None"),
    "metric": ({"metric": "l1"}, ValueError, "metric: wanted one of 'cosine', 'dot', 'euclidean'"),
    "no metric": ({"metric": None}, TypeError, "metric: wanted one of"),
    "precision": ({"precision": "int4"}, ValueError, "precision: wanted one of 'auto', 'float'"),
    "threads": ({"n_threads": 0}, ValueError, "n_threads: wanted an integer >= 1"),
    "self": ({"exclude_self": True}, ValueError, "exclude_self: wanted items=None"),
    "self text": ({"exclude_self": "yes"}, TypeError, "exclude_self: wanted a bool"),
    "few lists": ({"exclude": [[1]]}, ValueError, f"{LIST} for each of the 20 queries.* length 1"),
    "no lists": ({"exclude": 3}, TypeError, f"{LIST} for each of the 20 queries, or a sparse"),
    "flat": ({"exclude": [1] * 20}, TypeError, f"{LIST} for query 0, got 1"),
    "a dict": ({"exclude": dict.fromkeys(range(20), ())}, TypeError, f"{LIST} .* got dict of len"),
    "text lists": ({"exclude": ["ab"] * 20}, TypeError, f"{LIST} for query 0"),
    "floats": (
        {"exclude": [[]] * 19 + [[1.0]]},
        TypeError,
        f"{LIST} for query 19, got dtype float",
    ),
    "bools": ({"exclude": [[True] * 90] * 20}, TypeError, f"{LIST} for query 0, got dtype bool"),
    "beyond": (
        {"exclude": [[0]] * 19 + [[3, 90]]},
        ValueError,
        "exclude: wanted indices of items, from 0 to 89, got 90 for query 19",
    ),
    "below": ({"exclude": [[-1]] * 20}, ValueError, "from 0 to 89, got -1 for query 0"),
    "far": ({"exclude": [[2**63]] * 20}, ValueError, "exclude: wanted indices of items"),
    "farther": ({"exclude": [[2**70]] * 20}, TypeError, f"{LIST} for query 0, got dtype object"),
    "deny beyond": (
        {"deny": [90]},
        ValueError,
        "deny: wanted indices of items, from 0 to 89, got 90",
    ),
    "deny below": ({"deny": [5, -2]}, ValueError, "deny: wanted indices of items, .* got -2"),
    "deny bools": ({"deny": [True]}, ValueError, r"deny: wanted a bool for each of the 90 items"),
    "deny floats": ({"deny": [0.5]}, TypeError, "deny: wanted a list of item indices or bools"),
    "deny 2-D": ({"deny": [[1]]}, TypeError, "deny: wanted a list of item indices or bools"),
    "deny one": ({"deny": 1}, TypeError, "deny: wanted a list of item indices or bools"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    changes, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        cosine_top_n(**({"queries": Q, "items": X} | changes))


def test_refused_exclusion_by_a_sparse_matrix():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(ValueError, match=r"exclude: wanted shape .* = \(20, 90\), got \(90, 20\)"):
        cosine_top_n(Q, X, exclude=sparse.csr_array((90, 20)))
    for indices, indptr, message in [
        ([0, 90], [0] * 20 + [2], "from 0 to 89, got 90 for query 19"),
        ([0, -1], [0, 1] + [2] * 19, "from 0 to 89, got -1 for query 1"),
        ([0, 1], [0] * 20 + [9], "exclude: wanted row pointers from 0 up to 2"),
        ([0, 1], [0, 2, 1] + [2] * 18, "exclude: wanted row pointers from 0 up to 2"),
    ]:
        seen = sparse.csr_array((20, 90))
        seen.indices, seen.indptr = np.array(indices, np.int32), np.array(indptr, np.int32)
        seen.data = np.ones(len(indices))
        with pytest.raises(ValueError, match=message):
            cosine_top_n(Q, X, exclude=seen)


@pytest.mark.parametrize("call", [lambda: similarity(X, X[:, :5]), lambda: similarity(X, "abc")])
def test_refusals_of_similarity(call):
    with pytest.raises((TypeError, ValueError), match=r"^b: wanted"):
        call()


def test_a_result_that_fits_nowhere():
    with pytest.raises(MemoryError, match=r"n: wanted .* bytes of memory, .* search for fewer"):
        cosine_top_n(np.zeros((2**20, 1), np.float32), X[:, :1], n=2**31 - 1)
