"""NumPy's files and Parquet in and out; what survives a failure."""

import errno
import os
import stat
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from coterie.io import (
    CommandError,
    InputError,
    OutputError,
    Outputs,
    atomic,
    check_output,
    read_table,
    write_columns,
)
from files import labelled, save, values

NAN = float("nan")


# ---- NumPy files


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", ">f8", "f2", "i8", "u1", "?"])
def test_npy(tmp_path, dtype):
    array = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype)
    table = save(tmp_path / "t.npy", array)
    assert table.names == ["column1", "column2"]
    X = table.matrix_of([0, 1])
    assert X.dtype == (np.float32 if dtype in ("f4", ">f4", "f2") else np.float64)
    np.testing.assert_array_equal(X, array)
    np.testing.assert_array_equal(table.matrix_of([1]), array[:, 1:])


def test_npy_is_mapped_not_read(tmp_path):
    table = save(tmp_path / "t.npy", np.ones((3, 2), np.float32))
    X = table.matrix_of([0, 1])
    assert isinstance(X, np.memmap)
    assert not X.flags.writeable


def test_npy_of_one_dimension_and_fields(tmp_path):
    assert save(tmp_path / "a.npy", np.arange(4.0)).matrix_of([0]).shape == (4, 1)
    fields = np.array([(1.5, b"x"), (2.5, b"y")], dtype=[("width", "f8"), ("name", "S1")])
    table = save(tmp_path / "b.npy", fields)
    assert table.names == ["width", "name"]
    assert values(table) == [[1.5, 2.5], None]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2, 2)), r"two dimensions, got shape \(2, 2, 2\)"),
        (np.float64(3), r"two dimensions, got shape \(\)"),
        (np.zeros((2, 2), complex), "real numbers, got dtype complex128"),
        (np.array([["a"]]), "real numbers, got dtype <U1"),
        (np.zeros((0, 2)), "at least one row"),
        (np.zeros((2, 0)), "at least one column"),
    ],
)
def test_npy_of_the_wrong_kind(tmp_path, array, message):
    with pytest.raises(InputError, match=message):
        save(tmp_path / "t.npy", array)


