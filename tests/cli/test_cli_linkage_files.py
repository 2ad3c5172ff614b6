"""``coterie linkage``: every output, every refusal, and what is left behind."""

import os
import signal
import sys
from xml.etree import ElementTree

import coterie.hierarchy
import numpy as np
import pytest
from command import GAPS, column, linkage, linkage_report, refused, rows_of

# ---- outputs


@pytest.mark.parametrize("kind", [".csv", ".npz", ".parquet"])
def test_formats(run, tmp_path, blobs, kind):
    X = np.load(blobs)
    path, out = tmp_path / f"x{kind}", tmp_path / f"out{kind}"
    if kind == ".csv":
        path.write_text("a,b\n" + "".join(f"{a!r},{b!r}\n" for a, b in X.tolist()))
    elif kind == ".npz":
        np.savez(path, X=X)
    else:
        pa = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pa.table({"a": X[:, 0], "b": X[:, 1]}), path)
    assert linkage(run, path, "--cut", 3, "--out", out)[0] == 0
    if kind == ".csv":
        labels = column(out, "cluster")
    else:
        labels = (
            np.load(out)["cluster"]
            if kind == ".npz"
            else parquet.read_table(out)["cluster"].to_numpy()
        )
    np.testing.assert_array_equal(labels, np.repeat([0, 1, 2], 30))


def test_dropped_rows(run, tmp_path):
    (tmp_path / "t.csv").write_text(GAPS)
    options = ("--missing", "drop", "--cut", 2, "--z", tmp_path / "z.npy")
    svg = tmp_path / "t.svg"
    got = linkage_report(
        run, tmp_path / "t.csv", *options, "--dendrogram", svg, "--out", tmp_path / "o.npy"
    )
    assert (got["rows"], got["rows_used"]) == (5, 2)
    assert np.load(tmp_path / "o.npy").tolist() == [0, -1, -1, 1, -1]
    assert np.load(tmp_path / "z.npy")[:, [0, 1, 3]].tolist() == [[0, 1, 2]]
    assert {"0", "3"} <= set(texts(svg))
    linkage_report(run, tmp_path / "t.csv", *options, "--out", tmp_path / "t.csv")
    assert [row["cluster"] for row in rows_of(tmp_path / "t.csv")] == ["0", "", "", "1", ""]


def test_a_column_that_exists_is_kept_and_not_used(run, two):
    for name in ("cluster", "cluster_2"):
        got = linkage_report(run, two, "--cut", 2, "--out", two)
        assert got["features"] == ["x", "y"]
        assert list(rows_of(two)[0])[-1] == name


