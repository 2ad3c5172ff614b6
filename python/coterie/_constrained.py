"""Agglomeration along a connectivity graph: its edges, their lengths, and the merges they allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from coterie import _core
from coterie._distances import Metric, between, near_origin, paired
from coterie._estimator import warn
from coterie._sparse import is_sparse
from coterie._validate import check_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie._core import Floats

LINKAGES = ("ward", "complete", "average", "single")
BLOCK = 1 << 22  # distances held at a time


def constrained_tree(
    X: Floats,
    connectivity: Any,
    linkage: str,
    metric: Metric,
    n_clusters: int,
    n_threads: int,
) -> tuple[NDArray[np.intp], NDArray[np.float64], int]:
    """Merge rows of X, or of distances, along the edges of a graph until n_clusters are left.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows; for the metric 'precomputed' distances, (n_samples, n_samples).
    connectivity : array-like or sparse matrix of shape (n_samples, n_samples)
        An entry that is not zero, on either side of the diagonal, is an edge.
    linkage : {'ward', 'complete', 'average', 'single'}
        What a merge minimises.
    metric : str or callable
        Length of an edge; a callable takes two rows.
    n_clusters : int
        Where to stop.
    n_threads : int
        Threads for what is measured in bulk.

    Returns
    -------
    children : ndarray of shape (n_samples - n_clusters, 2)
        What each merge joins, the smaller number first.
    heights : ndarray of shape (n_samples - n_clusters,)
        At what distance.
    n_components : int
        Connected components of the graph as it came.
    """
    low, high, parts = _edges(connectivity, len(X))
    n_components = int(parts.max()) + 1
    if n_components > 1:
        warn(
            f"connectivity: the number of connected components of the graph is {n_components} > 1; "
            "each two of them are joined by an edge between their nearest rows, or the tree would "
            "have several roots.",
            UserWarning,
        )
        a, b = _bridges(X, parts, "euclidean" if linkage == "ward" else metric, n_threads)
        low = np.append(low, np.minimum(a, b))
        high = np.append(high, np.maximum(a, b))
    if linkage == "ward":
        values = near_origin(np.ascontiguousarray(X, dtype=np.float64))
    else:
        values = paired(X, high, low, metric)
        if not (values >= 0).all():
            e = int(np.flatnonzero(~(values >= 0))[0])
            raise ValueError(
                f"metric: wanted distances >= 0, got {values[e]} between rows {low[e]} and "
                f"{high[e]} of X"
            )
    children, heights = _core.constrained(
        low.astype(np.int32), high.astype(np.int32), linkage, values, len(X), n_clusters
    )
    return children.reshape(-1, 2).astype(np.intp, copy=False), heights, n_components


def _edges(
    connectivity: Any, n_samples: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Return the edges as pairs low < high, and the component of every row."""
    try:
        from scipy import sparse
        from scipy.sparse import csgraph
    except ImportError as error:
        raise ImportError(
            "connectivity: wanted SciPy, which reads graphs; pip install 'coterie[sparse]'"
        ) from error
    rows: Any = check_rows(connectivity, "connectivity")
    matrix = sparse.csr_array(rows.matrix if is_sparse(connectivity) else rows)
    if matrix.shape != (n_samples, n_samples):
        raise ValueError(
            f"connectivity: wanted shape (n_samples, n_samples) = ({n_samples}, {n_samples}), "
            f"got {matrix.shape}"
        )
    if not np.isfinite(matrix.data).all():
        raise ValueError("connectivity: wanted finite values, got NaN or infinity")
    both = matrix + matrix.T
    both.eliminate_zeros()
    _, parts = csgraph.connected_components(both, directed=False)
    upper = sparse.triu(both, k=1).tocoo()
    return upper.row.astype(np.int64), upper.col.astype(np.int64), parts


def _bridges(
    X: Floats, parts: NDArray[np.int32], metric: Metric, n_threads: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each two components the rows that are nearest; the lowest rows win a tie."""
    order = np.argsort(parts, kind="stable")
    starts = np.append(0, np.cumsum(np.bincount(parts)))
    pairs = []
    for part in range(1, len(starts) - 1):
        earlier, first = order[: starts[part]], starts[:part]
        best, rows = np.full(part, np.inf), np.zeros((2, part), dtype=np.int64)
        step = max(1, BLOCK // len(earlier))
        for begin in range(starts[part], starts[part + 1], step):
            mine = order[begin : min(begin + step, starts[part + 1])]
            block = between(X, mine, earlier, metric, n_threads)
            nearest = np.minimum.reduceat(block, first, axis=1)
            at = nearest.argmin(axis=0)
            for other in np.flatnonzero(nearest.min(axis=0) < best):
                line = block[at[other], first[other] : starts[other + 1]]
                best[other] = line.min()
                rows[:, other] = mine[at[other]], earlier[first[other] + line.argmin()]
        pairs.append(rows)
    a, b = np.concatenate(pairs, axis=1)
    return a, b
