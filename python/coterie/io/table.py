"""What the command knows about an input file: its columns as numbers, and where they stand."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie.io.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

__all__ = ["Column", "Fingerprint", "Table", "absent", "unique_names"]


@dataclass(frozen=True)
class Column:
    """One column: its values, NaN where missing; or why it holds no numbers.

    Attributes
    ----------
    values : ndarray or None
        Real numbers, one a row; None when the column is not numeric.
    why : str
        The reason for None, such as "text".
    row, example : int, str
        Where the reason shows first, and what stands there.
    """

    values: NDArray[Any] | None
    why: str = ""
    row: int = 0
    example: str = ""


@dataclass(frozen=True)
class Fingerprint:
    """Identity of a file at the moment it was read; the rows written later are read again."""

    path: Path
    stat: tuple[int, int, int]

    @classmethod
    def take(cls, path: Path) -> Fingerprint:
        """Remember the file as it is now."""
        return cls(path, cls._stat(path))

    @staticmethod
    def _stat(path: Path) -> tuple[int, int, int]:
        found = os.stat(path)
        return found.st_ino, found.st_size, found.st_mtime_ns

    def check(self) -> None:
        """Raise OutputError when the file is no longer the one that was read."""
        try:
            same = self._stat(self.path) == self.stat
        except OSError:
            same = False
        if not same:
            raise OutputError(f"{self.path}: changed while the run was going, nothing was written")


@dataclass
class Table:
    """An input file: names, numeric columns, and the way back to its rows.

    Attributes
    ----------
    kind : str
        The extension that says how the file is read, such as ".csv".
    names : list of str
        Unique names; a repeated "a" reads "a", "a.1", and so on.
    where : callable
        Turns a row index into words for a message, such as "line 7".
    write : callable
        ``write(file, columns)`` writes the rows and further columns by name, as `write_columns`.
    matrix : ndarray or None
        The array whose columns these are, when the file holds one.
    text : callable or None
        ``text(j)`` reads the cells of column j as they are written, None where one is missing;
        files of numbers have none.
    taken : set of str
        Names a new column must not take, beyond `names`.
    """

    path: Path
    kind: str
    names: list[str]
    n_rows: int
    columns: list[Column]
    where: Callable[[int], str]
    write: Callable[[Any, Mapping[str, NDArray[Any]]], None]
    matrix: NDArray[Any] | None = None
    text: Callable[[int], list[str | None]] | None = None
    notices: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not self.names:
            raise InputError(f"{self.path}: wanted at least one column, got none")
        if self.n_rows == 0:
            raise InputError(f"{self.path}: wanted at least one row of data, got none")

    def matrix_of(self, picked: list[int]) -> NDArray[Any]:
        """Rows of the picked columns, (n_rows, len(picked)), float32 or float64.

        The file's own array, possibly memory-mapped and read-only, when it already is that.
        """
        whole = self.matrix
        every = picked == list(range(len(self.names)))
        if whole is not None and every and whole.dtype in (np.float32, np.float64):
            return whole
        values = [v for v in (self.columns[j].values for j in picked) if v is not None]
        narrow = all(v.dtype.kind == "f" and v.dtype.itemsize <= 4 for v in values)
        out = np.empty((self.n_rows, len(picked)), np.float32 if narrow else np.float64)
        for start in range(0, self.n_rows, 4096):  # by block: a row's cells stay in cache
            rows = slice(start, start + 4096)
            for j, column in enumerate(values):
                out[rows, j] = column[rows]
        return out


def absent(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where a new column has no value: below 0 among integers, NaN, or an empty text.

    Examples
    --------
    >>> absent(np.array([1.5, np.nan])), absent(np.array([-1, 0]))
    (array([False,  True]), array([ True, False]))
    """
    missing: NDArray[np.bool_]
    if values.dtype.kind == "U":
        missing = values == ""
    else:
        missing = np.isnan(values) if values.dtype.kind == "f" else values < 0
    return missing


def unique_names(names: list[str]) -> list[str]:
    """Return `names` with repeated ones numbered, as pandas does.

    Examples
    --------
    >>> unique_names(["a", "b", "a", "a.1"])
    ['a', 'b', 'a.2', 'a.1']
    """
    taken, seen = set(names), set[str]()
    out = []
    for name in names:
        new, i = name, 0
        while new in seen or (i and new in taken):
            i += 1
            new = f"{name}.{i}"
        seen.add(new)
        out.append(new)
    return out
