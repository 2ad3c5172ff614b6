"""Vectors to search, and the judge of what was found."""

import numpy as np
from reference import top_n as reference
from tolerance import rank_bound

METRICS = ("cosine", "dot", "euclidean", "angular")
DISTANCES = ("euclidean", "angular")


def exact(n, d, seed=0, zeros=0.1):
    """Rows with one, four or sixteen entries of one magnitude, or none.

    Norms are powers of two, so every cosine is an exact small fraction, and ties abound.
    """
    rng = np.random.default_rng([seed, n, d])
    X = np.zeros((n, d))
    for row in X:
        filled = rng.choice([k for k in (1, 4, 16) if k <= d])
        where = rng.choice(d, filled, replace=False)
        row[where] = rng.choice([-1.0, 1.0], filled) * 2.0 ** rng.integers(-1, 2)
    X[rng.uniform(size=n) < zeros] = 0
    return X


def real(n, d, dtype=np.float64, seed=0):
    return np.random.default_rng([seed, n, d]).standard_normal((n, d)).astype(dtype)


def assert_same(found, other):
    """The same bits."""
    for one, another in zip(found, other, strict=True):
        assert one.dtype == another.dtype
        np.testing.assert_array_equal(one, another)


def assert_exact(found, queries, items, n, metric="cosine", **options):
    """What the reference finds, for `exact` vectors: equal, angles apart, which libraries round."""
    indices, scores = reference.top_n(queries, items, n, metric=metric, **options)
    np.testing.assert_array_equal(found.indices, indices)
    assert found.indices.dtype == np.int64
    if metric == "angular":
        np.testing.assert_allclose(found.scores, scores, rtol=4 * np.finfo(found.scores.dtype).eps)
    else:
        np.testing.assert_array_equal(found.scores, scores.astype(found.scores.dtype))


def assert_ranked(
    found, queries, items, n, metric="cosine", *, threshold=None, exclude=None, deny=(), itself=True
):
    """The n best of what may be found, the judge's rounding apart."""
    rank, score = reference.ranks_and_scores(queries, items, metric)
    bound = rank_bound(queries, items, metric)
    allowed = _allowed(rank.shape, exclude, deny, itself)
    sure, maybe = allowed, allowed
    if threshold is not None:
        least = threshold
        if metric in DISTANCES:
            square, cosine = -(threshold**2), np.cos(np.pi * min(threshold, 1))
            least = np.inf if threshold < 0 else square if metric == "euclidean" else cosine
        sure, maybe = allowed & (rank > least + bound), allowed & (rank >= least - bound)
    assert found.indices.shape == found.scores.shape == (len(rank), n)
    for i, (indices, scores) in enumerate(zip(*found, strict=True)):
        k = int((indices >= 0).sum())
        assert min(n, sure[i].sum()) <= k <= min(n, maybe[i].sum())
        some = indices[:k]
        assert (indices[k:] == -1).all(), "a gap within a list"
        assert np.isinf(scores[k:]).all()
        assert len(set(some.tolist())) == k, "an item twice"
        assert maybe[i, some].all(), "an item that may not be found"
        slack = 2 * bound[i].max()
        assert (np.diff(rank[i, some]) <= slack).all(), "not the best first"
        rest = sure[i].copy()
        rest[some] = False
        if k and rest.any():
            assert rank[i, rest].max() <= rank[i, some[-1]] + slack, "a better item was left out"
        assert_scores(scores[:k], score[i, some], bound[i, some], metric)


def _allowed(shape, exclude, deny, itself):
    allowed = np.ones(shape, dtype=bool)
    allowed[:, list(deny)] = False
    for row, seen in enumerate([] if exclude is None else exclude):
        allowed[row, list(seen)] = False
    if not itself:
        np.fill_diagonal(allowed, False)
    return allowed


def assert_scores(found, wanted, bound, metric):
    """Two computations of one score, whose ranks may differ by `bound`."""
    stored = np.finfo(found.dtype).eps * np.abs(wanted)
    if metric == "euclidean":
        bound = np.sqrt(wanted**2 + bound) - wanted
    elif metric == "angular":
        cosine = np.cos(np.pi * wanted)
        near, far = (np.arccos(np.clip(cosine + s * (bound + 1e-15), -1, 1)) for s in (1, -1))
        bound = (far - near) / np.pi
    assert (np.abs(found - wanted) <= bound + stored).all(), "a score is off"
