"""The column that ``coterie mlp`` predicts: classes or numbers, and where it is missing."""

from __future__ import annotations

import dataclasses
import difflib
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coterie.cli.prepare import short, some
from coterie.io.arrays import column_of, load_arrays
from coterie.io.cells import MISSING, TRUTH, ColumnBuilder
from coterie.io.errors import InputError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie.io.table import Table

__all__ = ["Target", "read_target", "standard", "with_line", "without"]

MOST_CLASSES = 20  # different whole numbers that still look like classes
EXACT = 2**53  # the integers up to here are float64 numbers


class Target(NamedTuple):
    """What is to be predicted.

    Attributes
    ----------
    task : str
        'classification' or 'regression'.
    classes : ndarray or None
        The classes, sorted: text, truth values, integers or floats.
    values : ndarray
        A number of class, or a number, a row of the file; meaningless where it is not known.
    known : ndarray of bool
        Which rows have one.
    spelt : ndarray or None
        The classes as the first cell of each in a CSV file spells it; None if that is what
        `classes` has, or if cells have no spelling.
    notices : tuple of str
        What is to be said of it.
    """

    task: str
    classes: NDArray[Any] | None
    values: NDArray[Any]
    known: NDArray[np.bool_]
    spelt: NDArray[Any] | None = None
    notices: tuple[str, ...] = ()

    @property
    def labels(self) -> list[Any]:
        """The classes as a report has them."""
        labels = self.classes if self.spelt is None else self.spelt
        return [] if labels is None else labels.tolist()


def read_target(table: Table, name: str, task: str) -> Target:
    """Read the column, and judge what it holds."""
    j = _place(table, name)
    column = table.columns[j]
    if column.values is None:
        if task == "regression":
            at = f", {table.where(column.row)}" if column.example else ""
            got = repr(column.example) if column.example else f"a column of type {column.why}"
            raise InputError(f"{table.path}{at}, column {name!r}: wanted a number, got {got}")
        return _from_text(table, j, task)
    values = np.asarray(column.values, dtype=np.float64)
    known = ~np.isnan(values)
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        where = f"{table.path}, {table.where(row)}, column {name!r}"
        raise InputError(f"{where}: wanted a finite number, got {values[row]}")
    if not known.any():
        raise InputError(f"{table.path}: the target {name!r} is missing in every row")
    _check_integers(table, j, values)
    found = np.unique(values[known])
    whole = bool((found == np.floor(found)).all() and np.abs(found).max() < EXACT)
    if task == "auto":
        few = whole and len(found) <= MOST_CLASSES
        task = "classification" if few else "regression"
    if task == "regression":
        return Target(task, None, values, known)
    codes = np.searchsorted(found, np.where(known, values, found[0]))
    rows = np.flatnonzero(known)[np.unique(codes[known], return_index=True)[1]]
    cells = _cells(table, j)
    spelt = None if cells is None else np.array([cells[row] or "" for row in rows.tolist()])
    classes: NDArray[Any] = found.astype(np.int64) if whole else found
    if column.values.dtype == np.bool_ or _truth(spelt):
        classes = found.astype(np.bool_)
    return Target(task, classes, codes, known, spelt if table.kind in (".csv", ".tsv") else None)


def _cells(table: Table, j: int) -> list[str | None] | None:
    """Return a column of numbers as it is written, None if the file has no text of it."""
    if table.text is not None:
        with suppress(InputError):  # a Parquet type that has no text
            return table.text(j)
    return None


def _truth(spelt: NDArray[Any] | None) -> bool:
    return spelt is not None and all(text.lower() in TRUTH for text in spelt.tolist())


def _check_integers(table: Table, j: int, values: NDArray[np.float64]) -> None:
    """Refuse integers that float64 would round, as the estimators do."""
    raw = table.columns[j].values
    rows = np.flatnonzero(np.abs(values) >= EXACT).tolist()
    if raw is None or not rows:
        return
    # In a CSV file digits alone are an integer, 1e20 is a float.
    cells = raw if raw.dtype.kind in "iu" else _cells(table, j) or []
    for row in rows if len(cells) else ():
        cell = str(cells[row])
        if re.fullmatch(r"[+-]?\d+", cell, re.ASCII) and abs(int(cell)) > EXACT:
            raise InputError(
                f"{table.path}, {table.where(row)}, column {table.names[j]!r}: wanted integers "
                f"within +-2**53, which float64 holds exactly, got {cell}"
            )


# ---- text


