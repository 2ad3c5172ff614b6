"""Files in and out, for the command: CSV, NumPy's two formats, and Parquet.

`read_table` gives the columns as numbers and remembers how the rows are written back;
`check_output`, `atomic` and `Outputs` make sure that results appear whole or not at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from coterie.io.atomic import Outputs, atomic
from coterie.io.errors import CommandError, InputError, OutputError, UsageError, one_line
from coterie.io.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = [
    "READABLE",
    "Column",
    "CommandError",
    "InputError",
    "OutputError",
    "Outputs",
    "Table",
    "UsageError",
    "atomic",
    "check_output",
    "one_line",
    "read_table",
    "write_columns",
]

READABLE = (".csv", ".tsv", ".npy", ".npz", ".parquet")


def read_table(path: str | Path, *, header: str = "auto") -> Table:
    """Read a file by its extension.

    Parameters
    ----------
    path : str or Path
        A .csv, .tsv, .npy, .npz or .parquet file; the last needs pyarrow (extra ``[io]``).
    header : {"auto", "yes", "no"}
        Whether the first line of a CSV file names the columns.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        One sentence naming the file and, where known, the line and the column.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in READABLE:
        raise InputError(f"{path}: wanted one of {', '.join(READABLE)}, got {kind or 'no ending'}")
    try:
        if kind == ".parquet":
            from coterie.io.parquet import read_parquet

            return read_parquet(path)
        if kind in (".npy", ".npz"):
            from coterie.io.arrays import read_arrays

            return read_arrays(path)
        from coterie.io.csvfile import read_csv

        return read_csv(path, header)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None


def check_output(option: str, path: Path, allowed: tuple[str, ...], why: str) -> None:
    """Refuse an output path before the work starts: its name, its ending, its folder.

    Parameters
    ----------
    option : str
        Name for the message, such as "--out".
    path : Path
        Where the output will go.
    allowed : tuple of str
        Possible endings.
    why : str
        A clause that explains them, such as ".csv as the input".
    """
    kind = path.suffix.lower()
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass  # a new file, or there is no such folder
    except OSError as error:  # a name too long, a folder that is closed to us, links in a circle
        raise OutputError(f"{option} {path}: {error.strerror or error}") from None
    if kind not in allowed and not (path.exists() and not path.is_file()):
        raise OutputError(f"{option} {path}: wanted {why}, got {kind or 'no ending'}")
    if path.is_dir():
        raise OutputError(f"{option} {path}: is a folder")
    if not path.parent.is_dir():
        raise OutputError(f"{option} {path}: there is no folder {path.parent}")
    if ".parquet" in (kind, *allowed[:1]) and kind != ".npy":
        from coterie.io.parquet import need_pyarrow

        need_pyarrow(path)


def write_columns(
    table: Table,
    columns: Mapping[str, NDArray[Any]],
    path: Path,
    *,
    alone: NDArray[Any] | None = None,
    outputs: Outputs | None = None,
) -> None:
    """Write the rows of `table` with further columns, or one array when `path` ends in .npy.

    Every row of the input is written, in its order. A row that was left out has no value: -1 among
    integers and NaN among floats. It stays so in .npy and .npz, and is an empty cell in CSV and a
    null in Parquet.

    Parameters
    ----------
    table : Table
        The input.
    columns : mapping of str to ndarray of shape (n_rows,)
        Integers or floats by name; at least one column, none named as one of the table.
    path : Path
        Where they go, in the table's format or as .npy.
    alone : ndarray, optional
        What a .npy file holds; by default the first column.
    outputs : Outputs, optional
        The files it is to appear with; by default it appears by itself.
    """
    only = ".npy" in (path.suffix.lower(), table.kind)  # a device has no ending of its own
    create = atomic if outputs is None else outputs.open
    with create(path, text=table.kind in (".csv", ".tsv") and not only) as file:
        if only:
            import numpy as np

            np.save(file, next(iter(columns.values())) if alone is None else alone)
        else:
            table.write(file, columns)
