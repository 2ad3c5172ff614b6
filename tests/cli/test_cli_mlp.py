"""``coterie mlp``: a target and its features in, held-out scores and predictions out."""

from pathlib import Path

import coterie
import numpy as np
import pytest
from command import column, refused, rows_of
from coterie.cli import main

PENGUINS = Path(coterie.__file__).parent / "data" / "penguins.csv"
TEXT = "x,y,kind\n" + "".join(f"{i},{i % 3},{'ab'[i % 40 >= 20]}\n" for i in range(80))


def mlp(run, path, *argv):
    return run("mlp", path, *argv)


def report(run, path, *argv):
    import json

    code, out, err = mlp(run, path, "--json", *argv)
    assert code == 0, err
    return json.loads(out)


@pytest.fixture
def numbers(tmp_path):
    """y = 3 a - 2 b + 100, as CSV."""
    X = np.random.default_rng(0).normal(size=(200, 2))
    lines = [f"{a!r},{b!r},{3 * a - 2 * b + 100!r}" for a, b in X.tolist()]
    (tmp_path / "n.csv").write_text("a,b,y\n" + "\n".join(lines) + "\n")
    return tmp_path / "n.csv"


@pytest.fixture
def text(tmp_path):
    (tmp_path / "t.csv").write_text(TEXT)
    return tmp_path / "t.csv"


def test_classes_of_text(run, tmp_path):
    out = tmp_path / "o.csv"
    options = ("--target", "species", "--missing", "drop", "--hidden", "25,15", "--out", out)
    got = report(run, PENGUINS, *options)
    assert (got["command"], got["task"], got["hidden"]) == ("mlp", "classification", [25, 15])
    assert (got["rows"], got["rows_used"], got["rows_trained"]) == (344, 342, 256)
    assert (got["rows_held_out"], got["rows_only_predicted"]) == (86, 0)
    assert got["accuracy"] > 0.9 > got["most_frequent"]
    assert [c["label"] for c in got["classes"]] == ["Adelie", "Chinstrap", "Gentoo"]
    assert [c["held_out"] for c in got["classes"]] == [38, 17, 31]
    right = sum(c["right"] for c in got["classes"])
    assert got["accuracy"] == pytest.approx(right / 86)
    before, after = rows_of(PENGUINS), rows_of(out)
    assert list(after[0]) == [*before[0], "prediction", "probability"]
    assert [{name: row[name] for name in before[0]} for row in after] == before
    same = [row["species"] == row["prediction"] for row in after if row["prediction"]]
    assert len(same) == 342
    assert np.mean(same) > 0.95
    p = column(out, "probability")
    assert np.isnan(p).sum() == 2
    assert np.nanmin(p) > 1 / 3
    assert np.nanmax(p) <= 1


def test_numbers(run, numbers, tmp_path):
    out = tmp_path / "o.csv"
    got = report(
        run, numbers, "--target", "y", "--hidden", 0, "--learning-rate", 0.05, "--out", out
    )
    assert (got["task"], got["classes"], got["features"]) == ("regression", [], ["a", "b"])
    assert got["r2"] > 0.95
    errors = column(out, "prediction") - column(out, "y")
    assert np.abs(errors).mean() == pytest.approx(got["mean_absolute_error"], rel=0.5)
    assert got["mean_absolute_error"] <= got["root_mean_squared_error"]
    assert list(rows_of(out)[0]) == ["a", "b", "y", "prediction"]


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["yes", "no"], "classification"),
        (["true", "false"], "classification"),
        (["0", "1"], "classification"),
        (["-1", "1"], "classification"),
        (["0.5", "1"], "regression"),
        ([str(i) for i in range(20)], "classification"),
        ([str(i) for i in range(21)], "regression"),
    ],
)
def test_the_target_decides_the_task(run, tmp_path, cells, task):
    path, out = tmp_path / "t.csv", tmp_path / "o.csv"
    lines = [f"{i % 7},{cells[i % len(cells)]}" for i in range(84)]
    path.write_text("x,t\n" + "\n".join(lines) + "\n")
    got = report(run, path, "--target", "t", "--max-iter", 3, "--out", out)
    assert got["task"] == task
    written = {row["prediction"] for row in rows_of(out)}
    if task == "regression":
        return
    assert written <= set(cells)
    other = report(run, path, "--target", "t", "--max-iter", 3, "--task", "classification")
    assert other["accuracy"] == got["accuracy"]


