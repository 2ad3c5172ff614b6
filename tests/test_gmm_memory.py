"""What Gaussian mixtures need beside their rows: the peak of a process of its own."""

import sys

import child
import pytest
from test_kmeans_memory import PEAK, SLACK

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

N, D, K = 200_000, 16, 10
SETUP = f"""{PEAK}
from coterie import BayesianGaussianMixture, GaussianAnomalyDetector, GaussianMixture
from mixtures import model
X = np.random.default_rng(0).standard_normal(({N}, {D}))
w = np.random.default_rng(1).uniform(size={N})
def given(kind):
    m, T = model({K}, {D}, kind), model({K}, {D}, kind).factors
    precisions = T.swapaxes(-1, -2) @ T if kind in ("full", "tied") else T**2
    start = {{"weights_init": m.weights, "means_init": m.means, "precisions_init": precisions}}
    return GaussianMixture({K}, covariance_type=kind, max_iter=3, **start)
given("full").fit(X[:5000])  # threads and their stacks
"""

CASES = {
    **{kind: (f"given({kind!r}).fit(X)", 0) for kind in ("full", "tied", "diag", "spherical")},
    "weights": ("given('full').fit(X, sample_weight=w)", 0),
    "labels": ("trained.predict(X)", 4 * N),
    "shares": ("trained.predict_proba(X)", 8 * N * K),
    "densities": ("trained.score_samples(X)", 8 * N),
}


@pytest.mark.parametrize("case", CASES)
def test_peak_beside_the_rows(case):
    """A tenth of X at most, apart from what is returned; one n x k matrix would be 62 % of it."""
    work, result = CASES[case]
    trained = "trained = given('full').fit(X[:5000])"
    peak = int(child.run(f"{SETUP}\n{trained}\nprint(extra(lambda: {work}))"))
    print(f"{case}: {100 * (peak - result) / (8 * N * D):.1f} % of X")
    assert peak < result + 0.1 * 8 * N * D


def test_a_start_needs_what_k_means_needs():
    """64 bytes a row, labels among them, and the sums of shards."""
    work = f"GaussianMixture({K}, random_state=0, max_iter=3).fit(X)"
    peak = int(child.run(f"{SETUP}\nprint(extra(lambda: {work}))"))
    assert peak < 64 * N + 0.1 * 8 * N * D + SLACK


def test_the_variational_mixture_stores_no_responsibilities_either():
    work = f"BayesianGaussianMixture(n_components={K}, random_state=0, max_iter=3).fit(X)"
    peak = int(child.run(f"{SETUP}\nprint(extra(lambda: {work}))"))
    assert peak < 64 * N + 0.1 * 8 * N * D + SLACK
