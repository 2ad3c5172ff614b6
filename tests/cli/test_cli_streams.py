"""stdout and stderr that are full, closed or narrow; outputs that go together; rounding noise."""

import json
import os
import subprocess
import sys

import coterie
import numpy as np
import pytest
from command import column, gmm_report, kmeans, refused, report

needs_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
FULL = "coterie: error: standard output: No space left on device\n"


def shell(redirection, *argv, **environment):
    """Run the command with streams as `sh` redirects them."""
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, "-m", "coterie", *argv],
        capture_output=True,
        env={**os.environ, **environment},
    )


# ---- stdout and stderr


@needs_full
@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["kmeans", "--help"],
        ["--version"],
        ["info"],
        ["info", "--json"],
        ["demo"],
        ["demo", "--json"],
        ["kmeans", "two.csv", "--n-clusters", "2", "--features", "x"],
        ["gmm", "two.csv", "--n-components", "2", "--features", "x"],
    ],
)
def test_a_full_stdout_is_one_line(two, monkeypatch, argv):
    monkeypatch.chdir(two.parent)
    done = shell(">/dev/full", *argv)
    assert (done.returncode, done.stderr.decode()) == (2, FULL)


@needs_full
def test_an_error_as_json_to_a_full_stdout():
    done = shell(">/dev/full", "kmeans", "absent.csv", "--n-clusters", "2", "--json")
    assert done.returncode == 2
    assert done.stderr == b"coterie: error: absent.csv: No such file or directory\n"


@pytest.mark.skipif(os.name != "posix", reason="a shell")
@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["info", "--json"], ["demo"], []])
def test_a_closed_stdout_is_one_line(argv):
    done = shell(">&-", *argv)
    assert done.returncode == 2
    assert done.stderr == b"coterie: error: standard output: is closed\n"


