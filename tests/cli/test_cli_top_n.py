"""``coterie top-n``: files in, the most similar rows out."""

import os
import signal

import coterie.top_n
import numpy as np
import pytest
from command import refused, report, rows_of
from coterie import cosine_top_n

METRICS = ("cosine", "dot", "euclidean", "angular")


def top_n(run, path, *argv, k=None):
    return run("top-n", path, *argv)


def found(run, path, *argv):
    return report(run, path, *argv, command=top_n)


@pytest.fixture
def files(tmp_path):
    """Items and queries of three columns, as .npy and as .csv."""
    rng = np.random.default_rng(0)
    items, queries = rng.integers(-9, 10, (60, 3)) / 4, rng.integers(-9, 10, (12, 3)) / 4
    for name, rows in (("items", items), ("queries", queries)):
        np.save(tmp_path / f"{name}.npy", rows)
        lines = [",".join(map(repr, row)) for row in rows.tolist()]
        (tmp_path / f"{name}.csv").write_text("\n".join(["a,b,c", *lines]) + "\n")
    return tmp_path, items, queries


def pairs_of(path):
    """Rows and scores by query, from a file with a line for each found."""
    lists = {}
    for row in rows_of(path):
        query = lists.setdefault(int(row["query"]), [])
        query.append((int(row["item"]), float(row["score"])))
        assert int(row["rank"]) == len(query)
    return lists


# ---- what is found is the library's


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["npy", "csv"])
def test_agrees_with_the_library(run, files, kind, metric):
    folder, items, queries = files
    out, options = folder / "out.npz", ("--metric", metric, "-n", 7, "--out", folder / "out.npz")
    for asked in (None, queries):
        more = () if asked is None else ("--queries", folder / f"queries.{kind}")
        got = found(run, folder / f"items.{kind}", *options, *more)
        wanted = cosine_top_n(
            items if asked is None else asked,
            None if asked is None else items,
            7,
            metric=metric,
            exclude_self=asked is None,
        )
        with np.load(out) as file:
            np.testing.assert_array_equal(file["indices"], wanted.indices)
            np.testing.assert_array_equal(file["scores"], wanted.scores)
        assert (got["command"], got["metric"], got["n"]) == ("top-n", metric, 7)
        assert got["found"] == wanted.indices.size
        assert got["lists"][3]["items"] == wanted.indices[3].tolist()
        assert got["lists"][3]["scores"] == wanted.scores[3].tolist()
        low, high = wanted.scores.min(), wanted.scores.max()
        near = (low, high) if metric in ("euclidean", "angular") else (high, low)
        assert (got["score"]["best"], got["score"]["worst"]) == near


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "npy", "npz"])
def test_outputs(run, files, kind):
    folder, items, queries = files
    out, options = folder / f"out.{kind}", ("-n", 5, "--threshold", 0.8)
    wanted = cosine_top_n(queries, items, 5, threshold=0.8)
    if kind == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
    got = found(
        run, folder / "items.npy", "--queries", folder / "queries.npy", "--out", out, *options
    )
    assert got["found"] == (wanted.indices >= 0).sum() < wanted.indices.size
    assert got["complete"] == (wanted.indices[:, -1] >= 0).sum()
    if kind in ("npy", "npz"):
        arrays = np.load(out)
        indices = arrays if kind == "npy" else arrays["indices"]
        np.testing.assert_array_equal(indices, wanted.indices)
        if kind == "npz":
            np.testing.assert_array_equal(arrays["scores"], wanted.scores)
            arrays.close()
        return
    if kind == "parquet":
        table = parquet.read_table(out).to_pydict()
        out = folder / "again.csv"
        lines = zip(*table.values(), strict=True)
        out.write_text("\n".join([",".join(table), *(",".join(map(str, x)) for x in lines)]) + "\n")
    elif kind == "tsv":
        assert out.read_text().startswith("query\trank\titem\tscore\n")
        out.write_text(out.read_text().replace("\t", ","))
    lists = pairs_of(out)
    for i, (indices, scores) in enumerate(zip(*wanted, strict=True)):
        pairs = [(j, s) for j, s in zip(indices.tolist(), scores.tolist(), strict=True) if j >= 0]
        assert lists.get(i, []) == pairs


