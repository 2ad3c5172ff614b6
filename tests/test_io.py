"""CSV in and out: what counts as a number, what an error says, what is written back."""

import csv

import numpy as np
import pytest
from coterie.io import (
    InputError,
    OutputError,
    csvfile,
    read_table,
)
from files import labelled, values

NAN = float("nan")


@pytest.fixture(params=["pyarrow", "plain"])
def reader(request, monkeypatch):
    """Every CSV test runs with both readers."""
    if request.param == "plain":
        monkeypatch.setattr(csvfile, "_read_with_pyarrow", lambda layout: None)
    else:
        pytest.importorskip("pyarrow")
    return request.param


@pytest.fixture
def read(tmp_path):
    def read(text, header="auto", name="t.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_table(path, header=header)

    return read


# ---- CSV in


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("a,b\n1,2\n3,4\n", ["a", "b"], [[1, 3], [2, 4]]),
        ("a,b\r\n1,2\r\n3,4\r\n", ["a", "b"], [[1, 3], [2, 4]]),
        ("a,b\n1,2\n3,4", ["a", "b"], [[1, 3], [2, 4]]),
        ("\ufeffa,b\n1,2\n", ["a", "b"], [[1], [2]]),
        ("\ufeff1,2\n3,4\n", ["column1", "column2"], [[1, 3], [2, 4]]),
        ("a;b\n1;2\n", ["a", "b"], [[1], [2]]),
        ("a\tb\n1\t2\n", ["a", "b"], [[1], [2]]),
        ("\n\na,b\n\n1,2\n\n \n3,4\n\n", ["a", "b"], [[1, 3], [2, 4]]),
        ("a\n1\n2\n", ["a"], [[1, 2]]),
        ('"a, b",c\n"1",2\n', ["a, b", "c"], [[1], [2]]),
        ('a,b\n"x\ny",2\n', ["a", "b"], [None, [2]]),
        ("1,2\n3,4\n", ["column1", "column2"], [[1, 3], [2, 4]]),
        ("a,b\n-1.5e3, .5\n+2,1.\n", ["a", "b"], [[-1500, 2], [0.5, 1]]),
        ("a,b\nTrue,false\nFALSE,true\n", ["a", "b"], [[1, 0], [0, 1]]),
        ("a,b\ntrue,1\n1,true\n", ["a", "b"], [None, None]),
        ("a,b\n1,x\n2,3\n", ["a", "b"], [[1, 2], None]),
        ("a,b\n1_000,\u0661\n", ["a", "b"], [None, None]),
        ("a,b,\n1,2,\n", ["a", "b", "column3"], [[1], [2], None]),
        ("a\n1\nx\n2\n", ["a"], [None]),
        ("a\n0x10\n", ["a"], [None]),
    ],
)
def test_csv(reader, read, text, names, expected):
    table = read(text)
    assert table.names == names
    assert values(table) == expected
    assert {table.n_rows} >= {len(column) for column in expected if column is not None}


@pytest.mark.parametrize(
    "token", ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "#N/A", "<NA>", " NA "]
)
def test_missing_tokens(reader, read, token):
    table = read(f"a,b\n1,2\n{token},3\n4,5\n")
    np.testing.assert_array_equal(table.columns[0].values, [1, NAN, 4])


def test_infinity_is_a_number_here(reader, read):
    """The finite check comes later and names line and column."""
    assert values(read("a,b\ninf,1\n-Infinity,2\n"))[0] == [np.inf, -np.inf]


def test_header_can_be_forced(reader, read):
    assert read("2019,2020\n1,2\n", header="yes").names == ["2019", "2020"]
    table = read("a,b\n1,2\n", header="no")
    assert table.names == ["column1", "column2"]
    assert values(table) == [None, None]
    assert "no header" in read("1,2\n3,4\n").notices[0]


def test_duplicate_names_are_numbered(reader, read):
    table = read("a,b,a,a.1\n1,2,3,4\n")
    assert table.names == ["a", "b", "a.2", "a.1"]
    assert "a as a.2" in table.notices[0]


