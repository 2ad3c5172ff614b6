"""Agglomerative clustering: AgglomerativeClustering, an estimator after scikit-learn's.

Starting from single rows, the two clusters at the smallest distance are merged until one is left:
a tree, which is cut where n_clusters remain or where merges reach a distance. Linkages differ in
what the distance of two clusters is. With a connectivity graph only neighbours may merge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from coterie import _core
from coterie._clusters import Clusters, leaf_labels, leaf_weights, roots, top_nodes
from coterie._constrained import LINKAGES as CONSTRAINED
from coterie._distances import metric_name
from coterie._estimator import Estimator
from coterie._mixture import dense, refuse_sparse
from coterie._trees import cached, tree
from coterie._validate import (
    check_bool,
    check_int,
    check_option,
    check_real,
    check_threads,
    feature_names,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from coterie._core import Floats
    from coterie._distances import Metric

__all__ = ["AgglomerativeClustering"]

LINKAGES = ("ward", "complete", "average", "single", "weighted", "centroid", "median")


class Options(NamedTuple):
    """Checked parameters; of n_clusters and threshold one is None."""

    n_clusters: int | None
    threshold: float | None
    linkage: str
    metric: Metric
    full: bool | None  # None: decide by n_samples
    compute_distances: bool
    n_threads: int


class AgglomerativeClustering(Estimator):
    """Agglomerative clustering with scikit-learn's interface.

    Parameters
    ----------
    n_clusters : int or None, default=2
        Number of clusters; None if `distance_threshold` is given instead.
    metric : str or callable, default='euclidean'
        Distance between rows: 'euclidean' ('l2'), 'manhattan' ('l1', 'cityblock'), 'cosine', any
        other that `coterie.hierarchy.linkage` knows, or 'precomputed', for which X holds the
        distances. A callable is given X and returns the matrix of distances; with a connectivity
        it is given two rows and returns a number. 'ward' takes 'euclidean' and 'l2' only.
    memory : str, object with a method `cache`, or None, default=None
        Where to keep trees, so that a fit with another n_clusters need not build one: a folder
        (needs joblib) or a joblib.Memory.
    connectivity : array-like or sparse matrix of shape (n_samples, n_samples), or callable, \
default=None
        Graph of the rows that may merge: an entry that is not zero joins its row and column. A
        callable is given X and returns one. Needs SciPy: `pip install 'coterie[sparse]'`.
    compute_full_tree : 'auto' or bool, default='auto'
        False stops at n_clusters, only with a connectivity; 'auto' does so where n_clusters is at
        least max(100, n_samples / 50). Must not be False with a distance_threshold.
    linkage : {'ward', 'complete', 'average', 'single', 'weighted', 'centroid', 'median'}, \
