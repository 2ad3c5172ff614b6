"""The most similar items of every query: exact, and without a matrix of queries by items.

A score is one of

    cosine     <q, x> / (|q| |x|), 0 where either is zero     similarity, the largest are best
    dot        <q, x>                                         similarity, the largest are best
    euclidean  |q - x|                                        distance, the smallest are best
    angular    arccos(cosine) / pi                            distance, the smallest are best

computed in float64, in an order of summation that depends on neither threads nor CPU; ties go to
the lowest index. Scores are compared with the query's n-th best as they are computed, and hardly
any is stored. Sparse rows and `similarity` sum in orders of their own, so last bits may differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from coterie._kept import all_scores
from coterie._top_n import (
    METRICS,
    PRECISIONS,
    TopN,
    check_features,
    check_finite,
    check_queries,
    check_vectors,
    check_wanted,
    in_dtype,
    search,
)
from coterie._validate import check_bool, check_option, check_threads

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from coterie._core import Floats
    from coterie._validate import Rows

__all__ = ["TopN", "cosine_top_n", "similarity"]


def cosine_top_n(
    queries: ArrayLike,
    items: ArrayLike | None = None,
    n: int = 10,
    *,
    threshold: float | None = None,
    exclude: Any = None,
    deny: ArrayLike | None = None,
    metric: str = "cosine",
    exclude_self: bool = False,
    precision: str = "auto",
    n_threads: int | None = None,
) -> TopN:
    """Return the n most similar items of every query, the best first.

    Parameters
    ----------
    queries : array-like or sparse matrix of shape (n_queries, n_features), or (n_features,)
        Vectors, all finite. float32 and float64 are used as they are, without a copy when the
        entries of a row lie side by side. float16, int8 and uint8 are converted to float32, other
        integers to float64, both exactly; where queries and items differ, both become float64.
    items : array-like or sparse matrix of shape (n_items, n_features), default=None
        Vectors to choose from, in any of these forms; dense queries may search sparse items and the
        reverse. None stands for the queries themselves (what that saves: see Notes).
    n : int, default=10
        Number of items a query.
    threshold : float, default=None
        Least similarity, or greatest distance, that counts: a score equal to it does.
    exclude : sparse matrix of shape (n_queries, n_items) or sequence of index lists, default=None
        Items that a query must not find, such as those a user has seen: entries that are stored,
        whatever their value, or a list of indices for every query; for a single query, that list.
    deny : array-like of indices, or of bool and shape (n_items,), default=None
        Items that no query may find.
    metric : {'cosine', 'dot', 'euclidean', 'angular'}, default='cosine'
        The score: cosine, inner product, Euclidean distance, or angle as a share of pi. A zero
        vector has cosine 0 to everything.
    exclude_self : bool, default=False
        With items=None, whether a query must not find itself.
    precision : {'auto', 'float', 'certified-int8'}, default='auto'
        How candidates are found among dense items: by float32 products, or by int8 products with
        a proven bound on their error, where the CPU makes these fast. The result is the same.
    n_threads : int, default=None
        Threads to use; None is all CPUs of this process. The result has the same bits for any.

    Returns
    -------
    indices : ndarray of shape (n_queries, n), int64
        Items, the best first, ties to the lowest index; -1 where no further item may be found.
    scores : ndarray of shape (n_queries, n)
        Their scores, in the dtype the vectors are in; where the index is -1, minus infinity, and
        for distances plus infinity. Cosines are clipped to [-1, 1]. Of a single query, both
        arrays have shape (n,).

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it, and row and column of what is
        not finite.

    See Also
    --------
    CosineIndex : The same with items that are kept, prepared, for many searches.

    Notes
    -----
    O(n_queries * n_items * n_features) operations, half of them where dense rows are joined with
    themselves. (Among very many rows this holds for n up to a hundred and some; for more, lists
    would come and go in that memory at a greater cost than the products that are shared.) For two
    sparse matrices, a multiplication for each pair of entries that share a column. Beside the
    result and conversions of dtype, less than 64 MB of memory; sparse items are transposed once.

    References
    ----------
    J. Johnson, M. Douze, H. Jegou: Billion-Scale Similarity Search with GPUs. IEEE Trans. Big Data
    7, 2021 (selection fused with the product).

    Examples
    --------
    >>> import numpy as np
    >>> items = np.array([[1.0, 0], [3, 4], [0, 2], [0, 0]])
    >>> cosine_top_n([[0.0, 1.0], [1.0, 0.0]], items, n=2)
    TopN(indices=array([[2, 1],
           [0, 1]]), scores=array([[1. , 0.8],
           [1. , 0.6]]))

    What the first of two users has seen is left out; what scores too little, too:

    >>> found = cosine_top_n([[0.0, 1], [1, 0]], items, 2, exclude=[[2], []], threshold=0.6)
    >>> found.indices
    array([[ 1, -1],
           [ 0,  1]])

    The nearest other item of every item:

    >>> cosine_top_n(items, n=1, exclude_self=True).indices.ravel()
    array([1, 2, 1, 0])
    """
    metric = check_option(metric, "metric", METRICS)
    precision = check_option(precision, "precision", PRECISIONS)
    threads = check_threads(n_threads)
    rows, single = check_queries(queries, None)
    if items is None:
        choice, itself = rows, check_bool(exclude_self, "exclude_self")
    else:
        choice, itself = check_vectors(items, "items"), False
        if check_bool(exclude_self, "exclude_self"):
            raise ValueError("exclude_self: wanted items=None, as queries are items then")
        check_features(rows, choice.shape[1], "queries")
        rows, choice = _alike(rows, choice)
        check_finite(choice, "items")
    check_finite(rows, "queries")
    shape = (rows.shape[0], choice.shape[0])
    wanted = check_wanted(n, threshold, exclude, deny, shape, metric, single)
    found = search(rows, choice, wanted._replace(exclude_self=itself), metric, precision, threads)
    return TopN(found.indices[0], found.scores[0]) if single else found


def similarity(
    a: ArrayLike,
    b: ArrayLike | None = None,
    metric: str = "cosine",
    *,
    n_threads: int | None = None,
) -> Floats:
    """Return the scores of all pairs of rows.

    Parameters
    ----------
    a : array-like or sparse matrix of shape (n_rows, n_features)
        Vectors, all finite.
    b : array-like or sparse matrix of shape (n_columns, n_features), default=None
        Vectors, all finite; None stands for `a`.
    metric : {'cosine', 'dot', 'euclidean', 'angular'}, default='cosine'
        The score, as `cosine_top_n` has it; the last two are distances.
    n_threads : int, default=None
        Threads to use; None is all CPUs of this process. The result has the same bits for any.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        Scores, in the dtype the vectors are in: float32, or float64 where any of them are.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Notes
    -----
    O(n_rows * n_columns * n_features) operations; the result is all the memory that is needed.
    Who wants the largest of every row alone is better off with `cosine_top_n`.

    Examples
    --------
    >>> similarity([[3.0, 4.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 2.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    >>> similarity([[3.0, 4.0]], [[0.0, 0.0]], "euclidean")
    array([[5.]])
    """
    metric = check_option(metric, "metric", METRICS)
    threads = check_threads(n_threads)
    rows = check_vectors(a, "a")
    columns = rows if b is None else check_vectors(b, "b")
    if rows.shape[1] != columns.shape[1]:
        raise ValueError(f"b: wanted {rows.shape[1]} features, as a has, got {columns.shape[1]}")
    rows, columns = _alike(rows, columns)
    check_finite(rows, "a")
    check_finite(columns, "b")
    return all_scores(rows, columns, metric, threads)


def _alike(a: Rows, b: Rows) -> tuple[Rows, Rows]:
    """Return both in the wider of their dtypes."""
    if a is b:
        return a, a
    dtype = np.promote_types(a.dtype, b.dtype)
    return in_dtype(a, dtype), in_dtype(b, dtype)
