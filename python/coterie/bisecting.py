"""Bisecting k-means: clusters by repeated division in two, and the tree of the divisions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coterie import _core
from coterie._assign import assign, weighted_sum
from coterie._centers import CenterModel
from coterie._lloyd import (
    SAME_AS_LLOYD,
    Options,
    Progress,
    Run,
    check_verbose,
    run_from,
    warn_if_fewer,
)
from coterie._seeding import check_count, check_random, initial_centers
from coterie._sparse import SparseRows
from coterie._validate import (
    check_bool,
    check_int,
    check_option,
    check_real,
    check_rows,
    check_state,
    check_threads,
    check_weights,
    core_rows,
    feature_names,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from coterie._core import Floats, Weights
    from coterie._seeding import Random
    from coterie._validate import Rows

__all__ = ["BisectingKMeans"]

STARTS = ("k-means++", "random")
STRATEGIES = ("biggest_inertia", "largest_cluster")
BETTER = 1 - 1e-6  # a further start must win by this: the rule of scikit-learn


class BisectingKMeans(CenterModel):
    """k-means by repeated division, with scikit-learn's interface.

    All rows begin as one cluster. Until there are n_clusters, the cluster of largest inertia, or
    of most rows, is divided by 2-means. The divisions form a tree, which `predict` descends.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters k, at most the number of rows of positive weight.
    init : {'k-means++', 'random'} or callable, default='random'
        Where each 2-means starts: greedy k-means++; two different rows; or a callable
        `init(rows, 2, random_state=generator)` that returns an array of shape (2, n_features).
    n_init : int, default=1
        Number of starts of each division, of which the one of lowest inertia is kept.
    random_state : int, RandomState, Generator or None, default=None
        Source of the draws; None is NumPy's global generator.
    max_iter : int, default=300
        Most iterations of one 2-means.
    verbose : int, default=0
        Above 0, print the inertia of every iteration and the centres of every division.
    tol : float, default=1e-4
        A 2-means ends when the summed squared movement of its centres is at most `tol`, in the
        squared unit of X, or when no label changes. Unlike KMeans, and like scikit-learn, it is
        not relative to the variance.
    copy_x : bool, default=True
        Accepted for scikit-learn's sake: X is never written to.
    algorithm : 'lloyd', default='lloyd'
        Accepted for scikit-learn's sake.
    bisecting_strategy : {'biggest_inertia', 'largest_cluster'}, default='biggest_inertia'
        Which cluster is divided next: that of largest inertia, or that of most rows. The first in
        the order of the labels wins a tie.
    n_threads : int, default=None
        Threads to use; None is all CPUs of this process. The result has the same bits for any.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        Centres, in the dtype of X.
    labels_ : ndarray of shape (n_samples,), int32
        Cluster of each row, always equal to `predict(X)`.
    inertia_ : float
        Weighted sum of squared distances of rows to the centres of their clusters.
    linkage_matrix_ : ndarray of shape (n_clusters - 1, 4), float64
        The divisions as a linkage matrix in SciPy's format, the clusters being its leaves. The
        height of a division is sqrt(2 SSE), with SSE the weighted sum of squared distances of the
        divided cluster's rows to their mean: the distance of two rows, for a cluster of two.
        Heights never decrease.
    n_features_in_ : int
        Number of features of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, only if all of them are strings.

    Notes
    -----
    An iteration of a division takes O(n_rows * n_features) operations, so a tree whose divisions
    are even takes O(n_samples * n_features * log(n_clusters)) times the iterations of one. Beside
    X there is one copy of the rows of the cluster that is divided.

    The same integer or RandomState divides alike in scikit-learn, row for row, unless two starts
    or two clusters tie within rounding (for sparse float32 rows scikit-learn's is that of float32).
    Three things differ on purpose: with n_clusters=1 and weights the centre is the weighted mean;
    a cluster with fewer than two rows of positive weight is never chosen, where scikit-learn stops
    with an error; a callable `init` sees the rows as they were passed, not with the mean of X taken
    off. A row may lie closer to the centre of another cluster than to its own: `score` and
    `transform` look at all centres, as scikit-learn's do.

    References
    ----------
    M. Steinbach, G. Karypis, V. Kumar: A Comparison of Document Clustering Techniques. KDD
    Workshop on Text Mining, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 1], [10, 1], [3, 1], [10, 0], [2, 1], [10, 2], [10, 8], [10, 9]])
    >>> model = BisectingKMeans(n_clusters=3, random_state=0).fit(X)
    >>> model.labels_
    array([0, 2, 0, 2, 0, 2, 1, 1], dtype=int32)
    >>> model.predict([[0, 0], [12, 3]])
    array([0, 2], dtype=int32)
    >>> model.linkage_matrix_[:, :2]
    array([[1., 2.],
           [0., 3.]])
    """

    linkage_matrix_: NDArray[np.float64]
    _children: NDArray[np.int64]  # (k - 1, 2): label of a cluster, or k + number of a division
    _pairs: Floats  # (k - 1, 2, n_features): the two centres of each division

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: str | Callable[..., Any] = "random",
        n_init: int = 1,
        random_state: int | Random | None = None,
        max_iter: int = 300,
        verbose: int = 0,
        tol: float = 1e-4,
        copy_x: bool = True,
        algorithm: str = "lloyd",
        bisecting_strategy: str = "biggest_inertia",
        n_threads: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.random_state = random_state
        self.max_iter = max_iter
        self.verbose = verbose
        self.tol = tol
        self.copy_x = copy_x
        self.algorithm = algorithm
        self.bisecting_strategy = bisecting_strategy
        self.n_threads = n_threads

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(_check_tree(check_state(state)))

    def _fit(self, X: object, sample_weight: object) -> Rows:
        options = _check_options(self)
        names = feature_names(X)
        rows = check_rows(X)
        weights = check_weights(sample_weight, rows.shape[0])
        k = options.n_clusters
        check_count(k, rows.shape[0])
        if weights is not None and np.count_nonzero(weights) < k:
            raise ValueError(
                f"sample_weight: wanted at least n_clusters={k} weights above zero, "
                f"got {np.count_nonzero(weights)}"
            )
        tree = Divisions(rows, weights, self, options)
        while len(tree.leaves) < k:
            tree.divide()
        labels = tree.labels()
        warn_if_fewer(labels, k)
        # All is known: from here on nothing can fail, so an aborted fit leaves no trace.
        self.labels_ = labels
        self.cluster_centers_ = np.array([leaf.center for leaf in tree.leaves])
        self.inertia_ = float(sum(leaf.inertia for leaf in tree.leaves))
        self._children = tree.children()
        self._pairs = np.array(tree.pairs, rows.dtype).reshape(k - 1, 2, rows.shape[1])
        self.linkage_matrix_ = _linkage(self._children, np.array(tree.heights))
        self._store_features(rows.shape[1], names)
        return rows

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Return the cluster of every row: down the tree, at each division to the nearer centre.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows, all finite.

        Returns
        -------
        ndarray of shape (n_samples,), int32
            Labels; at a division the first of its two clusters wins a tie.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X is not finite or has other features than at fit.
        """
        rows, k = self._fitted_rows(X), len(self._children) + 1
        threads = check_threads(self.n_threads)
        if k == 1:
            return assign(rows, self.cluster_centers_, threads)[0]
        labels = np.empty(rows.shape[0], dtype=np.int32)
        ahead = [(0, np.arange(rows.shape[0]))]
        while ahead:
            division, members = ahead.pop()
            some = _take(rows, members)
            sides, _ = assign(some, self._pairs[division].astype(rows.dtype, copy=False), threads)
            for side, child in enumerate(self._children[division].tolist()):
                where = members[sides == side]
                if child < k:
                    labels[where] = child
                elif len(where):
                    ahead.append((child - k, where))
        return labels


