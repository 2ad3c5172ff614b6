"""The jobs that are timed: shapes, dtypes and data, the same for every library."""

from dataclasses import dataclass

import numpy as np
from nets import NETS, NetCase, net_data


@dataclass(frozen=True)
class Case:
    """n rows x d features into k clusters, `iterations` of Lloyd from the same start."""

    name: str
    n: int
    d: int
    k: int
    dtype: str
    iterations: int
    goal: float  # how many times faster than the best rival we mean to be
    repeat: int = 1  # runs that are timed together
    agree: float = 0.01  # by what share answers may differ: starts may part at a near tie


@dataclass(frozen=True)
class MixtureCase(Case):
    """The same for EM from given parameters; 0 iterations: a whole fit with its own start."""

    covariance_type: str = "full"


@dataclass(frozen=True)
class LinkageCase(Case):
    """Linkage of n rows; `goal` against whoever is best beside SciPy, `scipy` against SciPy."""

    method: str = "single"
    metric: str = "euclidean"
    scipy: float = 0  # 0: SciPy cannot


@dataclass(frozen=True, kw_only=True)
class SearchCase(Case):
    """The k best by cosine among n items, of `queries` vectors or, 0, of the items themselves.

    `goal` is that of float products, `auto` that of the best way; with `entries`, rows are sparse.
    """

    queries: int = 0
    auto: float
    entries: int = 0
    skew: float = 1  # of columns: how much more the first are used; 1: all alike
    agree: float = 1e-4


KMEANS = [
    Case("colour quantisation", 1_000_000, 3, 64, "float32", 10, 6),
    Case("weekly patterns", 1_300_000, 7, 32, "float32", 10, 4),
    Case("mid", 500_000, 16, 100, "float32", 10, 4.5),
    Case("codebook", 100_000, 128, 1000, "float32", 5, 1.9),
    Case("images", 60_000, 784, 10, "float32", 10, 1.5),
    Case("double", 200_000, 32, 50, "float64", 10, 2),
    Case("tiny", 300, 2, 3, "float64", 10, 5, repeat=100),
]
SEEDING = [Case("k-means++ alone", 200_000, 32, 256, "float32", 0, 8)]
MIXTURES = [
    MixtureCase("full", 200_000, 16, 10, "float64", 10, 40),
    MixtureCase("full, deep", 50_000, 64, 16, "float64", 10, 25),
    MixtureCase("full, fraud-like", 280_000, 29, 4, "float64", 10, 25),
    MixtureCase("diag", 300_000, 32, 16, "float64", 10, 30, covariance_type="diag"),
    MixtureCase("tied", 100_000, 32, 16, "float64", 10, 60, covariance_type="tied"),
    MixtureCase("full, float32", 200_000, 16, 10, "float32", 10, 60),
    MixtureCase("small", 500, 2, 3, "float64", 0, 20, repeat=20),
]
LINKAGE = [
    LinkageCase(f"{method}, 2,000", 2000, 10, 20, "float64", 0, 3, 5, method=method, scipy=8)
    for method in ("single", "complete", "average", "ward", "centroid")
]
LINKAGE += [
    LinkageCase(f"{method}, 10,000", 10_000, 10, 20, "float64", 0, goal, method=method, scipy=scipy)
    for method, goal, scipy in (
        ("single", 6, 15),
        ("complete", 3, 8),
        ("average", 3, 8),
        ("ward", 5, 25),
        ("centroid", 5, 25),
    )
]
LINKAGE += [
    LinkageCase("ward, 25,000", 25_000, 10, 20, "float64", 0, 6, method="ward", scipy=60),
    LinkageCase("single, 100,000", 100_000, 3, 20, "float64", 0, 8),
    LinkageCase("single, 50,000", 50_000, 10, 20, "float64", 0, 5),
    LinkageCase(
        *("cosine average, 20,000", 20_000, 128, 20, "float64", 0, 8),
        method="average",
        metric="cosine",
        scipy=20,
    ),
]
SEARCH = [
    SearchCase(f"{name}, n={k}", n, d, k, "float32", 0, goal, repeat, queries=m, auto=auto)
    for name, m, n, d, k, goal, auto, repeat in (
        ("4,000 queries", 4000, 100_000, 128, 10, 1.6, 2.5, 1),
        ("2,000 deep queries", 2000, 50_000, 384, 10, 1.3, 2.5, 1),
        ("4,000 narrow queries", 4000, 100_000, 32, 10, 4, 4, 1),
        ("2,000 queries", 2000, 100_000, 64, 100, 4, 4, 1),
        ("1 query", 1, 1_000_000, 64, 10, 1.8, 4, 5),
        ("self-join", 0, 30_000, 128, 10, 2.5, 2.5, 1),
    )
]
SEARCH += [
    SearchCase(name, 100_000, 20_000, 20, "float32", 0, 2, auto=2, entries=2_000_000, skew=skew)
    for name, skew in (("sparse self-join", 1), ("sparse self-join, skewed", 3))
]
ALL = KMEANS + SEEDING + MIXTURES + LINKAGE + SEARCH + NETS


def data(case, shrink=1):
    """Rows around k centres, spread so that clusters overlap, and k of the rows to start from."""
    if isinstance(case, SearchCase):
        return vectors(case, shrink)
    if isinstance(case, NetCase):
        return net_data(case, shrink)
    rng = np.random.default_rng(0)
    n = max(case.n // shrink, 2 * case.k) if shrink > 1 else case.n
    centers = 2 * rng.normal(size=(case.k, case.d))
    X = np.empty((n, case.d), dtype=case.dtype)
    for first in range(0, n, 65536):  # in pieces: float64 copies of all of it would fill memory
        rows = slice(first, min(n, first + 65536))
        which = rng.integers(0, case.k, X[rows].shape[0])
        X[rows] = centers[which] + rng.normal(size=X[rows].shape)
    return X, X[rng.choice(n, case.k, replace=False)].copy()


def vectors(case, shrink=1):
    """Items and queries without structure, dense or sparse; None for queries: the items."""
    rng = np.random.default_rng(0)
    n = max(case.n // shrink, 2 * case.k)
    if case.entries:
        from scipy.sparse import csr_matrix

        size = case.entries * n // case.n
        rows = np.sort(rng.integers(0, n, size))
        d = case.d if shrink == 1 else case.d // 20  # the reference takes column by column
        columns = (d * rng.uniform(size=size) ** case.skew).astype(np.int32)
        values = rng.uniform(0.5, 5, size).astype(case.dtype)
        items = csr_matrix((values, (rows, columns)), shape=(n, d))
        return items, None
    items = rng.standard_normal((n, case.d), dtype=case.dtype)
    m = max(1, case.queries // shrink)
    return items, rng.standard_normal((m, case.d), dtype=case.dtype) if case.queries else None
