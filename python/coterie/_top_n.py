"""What the searches for the most similar items share: checks of their arguments, calls of the core.

A search ranks, for every query, the items that may be found: those that neither its own list nor
the common one excludes, and whose score is not beyond the threshold.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import numpy as np

from coterie import _core
from coterie._memory import require_memory
from coterie._sparse import SparseRows, is_sparse
from coterie._validate import check_int, check_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from coterie._core import Floats
    from coterie._validate import Rows

    Items: TypeAlias = Rows | _core.TopNIndex
    Lists: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]

METRICS = ("cosine", "dot", "euclidean", "angular")
DISTANCES = ("euclidean", "angular")  # the others are similarities: more is nearer
UNBOUNDED = ("dot", "euclidean")  # their scores may overflow
PRECISIONS = ("auto", "float", "certified-int8")
FINITE = 1 << 18  # values looked at at a time
LARGE = 1 << 28  # bytes of a result, from which on it is asked whether they are to be had


class TopN(NamedTuple):
    """The items found, best first, and their scores.

    Attributes
    ----------
    indices : ndarray of shape (n_queries, n), int64
        Rows of the items; -1 where a query has no further item.
    scores : ndarray of shape (n_queries, n)
        Their scores, in the dtype of the data; where the index is -1, minus infinity, and plus
        infinity for distances.
    """

    indices: NDArray[np.int64]
    scores: Floats


class Wanted(NamedTuple):
    """What a search is to find: n items a query, none beyond the threshold, none excluded."""

    n: int
    threshold: float
    exclude: Lists | None = None  # of every query its items, ascending, as CSR has them
    deny: NDArray[np.uint8] | None = None
    exclude_self: bool = False


# ---- vectors


def check_vectors(X: object, name: str, least: int = 0) -> Rows:
    """Return X as rows the core can read, possibly none; one-byte integers become float32."""
    dtype = getattr(X, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind in "iu" and dtype.itemsize == 1:
        X = cast("Any", X).astype(np.float32)
    return check_rows(X, name, least)


def check_queries(X: object, n_features: int | None, name: str = "queries") -> tuple[Rows, bool]:
    """Return queries as rows, and whether X is a single one, without a row to stand in."""
    single = not is_sparse(X) and _is_flat(X)
    rows = check_vectors(np.asarray(X).reshape(1, -1) if single else X, name)
    if n_features is not None:
        check_features(rows, n_features, name)
    return rows, single


def check_features(rows: Rows, n_features: int, name: str) -> None:
    """Refuse rows that have other features than the items."""
    if rows.shape[1] != n_features:
        raise ValueError(
            f"{name}: wanted {n_features} features, as the items have, got {rows.shape[1]}"
        )


def check_finite(rows: Rows, name: str) -> None:
    """Refuse rows that are not finite, in blocks that stay in cache."""
    values = rows.matrix.data if isinstance(rows, SparseRows) else rows
    step = max(1, FINITE // max(1, math.prod(values.shape[1:])))
    blocks = (values[i : i + step] for i in range(0, len(values), step))
    if all(np.isfinite(block).all() for block in blocks):
        return
    at = np.nonzero(~np.isfinite(values))
    row, column = at[0][0], at[-1][0]
    if isinstance(rows, SparseRows):
        row = np.searchsorted(rows.matrix.indptr, row, side="right") - 1
        column = rows.matrix.indices[column]
    value = "NaN" if np.isnan(values[at][0]) else values[at][0]
    raise ValueError(
        f"{name}: wanted finite values, got {value} at row {row}, column {column} "
        f"({len(at[0])} in all)"
    )


def in_dtype(rows: Rows, dtype: np.dtype[Any]) -> Rows:
    """Return rows in `dtype`; what overflows becomes infinite, which `check_finite` refuses."""
    if rows.dtype == dtype:
        return rows
    with np.errstate(over="ignore"):
        if isinstance(rows, SparseRows):
            return SparseRows(rows.matrix, dtype)
        return cast("Floats", rows.astype(dtype, order="C"))


@contextmanager
def renamed(ours: str, theirs: str) -> Iterator[None]:
    """Let an error about our argument speak of the caller's."""
    try:
        yield
    except ValueError as error:
        text = str(error)
        if not text.startswith(f"{ours}:"):
            raise
        raise ValueError(theirs + text.removeprefix(ours)) from None


