"""``coterie gmm``: every output, every refusal, and what is left behind."""

import json
import os
import signal
import threading

import coterie
import numpy as np
import pytest
from command import GAPS, column, gmm, gmm_report, refused, report, rows_of

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
        parquet.write_table(pa.table({"a": X[:, 0], "b": X[:, 1]}), path, row_group_size=40)
    options = ("--proba", "--anomalies", 0.1, "--out", out)
    assert gmm(run, path, *options, k=3)[0] == 0
    Z = (X - X.mean(0)) / X.std(0)
    model = coterie.GaussianMixture(3, random_state=0).fit(Z)
    names = ["component", "p0", "p1", "p2", "log_density", "anomaly"]
    if kind == ".csv":
        got = {name: column(out, name) for name in names}
    elif kind == ".npz":
        got = np.load(out)
        assert got.files == ["X", *names]
    else:
        table = parquet.read_table(out)
        assert table.column_names == ["a", "b", *names]
        got = {name: table[name].to_numpy() for name in names}
    density = model.score_samples(Z)
    np.testing.assert_array_equal(got["component"], model.predict(Z))
    for c, expected in enumerate(model.predict_proba(Z).T):
        np.testing.assert_allclose(got[f"p{c}"], expected, rtol=1e-10, atol=1e-300)
    np.testing.assert_allclose(got["log_density"], density, rtol=1e-10)
    np.testing.assert_array_equal(got["anomaly"], density < np.quantile(density, 0.1))


def test_npy_holds_one_array(run, blobs, two, tmp_path):
    X, out = np.load(blobs), tmp_path / "o.npy"
    model = coterie.GaussianMixture(3, random_state=0).fit((X - X.mean(0)) / X.std(0))
    Z = (X - X.mean(0)) / X.std(0)
    for options, said, expected in [
        ((), "labels", model.predict(Z)),
        (("--proba",), "probabilities", model.predict_proba(Z)),
        (("--anomalies", 0.1), "log densities", model.score_samples(Z)),
    ]:
        code, text, _ = gmm(run, blobs, *options, "--out", out, k=3)
        assert code == 0
        assert f"\n{said} written to " in text
        got = np.load(out)
        assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-300)
        refused(gmm(run, blobs, *options, "--out", tmp_path / "o.csv"), f".npy, for {said} alone")
    for path in (blobs, two):
        result = gmm(run, path, "--proba", "--anomalies", 0.1, "--out", out)
        refused(result, "o.npy: holds one array", "--proba", "--anomalies")


def test_dropped_rows_have_no_values(run, tmp_path):
    path, gaps = tmp_path / "t.csv", [1, 2, 4]
    path.write_text(GAPS)
    extra = ("--missing", "drop", "--proba", "--anomalies", 0.5)
    assert gmm_report(run, path, *extra, "--out", tmp_path / "o.csv", k=1)["rows_dropped"] == 3
    lines = (tmp_path / "o.csv").read_text().splitlines()
    assert lines[0] == "x,y,s,component,p0,log_density,anomaly"
    assert [i - 1 for i, line in enumerate(lines) if line.endswith(",,,,")] == gaps
    for options, missing in [((), -1), (("--proba",), np.nan), (("--anomalies", 0.1), np.nan)]:
        gmm_report(run, path, "--missing", "drop", *options, "--out", tmp_path / "o.npy", k=1)
        values = np.load(tmp_path / "o.npy").reshape(5)
        assert np.flatnonzero(np.isnan(values) if missing != -1 else values == -1).tolist() == gaps
    x, y = (np.array([row.split(",")[j] for row in GAPS.split()[1:]]) for j in (0, 1))
    arrays = [np.array([float(v) if v[:1].isdigit() else np.nan for v in c]) for c in (x, y)]
    np.savez(tmp_path / "t.npz", x=arrays[0], y=arrays[1])
    gmm_report(run, tmp_path / "t.npz", *extra, "--out", tmp_path / "o.npz", k=1)
    with np.load(tmp_path / "o.npz") as got:
        for name, kind in [("component", "i"), ("anomaly", "i"), ("p0", "f"), ("log_density", "f")]:
            values = got[name]
            assert values.dtype.kind == kind
            assert np.flatnonzero(np.isnan(values) if kind == "f" else values < 0).tolist() == gaps


def test_dropped_rows_are_nulls_in_parquet(run, tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({"x": [1.0, None, 2.0, 9.0]}), tmp_path / "t.parquet")
    options = ("--missing", "drop", "--proba", "--anomalies", 0.3, "--out", tmp_path / "t.parquet")
    gmm_report(run, tmp_path / "t.parquet", *options, k=1)
    got = parquet.read_table(tmp_path / "t.parquet")
    for name in ("component", "p0", "log_density", "anomaly"):
        assert [v is None for v in got[name].to_pylist()] == [False, True, False, False]


