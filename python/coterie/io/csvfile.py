"""CSV files: read as numbers, written back cell for cell with further columns.

A cell is text until it is asked to be a number, so nothing that is written back has been through a
float. The file is read twice, once for the numbers and once for the output, and its text is never
held: memory is eight bytes a numeric cell. pyarrow, when installed, does the first reading of
files without quotes; the result is the same.
"""

from __future__ import annotations

import csv
import mmap
import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie.io.cells import MISSING, ColumnBuilder
from coterie.io.errors import InputError, OutputError
from coterie.io.table import Fingerprint, Table, absent, unique_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["DELIMITERS", "read_csv"]

DELIMITERS = ",;\t"
ROWS_AT_ONCE = 8192


@dataclass(frozen=True)
class Layout:
    """How the text of one file is laid out."""

    path: Path
    delimiter: str
    header: list[str] | None
    header_line: int
    width: int
    bom: bool
    newline: str
    bare_cr: bool


def read_csv(path: Path, header: str = "auto") -> Table:
    """Read a CSV file.

    Parameters
    ----------
    path : Path
        UTF-8 text, with or without a byte order mark; the delimiter (comma, semicolon or tab) is
        the one that splits the first line into most cells.
    header : {"auto", "yes", "no"}
        Whether the first line names the columns. "auto" takes a first line of nothing but numbers
        for data.

    Returns
    -------
    Table
        Blank lines are no rows.
    """
    mark = Fingerprint.take(path)
    layout = _layout(path, header)
    builders = _read_with_pyarrow(layout) or _read_plain(layout)
    names, notices = _names(layout)

    def write(file: Any, new: Mapping[str, NDArray[Any]]) -> None:
        mark.check()
        _write(layout, file, new)

    def text(j: int) -> list[str | None]:
        mark.check()
        cells = (cells[j].strip() for _, cells in _rows(layout))
        return [None if cell.lower() in MISSING else cell for cell in cells]

    return Table(
        path=path,
        kind=path.suffix.lower(),
        names=names,
        n_rows=builders[0].n_rows,
        columns=[b.column() for b in builders],
        where=lambda row: f"line {_line_of(layout, row)}",
        write=write,
        text=text,
        notices=notices,
    )


# ---- layout


def _layout(path: Path, header: str) -> Layout:
    with open(path, "rb") as file:
        if file.seekable() and not file.read(1):
            raise InputError(f"{path}: the file is empty")
        file.seek(0)
        start = file.read(4)
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise InputError(f"{path}: wanted UTF-8 text, got UTF-16; save it as UTF-8")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
            if (at := raw.find(b"\0")) >= 0:
                raise InputError(f"{path}: wanted text, got a zero byte at offset {at}")
            bare_cr = re.search(rb"\r(?!\n)", raw) is not None
            newline = "\r\n" if raw[: raw.find(b"\n") + 1].endswith(b"\r\n") else "\n"
    delimiter, line, first = _first_record(path)
    bom = start.startswith(b"\xef\xbb\xbf")
    has_header = header == "yes" or (header == "auto" and not _all_numbers(first))
    names, line = (first, line) if has_header else (None, 0)
    return Layout(path, delimiter, names, line, len(first), bom, newline, bare_cr)


def _first_record(path: Path) -> tuple[str, int, list[str]]:
    """Return the delimiter that gives the first record most cells, its line, and those cells."""
    best: tuple[str, int, list[str]] | None = None
    trouble: InputError | None = None
    for delimiter in DELIMITERS:
        try:
            found = next(_records(path, delimiter, 0), None)
        except InputError as error:
            trouble = trouble or error
            continue
        if found and (best is None or len(found[1]) > len(best[2])):
            best = delimiter, *found
    if best is None:
        raise trouble or InputError(f"{path}: the file holds only blank lines")
    return best


def _all_numbers(cells: list[str]) -> bool:
    builder = ColumnBuilder()
    builder.add_text(cells)
    column = builder.column()
    return column.values is not None and builder.kind == "number"


def _names(layout: Layout) -> tuple[list[str], list[str]]:
    if layout.header is None:
        names = [f"column{j + 1}" for j in range(layout.width)]
        hint = "--header yes takes the first line for names"
        last = "" if layout.width == 1 else f" to {names[-1]}"
        return names, [f"no header: the columns are called {names[0]}{last} ({hint})"]
    given = [name.strip() or f"column{j + 1}" for j, name in enumerate(layout.header)]
    names = unique_names(given)
    renamed = [f"{g} as {n}" for g, n in zip(given, names, strict=True) if g != n]
    if not renamed:
        return names, []
    shown = ", ".join(renamed[:5]) + (", ..." if len(renamed) > 5 else "")
    return names, [f"repeated column names are numbered: {shown}"]


