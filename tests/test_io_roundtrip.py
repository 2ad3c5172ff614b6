"""CSV, whatever is in it: both readers agree, and every cell comes back."""

import csv

import numpy as np
import pytest
from coterie.io import InputError, csvfile, read_table, write_columns

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

quietly = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200
)
cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
numbers = st.floats(allow_nan=False).map(repr)


@st.composite
def tables(draw):
    width = draw(st.integers(1, 4))
    row = st.lists(cells | numbers, min_size=width, max_size=width)
    return draw(st.lists(row, min_size=1, max_size=6))


@quietly
@given(
    rows=tables(),
    delimiter=st.sampled_from(csvfile.DELIMITERS),
    newline=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
)
def test_every_cell_comes_back(tmp_path, rows, delimiter, newline, bom):
    header = [f"c{j}" for j in range(len(rows[0]))]
    path, out = tmp_path / "t.csv", tmp_path / "o.csv"
    with open(path, "w", newline="", encoding="utf-8-sig" if bom else "utf-8") as file:
        quoting = csv.QUOTE_ALL  # csv leaves bare carriage returns unquoted otherwise
        writer = csv.writer(file, delimiter=delimiter, lineterminator=newline, quoting=quoting)
        writer.writerows([header, *rows])
    table = read_table(path)
    labels = np.arange(-1, len(rows) - 1, dtype=np.int32)
    write_columns(table, {"cluster": labels}, out)
    with open(out, newline="", encoding="utf-8-sig" if bom else "utf-8") as file:
        # One column shows no delimiter, and gets a comma.
        got = list(csv.reader(file, delimiter=delimiter if len(header) > 1 else ","))
    expected = [[*row, str(i) if i >= 0 else ""] for row, i in zip(rows, labels, strict=True)]
    assert got == [[*header, "cluster"], *expected]


@quietly
@given(values=st.lists(st.floats(allow_infinity=False), min_size=1, max_size=20))
def test_numbers_keep_every_bit(tmp_path, values):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{v!r},1\n" for v in values))
    column = read_table(path).columns[0].values
    if column is None:
        assert np.isnan(values).all()
    else:
        np.testing.assert_array_equal(column, values)


@quietly
@given(text=st.text('01.eE-+ naNAulti_fxTrue,;\t\n\r"é#', max_size=60))
@example(text="a,b\nnan(x),1\n")
@example(text="a,b\n+1,1\n")
@example(text="a,b\n1e999,1\n")
@example(text="a,b\n,\n")
@example(text="a\n \n1\n")
@example(text="a,b\r1,2\n")
@example(text="0\n\n")
def test_both_readers_agree(tmp_path, text):
    """On any text at all: the same columns, or pyarrow steps back, or an error in one sentence."""
    pytest.importorskip("pyarrow")
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    try:
        layout = csvfile._layout(path, "auto")
        plain = csvfile._read_plain(layout)
    except InputError:
        return  # what the sentence says is tested elsewhere; pyarrow is not asked then
    fast = csvfile._read_with_pyarrow(layout)
    if fast is None:
        return
    for ours, theirs in zip(plain, fast, strict=True):
        assert (ours.n_rows, ours.kind) == (theirs.n_rows, theirs.kind)
        if not ours.n_rows:
            continue
        one, two = ours.column(), theirs.column()
        assert (one.why, one.row, one.example) == (two.why, two.row, two.example)
        if one.values is not None:
            np.testing.assert_array_equal(one.values, two.values)
