"""k-means against its rivals, with pytest-benchmark: the answer first, then the time.

    python -m pytest bench/bench_kmeans.py             # all libraries that are installed
    python -m pytest bench/bench_kmeans.py --quick     # do they run?

Libraries run one after the other here; the figures we quote come from table.py, which runs them in
turn, in processes of their own.
"""

import cases
import pytest
import rivals
from coterie import _core
from reference.kmeans import lloyd


def contenders(table):
    return [n for n in table if rivals.installed(n)]


@pytest.mark.parametrize("case", cases.KMEANS, ids=lambda c: c.name)
@pytest.mark.parametrize("library", contenders(rivals.LLOYD))
def test_lloyd(benchmark, library, case, shrink, rounds):
    X, start = cases.data(case, shrink)
    run = rivals.LLOYD[library](X, start, case, _core.default_threads())
    if shrink > 1:  # at full size the reference would take minutes
        wanted = lloyd(X, start, max_iter=case.iterations)[2]
        # Libraries fill an emptied cluster with other rows, and float32 parts at near ties.
        assert abs(run() - wanted) <= 0.01 * wanted
    benchmark.group = case.name
    benchmark.pedantic(run, rounds=rounds, warmup_rounds=1)


@pytest.mark.parametrize("case", cases.SEEDING, ids=lambda c: c.name)
@pytest.mark.parametrize("library", contenders(rivals.PLUS_PLUS))
def test_seeding(benchmark, library, case, shrink, rounds):
    X, start = cases.data(case, shrink)
    run = rivals.PLUS_PLUS[library](X, start, case, _core.default_threads())
    # Greedy seeds beat seeds drawn uniformly.
    assert run() < rivals.potential(X, start)
    benchmark.group = case.name
    benchmark.pedantic(run, rounds=rounds)
