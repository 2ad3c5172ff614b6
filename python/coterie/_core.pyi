"""Types of the compiled core.

Rows are a C-ordered float32 or float64 array, or a `Csr` of either.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from coterie._core_nn import *  # noqa: F403

Floats: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
Weights: TypeAlias = NDArray[np.float64] | None
Progress: TypeAlias = Callable[[int, float, float], bool | None]

class Csr:
    """Compressed sparse rows: views of the caller's arrays, checked once."""

    def __init__(
        self,
        data: Floats,
        indices: NDArray[np.int32] | NDArray[np.int64],
        indptr: NDArray[np.int32] | NDArray[np.int64],
        n_features: int,
    ) -> None: ...
    @property
    def shape(self) -> tuple[int, int]: ...

Rows: TypeAlias = Floats | Csr

def config() -> dict[str, Any]: ...
def default_threads() -> int: ...
def moments(
    X: Rows, sample_weight: Weights, n_threads: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def kmeans_fit(
    X: Rows,
    sample_weight: Weights,
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    centers: Floats,
    labels: NDArray[np.int32],
    max_iter: int,
    tol: float,
    empty_cluster: str,
    n_threads: int,
    callback: Progress | None,
) -> tuple[float, int, NDArray[np.float64]]: ...
def kmeans_assign(
    X: Rows,
    centers: Floats,
    labels: NDArray[np.int32],
    sq_distances: NDArray[np.float64] | None,
    n_threads: int,
) -> None: ...
def kmeans_step(
    X: Rows,
    sample_weight: Weights,
    centers: Floats,
    labels: NDArray[np.int32],
    sums: NDArray[np.float64],
    weights: NDArray[np.float64],
    n_threads: int,
) -> float: ...
def kmeans_plus_plus(
    X: Rows,
    sample_weight: Weights,
    first: int,
    uniforms: NDArray[np.float64],
    indices: NDArray[np.int64],
    n_threads: int,
) -> None: ...
def kmeans_parallel(
    X: Rows,
    sample_weight: Weights,
    first: int,
    seed: int,
    oversampling: float,
    rounds: int,
    n_threads: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]: ...
def distances(X: Rows, centers: Floats, out: Floats, n_threads: int) -> None: ...
def constrained(
    low: NDArray[np.int32],
    high: NDArray[np.int32],
    linkage: str,
    values: NDArray[np.float64],
    n_samples: int,
    n_clusters: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]: ...
def cross(
    X: NDArray[np.float64],
    Y: NDArray[np.float64],
    metric: str,
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def product(x: Floats, y: Floats, out: Floats, n_threads: int) -> None: ...
def split_depth(x: Floats, y: Floats, out: Floats, n_threads: int) -> None: ...
def diana(
    distances: NDArray[np.float64],
    merges: NDArray[np.float64],
    order: NDArray[np.int64],
    cuts: NDArray[np.int64],
    n_threads: int,
) -> None: ...
def gauge(dtype: str, loops: int, depth: int) -> tuple[float, float]: ...

Mixture: TypeAlias = tuple[
    NDArray[np.float64],  # weights
    NDArray[np.float64],  # means, flat
    NDArray[np.float64],  # covariances, flat
    NDArray[np.float64],  # factors, flat
    NDArray[np.float64],  # lower bounds
    bool,  # converged
    list[int],  # regularised
    list[int],  # reseeded
]
Sums: TypeAlias = tuple[
    NDArray[np.float64],  # n
    NDArray[np.float64],  # s1, flat
    NDArray[np.float64],  # s2, flat
    NDArray[np.float64],  # centers, flat
    float,  # log likelihood
    float,  # entropy
]

def gmm_start(
    X: Floats,
    sample_weight: Weights,
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    covariance_type: str,
    n_components: int,
    given: NDArray[Any],
    reg_covar: float,
    n_threads: int,
) -> Mixture: ...
def gmm_fit(
    X: Floats,
    sample_weight: Weights,
    mean: NDArray[np.float64] | None,
    variance: NDArray[np.float64] | None,
    covariance_type: str,
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    factors: NDArray[np.float64],
    before: float,
    max_iter: int,
    tol: float,
    reg_covar: float,
    n_threads: int,
    callback: Callable[[int, float, float], object] | None,
) -> Mixture: ...
def gmm_score(
    X: Floats,
    covariance_type: str,
    weights: NDArray[np.float64] | None,
    means: NDArray[np.float64],
    factors: NDArray[np.float64],
    constants: NDArray[np.float64] | None,
    log_density: NDArray[np.float64] | None,
    responsibilities: Floats | None,
    labels: NDArray[np.int32] | None,
    n_threads: int,
) -> None: ...
def gmm_expect(
    X: Floats,
    sample_weight: Weights,
    shift: NDArray[np.float64],
    covariance_type: str,
    means: NDArray[np.float64],
    factors: NDArray[np.float64],
    constants: NDArray[np.float64],
    groups: NDArray[np.uint16],
    n_threads: int,
) -> Sums: ...
def gmm_gather(
    X: Floats,
    sample_weight: Weights,
    shift: NDArray[np.float64],
    covariance_type: str,
    given: NDArray[Any] | None,
    centers: NDArray[np.float64],
    n_threads: int,
) -> Sums: ...

# Trees: Z is a C-ordered float64 linkage matrix of n - 1 rows. Outputs are allocated by the caller.

def tree_sizes(Z: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def tree_leaves(Z: NDArray[np.float64], out: NDArray[np.int32]) -> None: ...
def tree_subtree_max(
    Z: NDArray[np.float64], values: NDArray[np.float64], out: NDArray[np.float64]
) -> None: ...
def tree_flat_clusters(
    Z: NDArray[np.float64], criterion: NDArray[np.float64], t: float, labels: NDArray[np.int32]
) -> None: ...
def tree_threshold(Z: NDArray[np.float64], criterion: NDArray[np.float64], k: int) -> float: ...
def tree_merge_ranks(Z: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def tree_cut(
    Z: NDArray[np.float64],
    key: NDArray[np.float64],
    t: NDArray[np.float64],
    labels: NDArray[np.int64],
    n_threads: int,
) -> None: ...
def tree_leaders(
    Z: NDArray[np.float64], labels: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]: ...
def tree_inconsistency(
    Z: NDArray[np.float64], depth: int, out: NDArray[np.float64], n_threads: int
) -> None: ...
def tree_cophenetic(Z: NDArray[np.float64], out: NDArray[np.float64], n_threads: int) -> None: ...
def tree_leaf_order(
    Z: NDArray[np.float64],
    distances: NDArray[np.float64],
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def pairwise(
    X: NDArray[np.float64], metric: str, out: NDArray[np.float64], n_threads: int
) -> None: ...
def single_linkage(
    X: NDArray[np.float64],
    metric: str,
    way: str,
    Z: NDArray[np.float64],
    n_threads: int,
    callback: Callable[[int], object] | None,
) -> None: ...
def linkage_points(
    X: NDArray[np.float64],
    method: str,
    metric: str,
    Z: NDArray[np.float64],
    n_threads: int,
    callback: Callable[[int], object] | None,
) -> None: ...
def linkage_matrix(
    X: NDArray[np.float64],
    method: str,
    metric: str,
    angular: bool,
    single_precision: bool,
    Z: NDArray[np.float64],
    n_threads: int,
    room: Callable[[int, int], object],
    callback: Callable[[int], object] | None,
) -> None: ...
def linkage_condensed(
    y: NDArray[np.float64],
    n: int,
    method: str,
    single_precision: bool,
    Z: NDArray[np.float64],
    n_threads: int,
    callback: Callable[[int], object] | None,
) -> None: ...
def top_n_dense(
    queries: Floats,
    items: Floats,
    n: int,
    threshold: float,
    metric: str,
    exclude_indptr: NDArray[np.int64] | None,
    exclude_indices: NDArray[np.int64] | None,
    deny: NDArray[np.uint8] | None,
    exclude_self: bool,
    precision: str,
    indices: NDArray[np.int64],
    scores: Floats,
    n_threads: int,
) -> None: ...

class TopNIndex:
    """Items of a search, packed; float32 or float64, kept without a copy."""

    def __init__(self, items: Floats, metric: str, precision: str, n_threads: int) -> None: ...
    def search(
        self,
        queries: Floats,
        n: int,
        threshold: float,
        exclude_indptr: NDArray[np.int64] | None,
        exclude_indices: NDArray[np.int64] | None,
        deny: NDArray[np.uint8] | None,
        indices: NDArray[np.int64],
        scores: Floats,
        n_threads: int,
    ) -> None: ...
    def items(self) -> Floats: ...
    @property
    def n_items(self) -> int: ...
    @property
    def nbytes(self) -> int: ...

def similarity(a: Floats, b: Floats, metric: str, out: Floats, n_threads: int) -> None: ...

# Sparse top-N: columns ascending in each row, each once; excluded items likewise.
def top_n_csr(
    q_data: Floats,
    q_indices: NDArray[np.int32],
    q_indptr: NDArray[np.int64],
    i_data: Floats,
    i_indices: NDArray[np.int32],
    i_indptr: NDArray[np.int64],
    n_columns: int,
    n: int,
    threshold: float | None,
    metric: str,
    exclude_indptr: NDArray[np.int64] | None,
    exclude_indices: NDArray[np.int64] | None,
    deny: NDArray[np.uint8] | None,
    exclude_self: bool,
    indices: NDArray[np.int64],
    scores: Floats,
    n_threads: int,
) -> None: ...
def top_n_csr_dense(
    q_data: Floats,
    q_indices: NDArray[np.int32],
    q_indptr: NDArray[np.int64],
    items: Floats,
    n: int,
    threshold: float | None,
    metric: str,
    exclude_indptr: NDArray[np.int64] | None,
    exclude_indices: NDArray[np.int64] | None,
    deny: NDArray[np.uint8] | None,
    exclude_self: bool,
    indices: NDArray[np.int64],
    scores: Floats,
    n_threads: int,
) -> None: ...
def top_n_dense_csr(
    queries: Floats,
    i_data: Floats,
    i_indices: NDArray[np.int32],
    i_indptr: NDArray[np.int64],
    n: int,
    threshold: float | None,
    metric: str,
    exclude_indptr: NDArray[np.int64] | None,
    exclude_indices: NDArray[np.int64] | None,
    deny: NDArray[np.uint8] | None,
    exclude_self: bool,
    indices: NDArray[np.int64],
    scores: Floats,
    n_threads: int,
) -> None: ...
