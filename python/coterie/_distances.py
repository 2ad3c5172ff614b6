"""Distances between rows in float64, from differences: of listed pairs, or of blocks of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from coterie import _core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie._core import Floats

Float = TypeVar("Float", np.float32, np.float64)
Metric: TypeAlias = str | Callable[..., Any]

# scikit-learn's names for SciPy's metrics
ALIASES = {"l2": "euclidean", "l1": "cityblock", "manhattan": "cityblock"}
OWN = ("euclidean", "sqeuclidean", "cityblock", "cosine")
DIRECTED = ("cosine", "angular", "correlation")  # in units of pi the angle; of centred rows
BLOCK = 1 << 20  # numbers that are gathered at a time


def metric_name(metric: Metric) -> str:
    """Return SciPy's name of a metric, or '' for a callable."""
    return ALIASES.get(metric, metric) if isinstance(metric, str) else ""


def check_directions(X: Floats) -> None:
    """Refuse rows of zeros, which have no cosine with any other."""
    zero = ~X.any(axis=1)
    if zero.any():
        n = np.count_nonzero(zero)
        raise ValueError(
            "X: wanted rows with a direction for metrics like 'cosine' ('correlation': rows that "
            f"vary), got {n} zero vector{'' if n == 1 else 's'}, the first at row "
            f"{int(zero.argmax())}"
        )


def unit_rows(X: Floats) -> NDArray[np.float64]:
    """Return the rows of X divided by their lengths."""
    check_directions(X)
    largest = np.abs(X).max(axis=1, keepdims=True).astype(np.float64)
    rows: NDArray[np.float64] = X / largest  # squares of what is left cannot overflow
    rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return rows


def paired(
    X: Floats, i: NDArray[np.int64], j: NDArray[np.int64], metric: Metric
) -> NDArray[np.float64]:
    """Return the distances between rows i[e] and j[e] of X, one for each e."""
    name = metric_name(metric)
    if name == "precomputed":
        return np.asarray(X[i, j], dtype=np.float64)
    out = np.empty(len(i))
    if callable(metric):
        for e in range(len(i)):
            out[e] = metric(X[i[e]], X[j[e]])
        return out
    if name not in OWN:
        raise ValueError(f"metric: wanted one of {', '.join(map(repr, OWN))}, got {metric!r}")
    rows = unit_rows(X) if name == "cosine" else X
    step = max(1, BLOCK // X.shape[1])
    for begin in range(0, len(i), step):
        part = slice(begin, begin + step)
        apart = rows[i[part]].astype(np.float64, copy=False) - rows[j[part]]
        if name == "cityblock":
            out[part] = np.abs(apart).sum(axis=1)
            continue
        squares = np.einsum("ij,ij->i", apart, apart)
        out[part] = np.sqrt(squares) if name == "euclidean" else squares
    if name == "cosine":
        out /= 2  # |u - v|^2 = 2 (1 - cos) for unit rows, without the cancellation
    return out


def above_diagonal(square: NDArray[Float]) -> NDArray[Float]:
    """Return the condensed distances of a square matrix: what is above its diagonal, by rows."""
    n, at = len(square), 0
    out = np.empty(n * (n - 1) // 2, dtype=square.dtype)
    for i in range(n - 1):
        out[at : at + n - 1 - i] = square[i, i + 1 :]
        at += n - 1 - i
    return out


def between(
    X: Floats, i: NDArray[np.int64], j: NDArray[np.int64], metric: Metric, n_threads: int
) -> NDArray[np.float64]:
    """Return the distances between rows i and rows j of X, shape (len(i), len(j))."""
    if metric == "precomputed":
        return np.asarray(X[np.ix_(i, j)], dtype=np.float64)
    return cross(X[i], X[j], metric, n_threads)


def cross(X: Floats, Y: Floats, metric: Metric, n_threads: int) -> NDArray[np.float64]:
    """Return the distances between the rows of X and those of Y, shape (len(X), len(Y))."""
    name = metric_name(metric)
    out = np.empty((len(X), len(Y)))
    if callable(metric):
        for i, x in enumerate(X):
            out[i] = [metric(x, y) for y in Y]
        return out
    _core.cross(directed(X, name), directed(Y, name), core_name(name), out, n_threads)
    return angles(out) if name == "angular" else out


def core_name(name: str) -> str:
    """Return what the core computes for a metric, given `directed` rows."""
    return "cosine" if name in DIRECTED else name


def angles(cosine_distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angles, in units of pi, behind distances 1 - cos."""
    result: NDArray[np.float64] = np.arccos(np.clip(1 - cosine_distances, -1, 1)) / np.pi
    return result


def near_origin(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return X less a constant in every column that is far from zero, without any rounding.

    Where all of a column is within a factor of two, the difference of any two of its values is
    exact (Sterbenz, Floating-Point Computation, 1974). Means of rows then keep their digits.
    """
    low, high = X.min(axis=0), X.max(axis=0)
    far = ((low > 0) & (high <= 2 * low)) | ((high < 0) & (low >= 2 * high))
    return X - np.where(far, X[0], 0.0) if far.any() else X


def directed(X: Floats, name: str) -> NDArray[np.float64]:
    """Return the rows of X in float64 as the core wants them for a metric.

    Of unit length where it sees directions alone, zeros and ones where it sees what is not zero.
    """
    if name == "jaccard":
        return np.ascontiguousarray(X != 0, dtype=np.float64)
    if name not in DIRECTED:
        return np.ascontiguousarray(X, dtype=np.float64)
    return unit_rows(X - X.mean(axis=1, keepdims=True) if name == "correlation" else X)
