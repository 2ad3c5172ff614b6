"""The same job in every library. A function a library: (X, start, case, threads) -> a run to time.

A run returns the inertia it reached, so that the answer is checked before the time is believed.
Every library gets the same start, the same iterations, `tol` 0 and the same number of threads.
"""

import importlib.util

from nets import NET as NET
from nets import NETS, net_takes
from searches import SEARCH as SEARCH
from searches import SPARSE


def _sklearn_like(module, X, start, case, threads):
    KMeans = importlib.import_module(module).KMeans

    def run():
        model = KMeans(case.k, init=start, n_init=1, max_iter=case.iterations, tol=0)
        return float(model.fit(X).inertia_)

    return run


def coterie(X, start, case, threads):
    from coterie import KMeans

    def run():
        model = KMeans(
            case.k, init=start, n_init=1, max_iter=case.iterations, tol=0, n_threads=threads
        )
        return float(model.fit(X).inertia_)

    return run


def sklearn(X, start, case, threads):
    return _sklearn_like("sklearn.cluster", X, start, case, threads)


def sklearnex(X, start, case, threads):
    return _sklearn_like("sklearnex.cluster", X, start, case, threads)


def faiss(X, start, case, threads):
    import faiss

    faiss.omp_set_num_threads(threads)
    X, start = X.astype("float32", copy=False), start.astype("float32", copy=False)

    def run():
        model = faiss.Kmeans(
            case.d,
            case.k,
            niter=case.iterations,
            max_points_per_centroid=len(X),  # no sampling
            min_points_per_centroid=1,
        )
        model.train(X, init_centroids=start)
        return float(model.index.search(X, 1)[0].sum())

    return run


def coterie_seeding(X, start, case, threads):
    from coterie import kmeans_plus_plus

    def run():
        centers, _ = kmeans_plus_plus(X, case.k, random_state=0, n_threads=threads)
        return potential(X, centers)

    return run


def sklearn_seeding(X, start, case, threads):
    from sklearn.cluster import kmeans_plusplus

    def run():
        centers, _ = kmeans_plusplus(X, case.k, random_state=0)
        return potential(X, centers)

    return run


def _mixture_like(module, X, start, case):
    """A run of `module`'s GaussianMixture; its answer is the log likelihood of X."""
    GaussianMixture = importlib.import_module(module).GaussianMixture
    if case.iterations == 0:
        parameters = {"random_state": 0}
    else:
        parameters = mixture_start(X, start, case) | {"max_iter": case.iterations, "tol": 0}

    def run():
        model = GaussianMixture(case.k, covariance_type=case.covariance_type, **parameters)
        return float(model.fit(X).lower_bound_) * len(X)

    return run


def mixture_start(X, start, case):
    """Equal weights, the given means, the precisions of X's columns: nothing left to choose."""
    precision = 1 / X.var(axis=0, dtype="float64")
    full = [[p if i == j else 0 for j in range(case.d)] for i, p in enumerate(precision)]
    shapes = {"full": [full] * case.k, "tied": full, "diag": [precision] * case.k}
    return {
        "weights_init": [1 / case.k] * case.k,
        "means_init": start.astype("float64"),
        "precisions_init": shapes[case.covariance_type],
    }


def coterie_mixture(X, start, case, threads):
    return _mixture_like("coterie", X, start, case)


def sklearn_mixture(X, start, case, threads):
    return _mixture_like("sklearn.mixture", X, start, case)


def daal4py_mixture(X, start, case, threads):
    """oneDAL's EM, full covariances only, from the same parameters."""
    import daal4py
    import numpy as np

    daal4py.daalinit(threads)
    kind = "double" if X.dtype == np.float64 else "float"
    covariances = [np.diag(X.var(axis=0, dtype="float64"))] * case.k
    weights = np.full((1, case.k), 1 / case.k)

    def run():
        algorithm = daal4py.em_gmm(
            case.k, fptype=kind, maxIterations=case.iterations, accuracyThreshold=1e-300
        )
        result = algorithm.compute(X, weights, start.astype("float64"), covariances)
        return float(result.goalFunction.ravel()[0])

    return run


