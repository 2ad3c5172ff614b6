"""`--quick`: the same benches on a hundredth of the rows, to show that they run."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]  # the cases; the references in NumPy


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="small data, one round")


@pytest.fixture
def shrink(request):
    """What to divide numbers of rows by."""
    return 100 if request.config.getoption("--quick") else 1


@pytest.fixture
def rounds(request):
    return 1 if request.config.getoption("--quick") else 7