def texts(svg):
    return [e.text for e in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_dendrogram_as_svg(run, two, tmp_path):
    path = two.rename(tmp_path / "<&two'\">.csv")
    first, second = tmp_path / "1.svg", tmp_path / "2.svg"
    for svg in (first, second):
        assert linkage(run, path, "--cut", 2, "--dendrogram", svg)[0] == 0
    assert first.read_bytes() == second.read_bytes()
    found = texts(first)
    assert found[0] == "<&two'\">.csv: ward linkage, euclidean distances, scaled features"
    assert {"0", "1", "2", "3", "4 leaves", "cluster 0: 2", "cluster 1: 2"} <= set(found)
    assert first.read_text().count("stroke-dasharray") == 1
    linkage_report(run, path, "--dendrogram", first)
    assert "stroke-dasharray" not in first.read_text()
    assert "cluster 0" not in first.read_text()


@pytest.mark.parametrize(("kind", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_dendrogram_by_matplotlib(run, blobs, tmp_path, kind, magic):
    pytest.importorskip("matplotlib")
    first, second = tmp_path / f"1.{kind}", tmp_path / f"2.{kind.upper()}"
    for path in (first, second):
        assert linkage(run, blobs, "--cut", 3, "--dendrogram", path)[0] == 0
    assert first.read_bytes().startswith(magic)
    assert first.read_bytes() == second.read_bytes()


def test_without_matplotlib(run, two, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(coterie.hierarchy, "linkage", None)
    result = linkage(run, two, "--dendrogram", tmp_path / "t.png")
    refused(result, "--dendrogram", ".png needs matplotlib", "pip install 'coterie[plot]'")
    monkeypatch.undo()
    assert linkage(run, two, "--dendrogram", tmp_path / "t.svg")[0] == 0


def test_an_array_may_go_to_a_device(run, blobs):
    options = ("--out", os.devnull, "--z", os.devnull, "--dendrogram", os.devnull)
    assert linkage(run, blobs, "--cut", 2, *options)[0] == 0


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_outputs_appear_together_or_not_at_all(run, two, tmp_path, monkeypatch, failing):
    before, sync, calls = two.read_bytes(), os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) == failing:
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    files = ("--out", two, "--z", tmp_path / "z.npy", "--dendrogram", tmp_path / "t.svg")
    names = ["two.csv", "z.npy", "t.svg"]
    result = linkage(run, two, "--cut", 2, *files)
    refused(result, "No space left on device", names[failing - 1])
    assert two.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["two.csv"]


# ---- errors


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--cut", 0], ["--cut", "from 1 to", "'0'"]),
        (["--cut", "2:3"], ["--cut", "'2:3'"]),
        (["--cut", 5], ["--cut 5", "has only 4 rows"]),
        (["--distance=-1"], ["--distance", "from 0 up"]),
        (["--distance", "nan"], ["--distance", "from 0 up"]),
        (["--cut", 2, "--distance", 1], ["--distance", "--cut"]),
        (["--method", "upgma"], ["--method", "'upgma'"]),
        (["--metric", "l9"], ["--metric", "'l9'"]),
        (["--dtype", "float16"], ["--dtype", "'float16'"]),
        (["--metric", "cosine"], ["--metric cosine: wanted euclidean with --method ward"]),
        (["--out", "o.csv"], ["--out o.csv: wanted --cut K or --distance T too"]),
        (["--cut", 2, "--out", "o.parquet"], ["--out", "got .parquet"]),
        (["--z", "z.csv"], ["--z z.csv: wanted .npy, got .csv"]),
        (["--z", "absent/z.npy"], ["--z", "no folder"]),
        (["--dendrogram", "t.gif"], ["--dendrogram", ".svg, .png, .pdf", "got .gif"]),
        (["--z", "z.npy", "--out", "z.npy", "--cut", 2], ["--z z.npy: is the same file as --out"]),
        (["--features", "z"], ["no column 'z'"]),
        (["--seed", 1], ["--seed"]),
    ],
    ids=str,
)
def test_refusals(run, two, tmp_path, monkeypatch, argv, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(coterie.hierarchy, "linkage", None)
    refused(linkage(run, two, *argv), *words)
    assert [p.name for p in tmp_path.iterdir()] == ["two.csv"]


def test_outputs_must_not_replace_the_input(run, blobs, two):
    before = blobs.read_bytes()
    refused(linkage(run, blobs, "--z", blobs), "--z", "would replace the input")
    refused(linkage(run, blobs, "--cut", 2, "--out", blobs), "--out", "would replace the input")
    assert blobs.read_bytes() == before
    rows = two.read_text().splitlines()
    assert linkage(run, two, "--cut", 2, "--out", two)[0] == 0  # a table gains a column
    assert [line.rsplit(",", 1)[0] for line in two.read_text().splitlines()] == rows


def test_numbers_agree_with_their_nouns(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,2\n,3\n4,5\n")
    refused(linkage(run, path), "1 of 3 rows has missing values (x 1), first at line 3")
    path.write_text("x,y\n1,2\n,3\n4,\n")
    refused(linkage(run, path), "2 of 3 rows have missing values (x 1, y 1), first at line 3")
    path.write_text("x,y\n0,0\n1,2\n")
    options = ("--method", "average", "--metric", "cosine", "--scale", "none")
    refused(linkage(run, path, *options), "got 1 zero vector, the first at row 0")


def test_one_row_is_no_tree(run, tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1,2\n")
    refused(linkage(run, tmp_path / "t.csv"), "t.csv: wanted at least two rows to merge, got one")


def test_what_the_library_refuses(run, two, monkeypatch):
    def refuse(*_, **__):
        raise ValueError("X: wanted other rows")

    monkeypatch.setattr(coterie.hierarchy, "linkage", refuse)
    refused(linkage(run, two), "two.csv: X: wanted other rows")


def test_out_of_memory_is_one_line(run, two, monkeypatch):
    def refuse(*_, **__):
        raise MemoryError("wanted 3 TB")

    monkeypatch.setattr(coterie.hierarchy, "linkage", refuse)
    refused(linkage(run, two), "out of memory: wanted 3 TB")


@pytest.mark.parametrize("when", ["linkage", "cut_tree", "cophenet"])
def test_an_interrupt_leaves_nothing(run, two, tmp_path, monkeypatch, when):
    monkeypatch.setattr(
        coterie.hierarchy, when, lambda *_, **__: signal.raise_signal(signal.SIGINT)
    )
    files = ("--out", tmp_path / "o.csv", "--z", tmp_path / "z.npy")
    code, out, err = linkage(run, two, "--cut", 2, *files)
    assert (code, out, err.splitlines()[-1]) == (130, "", "coterie: interrupted")
    assert [p.name for p in tmp_path.iterdir()] == ["two.csv"]