def _is_flat(X: object) -> bool:
    try:
        return np.ndim(cast("Any", X)) == 1
    except ValueError:  # rows of unequal length, of which check_rows tells
        return False


# ---- what is wanted


def check_wanted(
    n: object,
    threshold: object,
    exclude: object,
    deny: object,
    shape: tuple[int, int],
    metric: str,
    single: bool,
) -> Wanted:
    """Return the checked arguments of a search among `shape` = (n_queries, n_items) pairs."""
    return Wanted(
        check_int(n, "n"),
        check_threshold(threshold, metric),
        _check_exclude(exclude, shape, single),
        _check_deny(deny, shape[1]),
    )


def check_threshold(threshold: object, metric: str) -> float:
    """Return the threshold as a float; None is one that lets everything pass."""
    if threshold is None:
        return nowhere(metric)
    wanted = f"threshold: wanted a number or None, got {threshold!r}"
    try:
        number = float(
            cast("Any", None if isinstance(threshold, (bool, str, bytes)) else threshold)
        )
    except TypeError:
        raise TypeError(wanted) from None
    except OverflowError:
        number = math.nan
    if math.isnan(number):
        raise ValueError(wanted)
    return number


def nowhere(metric: str) -> float:
    """Return the score of an item that is not there, worse than that of any that is."""
    return math.inf if metric in DISTANCES else -math.inf


def _check_exclude(exclude: object, shape: tuple[int, int], single: bool) -> Lists | None:
    """Return the items that each query must not find: where each list begins, and the lists."""
    if exclude is None:
        return None
    if is_sparse(exclude):
        return _stored(cast("Any", exclude), shape)
    lists = [exclude] if single else _lists(exclude, shape[0])
    found = [
        _indices(one, "exclude", "" if single else f" for query {i}") for i, one in enumerate(lists)
    ]
    lengths = np.array([len(one) for one in found], dtype=np.int64)
    rows = np.repeat(np.arange(len(found)), lengths)
    indices = np.concatenate(found) if found else np.empty(0, np.int64)
    _check_range(indices, rows, shape[1], single)
    order = np.lexsort((indices, rows))
    rows, indices = rows[order], indices[order]
    first = np.ones(len(rows), np.bool_)  # of equal ones
    first[1:] = (rows[1:] != rows[:-1]) | (indices[1:] != indices[:-1])
    lengths = np.bincount(rows[first], minlength=shape[0])
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), indices[first]


def _lists(exclude: object, n_queries: int) -> Iterable[object]:
    wanted = f"exclude: wanted a list of item indices for each of the {n_queries} queries"
    try:
        n = len(cast("Any", exclude))
        lists = iter(cast("Any", exclude))
    except TypeError:
        raise TypeError(f"{wanted}, or a sparse matrix, got {exclude!r}") from None
    if n != n_queries or isinstance(exclude, (str, bytes, dict, set, frozenset)):
        error = ValueError if n != n_queries else TypeError
        raise error(f"{wanted}, got {type(exclude).__name__} of length {n}")
    return cast("Iterable[object]", lists)


def _stored(matrix: Any, shape: tuple[int, int]) -> Lists:
    """Return the places where the matrix stores an entry, be it a zero."""
    if matrix.shape != shape:
        raise ValueError(
            f"exclude: wanted shape (n_queries, n_items) = {shape}, got {matrix.shape}"
        )
    matrix = matrix.tocsr()
    indptr, n = matrix.indptr, len(matrix.indices)
    if len(indptr) != shape[0] + 1 or indptr[0] or (np.diff(indptr) < 0).any() or indptr[-1] > n:
        raise ValueError(f"exclude: wanted row pointers from 0 up to {n}, ascending, got others")
    used = matrix.indices[: indptr[-1]]
    if len(used) and not 0 <= used.min() <= used.max() < shape[1]:
        _check_range(used, np.repeat(np.arange(shape[0]), np.diff(indptr)), shape[1], False)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    indices = matrix.indices[: matrix.indptr[-1]]
    return matrix.indptr.astype(np.int64), np.ascontiguousarray(indices, dtype=np.int64)


def _indices(values: object, name: str, where: str) -> NDArray[np.int64]:
    """Return a list of indices, as it is given, as an array."""
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty((0, 0))
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        got = f"dtype {array.dtype}" if array.ndim == 1 else repr(values)
        raise TypeError(f"{name}: wanted a list of item indices{where}, got {got}")
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name}: wanted indices of items{where}, got {array.max()}")
    return array.astype(np.int64)