def test_rows_without_a_target_are_predicted(run, tmp_path):
    path, out = tmp_path / "t.csv", tmp_path / "o.csv"
    lines = [f"{i},{'ab'[i >= 40] if i % 10 else 'NA'}" for i in range(80)]
    path.write_text("x,t\n" + "\n".join(lines) + "\n")
    options = ("--target", "t", "--learning-rate", 0.05, "--out", out)
    got = report(run, path, *options)
    assert got["rows_only_predicted"] == 8
    assert got["rows_trained"] + got["rows_held_out"] == 72
    assert {row["prediction"] for row in rows_of(out) if row["t"] == "NA"} == {"a", "b"}
    assert "8 rows without a target, too" in mlp(run, path, *options)[1]


def test_the_model_is_the_estimators(run, tmp_path):
    X = np.random.default_rng(1).normal(size=(100, 3))
    y = (X.sum(axis=1) > 0).astype(float)
    np.save(tmp_path / "x.npy", np.column_stack([X, y]))
    options = ("--target", "column4", "--scale", "none", "--hidden", "5", "--alpha", 0.1)
    out = tmp_path / "p.npy"
    got = report(run, tmp_path / "x.npy", *options, "--max-iter", 20, "--seed", 3, "--out", out)
    from coterie._mlp_targets import split_rows

    train, held = split_rows(100, 25, np.random.RandomState(3), y.astype(int))
    model = coterie.MLPClassifier((5,), alpha=0.1, max_iter=20, random_state=3)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.fit(X[train], y[train].astype(int))
    np.testing.assert_array_equal(np.load(out), model.predict(X))
    assert got["accuracy"] == model.score(X[held], y[held].astype(int))
    assert got["loss"] == model.loss_


@pytest.mark.parametrize("scale", ["standard", "minmax"])
def test_scaling_sees_the_rows_trained_on_alone(run, tmp_path, scale):
    from coterie._mlp_targets import split_rows

    X = np.random.default_rng(1).normal(size=(40, 2))
    y = np.arange(40) % 2
    train, held = split_rows(40, 10, np.random.RandomState(0), y)
    options = ("--target", "column3", "--scale", scale, "--max-iter", 3)
    got = []
    for far in (1.0, 1e6):  # what is held out may be anywhere
        X[held] *= far
        np.save(tmp_path / "x.npy", np.column_stack([X, y]))
        got.append(report(run, tmp_path / "x.npy", *options))
    low, span = X[train].min(axis=0), np.ptp(X[train], axis=0)
    if scale == "standard":
        low, span = X[train].mean(axis=0), X[train].std(axis=0)
    for one in got:
        for name, wanted in (("shift", low), ("divide", span)):
            told = [feature[name] for feature in one["scaling"]]
            np.testing.assert_allclose(told, wanted, rtol=1e-12, atol=1e-15)
        assert one["loss"] == got[0]["loss"]


def test_progress_tells_epochs(run, text, monkeypatch):
    seen = []

    class Watched:
        live = True

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def show(self, line):
            seen.append(line)

    monkeypatch.setattr("coterie.cli.mlp.Progress", Watched)
    got = report(run, text, "--target", "kind", "--max-iter", 5)
    epochs = [line for line in seen if line.startswith("training, epoch")]
    assert len(epochs) == got["n_iter"] == 5
    assert epochs[-1] == f"training, epoch 5 of at most 5, loss {got['loss']:.6g}"
    assert "training on 60 rows" in seen


def test_the_seed_decides_and_threads_do_not(run, text):
    seeds = [(1,), (1, "--threads", 1), (1, "--threads", 2), (2,)]
    got = [report(run, text, "--target", "kind", "--max-iter", 5, "--seed", *s) for s in seeds]
    assert got[0] == got[1] == got[2]
    assert got[3]["loss"] != got[0]["loss"]