class Place(NamedTuple):
    """Where a node hangs in the tree."""

    division: int  # the division it came from, -1: none
    side: int  # 0 or 1: the first or the second of its two clusters


class Leaf(NamedTuple):
    """A cluster that may yet be divided."""

    members: NDArray[np.int64]  # its rows, ascending
    center: Floats
    inertia: float  # of its rows about the centre
    place: Place


class Divisions:
    """The tree while it grows; `leaves` are its clusters from left to right."""

    def __init__(
        self,
        rows: Rows,
        weights: Weights,
        model: BisectingKMeans,
        options: Options,
    ) -> None:
        self.rows, self.weights, self.options = rows, weights, options
        self.by_inertia = model.bisecting_strategy == "biggest_inertia"
        self.init, self.random = model.init, check_random(model.random_state)
        self.heights: list[float] = []
        self.places: list[Place] = []
        self.pairs: list[Floats] = []
        mean, _ = _core.moments(core_rows(rows), weights, options.n_threads)  # refuses non-finite X
        center = mean.astype(rows.dtype)
        _, sq_distances = assign(rows, center[None, :], options.n_threads)
        inertia = weighted_sum(sq_distances, weights)
        self.leaves = [Leaf(np.arange(rows.shape[0]), center, inertia, Place(-1, 0))]
        self.scores = np.zeros(1)

    def divide(self) -> None:
        """Divide the leaf of largest score, the leftmost winning a tie."""
        at, options = int(self.scores.argmax()), self.options
        leaf, division = self.leaves[at], len(self.heights)
        rows, weights = _take(self.rows, leaf.members), self._weights(leaf.members)
        moments = _core.moments(core_rows(rows), weights, options.n_threads)
        best: Run | None = None
        for _ in range(options.n_init):
            start = initial_centers(rows, self.init, 2, weights, self.random, options.n_threads)
            run = run_from(start, rows, weights, moments, options.tol, options)
            if best is None or run.inertia < best.inertia * BETTER:
                best = run
        assert best is not None  # n_init >= 1
        if options.progress is not None:
            print(f"New centroids from bisection: {best.centers}")
        total = float(len(leaf.members) if weights is None else weights.sum())
        height = math.sqrt(2 * total * math.fsum(moments[1].tolist()))
        if leaf.place.division >= 0:  # no part has a larger SSE than the whole, but for rounding
            height = min(height, self.heights[leaf.place.division])
        self.heights.append(height)
        self.places.append(leaf.place)
        self.pairs.append(best.centers)
        _, sq_distances = assign(rows, best.centers, options.n_threads)
        parts = []
        for side in (0, 1):
            mine = best.labels == side
            inertia = weighted_sum(sq_distances[mine], None if weights is None else weights[mine])
            place = Place(division, side)
            parts.append(Leaf(leaf.members[mine], best.centers[side], inertia, place))
        self.leaves[at : at + 1] = parts
        self.scores = np.insert(self.scores, at + 1, 0)
        self.scores[at : at + 2] = [self._score(part) for part in parts]

    def _score(self, leaf: Leaf) -> float:
        weights = self._weights(leaf.members)
        positive = len(leaf.members) if weights is None else np.count_nonzero(weights)
        if positive < 2:
            return -1  # another leaf has two: n_clusters is at most the number of positive rows
        return leaf.inertia if self.by_inertia else len(leaf.members)

    def _weights(self, members: NDArray[np.int64]) -> Weights:
        return None if self.weights is None else self.weights[members]

    def labels(self) -> NDArray[np.int32]:
        """Return the number of each row's leaf."""
        labels = np.empty(self.rows.shape[0], dtype=np.int32)
        for label, leaf in enumerate(self.leaves):
            labels[leaf.members] = label
        return labels

    def children(self) -> NDArray[np.int64]:
        """Return what each division leads to: the label of a leaf, or k + a later division."""
        k = len(self.leaves)
        children = np.empty((k - 1, 2), dtype=np.int64)
        for label, leaf in enumerate(self.leaves):
            if k > 1:
                children[leaf.place] = label
        for division, place in enumerate(self.places[1:], 1):
            children[place] = k + division
        return children


