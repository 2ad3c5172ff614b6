"""Starting centres for k-means: k-means++, k-means||, random rows, a callable, or an array.

Random numbers are drawn as scikit-learn draws them, so one `random_state` gives one and the same
start in both packages. The draws happen here; the passes over the rows happen in the core.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from coterie import _core
from coterie._sparse import SparseRows
from coterie._validate import (
    INT_MAX,
    check_centers,
    check_int,
    check_option,
    check_rows,
    check_threads,
    check_weights,
    core_rows,
    dense_rows,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from coterie._core import Floats, Weights
    from coterie._validate import Rows

Random: TypeAlias = np.random.RandomState | np.random.Generator
Start: TypeAlias = "str | ArrayLike | Callable[..., Any]"

STARTS = ("k-means++", "k-means||", "random")
OVERSAMPLING = 2  # k-means||: expected candidates a round, as a multiple of n_clusters
ROUNDS = 5  # k-means||: rounds of sampling, as Bahmani et al. advise


def check_random(random_state: object) -> Random:
    """Return the generator that `random_state` stands for: None means NumPy's global one."""
    if random_state is None:
        return np.random.mtrand._rand
    if isinstance(random_state, (np.random.RandomState, np.random.Generator)):
        return random_state
    if isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool):
        if not 0 <= random_state < 2**32:
            raise ValueError(f"random_state: wanted a seed in [0, 2**32), got {random_state!r}")
        return np.random.RandomState(int(random_state))
    raise TypeError(
        f"random_state: wanted None, an integer, a RandomState or a Generator, got {random_state!r}"
    )


def draw_row(random: Random, n_samples: int, weights: Weights) -> int:
    """Draw a row with probability proportional to its weight: `random.choice(n_samples, p=p)`.

    One uniform number u is used, as by `choice`; the row is the first whose cumulative share
    exceeds u. For equal weights that row is floor(u * n_samples), unless u * n_samples is so close
    to an integer that rounding in the cumulative sum decides: its relative error is at most
    (n_samples + 1) * eps, so only then is the sum formed.
    """
    u = float(random.uniform())
    if weights is None:
        place = u * n_samples
        margin = 2 * n_samples * n_samples * math.ulp(1.0)
        if margin < place - int(place) < 1 - margin:
            return int(place)
        shares = np.full(n_samples, 1 / n_samples)
    else:
        shares = weights / weights.sum()
    cumulative = shares.cumsum()
    cumulative /= cumulative[-1]
    return int(cumulative.searchsorted(u, side="right"))


def random_rows(X: Rows, k: int, weights: Weights, random: Random) -> NDArray[np.int64]:
    """Draw k different rows with probability proportional to weight."""
    n_samples = X.shape[0]
    shares = np.full(n_samples, 1 / n_samples) if weights is None else weights / weights.sum()
    n_positive = np.count_nonzero(shares)
    if n_positive < k:
        raise ValueError(
            f"sample_weight: wanted at least n_clusters={k} weights above zero for "
            f"init='random', got {n_positive}"
        )
    return np.asarray(random.choice(n_samples, size=k, replace=False, p=shares), dtype=np.int64)


def plus_plus_rows(
    X: Rows,
    k: int,
    weights: Weights,
    random: Random,
    n_threads: int,
    n_trials: int | None = None,
) -> NDArray[np.int64]:
    """Choose k rows by greedy k-means++ with `n_trials` candidates a step."""
    first = draw_row(random, X.shape[0], weights)
    uniforms = random.uniform(size=(k - 1, n_trials or 2 + int(math.log(k))))
    indices = np.empty(k, dtype=np.int64)
    _core.kmeans_plus_plus(core_rows(X), weights, first, uniforms, indices, n_threads)
    return indices


def parallel_rows(
    X: Rows, k: int, weights: Weights, random: Random, n_threads: int
) -> NDArray[np.int64]:
    """Choose k rows by k-means||: oversample in few rounds, then cluster what was sampled."""
    first = draw_row(random, X.shape[0], weights)
    seed = int(random.uniform() * INT_MAX)
    candidates, attracted = _core.kmeans_parallel(
        core_rows(X), weights, first, seed, float(OVERSAMPLING * k), ROUNDS, n_threads
    )
    if len(candidates) < k:  # fewer distinct rows than clusters, or a tiny X
        return plus_plus_rows(X, k, weights, random, n_threads)
    sampled = X.take(candidates) if isinstance(X, SparseRows) else X[candidates]
    return candidates[plus_plus_rows(sampled, k, attracted, random, n_threads)]


