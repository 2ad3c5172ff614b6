"""The most similar items: against brute force in float64, equal where numbers are small."""

from functools import cache

import numpy as np
import pytest
from coterie import cosine_top_n, similarity
from rankings import METRICS, assert_exact, assert_ranked, assert_same, assert_scores, exact, real
from reference import top_n as reference
from shapes import around
from tolerance import assert_within, rank_bound

EVERY_METRIC = pytest.mark.parametrize("metric", METRICS)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
PRECISIONS = pytest.mark.parametrize("precision", ["float", "certified-int8"])

# Queries, items, features, n: each size once against moderate others, then corners.
SHAPES = [
    *((m, 70, 17, 5) for m in around(1, 4, 8, 16, 32, 64)),
    *((9, k, 17, 5) for k in around(1, 6, 64, 128, 300)),
    *((9, 70, d, 5) for d in around(1, 8, 16, 64, 128)),
    *((9, 70, d, 5) for d in around(1024, 4096)),
    *((9, 200, 17, n) for n in around(1, 10, 64, 199)),
    (1, 1, 1, 1),
    (1, 5000, 20, 10),
    (300, 3, 2, 3),
]


@cache
def pair(m, n_items, d, dtype=np.float64):
    return exact(m, d, 1).astype(dtype), exact(n_items, d, 2).astype(dtype)


@EVERY_METRIC
@DTYPES
def test_every_shape(dtype, metric):
    for m, n_items, d, n in SHAPES:
        queries, items = pair(m, n_items, d, dtype)
        found = cosine_top_n(queries, items, n, metric=metric, precision="float")
        assert found.scores.dtype == dtype
        assert_exact(found, queries, items, n, metric)
        certified = cosine_top_n(queries, items, n, metric=metric, precision="certified-int8")
        assert_same(certified, found)


@EVERY_METRIC
@PRECISIONS
def test_every_shape_of_a_self_join(metric, precision):
    for n_items in around(1, 8, 32, 64, 128, 300):
        items = exact(n_items, 17).astype(np.float32)
        for itself in (False, True):
            options = {"metric": metric, "exclude_self": itself}
            found = cosine_top_n(items, n=7, precision=precision, **options)
            assert_exact(found, items, items, 7, **options)


@EVERY_METRIC
@DTYPES
@PRECISIONS
@pytest.mark.parametrize("spread", ["alike", "uneven", "far", "clustered"])
def test_real_vectors(spread, precision, dtype, metric):
    for m, n_items, d, n in [(30, 700, 3, 9), (30, 700, 40, 9), (5, 400, 130, 50), (1, 900, 64, 1)]:
        rng = np.random.default_rng(0)
        queries, items = real(m, d, seed=1), real(n_items, d, seed=2)
        if spread == "uneven":
            items *= 10.0 ** rng.uniform(-6, 6, (n_items, 1))
            queries *= 10.0 ** rng.uniform(-6, 6, (m, 1))
        elif spread == "far":
            queries, items = queries + 100, items + 100
        elif spread == "clustered":
            items = items[rng.integers(0, 20, n_items)] + 1e-4 * items
        queries, items = queries.astype(dtype), items.astype(dtype)
        found = cosine_top_n(queries, items, n, metric=metric, precision=precision)
        assert_ranked(found, queries, items, n, metric)


@PRECISIONS
@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 1e30), (np.float64, 1e200)])
def test_an_item_whose_square_overflows(dtype, size, precision):
    """It is at the end of every list, and hides nothing."""
    queries, items = real(30, 40, dtype, seed=1), real(700, 40, dtype, seed=2)
    items[7, 3] = size
    others = np.delete(np.arange(700), 7)
    found = cosine_top_n(queries, items, 3, metric="euclidean", precision=precision)
    wanted = cosine_top_n(queries, items[others], 3, metric="euclidean", precision="float")
    np.testing.assert_array_equal(found.indices, others[wanted.indices])
    np.testing.assert_array_equal(found.scores, wanted.scores)


@EVERY_METRIC
@DTYPES
def test_paths_have_the_same_bits(dtype, metric):
    """Precision, threads, a query alone or among others, a self-join or not."""
    items = real(600, 33, dtype)
    whole = cosine_top_n(items, items, 12, metric=metric)
    for precision in ("auto", "float", "certified-int8"):
        for n_threads in (1, 2, 3, 8):
            options = {"metric": metric, "precision": precision, "n_threads": n_threads}
            assert_same(cosine_top_n(items, items, 12, **options), whole)
            assert_same(cosine_top_n(items, n=12, **options), whole)
    for size in (1, 2, 3, 5, 19, 20, 21, 64):  # a library had a cliff at twenty queries
        some = cosine_top_n(items[:size], items, 12, metric=metric)
        assert_same(some, [part[:size] for part in whole])
    assert_same(cosine_top_n(items[7], items, 12, metric=metric), [part[7] for part in whole])
    shorter = cosine_top_n(items, items, 5, metric=metric)
    assert_same(shorter, [part[:, :5] for part in whole])