def test_rows_with_gaps_take_no_part(run, files):
    folder, _, _ = files
    (folder / "i.csv").write_text("a,b\n1,0\n,5\n0,1\n1,1\n")
    (folder / "q.csv").write_text("a,b\n1,NA\n0,2\n")
    refused(top_n(run, folder / "i.csv"), "i.csv: 1 of 4", "--missing drop")
    options = ("--missing", "drop", "-n", 4, "--out", folder / "o.npz")
    got = found(run, folder / "i.csv", "--queries", folder / "q.csv", *options)
    assert (got["rows"], got["rows_used"], got["n_queries"], got["queries_used"]) == (4, 3, 2, 1)
    with np.load(folder / "o.npz") as file:
        assert file["indices"].tolist() == [[-1] * 4, [2, 3, 0, -1]]
        assert np.isnan(file["scores"][0]).all()
        assert file["scores"][1, [0, 3]].tolist() == [1, -np.inf]
    got = found(run, folder / "i.csv", *options[:4])
    assert [one["items"] for one in got["lists"]] == [[3, 2], [], [3, 0], [0, 2]]


def test_columns_go_by_name(run, files):
    folder, items, queries = files
    swapped = folder / "swapped.csv"
    lines = [",".join(map(repr, row)) for row in queries[:, [2, 0, 1]].tolist()]
    swapped.write_text("\n".join(["c,a,b", *lines]) + "\n")
    one = found(run, folder / "items.csv", "--queries", folder / "queries.csv")
    other = found(run, folder / "items.csv", "--queries", swapped)
    assert one["lists"] == other["lists"]
    some = found(run, folder / "items.csv", "--queries", swapped, "--features", "b,c", "-n", 3)
    wanted = cosine_top_n(queries[:, 1:], items[:, 1:], 3)
    assert some["lists"][0]["items"] == wanted.indices[0].tolist()


def test_columns_without_names_go_by_place(run, files):
    folder, _, _ = files
    one = found(run, folder / "items.csv", "--queries", folder / "queries.csv")
    assert one["notices"] == []
    for items, queries in [("items.npy", "queries.csv"), ("items.csv", "queries.npy")]:
        other = found(run, folder / items, "--queries", folder / queries)
        assert one["lists"] == other["lists"]
        assert any("taken in the order of those of" in notice for notice in other["notices"])


def test_more_than_there_are(run, two):
    got = found(run, two, "-n", 50)
    assert (got["found"], got["complete"], got["n_queries"]) == (12, 0, 4)
    assert [len(one["items"]) for one in got["lists"]] == [3] * 4


