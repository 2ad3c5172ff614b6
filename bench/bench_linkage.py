"""Linkage against its rivals, with pytest-benchmark: the answer first, then the time.

python -m pytest bench/bench_linkage.py             # all libraries that are installed
python -m pytest bench/bench_linkage.py --quick     # do they run?
python bench/table.py linkage                       # the figures we quote, libraries in turn
"""

import cases
import numpy as np
import pytest
import rivals
from coterie import _core
from coterie.hierarchy import pdist
from reference.linkage import heights


@pytest.mark.parametrize("case", cases.LINKAGE, ids=lambda c: c.name)
@pytest.mark.parametrize("library", rivals.LINKAGE)
def test_linkage(benchmark, library, case, shrink, rounds):
    if not rivals.takes(library, case):
        pytest.skip(f"{library} is not installed or cannot do this")
    X, start = cases.data(case, max(shrink, case.n // 300) if shrink > 1 else 1)
    run = rivals.LINKAGE[library](X, start, case, _core.default_threads())
    if shrink > 1:
        square = np.zeros((len(X), len(X)))
        square[np.triu_indices(len(X), 1)] = pdist(X, case.metric)
        wanted = heights(square + square.T, case.method).sum()
        digits = 1e-6 if library == "fast_hdbscan" else 1e-9  # it computes in float32
        assert abs(run() / wanted - 1) <= digits
    benchmark.group = case.name
    benchmark.pedantic(run, rounds=rounds, warmup_rounds=1)
