"""Libraries in turn, a process each: drift of a shared machine then hits all alike.

Ratios are taken round by round, and their median is what is quoted.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

PAUSE = 0.2  # seconds after which the idle threads of the library before no longer spin

WORKER = """
import json, sys, time
sys.path.insert(0, {here!r})
import cases, rivals
case = next(c for c in cases.ALL if c.name == {case!r})
X, start = cases.data(case, {shrink})
run = getattr(rivals, {table!r})[{library!r}](X, start, case, {threads})
print("ready", flush=True)
seconds = float("inf")
for _ in sys.stdin:
    repeat = case.repeat if seconds < 1 else 1  # a second is as good as many short runs
    for _ in range(repeat if repeat > 1 else 0):
        run()  # caches are cold after the pause: what is measured here is a fit among many
    begin = time.perf_counter()
    for _ in range(repeat):
        answer = run()
    seconds = (time.perf_counter() - begin) / repeat
    answer = answer() if callable(answer) else answer  # what only tells how good it is, untimed
    print(json.dumps([seconds, answer / X.shape[0]]), flush=True)
"""


class Worker:
    """A library in a process of its own, waiting to be told to run."""

    def __init__(self, library, case, table, threads, shrink):
        source = WORKER.format(
            here=str(Path(__file__).parent),
            case=case.name,
            shrink=shrink,
            table=table,
            library=library,
            threads=threads,
        )
        limits = dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)
        )
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", source],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | limits,
        )
        self._line("ready")

    def _line(self, what):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"no {what}: {self.process.stderr.read()[-500:]}")
        return line

    def run(self):
        time.sleep(PAUSE)
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return json.loads(self._line("answer"))

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def duel(case, table, libraries, threads, rounds, shrink=1):
    """Return {library: (median seconds, answer per row, median ratio to coterie's time)}."""
    workers = {name: Worker(name, case, table, threads, shrink) for name in libraries}
    try:
        for worker in workers.values():
            worker.run()  # warm: first-touch, thread pools
        results = [{name: w.run() for name, w in workers.items()} for _ in range(rounds)]
    finally:
        for worker in workers.values():
            worker.close()
    summary = {}
    for name in workers:
        times = [r[name][0] for r in results]
        ratios = [r[name][0] / r["coterie"][0] for r in results]
        summary[name] = (
            statistics.median(times),
            results[0][name][1],
            statistics.median(ratios),
        )
    return summary
