"""Messages, exit codes, signals, pipes, terminals."""

import json
import os
import signal
import subprocess
import sys

import coterie
import numpy as np
import pytest
from command import child, kmeans, refused


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        ([], "COMMAND"),
        (["cluster"], "cluster"),
        (["kmeans"], "INPUT"),
        (["kmeans", "x.csv"], "--n-clusters"),
        (["kmeans", "x.csv", "--n-clusters", "2", "--scale", "log"], "--scale"),
        (["kmeans", "x.csv", "--n-clusters", "2", "--seed", "-1"], "--seed"),
        (["kmeans", "x.csv", "--n-clusters", "2", "--threads", "0"], "--threads"),
        (["kmeans", "x.csv", "--n-clusters", "2", "--bogus"], "--bogus"),
        (["kmeans", "x.csv", "--n-clusters", "2"], "x.csv: No such file"),
        (["kmeans", "x.dat", "--n-clusters", "2"], ".dat"),
        (["gmm", "x.csv"], "--n-components"),
        (["gmm", "x.csv", "--n-components", "2", "--covariance-type", "x"], "--covariance-type"),
        (["gmm", "x.csv", "--n-components", "2", "--criterion", "x"], "--criterion"),
        (["gmm", "x.csv", "--n-components", "2", "--centers", "c.csv"], "--centers"),
        (["gmm", "x.csv", "--n-components", "2"], "x.csv: No such file"),
        (["linkage", "x.csv"], "x.csv: No such file"),
        (["linkage"], "INPUT"),
        (["top-n", "x.csv"], "x.csv: No such file"),
        (["top-n"], "ITEMS"),
        (["demo", "extra"], "extra"),
    ],
)
def test_usage_errors_are_one_line(run, argv, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(run(*argv), word)


def test_errors_as_json(run, two):
    code, out, err = kmeans(run, two, "--features", "z", "--json")
    assert code == 2
    error = json.loads(out)["error"]
    assert error["kind"] == "usage"
    assert error["message"] in err


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("o.parquet", ["--out", "wanted .csv like the input, or .npy", "got .parquet"]),
        ("o", ["--out", "got no ending"]),
        ("absent/o.csv", ["--out", "no folder"]),
    ],
)
def test_bad_outputs_are_refused_before_the_work(run, two, tmp_path, monkeypatch, out, words):
    monkeypatch.setattr(coterie.KMeans, "fit", None)
    refused(kmeans(run, two, "--out", tmp_path / out), *words)


def test_outputs_must_not_collide(run, two, tmp_path):
    refused(kmeans(run, two, "--centers", two), "would replace the input")
    both = tmp_path / "o.npy"
    refused(kmeans(run, two, "--out", both, "--centers", both), "same file as --out")
    refused(kmeans(run, two, "--centers", tmp_path / "c.txt"), "--centers", "got .txt")
    np.save(tmp_path / "x.npy", np.eye(3))
    refused(kmeans(run, tmp_path / "x.npy", "--out", tmp_path / "o.csv"), "labels alone")


def left(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_failed_write_leaves_the_old_files(run, two, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    (tmp_path / "o.csv").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    result = kmeans(run, two, "--out", tmp_path / "o.csv", "--centers", tmp_path / "c.npy")
    refused(result, "o.csv: No space left on device")
    assert left(tmp_path) == ["o.csv", "two.csv"]
    assert (tmp_path / "o.csv").read_text() == "old"


@pytest.mark.parametrize(("name", "expected"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_in_the_fit(run, two, tmp_path, monkeypatch, name, expected):
    if name == "SIGTERM" and signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        pytest.skip("somebody else handles SIGTERM in this process")
    monkeypatch.setattr(
        coterie.KMeans, "fit", lambda self, X: signal.raise_signal(getattr(signal, name))
    )
    code, out, err = kmeans(run, two, "--out", tmp_path / "o.csv")
    assert (code, out) == (expected, "")
    assert err.count("\n") == 1
    assert left(tmp_path) == ["two.csv"]


def test_out_of_memory_is_one_line(run, two, monkeypatch):
    def fit(self, X):
        raise MemoryError("wanted 3 TB")

    monkeypatch.setattr(coterie.KMeans, "fit", fit)
    refused(kmeans(run, two), "out of memory: wanted 3 TB")


def test_a_bug_is_not_hidden(run, two, monkeypatch):
    monkeypatch.setattr(coterie.KMeans, "fit", lambda self, X: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        kmeans(run, two)


@pytest.mark.skipif(os.name != "posix", reason="pipes")
@pytest.mark.parametrize("argv", [["demo"], ["demo", "--json"], ["info"]])
def test_a_closed_pipe_ends_quietly(argv):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "coterie", *argv]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_help_and_version(run):
    for command in ([], ["kmeans"], ["gmm"], ["linkage"], ["top-n"], ["demo"], ["info"]):
        code, out, err = run(*command, "--help")
        assert (code, err) == (0, "")
        assert out.startswith("usage: coterie")
    assert run("--version")[1] == f"coterie {coterie.__version__}\n"


def test_help_imports_nothing_heavy():
    program = (
        "import sys; from coterie.cli import main; main(['kmeans', '--help']);"
        "print(*sorted(sys.modules), sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = {name.split(".")[0] for name in done.stderr.split()}
    assert "coterie" in loaded
    assert loaded.isdisjoint(
        {"matplotlib", "pyarrow", "rich", "scipy", "sklearn", "pandas", "polars"}
    )


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_any_terminal_encoding(tmp_path, encoding):
    (tmp_path / "t.csv").write_text("größe\n" + "".join(f"{i * i}\n" for i in range(9)), "utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "coterie", "kmeans", tmp_path / "t.csv", "--n-clusters", "1:5"],
        capture_output=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert ("#" if encoding == "ascii" else "█") in done.stdout.decode(encoding)


@pytest.mark.skipif(sys.platform != "linux", reason="a pseudo-terminal")
@pytest.mark.parametrize("rich", [True, False])
@pytest.mark.parametrize(
    "argv",
    [
        "kmeans --n-clusters 2",
        "gmm --n-components 2",
        "gmm --n-components 1:3",
        "top-n --metric dot",
    ],
)
def test_progress_goes_to_a_terminal_only(two, rich, argv):
    import pty

    if rich:
        pytest.importorskip("rich")
    hide = "" if rich else "sys.modules['rich'] = sys.modules['rich.console'] = None;"
    program = (
        f"import sys; {hide} from coterie.cli import main;sys.exit(main([*sys.argv[1:], '--json']))"
    )
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", program, *argv.split(), two],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert done.returncode == 0
    assert json.loads(done.stdout)["rows"] == 4
    assert "\x1b[" in shown
    assert child(*argv.split(), two, "--features", "x").stderr == ""
