"""`--quick`: the same benches on a hundredth of the rows, to show that they run."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="small data, one round")


@pytest.fixture
def shrink(request):
    """What to divide numbers of rows by."""
    return 100 if request.config.getoption("--quick") else 1


@pytest.fixture
def rounds(request):
    return 1 if request.config.getoption("--quick") else 7