@pytest.mark.parametrize("name", ["t.npy", "t.npz"])
@pytest.mark.parametrize("content", [b"", b"junk", b"\x93NUMPY\x01\x00", b"PK\x03\x04junk"])
def test_files_that_are_not_numpy(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_table(tmp_path / name)


def test_pickles_are_not_opened(tmp_path):
    np.save(tmp_path / "t.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(InputError, match=r"t\.npy"):
        read_table(tmp_path / "t.npy")


def test_npz_of_columns(tmp_path):
    table = save(tmp_path / "t.npz", x=np.arange(3), file=np.ones(3), s=np.array(list("abc")))
    assert table.names == ["x", "file", "s"]
    assert values(table) == [[0, 1, 2], [1, 1, 1], None]
    with np.load(labelled(table, [1, 0, -1], name="out.npz")) as got:
        assert got["cluster"].tolist() == [1, 0, -1]
        assert got["s"].tolist() == ["a", "b", "c"]
        assert sorted(got.files) == ["cluster", "file", "s", "x"]


def test_npz_of_one_matrix(tmp_path):
    table = save(tmp_path / "t.npz", X=np.ones((3, 2)), y=np.arange(3), note=np.array(1))
    assert table.names == ["X_1", "X_2"]
    assert table.taken == {"X", "y", "note"}


@pytest.mark.parametrize(
    "arrays",
    [
        {"a": np.ones((2, 2)), "b": np.ones((2, 2))},
        {"a": np.ones(2), "b": np.ones(3)},
        {"a": np.array(1)},
    ],
)
def test_npz_without_a_meaning(tmp_path, arrays):
    with pytest.raises(InputError, match=r"got a \("):
        save(tmp_path / "t.npz", **arrays)


# ---- Parquet


def parquet(path, **columns):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return read_table(path)


def test_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from decimal import Decimal

    table = parquet(
        tmp_path / "t.parquet",
        f=pa.array([1.5, None, 3.0], pa.float32()),
        i=pa.array([1, None, 2**60]),
        b=pa.array([True, None, False]),
        d=pa.array([Decimal("1.5"), Decimal("2.5"), None]),
        e=pa.array([7, 8, 7]).dictionary_encode(),
        s=["x", "y", "z"],
        t=pa.array([0, 1, 2], pa.timestamp("s")),
        n=pa.nulls(3),
    )
    got = {n: c.values for n, c in zip(table.names, table.columns, strict=True)}
    assert got["f"].dtype == np.float32
    np.testing.assert_array_equal(got["f"], np.array([1.5, NAN, 3], np.float32))
    np.testing.assert_array_equal(got["i"], [1, NAN, 2.0**60])
    np.testing.assert_array_equal(got["b"], [1, NAN, 0])
    np.testing.assert_array_equal(got["d"], [1.5, 2.5, NAN])
    np.testing.assert_array_equal(got["e"], [7, 8, 7])
    assert [got[name] for name in "stn"] == [None] * 3
    assert table.columns[5].why == "string"


def test_parquet_back(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = parquet(tmp_path / "t.parquet", a=[1.0, 2.0, 3.0], s=["x", None, "z"])
    labelled(table, [1, -1, 0], name="t.parquet")
    got = pq.read_table(tmp_path / "t.parquet")
    assert got.column_names == ["a", "s", "cluster"]
    assert got["cluster"].to_pylist() == [1, None, 0]
    assert got["cluster"].type == pa.int32()
    assert got["s"].to_pylist() == ["x", None, "z"]


def new_columns(dtype):
    """A label, a column of a matrix and a flag for three rows; the second one has none."""
    matrix = np.array([[0.1, 9], [NAN, 9], [2.0**-30, 9]], dtype)
    flags = np.array([1, -1, 0], np.int8)
    return {"c": np.array([7, -1, 0], np.int32), "p": matrix[:, 0], "f": flags}


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_several_columns(tmp_path, dtype):
    new = new_columns(dtype)
    (tmp_path / "t.csv").write_text('x,s\n1,"a\nb"\n2,\n3,c\n')
    write_columns(read_table(tmp_path / "t.csv"), new, tmp_path / "o.csv")
    small = {"f4": "9.313226e-10", "f8": "9.313225746154785e-10"}[dtype]
    expected = f'x,s,c,p,f\n1,"a\nb",7,0.1,1\n2,,,,\n3,c,0,{small},0\n'
    assert (tmp_path / "o.csv").read_text() == expected
    again = read_table(tmp_path / "o.csv")
    np.testing.assert_array_equal(again.columns[3].values.astype(dtype), new["p"])
    table = save(tmp_path / "t.npz", x=np.arange(3))
    write_columns(table, new, tmp_path / "o.npz")
    with np.load(tmp_path / "o.npz") as got:
        assert got.files == ["x", "c", "p", "f"]
        for name, column in new.items():
            assert got[name].dtype == column.dtype
            np.testing.assert_array_equal(got[name], column)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_several_columns_of_parquet(tmp_path, dtype):
    table = parquet(tmp_path / "t.parquet", x=[1, 2, 3])  # two row groups
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    new = new_columns(dtype)
    write_columns(table, new, tmp_path / "o.parquet")
    got = pq.read_table(tmp_path / "o.parquet")
    assert got.column_names == ["x", "c", "p", "f"]
    assert [got[n].null_count for n in got.column_names] == [0, 1, 1, 1]
    for name, column in new.items():
        assert got[name].type == pa.from_numpy_dtype(column.dtype)
        np.testing.assert_array_equal(got[name].to_numpy()[[0, 2]], column[[0, 2]])


def test_one_array_alone(tmp_path):
    table, new = save(tmp_path / "t.npy", np.ones((3, 2))), new_columns("f8")
    write_columns(table, new, tmp_path / "o.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "o.npy"), new["c"])
    write_columns(table, new, tmp_path / "o.npy", alone=np.eye(3))
    np.testing.assert_array_equal(np.load(tmp_path / "o.npy"), np.eye(3))


def test_broken_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"t\.parquet"):
        read_table(tmp_path / "t.parquet")


def test_without_pyarrow_the_message_says_what_to_install(tmp_path, monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == "pyarrow"] + ["pyarrow"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(CommandError, match=r"pip install 'coterie\[io\]'"):
        read_table(tmp_path / "t.parquet")
    with pytest.raises(CommandError, match=r"pip install 'coterie\[io\]'"):
        check_output("--out", tmp_path / "o.parquet", (".parquet", ".npy"), "")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    assert values(read_table(tmp_path / "t.csv")) == [[1], [2]]


# ---- atomic


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_atomic_writes_and_replaces(tmp_path):
    path = tmp_path / "out"
    for content in ("one", "two"):
        with atomic(path, text=True) as file:
            file.write(content)
        assert path.read_text() == content
    assert names(tmp_path) == ["out"]


def test_files_that_appear_together(tmp_path):
    with Outputs() as outputs:
        for name in ("a", "b"):
            with outputs.open(tmp_path / name) as file:
                file.write(name.encode())
            assert not (tmp_path / name).exists()
    assert [(tmp_path / name).read_text() for name in names(tmp_path)] == ["a", "b"]

    def fail():
        with Outputs() as outputs:
            with outputs.open(tmp_path / "a", text=True) as file:
                file.write("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [(tmp_path / name).read_text() for name in names(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "out"
    path.write_text("old")

    def fail():
        with atomic(path, text=True) as file:
            file.write("new")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "out"
    path.write_text("old")
    monkeypatch.setattr(os, call, full)
    with pytest.raises(OutputError, match="No space left"), atomic(path) as file:
        file.write(b"new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_permissions_and_links_are_kept(tmp_path):
    path, link = tmp_path / "out", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    with atomic(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    with atomic(tmp_path / "ours"):
        pass
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name are POSIX")
def test_a_pipe_is_written_through(tmp_path):
    path, got = tmp_path / "pipe", []
    os.mkfifo(path)
    thread = threading.Thread(target=lambda: got.append(path.read_bytes()))
    thread.start()
    with atomic(path) as file:
        file.write(b"through")
    thread.join()
    assert got == [b"through"]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_long_names(tmp_path):
    path = tmp_path / ("x" * 250 + ".csv")
    with atomic(path) as file:
        file.write(b"1")
    assert path.read_bytes() == b"1"


def test_check_output(tmp_path):
    with pytest.raises(OutputError, match=r"wanted \.csv like the input, got \.txt"):
        check_output("--out", tmp_path / "o.txt", (".csv",), ".csv like the input")
    with pytest.raises(OutputError, match="no folder"):
        check_output("--out", tmp_path / "absent" / "o.csv", (".csv",), "")
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_output("--out", tmp_path / "d.csv", (".csv",), "")
    check_output("--out", Path("o.CSV"), (".csv",), "")