@PRECISIONS
@pytest.mark.parametrize("panel", [3, 8, 16, 64])
def test_a_draw_that_misleads(panel, precision):
    """Thresholds are guessed from one panel in sixteen: here it holds all its neighbours."""
    X = real(2100, 16, np.float32)
    drawn = np.arange(len(X)) // panel % 16 == 0
    X[drawn] = 1 + 0.1 * X[drawn]
    found = cosine_top_n(X, X.copy(), 10, precision=precision)
    assert_ranked(found, X, X, 10, "cosine")
    for n_threads in (1, 3):
        assert_same(cosine_top_n(X, n=10, precision=precision, n_threads=n_threads), found)


@EVERY_METRIC
@pytest.mark.parametrize(
    ("n_items", "n", "precision"), [(9_400, 300, "float"), (16_600, 150, "certified-int8")]
)
def test_a_self_join_whose_lists_do_not_fit(n_items, n, precision, metric):
    """Lists of a third of the rows wait while others meet: their room is the result's."""
    items = real(n_items, 5, np.float32)
    deny = np.arange(0, n_items, 7)
    options = {"metric": metric, "precision": precision, "deny": deny}
    found = cosine_top_n(items, n=n, exclude_self=True, **options)
    some = np.arange(3, n_items, 97)
    apart = cosine_top_n(items[some], items, n, exclude=[[i] for i in some], **options)
    assert_same([part[some] for part in found], apart)


@PRECISIONS
@pytest.mark.parametrize("longest", [30.0, 1e4])
def test_a_self_join_by_products_of_long_and_short(longest, precision):
    """Rows are seen in one scale, in which some are too short to be told apart."""
    items = real(900, 24, np.float32)
    items *= np.geomspace(1, longest, len(items), dtype=np.float32)[:, None] / longest
    items[500] = 0
    found = cosine_top_n(items, n=12, metric="dot", precision=precision)
    assert_ranked(found, items, items, 12, "dot")
    assert_same(found, cosine_top_n(items.copy(), items, 12, metric="dot", precision="float"))
    single = items.copy()
    single[17] *= 1e6
    found = cosine_top_n(single, n=12, metric="dot", precision=precision)
    assert_same(found, cosine_top_n(single.copy(), single, 12, metric="dot", precision="float"))


# ---- ties, zeros, padding


@EVERY_METRIC
def test_ties_go_to_the_lowest_index(metric):
    items = np.tile(exact(7, 20, zeros=0), (60, 1))
    queries = exact(9, 20, 5)
    for n in (1, 5, 61, 200):
        assert_exact(cosine_top_n(queries, items, n, metric=metric), queries, items, n, metric)
    same = np.ones((500, 16), np.float32)
    found = cosine_top_n(same, n=6, metric=metric, exclude_self=True)
    for i, row in enumerate(found.indices):
        assert row.tolist() == [j for j in range(7) if j != i][:6]


@EVERY_METRIC
def test_zero_vectors(metric):
    items = np.vstack([np.zeros((3, 8)), -np.eye(8), np.zeros((2, 8)), np.eye(8), [[-0.0] * 8]])
    queries = np.vstack([np.zeros(8), np.eye(8)[0], [-0.0] * 8])
    found = cosine_top_n(queries, items, len(items), metric=metric)
    assert_exact(found, queries, items, len(items), metric)
    if metric == "cosine":
        assert found.indices[0].tolist() == list(range(len(items)))
        assert not found.scores[0].any()


def test_opposite_and_equal_vectors_are_clipped():
    X = real(200, 7) * 1e3
    found = cosine_top_n(X, np.vstack([X, -X]), 400)
    assert found.scores.max() <= 1
    assert found.scores.min() >= -1
    angles = cosine_top_n(X, np.vstack([X, -X]), 400, metric="angular").scores
    assert 0 <= angles.min() <= angles.max() <= 1
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(200))


