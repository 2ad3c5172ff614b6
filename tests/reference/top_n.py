"""Top-N by brute force in float64: every score, one stable sort a query.

Sums run over the columns in ascending order, one rounding a product and one a sum, so that what
ranks in that order has the same bits. Zero vectors have similarity 0 to everything.
"""

import numpy as np


def products(a, b):
    """a b^T, (m, n)."""
    total = np.zeros((len(a), len(b)))
    for x, y in zip(a.T, b.T, strict=True):
        total += np.multiply.outer(x, y)
    return total


def square_distances(a, b):
    total = np.zeros((len(a), len(b)))
    for x, y in zip(a.T, b.T, strict=True):
        total += np.subtract.outer(x, y) ** 2
    return total


def cosines(a, b):
    """Cosines, not clipped: a rounding may leave them beyond 1."""
    norms = np.multiply.outer(*(np.sqrt((v**2).cumsum(axis=1)[:, -1]) for v in (a, b)))
    return np.divide(products(a, b), norms, out=np.zeros(norms.shape), where=norms > 0)


def ranks_and_scores(queries, items, metric):
    """What is ranked, larger first, and what is reported; both (m, n)."""
    a, b = (np.asarray(v, dtype=np.float64) for v in (queries, items))
    if metric == "euclidean":
        squares = square_distances(a, b)
        return -squares, np.sqrt(squares)
    rank = products(a, b) if metric == "dot" else cosines(a, b)
    if metric == "dot":
        return rank, rank
    clipped = np.clip(rank, -1, 1)
    return rank, clipped if metric == "cosine" else np.arccos(clipped) / np.pi


def top_n(
    queries,
    items,
    n,
    *,
    metric="cosine",
    threshold=None,
    exclude=None,
    deny=(),
    exclude_self=False,
):
    """Indices (m, n), scores (m, n); short rows end in -1 and -inf, or inf where less is better.

    Best first, ties to the lowest index. exclude: one list of items a query; deny: items no query
    may have. threshold: the least similarity, or the greatest distance; of a cosine not clipped.
    """
    distance = metric in ("euclidean", "angular")
    rank, score = ranks_and_scores(queries, items, metric)
    allowed = np.ones(rank.shape, dtype=bool)
    allowed[:, list(deny)] = False
    for row, seen in enumerate(exclude or []):
        allowed[row, list(seen)] = False
    if exclude_self:
        np.fill_diagonal(allowed, False)
    if threshold is not None:
        allowed &= score <= threshold if distance else rank >= threshold
    indices = np.full((len(rank), n), -1)
    scores = np.full((len(rank), n), np.inf if distance else -np.inf)
    for row in range(len(rank)):
        order = np.argsort(-rank[row], kind="stable")
        order = order[allowed[row, order]][:n]
        indices[row, : len(order)], scores[row, : len(order)] = order, score[row, order]
    return indices, scores
