"""The search in a process it shares: signals, forks, memory."""

import os
import signal
import subprocess
import sys
import time

import child
import pytest
from test_kmeans_memory import PEAK

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

LONG = {  # each takes seconds, unless interrupted
    "top-n": "cosine_top_n(X[:100_000], X, n_threads=1)",
    "certified": "cosine_top_n(X[:100_000], X, precision='certified-int8', n_threads=1)",
    "long lists": "cosine_top_n(X[:20_000], X, 1000)",
    "self-join": "cosine_top_n(X, exclude_self=True, n_threads=1)",
    "index": "index.search(X)",
    "similarity": "[similarity(X[:9000], X[:50_000], 'euclidean') for _ in range(20)]",
    "neighbors": "NearestNeighbors().fit(X).kneighbors()",
}


@posix
@pytest.mark.parametrize("work", LONG)
def test_ctrl_c(work):
    code = f"""
import time, numpy as np
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # deaf in the background
from coterie import CosineIndex, NearestNeighbors, cosine_top_n, similarity
X = np.random.default_rng(0).standard_normal((200_000, 64), dtype=np.float32)
index = CosineIndex(X)
before = index.search(X[:9])
print("ready", flush=True)
try:
    {LONG[work]}
except KeyboardInterrupt:
    at = time.monotonic()
    after = index.search(X[:9])
    print(at, all(np.array_equal(a, b) for a, b in zip(before, after)))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "ready\n"
            time.sleep(0.3)
            sent = time.monotonic()
            other.send_signal(signal.SIGINT)
            said = other.communicate(timeout=60)[0].split()
        finally:
            other.kill()
    assert said[1:] == ["True"], "no KeyboardInterrupt, or it left its mark"
    latency = float(said[0]) - sent  # one clock for all processes of a machine
    print(f"Ctrl-C in {work} answered after {1000 * latency:.0f} ms")
    assert latency < 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_can_search():
    code = """
import os, signal, warnings, numpy as np
from coterie import CosineIndex, cosine_top_n
warnings.simplefilter("ignore")  # Python warns of forks beside threads
X = np.random.default_rng(0).standard_normal((20_000, 8), dtype=np.float32)
index = CosineIndex(X, n_threads=2)
def found():
    index.search(X[:200])
    return cosine_top_n(X[:2000], X, n_threads=2).scores.sum(), index.search(X[7]).scores.sum()
def fork():
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    signal.alarm(20)  # a child that hangs dies of it
    os._exit(0 if found() == parent else 1)
parent = found()
print([fork() for _ in range(3)], found() == parent)
"""
    assert child.run(code) == "[0, 0, 0] True"


def test_errors_of_many_threads():
    """An error of one caller is that caller's alone."""
    code = """
import numpy as np
from concurrent.futures import ThreadPoolExecutor
from coterie import CosineIndex
X = np.random.default_rng(0).standard_normal((20_000, 8), dtype=np.float32)
index = CosineIndex(X, n_threads=2)
bad = X[:500].copy()
bad[-1, -1] = np.nan
def search(rows):
    try:
        return index.search(rows).scores.sum()
    except ValueError as error:
        return str(error)
with ThreadPoolExecutor(8) as pool:
    told = list(pool.map(search, [X[:500], bad] * 8))
print(len(set(told)), told[1])
"""
    wanted = "queries: wanted finite values, got NaN at row 499, column 7 (1 in all)"
    assert child.run(code) == f"2 {wanted}"


MEMORY = {  # rows, features, how much is asked of them
    "many queries": (100_000, 64, 2000, "cosine_top_n(X[:m], X)"),
    "certified": (100_000, 64, 2000, "cosine_top_n(X[:m], X, precision='certified-int8')"),
    "long lists": (100_000, 32, 200, "cosine_top_n(X[:m], X, 1000)"),
    "one query": (500_000, 64, 1, "cosine_top_n(X[:m], X)"),
    "an index": (500_000, 64, 1, "index.search(X[:m])"),
    "self-join": (30_000, 64, 30_000, "cosine_top_n(X, exclude_self=True)"),
    "radius": (50_000, 8, 500, "model.radius_neighbors(X[:m], 1)"),
}
EXTRA, SLACK = 64 << 20, 4 << 20


@linux
@pytest.mark.parametrize("case", MEMORY)
def test_peak_beside_the_rows(case):
    n, d, m, work = MEMORY[case]
    code = f"""{PEAK}
from coterie import CosineIndex, NearestNeighbors, cosine_top_n
X, m = rows({n}, {d}), {m}
cosine_top_n(X[:100], X[:1000])
{"index = CosineIndex(X)" if "index" in work else ""}
{"model = NearestNeighbors().fit(X)" if "model" in work else ""}
print(extra(lambda: {work}))"""
    wide = 1000 if "1000" in work else 10
    peak = int(child.run(code))
    print(f"{case}: {peak / 2**20:.1f} MB")
    assert peak <= EXTRA + SLACK + m * wide * 12
