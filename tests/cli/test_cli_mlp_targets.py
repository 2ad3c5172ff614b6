"""``coterie mlp``: how classes are spelt, and targets that are no plain numbers or text."""

import json
import warnings

import numpy as np
import pytest
from command import child, refused, rows_of

# A net learns these: the target is a function of x.
LEARNS = ("--target", "y", "--learning-rate", 0.05)
HALVES = np.arange(40) % 2


def mlp(run, path, *argv):
    return run("mlp", path, "--target", "y", "--max-iter", 3, *argv)


def learnt(run, path, *argv):
    code, out, err = run("mlp", path, *LEARNS, "--json", *argv)
    assert code == 0, err
    return json.loads(out)


@pytest.fixture
def csv_of(tmp_path):
    """A file of x = 0, 1, 0, 1, ... and the cells of y."""

    def csv_of(cells):
        path = tmp_path / "t.csv"
        lines = [f"{i % 2},{cell}" for i, cell in enumerate(cells)]
        path.write_text("x,y\n" + "\n".join(lines) + "\n")
        return path

    return csv_of


# ---- how classes are spelt


@pytest.mark.parametrize(
    "pair",
    [("True", "False"), ("FALSE", "TRUE"), ("00", "01"), ("-1", "1"), ("1.0", "2.0"), ("7", "+8")],
)
def test_predictions_are_spelt_as_the_cells(run, csv_of, tmp_path, pair):
    path, out = csv_of([pair[i] for i in HALVES]), tmp_path / "o.csv"
    got = learnt(run, path, "--out", out)
    assert got["accuracy"] == 1
    assert {one["label"] for one in got["classes"]} == set(pair)
    assert all(row["prediction"] == row["y"] for row in rows_of(out))
    shown = [line.split()[0] for line in run("mlp", path, *LEARNS)[1].splitlines() if line.strip()]
    assert set(pair) <= set(shown)


def test_two_spellings_of_a_number_are_one_class(run, csv_of, tmp_path):
    cells = [("1.0", "2") if i % 4 < 2 else ("1", "2.00") for i in range(40)]
    path, out = csv_of([cells[i][i % 2] for i in range(40)]), tmp_path / "o.csv"
    got = learnt(run, path, "--out", out)
    assert [one["label"] for one in got["classes"]] == ["1.0", "2"]
    assert got["accuracy"] == 1
    assert {row["prediction"] for row in rows_of(out)} == {"1.0", "2"}


def test_the_first_spelling_may_stand_in_a_row_that_is_dropped(run, csv_of, tmp_path):
    path, out = csv_of([("00", "01")[i] for i in HALVES]), tmp_path / "o.csv"
    path.write_text(path.read_text().replace("x,y\n", "x,y\n,0\n1,NA\n"))
    got = learnt(run, path, "--missing", "drop", "--out", out)
    assert [one["label"] for one in got["classes"]] == ["0", "01"]
    assert [row["prediction"] for row in rows_of(out)[:3]] == ["", "01", "0"]


@pytest.mark.parametrize(("pair", "kind"), [(("True", "False"), "b"), (("00", "01"), "i")])
def test_predictions_alone_are_values(run, csv_of, tmp_path, pair, kind):
    out = tmp_path / "p.npy"
    learnt(run, csv_of([pair[i] for i in HALVES]), "--out", out)
    predictions = np.load(out)
    assert predictions.dtype.kind == kind
    wanted = HALVES == 0 if kind == "b" else HALVES
    np.testing.assert_array_equal(predictions, wanted)