def _check_range(
    indices: NDArray[Any], rows: NDArray[Any], n_items: int, single: bool, name: str = "exclude"
) -> None:
    bad = np.flatnonzero((indices < 0) | (indices >= n_items))
    if len(bad):
        where = "" if single else f" for query {rows[bad[0]]}"
        raise ValueError(
            f"{name}: wanted indices of items, from 0 to {n_items - 1}, "
            f"got {indices[bad[0]]}{where}"
        )


def _check_deny(deny: object, n_items: int) -> NDArray[np.uint8] | None:
    """Return one byte an item, 1 where no query may find it; None where any may be found."""
    if deny is None:
        return None
    array = np.asarray(deny)
    if array.dtype == np.bool_:
        if array.shape != (n_items,):
            raise ValueError(
                f"deny: wanted a bool for each of the {n_items} items, got shape {array.shape}"
            )
        return np.ascontiguousarray(array).view(np.uint8) if array.any() else None
    indices = _indices(array, "deny", " or bools")
    _check_range(indices, indices, n_items, True, "deny")
    mask = np.zeros(n_items, np.uint8)
    mask[indices] = 1
    return mask if len(indices) else None


# ---- the search


def search(
    queries: Rows, items: Items, wanted: Wanted, metric: str, precision: str, n_threads: int
) -> TopN:
    """Return the best items of every query; queries and items have one dtype."""
    m, n = queries.shape[0], wanted.n
    n_bytes = m * n * (8 + queries.dtype.itemsize)
    if n_bytes > LARGE:
        require_memory(n_bytes, "n", "search for fewer items, or for some of the queries at a time")
    found = TopN(np.empty((m, n), np.int64), cast("Floats", np.empty((m, n), queries.dtype)))
    if m == 0 or (not isinstance(items, _core.TopNIndex) and items.shape[0] == 0):
        found.indices.fill(-1)
        found.scores.fill(nowhere(metric))
        return found
    indptr, excluded = wanted.exclude or (None, None)
    if isinstance(items, _core.TopNIndex):
        items.search(
            cast("Floats", queries),
            n,
            wanted.threshold,
            indptr,
            excluded,
            wanted.deny,
            *found,
            n_threads,
        )
    elif isinstance(queries, SparseRows) or isinstance(items, SparseRows):
        _search_sparse(queries, items, wanted, metric, found, n_threads)
    else:
        _core.top_n_dense(
            queries,
            items,
            n,
            wanted.threshold,
            metric,
            indptr,
            excluded,
            wanted.deny,
            wanted.exclude_self,
            precision,
            *found,
            n_threads,
        )
    if metric in UNBOUNDED:
        check_overflow(found.scores[found.indices >= 0])
    return found


def check_overflow(scores: Floats) -> None:
    """Refuse scores that are not finite though their vectors are."""
    if not np.isfinite(scores).all():
        raise ValueError(
            f"queries: wanted vectors whose scores fit {scores.dtype}, got an overflow"
        )


def _search_sparse(
    queries: Rows, items: Rows, wanted: Wanted, metric: str, found: TopN, n_threads: int
) -> None:
    indptr, excluded = wanted.exclude or (None, None)
    common = (wanted.n, wanted.threshold, metric, indptr, excluded, wanted.deny)
    rest = (wanted.exclude_self, *found, n_threads)
    core: Any = _core  # the type checker cannot count what follows a star
    if not isinstance(items, SparseRows):
        core.top_n_csr_dense(*_csr(queries), items, *common, *rest)
    elif not isinstance(queries, SparseRows):
        core.top_n_dense_csr(queries, *_csr(items), *common, *rest)
    else:
        core.top_n_csr(*_csr(queries), *_csr(items), queries.shape[1], *common, *rest)


def _csr(rows: Any) -> tuple[Floats, NDArray[np.int32], NDArray[np.int64]]:
    """Return values, columns and row pointers; columns ascend within a row, none is twice."""
    matrix = rows.matrix
    used = slice(matrix.indptr[-1])
    return (
        np.ascontiguousarray(matrix.data[used]),
        np.ascontiguousarray(matrix.indices[used], dtype=np.int32),
        np.ascontiguousarray(matrix.indptr, dtype=np.int64),
    )
