"""The same job in every library. A function a library: (X, start, case, threads) -> a run to time.

A run returns the inertia it reached, so that the answer is checked before the time is believed.
Every library gets the same start, the same iterations, `tol` 0 and the same number of threads.
"""

import importlib.util


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


def potential(X, centers):
    """Inertia of seeds on the first rows: cheap beside what is timed."""
    from coterie import kmeans_assign

    return float(kmeans_assign(X[:10000], centers)[1].sum())


MODULES = {"sklearn": "sklearn", "sklearnex": "sklearnex", "faiss": "faiss"}
LLOYD = {"coterie": coterie, "sklearn": sklearn, "sklearnex": sklearnex, "faiss": faiss}
PLUS_PLUS = {"coterie": coterie_seeding, "sklearn": sklearn_seeding}


def installed(name):
    """Tell whether the library behind a contender can be imported."""
    return name == "coterie" or importlib.util.find_spec(MODULES[name]) is not None
