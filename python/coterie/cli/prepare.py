"""From a table to the matrix that is fitted: which columns, which rows, what scale."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie.io.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from coterie.io.table import Table

__all__ = ["Prepared", "choose_features", "prepare", "rescaled", "short", "some"]

ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Prepared:
    """The matrix and the way back to the file.

    Attributes
    ----------
    X : ndarray
        Scaled rows that take part: ``(original - shift) / divide``.
    kept : ndarray of bool or None
        Which rows of the file those are; None for all.
    reach : ndarray
        How far the values of a column lie from its shift; 0 where nothing was scaled.
    constant : list of str
        Names of columns with the same value in every row.
    """

    X: NDArray[Any]
    names: list[str]
    kept: NDArray[np.bool_] | None
    shift: NDArray[np.float64]
    divide: NDArray[np.float64]
    reach: NDArray[np.float64]
    left_out: list[tuple[str, str]]
    constant: list[str]
    notices: list[str]

    def original(self, scaled: NDArray[Any]) -> NDArray[np.float64]:
        """Return scaled values, (k, d), in original units, without the rounding noise.

        A scaled value is known to some units in the last place of the largest one of its column.
        Where that leaves a short decimal number possible, such as 0 or 1 among truth values, it
        is that number; no other value changes, and none by more than it may be wrong anyway.
        """
        narrow = self.X.dtype == np.float32
        tolerance = (4e-7 if narrow else 2e-14) * self.reach
        with np.errstate(all="ignore"):
            values = scaled.astype(np.float64) * self.divide + self.shift
            for column, limit in zip(values.T, tolerance.tolist(), strict=True):
                column[np.abs(column) <= limit] = 0.0
                # Three digits more than the tolerance: what is that short is so by intent.
                digits = math.floor(-math.log10(limit)) - 3 if limit else 99
                if abs(digits) <= 22:  # beyond, the power of ten is no float
                    short = np.round(column, digits)
                    column[:] = np.where(np.abs(column - short) <= limit, short, column)
        return values


def prepare(table: Table, features: list[str] | None, scale: str, missing: str) -> Prepared:
    """Pick the columns, deal with missing values and scale.

    Parameters
    ----------
    table : Table
        The input.
    features : list of str or None
        Columns to use; None for every numeric one.
    scale : {"standard", "none", "minmax"}
        Constant columns become 0 under either scaling.
    missing : {"error", "drop"}
        What happens to rows with missing values in the columns used.

    Raises
    ------
    InputError
        When nothing numeric is left, or values are missing or infinite.
    """
    picked, left_out, notices = choose_features(table, features)
    X = table.matrix_of(picked)
    names = [table.names[j] for j in picked]
    gaps = _gaps(table, X, names)
    kept = None
    if gaps.any():
        if missing != "drop":
            raise InputError(_missing_message(table, X, names, gaps))
        if gaps.all():
            raise InputError(
                f"{table.path}: each of the {table.n_rows} rows misses a value in the columns "
                f"used; --features with fewer columns may help"
            )
        kept = ~gaps
        X = X[kept]
    if features is None:
        notices += _row_counters(X, names)
    none = np.zeros(0)
    prepared = Prepared(X, names, kept, none, none, none, left_out, [], notices)
    return rescaled(prepared, X, scale, str(table.path))


def rescaled(prepared: Prepared, like: NDArray[Any], scale: str, path: str) -> Prepared:
    """Scale rows that are not scaled yet as the rows `like` ask for.

    Raises
    ------
    InputError
        When values of `like` are too large for it; the message names `path` and the column.
    """
    names = prepared.names
    shift, divide, reach, constant = _moments(like, names, scale)
    bad = np.flatnonzero(~np.isfinite(shift) | ~np.isfinite(divide))
    if len(bad):
        where = f"{path}, column {short(names[bad[0]])}"
        raise InputError(f"{where}: the values are too large for --scale {scale}")
    X = _scaled(prepared.X, shift, divide)
    return replace(prepared, X=X, shift=shift, divide=divide, reach=reach, constant=constant)


# ---- columns


def choose_features(
    table: Table, features: list[str] | None
) -> tuple[list[int], list[tuple[str, str]], list[str]]:
    """Return indices of the columns used, (name, reason) of the others, and notices."""
    if features is not None:
        return [_find(table, name, features) for name in features], [], []
    picked, left_out = [], []
    for j, (name, column) in enumerate(zip(table.names, table.columns, strict=True)):
        if column.values is None:
            left_out.append((name, column.why))
        elif _looks_written(name, table.names):
            left_out.append((name, "looks like an earlier result"))
        else:
            picked.append(j)
    if not picked:
        raise InputError(f"{table.path}: wanted at least one numeric column, got none")
    notices = []
    if left_out:
        shown = [_describe(table, name, why) for name, why in left_out[:6]]
        rest = len(left_out) - len(shown)
        more = f", and {rest} more" if rest else ""
        notices.append(f"left out: {', '.join(shown)}{more} (--features chooses)")
    return picked, left_out, notices


def _looks_written(name: str, names: list[str]) -> bool:
    """Return whether this looks like a column that an earlier run of the command wrote."""
    if re.fullmatch(r"(cluster|component)([._]\d+)?", name):
        return True
    if "prediction" in names and re.fullmatch(r"(prediction|probability)([._]\d+)?", name):
        return True
    # Names that a file may well have of its own; beside components they are the mixture's.
    return "component" in names and bool(
        re.fullmatch(r"(p\d+|log_density|anomaly)([._]\d+)?", name)
    )


def _describe(table: Table, name: str, why: str) -> str:
    column = table.columns[table.names.index(name)]
    if column.row == 0 or not column.example:
        return f"{_cut(name)} ({why})"
    # Numbers first, then text: perhaps one bad cell, so say which.
    comma = ", decimal comma?" if re.fullmatch(r"[+-]?\d+,\d+", column.example.strip()) else ""
    return f"{_cut(name)} ({why}: {short(column.example)} at {table.where(column.row)}{comma})"


def _find(table: Table, name: str, features: list[str]) -> int:
    if features.count(name) > 1:
        raise UsageError(f"--features: {name!r} is named twice")
    if name not in table.names:
        near = difflib.get_close_matches(name, table.names, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        usable = [
            n for n, c in zip(table.names, table.columns, strict=True) if c.values is not None
        ]
        valid = some([short(n) for n in usable], 20) or "none"
        raise UsageError(
            f"--features: {table.path} has no column {name!r}{hint}; numeric columns: {valid}"
        )
    j = table.names.index(name)
    column = table.columns[j]
    if column.values is None:
        got = f"{short(column.example)}" if column.example else f"a column of type {column.why}"
        at = f", {table.where(column.row)}" if column.example else ""
        raise InputError(f"{table.path}{at}, column {short(name)}: wanted a number, got {got}")
    return j


def _row_counters(X: NDArray[Any], names: list[str]) -> list[str]:
    """Notice columns that only count the rows: they are used, and seldom meant to be."""
    if len(X) < 3:
        return []
    head = np.arange(min(len(X), 64))
    with np.errstate(over="ignore"):
        likely = np.flatnonzero((X[: len(head)] - X[0] == head[:, None]).all(axis=0))
        found = [names[j] for j in likely if (np.diff(X[:, j]) == 1).all()]
    if not found:
        return []
    shown = some([_cut(name) for name in found])
    return [f"used as a feature, but it only counts the rows: {shown} (--features chooses)"]


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def short(text: str) -> str:
    """Return a name in quotes, of a long one the beginning."""
    return repr(_cut(text))


def some(names: list[str], most: int = 6) -> str:
    """Return the names as one text, of many the first few.

    Examples
    --------
    >>> some(["a", "b"]), some(["a", "b", "c"], most=2)
    ('a, b', 'a, b, and 1 more')
    """
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# ---- rows


def _blocks(X: NDArray[Any]) -> Iterator[slice]:
    for start in range(0, len(X), ROWS_AT_ONCE):
        yield slice(start, start + ROWS_AT_ONCE)


def _gaps(table: Table, X: NDArray[Any], names: list[str]) -> NDArray[np.bool_]:
    """Return which rows miss a value; an infinite one is an error."""
    gaps = np.zeros(len(X), np.bool_)
    for rows in _blocks(X):
        finite = np.isfinite(X[rows])
        if finite.all():
            continue
        infinite = np.isinf(X[rows])
        if infinite.any():
            i, j = (int(v) for v in np.argwhere(infinite)[0])
            raise InputError(
                f"{table.path}, {table.where(rows.start + i)}, column {short(names[j])}: "
                f"wanted a finite number, got {X[rows][i, j]}"
            )
        gaps[rows] = ~finite.all(axis=1)
    return gaps


def _missing_message(
    table: Table, X: NDArray[Any], names: list[str], gaps: NDArray[np.bool_]
) -> str:
    rows = np.flatnonzero(gaps)
    counts = np.isnan(X[rows]).sum(axis=0)
    worst = [j for j in np.argsort(-counts, kind="stable") if counts[j]]
    by_column = some([f"{_cut(names[j])} {counts[j]}" for j in worst], 5)
    first = names[int(np.flatnonzero(np.isnan(X[rows[0]]))[0])]
    have = "has" if len(rows) == 1 else "have"
    return (
        f"{table.path}: {len(rows)} of {len(X)} rows {have} missing values ({by_column}), first at "
        f"{table.where(int(rows[0]))}, column {short(first)}; --missing drop leaves such rows out"
    )


# ---- scale


def _moments(
    X: NDArray[Any], names: list[str], scale: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Return what to subtract, what to divide by, the reach, and names of constant columns."""
    d = X.shape[1]
    low, high, total = np.full(d, np.inf), np.full(d, -np.inf), np.zeros(d)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in _blocks(X):
            low = np.minimum(low, X[rows].min(axis=0))
            high = np.maximum(high, X[rows].max(axis=0))
            total += X[rows].sum(axis=0, dtype=np.float64)
        flat = low == high
        constant = [names[j] for j in np.flatnonzero(flat)] if len(X) > 1 else []
        if scale == "none":
            return np.zeros(d), np.ones(d), np.zeros(d), constant
        if scale == "minmax":
            shift, divide = low, high - low
        else:
            # The mean of equal values may miss them by a rounding, and then nothing is zero.
            shift = np.where(flat, low, total / len(X))
            squares = np.zeros(d)
            for rows in _blocks(X):
                squares += np.square(X[rows] - shift).sum(axis=0)
            divide = np.sqrt(squares / len(X))
        reach = np.maximum(high - shift, shift - low)
    divide = np.where(flat | (divide == 0), 1.0, divide)
    return shift, divide, reach, constant


def _scaled(
    X: NDArray[Any], shift: NDArray[np.float64], divide: NDArray[np.float64]
) -> NDArray[Any]:
    if not shift.any() and (divide == 1).all():
        return X
    out = X if X.flags.owndata and X.flags.writeable else np.empty(X.shape, X.dtype)
    for rows in _blocks(X):
        out[rows] = (X[rows] - shift) / divide
    return out
