"""Fixtures of the command's tests."""

import pytest
from command import TWO
from coterie.cli import main


@pytest.fixture
def run(capsys):
    """Run the command in this process; returns exit code, stdout, stderr."""

    def run(*argv):
        code = main([str(a) for a in argv])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def two(tmp_path):
    path = tmp_path / "two.csv"
    path.write_text(TWO)
    return path
