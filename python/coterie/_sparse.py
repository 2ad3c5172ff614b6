"""SciPy's sparse matrices as rows the core can read.

SciPy itself is only imported where a result is one of its matrices.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie import _core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie._core import Floats


def is_sparse(X: object) -> bool:
    """Tell whether X is one of SciPy's sparse matrices or arrays.

    Such an object can only exist once `scipy.sparse` is loaded, so looking there costs no import.
    """
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and bool(sparse.issparse(X))


def need_sparse(what: str) -> Any:
    """Return `scipy.sparse`; `what` names in a message what cannot do without."""
    try:
        from scipy import sparse
    except ImportError:
        raise ImportError(
            f"{what}: wanted SciPy, which has sparse matrices; pip install 'coterie[sparse]'"
        ) from None
    return sparse


class SparseRows:
    """A matrix in compressed sparse rows: the caller's arrays where their dtype and order allow it.

    Parameters
    ----------
    X : scipy.sparse matrix or array of shape (n_samples, n_features)
        Any format. CSR is viewed, others (CSC, COO, ...) are converted once.
    dtype : numpy.dtype
        float32 or float64, the dtype of the values.
    """

    __slots__ = ("core", "dtype", "matrix", "shape")

    def __init__(self, X: Any, dtype: np.dtype[Any]) -> None:
        matrix = X.tocsr()
        if matrix.dtype != dtype:
            matrix = matrix.astype(dtype)
        if not matrix.has_canonical_format:  # repeated entries of one cell mean their sum
            matrix = matrix.copy()
            matrix.sum_duplicates()
        self.matrix = matrix
        self.shape: tuple[int, int] = matrix.shape
        self.dtype: np.dtype[Any] = matrix.dtype
        used = slice(matrix.indptr[-1])  # SciPy allows for room to spare
        self.core = _core.Csr(
            np.ascontiguousarray(matrix.data[used]),
            np.ascontiguousarray(matrix.indices[used]),
            np.ascontiguousarray(matrix.indptr),
            self.shape[1],
        )

    def take(self, indices: NDArray[np.int64]) -> SparseRows:
        """Return the rows at `indices`, still sparse."""
        return SparseRows(self.matrix[indices], self.dtype)

    def dense(self, indices: NDArray[np.int64]) -> Floats:
        """Return the rows at `indices` as an array of shape (len(indices), n_features)."""
        rows: Floats = np.ascontiguousarray(self.matrix[indices].toarray())
        return rows
