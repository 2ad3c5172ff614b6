"""What this machine can do at best, measured in the same run as what is compared with it."""

import threading
import time

import numpy as np
from coterie import _core


def fma_peak(dtype, repeats=5):
    """GFLOP/s of one thread doing nothing but independent multiply-adds in registers."""
    loops, best = 2_000_000, 0.0
    for _ in range(repeats):
        flops, seconds = _core.gauge(dtype, loops, 0)
        best = max(best, flops / seconds / 1e9)
    return best


def tile_rate(dtype, depth, repeats=5):
    """GFLOP/s of one thread in the tile loop alone, both panels in cache."""
    loops, best = 2 + 30_000_000 // (16 * depth), 0.0
    for _ in range(repeats):
        flops, seconds = _core.gauge(dtype, loops, depth)
        best = max(best, flops / seconds / 1e9)
    return best


def bandwidth(threads, megabytes=256, repeats=5):
    """GB/s read from memory by `threads` threads, each its own part."""
    data = np.ones(megabytes << 17)
    parts = np.array_split(data, threads)
    best = 0.0
    for _ in range(repeats):
        workers = [threading.Thread(target=part.max) for part in parts]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = max(best, data.nbytes / (time.perf_counter() - start) / 1e9)
    return best
