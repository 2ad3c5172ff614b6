"""CosineIndex: what a search without it finds; adding, files, pickles."""

import copy
import os
import pickle
import zipfile
from itertools import pairwise

import numpy as np
import pytest
from coterie import CosineIndex, cosine_top_n
from rankings import METRICS, assert_exact, assert_same, exact, real

EVERY_METRIC = pytest.mark.parametrize("metric", METRICS)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
Q, X = real(30, 20, np.float32, 1), real(400, 20, np.float32, 2)


def sparse_items(dtype=np.float64):
    sparse = pytest.importorskip("scipy.sparse")
    return sparse.csr_array(exact(400, 20, 2).astype(dtype))


# ---- search


@EVERY_METRIC
@DTYPES
@pytest.mark.parametrize("precision", ["auto", "float", "certified-int8"])
def test_finds_what_a_search_without_it_finds(precision, dtype, metric):
    queries, items = exact(40, 33, 1).astype(dtype), exact(500, 33, 2).astype(dtype)
    exclude = [[i, i + 1, 5] for i in range(40)]
    index = CosineIndex(items, metric=metric, precision=precision)
    for n in (1, 10, 100, 501):
        for options in ({}, {"threshold": 0.25}, {"exclude": exclude, "deny": [3, 77]}):
            found = index.search(queries, n, **options)
            assert_exact(found, queries, items, n, metric, **options)
            assert_same(found, cosine_top_n(queries, items, n, metric=metric, **options))


@EVERY_METRIC
@DTYPES
def test_paths_have_the_same_bits(dtype, metric):
    queries, items = real(70, 20, dtype, 1), real(900, 20, dtype, 2)
    whole = cosine_top_n(queries, items, 10, metric=metric)
    for precision in ("auto", "float", "certified-int8"):
        for n_threads in (1, 2, 3, 8):
            index = CosineIndex(items, metric=metric, precision=precision, n_threads=n_threads)
            assert_same(index.search(queries, 10), whole)
            for size in (1, 3, 19, 20):
                assert_same(index.search(queries[:size], 10), [part[:size] for part in whole])
            assert_same(index.search(queries[5], 10), [part[5] for part in whole])
            index.n_threads = 1
            assert_same(index.search(queries, 10), whole)


def test_one_query():
    index = CosineIndex(X)
    found = index.search(Q[3], 5, exclude=[0, 17], threshold=0.1)
    assert found.indices.shape == found.scores.shape == (5,)
    many = index.search(Q[3:4], 5, exclude=[[0, 17]], threshold=0.1)
    assert_same(found, [part[0] for part in many])
    assert_same(index.search(Q[3].tolist()), index.search(Q[3].astype(np.float64)))


@EVERY_METRIC
@pytest.mark.parametrize("sparse", [False, True])
def test_the_items_as_queries(sparse, metric):
    items = sparse_items() if sparse else exact(400, 20, 2)
    index = CosineIndex(items, metric=metric)
    found = index.search(None, 6, deny=[9])
    assert_same(found, cosine_top_n(items, n=6, metric=metric, deny=[9], exclude_self=True))
    assert not (found.indices == np.arange(400)[:, None]).any()


def test_queries_are_rounded_to_the_index():
    queries = real(9, 20)
    index = CosineIndex(X)
    assert_same(index.search(queries, 4), index.search(queries.astype(np.float32), 4))
    with pytest.raises(ValueError, match="queries: wanted finite values, got inf at row 0, column"):
        index.search(np.full((1, 20), 1e300), 4)
    wide = CosineIndex(X.astype(np.float64))
    assert_same(wide.search(Q, 4), wide.search(Q.astype(np.float64), 4))


@pytest.mark.parametrize("kinds", [("csr", "csr"), ("csr", "dense"), ("dense", "csr")])
@EVERY_METRIC
def test_sparse_rows(kinds, metric):
    sparse = pytest.importorskip("scipy.sparse")
    queries, items = exact(30, 20, 1), exact(400, 20, 2)
    q, x = (
        sparse.csr_array(a) if kind == "csr" else a
        for kind, a in zip(kinds, (queries, items), strict=True)
    )
    index = CosineIndex(x, metric=metric)
    assert_exact(index.search(q, 7), queries, items, 7, metric)


def test_the_index_keeps_a_copy():
    for items in (X.copy(), X.astype(np.float64), sparse_items(np.float32)):
        index = CosineIndex(items)
        before = index.search(Q, 5)
        (items if isinstance(items, np.ndarray) else items.data)[:] = 7
        assert_same(index.search(Q, 5), before)


# ---- growth


