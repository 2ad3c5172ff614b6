"""Items that are kept for many searches: packed by the core if dense, as they are if sparse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from coterie import _core
from coterie._sparse import SparseRows, need_sparse
from coterie._top_n import (
    UNBOUNDED,
    TopN,
    Wanted,
    check_finite,
    check_overflow,
    in_dtype,
    nowhere,
    renamed,
    search,
)
from coterie._validate import check_threads, taken

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie._core import Floats
    from coterie._validate import Rows

FIRST, MORE = 32, 16  # items within a threshold: how many at first, and how many times more then
BLOCK = 1 << 20  # of them are found at a time


class Kept:
    """A copy of items, all finite, ready to be searched; arguments are checked already.

    Nothing of it ever changes, so that any number of threads may use it.
    """

    def __init__(self, rows: Rows, metric: str, precision: str, n_threads: int | None) -> None:
        self.metric, self.precision, self.dtype = metric, precision, rows.dtype
        self.items: Rows | _core.TopNIndex
        check_finite(rows, "items")
        if isinstance(rows, SparseRows):
            self.items = SparseRows(rows.matrix.copy(), rows.dtype)
        elif rows.shape[0] == 0:
            self.items = cast("Floats", rows.copy())
        else:
            self.items = self._packed(cast("Floats", rows.copy()), n_threads)

    def _packed(self, rows: Floats, n_threads: int | None) -> _core.TopNIndex:
        return _core.TopNIndex(rows, self.metric, self.precision, check_threads(n_threads))

    def __getstate__(self) -> dict[str, Any]:
        rows = self.rows()
        items = rows.matrix if isinstance(rows, SparseRows) else rows
        return {"items": items, "metric": self.metric, "precision": self.precision}

    def __setstate__(self, state: dict[str, Any]) -> None:
        items = state["items"]
        rows = items if isinstance(items, np.ndarray) else SparseRows(items, items.dtype)
        Kept.__init__(self, rows, state["metric"], state["precision"], None)

    @property
    def n_items(self) -> int:
        """Number of items."""
        items = self.items
        return items.n_items if isinstance(items, _core.TopNIndex) else items.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of memory they take."""
        if isinstance(self.items, SparseRows):
            matrix = self.items.matrix
            return int(matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes)
        return self.items.nbytes

    def rows(self) -> Rows:
        """Return the items in their order."""
        return self.items.items() if isinstance(self.items, _core.TopNIndex) else self.items

    def joined(self, rows: Rows, n_threads: int | None) -> Kept:
        """Return these items and rows of the same dtype, sparse if and only if the others are."""
        check_finite(rows, "items")
        more = Kept.__new__(Kept)
        vars(more).update(vars(self))
        if isinstance(rows, SparseRows):
            stack = need_sparse("items").vstack
            matrices = [cast("SparseRows", self.items).matrix, rows.matrix]
            more.items = SparseRows(stack(matrices, format="csr"), self.dtype)
        else:
            both = np.concatenate([cast("Floats", self.rows()), rows])
            more.items = self._packed(both, n_threads)
        return more

    def search(self, queries: Rows | None, wanted: Wanted, n_threads: int | None) -> TopN:
        """Return the best items of every query; None stands for the items, less each itself."""
        items: Rows | _core.TopNIndex = self.items
        if queries is None:
            queries = items = self.rows()
            wanted = wanted._replace(exclude_self=True)
        else:
            queries = in_dtype(queries, self.dtype)
            check_finite(queries, "queries")
        if isinstance(queries, SparseRows) and isinstance(items, _core.TopNIndex):
            items = items.items()  # only dense queries read packed items
        threads = check_threads(n_threads)
        return search(queries, items, wanted, self.metric, self.precision, threads)

    def within(
        self, queries: Rows | None, threshold: float, n_threads: int | None
    ) -> list[tuple[NDArray[np.int64], Floats]]:
        """Return for every query all items within the threshold, best first, and their scores."""
        rows = in_dtype(self.rows() if queries is None else queries, self.dtype)
        found: list[Any] = [None] * rows.shape[0]
        most, n, left = self.n_items, FIRST, np.arange(rows.shape[0])
        while len(left):  # those that may have more are searched again with more
            n, again = min(n, most), []
            step = max(1, BLOCK // n)
            for some in (left[i : i + step] for i in range(0, len(left), step)):
                exclude = (np.arange(len(some) + 1), some) if queries is None else None
                best = self.search(taken(rows, some), Wanted(n, threshold, exclude), n_threads)
                counts = (best.indices >= 0).sum(axis=1)
                for row, count, *pair in zip(some, counts, *best, strict=True):
                    if count == n < most:
                        again.append(row)
                    else:
                        found[row] = tuple(part[:count].copy() for part in pair)
            left, n = np.array(again, np.int64), n * MORE
        return found


def all_scores(a: Rows, b: Rows, metric: str, n_threads: int) -> Floats:
    """Return the scores of all pairs of rows, of one dtype."""
    n = b.shape[0]
    out: Floats = np.empty((a.shape[0], n), a.dtype)
    if out.size == 0:
        return out
    if not isinstance(a, SparseRows) and not isinstance(b, SparseRows):
        _core.similarity(a, b, metric, out, n_threads)
        if metric in UNBOUNDED:
            with renamed("queries", "a"):
                check_overflow(out)
        return out
    step = max(1, BLOCK // n)
    for first in range(0, len(out), step):  # all of b is ranked for some rows at a time
        part = slice(first, min(first + step, len(out)))
        some = taken(a, np.arange(part.start, part.stop))
        best = search(some, b, Wanted(n, nowhere(metric)), metric, "auto", n_threads)
        np.put_along_axis(out[part], best.indices, best.scores, axis=1)
    return out