@pytest.mark.parametrize(
    ("y", "labels", "kind", "with_gaps"),
    [
        (HALVES == 1, [False, True], "b", "i"),
        (HALVES * 2 - 1, [-1, 1], "i", "f"),
        (HALVES + 3, [3, 4], "i", "i"),
        (np.array(["no", "yes"])[HALVES], ["no", "yes"], "U", "U"),
    ],
)
def test_arrays_keep_their_type(run, tmp_path, y, labels, kind, with_gaps):
    path, out = tmp_path / "t.npz", tmp_path / "o.npz"
    np.savez(path, x=HALVES, y=y)
    got = learnt(run, path, "--out", out)
    assert [one["label"] for one in got["classes"]] == labels
    predictions = np.load(out)["prediction"]
    assert predictions.dtype.kind == kind
    np.testing.assert_array_equal(predictions, y)
    np.savez(path, x=np.where(np.arange(40) == 3, np.nan, HALVES), y=y)
    learnt(run, path, "--out", out, "--missing", "drop")
    predictions = np.load(out)["prediction"]
    assert predictions.dtype.kind == with_gaps
    np.testing.assert_array_equal(np.delete(predictions, 3), np.delete(y, 3))
    nothing = predictions[3]
    assert np.isnan(nothing) if with_gaps == "f" else nothing == ("" if kind == "U" else -1)


@pytest.mark.parametrize(
    ("cells", "labels", "type_name"),
    [
        ((False, True), [False, True], "bool"),
        ((None, True, False, True), [False, True], "bool"),
        ((-1, 1), [-1, 1], "double"),  # below 0 among integers is missing
        ((0, 1), [0, 1], "int64"),
    ],
)
def test_parquet_keeps_its_type(run, tmp_path, cells, labels, type_name):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path, out = tmp_path / "t.parquet", tmp_path / "o.parquet"
    y = [cells[i % len(cells)] for i in range(40)]
    parquet.write_table(pa.table({"x": HALVES, "y": y}), path)
    got = learnt(run, path, "--out", out)
    assert [one["label"] for one in got["classes"]] == labels
    table = parquet.read_table(out)
    assert str(table.schema.field("prediction").type) == type_name
    pairs = zip(table["prediction"].to_pylist(), y, strict=True)
    assert all(found == wanted for found, wanted in pairs if wanted is not None)


def test_text_of_npz(run, tmp_path):
    path, out = tmp_path / "t.npz", tmp_path / "o.npz"
    y = np.array(["no", "yes"])[HALVES]
    y[:4] = ["", "nan", "no", "yes"]
    np.savez(path, x=HALVES, y=y)
    got = learnt(run, path, "--out", out)
    assert (got["task"], got["rows_only_predicted"]) == ("classification", 2)
    np.testing.assert_array_equal(np.load(out)["prediction"], np.array(["no", "yes"])[HALVES])
    refused(mlp(run, path, "--task", "regression"), "column 'y'", "wanted a number, got")
    np.savez(path, x=HALVES, y=y.astype("S"))
    refused(mlp(run, path), "column 'y'", "wanted numbers or text, got a column of type dtype |S3")
    both = np.zeros(40, [("x", "f8"), ("y", "U3")])
    np.save(tmp_path / "t.npy", both)
    refused(mlp(run, tmp_path / "t.npy"), "column 'y'", "wanted numbers, got a column of type")


@pytest.mark.parametrize("y", [HALVES, np.array(["no", "yes"])[HALVES]])
def test_a_matrix_and_its_target(run, tmp_path, y):
    path, out = tmp_path / "t.npz", tmp_path / "o.npz"
    X = np.column_stack([HALVES, 1 - HALVES]).astype(np.float32)
    np.savez(path, X=X, y=y, other=np.arange(40))
    got = learnt(run, path, "--out", out)
    assert got["features"] == ["X_1", "X_2"]
    with np.load(out) as file:
        assert set(file) == {"X", "y", "other", "prediction", "probability"}
        np.testing.assert_array_equal(file["prediction"], y)
    np.savez(path, X=X, y=y[:9])
    refused(mlp(run, path), "wanted one value of 'y' for each of the 40 rows, got 9")
    np.savez(path, X=X, z=y)
    refused(mlp(run, path), "has no column 'y'; columns: 'X_1', 'X_2'")


# ---- nearly numbers


@pytest.mark.parametrize(
    ("strays", "words"),
    [
        ({3: "abc"}, "39 of 40 cells of 'y' are numbers, 'abc' at line 5 is not: taken as classes"),
        ({3: "?", 9: "-"}, "38 of 40 cells of 'y' are numbers, '?' at line 5 and 1 more are not"),
        ({3: "abc", 9: "NA"}, "38 of 39 cells of 'y' are numbers, 'abc' at line 5 is not"),
    ],
)
def test_a_stray_cell_is_told(run, csv_of, strays, words):
    path = csv_of([strays.get(i, i * 1.5) for i in range(40)])
    code, _, err = mlp(run, path)
    assert code == 0
    assert f"note: {words}" in err
    code, out, err = mlp(run, path, "--task", "classification", "--json")
    assert code == 0
    assert "are numbers" not in err
    assert json.loads(out)["task"] == "classification"