@EVERY_METRIC
@DTYPES
@pytest.mark.parametrize("precision", ["float", "certified-int8"])
def test_items_may_come_in_parts(precision, dtype, metric):
    items, queries = real(400, 20, dtype), real(30, 20, dtype, 1)
    whole = CosineIndex(items, metric=metric, precision=precision)
    for cuts in [(0, 1, 2, 3, 400), (0, 399, 400), (0, 63, 64, 65, 200, 400), (0, 0, 7, 7, 400)]:
        index = CosineIndex(items[:0], metric=metric, precision=precision)
        for first, last in pairwise(cuts):
            index.add(items[first:last])
            assert index.n_items == len(index) == last
        assert_same(index.search(queries, 12), whole.search(queries, 12))
        assert_same(index.search(None, 12), whole.search(None, 12))


def test_sparse_items_may_come_in_parts():
    sparse = pytest.importorskip("scipy.sparse")
    items = sparse_items(np.float32)
    index = CosineIndex(sparse.csr_array((0, 20), dtype=np.float32))
    for part in (items[:1], items[1:1], items[1:]):
        index.add(part)
    assert_same(index.search(items, 9), CosineIndex(items).search(items, 9))


def test_an_index_of_nothing():
    index = CosineIndex(np.empty((0, 4), np.float32))
    found = index.search(np.ones((3, 4)), 2)
    assert (found.indices == -1).all()
    assert (found.scores == -np.inf).all()
    assert index.search(None, 2).indices.shape == (0, 2)
    assert index.search(np.ones(4), 2).indices.shape == (2,)
    assert (len(index), index.nbytes, index.n_features) == (0, 0, 4)


def test_what_cannot_be_added_changes_nothing():
    sparse = pytest.importorskip("scipy.sparse")
    index = CosineIndex(X)
    before = index.search(Q, 5)
    bad = X.copy()
    bad[300, 3] = np.inf
    for items, error, message in [
        (bad, ValueError, "items: wanted finite values, got inf at row 300, column 3"),
        (np.full((1, 20), 1e300), ValueError, "items: wanted finite values, got inf at row 0"),
        (X[:, :5], ValueError, "items: wanted 20 features, as the items have, got 5"),
        (X[0], ValueError, "items: wanted a 2-D array"),
        (sparse.csr_array(X), TypeError, "items: wanted dense rows, as the index has, got sparse"),
    ]:
        with pytest.raises(error, match=message):
            index.add(items)
        assert len(index) == 400
        assert_same(index.search(Q, 5), before)
    index = CosineIndex(sparse.csr_array(X))
    with pytest.raises(TypeError, match="items: wanted sparse rows, as the index has, got dense"):
        index.add(X)
    with pytest.raises(ValueError, match=r"items: .* got inf at row 300, column 3 \(1 in all\)"):
        index.add(sparse.csr_array(bad))
    assert len(index) == 400


# ---- files and pickles


def restored(index, way, folder):
    if way == "copy":
        return copy.deepcopy(index)
    if way == "pickle":
        return pickle.loads(pickle.dumps(index))
    index.save(folder / "index")
    return CosineIndex.load(folder / "index")


@EVERY_METRIC
@pytest.mark.parametrize("way", ["copy", "pickle", "file"])
@pytest.mark.parametrize("items", ["float32", "float64", "sparse", "none", "added"])
def test_what_comes_back(items, way, metric, tmp_path):
    rows = {"float64": X.astype(np.float64), "none": X[:0]}.get(items, X)
    if items == "sparse":
        rows = sparse_items()
    index = CosineIndex(rows, metric=metric, precision="float")
    if items == "added":
        index.add(X[:7])
    back = restored(index, way, tmp_path)
    assert repr(back) == repr(index)
    assert_same(back.search(Q, 9), index.search(Q, 9))
    back.add(rows[:2])
    assert len(back) == len(index) + min(2, rows.shape[0])


def test_a_file_is_numpys(tmp_path):
    CosineIndex(X, metric="dot").save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        assert {name: str(file[name]) for name in ("format", "metric", "precision")} == {
            "format": "coterie.CosineIndex 1",
            "metric": "dot",
            "precision": "auto",
        }
        np.testing.assert_array_equal(file["items"], X)
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    index, path = CosineIndex(X), tmp_path / "index.npz"
    index.save(path)
    before = path.read_bytes()

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"index\.npz: No space left on device"):
        CosineIndex(X[:9]).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["index.npz"]
    monkeypatch.undo()
    with pytest.raises(OSError, match="No such file"):
        index.save(tmp_path / "absent" / "index.npz")
    with pytest.raises(OSError, match="No such file"):
        CosineIndex.load(tmp_path / "absent.npz")