# ---- records


@contextmanager
def _long_fields() -> Iterator[None]:
    # csv refuses cells beyond 128 KB by default; a column of documents is left out, not an error.
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _records(path: Path, delimiter: str, width: int) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of every record; each must have `width` cells unless that is 0."""
    with open(path, encoding="utf-8-sig", newline="") as file, _long_fields():
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise InputError(f"{path}, line {reader.line_num}: {error}") from None
            except UnicodeDecodeError:
                raise InputError(_not_utf8(path)) from None
            if cells is None:
                return
            if not cells or (len(cells) == 1 and width != 1 and cells[0].isspace()):
                continue
            if width and len(cells) != width:
                raise InputError(
                    f"{path}, line {line}: wanted {width} cells as in the first line, "
                    f"got {len(cells)}"
                )
            yield line, cells


def _not_utf8(path: Path) -> str:
    raw = path.read_bytes()
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return f"{path}, line {line}: wanted UTF-8 text, got byte 0x{raw[error.start]:02x}"
    return f"{path}: wanted UTF-8 text"


def _rows(layout: Layout) -> Iterator[tuple[int, list[str]]]:
    for line, cells in _records(layout.path, layout.delimiter, layout.width):
        if line > layout.header_line:
            yield line, cells


def _line_of(layout: Layout, row: int) -> int:
    return next(islice(_rows(layout), row, None))[0]


# ---- reading


def _read_plain(layout: Layout) -> list[ColumnBuilder]:
    builders = [ColumnBuilder() for _ in range(layout.width)]
    rows = (cells for _, cells in _rows(layout))
    while block := list(islice(rows, ROWS_AT_ONCE)):
        for builder, cells in zip(builders, zip(*block, strict=True), strict=True):
            builder.add_text(cells)
    return builders


def _read_with_pyarrow(layout: Layout) -> list[ColumnBuilder] | None:
    """Read by pyarrow, or None when it is missing, or the file has anything out of the ordinary.

    Quotes and bare carriage returns are where CSV readers differ; a ragged or broken file is read
    again by the plain reader, which says where and what.
    """
    try:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv
    except ImportError:
        return None
    if layout.bare_cr:
        return None
    with open(layout.path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as m:
        if m.find(b'"') >= 0:
            return None
    names = [str(j) for j in range(layout.width)]
    builders = [ColumnBuilder() for _ in names]
    with open(layout.path, "rb") as file:
        for _ in range(layout.header_line):
            file.readline()
        try:
            reader = arrow_csv.open_csv(
                file,
                read_options=arrow_csv.ReadOptions(column_names=names),
                parse_options=arrow_csv.ParseOptions(delimiter=layout.delimiter, quote_char=False),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
                ),
            )
            for batch in reader:
                for builder, cells in zip(builders, batch.columns, strict=True):
                    builder.add_arrow(cells)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None
    return builders


# ---- writing


def _write(layout: Layout, file: Any, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write the rows, each with one more cell a column."""
    # csv quotes a bare carriage return only if it belongs to the line end it writes.
    writer = csv.writer(
        file,
        delimiter=layout.delimiter,
        lineterminator=layout.newline,
        quoting=csv.QUOTE_ALL if layout.bare_cr else csv.QUOTE_MINIMAL,
    )
    if layout.bom:
        file.write("\ufeff")
    if layout.header is not None:
        writer.writerow([*layout.header, *columns])
    rows = (cells for _, cells in _rows(layout))
    (n,) = {len(values) for values in columns.values()}
    done = 0
    for start in range(0, n, ROWS_AT_ONCE):
        some = [_cells(values[start : start + ROWS_AT_ONCE]) for values in columns.values()]
        pairs = zip(islice(rows, len(some[0])), zip(*some, strict=True), strict=False)
        lines = [[*cells, *new] for cells, new in pairs]
        writer.writerows(lines)
        done += len(lines)
    if done != n or next(rows, None) is not None:
        raise OutputError(f"{layout.path}: changed while it was read, nothing was written")


def _cells(values: NDArray[Any]) -> list[Any]:
    """Return what csv writes as the shortest text that reads as the same number, or as nothing."""
    short = values.dtype.kind == "f" and values.dtype.itemsize < 8  # as a Python float it is long
    cells: list[Any] = (values.astype(str) if short else values).tolist()
    for i in np.flatnonzero(absent(values)).tolist():
        cells[i] = ""
    return cells
