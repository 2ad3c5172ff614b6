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
    LinkageCase(f"{method}, 2,000", 2000, 10, 20, "float64", 0, 3, 5, method, scipy=8)
    for method in ("single", "complete", "average", "ward", "centroid")
]
LINKAGE += [
    LinkageCase(f"{method}, 10,000", 10_000, 10, 20, "float64", 0, goal, 1, method, scipy=scipy)
    for method, goal, scipy in (
        ("single", 6, 15),
        ("complete", 3, 8),
        ("average", 3, 8),
        ("ward", 5, 25),
        ("centroid", 5, 25),
    )
]
LINKAGE += [
    LinkageCase("ward, 25,000", 25_000, 10, 20, "float64", 0, 6, 1, "ward", scipy=60),
    LinkageCase("single, 100,000", 100_000, 3, 20, "float64", 0, 8),
    LinkageCase("single, 50,000", 50_000, 10, 20, "float64", 0, 5),
    LinkageCase(
        "cosine average, 20,000", 20_000, 128, 20, "float64", 0, 8, 1, "average", "cosine", 20
    ),
]
ALL = KMEANS + SEEDING + MIXTURES + LINKAGE + NETS


def data(case, shrink=1):
    """Rows around k centres, spread so that clusters overlap, and k of the rows to start from."""
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
