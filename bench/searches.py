"""The same search in every library; a run returns the sum of the scores it found.

Indexes are built, and items normalised where a library knows no cosine, before the clock starts. A
self-join is timed whole for coterie; a library that finds every item itself, too, searches for one
more, and the ones are taken off its answer.
"""

import numpy as np

BLOCK = 512  # queries whose scores are held at a time, where a library holds them all


def coterie(precision):
    def contender(items, queries, case, threads):
        from coterie import CosineIndex, cosine_top_n

        if queries is None:
            dense = not case.entries  # of sparse rows the others find each itself
            options = {"exclude_self": dense, "precision": precision, "n_threads": threads}
            return lambda: total(cosine_top_n(items, n=case.k, **options).scores)
        index = CosineIndex(items, precision=precision, n_threads=threads)
        return lambda: total(index.search(queries, case.k).scores)

    return contender


def _unit(rows):
    norms = np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1, keepdims=True))
    return (rows / np.maximum(norms, 1e-30)).astype(rows.dtype)


def _prepared(items, queries, case):
    """Unit rows, how many to find, and what to take off the sum of scores."""
    items = _unit(items)
    if queries is None:
        return items, items, case.k + 1, len(items)
    return items, _unit(queries), case.k, 0


def total(scores):
    return float(scores[np.isfinite(scores)].sum(dtype=np.float64))


def faiss(items, queries, case, threads):
    import faiss

    faiss.omp_set_num_threads(threads)
    items, queries, k, ones = _prepared(items, queries, case)
    index = faiss.IndexFlatIP(case.d)
    index.add(items)
    return lambda: total(index.search(queries, k)[0]) - ones


def torch(items, queries, case, threads):
    import torch

    torch.set_num_threads(threads)
    items, queries, k, ones = _prepared(items, queries, case)
    turned, queries = torch.from_numpy(items).T, torch.from_numpy(queries)

    def run():
        found = [torch.topk(part @ turned, k).values for part in queries.split(BLOCK)]
        return total(torch.cat(found).numpy()) - ones

    return run


def numpy(items, queries, case, threads):
    items, queries, k, ones = _prepared(items, queries, case)

    def best(part):
        scores = part @ items.T
        near = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        near = np.take_along_axis(scores, near, axis=1)
        return -np.sort(-near, axis=1)

    def run():
        parts = (queries[i : i + BLOCK] for i in range(0, len(queries), BLOCK))
        return sum(total(best(part)) for part in parts) - ones

    return run


def sklearn(items, queries, case, threads):
    """Distances of unit rows, which it finds without storing them all: s = 1 - |q - x|^2 / 2."""
    return _sklearn(items, queries, case, threads, "euclidean", lambda d: 1 - d * d / 2)


def sklearn_cosine(items, queries, case, threads):
    return _sklearn(items, queries, case, threads, "cosine", lambda d: 1 - d)


def _sklearn(items, queries, case, threads, metric, score):
    from sklearn.neighbors import NearestNeighbors
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    items, queries, k, ones = _prepared(items, queries, case)
    model = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute", n_jobs=threads)
    model.fit(items)
    return lambda: total(score(model.kneighbors(queries)[0])) - ones


def _unit_sparse(items):
    norms = np.sqrt(np.asarray(items.multiply(items).sum(axis=1)).ravel())
    lengths = np.diff(items.indptr)
    unit = items.copy()
    unit.data = unit.data / np.repeat(norms, lengths).astype(unit.dtype)
    return unit


def sparse_dot_topn(items, queries, case, threads):
    from sparse_dot_topn import sp_matmul_topn

    unit = _unit_sparse(items)
    turned = unit.T.tocsr()

    def run():
        found = sp_matmul_topn(unit, turned, top_n=case.k, n_threads=threads)
        return float(found.data.sum(dtype=np.float64))

    return run


def implicit(items, queries, case, threads):
    from implicit.nearest_neighbours import all_pairs_knn
    from scipy.sparse import csr_matrix

    users = csr_matrix(_unit_sparse(items).T.tocsr()).astype(np.float64)
    options = {"K": case.k, "num_threads": threads, "show_progress": False}
    return lambda: float(all_pairs_knn(users, **options).data.sum())


SEARCH = {
    "coterie": coterie("float"),
    "coterie_auto": coterie("auto"),
    "faiss": faiss,
    "torch": torch,
    "sklearn": sklearn,
    "sklearn_cosine": sklearn_cosine,
    "numpy": numpy,
    "sparse_dot_topn": sparse_dot_topn,
    "implicit": implicit,
}
SPARSE = ("coterie", "sparse_dot_topn", "implicit")
