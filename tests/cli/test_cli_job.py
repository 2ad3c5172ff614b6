"""The command, as a user meets it: files and figures."""

import csv
import io

import coterie
import numpy as np
import pytest
from command import GAPS, TWO, kmeans, refused, report
from coterie.cli.sweep import knee


def test_summary_and_rows(run, two, tmp_path):
    out = tmp_path / "out.csv"
    code, text, err = kmeans(run, two, "--out", out)
    assert code == 0
    assert err == "coterie: note: left out: name (text) (--features chooses)\n"
    for part in (
        "4 rows",
        "2 features",
        "scale standard",
        "2 clusters",
        "inertia",
        "J  ",
        "iterations",
        "original units",
    ):
        assert part in text
    with open(out, newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["name", "x", "y", "cluster"]
    assert [row[:3] for row in rows[1:]] == [line.split(",") for line in TWO.split()[1:]]
    labels = [row[3] for row in rows[1:]]
    assert labels in (["0", "0", "1", "1"], ["1", "1", "0", "0"])


def test_json_says_all(run, two):
    got = report(run, two, "--scale", "none")
    assert got["rows"] == got["rows_used"] == 4
    assert got["features"] == ["x", "y"]
    assert got["left_out"] == [{"column": "name", "reason": "text"}]
    assert got["n_clusters"] == 2
    assert got["inertia"] == 1.0
    assert got["J"] == 0.25
    assert got["sweep"] == []
    assert got["knee"] is None
    clusters = sorted(got["clusters"], key=lambda c: c["mean"]["x"])
    assert [c["size"] for c in clusters] == [2, 2]
    assert [c["share"] for c in clusters] == [0.5, 0.5]
    assert [c["mean"] for c in clusters] == [{"x": 0, "y": 1.5}, {"x": 9, "y": 8.5}]
    assert [c["center"] for c in clusters] == [c["mean"] for c in clusters]


@pytest.mark.parametrize("scale", ["standard", "none", "minmax"])
def test_scale_is_what_it_says_and_means_stay_original(run, tmp_path, scale):
    X = np.random.default_rng(0).normal(5, [1, 10, 1000], (200, 3))
    np.save(tmp_path / "x.npy", X)
    got = report(run, tmp_path / "x.npy", "--scale", scale, "--out", tmp_path / "l.npy", k=4)
    shift, divide = {
        "standard": (X.mean(0), X.std(0)),
        "none": (np.zeros(3), np.ones(3)),
        "minmax": (X.min(0), X.max(0) - X.min(0)),
    }[scale]
    model = coterie.KMeans(4, n_init=1, random_state=0).fit((X - shift) / divide)
    labels = np.load(tmp_path / "l.npy")
    np.testing.assert_array_equal(labels, model.labels_)
    assert got["inertia"] == pytest.approx(model.inertia_, rel=1e-12)
    assert got["J"] == got["inertia"] / 200
    np.testing.assert_allclose([s["shift"] for s in got["scaling"]], shift, rtol=1e-12)
    np.testing.assert_allclose([s["divide"] for s in got["scaling"]], divide, rtol=1e-12)
    for c in got["clusters"]:
        expected = X[labels == c["cluster"]].mean(0)
        np.testing.assert_allclose(list(c["mean"].values()), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", [".csv", ".npy", ".npz", ".parquet"])
def test_every_format_gives_the_same_clusters(run, tmp_path, kind):
    X = np.random.default_rng(1).normal(size=(60, 2)) + np.repeat([[0], [8], [16]], 20, axis=0)
    path, out = tmp_path / f"x{kind}", tmp_path / f"out{kind}"
    if kind == ".csv":
        path.write_text("a,b\n" + "".join(f"{a!r},{b!r}\n" for a, b in X.tolist()))
    elif kind == ".npy":
        np.save(path, X)
    elif kind == ".npz":
        np.savez(path, X=X)
    else:
        pa = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pa.table({"a": X[:, 0], "b": X[:, 1]}), path)
    assert kmeans(run, path, "--out", out, k=3)[0] == 0
    if kind == ".csv":
        labels = np.loadtxt(out, delimiter=",", skiprows=1)[:, 2]
    elif kind == ".parquet":
        labels = parquet.read_table(out)["cluster"].to_numpy()
    else:
        labels = np.load(out) if kind == ".npy" else np.load(out)["cluster"]
    expected = coterie.KMeans(3, random_state=0).fit((X - X.mean(0)) / X.std(0)).labels_
    np.testing.assert_array_equal(labels, expected)


def test_the_seed_decides_and_threads_do_not(run, two, tmp_path):
    X = np.random.default_rng(2).normal(size=(500, 3))
    np.save(tmp_path / "x.npy", X)
    results = [
        report(run, tmp_path / "x.npy", "--seed", seed, *threads, k=5)["inertia"]
        for seed, threads in [(1, ()), (1, ("--threads", 1)), (1, ("--threads", 2)), (2, ())]
    ]
    assert results[0] == results[1] == results[2]
    assert results[3] != results[0]


def test_more_starts_are_never_worse(run, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(3).normal(size=(300, 2)))
    one, ten = (report(run, tmp_path / "x.npy", "--n-init", n, k=9)["inertia"] for n in (1, 10))
    assert ten <= one


def test_float32_stays_float32(run, tmp_path, monkeypatch):
    seen = []
    fit = coterie.KMeans.fit
    monkeypatch.setattr(
        coterie.KMeans, "fit", lambda self, X: (seen.append(X.dtype), fit(self, X))[1]
    )
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(50, 2)).astype("f4"))
    for scale in ("standard", "none"):
        report(run, tmp_path / "x.npy", "--scale", scale)
    assert seen == [np.float32] * 2