def _linkage_like(module, function="linkage"):
    """A contender that has `module`'s linkage; its answer is the sum of all heights."""

    def contender(X, start, case, threads):
        linkage = getattr(importlib.import_module(module), function)
        options = {"n_threads": threads} if module.startswith("coterie") else {}
        return lambda: float(linkage(X, case.method, case.metric, **options)[:, 2].sum())

    return contender


def hdbscan(X, start, case, threads):
    """Boruvka on a kd-tree, without what HDBSCAN does with the tree."""
    from hdbscan.hdbscan_ import _hdbscan_boruvka_kdtree

    def run():
        Z, _ = _hdbscan_boruvka_kdtree(
            X, 1, 1.0, "euclidean", approx_min_span_tree=False, core_dist_n_jobs=threads
        )
        return float(Z[:, 2].sum())

    return run


def fast_hdbscan(X, start, case, threads):
    """The same by its own Boruvka, compiled by Numba in the first run."""
    import numba
    from fast_hdbscan.hdbscan import compute_minimum_spanning_tree, mst_to_linkage_tree

    numba.set_num_threads(threads)

    def run():
        edges = compute_minimum_spanning_tree(X, min_samples=1)[0]
        return float(mst_to_linkage_tree(edges[edges[:, 2].argsort()])[:, 2].sum())

    return run


def potential(X, centers):
    """Inertia of seeds on the first rows: cheap beside what is timed."""
    from coterie import kmeans_assign

    return float(kmeans_assign(X[:10000], centers)[1].sum())


MODULES = {
    "sklearn": "sklearn",
    "sklearnex": "sklearnex",
    "faiss": "faiss",
    "daal4py": "daal4py",
    "scipy": "scipy",
    "fastcluster": "fastcluster",
    "fastcluster_vector": "fastcluster",
    "hdbscan": "hdbscan",
    "fast_hdbscan": "fast_hdbscan",
    "torch": "torch",
    "numpy": "numpy",
    "sklearn_cosine": "sklearn",
    "sparse_dot_topn": "sparse_dot_topn",
    "implicit": "implicit",
}
LLOYD = {"coterie": coterie, "sklearn": sklearn, "sklearnex": sklearnex, "faiss": faiss}
PLUS_PLUS = {"coterie": coterie_seeding, "sklearn": sklearn_seeding}
MIXTURE = {"coterie": coterie_mixture, "sklearn": sklearn_mixture, "daal4py": daal4py_mixture}

LINKAGE = {
    "coterie": _linkage_like("coterie.hierarchy"),
    "scipy": _linkage_like("scipy.cluster.hierarchy"),
    "fastcluster": _linkage_like("fastcluster"),
    "fastcluster_vector": _linkage_like("fastcluster", "linkage_vector"),
    "hdbscan": hdbscan,
    "fast_hdbscan": fast_hdbscan,
}


def installed(name):
    """Tell whether the library behind a contender can be imported."""
    return name.startswith("coterie") or importlib.util.find_spec(MODULES[name]) is not None


def takes(name, case):
    """Tell whether a contender is there and can do this job in memory and minutes."""
    if case in NETS:
        return net_takes(name, case)
    able = True
    if hasattr(case, "entries"):
        able = (name in SPARSE) if case.entries else name not in SPARSE or name == "coterie"
    elif name == "daal4py":  # full covariances
        able = case.iterations > 0 and case.covariance_type == "full"
    elif name == "scipy":
        able = case.scipy > 0
    elif name == "fastcluster":  # a matrix
        able = case.n <= 25_000
    elif name == "fastcluster_vector":
        able = case.method in ("single", "ward", "centroid")
    elif name in ("hdbscan", "fast_hdbscan"):
        able = case.method == "single"
    return able and installed(name)
