"""Every instruction set of this machine: the kernels' tests pass on it, the bits are the same."""

import json
import re

import child
import pytest
from bits import digests
from coterie import _core

ISAS = _core.config()["isas"]
OTHERS = [isa for isa in ISAS if isa != _core.config()["isa"]]  # its own tests run in this process
ELSEWHERE = {"avx1024", "AVX2", "odd,baseline", " ", "avx2", "avx512", "neon"} - set(ISAS)
KERNELS = [
    "test_bad_input.py",
    "test_engine.py",
    "test_gmm.py",
    "test_gmm_invariance.py",
    "test_invariance.py",
    "test_kmeans_api.py",
    "test_kmeans_sparse.py",
    "test_kmeans_start.py",
    "test_nn_fits.py",
    "test_nn_kernels.py",
    "test_tiny.py",
    "test_top_n.py",
]


@pytest.mark.parametrize("isa", OTHERS)
def test_the_kernels_tests_pass_on(isa):
    files = [str(child.TESTS / name) for name in KERNELS]
    # What scikit-learn chooses from the same seed is a matter of draws, not of kernels.
    choice = ["-m", "not slow", "-k", "not sklearn", "-p", "no:cacheprovider"]
    options = ["-m", "pytest", "-q", "--no-header", *choice]
    done = child.start(*options, *files, COTERIE_ISA=isa, timeout=880)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert f"ran on isa={isa}" in done.stdout, "no proof of the ISA that ran"
    assert int(re.search(r"(\d+) passed", done.stdout).group(1)) > 1000


@pytest.fixture(scope="module")
def here():
    return digests()


@pytest.mark.parametrize("isa", OTHERS)
def test_the_same_bits_on(isa, here):
    code = "import bits, json; from coterie import _core;"
    code += "print(json.dumps([_core.config()['isa'], bits.digests()]))"
    name, there = json.loads(child.run(code, COTERIE_ISA=isa))
    assert name == isa
    assert len(there) == len(here) > 60
    differing = [fit for fit in here if here[fit] != there[fit]]
    assert not differing, f"{isa} and {_core.config()['isa']} differ in: {', '.join(differing)}"


def test_an_instruction_set_can_be_chosen():
    compiled = _core.config()["compiled"]
    assert {"odd", "baseline"} <= set(ISAS) <= set(compiled)
    ask = "import coterie; print(coterie._core.config()['isa'])"
    for isa in ISAS:
        assert child.run(ask, COTERIE_ISA=isa) == isa
    best = [isa for isa in compiled if isa in ISAS][-1]
    assert child.run(ask, COTERIE_ISA="") == best != "odd"


@pytest.mark.parametrize("isa", sorted(ELSEWHERE))
def test_one_that_cannot_run_here_is_an_error(isa):
    done = child.start("-c", "import coterie", COTERIE_ISA=isa)
    assert done.returncode == 1
    wanted = f"COTERIE_ISA: wanted one of {', '.join(ISAS)}, got '{isa}'"
    assert done.stderr.splitlines()[-1] == f"ImportError: {wanted}"