def test_centers_file(run, two, tmp_path):
    for kind in (".csv", ".npy"):
        path = tmp_path / f"centers{kind}"
        got = report(run, two, "--centers", path)
        expected = [list(c["center"].values()) for c in got["clusters"]]
        if kind == ".npy":
            assert np.load(path).tolist() == expected
        else:
            rows = list(csv.reader(io.StringIO(path.read_text())))
            assert rows[0] == ["cluster", "x", "y"]
            assert [[float(v) for v in row[1:]] for row in rows[1:]] == expected
            assert [row[0] for row in rows[1:]] == ["0", "1"]


def test_centers_as_parquet(run, two, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert kmeans(run, two, "--centers", tmp_path / "c.parquet")[0] == 0
    assert parquet.read_table(tmp_path / "c.parquet").column_names == ["cluster", "x", "y"]


@pytest.mark.parametrize(
    "k",
    ["0", "-1", "x", "2.5", "", "12:2", "0:3", "2:", ":3", "2:3", "3:3", "1:2:3", "²", "9" * 5000],
)
def test_bad_numbers_of_clusters(run, two, k):
    refused(run("kmeans", two, f"--n-clusters={k}"), "--n-clusters", repr(k))


def test_more_clusters_than_rows(run, two, tmp_path):
    refused(kmeans(run, two, k=5), "--n-clusters 5", "has only 4 rows")
    refused(kmeans(run, two, k="2:9"), "--n-clusters 9", "has only 4 rows")
    refused(kmeans(run, two, k=f"1:{10**17}"), f"--n-clusters {10**17}", "has only 4 rows")
    (tmp_path / "t.csv").write_text(GAPS)
    refused(kmeans(run, tmp_path / "t.csv", "--missing", "drop", k=3), "2 rows left of 5")


def test_more_clusters_than_distinct_rows_is_a_notice(run, tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n" + "1,1\n" * 5 + "2,2\n" * 5)
    got = report(run, tmp_path / "t.csv", k=3)
    assert any(n.startswith("3 clusters: ") for n in got["notices"])


@pytest.fixture
def five(tmp_path):
    """Five clear groups."""
    X = np.random.default_rng(0).normal(size=(200, 2))
    X += np.repeat([[0, 0], [30, 0], [0, 30], [30, 30], [15, 60]], 40, axis=0)
    np.save(tmp_path / "five.npy", X)
    return tmp_path / "five.npy"


def test_sweep_marks_the_knee_and_keeps_its_model(run, five, tmp_path):
    labels, centers = tmp_path / "l.npy", tmp_path / "c.npy"
    options = ("--n-init", 5, "--out", labels, "--centers", centers)
    got = report(run, five, *options, k="2:9")
    assert [s["n_clusters"] for s in got["sweep"]] == list(range(2, 10))
    inertia = [s["inertia"] for s in got["sweep"]]
    assert got["knee"] == got["n_clusters"] == knee(range(2, 10), inertia)
    assert got["inertia"] == inertia[got["knee"] - 2]
    assert got == got | report(run, five, *options, k=got["knee"]) | {
        key: got[key] for key in ("sweep", "knee", "notices")
    }
    assert len(np.load(centers)) == got["knee"]
    assert np.unique(np.load(labels)).tolist() == list(range(got["knee"]))


def test_sweep_draws_a_curve(run, five):
    code, out, _ = kmeans(run, five, k="1:8")
    assert code == 0
    assert out.count("<- knee") == 1
    bars = [line for line in out.splitlines() if line.strip()[-1:] in "█#" and line.strip()]
    assert len(bars) >= 7


def test_sweep_without_a_knee(run, tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n" + "1,1\n" * 9)
    got = report(run, tmp_path / "t.csv", k="1:4")
    assert got["knee"] is None
    assert got["n_clusters"] == 1
    assert any("no knee" in notice for notice in got["notices"])


@pytest.mark.parametrize(
    ("inertia", "expected"),
    [
        ([100, 20, 15, 10], 2),
        ([100, 90, 20, 15, 10], 3),
        ([4, 3, 2, 1], None),
        ([4, 3.9, 3.5, 1], None),
        ([1, 1, 1], None),
        ([0, 0, 0], None),
        ([2, 1], None),
        ([1, 0.5, 2], None),
        ([9, 3, 3, 3, 3], 2),
        ([float("inf"), 1, 0], None),
    ],
)
def test_knee(inertia, expected):
    assert knee(range(1, len(inertia) + 1), inertia) == expected