def _check_options(model: BisectingKMeans) -> Options:
    """Return the parameters of `model`; only here do they meet their rules."""
    if isinstance(model.init, str) or not callable(model.init):
        check_option(model.init, "init", STARTS, "; a callable will do, too")
    check_option(model.algorithm, "algorithm", ("lloyd",), SAME_AS_LLOYD)
    check_option(model.bisecting_strategy, "bisecting_strategy", STRATEGIES)
    check_bool(model.copy_x, "copy_x")
    verbose = check_verbose(model.verbose)
    return Options(
        check_int(model.n_clusters, "n_clusters"),
        check_int(model.n_init, "n_init"),
        check_int(model.max_iter, "max_iter"),
        check_real(model.tol, "tol"),
        "relocate",
        check_threads(model.n_threads),
        Progress(None, verbose) if verbose else None,
    )


def _take(rows: Rows, members: NDArray[np.int64]) -> Rows:
    """Return the rows at `members`, which ascend; all of them are not copied."""
    if len(members) == rows.shape[0]:
        return rows
    return rows.take(members) if isinstance(rows, SparseRows) else rows[members]


def _linkage(children: NDArray[np.int64], heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the divisions as merges in SciPy's format: lowest first, parts before the whole."""
    m, k = len(heights), len(heights) + 1
    order = np.lexsort((-np.arange(m), heights))  # a part is divided after the whole
    ids = np.arange(k + m)
    ids[k + order] = np.arange(k, k + m)
    sizes = np.ones(k + m)
    for division in range(m - 1, -1, -1):
        sizes[k + division] = sizes[children[division]].sum()
    pairs = np.sort(ids[children], axis=1)[order]
    return np.column_stack((pairs, heights[order], sizes[k:][order]))


def _check_tree(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a fitted model, as a pickle brings it, if its tree is one."""
    if "n_features_in_" not in state:
        return state
    k, d = state["cluster_centers_"].shape
    children, pairs = np.asarray(state.get("_children")), np.asarray(state.get("_pairs"))
    given = (children.shape, pairs.shape, children.dtype.kind, pairs.dtype.kind)
    if given == ((k - 1, 2), (k - 1, 2, d), "i", "f"):
        nodes = [i for i in range(2 * k - 1) if i != k]  # each has one parent; k is the root
        later = (children < k) | (children - k > np.arange(k - 1)[:, None])
        if k == 1 or (sorted(children.ravel().tolist()) == nodes and later.all()):
            return state
    raise ValueError(f"_children: wanted a tree with {k} leaves, got {children!r}")
