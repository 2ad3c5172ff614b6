"""The columns and rows that take part, and what is said of the others."""

import csv

import numpy as np
import pytest
from command import GAPS, kmeans, refused, report


def test_features_choose(run, two):
    assert report(run, two, "--features", "y")["features"] == ["y"]
    assert report(run, two, "--features", " y, x")["features"] == ["y", "x"]


def test_a_name_with_a_comma(run, tmp_path):
    (tmp_path / "t.csv").write_text('"a, b",c\n1,2\n3,4\n')
    assert report(run, tmp_path / "t.csv", "--features", '"a, b"')["features"] == ["a, b"]


def test_unknown_feature_lists_the_valid_ones(run, two):
    refused(
        kmeans(run, two, "--features", "x,yy"), "no column 'yy'", "did you mean 'y'", "'x', 'y'"
    )
    refused(kmeans(run, two, "--features", "x,x"), "'x' is named twice")
    refused(kmeans(run, two, "--features", ","), "--features", "got ','")


def test_feature_of_text_names_the_cell(run, two):
    refused(kmeans(run, two, "--features", "x,name"), two, "line 2", "column 'name'", "got 'a'")


def test_an_almost_numeric_column_is_pointed_at(run, tmp_path):
    (tmp_path / "t.csv").write_text("x;y\n1;1\n2;2,5\n3;3\n")
    _, _, err = kmeans(run, tmp_path / "t.csv")
    assert "left out: y (text: '2,5' at line 3, decimal comma?)" in err


def test_nothing_numeric(run, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\nx,y\nz,w\n")
    refused(kmeans(run, tmp_path / "t.csv"), "wanted at least one numeric column")


def test_an_existing_cluster_column_is_kept_and_not_used(run, two):
    for expected in ("cluster", "cluster_2", "cluster_3"):
        code, _, err = kmeans(run, two, "--out", two)
        assert code == 0
        with open(two, newline="") as file:
            header = next(csv.reader(file))
        assert header[-1] == expected
        assert ("looks like an earlier result" in err) == (expected != "cluster")
        assert (f"is called {expected!r}" in err) == (expected != "cluster")
    assert header == ["name", "x", "y", "cluster", "cluster_2", "cluster_3"]
    assert report(run, two, "--features", "cluster")["features"] == ["cluster"]


def test_a_column_that_counts_rows_is_noticed(run, tmp_path):
    (tmp_path / "t.csv").write_text("id,x\n" + "".join(f"{i},{i % 2}\n" for i in range(100)))
    got = report(run, tmp_path / "t.csv")
    assert got["features"] == ["id", "x"]
    assert any("only counts the rows: id" in notice for notice in got["notices"])
    assert report(run, tmp_path / "t.csv", "--features", "id")["notices"] == []


@pytest.mark.parametrize("scale", ["standard", "minmax", "none"])
def test_constant_columns(run, tmp_path, scale):
    (tmp_path / "t.csv").write_text("c,x\n" + "".join(f"0.1,{x}\n" for x in (0, 0, 5, 5)))
    got = report(run, tmp_path / "t.csv", "--scale", scale)
    assert "'c'" in got["notices"][0]
    assert {c["mean"]["c"] for c in got["clusters"]} == {0.1}
    assert got["inertia"] == 0


def test_hostile_names_stay_on_their_line(run, tmp_path):
    name = "a\nb\x1b[31m" + "x" * 10_000
    with open(tmp_path / "t.csv", "w", newline="") as file:
        csv.writer(file).writerows([[name, "y"], [1, 2], [3, 4]])
    code, out, _ = kmeans(run, tmp_path / "t.csv")
    assert code == 0
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) < 250
    refused(kmeans(run, tmp_path / "t.csv", "--features", '"q\nr"'), r"q\nr")
    refused(kmeans(run, tmp_path / "t.csv", "--features", "q\nr"), "--features", r"q\nr")


def test_wide_and_many(run, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(120, 300)))
    code, out, _ = kmeans(run, tmp_path / "x.npy", k=60)
    assert code == 0
    assert "not shown: 260 features of" in out
    assert "not shown: 20 smaller clusters" in out
    assert len(report(run, tmp_path / "x.npy", k=60)["clusters"][59]["mean"]) == 300


def test_missing_values_stop_and_are_counted(run, tmp_path):
    (tmp_path / "t.csv").write_text(GAPS)
    refused(
        kmeans(run, tmp_path / "t.csv"),
        "t.csv: 3 of 5 rows have missing values (x 2, y 2)",
        "first at line 3, column 'x'",
        "--missing drop",
    )
    err = refused(kmeans(run, tmp_path / "t.csv", "--features", "y"))
    assert "2 of 5 rows have missing values (y 2), first at line 4, column 'y'" in err


def test_dropped_rows_stay_in_the_output_without_a_cluster(run, tmp_path):
    path, out, alone = tmp_path / "t.csv", tmp_path / "o.csv", tmp_path / "o.npy"
    path.write_text(GAPS)
    got = report(run, path, "--missing", "drop", "--out", out)
    assert (got["rows"], got["rows_used"], got["rows_dropped"]) == (5, 2, 3)
    lines = out.read_text().splitlines()
    assert len(lines) == 6
    assert [i for i, line in enumerate(lines) if line.endswith(",")] == [2, 3, 5]
    report(run, path, "--missing", "drop", "--out", alone)
    assert np.flatnonzero(np.load(alone) == -1).tolist() == [1, 2, 4]
    code, text, _ = kmeans(run, path, "--missing", "drop")
    assert code == 0
    assert "5 rows, 2 used (3 with missing values)" in text


def test_all_rows_missing(run, tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1,\n,2\n")
    refused(kmeans(run, tmp_path / "t.csv", "--missing", "drop"), "each of the 2 rows")


def test_nan_in_arrays_is_missing_too(run, tmp_path):
    np.save(tmp_path / "x.npy", np.array([[1, 2], [np.nan, 3], [4, 5]]))
    refused(
        kmeans(run, tmp_path / "x.npy"), "1 of 3 rows has", "row 1 (counted from 0)", "'column1'"
    )


def test_infinity_names_its_place(run, tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1,2\n3,-inf\n")
    for missing in ("drop", "error"):
        refused(
            kmeans(run, tmp_path / "t.csv", "--missing", missing),
            "t.csv, line 3, column 'y': wanted a finite number, got -inf",
        )


def test_huge_values(run, tmp_path):
    (tmp_path / "t.csv").write_text("x\n1e308\n-1e308\n5\n")
    refused(kmeans(run, tmp_path / "t.csv"), "column 'x'", "too large for --scale standard")
