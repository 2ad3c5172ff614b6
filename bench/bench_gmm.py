"""EM for Gaussian mixtures against its rivals, with pytest-benchmark: the answer first, then the time.

python -m pytest bench/bench_gmm.py             # all libraries that are installed
python -m pytest bench/bench_gmm.py --quick     # do they run?
python bench/table.py gmm                       # the figures we quote, libraries in turn
"""

import cases
import numpy as np
import pytest
import rivals
from coterie import _core
from reference.gmm import fit


@pytest.mark.parametrize("case", cases.MIXTURES, ids=lambda c: c.name)
@pytest.mark.parametrize("library", rivals.MIXTURE)
def test_em(benchmark, library, case, shrink, rounds):
    if not rivals.takes(library, case):
        pytest.skip(f"{library} is not installed or cannot do this")
    X, start = cases.data(case, shrink)
    run = rivals.MIXTURE[library](X, start, case, _core.default_threads())
    if shrink > 1 and case.iterations:
        model = rivals.mixture_start(X, start, case)
        wanted = fit(X, case.covariance_type, *map(np.asarray, model.values()), case.iterations)
        digits = 1e-9 if X.dtype == np.float64 else 1e-5
        assert abs(run() / len(X) / wanted - 1) <= digits
    benchmark.group = case.name
    benchmark.pedantic(run, rounds=rounds, warmup_rounds=1)