def initial_centers(
    X: Rows, init: Start, k: int, weights: Weights, random: Random, n_threads: int
) -> Floats:
    """Return a fresh (k, n_features) array of starting centres in the dtype of X."""
    if isinstance(init, str):
        if init == "k-means++":
            rows = plus_plus_rows(X, k, weights, random, n_threads)
        elif init == "k-means||":
            rows = parallel_rows(X, k, weights, random, n_threads)
        else:
            rows = random_rows(X, k, weights, random)
        return dense_rows(X, rows)
    if callable(init):
        given = X.matrix if isinstance(X, SparseRows) else X
        init = init(given, k, random_state=random)
    return check_centers(init, (k, X.shape[1]), X.dtype, "init")


def check_start(init: object) -> None:
    """Refuse an `init` that is text but not a known way to start."""
    if isinstance(init, str) or init is None:
        hint = "; an array of shape (n_clusters, n_features) or a callable will do, too"
        check_option(init, "init", STARTS, hint)


def check_count(n_clusters: int, n_samples: int) -> None:
    """Refuse more clusters than rows."""
    if n_clusters > n_samples:
        raise ValueError(
            f"n_clusters: wanted at most one a row of X, n_samples={n_samples} should be >= "
            f"n_clusters, got n_clusters={n_clusters}"
        )


def kmeans_plus_plus(
    X: ArrayLike,
    n_clusters: int,
    *,
    sample_weight: ArrayLike | None = None,
    n_local_trials: int | None = None,
    random_state: int | Random | None = None,
    n_threads: int | None = None,
) -> tuple[Floats, NDArray[np.int64]]:
    """Choose spread-out rows of X as starting centres, by greedy k-means++.

    The first row is drawn with probability proportional to its weight. Each further one is the
    best of `n_local_trials` rows, drawn with probability proportional to weight times squared
    distance to the nearest row chosen so far; best is the one that leaves the smallest sum of
    these products.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
        The rows; float32 and float64 are used as they are.
    n_clusters : int
        Number of rows to choose, at most n_samples.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights >= 0; None stands for equal weights. A row of weight zero is never chosen.
    n_local_trials : int, default=None
        Candidates a step; None stands for 2 + floor(ln n_clusters), 1 for plain k-means++.
    random_state : int, RandomState, Generator or None, default=None
        Source of the draws; None stands for NumPy's global generator. The same seed chooses the
        same rows as `sklearn.cluster.kmeans_plusplus`.
    n_threads : int, default=None
        Threads to use; None stands for all CPUs of this process. The result does not depend on it.

    Returns
    -------
    centers : ndarray of shape (n_clusters, n_features)
        The chosen rows, in the dtype of X.
    indices : ndarray of shape (n_clusters,)
        Their positions in X. They repeat only where X has fewer distinct rows.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, naming it; X must be finite.

    Notes
    -----
    O(n_samples * n_features * n_clusters * n_local_trials) operations.

    References
    ----------
    D. Arthur, S. Vassilvitskii: k-means++: The Advantages of Careful Seeding. SODA 2007.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> centers, indices = kmeans_plus_plus(X, 2, random_state=0)
    >>> indices
    array([3, 2])
    >>> centers
    array([[10.,  2.],
           [ 1.,  0.]])
    """
    k = check_int(n_clusters, "n_clusters")
    trials = None if n_local_trials is None else check_int(n_local_trials, "n_local_trials")
    random = check_random(random_state)
    rows = check_rows(X)
    weights = check_weights(sample_weight, rows.shape[0])
    check_count(k, rows.shape[0])
    threads = check_threads(n_threads)
    _core.moments(core_rows(rows), weights, threads)  # refuses what is not finite
    indices = plus_plus_rows(rows, k, weights, random, threads, trials)
    return dense_rows(rows, indices), indices
