"""EM against its rivals, with pytest-benchmark: the answer first, then the time.

python -m pytest bench/bench_gmm.py             # all libraries that are installed
python -m pytest bench/bench_gmm.py --quick     # do they run?
python bench/table.py gmm                       # the figures we quote, libraries in turn
"""

import cases
import numpy as np
import pytest
import rivals
from coterie import _core
from reference import gmm


def bound_of(X, weights_init, means_init, precisions_init, case):
    """The mean log density that the reference reaches before its last M-step."""
    kind, X = case.covariance_type, X.astype("float64")
    precisions = np.asarray(precisions_init)
    factors = np.sqrt(precisions)  # of diagonal matrices, or of their diagonals
    model, bound = (np.asarray(weights_init), means_init, factors), 0.0
    for _ in range(case.iterations):
        bound, weights, means, covariances = gmm.step(X, np.ones(len(X)), *model, kind, 1e-6)
        model = (weights, means, gmm.factors_of(covariances, kind))
    return bound


@pytest.mark.filterwarnings("ignore:.*converge")  # tol=0: all iterations are wanted
@pytest.mark.parametrize("case", cases.MIXTURES, ids=lambda c: c.name)
@pytest.mark.parametrize("library", rivals.MIXTURE)
def test_em(benchmark, library, case, shrink, rounds):
    if not rivals.takes(library, case):
        pytest.skip(f"{library} is not installed or cannot do this")
    X, start = cases.data(case, shrink)
    run = rivals.MIXTURE[library](X, start, case, _core.default_threads())
    if shrink > 1 and case.iterations:
        wanted = bound_of(X, **rivals.mixture_start(X, start, case), case=case)
        digits = 1e-9 if X.dtype == np.float64 else 1e-5
        assert abs(run() / len(X) / wanted - 1) <= digits
    benchmark.group = case.name
    benchmark.pedantic(run, rounds=rounds, warmup_rounds=1)
