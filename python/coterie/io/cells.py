"""Text to numbers: what counts as a number, as a truth value, and as missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from coterie.io.table import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["MISSING", "ColumnBuilder"]

# Compared without regard to case and surrounding blanks.
MISSING = frozenset({"", "#n/a", "<na>", "n/a", "na", "nan", "none", "null"})
TRUTH = {"true": 1.0, "false": 0.0}


class ColumnBuilder:
    """A column that arrives block by block: numbers, or true/false, until a cell is neither.

    Examples
    --------
    >>> builder = ColumnBuilder()
    >>> builder.add_text(["1", " 2.5e1", "NA"])
    >>> builder.column().values
    array([ 1., 25., nan])
    """

    def __init__(self) -> None:
        self.n_rows = 0
        self.kind = ""  # "number", "truth", or "" while every cell was missing
        self._parts: list[NDArray[np.float64]] = []
        self._broken: Column | None = None

    def add_text(self, cells: Sequence[str]) -> None:
        """Append a block of cells."""
        if self._broken is None:
            values = self._fast(cells) if self.kind != "truth" else None
            self._append(self._slow(cells) if values is None else values)
        self.n_rows += len(cells)

    def add_arrow(self, cells: Any) -> None:
        """Append a pyarrow array of strings."""
        if self._broken is None:
            values = self._arrow(cells) if self.kind != "truth" else None
            self._append(self._slow(cells.to_pylist()) if values is None else values)
        self.n_rows += len(cells)

    def column(self) -> Column:
        """Return what has arrived so far."""
        if self._broken is not None:
            return self._broken
        if not self.kind:
            return Column(None, why="empty")
        return Column(np.concatenate(self._parts))

    def _append(self, values: NDArray[np.float64] | None) -> None:
        if values is not None:
            self._parts.append(values)

    def _fast(self, cells: Sequence[str]) -> NDArray[np.float64] | None:
        """Plain numbers and nothing else, at C speed."""
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            return None
        text = "".join(cells)
        if "_" in text or not text.isascii() or np.isnan(values).all():
            return None  # float() takes 1_000 and other scripts' digits; a file means text by them
        self.kind = "number"
        return values

    def _arrow(self, cells: Any) -> NDArray[np.float64] | None:
        import pyarrow as pa
        from pyarrow import compute as pc

        missing = pc.is_in(pc.utf8_lower(cells), value_set=pa.array(sorted(MISSING)))
        kept = pc.if_else(missing, pa.scalar(None, pa.string()), cells)
        if kept.null_count == len(kept):
            return None
        try:
            numbers = pc.cast(kept, pa.float64())
        except pa.ArrowInvalid:
            return None
        values: NDArray[np.float64] = numbers.to_numpy(zero_copy_only=False)
        if numbers.null_count != np.count_nonzero(~np.isfinite(values)):
            return None  # spellings of nan and infinity are for the slow path to judge
        self.kind = "number"
        return values

    def _slow(self, cells: Sequence[str]) -> NDArray[np.float64] | None:
        """Every rule, cell by cell; the first cell that breaks them ends the column."""
        values = np.empty(len(cells))
        for i, cell in enumerate(cells):
            kind, values[i] = _parse(cell)
            if kind == "missing":
                continue
            if kind == "text" or (self.kind and kind != self.kind):
                self._broken = Column(None, "text", self.n_rows + i, cell)
                self._parts.clear()
                return None
            self.kind = kind
        return values


def _parse(cell: str) -> tuple[str, float]:
    """Return ("number" | "truth" | "missing" | "text", value)."""
    text = cell.strip().lower()
    if text in MISSING:
        return "missing", np.nan
    if text in TRUTH:
        return "truth", TRUTH[text]
    if "_" in text or not text.isascii():
        return "text", np.nan
    try:
        value = float(text)
    except ValueError:
        return "text", np.nan
    return ("missing" if np.isnan(value) else "number"), value
