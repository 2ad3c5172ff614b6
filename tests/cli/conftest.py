"""Fixtures of the command's tests."""

import numpy as np
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


@pytest.fixture
def blobs(tmp_path):
    """Three clear groups of rows, as .npy."""
    X = np.random.default_rng(1).normal(size=(90, 2)) + np.repeat([[0], [9], [18]], 30, axis=0)
    np.save(tmp_path / "x.npy", X)
    return tmp_path / "x.npy"
