"""The tree of an X, by a connectivity graph or by `coterie.hierarchy.linkage`; kept on disk."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from coterie._constrained import constrained_tree
from coterie._distances import above_diagonal, check_directions, metric_name
from coterie._validate import check_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie._core import Floats
    from coterie._distances import Metric

    Tree: TypeAlias = tuple[NDArray[np.intp], NDArray[np.float64], int]


def cached(build: Callable[..., Tree], memory: Any) -> Callable[..., Tree]:
    """Return `build`, with results kept in `memory`: a folder or what has a method `cache`."""
    if memory is None:
        return build
    if isinstance(memory, str):
        try:
            joblib: Any = importlib.import_module("joblib")
        except ImportError as error:
            raise ImportError(
                "memory: wanted joblib, which keeps results in folders; pip install joblib"
            ) from error
        memory = joblib.Memory(location=memory, verbose=0)
    if not hasattr(memory, "cache"):
        raise ValueError(
            f"memory: wanted None, a folder or an object with a method `cache`, got {memory!r}"
        )
    kept: Callable[..., Tree] = memory.cache(build)
    return kept


def tree(
    X: Floats, graph: Any, linkage: str, metric: Metric, n_clusters: int, n_threads: int
) -> Tree:
    """Return children, heights and the number of components of the graph."""
    if metric == "cosine":
        check_directions(X)
    if graph is not None:
        return constrained_tree(X, graph, linkage, metric, n_clusters, n_threads)
    from coterie.hierarchy import linkage as linkage_matrix

    y: Any = X
    name = metric_name(metric)
    if callable(metric):
        y = check_rows(metric(X), "metric(X)")
        if y.shape != (len(X), len(X)):
            raise ValueError(
                f"metric: wanted a callable that returns a matrix of shape ({len(X)}, {len(X)}), "
                f"got shape {y.shape}"
            )
    if name in ("", "precomputed"):
        y, name = above_diagonal(y), "euclidean"
    Z = linkage_matrix(y, linkage, name, n_threads=n_threads)
    return Z[:, :2].astype(np.intp), Z[:, 2].copy(), 1
