"""Trees to labels: where a tree is cut, and which of the clusters a new row is nearest to."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

from coterie._distances import cross

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie._core import Floats
    from coterie._distances import Metric

BLOCK = 1 << 22  # distances held at a time, but for
ROWS = 16  # rows at least, so that arranging the members costs little beside
CENTERED = ("ward", "centroid", "median")  # linkages that measure from a centre


def top_nodes(children: NDArray[np.intp], n_leaves: int, n_clusters: int) -> list[int]:
    """Return the n_clusters highest nodes that together hold every leaf.

    The latest merge is undone until there are enough. The order is that of a binary heap, as in
    scikit-learn, whose numbers the clusters shall have.
    """
    nodes = [-(n_leaves + len(children) - 1)]  # negative: heapq's heaps have the least on top
    for _ in range(n_clusters - 1):
        left, right = children[-nodes[0] - n_leaves].tolist()
        heapq.heappush(nodes, -left)
        heapq.heapreplace(nodes, -right)
    return [-node for node in nodes]


def roots(children: NDArray[np.intp], n_leaves: int) -> list[int]:
    """Return the nodes of a forest that no merge took up, in ascending order."""
    free = np.ones(n_leaves + len(children), dtype=bool)
    free[children] = False
    top: list[int] = np.flatnonzero(free).tolist()
    return top


def leaf_labels(children: NDArray[np.intp], n_leaves: int, nodes: list[int]) -> NDArray[np.intp]:
    """Return for every leaf the position in `nodes` of the one that holds it."""
    above = np.arange(n_leaves + len(children))
    above[children] = np.arange(n_leaves, len(above))[:, None]
    above[nodes] = nodes
    while True:  # each round doubles how far up a leaf sees
        further = above[above]
        if np.array_equal(further, above):
            break
        above = further
    position = np.zeros(len(above), dtype=np.intp)
    position[nodes] = np.arange(len(nodes))
    labels: NDArray[np.intp] = position[above[:n_leaves]]
    return labels


def leaf_weights(
    children: NDArray[np.intp], n_leaves: int, nodes: list[int]
) -> NDArray[np.float64]:
    """Return for every leaf 2^-depth below its node: its share where merges halve."""
    weights = np.ones(n_leaves + len(children))
    tops = np.zeros(len(weights), dtype=bool)
    tops[nodes] = True
    for node in range(len(weights) - 1, n_leaves - 1, -1):
        weights[children[node - n_leaves]] = 0.5 if tops[node] else weights[node] / 2
    weights[tops] = 1
    return weights[:n_leaves]


class Clusters:
    """The clusters of a fitted tree, ready to be measured from new rows.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features) or None
        The rows that were clustered; None where only their distances were known.
    labels : ndarray of shape (n_samples,)
        Cluster of each row; none is empty.
    weights : ndarray of shape (n_samples,)
        Share of each row in its cluster, but for a factor.
    linkage : str
        The method, which says what the distance to a cluster is.
    metric : str or callable
        Distance between rows.
    """

    def __init__(
        self,
        X: Floats | None,
        labels: NDArray[np.intp],
        weights: NDArray[np.float64],
        linkage: str,
        metric: Metric,
    ) -> None:
        if X is None and linkage in CENTERED:
            raise ValueError(
                f"metric: wanted one between rows for predict with linkage {linkage!r}, which "
                "measures from the mean of rows, got 'precomputed'"
            )
        if callable(metric):
            raise ValueError(f"metric: wanted the name of one for predict, got {metric!r}")
        self.linkage, self.metric = linkage, metric
        self.order = np.argsort(labels, kind="stable")
        self.sizes = np.bincount(labels)
        self.starts = np.cumsum(self.sizes) - self.sizes
        total = np.bincount(labels, weights)
        self.weights = (weights / total[labels])[self.order]
        self.points: NDArray[np.float64] | None = None
        if X is not None:
            self.points = X[self.order].astype(np.float64, copy=False)
        if self.points is not None and linkage in CENTERED:
            self.points = np.add.reduceat(self.points * self.weights[:, None], self.starts)

    def nearest(self, X: Floats, n_threads: int) -> NDArray[np.intp]:
        """Return the number of the cluster nearest to each row of X, the lowest of equals."""
        out = np.empty(len(X), dtype=np.intp)
        step = max(ROWS, BLOCK // len(self.order if self.points is None else self.points))
        for begin in range(0, len(X), step):
            rows = X[begin : begin + step]
            if self.points is None:
                apart = rows[:, self.order].astype(np.float64, copy=False)
            else:
                apart = cross(rows, self.points, self.metric, n_threads)
            out[begin : begin + step] = self._reduced(apart).argmin(axis=1)
        return out

    def _reduced(self, apart: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the distances to clusters, from those to members or to centres."""
        if self.linkage == "ward":
            return apart * np.sqrt(2 * self.sizes / (self.sizes + 1))
        if self.linkage in CENTERED:
            return apart
        reduced: NDArray[np.float64]
        if self.linkage == "single":
            reduced = np.minimum.reduceat(apart, self.starts, axis=1)
        elif self.linkage == "complete":
            reduced = np.maximum.reduceat(apart, self.starts, axis=1)
        else:
            reduced = np.add.reduceat(apart * self.weights, self.starts, axis=1)
        return reduced
