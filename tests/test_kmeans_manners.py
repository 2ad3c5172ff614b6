"""KMeans in a process it shares: signals, forks, threads, settings, other OpenMP libraries."""

import os
import platform
import signal
import subprocess
import sys
import time

import child
import numpy as np
import pytest
from coterie import KMeans
from rows import assert_bits, blobs

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

LONG = {  # each takes 5 s or more of one CPU, unless interrupted
    "fit": "again(500, init=X[:500], tol=0, max_iter=10**6, callback=ready).fit(X)",
    "sorted sums": "again(5000, init=X[:5000], tol=0, max_iter=10**6, callback=ready).fit(X)",
    "k-means++": "ready() or again(5000, random_state=0).fit(X)",
    "k-means||": "ready() or again(8000, init='k-means||', random_state=0).fit(X)",
    "predict": "ready() or kmeans_assign(X, X[:20_000])",
}


@posix
@pytest.mark.parametrize("work", LONG)
def test_ctrl_c(work):
    code = f"""
import time, numpy as np
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # deaf in the background
from coterie import KMeans, kmeans_assign
X = np.random.default_rng(0).standard_normal((200_000, 32), dtype=np.float32)
model = KMeans(3, random_state=0).fit(X[:300])
def again(n_clusters, **options):
    return model.set_params(n_clusters=n_clusters, **options)
before = dict(vars(model))
told = []
def ready(*_):
    if not told:
        told.append(print("ready", flush=True))
try:
    {LONG[work]}
except KeyboardInterrupt:
    at = time.monotonic()
    fitted = [name for name in before if name.endswith("_")]
    kept = len(fitted) > 5 and all(vars(model)[name] is before[name] for name in fitted)
    usable = KMeans(3, random_state=0).fit(X[:300]).inertia_ == before["inertia_"]
    print(at, kept, usable)
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
    assert said[1:] == ["True", "True"], "no KeyboardInterrupt, or it left its mark"
    latency = float(said[0]) - sent  # one clock for all processes of a machine
    print(f"Ctrl-C in {work} answered after {1000 * latency:.0f} ms")
    assert latency < 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_can_fit():
    code = """
import os, signal, warnings, numpy as np
from coterie import KMeans
warnings.simplefilter("ignore")  # Python warns of forks beside threads
X = np.random.default_rng(0).standard_normal((20_000, 8))
fit = lambda: KMeans(20, random_state=0, max_iter=3, n_threads=2).fit(X).inertia_
def fork():
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    signal.alarm(10)  # a child that hangs dies of it
    os._exit(0 if fit() == parent and (grown or grow()) else 1)
def grow():
    global grown
    grown = True
    return fork() == 0
grown, parent = False, fit()
print([fork() for _ in range(5)], fit() == parent)
"""
    assert child.run(code) == "[0, 0, 0, 0, 0] True"


def test_many_threads_share_a_model():
    code = """
import threading, numpy as np
from coterie import KMeans
from rows import blobs, assert_bits
X = blobs(4000, 6, 9, dtype=np.float32)
model = KMeans(9, random_state=0, n_threads=2).fit(X)
alone, wrong, barrier = model.predict(X), [], threading.Barrier(16)
reference = KMeans(9, random_state=0).fit(X)
def work(i):
    barrier.wait()
    for _ in range(20):
        if i % 2:
            model.fit(X)  # the same again
        elif not np.array_equal(model.predict(X), alone):
            wrong.append(i)
threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
[t.start() for t in threads]
[t.join() for t in threads]
assert_bits(model, reference)
print(wrong)
"""
    assert child.run(code) == "[]"


def test_exceptions_in_many_threads():
    """An error of one caller is that caller's alone."""
    code = """
import numpy as np
from concurrent.futures import ThreadPoolExecutor
from coterie import KMeans
from rows import blobs
X = blobs(20_000, 6, 9)
bad = X.copy()
bad[-1, -1] = np.nan
def fit(rows):
    try:
        return KMeans(9, random_state=0, max_iter=2, n_threads=2).fit(rows).inertia_
    except ValueError as error:
        return str(error)
with ThreadPoolExecutor(8) as pool:
    told = list(pool.map(fit, [X, bad] * 8))
print(len(set(told)), told[1])
"""
    wanted = "X: wanted finite values, got NaN at row 19999, column 5 (1 in all)"
    assert child.run(code) == f"2 {wanted}"


