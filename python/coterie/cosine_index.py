"""CosineIndex: items that are prepared once and searched often, for few queries as for many."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie._kept import Kept
from coterie._sparse import SparseRows, need_sparse
from coterie._top_n import (
    METRICS,
    PRECISIONS,
    TopN,
    check_features,
    check_queries,
    check_vectors,
    check_wanted,
    in_dtype,
)
from coterie._validate import check_option
from coterie.io.arrays import load_arrays, save_arrays
from coterie.io.atomic import atomic
from coterie.io.errors import CommandError

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike, NDArray


__all__ = ["CosineIndex"]

FORMAT = "coterie.CosineIndex 1"

_turn = threading.RLock()  # for a moment, of who adds


class CosineIndex:
    """An exact index of items by cosine, or by another of `cosine_top_n`'s scores.

    What a search does to items before it compares them is done once, here: norms, the order in
    which the kernels read them, and where it pays, int8 copies that rule out most candidates.

    Parameters
    ----------
    items : array-like or sparse matrix of shape (n_items, n_features)
        Vectors, all finite, possibly none yet. float32 and float64 stay what they are; float16,
        int8 and uint8 become float32, other integers float64. The index keeps a copy of its own.
    metric : {'cosine', 'dot', 'euclidean', 'angular'}, default='cosine'
        The score, see `cosine_top_n`.
    precision : {'auto', 'float', 'certified-int8'}, default='auto'
        How candidates are found among dense items; the result is the same.
    n_threads : int, default=None
        Threads to use; None is all CPUs of this process. The result has the same bits for any.

    Attributes
    ----------
    n_items, n_features : int
        Shape of what is kept.
    dtype : numpy.dtype
        float32 or float64: that of the items, to which those added later and queries are rounded.
    nbytes : int
        Bytes the index occupies.
    metric, precision : str
        As they were given.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it, and row and column of what is
        not finite.

    Notes
    -----
    A search takes O(n_queries * n_items * n_features) operations; for one query, that is one pass
    over the items. Several threads may search and add at a time.

    Examples
    --------
    >>> import numpy as np
    >>> index = CosineIndex(np.array([[1.0, 0], [3, 4], [0, 2]]))
    >>> index
    CosineIndex(n_items=3, n_features=2, dtype=float64, metric='cosine', precision='auto')
    >>> index.search([0.0, 1.0], n=2)
    TopN(indices=array([2, 1]), scores=array([1. , 0.8]))
    >>> index.add([[0, 7]])
    >>> index.search([[0.0, 1.0]], n=2).indices
    array([[2, 3]])
    """

    _kept: Kept

    def __init__(
        self,
        items: ArrayLike,
        *,
        metric: str = "cosine",
        precision: str = "auto",
        n_threads: int | None = None,
    ) -> None:
        self.metric = check_option(metric, "metric", METRICS)
        self.precision = check_option(precision, "precision", PRECISIONS)
        self.n_threads = n_threads
        rows = check_vectors(items, "items")
        self.n_features: int = rows.shape[1]
        self._kept = Kept(rows, self.metric, self.precision, n_threads)

    def search(
        self,
        queries: ArrayLike | None,
        n: int = 10,
        *,
        threshold: float | None = None,
        exclude: Any = None,
        deny: ArrayLike | None = None,
    ) -> TopN:
        """Return the n best items of every query, the best first.

        Parameters
        ----------
        queries : array-like or sparse matrix of shape (n_queries, n_features), or (n_features,)
            Vectors, all finite, rounded to the dtype of the index. None stands for the items
            themselves, of which none finds itself.
        n : int, default=10
            Number of items a query.
        threshold : float, default=None
            Least similarity, or greatest distance, that counts: a score equal to it does.
        exclude : sparse matrix of shape (n_queries, n_items) or sequence of index lists
            Items that a query must not find: entries that are stored, whatever their value, or a
            list of indices for every query; for a single query, that list. Default: none.
        deny : array-like of indices, or of bool and shape (n_items,), default=None
            Items that no query may find.

        Returns
        -------
        indices : ndarray of shape (n_queries, n), int64
            Items, the best first, ties to the lowest index; -1 where no further item may be found.
        scores : ndarray of shape (n_queries, n)
            Their scores; where the index is -1, minus infinity, and for distances plus infinity.
            Of a single query, both arrays have shape (n,).

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described; the message names it.

        Examples
        --------
        >>> index = CosineIndex([[1.0, 0], [3, 4], [0, 2]], metric="euclidean")
        >>> index.search([0.0, 0.0], n=2, exclude=[0])
        TopN(indices=array([2, 1]), scores=array([2., 5.]))
        >>> index.search(None, n=1).indices.ravel()
        array([2, 2, 0])
        """
        rows, single = None, False
        if queries is not None:
            rows, single = check_queries(queries, self.n_features)
        kept = self._kept  # another thread may add
        shape = (kept.n_items if rows is None else rows.shape[0], kept.n_items)
        wanted = check_wanted(n, threshold, exclude, deny, shape, self.metric, single)
        found = kept.search(rows, wanted, self.n_threads)
        return TopN(found.indices[0], found.scores[0]) if single else found

    def add(self, items: ArrayLike) -> None:
        """Add items; the first gets the index `n_items`.

        Searches in other threads go on with the items they began with.

        Parameters
        ----------
        items : array-like or sparse matrix of shape (n_new, n_features)
            Vectors, all finite, rounded to the dtype of the index; sparse if, and only if, the
            others are.

        Raises
        ------
        TypeError, ValueError
            If they are not as described; the index is as it was then.

        Examples
        --------
        >>> index = CosineIndex(np.empty((0, 2), np.float32))
        >>> for _ in range(3):
        ...     index.add([[1, 2], [3, 4]])
        >>> len(index)
        6
        """
        rows = check_vectors(items, "items")
        check_features(rows, self.n_features, "items")
        sparse = isinstance(self._kept.items, SparseRows)
        if isinstance(rows, SparseRows) != sparse:
            words = ("dense", "sparse") if sparse else ("sparse", "dense")
            raise TypeError(f"items: wanted {words[1]} rows, as the index has, got {words[0]} ones")
        rows = in_dtype(rows, self.dtype)
        while rows.shape[0]:
            kept = self._kept
            more = kept.joined(rows, self.n_threads)
            with _turn:
                if self._kept is kept:  # and not what another thread has made of it meanwhile
                    self._kept = more
                    return

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a file, in NumPy's .npz format, whatever the name.

        Parameters
        ----------
        path : str or path-like
            The file. One that is there stays until the new one is complete on disk.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        rows = self._kept.rows()
        arrays = {name: np.array(getattr(self, name)) for name in ("metric", "precision")}
        arrays["format"] = np.array(FORMAT)
        if isinstance(rows, SparseRows):
            matrix = rows.matrix
            arrays |= {name: getattr(matrix, name) for name in ("data", "indices", "indptr")}
            arrays["shape"] = np.array(rows.shape)
        else:
            arrays["items"] = rows
        try:
            with atomic(Path(path)) as file:
                save_arrays(file, arrays)
        except CommandError as error:
            raise OSError(str(error)) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, n_threads: int | None = None) -> CosineIndex:
        """Return an index that `save` has written.

        Parameters
        ----------
        path : str or path-like
            The file. Nothing in it is ever executed.
        n_threads : int, default=None
            Threads to use from now on.

        Returns
        -------
        CosineIndex
            It gives the results of the one that was saved, on any machine.

        Raises
        ------
        OSError
            If it cannot be read.
        ValueError
            If it is damaged or something else.
        ImportError
            If the items are sparse and SciPy is not installed.

        Examples
        --------
        >>> import tempfile
        >>> index = CosineIndex([[1.0, 0], [3, 4]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     index.save(f"{folder}/items.npz")
        ...     again = CosineIndex.load(f"{folder}/items.npz")
        >>> again.search([0.0, 1.0], n=1)
        TopN(indices=array([1]), scores=array([0.8]))
        """
        try:
            arrays = load_arrays(Path(path))
        except CommandError as error:
            raise ValueError(str(error)) from error
        if str(arrays.get("format")) != FORMAT:
            raise ValueError(f"{path}: wanted a file that CosineIndex.save wrote, got another")
        try:
            items = arrays["items"] if "items" in arrays else _sparse_of(arrays)
            options = {name: str(arrays[name]) for name in ("metric", "precision")}
            return cls(items, **options, n_threads=n_threads)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: damaged: {error}") from error

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self._kept.n_items

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._kept.dtype

    @property
    def nbytes(self) -> int:
        """Bytes the index occupies."""
        return self._kept.nbytes

    def __len__(self) -> int:
        return self.n_items

    def __repr__(self) -> str:
        return (
            f"CosineIndex(n_items={self.n_items}, n_features={self.n_features}, "
            f"dtype={self.dtype}, metric={self.metric!r}, precision={self.precision!r})"
        )


def _sparse_of(arrays: dict[str, NDArray[Any]]) -> Any:
    """Return the sparse matrix that was saved, checked in full."""
    sparse = need_sparse("items")
    parts = tuple(arrays[name] for name in ("data", "indices", "indptr"))
    matrix = sparse.csr_matrix(parts, shape=tuple(arrays["shape"].tolist()))
    matrix.check_format(full_check=True)
    return matrix
