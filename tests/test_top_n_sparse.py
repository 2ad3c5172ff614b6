"""Sparse top-N in the core: the very bits of a float64 brute force, ties, masks and short lists."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from coterie import _core
from reference import top_n as reference

sp = pytest.importorskip("scipy.sparse")

METRICS = ("cosine", "dot", "euclidean", "angular")


def csr(x):
    m = sp.csr_array(x)
    m.sort_indices()
    return m.data, m.indices.astype(np.int32), m.indptr.astype(np.int64)


def listed(exclude):
    """Index lists as the core wants them."""
    if exclude is None:
        return None, None
    start = np.cumsum([0] + [len(row) for row in exclude])
    return start, np.array([i for row in exclude for i in sorted(row)], dtype=np.int64)


def top_n(queries, items, n, kind="csr csr", metric="cosine", **options):
    """Arrays in, as one of the three kinds; what the core finds out."""
    threads, scores = options.pop("n_threads", 2), options.pop("scores", np.float64)
    exclude = listed(options.pop("exclude", None))
    deny = options.pop("deny", None)
    if deny is not None:
        deny = np.isin(np.arange(len(items)), list(deny)).astype(np.uint8)
    rest = (n, options.pop("threshold", None), metric, *exclude, deny)
    rest += (options.pop("exclude_self", False),)
    out = np.full((len(queries), n), -7), np.full((len(queries), n), np.nan, scores)
    assert not options
    if kind == "csr csr":
        columns = (queries.shape[1],)
        _core.top_n_csr(*csr(queries), *csr(items), *columns, *rest, *out, threads)
    elif kind == "csr dense":
        _core.top_n_csr_dense(*csr(queries), items, *rest, *out, threads)
    else:
        _core.top_n_dense_csr(queries, *csr(items), *rest, *out, threads)
    return out


KINDS = ("csr csr", "csr dense", "dense csr")


def assert_same(found, wanted, metric):
    np.testing.assert_array_equal(found[0], wanted[0])
    if metric == "angular":  # libraries differ in the last bits of arccos
        np.testing.assert_allclose(found[1], wanted[1], rtol=0, atol=4e-16)
    else:
        np.testing.assert_array_equal(found[1], wanted[1])


def check(queries, items, n, kind, metric, **options):
    wanted = reference.top_n(queries, items, n, metric=metric, **options)
    assert_same(top_n(queries, items, n, kind, metric, **options), wanted, metric)


def sparse_rows(n, d, per_row, seed, dtype=np.float64, integers=True, low=-3, skew=0.0):
    """n rows of about per_row entries; skew: columns fall in frequency as a power of their rank."""
    rng = np.random.default_rng(seed)
    p = 1.0 / np.arange(1, d + 1) ** skew
    x = np.zeros((n, d))
    for row in x:
        columns = rng.choice(d, min(d, rng.poisson(per_row)), p=p / p.sum())
        size = len(columns)
        row[columns] = rng.integers(low, 5, size) if integers else rng.normal(size=size)
    return x.astype(dtype)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_integers_tie_and_the_lowest_index_wins(kind, metric, dtype):
    for m, n_items, d, per_row in ((3, 50, 4, 2), (70, 40, 9, 3), (33, 97, 30, 3), (1, 1, 1, 1)):
        queries = sparse_rows(m, d, per_row, 1, dtype)
        items = sparse_rows(n_items, d, per_row, 2, dtype)
        for n in (1, 3, n_items, n_items + 5):
            check(queries, items, n, kind, metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_real_values_have_the_bits_of_the_reference(kind, metric, dtype):
    queries = sparse_rows(90, 200, 6, 3, dtype, integers=False)
    items = sparse_rows(800, 200, 6, 4, dtype, integers=False)
    check(queries, items, 10, kind, metric)
    check(queries, items, 10, kind, metric, threshold=0.3)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("low", [-3, 1])
@pytest.mark.parametrize("skew", [0.0, 1.2])
def test_a_join_of_thousands(metric, low, skew):
    """Rows touch few items or many, in ranges and in lines, and lists are short now and then."""
    queries = sparse_rows(150, 300, 4, 5, low=low, skew=skew)
    items = sparse_rows(5000, 300, 3, 6, low=low, skew=skew)
    check(queries, items, 7, "csr csr", metric)
    check(queries, items, 400, "csr csr", metric, threshold=0.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", METRICS)
def test_masks(kind, metric):
    rng = np.random.default_rng(7)
    x = sparse_rows(600, 40, 4, 8)
    exclude = [rng.choice(600, rng.integers(0, 300), replace=False) for _ in x]
    deny = rng.choice(600, 250, replace=False)
    check(x, x, 9, kind, metric, exclude_self=True)
    check(x, x, 9, kind, metric, exclude=exclude)
    check(x, x, 9, kind, metric, deny=deny)
    check(x, x, 200, kind, metric, deny=deny, exclude=exclude, exclude_self=True)
    check(x, x, 3, kind, metric, deny=range(600))


def test_masks_of_a_join():
    rng = np.random.default_rng(9)
    x = sparse_rows(1200, 400, 4, 10, low=1)
    exclude = [rng.choice(1200, rng.integers(0, 40), replace=False) for _ in x]
    for row, seen in enumerate(exclude[:600]):  # those that are alike, above all
        exclude[row] = np.union1d(seen, np.argsort(-(x @ x[row]), kind="stable")[:10])
    deny = rng.choice(1200, 150, replace=False)
    check(x, x, 8, "csr csr", "cosine", exclude=exclude, deny=deny, exclude_self=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", METRICS)
def test_thresholds_are_inclusive(kind, metric):
    queries, items = sparse_rows(60, 12, 3, 11), sparse_rows(200, 12, 3, 12)
    _, scores = reference.top_n(queries, items, 200, metric=metric)
    for threshold in (-2.0, -0.5, 0.0, 0.5, 1.0, 3.0, np.inf, -np.inf, *np.unique(scores)[5:9]):
        if metric == "angular" and 0 < threshold < 0.5 and threshold != 0.5:
            continue  # arccos is not the same everywhere to the last bit
        check(queries, items, 20, kind, metric, threshold=threshold)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", METRICS)
def test_zero_vectors_and_nothing(kind, metric):
    x = sparse_rows(40, 6, 2, 13)
    x[::3] = 0
    check(x, x, 15, kind, metric)
    check(np.zeros((3, 6)), x, 5, kind, metric)
    check(x, np.zeros((4, 6)), 5, kind, metric)
    found = top_n(x, np.zeros((0, 6)), 2, kind, metric)
    worst = np.inf if metric in ("euclidean", "angular") else -np.inf
    np.testing.assert_array_equal(found[0], np.full((40, 2), -1))
    np.testing.assert_array_equal(found[1], np.full((40, 2), worst))
    assert top_n(np.zeros((0, 6)), x, 2, kind, metric)[0].shape == (0, 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", METRICS)
def test_same_bits_for_any_number_of_threads(kind, metric):
    queries = sparse_rows(300, 500, 5, 14, np.float32, integers=False, skew=0.5)
    items = sparse_rows(9000, 500, 5, 15, np.float32, integers=False, skew=0.5)
    one = top_n(queries, items, 10, kind, metric, n_threads=1)
    few = top_n(queries[:2], items, 10, kind, metric, n_threads=1)
    for threads in (2, 3, 8):
        found = top_n(queries, items, 10, kind, metric, n_threads=threads)
        found += top_n(queries[:2], items, 10, kind, metric, n_threads=threads)
        for a, b in zip(one + few, found, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_magnitudes_do_not_matter_to_a_cosine(kind):
    x, y = sparse_rows(50, 20, 4, 16, integers=False), sparse_rows(300, 20, 4, 17, integers=False)
    wanted = top_n(x, y, 6, kind)
    powers = np.exp2(np.arange(300) % 7 * 150 - 500.0)[:, None]
    for found in (top_n(x * 2.0**900, y * powers, 6, kind), top_n(x * 2.0**-900, y, 6, kind)):
        assert_same(found, wanted, "cosine")


def test_scores_in_float32_are_rounded_once():
    x = sparse_rows(80, 30, 4, 18, np.float32, integers=False)
    wanted = top_n(x, x, 6)
    indices, scores = top_n(x, x, 6, scores=np.float32)
    np.testing.assert_array_equal(indices, wanted[0])
    np.testing.assert_array_equal(scores, wanted[1].astype(np.float32))


def test_stored_zeros_and_strided_rows():
    x = sparse_rows(50, 20, 5, 19)
    data, indices, indptr = csr(x)
    data = np.where(np.arange(len(data)) % 4 == 0, 0.0, data)
    dense = sp.csr_array((data, indices, indptr), shape=x.shape).toarray()
    wanted = reference.top_n(dense, dense, 5)
    out = np.empty((50, 5), np.int64), np.empty((50, 5))
    none = (None, None, None, False)
    stored = (data, indices, indptr)
    _core.top_n_csr(*stored, *stored, 20, 5, None, "cosine", *none, *out, 1)
    assert_same(out, wanted, "cosine")
    wide = np.zeros((50, 33))
    wide[:, :20] = dense
    _core.top_n_csr_dense(*stored, wide[:, :20], 5, None, "cosine", *none, *out, 1)
    assert_same(out, wanted, "cosine")


def test_many_equal_rows():
    """Binary rows tie by the hundred at the end of the list."""
    x = (sparse_rows(1000, 400, 4, 20, low=1) > 0).astype(np.float32)
    check(x, x, 10, "csr csr", "cosine", exclude_self=True)
    check(x[:40], np.repeat(x[:5], 300, axis=0), 10, "csr csr", "dot")


def good():
    data, indices, indptr = csr(sparse_rows(5, 4, 2, 21))
    return [data, indices, indptr, data, indices, indptr, 4, 2, None, "cosine"]


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (6, 2, "queries_indices: wanted ascending numbers within range"),
        (6, 0, "n_columns"),
        (7, 0, "n: wanted a number >= 1"),
        (8, float("nan"), "threshold"),
        (9, "jaccard", "metric"),
    ],
)
def test_refusals(at, value, message):
    arguments = good()
    arguments[at] = value
    out = np.empty((5, 2), np.int64), np.empty((5, 2))
    with pytest.raises(ValueError, match=message):
        _core.top_n_csr(*arguments, None, None, None, False, *out, 1)


def test_exclude_is_checked():
    out = np.empty((5, 2), np.int64), np.empty((5, 2))
    for rows in ([[5], [], [], [], []], [[-1], [], [], [], []]):
        with pytest.raises(ValueError, match="exclude_indices"):
            _core.top_n_csr(*good(), *listed(rows), None, False, *out, 1)
    start, indices = np.array([0, 2, 2, 2, 2, 2]), np.array([3, 1])
    with pytest.raises(ValueError, match="ascending"):
        _core.top_n_csr(*good(), start, indices, None, False, *out, 1)
    with pytest.raises(ValueError, match="exclude_indptr"):
        _core.top_n_csr(*good(), start[:4], indices, None, False, *out, 1)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.slow
@pytest.mark.parametrize("work", ["join", "scan"])
@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_is_heard(work, threads):
    code = f"""
import signal, time, numpy as np
from coterie import _core
signal.signal(signal.SIGINT, signal.default_int_handler)
rows, per_row, d = 200_000, 20, 1000
steps = np.random.default_rng(0).integers(1, d // per_row, (rows, per_row))
indices = (np.cumsum(steps, axis=1) - 1).ravel().astype(np.int32)
x = np.ones(rows * per_row, np.float32), indices, np.arange(rows + 1) * per_row
out = np.empty((rows, 10), np.int64), np.empty((rows, 10), np.float32)
metric = "cosine" if {work!r} == "join" else "euclidean"
print("ready", flush=True)
try:
    _core.top_n_csr(*x, *x, d, 10, None, metric, None, None, None, True, *out, {threads})
except KeyboardInterrupt:
    print(time.monotonic())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "ready\n"
            time.sleep(0.5)
            sent = time.monotonic()
            other.send_signal(signal.SIGINT)
            latency = float(other.communicate(timeout=60)[0]) - sent
        finally:
            other.kill()
    print(f"Ctrl-C answered after {1000 * latency:.0f} ms")
    assert latency < 2  # 0.2 s where nobody else is at work
