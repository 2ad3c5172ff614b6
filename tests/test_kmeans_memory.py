"""What KMeans needs beside its rows: measured as the peak of a process of its own."""

import sys

import child
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

PEAK = """
import gc, re, warnings, numpy as np
from coterie import KMeans, kmeans_assign, kmeans_plus_plus
warnings.simplefilter("ignore")

def status(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read()).group(1))

def extra(work):
    # Bytes by which the peak of work() lies above what is in use before it.
    gc.collect()
    try:
        open("/proc/self/clear_refs", "w").write("5")  # the peak starts anew
    except OSError:
        pass  # then it is that of the whole process, which can only be larger
    before = status("VmRSS")
    work()
    return status("VmHWM") - before

def rows(n, d):
    return np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
KMeans(20, random_state=0, max_iter=2).fit(rows(50_000, 4))  # threads and their stacks
"""
SHARDS = 64  # partial sums at most, each of k * (d + 8) float64
SLACK = 4 << 20  # what an allocator keeps to itself

# Bytes a row, apart from shards; the promise is 64. A copy of the rows as float64 would be 8 d.
CASES = {
    "array": (2_000_000, 8, 50, "KMeans(50, init=X[:50], max_iter=2).fit(X)"),
    "k-means++": (2_000_000, 8, 50, "KMeans(50, random_state=0, max_iter=2).fit(X)"),
    "k-means||": (
        500_000,
        8,
        50,
        "KMeans(50, init='k-means||', random_state=0, max_iter=2).fit(X)",
    ),
    "random": (500_000, 8, 50, "KMeans(50, init='random', n_init=2, random_state=0).fit(X)"),
    "sorted sums": (300_000, 16, 2000, "KMeans(2000, init=X[:2000], max_iter=2).fit(X)"),
    "deep": (300_000, 32, 10, "KMeans(10, random_state=0, max_iter=2).fit(X)"),
    "far rows": (300_000, 32, 10, "KMeans(10, random_state=0, max_iter=2).fit(X[::2])"),
    "weights": (500_000, 8, 9, "KMeans(9, random_state=0, max_iter=2).fit(X, sample_weight=w)"),
    "relocation": (500_000, 8, 9, "KMeans(9, init=X[:9] + 1e4, max_iter=2).fit(X)"),
    "batches": (500_000, 8, 9, "KMeans(9, random_state=0).partial_fit(X).partial_fit(X)"),
    "assign": (500_000, 8, 50, "kmeans_assign(X, X[:50])"),
}


@pytest.mark.parametrize("case", CASES)
def test_peak_beside_the_rows(case):
    n, d, k, work = CASES[case]
    code = f"{PEAK}\nX, w = rows({n}, {d}), np.ones({n})\nprint(extra(lambda: {work}))"
    peak = int(child.run(code))
    shards = SHARDS * k * (d + 8) * 8
    print(f"{case}: {peak / n:.1f} bytes a row, of which {min(shards, peak) / n:.1f} may be shards")
    assert peak < 64 * n + shards + SLACK


def test_transform_needs_its_result_alone():
    code = f"{PEAK}\nX = rows(300_000, 4)\nmodel = KMeans(20, random_state=0, max_iter=2).fit(X)"
    peak = int(child.run(f"{code}\nprint(extra(lambda: model.transform(X)))"))
    assert peak < 300_000 * 20 * 4 + SLACK


def test_a_memory_mapped_file_is_not_copied(tmp_path):
    code = f"""{PEAK}
n, d = 400_000, 64  # 100 MB
np.save({str(tmp_path / "X.npy")!r}, rows(n, d))
X = np.load({str(tmp_path / "X.npy")!r}, mmap_mode="r")
gc.collect()
anonymous = status("RssAnon")
peak = []
KMeans(5, init=X[:5], max_iter=3, callback=lambda _: peak.append(status("RssAnon"))).fit(X)
print(max(peak) - anonymous)
"""
    assert int(child.run(code)) < 64 * 400_000


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sparse_rows_are_never_made_dense(dtype):
    pytest.importorskip("scipy")
    code = f"""{PEAK}
from scipy.sparse import csr_array
n, d = 20_000, 200_000  # 16 or 32 GB if it were dense
column = np.r_[np.arange(n // 2), np.arange(n // 2) + d // 2]
S = csr_array((np.ones(n, np.{dtype}), (np.arange(n), column)), shape=(n, d))
KMeans(2).fit(S[:, :100])
model = KMeans(2, random_state=0, max_iter=2)
print(extra(lambda: model.fit(S)), (model.predict(S) == model.labels_).all())
"""
    peak, same = child.run(code).split()
    assert same == "True"
    # A few vectors of length d for each centre, padded to a vector of them, and the rows once more.
    assert int(peak) < 48 * 200_000 * 8 + 64 * 20_000 + SLACK


def test_two_thousand_fits_leave_nothing_behind():
    code = f"""{PEAK}
import os
X = np.random.default_rng(0).standard_normal((50, 3))
def soak(n):
    for i in range(n):
        model = KMeans(3, random_state=i, n_threads=2).fit(X)
        model.predict(X), model.transform(X)
        try:
            model.fit(X[:, :0])
        except ValueError:
            pass
    gc.collect()
    return status("VmRSS"), len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
before, after = soak(300), soak(2000)
print(after[0] - before[0], before[1:] == after[1:])
"""
    growth, same = child.run(code).split()
    assert same == "True", "descriptors or threads were left behind"
    assert int(growth) < 2 << 20