def test_one_row_finds_nothing(run, tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1,2\n")
    got = found(run, tmp_path / "t.csv")
    assert (got["found"], got["score"]) == (0, {"best": None, "mean": None, "worst": None})
    assert top_n(run, tmp_path / "t.csv")[0] == 0


def test_zeros_are_reported(run, tmp_path):
    np.save(tmp_path / "x.npy", np.array([[0, 0], [1.0, 0], [0, 0], [0, 1]]))
    for metric in METRICS:
        notices = found(run, tmp_path / "x.npy", "--metric", metric)["notices"]
        told = any("2 rows of nothing but zeros" in notice for notice in notices)
        assert told == (metric in ("cosine", "angular"))


@pytest.mark.parametrize("threshold", [-0.5, 0, 0.99])
def test_thresholds(run, files, threshold):
    folder, items, _ = files
    got = found(run, folder / "items.npy", "--threshold", threshold, "-n", 60)
    wanted = cosine_top_n(items, n=60, threshold=threshold, exclude_self=True)
    assert got["found"] == (wanted.indices >= 0).sum()


def test_options_reach_the_library(run, files, monkeypatch):
    folder, seen = files[0], []

    def spy(*positional, **named):
        seen.append((positional[0].dtype, *positional[2:], named))
        return cosine_top_n(*positional, **named)

    monkeypatch.setattr(coterie.top_n, "cosine_top_n", spy)
    np.save(folder / "x.npy", np.eye(3, dtype=np.float32))
    found(run, folder / "x.npy")
    found(run, folder / "x.npy", "--threads", 3, "--metric", "dot", "-n", 2, "--threshold", 1)
    plain = {"threshold": None, "metric": "cosine", "exclude_self": True, "n_threads": None}
    other = {"threshold": 1.0, "metric": "dot", "exclude_self": True, "n_threads": 3}
    assert seen == [(np.float32, 10, plain), (np.float32, 2, other)]


# ---- the report


def test_summary(run, files):
    folder, _, _ = files
    (folder / "q.csv").write_text((folder / "queries.csv").read_text() + "1,,2\n")
    out = folder / "o.csv"
    code, text, err = top_n(
        run,
        folder / "items.csv",
        *("--queries", folder / "q.csv", "--missing", "drop", "-n", 3, "--threshold", 0.95),
        *("--out", out),
    )
    assert (code, err) == (0, "")
    for part in (
        "items.csv: 60 rows, 3 features",
        f"the 3 nearest of them by cosine for each row of {folder / 'q.csv'}, threshold 0.95",
        "queries     13 (1 with missing values), ",
        "found       ",
        "scores      best ",
        "query",
        f"what was found written to {out}",
    ):
        assert part in text
    assert "for each of them\n" in top_n(run, folder / "items.npy")[1]


# ---- refusals


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["-n", 0], ["-n", "from 1 to", "'0'"]),
        (["-n", "2:3"], ["-n", "'2:3'"]),
        (["--threshold", "nan"], ["--threshold", "wanted a number", "'nan'"]),
        (["--metric", "l9"], ["--metric", "'l9'"]),
        (["--scale", "none"], ["--scale"]),
        (["--threads", 0], ["--threads"]),
        (["--features", "z"], ["no column 'z'"]),
        (["--queries", "absent.csv"], ["absent.csv: No such file"]),
        (["--queries", "x.dat"], ["x.dat", "wanted one of .csv"]),
        (["--out", "o.txt"], ["--out o.txt: wanted one of .csv", "got .txt"]),
        (["--out", "absent/o.csv"], ["--out", "no folder"]),
        (["--out", "items.csv"], ["--out items.csv: would replace the input"]),
        (
            ["--queries", "queries.csv", "--out", "./queries.csv"],
            ["--out", "would replace the input"],
        ),
        (["--queries", "other.csv"], ["other.csv: wanted the columns of", "called 'b', 'c'"]),
        (["--queries", "narrow.npy"], ["narrow.npy: wanted 3 columns as", "got 2"]),
        (["--queries", "nan.csv"], ["nan.csv: 1 of 2"]),
    ],
    ids=str,
)
def test_refusals(run, files, monkeypatch, argv, words):
    folder, _, _ = files
    (folder / "other.csv").write_text("a,d,e\n1,2,3\n")
    (folder / "nan.csv").write_text("a,b,c\n1,,3\n1,2,3\n")
    np.save(folder / "narrow.npy", np.eye(2))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(coterie.top_n, "cosine_top_n", None)
    before = sorted(p.name for p in folder.iterdir())
    refused(top_n(run, "items.csv", *argv), *words)
    assert sorted(p.name for p in folder.iterdir()) == before


def test_what_the_library_refuses(run, files, monkeypatch):
    def refuse(*_, **__):
        raise ValueError("items: wanted other rows")

    monkeypatch.setattr(coterie.top_n, "cosine_top_n", refuse)
    refused(top_n(run, files[0] / "items.csv"), "items.csv: items: wanted other rows")


def test_a_failed_write_leaves_the_old_file(run, files, monkeypatch):
    folder, _, _ = files
    (folder / "o.csv").write_text("old")
    before = sorted(p.name for p in folder.iterdir())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = top_n(run, folder / "items.csv", "--out", folder / "o.csv")
    refused(result, "o.csv: No space left on device")
    assert (folder / "o.csv").read_text() == "old"
    assert sorted(p.name for p in folder.iterdir()) == before


def test_an_interrupt_leaves_nothing(run, files, monkeypatch):
    folder, _, _ = files
    before = sorted(p.name for p in folder.iterdir())
    monkeypatch.setattr(
        coterie.top_n, "cosine_top_n", lambda *_, **__: signal.raise_signal(signal.SIGINT)
    )
    code, out, err = top_n(run, folder / "items.csv", "--out", folder / "o.csv")
    assert (code, out, err.splitlines()[-1]) == (130, "", "coterie: interrupted")
    assert sorted(p.name for p in folder.iterdir()) == before


def test_an_output_may_go_to_a_device(run, files):
    assert top_n(run, files[0] / "items.csv", "--out", os.devnull)[0] == 0
