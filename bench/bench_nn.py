"""Nets against their rivals, with pytest-benchmark: the answer first, then the time.

python -m pytest bench/bench_nn.py             # all libraries that are installed
python -m pytest bench/bench_nn.py --quick     # do they run?
python bench/table.py nn                       # the figures we quote, libraries in turn
"""

import dataclasses

import nets
import pytest
from coterie import _core


def told(answer):
    """The loss of a fit, which is asked for after its time has been taken."""
    return answer() if callable(answer) else answer


@pytest.mark.parametrize("case", nets.NETS, ids=lambda c: c.name)
@pytest.mark.parametrize("library", nets.NET)
def test_net(benchmark, library, case, shrink, rounds):
    if not nets.net_takes(library, case):
        pytest.skip(f"{library} is not installed or cannot do this")
    X, start = nets.net_data(case, shrink)
    if shrink > 1:
        n = len(X) - len(X) % min(case.batch, len(X)) or len(X)
        X, start = X[:n], (start[0][:n], start[1])
        few = max(1, case.iterations // shrink)
        case = dataclasses.replace(case, batch=min(case.batch, n), iterations=few)
    threads = _core.default_threads()
    run = nets.NET[library](X, start, case, threads)
    wanted = told(nets.coterie(X, start, case, threads)())
    assert told(run()) == pytest.approx(wanted, rel=case.agree)
    benchmark.group = case.name
    benchmark.pedantic(run, rounds=rounds, warmup_rounds=1)