@pytest.mark.skipif(os.name != "posix", reason="a shell")
@pytest.mark.parametrize(
    "redirection", ["2>&-", pytest.param("2>/dev/full", marks=needs_full)], ids=["closed", "full"]
)
def test_without_stderr_the_report_is_all_there_is(two, redirection):
    done = shell(redirection, "kmeans", two, "--n-clusters", "2", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["notices"]
    done = shell(redirection, "kmeans", two, "--n-clusters", "9")
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("command", ["kmeans --n-clusters", "gmm --n-components"])
def test_json_in_any_encoding(tmp_path, encoding, command):
    (tmp_path / "t.csv").write_text("größe,☃\n1,5\n2,6\n9,7\n", "utf-8")
    argv = [*command.split(), "2", tmp_path / "t.csv", "--json"]
    done = shell("", *argv, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert json.loads(done.stdout.decode("utf-8"))["features"] == ["größe", "☃"]
    assert ("☃" in done.stdout.decode("utf-8")) == (encoding == "utf-8")


# ---- Ctrl-C


@pytest.mark.parametrize("name", ["coterie.cli.command", "coterie.cli.arguments", "argparse"])
def test_an_interrupt_while_importing_is_quiet(name):
    program = f"""
import sys, coterie
class Stop:
    def find_spec(name, path=None, target=None):
        if name == {name!r}:
            raise KeyboardInterrupt
sys.modules.pop({name!r}, None)
sys.meta_path.insert(0, Stop)
from coterie.cli import main
sys.exit(main(["info"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "coterie: interrupted\n")


# ---- files


@pytest.mark.parametrize("failing", [1, 2])
def test_two_outputs_appear_together_or_not_at_all(run, two, tmp_path, monkeypatch, failing):
    before, sync, calls = two.read_bytes(), os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) == failing:
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    result = kmeans(run, two, "--out", two, "--centers", tmp_path / "c.csv")
    refused(result, "No space left on device", ["two.csv", "c.csv"][failing - 1])
    assert two.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["two.csv"]


@needs_full
def test_a_device_that_is_full_leaves_no_other_output(run, two, tmp_path):
    refused(kmeans(run, two, "--centers", "/dev/full", "--out", tmp_path / "o.csv"), "/dev/full")
    refused(kmeans(run, two, "--out", "/dev/full", "--centers", tmp_path / "c.csv"), "/dev/full")
    assert [p.name for p in tmp_path.iterdir()] == ["two.csv"]


@pytest.mark.parametrize("option", ["--out", "--centers"])
def test_names_too_long_are_refused_before_the_work(run, two, tmp_path, monkeypatch, option):
    monkeypatch.setattr(coterie.KMeans, "fit", None)
    for path in (tmp_path / ("x" * 300 + ".csv"), tmp_path / ("x" * 300) / "o.csv"):
        refused(kmeans(run, two, option, path), f"{option} {path}: File name too long")


# ---- numbers


@pytest.mark.parametrize("argv", [["--threads"], ["--n-init"], ["--max-iter"]])
def test_whole_numbers_end_where_the_library_does(run, two, argv):
    for command in ("kmeans", "gmm"):
        k = "--n-clusters" if command == "kmeans" else "--n-components"
        for value in (2**31, 2**32 - 1, 0):
            words = [*argv, f"from 1 to {2**31 - 1}", f"'{value}'"]
            refused(run(command, two, k, 2, *argv, value), *words)
    assert report(run, two, "--seed", 2**32 - 1)["seed"] == 2**32 - 1


@pytest.mark.parametrize("tol", ["-1", "nan", "inf", "x", ""])
def test_bad_tolerances(run, two, tol):
    refused(run("gmm", two, "--n-components", 2, f"--tol={tol}"), "--tol", "from 0 up", repr(tol))


def test_max_iter(run, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(3).normal(size=(300, 2)))
    assert report(run, tmp_path / "x.npy", "--max-iter", 2, k=9)["n_iter"] == 2
    assert report(run, tmp_path / "x.npy", k=9)["n_iter"] > 2


@pytest.mark.parametrize("most", [20, 400])
def test_ranges_beyond_all_rows_are_refused(run, two, most):
    for command, k in (("kmeans", "--n-clusters"), ("gmm", "--n-components")):
        refused(run(command, two, k, "2:" + "9" * most), k, "wanted a number from 1 up")
        refused(run(command, two, k, "2:" + "9" * 18), k, "has only 4 rows")


@pytest.fixture
def truth():
    """Truth values, some of them rare."""
    return np.random.default_rng(0).random((3000, 6)) < [0.5, 0.1, 0.01, 0.001, 0.3, 0.9]


def means_of(groups, key="mean"):
    return np.array([list(one[key].values()) for one in groups])


@pytest.mark.parametrize("scale", ["standard", "minmax", "none"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_means_of_truth_values_are_exact_where_all_agree(run, tmp_path, truth, scale, dtype):
    X, path = truth.astype(dtype), tmp_path / "x.npy"
    np.save(path, X)
    files = ("--out", tmp_path / "l.npy", "--centers", tmp_path / "c.csv")
    got = report(run, path, *files, "--scale", scale, k=8)
    labels = np.load(tmp_path / "l.npy")
    expected = np.array([X[labels == c].mean(0, dtype=float) for c in range(8)])
    agree = (expected == 0) | (expected == 1)
    assert agree.sum() > 8
    centers = np.array([column(tmp_path / "c.csv", f"column{j}") for j in range(1, 7)]).T
    for found in (means_of(got["clusters"]), means_of(got["clusters"], "center"), centers):
        np.testing.assert_array_equal(found[agree], expected[agree])
        np.testing.assert_allclose(found, expected, rtol=1e-6 if dtype == "f4" else 1e-13)
        assert not np.signbit(found).any()


@pytest.mark.parametrize("scale", ["standard", "minmax", "none"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_means_of_components_have_no_noise(run, tmp_path, truth, scale, dtype):
    np.save(tmp_path / "x.npy", truth.astype(dtype))
    options = ("--scale", scale, "--covariance-type", "diag")
    found = means_of(gmm_report(run, tmp_path / "x.npy", *options, k=8)["components"])
    near = (np.abs(found) < 1e-9) | (np.abs(found - 1) < 1e-9)
    assert near.any()
    assert set(found[near]) <= {0.0, 1.0}


@pytest.mark.parametrize("scale", ["standard", "minmax", "none"])
@pytest.mark.parametrize(
    ("offset", "spread"), [(1e9, 2.0**-20), (-1e6, 1e-7), (0.1, 1e-13), (0, 1e-30), (0, 1e100)]
)
def test_means_keep_the_digits_they_have(run, tmp_path, scale, offset, spread):
    X = offset + spread * np.repeat([[1, 2.5], [3, 1], [7, 6]], 5, axis=0)
    np.save(tmp_path / "x.npy", X)
    options = ("--out", tmp_path / "l.npy", "--scale", scale)
    got = report(run, tmp_path / "x.npy", *options, k=3)
    labels = np.load(tmp_path / "l.npy")
    for one, mean in zip(got["clusters"], means_of(got["clusters"]), strict=True):
        rows = X[labels == one["cluster"]]
        if len(np.unique(rows)) == 2:
            limit = np.maximum(np.spacing(np.abs(rows[0])), 1e-13 * spread)
            assert (np.abs(mean - rows[0]) <= limit).all()