def test_text_with_a_few_numbers_is_not_told(run, csv_of):
    code, _, err = mlp(run, csv_of(["a" if i % 2 else "1" for i in range(40)]))
    assert code == 0
    assert "are numbers" not in err


# ---- sizes of numbers


@pytest.mark.parametrize("size", ["8e306", "4e152"])
def test_too_large_to_standardise(csv_of, size):
    path = csv_of([(i - 20) * float(size) for i in range(40)])
    done = child("mlp", path, "--target", "y", "--max-iter", 3)
    words = "column 'y': the values of the target are too large to be standardised"
    refused((done.returncode, done.stdout, done.stderr), words)


def test_scores_of_large_and_small_numbers(run, csv_of):
    # The steps are too long: the squares of such errors are beyond float64, the scores are not.
    options = ("--task", "regression", "--learning-rate", 100, "--json")
    got = []
    for unit in (1.0, 2.0**504, 2.0**-500):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            code, out, err = mlp(run, csv_of([i * unit for i in range(-20, 20)]), *options)
        assert code == 0, err
        one = json.loads(out)
        errors = one["mean_absolute_error"] / unit, one["root_mean_squared_error"] / unit
        got.append((one["r2"], *errors, one["loss"]))
    assert got[0][2] > 1000
    np.testing.assert_allclose(got[1:], [got[0]] * 2, rtol=1e-12)


@pytest.mark.parametrize("sign", [1, -1])
def test_integers_beyond_float64(run, csv_of, tmp_path, sign):
    wide = [sign * (2**53 + i - 5) for i in range(40)]
    words = ("'y': wanted integers within +-2**53, which float64 holds exactly", f"got {wide[6]}")
    refused(mlp(run, csv_of(wide)), "line 8", *words)
    refused(mlp(run, csv_of(wide), "--task", "classification"), "line 8", *words)
    np.savez(tmp_path / "t.npz", x=HALVES, y=np.array(wide))
    refused(mlp(run, tmp_path / "t.npz"), "row 6 ", *words)
    # What float64 holds is trained on, and so are floats of any size.
    narrow = [value - sign * 40 for value in wide]
    for cells in (narrow, [f"{i}e20" for i in range(40)]):
        assert mlp(run, csv_of(cells))[0] == 0


def test_integers_of_parquet_beyond_float64(run, tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"x": HALVES, "y": 2**53 + np.arange(40)}), path)
    refused(mlp(run, path), "row 1 ", "wanted integers within +-2**53", "got 9007199254740993")
    parquet.write_table(pa.table({"x": HALVES, "y": 2.0**60 * np.arange(40)}), path)
    assert mlp(run, path)[0] == 0


# ---- numbers that do not differ


@pytest.mark.parametrize("cells", [["0.1"] * 40, ["5"] * 40, ["", "0.3"] * 20])
def test_a_constant_target(run, csv_of, cells):
    got = f"got {float(cells[1])} in every row of 'y'"
    refused(
        mlp(run, csv_of(cells), "--task", "regression"),
        f"--target: wanted values that differ, {got}",
    )


def test_a_spread_that_underflows(run, csv_of):
    words = ("--target: wanted values that differ", "got 0.0 to 3.9e-310 in every row of 'y'")
    refused(mlp(run, csv_of([f"{i}e-311" for i in range(40)])), *words)


def test_constant_where_it_is_trained_on(run, csv_of):
    from coterie._mlp_targets import split_rows

    held = split_rows(40, 10, np.random.RandomState(0), None)[1]
    path = csv_of([1.5 if i == held[0] else 0.5 for i in range(40)])
    words = "--target: wanted values that differ, got 0.5 in every row of 'y' trained on"
    refused(mlp(run, path), words)