def test_parquet_and_npz(run, tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    x = np.arange(60.0)
    kinds = [None if i % 9 == 0 else "ab"[i > 30] for i in range(60)]
    path, out = tmp_path / "t.parquet", tmp_path / "o.parquet"
    parquet.write_table(pa.table({"x": x, "kind": pa.array(kinds).dictionary_encode()}), path)
    got = report(run, path, "--target", "kind", "--learning-rate", 0.05, "--out", out)
    assert got["rows_only_predicted"] == 7
    table = parquet.read_table(out)
    assert table.column_names == ["x", "kind", "prediction", "probability"]
    assert set(table["prediction"].to_pylist()) == {"a", "b"}
    np.savez(tmp_path / "t.npz", x=x, y=np.arange(60) % 2)
    out = tmp_path / "o.npz"
    report(run, tmp_path / "t.npz", "--target", "y", "--max-iter", 3, "--out", out)
    assert set(np.load(out)) == {"x", "y", "prediction", "probability"}


def test_an_earlier_prediction_is_no_feature(run, text, tmp_path):
    first = report(run, text, "--target", "kind", "--max-iter", 5, "--out", text)
    again = report(run, text, "--target", "kind", "--max-iter", 5, "--out", text)
    assert again["features"] == first["features"] == ["x", "y"]
    assert again["accuracy"] == first["accuracy"]
    assert list(rows_of(text)[0])[-2:] == ["prediction_2", "probability_2"]


def test_summary(run, text, numbers):
    code, out, _ = mlp(run, text, "--target", "kind", "--max-iter", 5, "--hidden", "4,3")
    assert code == 0
    for part in (
        "classification of 'kind', 4-3 hidden units, relu, seed 0",
        "5 epochs on 60 rows, loss ",
        "held out    20 rows",
        "by always saying the most frequent class",
        "class  trained  held out",
    ):
        assert part in out
    code, out, _ = mlp(run, numbers, "--target", "y", "--max-iter", 5, "--hidden", 0)
    assert code == 0
    for part in ("regression of 'y', no hidden layer", "R^2 ", "in the mean, "):
        assert part in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--target", "knd"), ("--target", "no column 'knd'", "did you mean 'kind'")),
        (("--target", "kind", "--features", "x,kind"), ("--features", "beside the target")),
        (("--target", "kind", "--task", "regression"), ("line 2", "wanted a number, got 'a'")),
        (("--target", "kind", "--hidden", "5,x"), ("--hidden", "wanted units of layers")),
        (("--target", "kind", "--hidden", "-5"), ("--hidden",)),
        (("--target", "kind", "--held-out", "0.9"), ("--held-out", "at most 0.5")),
        (("--target", "kind", "--learning-rate", "0"), ("--learning-rate", "above 0")),
        (("--target", "kind", "--out", "o.txt"), ("--out o.txt", "wanted .csv like the input")),
        ((), ("--target",)),
    ],
)
def test_refusals(run, text, options, words):
    refused(mlp(run, text, *options), *words)


def test_targets_that_teach_nothing(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,t\n" + "".join(f"{i},a\n" for i in range(9)))
    refused(mlp(run, path, "--target", "t"), "at least two classes", "got only 'a'")
    path.write_text("x,t\n1,a\n2,b\n3,a\n")
    refused(mlp(run, path, "--target", "t"), "wanted at least 4 rows with a target 't'", "got 3")
    path.write_text("x,t\n1,\n2,NA\n3,nan\n")
    refused(mlp(run, path, "--target", "t"), "missing in every row")
    path.write_text("t\n1\n2\n3\n")
    refused(mlp(run, path, "--target", "t"), "wanted columns beside the target 't'")


def test_divergence_is_one_line(run, numbers):
    options = ("--target", "y", "--learning-rate", 1e300, "--activation", "identity")
    refused(mlp(run, numbers, *options), "not finite at epoch")


def test_help_names_everything(capsys):
    assert main(["mlp", "--help"]) == 0
    out = capsys.readouterr().out
    for option in ("--target", "--task", "--hidden", "--held-out", "--alpha", "--out"):
        assert option in out
