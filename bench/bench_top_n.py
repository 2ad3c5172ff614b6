"""The search against its rivals, with pytest-benchmark: the answer first, then the time.

python -m pytest bench/bench_top_n.py           # all libraries that are installed
python -m pytest bench/bench_top_n.py --quick   # do they run?
python bench/table.py top_n                     # the figures we quote, libraries in turn
"""

import cases
import numpy as np
import pytest
import rivals
from coterie import _core
from reference import top_n as reference


def sum_of_scores(items, queries, case):
    """What the reference finds; of sparse rows, every item finds itself, too."""
    itself = queries is None
    if case.entries:
        items, itself = items.toarray(), False
    asked = items if queries is None else queries
    return reference.top_n(asked, items, case.k, exclude_self=itself)[1].sum()


@pytest.mark.parametrize("case", cases.SEARCH, ids=lambda c: c.name)
@pytest.mark.parametrize("library", rivals.SEARCH)
def test_search(benchmark, library, case, shrink, rounds):
    if not rivals.takes(library, case):
        pytest.skip(f"{library} is not installed or cannot do this")
    items, queries = cases.data(case, shrink)
    run = rivals.SEARCH[library](items, queries, case, _core.default_threads())
    if shrink > 1:
        np.testing.assert_allclose(run(), sum_of_scores(items, queries, case), rtol=case.agree)
    benchmark.group = case.name
    benchmark.pedantic(run, rounds=rounds, iterations=case.repeat, warmup_rounds=1)