def test_many_columns_and_many_rows(reader, read):
    width = 3000
    table = read(",".join(f"c{j}" for j in range(width)) + "\n" + ",".join(["1"] * width) + "\n")
    assert len(table.names) == width
    n = 3 * csvfile.ROWS_AT_ONCE + 1
    table = read("a,b\n" + "".join(f"{i},x\n" for i in range(n)))
    np.testing.assert_array_equal(table.columns[0].values, np.arange(n))
    assert (table.columns[1].row, table.columns[1].example) == (0, "x")


def test_text_far_down_is_found(reader, read):
    n = 2 * csvfile.ROWS_AT_ONCE
    table = read("a,b\n" + "1,2\n" * n + "oops,2\n" + "1,2\n" * 3)
    assert (table.columns[0].why, table.columns[0].row) == ("text", n)
    assert table.where(n) == f"line {n + 2}"
    assert len(table.columns[1].values) == n + 4


def test_line_numbers_see_blank_lines_and_quoted_breaks(reader, read):
    table = read('a,b\n"x\ny",1\n\nz,2\n')
    assert [table.where(i) for i in range(2)] == ["line 2", "line 5"]


def test_long_cells_are_no_error(reader, read):
    before = csv.field_size_limit()
    text = "word " * 100_000
    assert values(read(f'a,b\n"{text}",1\n')) == [None, [1]]
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("\n\n", "only blank lines"),
        ("a,b\n", "at least one row"),
        ("a,b\n1,2\n3\n", "line 3: wanted 2 cells as in the first line, got 1"),
        ("a,b\n1,2\n\n3,4,5\n", "line 4: wanted 2 cells as in the first line, got 3"),
        ('a,b\n1,"2\n', "line 2: unexpected end of data"),
        ('a,b\n1,"2"x\n', "line 2: "),
        (b"a,b\n1,2\n\xe9,3\n", "line 3: wanted UTF-8 text, got byte 0xe9"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"a,b\n1,\x002\n", "zero byte at offset 6"),
    ],
)
def test_broken_csv(reader, read, text, message):
    with pytest.raises(InputError) as caught:
        read(text)
    assert "t.csv" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["t.xlsx", "t", "t.csv.gz"])
def test_unknown_ending(read, name):
    with pytest.raises(InputError, match=r"wanted one of \.csv, \.tsv, \.npy"):
        read("a\n1\n", name=name)


def test_no_such_file_and_folder(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_table(tmp_path / "absent.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="directory"):
        read_table(tmp_path / "folder.csv")


# ---- CSV out


def test_cells_are_written_back_as_they_were(reader, read):
    text = 'id,note,x\n007,"a, ""b""",1.50\n8,"two\nlines",NA\n9,,2e0\n'
    path = labelled(read(text), [2, -1, 0])
    expected = 'id,note,x,cluster\n007,"a, ""b""",1.50,2\n8,"two\nlines",NA,\n9,,2e0,0\n'
    assert path.read_text() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\ufeffa;b\r\n1;2\r\n", "\ufeffa;b;cluster\r\n1;2;0\r\n"),
        ("1\t2\n", "1\t2\t0\n"),
        ('a\n""\n', "a,cluster\n,0\n"),
        ("a,a\n1,2\n", "a,a,cluster\n1,2,0\n"),
    ],
)
def test_layout_is_kept(reader, read, text, expected):
    path = labelled(read(text), [0])
    assert path.read_bytes().decode() == expected


def test_a_bare_carriage_return_survives(read):
    path = labelled(read('a,b\n"x\ry",1\n'), [0])
    with open(path, newline="") as file:
        assert list(csv.reader(file)) == [["a", "b", "cluster"], ["x\ry", "1", "0"]]


def test_output_may_replace_the_input(reader, read):
    table = read("a,b\n1,2\n3,4\n")
    labelled(table, [0, 1], name="t.csv")
    assert table.path.read_text() == "a,b,cluster\n1,2,0\n3,4,1\n"


def test_input_that_changed_is_refused(reader, read):
    table = read("a,b\n1,2\n3,4\n")
    table.path.write_text("a,b\n1,2\n3,4\n5,6\n")
    with pytest.raises(OutputError, match="changed while the run was going"):
        labelled(table, [0, 1])
    assert [p.name for p in table.path.parent.iterdir()] == ["t.csv"]


def test_labels_alone(reader, read):
    path = labelled(read("a\n1\n\n2\n"), [1, 0], name="labels.npy")
    got = np.load(path)
    assert got.dtype == np.int32
    assert got.tolist() == [1, 0]
