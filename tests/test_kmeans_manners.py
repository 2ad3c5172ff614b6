"""KMeans among others: sparse rows, signals, forks, memory."""

import os
import subprocess
import sys

import numpy as np
import pytest
from coterie import KMeans
from rows import integers
from tolerance import assert_within, distance_bound, mean_bound


def test_sparse_rows_are_fitted_like_dense_ones():
    sparse = pytest.importorskip("scipy.sparse")
    X = integers(120, 6) * (np.random.default_rng(4).uniform(size=(120, 6)) < 0.3)
    for S in (sparse.csr_matrix(X), sparse.csc_matrix(X)):
        for init in ("k-means++", "random", X[:4]):
            model = KMeans(4, init=init, random_state=1).fit(S)
            dense = KMeans(4, init=init, random_state=1).fit(X)
            np.testing.assert_array_equal(model.labels_, dense.labels_)
            assert_within(model.cluster_centers_, dense.cluster_centers_, mean_bound(X))
        np.testing.assert_array_equal(model.predict(S), model.predict(X))
        distances = dense.transform(X)  # centres that differ by mean_bound move them by its norm
        bound = distance_bound(distances, 6, np.float64) + np.sqrt(6) * mean_bound(X)
        assert_within(model.transform(S), distances, bound)
        assert KMeans(4, init="k-means||", random_state=1).fit(S).inertia_ > 0
        model.partial_fit(S[:30])
        np.testing.assert_array_equal(model.labels_, model.predict(X[:30]))
    given = []
    KMeans(2, init=lambda S, k, random_state: given.append(S) or X[:k], n_init=1).fit(S)
    assert sparse.issparse(given[0])


def test_sparse_rows_are_never_made_dense():
    sparse = pytest.importorskip("scipy.sparse")
    n, d = 20_000, 200_000  # 32 GB if it were dense
    column = np.r_[np.arange(n // 2), np.arange(n // 2) + d // 2]
    S = sparse.csr_matrix((np.ones(n), (np.arange(n), column)), shape=(n, d))
    model = KMeans(2, random_state=0, max_iter=2).fit(S)
    np.testing.assert_array_equal(model.predict(S), model.labels_)


# The rest runs in fresh processes, so that a failure cannot take the suite along.


def child(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_interrupt():
    # 100 seconds or more of work: only an answered signal ends it before the time limit.
    code = """
import signal, threading, numpy as np
from coterie import KMeans
X = np.random.default_rng(0).standard_normal((200_000, 32), dtype=np.float32)
model = KMeans(1000, init=X[:1000], tol=0, max_iter=10**6)
threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()
try:
    model.fit(X)
except KeyboardInterrupt:
    print("interrupted", hasattr(model, "labels_"), KMeans(2).fit(X[:50]).n_iter_ > 0)
"""
    assert child(code) == "interrupted False True"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_can_fit():
    code = """
import os, warnings, numpy as np
from coterie import KMeans
warnings.simplefilter("ignore")
X = np.random.default_rng(0).standard_normal((20_000, 8))
fit = lambda: KMeans(20, init=X[:20], max_iter=3, n_threads=2).fit(X).inertia_
parent = fit()
pid = os.fork()
if pid == 0:
    os._exit(0 if fit() == parent else 1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), fit() == parent)
"""
    assert child(code) == "0 True"


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kB on Linux")
def test_memory_beside_the_rows():
    # 64 bytes a row are 32 MB here, an n x k matrix would be 256 MB.
    code = """
import resource, numpy as np
from coterie import KMeans
X = np.random.default_rng(0).standard_normal((500_000, 4), dtype=np.float32)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
KMeans(128, random_state=0, max_iter=1).fit(X[:20_000])
before = peak()
KMeans(128, random_state=0, max_iter=2).fit(X)
print((peak() - before) < 64 * len(X))
"""
    assert child(code) == "True"