SETTINGS = """
import ctypes, locale, os, platform, re, signal, sys, threading, warnings
import numpy as np

def control_word():
    # Rounding, flush-to-zero, masks: MXCSR less its sticky flags on x86-64, FPCR on AArch64.
    words = (ctypes.c_uint32 * 64)()
    assert ctypes.CDLL(None).fegetenv(words) == 0 or platform.libc_ver()[0] != "glibc"
    return words[7] & ~0x3f if platform.machine() == "x86_64" else words[0]

def settings():
    maps = open("/proc/self/maps").read()
    runtimes = set(re.findall(r"/\\S*lib[gi]?omp\\S*", maps))
    teams = {name: ctypes.CDLL(name).omp_get_max_threads() for name in runtimes}
    caught = re.search("SigCgt:\\t(.*)", open("/proc/self/status").read()).group(1)
    handlers = [signal.getsignal(s) for s in sorted(signal.valid_signals())]
    return {
        "floating point": control_word(),
        "subnormals": (np.float64(5e-324) * 1.0, np.float32(1e-45) * np.float32(1)),
        "errstate": np.geterr(),
        "threads of OpenMP": teams,
        "signals": (handlers, caught),
        "locale": locale.setlocale(locale.LC_ALL),
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "random numbers": np.random.get_state()[1].tobytes(),
        "affinity": os.sched_getaffinity(0),
        "directory": os.getcwd(),
        "recursion": sys.getrecursionlimit(),
        "hooks": (sys.excepthook, threading.excepthook),
    }
"""


@linux
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="knows glibc's fenv_t")
def test_no_setting_of_the_process_changes():
    # The first thread of a process makes glibc install a handler of its own: let it do so before.
    code = f"""{SETTINGS}
import threading
first = threading.Thread(target=int)
first.start(), first.join()
before = settings()
import coterie
imported = settings()
X = np.random.default_rng(0).standard_normal((20_000, 8)).astype(np.float32)
model = coterie.KMeans(20, random_state=0, max_iter=5, n_threads=2).fit(X)
model.partial_fit(X), model.predict(X), model.transform(X), model.score(X)
coterie.KMeans(9, init="k-means||", n_init=2, random_state=0, max_iter=2).fit(X)
try:
    model.fit(X * np.nan)
except ValueError:
    pass
after = settings()
before["threads of OpenMP"] = imported["threads of OpenMP"]  # the runtime comes with the import
assert before["subnormals"][0] > 0 and len(before) == 13
print([name for name in before if not before[name] == imported[name] == after[name]])
"""
    assert child.run(code) == "[]"


def test_floating_point_warnings_stay_with_the_caller():
    X = blobs(500, 3).astype(np.float32)
    with np.errstate(all="raise"):
        plain = KMeans(4, random_state=0).fit(X)
        plain.predict(X)
        plain.transform(X)
        plain.partial_fit(X)
        KMeans(4, init="random", random_state=0).fit(
            X * np.float32(1e-30), sample_weight=X[:, 0] > 0
        )
    assert_bits(KMeans(4, random_state=0).fit(X), KMeans(4, random_state=0).fit(X))


@linux
@pytest.mark.parametrize("order", ["sklearn.cluster, coterie", "coterie, sklearn.cluster"])
def test_beside_scikit_learn(order):
    """Both fit in one process, whichever came first; the OpenMP runtimes that takes are told."""
    pytest.importorskip("sklearn")
    code = f"""
import re, numpy as np, {order}
X = np.random.default_rng(0).standard_normal((20_000, 8))
options = dict(n_clusters=9, init=X[:9], max_iter=5, tol=0)
for _ in range(3):
    with np.errstate(all="ignore"):
        a = coterie.KMeans(n_threads=2, **options).fit(X)
        b = sklearn.cluster.KMeans(n_init=1, **options).fit(X)
files = set(re.findall(r"/\\S*lib[gi]?omp\\S*", open("/proc/self/maps").read()))
print((a.labels_ == b.labels_).all(), *sorted(files))
"""
    agree, *files = child.run(code, PYTHONWARNINGS="ignore").split()
    print(f"{len(files)} OpenMP runtimes: {', '.join(files)}")
    assert agree == "True"
    assert len(files) <= 2


@pytest.mark.parametrize("n_threads", [1, 2])
def test_python_may_end_while_a_daemon_thread_is_at_work(n_threads):
    code = f"""
import threading, time, coterie, numpy as np
X = np.random.default_rng(0).normal(size=(20000, 30))
begun = threading.Event()
def work():
    while True:
        begun.set()
        coterie.KMeans(20, n_init=1, max_iter=50, n_threads={n_threads}, random_state=0).fit(X)
threading.Thread(target=work, daemon=True).start()
begun.wait()
time.sleep(0.3)
print("end")
"""
    assert child.run(code, PYTHONWARNINGS="ignore") == "end"
