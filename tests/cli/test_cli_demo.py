"""``coterie demo`` and ``coterie info``."""

import json
from pathlib import Path

import coterie
import numpy as np
import pytest
from command import child
from coterie.cli.demo import adjusted_rand_index

PENGUINS = Path(coterie.__file__).parent / "data" / "penguins.csv"


def test_demo(run):
    code, out, err = run("demo")
    assert (code, err) == (0, "")
    for word in ("344 rows, 342 used", "Adelie", "Chinstrap", "Gentoo", "adjusted Rand index"):
        assert word in out
    code, out, err = run("demo", "--json", "--threads", 1)
    got = json.loads(out)
    assert {name: sum(row) for name, row in got["species"].items()} == {
        "Adelie": 151,
        "Chinstrap": 68,
        "Gentoo": 123,
    }
    assert 0.5 < got["adjusted_rand_index"] <= 1
    assert [sum(column) for column in zip(*got["species"].values(), strict=True)] == [
        c["size"] for c in got["clusters"]
    ]


def test_the_penguins_carry_their_licence():
    assert "CC0" in (PENGUINS.parent / "README.md").read_text()
    assert len(PENGUINS.read_text().splitlines()) == 345


def test_info(run):
    code, out, _ = run("info")
    assert code == 0
    for word in (coterie.__version__, "ISA", "threads", "OpenMP"):
        assert word in out
    got = json.loads(run("info", "--json")[1])
    assert got["version"] == coterie.__version__
    assert got["isa"] in got["isas"]
    assert got["threads"] >= 1


def test_as_a_module():
    done = child("--version")
    assert done.stdout == f"coterie {coterie.__version__}\n"
    assert child("kmeans").returncode == 2


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("aabb", "xxyy", 1.0),
        ("aabb", "yyxx", 1.0),
        ("aabb", "xyxy", -0.5),
        ("aaaa", "xxxx", 1.0),
        ("abcd", "wxyz", 1.0),
        ("aaaa", "wxyz", 0.0),
        ("a", "x", 1.0),
        ("aabb", "xxyz", 4 / 7),
    ],
)
def test_adjusted_rand_index(first, second, expected):
    assert adjusted_rand_index(first, second) == pytest.approx(expected, abs=1e-15)
    assert adjusted_rand_index(second, first) == pytest.approx(expected, abs=1e-15)


def test_adjusted_rand_index_against_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(0)
    for k in (2, 3, 10):
        a, b = random.integers(k, size=(2, 200))
        expected = metrics.adjusted_rand_score(a, b)
        assert adjusted_rand_index(a.tolist(), b.tolist()) == pytest.approx(expected, abs=1e-12)