@EVERY_METRIC
@pytest.mark.parametrize("n_items", [1, 2, 3, 9, 10])
def test_fewer_items_than_wanted(n_items, metric):
    queries, items = pair(5, n_items, 6)
    for n in (10, 11, 300):
        found = cosine_top_n(queries, items, n, metric=metric)
        assert_exact(found, queries, items, n, metric)
        nowhere = np.inf if metric in ("euclidean", "angular") else -np.inf
        assert (found.indices[:, n_items:] == -1).all()
        assert (found.scores[:, n_items:] == nowhere).all()


@pytest.mark.parametrize("shapes", [((0, 4), (3, 4)), ((3, 4), (0, 4)), ((0, 4), (0, 4))])
def test_nothing_to_search(shapes):
    queries, items = map(np.zeros, shapes)
    found = cosine_top_n(queries, items, 5)
    assert found.indices.shape == found.scores.shape == (len(queries), 5)
    assert (found.indices == -1).all()
    assert (found.scores == -np.inf).all()
    assert (cosine_top_n(queries, items, 5, metric="euclidean").scores == np.inf).all()
    assert similarity(queries, items).shape == (len(queries), len(items))
    assert cosine_top_n(queries, n=2).indices.shape == (len(queries), 2)


# ---- thresholds


@EVERY_METRIC
def test_a_threshold_lets_equal_scores_pass(metric):
    queries, items = pair(20, 300, 16)
    values = np.unique(similarity(queries, items, metric))
    for threshold in [*values[:: max(1, len(values) // 7)], -np.inf, np.inf]:
        for n in (3, 40):
            options = {"metric": metric, "threshold": threshold}
            if metric == "angular" and np.isfinite(threshold):
                options["threshold"] = threshold + 1e-9  # libraries round arccos differently
            found = cosine_top_n(queries, items, n, **options)
            assert_exact(found, queries, items, n, **options)
    for threshold in (-7, 7):
        options = {"metric": metric, "threshold": threshold}
        assert_exact(cosine_top_n(queries, items, 9, **options), queries, items, 9, **options)


@EVERY_METRIC
@PRECISIONS
def test_thresholds_of_real_vectors(precision, metric):
    queries, items = real(40, 20, np.float32, 1), real(500, 20, np.float32, 2)
    for threshold in np.quantile(similarity(queries, items, metric), [0, 0.01, 0.5, 0.99, 1]):
        options = {"metric": metric, "threshold": float(threshold)}
        found = cosine_top_n(queries, items, 30, precision=precision, **options)
        assert_ranked(found, queries, items, 30, **options)


# ---- what may not be found


def lists(m, n_items, most, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, n_items, rng.integers(0, most + 1)).tolist() for _ in range(m)]


@EVERY_METRIC
@PRECISIONS
def test_exclusion(precision, metric):
    queries, items = pair(60, 150, 16)
    for most in (3, 100, 400):
        exclude, deny = lists(60, 150, most), [0, 149, 7, 7]
        exclude[3] = list(range(150))
        options = {"metric": metric, "exclude": exclude}
        found = cosine_top_n(queries, items, 12, precision=precision, **options)
        assert_exact(found, queries, items, 12, **options)
        assert (found.indices[3] == -1).all()
        found = cosine_top_n(queries, items, 12, precision=precision, deny=deny, **options)
        assert_exact(found, queries, items, 12, deny=deny, **options)
        mask = np.isin(np.arange(150), deny)
        assert_same(cosine_top_n(queries, items, 12, deny=mask, **options), found)


def test_what_is_best_may_be_excluded():
    """Items that may not be found must not raise the bar for those that may."""
    X = real(400, 24, np.float32)
    best = cosine_top_n(X, n=50).indices
    found = cosine_top_n(X, n=10, exclude=best)
    assert_ranked(found, X, X, 10, exclude=best.tolist())
    further = cosine_top_n(X, n=60).indices[:, 50:]
    np.testing.assert_array_equal(found.indices, further)
    denied = np.unique(best[:5])
    found = cosine_top_n(X[:5], X, 10, deny=denied)
    assert_ranked(found, X[:5], X, 10, deny=denied)


def test_exactly_n_where_n_remain():
    """Others return too few, items that were seen, or item 0, when most were seen."""
    queries, items = real(30, 8), real(40, 8)
    for left in (0, 1, 9, 10, 11):
        rng = np.random.default_rng(left)
        exclude = [rng.permutation(40)[: 40 - left] for _ in range(30)]
        found = cosine_top_n(queries, items, 10, exclude=exclude)
        assert ((found.indices >= 0).sum(axis=1) == min(left, 10)).all()
        for row, seen in zip(found.indices, exclude, strict=True):
            assert not set(row[row >= 0]) & set(seen.tolist())


def test_self_is_excluded_by_index():
    X = np.repeat(exact(30, 16, zeros=0), 3, axis=0)
    found = cosine_top_n(X, n=2, exclude_self=True)
    assert_exact(found, X, X, 2, exclude_self=True)
    assert (found.scores == 1).all()
    exclude = [[i + 1] for i in range(89)] + [[]]
    options = {"exclude": exclude, "exclude_self": True, "deny": [5]}
    assert_exact(cosine_top_n(X, n=4, **options), X, X, 4, **options)


@pytest.mark.parametrize("kind", ["csr_matrix", "csr_array", "csc_array", "coo_array", "lil_array"])
def test_exclusion_by_a_sparse_matrix(kind):
    sparse = pytest.importorskip("scipy.sparse")
    queries, items = pair(20, 50, 16)
    exclude = lists(20, 50, 30)
    rows = np.repeat(np.arange(20), [len(seen) for seen in exclude])
    columns = np.concatenate(exclude).astype(int)
    values = np.zeros(len(rows))  # what counts is that they are stored
    seen = sparse.coo_array((values, (rows, columns)), shape=(20, 50))
    if kind == "lil_array":
        values[:] = 1  # the format stores no zeros
    found = cosine_top_n(queries, items, 9, exclude=getattr(sparse, kind)(seen))
    assert_exact(found, queries, items, 9, exclude=exclude)


def test_exclusion_by_an_untidy_matrix():
    sparse = pytest.importorskip("scipy.sparse")
    queries, items = pair(2, 5, 4)
    parts = (np.ones(6), [4, 1, 4, 0, 3, 0], [0, 4, 6])
    seen = sparse.csr_matrix(parts, shape=(2, 5))
    before = [part.copy() for part in (seen.data, seen.indices, seen.indptr)]
    found = cosine_top_n(queries, items, 5, exclude=seen)
    assert_exact(found, queries, items, 5, exclude=[[0, 1, 4], [0, 3]])
    for part, was in zip((seen.data, seen.indices, seen.indptr), before, strict=True):
        np.testing.assert_array_equal(part, was)


@pytest.mark.parametrize("kind", [list, tuple, np.array, lambda x: np.array(x, np.uint8)])
def test_containers_of_exclusion(kind):
    queries, items = pair(3, 20, 8)
    exclude = [[3, 1, 3], [19], []]
    wanted = cosine_top_n(queries, items, 5, exclude=exclude, deny=[2, 4])
    given = {"exclude": [kind(seen) for seen in exclude], "deny": kind([2, 4])}
    assert_same(cosine_top_n(queries, items, 5, **given), wanted)
    alone = cosine_top_n(queries[0], items, 5, exclude=kind([3, 1, 3]), deny=kind([2, 4]))
    assert_same(alone, [part[0] for part in wanted])
    rows = [[3, 1], [19, 19], [0, 7]]
    assert_exact(
        cosine_top_n(queries, items, 5, exclude=np.array(rows)), queries, items, 5, exclude=rows
    )


# ---- all scores


@EVERY_METRIC
@DTYPES
def test_similarity(dtype, metric):
    for m, k, d in [(1, 1, 1), (9, 70, 17), (65, 33, 130), (3, 2, 1025)]:
        a, b = pair(m, k, d, dtype)
        wanted = reference.ranks_and_scores(a, b, metric)[1]
        found = similarity(a, b, metric)
        assert found.dtype == dtype
        assert_within(found, wanted, 4 * np.finfo(dtype).eps * np.abs(wanted))
        if metric != "angular":
            np.testing.assert_array_equal(found, wanted.astype(dtype))
        np.testing.assert_array_equal(similarity(a, metric=metric), similarity(a, a, metric))
        assert_same([similarity(a, b, metric, n_threads=3)], [found])


@EVERY_METRIC
@DTYPES
def test_similarity_is_what_a_search_reports(dtype, metric):
    X = real(150, 30, dtype)
    indices, scores = cosine_top_n(X, n=150, metric=metric)
    every = np.take_along_axis(similarity(X, metric=metric), indices, axis=1)
    bound = np.take_along_axis(rank_bound(X, X, metric), indices, axis=1)
    assert_scores(scores, every.astype(np.float64), bound, metric)


def test_similarity_of_real_vectors():
    a, b = real(50, 90, seed=1), real(40, 90, seed=2)
    for metric in ("cosine", "dot"):
        wanted = reference.ranks_and_scores(a, b, metric)[1]
        assert_within(similarity(a, b, metric), wanted, rank_bound(a, b, metric))