DAMAGED = {
    "metric": {"metric": np.array("l1")},
    "no metric": {"metric": None},
    "1-D": {"items": X[0]},
    "NaN": {"items": np.full((3, 20), np.nan)},
    "text": {"items": np.array([["a"]])},
    "no items": {"items": None},
    "format": {"format": np.array("coterie.CosineIndex 2")},
    "no format": {"format": None},
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_files(case, tmp_path):
    parts = {"items": X, "metric": np.array("cosine"), "precision": np.array("auto")}
    parts |= {"format": np.array("coterie.CosineIndex 1")} | DAMAGED[case]
    path = tmp_path / "index.npz"
    np.savez(path, **{name: part for name, part in parts.items() if part is not None})
    with pytest.raises(ValueError, match=r"index\.npz: (damaged|wanted a file that CosineIndex)"):
        CosineIndex.load(path)


SPARSE_DAMAGE = {
    "columns": {"indices": np.array([0, 90])},
    "negative": {"indices": np.array([0, -1])},
    "pointers": {"indptr": np.array([0, 9, 2])},
    "shape": {"shape": np.array([7, 3])},
    "no shape": {"shape": None},
    "NaN": {"data": np.array([1, np.nan])},
}


@pytest.mark.parametrize("case", SPARSE_DAMAGE)
def test_damaged_files_of_sparse_items(case, tmp_path):
    pytest.importorskip("scipy.sparse")
    parts = {"data": np.ones(2), "indices": np.array([0, 1]), "indptr": np.array([0, 1, 2])}
    parts |= {"shape": np.array([2, 3]), "metric": np.array("dot"), "precision": np.array("auto")}
    parts["format"] = np.array("coterie.CosineIndex 1")
    np.savez(tmp_path / "index.npz", **parts)
    assert CosineIndex.load(tmp_path / "index.npz").search([0, 1.0, 0], 1).indices == [1]
    parts = {k: v for k, v in (parts | SPARSE_DAMAGE[case]).items() if v is not None}
    np.savez(tmp_path / "index.npz", **parts)
    with pytest.raises(ValueError, match=r"index\.npz: damaged: "):
        CosineIndex.load(tmp_path / "index.npz")


def test_files_that_are_none(tmp_path):
    path = tmp_path / "x"
    CosineIndex(X).save(path)
    whole = path.read_bytes()
    cut = (b"", b"PK", whole[:1000], whole[1000:], whole[:-30] + b"0" * 30)
    for content in (*cut, b"a,b\n1,2\n"):
        path.write_bytes(content)
        with pytest.raises((ValueError, OSError)):  # places before the file's beginning
            CosineIndex.load(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("format.npy", whole)
    with pytest.raises(ValueError, match="x: "):
        CosineIndex.load(path)


def test_nothing_in_a_file_is_executed(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.savez(tmp_path / "x.npz", items=np.array([Trap()], object), format=np.array("a"))
    with pytest.raises(ValueError, match=r"x\.npz: "):
        CosineIndex.load(tmp_path / "x.npz")
    assert not (tmp_path / "sprung").exists()


# ---- the object


def test_facts():
    index = CosineIndex(X, metric="angular", precision="float")
    assert repr(index) == (
        "CosineIndex(n_items=400, n_features=20, dtype=float32, metric='angular', "
        "precision='float')"
    )
    assert index.nbytes >= X.nbytes
    assert CosineIndex(X.astype(np.float16)).dtype == CosineIndex(X.astype(np.int8)).dtype == "f4"
    assert CosineIndex([[1, 2]]).dtype == "f8"
    assert sparse_items().nnz * 12 <= CosineIndex(sparse_items()).nbytes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "l1"}, "metric: wanted one of 'cosine', 'dot', 'euclidean', 'angular', got"),
        ({"precision": "int8"}, "precision: wanted one of 'auto', 'float', 'certified-int8', got"),
        ({"n_threads": 0}, "n_threads: wanted an integer >= 1"),
        ({"items": X[0]}, "items: wanted a 2-D array"),
        ({"items": [[np.nan]]}, "items: wanted finite values, got NaN at row 0, column 0"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        CosineIndex(**({"items": X} | options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queries": Q[:, :3]}, "queries: wanted 20 features, as the items have, got 3"),
        ({"queries": Q[None]}, "queries: wanted a 2-D array"),
        ({"queries": np.full((2, 20), np.nan)}, "queries: .* got NaN at row 0, column 0"),
        ({"n": 0}, "n: wanted an integer >= 1"),
        ({"exclude": [[400]] + [[]] * 29}, "exclude: .* from 0 to 399, got 400 for query 0"),
        ({"queries": Q[0], "exclude": [5, 400]}, "exclude: .* from 0 to 399, got 400"),
        ({"deny": [-1]}, "deny: wanted indices of items"),
        ({"threshold": float("nan")}, "threshold: wanted a number or None"),
    ],
)
def test_refused_searches(options, message):
    with pytest.raises(ValueError, match=message):
        CosineIndex(X).search(**({"queries": Q} | options))