def test_columns_that_exist_are_kept_and_not_used(run, two):
    options = ("--proba", "--anomalies", 0.25, "--out", two)
    names = ["component", "p0", "p1", "log_density", "anomaly"]
    assert gmm(run, two, *options)[0] == 0
    got = gmm_report(run, two, *options)
    assert got["features"] == ["x", "y"]
    assert [one["column"] for one in got["left_out"]] == ["name", *names]
    assert list(rows_of(two)[0]) == ["name", "x", "y", *names, *(f"{n}_2" for n in names)]
    assert got["notices"][-1] == (
        "the input has columns 'component', 'p0', 'p1', 'log_density', 'anomaly'; the new ones "
        "are called 'component_2', 'p0_2', 'p1_2', 'log_density_2', 'anomaly_2'"
    )
    assert report(run, two)["features"] == ["x", "y"]
    assert gmm_report(run, two, "--features", "p0,component")["features"] == ["p0", "component"]


def test_names_alone_do_not_look_like_a_result(run, tmp_path):
    (tmp_path / "t.csv").write_text("p1,anomaly,log_density\n1,2,5\n3,1,4\n5,5,1\n")
    assert gmm_report(run, tmp_path / "t.csv")["features"] == ["p1", "anomaly", "log_density"]


# ---- errors


@pytest.mark.parametrize("k", ["0", "-1", "x", "2.5", "", "8:1", "0:3", "2:", ":3", "3:3", "1:2:3"])
def test_bad_numbers_of_components(run, two, k):
    refused(run("gmm", two, f"--n-components={k}"), "--n-components", repr(k))


@pytest.mark.parametrize("share", ["0", "-0.1", "0.51", "nan", "inf", "x", ""])
def test_bad_shares_of_anomalies(run, two, share):
    refused(gmm(run, two, f"--anomalies={share}"), "--anomalies", "at most 0.5", repr(share))


def test_more_components_than_rows(run, two, tmp_path):
    refused(gmm(run, two, k=5), "--n-components 5", "has only 4 rows")
    refused(gmm(run, two, k=f"1:{10**17}"), f"--n-components {10**17}", "has only 4 rows")
    (tmp_path / "t.csv").write_text(GAPS)
    refused(gmm(run, tmp_path / "t.csv", "--missing", "drop", k=3), "2 rows left of 5")
    refused(gmm(run, tmp_path / "t.csv"), "3 of 5 rows have missing values", "--missing drop")


def test_options_that_contradict(run, two, tmp_path, monkeypatch):
    monkeypatch.setattr(coterie.GaussianMixture, "fit", None)
    refused(gmm(run, two, "--proba"), "--proba: wanted --out")
    refused(gmm(run, two, "--n-init", 2, k="1:3"), "--n-init 2", "range")
    refused(gmm(run, two, "--out", tmp_path / "o.parquet"), "--out", "got .parquet")
    refused(gmm(run, two, "--out", tmp_path / "absent" / "o.csv"), "--out", "no folder")
    refused(gmm(run, two, "--features", "x,z"), "no column 'z'")


def test_values_the_fit_refuses(run, tmp_path):
    (tmp_path / "t.csv").write_text("x\n1e200\n-1e200\n5\n")
    for k in (2, "1:2"):
        refused(gmm(run, tmp_path / "t.csv", "--scale", "none", k=k), "t.csv: X: ", "overflow")


def test_errors_as_json(run, two):
    code, out, err = gmm(run, two, "--features", "z", "--json")
    assert code == 2
    assert json.loads(out)["error"]["message"] in err


def test_a_failed_write_leaves_the_old_file(run, two, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    (tmp_path / "o.csv").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    result = gmm(run, two, "--proba", "--out", tmp_path / "o.csv")
    refused(result, "o.csv: No space left on device")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.csv", "two.csv"]
    assert (tmp_path / "o.csv").read_text() == "old"


@pytest.mark.parametrize(
    ("when", "k"), [("_fit_rows", 2), ("_fit_rows", "1:3"), ("predict_proba", 2)]
)
def test_an_interrupt_leaves_nothing(run, two, tmp_path, monkeypatch, when, k):
    first = threading.Semaphore(1)  # fits run side by side: one interrupt is enough

    def interrupt(*_, **__):
        if first.acquire(blocking=False):
            signal.raise_signal(signal.SIGINT)
        return []

    monkeypatch.setattr(coterie.GaussianMixture, when, interrupt)
    code, out, err = gmm(run, two, "--proba", "--out", tmp_path / "o.csv", k=k)
    assert (code, out, err) == (130, "", "coterie: interrupted\n")
    assert [p.name for p in tmp_path.iterdir()] == ["two.csv"]
