"""Fits whose every bit is promised, and their digests: `python tests/bits.py` prints them."""

import hashlib
import json
import warnings

import numpy as np
from coterie import CosineIndex, KMeans, cosine_top_n, kmeans_assign, kmeans_plus_plus
from coterie.hierarchy import linkage
from rows import blobs

# One for each kernel; the last also sums by sorted labels.
SHAPES = [(2000, 1, 9), (2000, 7, 20), (1500, 13, 64), (900, 140, 5), (4200, 20, 70)]


def digest(*arrays):
    """Hash of the bytes, dtypes and shapes."""
    total = hashlib.sha256()
    for a in map(np.ascontiguousarray, arrays):
        total.update(f"{a.dtype}{a.shape}".encode() + a.tobytes())
    return total.hexdigest()[:16]


def bits(model):
    return digest(model.labels_, model.cluster_centers_, model.inertia_, model.history_)


def real(n, d, dtype):
    """Rows without structure, unevenly scaled and far from zero: many are near a border."""
    rng = np.random.default_rng(n + d)
    return (rng.standard_normal((n, d)) * rng.uniform(0.1, 3, d) + 7).astype(dtype)


def digests():
    """Digests by name: every kernel, both sums, every start, weights, both dtypes."""
    found = {}
    for dtype in (np.float32, np.float64):
        for n, d, k in SHAPES:
            X, name = real(n, d, dtype), f"{np.dtype(dtype)} {n}x{d} k={k}"
            w = np.random.default_rng(1).uniform(size=n)
            options = {"max_iter": 5, "tol": 0, "random_state": 0}
            for label, weights in (("", None), (" weighted", w)):
                fit = KMeans(k, init=X[:k], **options).fit(X, sample_weight=weights)
                found[name + label] = bits(fit)
            found[name + " transform"] = digest(fit.transform(X[:200]))
            found[name + " assign"] = digest(*kmeans_assign(X, X[-k:]))
            found[name + " seeds"] = digest(*kmeans_plus_plus(X, k, random_state=1))
            fit = KMeans(k, init="k-means||", **options).partial_fit(X).partial_fit(X[::2])
            found[name + " batches"] = digest(fit.cluster_centers_, fit.counts_, fit.labels_)
        for start in ("k-means++", "k-means||", "random"):
            fit = KMeans(12, init=start, n_init=2, random_state=0).fit(blobs(3000, 4, 12, 0, dtype))
            found[f"{np.dtype(dtype)} {start}"] = bits(fit)
        found |= sparse(dtype) | top_n(dtype)
    return found | trees()


def top_n(dtype):
    """Digests of the most similar items: every score, both precisions, a self-join, an index."""
    found = {}
    for n, d in ((900, 5), (700, 64), (300, 300)):
        X = real(n, d, dtype) - dtype(7)
        for metric in ("cosine", "dot", "euclidean", "angular"):
            for precision in ("float", "certified-int8"):
                name = f"{np.dtype(dtype)} {metric} {n}x{d} {precision}"
                search = CosineIndex(X[50:], metric=metric, precision=precision).search
                found[name] = digest(*search(X[:50]), *search(X[0], 30))
                options = {"metric": metric, "precision": precision, "exclude_self": True}
                found[name + " itself"] = digest(*cosine_top_n(X, **options))
    return found


def trees():
    """Digests of linkage matrices: every method, from points and from a matrix."""
    found = {}
    for n, d in ((700, 3), (90, 40), (3000, 80)):
        X = real(n, d, np.float64)
        for method in ("single", "complete", "average", "centroid", "median", "ward"):
            if n < 1000 or method in ("single", "complete", "average", "ward"):
                found[f"{method} {n}x{d}"] = digest(linkage(X, method))
        found[f"cosine {n}x{d}"] = digest(linkage(X, "average", "cosine"))
    return found


def sparse(dtype):
    """Digests of fits to CSR rows, none without SciPy."""
    try:
        from scipy.sparse import csr_array
    except ImportError:
        return {}
    X = real(2000, 40, dtype) * (np.random.default_rng(0).uniform(size=(2000, 40)) < 0.2)
    X = csr_array(X.astype(dtype))
    fit = KMeans(10, random_state=0, max_iter=5).fit(X)
    near = cosine_top_n(X, n=20)
    return {f"{np.dtype(dtype)} sparse": bits(fit), f"{np.dtype(dtype)} sparse near": digest(*near)}


if __name__ == "__main__":
    warnings.simplefilter("error")
    print(json.dumps(digests()))
