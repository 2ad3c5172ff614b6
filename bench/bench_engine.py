"""The engine's gate: tile, plain product and argmin against the FMA peak and NumPy, in one run.

    python bench/bench_engine.py          # the table
    python -m pytest bench/bench_engine.py --quick

Zen 5, two cores, medians. The goals are 90 % of the peak for the tile, 95 % and 120 % of NumPy for
the two products, 80 % of the peak for the argmin. NumPy's OpenBLAS picks its Haswell kernels on
this CPU; told OPENBLAS_CORETYPE=SkylakeX it takes AVX-512 too: the last column is the ratio then.

                                     AVX-512            AVX2        AVX-512, SkylakeX
                                  f32      f64      f32      f64      f32      f64
    tile, depth 64              99.8 %   99.8 %  100.8 %  100.8 %                     of the peak
    tile, depth 128             99.5 %  100.2 %  100.1 %  100.7 %
    tile, depth 256             99.7 %   98.1 %  100.8 %  100.8 %
    1024 x 1024 x 1024           172 %    184 %     99 %     98 %    101 %    111 %   of NumPy
    100,000 x 32 x 256           285 %    243 %    200 %    154 %    144 %    186 %
    argmin 20,000 x 128 x 1000    81 %     88 %     84 %     88 %                     of the peak
"""

import statistics
import time

import numpy as np
import peak
import pytest
from coterie import _core

DTYPES = ("float32", "float64")
PRODUCTS = [(1024, 1024, 1024, 0.95), (100_000, 32, 256, 1.2)]  # n, d, m, goal against NumPy
ARGMIN = (20_000, 128, 1000)


PAUSE = 0.15  # seconds after which a library's idle threads no longer spin


def settled(run):
    """Seconds of `run` alone: others' threads asleep, its own awake."""
    time.sleep(PAUSE)
    run()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def product_ratio(n, d, m, dtype, threads, rounds):
    """Median of NumPy's time over ours, in alternation, both into arrays made beforehand."""
    rng = np.random.default_rng(0)
    a, b = rng.random((n, d)).astype(dtype), rng.random((d, m)).astype(dtype)
    ours, theirs = np.zeros((n, m), dtype), np.zeros((n, m), dtype)
    ratios = []
    for _ in range(rounds):
        own = settled(lambda: _core.product(a, b, ours, threads))
        ratios.append(settled(lambda: np.matmul(a, b, out=theirs)) / own)
    bound = 2 * d * np.finfo(dtype).eps * (a.max() * b.max() * d)
    assert np.abs(ours.astype(float) - theirs).max() <= bound
    return statistics.median(ratios)


def argmin_share(n, d, k, dtype, threads, rounds):
    """Share of `threads` times the FMA peak that the whole assignment reaches."""
    rng = np.random.default_rng(0)
    X, centers = (rng.normal(size=s).astype(dtype) for s in ((n, d), (k, d)))
    labels, shares = np.empty(n, np.int32), []
    for _ in range(rounds):
        seconds = settled(lambda: _core.kmeans_assign(X, centers, labels, None, threads))
        shares.append(2e-9 * n * d * k / seconds / (threads * peak.fma_peak(dtype, 1)))
    return statistics.median(shares)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tile(benchmark, dtype):
    _core.gauge(dtype, 1000, 64)
    benchmark.pedantic(_core.gauge, (dtype, 100_000, 64), rounds=3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", PRODUCTS, ids=str)
def test_product(benchmark, shape, dtype, shrink, rounds):
    n, d, m, _ = shape
    n = max(n // shrink, 64)
    ratio = product_ratio(n, d, m, dtype, _core.default_threads(), rounds)  # checks the answer
    benchmark.extra_info["NumPy's time / ours"] = ratio
    a, b = np.ones((n, d), dtype), np.ones((d, m), dtype)
    out = np.zeros((n, m), dtype)
    benchmark.pedantic(_core.product, (a, b, out, _core.default_threads()), rounds=rounds)
    assert (out == d).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_argmin(benchmark, dtype, shrink, rounds):
    n, d, k = ARGMIN[0] // shrink, *ARGMIN[1:]
    rng = np.random.default_rng(0)
    X, centers = (rng.normal(size=s).astype(dtype) for s in ((n, d), (k, d)))
    labels = np.empty(n, np.int32)
    threads = _core.default_threads()
    benchmark.pedantic(_core.kmeans_assign, (X, centers, labels, None, threads), rounds=rounds)
    some = slice(0, 200)
    squares = ((X[some, None].astype(float) - centers[None].astype(float)) ** 2).sum(axis=2)
    assert np.array_equal(labels[some], squares.argmin(axis=1))


def main():
    """Print the gate's table."""
    threads = _core.default_threads()
    print(f"ISA {_core.config()['isa']}, {threads} threads")
    for dtype in DTYPES:
        best = peak.fma_peak(dtype)
        print(f"{dtype}: FMA peak {best:.0f} GFLOP/s a thread")
        for depth in (64, 128, 256):
            print(f"  tile, depth {depth}: {peak.tile_rate(dtype, depth) / best:.1%} of it")
        for n, d, m, goal in PRODUCTS:
            ratio = product_ratio(n, d, m, dtype, threads, 21)
            print(f"  ({n} x {d})({d} x {m}): {ratio:.0%} of NumPy (goal {goal:.0%})")
        print(f"  argmin {ARGMIN}: {argmin_share(*ARGMIN, dtype, threads, 11):.1%} of the peak")


if __name__ == "__main__":
    main()
