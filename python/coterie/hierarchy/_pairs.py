"""Distances of all pairs of observations, and what a metric asks of them first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from coterie import _core
from coterie._distances import angles, core_name, directed, metric_name
from coterie._memory import require_memory
from coterie._sparse import is_sparse
from coterie._validate import check_rows, check_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

METRICS = {  # and what SciPy calls them besides
    "euclidean": ("euclid", "eu", "e"),
    "sqeuclidean": ("sqeuclid", "sqe"),
    "cityblock": ("cblock", "cb", "c"),
    "chebyshev": ("chebychev", "cheby", "cheb", "ch"),
    "cosine": ("cos",),
    "angular": (),
    "correlation": ("co",),
    "hamming": ("hamm", "ha", "h", "matching"),
    "jaccard": ("jacc", "ja", "j"),
}
SHORT = {alias: name for name, aliases in METRICS.items() for alias in aliases}


def pdist(
    X: ArrayLike | Sequence[str],
    metric: str | Callable[[Any, Any], float] = "euclidean",
    *,
    n_threads: int | None = None,
) -> NDArray[np.float64]:
    """Compute the distance of every pair of observations.

    Parameters
    ----------
    X : array-like of shape (n, n_features), or sequence of n strings
        Observations, all finite; strings for 'levenshtein' alone.
    metric : str or callable, default='euclidean'
        'euclidean', 'sqeuclidean', 'cityblock' (or 'manhattan'), 'chebyshev', 'cosine',
        'angular' (the angle in units of pi), 'correlation', 'hamming', 'jaccard' (of what is not
        zero), as SciPy has them and under its short names, too; 'levenshtein', the edits from one
        string to the other; or a function of two rows.
    n_threads : int, default=None
        Threads to use; None stands for all CPUs this process may use.

    Returns
    -------
    ndarray of shape (n * (n - 1) / 2,)
        Distances in float64, condensed: those of observation 0 to 1, 2, ..., then those of 1.

    Raises
    ------
    ValueError
        If there are fewer than two observations, an unknown metric, a value that is not finite,
        a row without direction ('cosine', 'angular', 'correlation').
    ImportError
        If the metric is 'levenshtein' and rapidfuzz is not installed.

    Notes
    -----
    O(n^2 n_features) time. Values have the same bits for any number of threads and on any CPU.

    References
    ----------
    M. M. Deza, E. Deza: Encyclopedia of Distances. Springer, 2009.

    Examples
    --------
    >>> pdist([[0.0, 0], [3, 4], [0, 4]])
    array([5., 4., 3.])
    """
    threads = check_threads(n_threads)
    if metric == "levenshtein":
        return _edits(cast("Any", X), threads)
    rows = observations(X, threads)
    n = len(rows)
    require_condensed(n, "X")
    out = np.empty(n * (n - 1) // 2)
    if callable(metric):
        pairs = ((rows[i], rows[j]) for i in range(n) for j in range(i + 1, n))
        out[:] = np.fromiter((metric(a, b) for a, b in pairs), np.float64, len(out))
        return out
    name = known_metric(metric)
    _core.pairwise(directed(rows, name), core_name(name), out, threads)
    return angles(out) if name == "angular" else out


def known_metric(metric: object) -> str:
    """Return the one name a metric has here."""
    if not isinstance(metric, str):
        raise TypeError(f"metric: wanted a name or a function of two rows, got {metric!r}")
    name = metric_name(metric.lower())
    name = SHORT.get(name, name)
    if name not in METRICS:
        raise ValueError(
            f"metric: wanted one of {', '.join(map(repr, METRICS))}, got {metric!r}; distances of "
            "another kind may be passed condensed"
        )
    return str(name)


def observations(X: object, n_threads: int, name: str = "X") -> NDArray[np.float64]:
    """Return X as a C-ordered float64 array of two finite rows or more."""
    if is_sparse(X):
        raise TypeError(f"{name}: wanted a dense array, got a sparse matrix; .toarray() makes one")
    rows = np.ascontiguousarray(check_rows(X, name), dtype=np.float64)
    if len(rows) < 2:
        raise ValueError(f"{name}: wanted two observations or more, got {len(rows)}")
    _core.moments(rows, None, n_threads)  # refuses what is not finite, by row and column
    return rows


def require_condensed(n: int, name: str) -> None:
    """Raise MemoryError where the distances of n observations do not fit."""
    require_memory(4 * n * (n - 1), name, "linkage of observations may need none of them")


def looks_like_distances(rows: NDArray[np.float64]) -> bool:
    """Tell whether these may be distances in a square, not observations."""
    return bool(
        rows.shape[0] == rows.shape[1]
        and not np.diag(rows).any()
        and (rows >= 0).all()
        and np.allclose(rows, rows.T)
    )


def marked_values(rows: NDArray[np.float64], most: int) -> NDArray[np.float64] | None:
    """Return rows whose squared distances count the features that differ, twice unless as given.

    Zeros and ones do as they are; else every value of a feature gets a column that marks it, or,
    where that takes more than `most`, the answer is None.
    """
    if bool(((rows == 0) | (rows == 1)).all()):
        return rows
    values = [np.unique(column, return_inverse=True) for column in rows.T]
    starts = np.cumsum([0, *(len(kinds) for kinds, _ in values)])
    if starts[-1] > most:
        return None
    marks = np.zeros((len(rows), starts[-1]))
    for start, (_, kind) in zip(starts[:-1], values, strict=True):
        marks[np.arange(len(rows)), start + kind] = 1
    return marks


def _nanoseconds(words: list[str]) -> float:
    """Return about how long rapidfuzz takes for the distance of two of the words, on one CPU.

    Up to 64 letters fit the bits of a register.
    """
    letters = sum(map(len, words)) / len(words)
    return 6 + letters if letters <= 64 else 8 * letters + letters**2 / 32


def _edits(strings: Sequence[str], n_threads: int) -> NDArray[np.float64]:
    try:
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cdist
    except ImportError as error:
        raise ImportError(
            "metric: 'levenshtein' wants the package rapidfuzz: pip install coterie[text]"
        ) from error
    words = list(strings)
    for at, word in enumerate(words):
        if not isinstance(word, str):
            raise TypeError(f"X: wanted strings for metric 'levenshtein', got {word!r} at {at}")
    n = len(words)
    if n < 2:
        raise ValueError(f"X: wanted two observations or more, got {n}")
    require_memory(4 * n * (n - 1), "X", "fewer strings, or distances of your own, condensed")
    out, at = np.empty(n * (n - 1) // 2), 0
    block = max(
        1, int(min(2**22, 1e8 / _nanoseconds(words)) / n)
    )  # Ctrl-C waits for the end of one
    for first in range(0, n - 1, block):
        table = cdist(
            words[first : first + block],
            words[first + 1 :],
            scorer=Levenshtein.distance,
            workers=n_threads,
        )
        for i, line in enumerate(table[: n - 1 - first]):
            out[at : at + len(line) - i] = line[i:]
            at += len(line) - i
    return out
