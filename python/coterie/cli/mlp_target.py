"""The column that ``coterie mlp`` predicts: classes or numbers, and where it is missing."""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coterie.cli.prepare import some
from coterie.io.errors import InputError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie.io.table import Table

__all__ = ["Target", "read_target", "without"]

MOST_CLASSES = 20  # different whole numbers that still look like classes


class Target(NamedTuple):
    """What is to be predicted.

    Attributes
    ----------
    task : str
        'classification' or 'regression'.
    classes : ndarray or None
        The classes, sorted: text, integers or floats.
    values : ndarray
        A number of class, or a number, a row of the file; meaningless where it is not known.
    known : ndarray of bool
        Which rows have one.
    """

    task: str
    classes: NDArray[Any] | None
    values: NDArray[Any]
    known: NDArray[np.bool_]


def read_target(table: Table, name: str, task: str) -> Target:
    """Read the column, and judge what it holds."""
    j = _place(table, name)
    column = table.columns[j]
    if column.values is None:
        if task == "regression":
            at = f", {table.where(column.row)}" if column.example else ""
            got = repr(column.example) if column.example else f"a column of type {column.why}"
            raise InputError(f"{table.path}{at}, column {name!r}: wanted a number, got {got}")
        return _from_text(table, name, j)
    values = np.asarray(column.values, dtype=np.float64)
    known = ~np.isnan(values)
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        where = f"{table.path}, {table.where(row)}, column {name!r}"
        raise InputError(f"{where}: wanted a finite number, got {values[row]}")
    if not known.any():
        raise InputError(f"{table.path}: the target {name!r} is missing in every row")
    found = np.unique(values[known])
    whole = bool((found == np.floor(found)).all() and np.abs(found).max() < 2**53)
    if task == "auto":
        few = whole and len(found) <= MOST_CLASSES
        task = "classification" if few else "regression"
    if task == "regression":
        return Target(task, None, values, known)
    # Integers below 0 would read as missing when they are written.
    classes = found.astype(np.int64) if whole and found[0] >= 0 else found
    codes = np.searchsorted(found, np.where(known, values, found[0]))
    return Target(task, classes, codes, known)


def _from_text(table: Table, name: str, j: int) -> Target:
    if table.text is None:
        raise InputError(f"{table.path}: the target {name!r} holds no numbers")
    cells = table.text(j)
    known = np.array([cell is not None for cell in cells])
    if not known.any():
        raise InputError(f"{table.path}: the target {name!r} is missing in every row")
    classes = np.unique(np.array([cell for cell in cells if cell is not None]))
    texts = np.array([classes[0] if cell is None else cell for cell in cells])
    return Target("classification", classes, np.searchsorted(classes, texts), known)


def _place(table: Table, name: str) -> int:
    if name not in table.names:
        near = difflib.get_close_matches(name, table.names, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(
            f"--target: {table.path} has no column {name!r}{hint}; columns: "
            f"{some([repr(one) for one in table.names], 20)}"
        )
    return table.names.index(name)


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