default='ward'
        Distance of two clusters a and b of n_a and n_b rows and means m_a and m_b: sqrt(2 n_a n_b
        / (n_a + n_b)) |m_a - m_b|, whose square is twice what the merge adds to the squared
        distances of rows to their means; the largest, the mean or the smallest distance between
        their rows; the mean where each merge counts both sides alike; |m_a - m_b|, and that
        where a mean is half-way between those of both sides. With a connectivity one of the first
        four: 'ward' as it stands, the others of the distances along edges.
    distance_threshold : float or None, default=None
        Merges at this distance and above are undone: then n_clusters must be None.
    compute_distances : bool, default=False
        Have `distances_` without a distance_threshold, too.
    n_threads : int, default=None
        Threads to use; None is all CPUs of this process. The result has the same bits for any.

    Attributes
    ----------
    n_clusters_ : int
        Number of clusters.
    labels_ : ndarray of shape (n_samples,)
        Cluster of each row.
    n_leaves_ : int
        Leaves of the tree: n_samples.
    n_connected_components_ : int
        Components of the connectivity graph as it was given; 1 without.
    children_ : ndarray of shape (n_samples - 1, 2)
        What each merge joins: a row i < n_samples, or merge i - n_samples. Fewer merges if the
        tree stops at n_clusters; 'single' always goes on.
    distances_ : ndarray of shape (n_samples - 1,)
        At what distance; only with distance_threshold or compute_distances.
    n_features_in_ : int
        Number of features of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, only if all of them are strings.

    Notes
    -----
    Without connectivity the cost is that of `coterie.hierarchy.linkage`, O(n_samples^2) distances
    or more. With a graph of e edges it is O(e log e) for 'single', O(e log^2 e) for 'complete' and
    'average'; 'ward' looks at all edges of every new cluster, in O(n_features) each, as do the two
    where many distances are equal. Equal distances are merged in the order of (smaller, larger)
    name, a cluster's name being the largest row in it; for 'single', of the two rows.

    Trees are those of scikit-learn where no distances are equal, and labels have the same numbers;
    but for 'single', where scikit-learn writes the two of a merge in the order in which its search
    met them, while here, as elsewhere, the smaller comes first: clusters are then the same and
    their numbers may differ. The estimator keeps X, not a copy of it, for `predict`.

    References
    ----------
    D. Muellner: Modern hierarchical, agglomerative clustering algorithms. arXiv:1109.2378, 2011.
    J. H. Ward: Hierarchical Grouping to Optimize an Objective Function. JASA 58, 1963.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> model = AgglomerativeClustering().fit(X)
    >>> model.labels_
    array([1, 1, 1, 0, 0, 0])
    >>> model.predict([[0, 0], [12, 3]])
    array([1, 0])
    """

    _estimator_type: ClassVar[str] = "clusterer"

    n_clusters_: int
    labels_: NDArray[np.intp]
    n_leaves_: int
    n_connected_components_: int
    children_: NDArray[np.intp]
    distances_: NDArray[np.float64]
    _heights: NDArray[np.float64]
    _nodes: list[int]
    _fitted: Floats
    _measure: tuple[str, Metric]

    def __init__(
        self,
        n_clusters: int | None = 2,
        *,
        metric: Metric = "euclidean",
        memory: Any = None,
        connectivity: Any = None,
        compute_full_tree: str | bool = "auto",
        linkage: str = "ward",
        distance_threshold: float | None = None,
        compute_distances: bool = False,
        n_threads: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.metric = metric
        self.memory = memory
        self.connectivity = connectivity
        self.compute_full_tree = compute_full_tree
        self.linkage = linkage
        self.distance_threshold = distance_threshold
        self.compute_distances = compute_distances
        self.n_threads = n_threads

    def fit(self, X: ArrayLike, y: object = None) -> AgglomerativeClustering:
        """Build the tree of X and cut it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or (n_samples, n_samples)
            Rows to cluster, at least two, all finite; for the metric 'precomputed' their distances,
            of which the half above the diagonal is read.
        y : ignored
            Only there for pipelines.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If X or a parameter is not as described; the message names it.
        ImportError
            If connectivity is given and SciPy is not installed, or memory is a folder and joblib
            is not.

        Warns
        -----
        UserWarning
            If the connectivity graph is not connected: each two components are then joined by an
            edge between their nearest rows.
        """
        del y
        options = self._check_options()
        names = feature_names(X)
        rows = dense(X, self)
        n_samples, stop = len(rows), options.n_clusters or 1
        _check_samples(rows, options)
        graph = self.connectivity(rows) if callable(self.connectivity) else self.connectivity
        full = options.full
        if full is None:
            full = options.threshold is not None or stop < max(100, 0.02 * n_samples)
        full = full or graph is None
        build = cached(tree, self.memory)
        until = 1 if full or options.linkage == "single" else stop
        children, heights, n_components = build(
            rows, graph, options.linkage, options.metric, until, options.n_threads
        )
        if options.threshold is not None:
            stop = int(np.count_nonzero(heights >= options.threshold)) + 1
        used = children if full else children[: n_samples - stop]
        nodes = top_nodes(used, n_samples, stop) if full else roots(used, n_samples)
        labels = leaf_labels(used, n_samples, nodes)
        self.children_, self._heights, self._nodes = children, heights, nodes
        self.n_clusters_, self.labels_ = stop, labels
        self.n_leaves_, self.n_connected_components_ = n_samples, n_components
        self._fitted, self._measure = rows, (options.linkage, options.metric)
        vars(self).pop("distances_", None)
        if options.threshold is not None or options.compute_distances:
            self.distances_ = heights
        self._store_features(rows.shape[1], names)
        return self

    def fit_predict(self, X: ArrayLike, y: object = None) -> NDArray[np.intp]:
        """Fit, and return `labels_`. Arguments and errors are those of `fit`."""
        return self.fit(X, y).labels_

    def predict(self, X: ArrayLike) -> NDArray[np.intp]:
        """Return the nearest cluster of every row, by the distance that the linkage defines.

        The distance of a row x to a cluster of n rows with mean m is that of the linkage between
        {x} and the cluster: the smallest ('single'), largest ('complete') or mean ('average')
        distance to its rows, their mean with the weight of each halved by every merge
        ('weighted'), sqrt(2 n / (n + 1)) |x - m| ('ward'), |x - m| ('centroid'), or |x - m| with
        weights halved ('median'). The tree stays as it is: rows that were fitted may come out in
        another cluster than `labels_` says. A connectivity plays no part.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or (n_rows, n_samples)
            Rows, all finite; for the metric 'precomputed' distances to the rows that were fitted.

        Returns
        -------
        ndarray of shape (n_rows,)
            Labels; the lowest wins a tie. O(n_samples) distances a row, or O(n_clusters) where the
            linkage needs means only, in blocks: no matrix of n_rows x n_samples is held.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X is not finite or has other features than at fit; if the metric is a callable, or
            'precomputed' where the linkage needs means.
        """
        self._require_fit()
        rows = self._fitted_dense(X)
        n_threads = check_threads(self.n_threads)
        _core.moments(rows, None, n_threads)  # refuses what is not finite
        linkage, metric = self._measure
        weights = np.ones(self.n_leaves_)
        if linkage in ("weighted", "median"):
            weights = leaf_weights(self.children_, self.n_leaves_, self._nodes)
        known = None if metric == "precomputed" else self._fitted
        clusters = Clusters(known, self.labels_, weights, linkage, metric)
        return clusters.nearest(rows, n_threads)

    def plot_dendrogram(self, **options: Any) -> Any:
        """Draw the tree by `coterie.hierarchy.dendrogram`.

        Parameters
        ----------
        **options : dict
            Passed on: `truncate_mode`, `ax`, ...

        Returns
        -------
        dict
            What `coterie.hierarchy.dendrogram` returns.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the tree stopped at n_clusters.
        ImportError
            If matplotlib is not installed.
        """
        self._require_fit()
        n_leaves = self.n_leaves_
        if len(self.children_) < n_leaves - 1:
            raise ValueError(
                "compute_full_tree: wanted True for a dendrogram, got a tree that stopped at "
                f"{self.n_clusters_} clusters"
            )
        from coterie.hierarchy import dendrogram

        sizes = np.ones(n_leaves - 1)
        Z = np.column_stack([self.children_, self._heights, sizes])
        _core.tree_sizes(Z, sizes)
        Z[:, 3] = sizes
        return dendrogram(Z, **options)

    def _fitted_dense(self, X: object) -> Floats:
        refuse_sparse(X, self)
        rows: Any = self._fitted_rows(X)
        return rows  # type: ignore[no-any-return]

    def _check_options(self) -> Options:
        n_clusters, threshold, full = self.n_clusters, self.distance_threshold, None
        if (n_clusters is None) == (threshold is None):
            raise ValueError(
                "n_clusters: wanted exactly one of n_clusters and distance_threshold, the other "
                f"None, got {n_clusters!r} and {threshold!r}"
            )
        if not isinstance(self.compute_full_tree, str):
            full = check_bool(self.compute_full_tree, "compute_full_tree")
        else:
            check_option(self.compute_full_tree, "compute_full_tree", ("auto",), "; or a bool")
        if threshold is not None and full is False:
            raise ValueError(
                "compute_full_tree: wanted True or 'auto' with a distance_threshold, got False"
            )
        linkage = check_option(self.linkage, "linkage", LINKAGES)
        if self.connectivity is not None:
            check_option(linkage, "linkage", CONSTRAINED, " with a connectivity")
        if not isinstance(self.metric, str) and not callable(self.metric):
            raise TypeError(f"metric: wanted a name or a callable, got {self.metric!r}")
        if linkage == "ward" and metric_name(self.metric) != "euclidean":
            raise ValueError(
                f"metric: wanted 'euclidean' or 'l2' for linkage 'ward', got {self.metric!r}"
            )
        return Options(
            None if n_clusters is None else check_int(n_clusters, "n_clusters"),
            None if threshold is None else check_real(threshold, "distance_threshold"),
            linkage,
            self.metric,
            full,
            check_bool(self.compute_distances, "compute_distances"),
            check_threads(self.n_threads),
        )


def _check_samples(rows: Floats, options: Options) -> None:
    n_samples, n_clusters = len(rows), options.n_clusters
    if n_samples < 2:
        raise ValueError(f"X: wanted at least 2 rows, got {n_samples} sample(s)")
    if n_clusters is not None and n_clusters > n_samples:
        raise ValueError(
            f"n_clusters: wanted at most n_samples = {n_samples} clusters, got {n_clusters}"
        )
    if options.metric == "precomputed" and rows.shape[1] != n_samples:
        raise ValueError(
            "X: wanted a square matrix of distances for the metric 'precomputed', "
            f"got shape {rows.shape}"
        )
    _core.moments(rows, None, options.n_threads)  # refuses what is not finite