def _from_text(table: Table, j: int, task: str) -> Target:
    name = table.names[j]
    cells = _texts(table, j)
    known = np.array([cell is not None for cell in cells])
    if not known.any():
        raise InputError(f"{table.path}: the target {name!r} is missing in every row")
    classes = np.unique(np.array([cell for cell in cells if cell is not None]))
    texts = np.array([classes[0] if cell is None else cell for cell in cells])
    target = Target("classification", classes, np.searchsorted(classes, texts), known)
    return target._replace(notices=_nearly_numbers(table, j, target)) if task == "auto" else target


def _texts(table: Table, j: int) -> list[str | None]:
    if table.text is not None:
        return table.text(j)
    name = table.names[j]
    array = load_arrays(table.path)[name] if table.kind == ".npz" else None
    if array is None or array.ndim != 1 or array.dtype.kind != "U":
        wanted = "numbers" if array is None else "numbers or text"
        got = f"a column of type {table.columns[j].why}"
        raise InputError(f"{table.path}, column {name!r}: wanted {wanted}, got {got}")
    return [None if cell.strip().lower() in MISSING else cell for cell in array.tolist()]


def _nearly_numbers(table: Table, j: int, target: Target) -> tuple[str, ...]:
    """Notice text among cells that are numbers for the most part: it may be there by mistake."""
    numeric = np.array([_is_number(label) for label in target.labels])[target.values]
    total = np.count_nonzero(target.known)
    strays = np.flatnonzero(target.known & ~numeric)
    if not 0 < len(strays) < total / 2:
        return ()
    row = int(strays[0])
    first = f"{short(target.labels[target.values[row]])} at {table.where(row)}"
    others = "is not" if len(strays) == 1 else f"and {len(strays) - 1} more are not"
    numbers = f"{total - len(strays)} of {total} cells of {short(table.names[j])} are numbers"
    return (f"{numbers}, {first} {others}: taken as classes",)


def _is_number(cell: str) -> bool:
    builder = ColumnBuilder()
    builder.add_text([cell])
    return builder.kind == "number"


# ---- numbers


def standard(target: Target, train: NDArray[np.int64], path: str, name: str) -> tuple[float, float]:
    """Return what to subtract from a target of numbers, and what to divide it by, to train on it.

    They are those of the rows `train`.

    Raises
    ------
    InputError
        When the values are too large for it, or do not differ.
    """
    shift, divide = 0.0, 1.0
    every = f"every row of {name!r}"
    for rows, which in ((target.known, every), (train, f"{every} trained on")):
        y = target.values[rows]
        with np.errstate(over="ignore", invalid="ignore"):
            shift, divide = float(y.mean()), float(y.std())
        if not np.isfinite([shift, divide]).all():
            raise InputError(
                f"{path}, column {name!r}: the values of the target are too large to be "
                f"standardised, up to {np.abs(y).max():g}"
            )
        # The mean of equal values may miss them by a rounding, the square of little may be 0.
        low, high = float(y.min()), float(y.max())
        if low == high:
            got = f"{low!r} in {which}"
        elif divide == 0:
            got = f"{low!r} to {high!r} in {which}, too near to each other to be standardised"
        else:
            continue
        raise InputError(f"--target: wanted values that differ, got {got}")
    return shift, divide


# ---- the table


def _place(table: Table, name: str) -> int:
    if name not in table.names:
        near = difflib.get_close_matches(name, table.names, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(
            f"--target: {table.path} has no column {name!r}{hint}; columns: "
            f"{some([repr(one) for one in table.names], 20)}"
        )
    return table.names.index(name)


def with_line(table: Table, name: str) -> Table:
    """Return the table with an array of one dimension that stands beside a .npz file's matrix."""
    if table.kind != ".npz" or table.matrix is None or name in table.names:
        return table
    line = load_arrays(table.path).get(name)
    if line is None or line.ndim != 1:
        return table
    if len(line) != table.n_rows:
        raise InputError(
            f"{table.path}: wanted one value of {name!r} for each of the {table.n_rows} rows, got "
            f"{len(line)}"
        )
    return dataclasses.replace(
        table,
        names=[*table.names, name],
        columns=[*table.columns, column_of(line)],
        matrix=None,
    )


def without(table: Table, name: str) -> Table:
    """Return the table without a column, to take features from."""
    if len(table.names) == 1:
        raise InputError(f"{table.path}: wanted columns beside the target {name!r}, got none")
    kept = [j for j, other in enumerate(table.names) if other != name]
    return dataclasses.replace(
        table,
        names=[table.names[j] for j in kept],
        columns=[table.columns[j] for j in kept],
        matrix=None,
    )
