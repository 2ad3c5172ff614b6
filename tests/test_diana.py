"""Diana: published results, the reference, ties, cuts, prediction, memory, conventions."""

import pickle
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from coterie import Diana, _memory
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.diana import diana as reference
from rows import blobs, integers

METRICS = ("euclidean", "sqeuclidean", "cityblock", "chebyshev", "cosine", "correlation", "hamming")

# GNP per head and percentage in agriculture of twelve countries: data set `agriculture` of R's
# package cluster, after Kaufman & Rousseeuw.
GNP = [16.8, 21.3, 18.7, 5.9, 11.4, 17.8, 10.9, 16.6, 21.0, 16.4, 7.8, 14.0]
AGRICULTURE = [2.7, 5.7, 3.5, 22.2, 10.9, 6.0, 14.0, 8.5, 3.5, 4.3, 17.4, 2.3]
COUNTRIES = np.column_stack([GNP, AGRICULTURE])
# The five objects of the same book's introduction to hierarchical methods.
FIVE = np.array(
    [
        [0.0, 2, 6, 10, 9],
        [2, 0, 5, 9, 8],
        [6, 5, 0, 4, 5],
        [10, 9, 4, 0, 3],
        [9, 8, 5, 3, 0],
    ]
)


def square(X):
    return np.abs(X[:, None] - X).sum(axis=2)


def condensed(D):
    return D[np.triu_indices(len(D), 1)]


def given_distances(D, n_clusters=1, **options):
    return Diana(n_clusters, metric="precomputed", **options).fit(D)


@st.composite
def tied_distances(draw):
    n = draw(st.integers(2, 14))
    top = draw(st.integers(1, 12))
    values = draw(st.lists(st.integers(0, top), min_size=n * n, max_size=n * n))
    D = np.triu(np.array(values, float).reshape(n, n), 1)
    return D + D.T


# --- the tree


def test_agrees_with_published_results():
    # `diana(agriculture)` of R's package cluster prints these heights and this coefficient.
    model = Diana().fit(COUNTRIES)
    heights = [1.64924, 2.22036, 2.43516, 2.77308, 3.14006, 4.85077, 5.16236, 6.72309]
    heights += [8.05295, 12.56742, 24.03539]
    np.testing.assert_array_equal(np.round(model.distances_, 5), heights)
    assert round(model.divisive_coefficient_, 6) == 0.871106
    np.testing.assert_array_equal(np.flatnonzero(model.labels_), [3, 4, 6, 10])  # GR E IRL P


def test_the_book_s_five_objects():
    model = given_distances(FIVE, 3)
    np.testing.assert_array_equal(
        model.linkage_matrix_, [[0, 1, 2, 2], [3, 4, 3, 2], [2, 6, 5, 3], [5, 7, 10, 5]]
    )
    np.testing.assert_array_equal(model.labels_, [0, 0, 1, 2, 2])
    assert model.divisive_coefficient_ == pytest.approx(0.7, abs=1e-15)


@settings(max_examples=150, deadline=None)
@given(tied_distances())
def test_is_the_reference_under_ties(D):
    tree = reference(D)
    for distances in (D, condensed(D)):
        np.testing.assert_array_equal(given_distances(distances).linkage_matrix_, tree)


@pytest.mark.parametrize("metric", METRICS)
def test_metrics(metric):
    distance = pytest.importorskip("scipy.spatial.distance")
    X = integers(40, 4, seed=3)
    X[np.ptp(X, axis=1) == 0] = [1, 2, 3, 4]  # correlation wants rows that vary
    D = distance.squareform(distance.pdist(X, metric))
    model, tree = Diana(metric=metric).fit(X), reference(D)
    np.testing.assert_allclose(model.distances_, tree[:, 2], rtol=0, atol=100 * D.max() * 2**-52)
    if metric in ("sqeuclidean", "cityblock", "chebyshev"):  # integers: no rounding at all
        np.testing.assert_array_equal(model.linkage_matrix_, tree)


@pytest.mark.parametrize("metric", ["angular", "jaccard"])
def test_other_metrics_are_those_of_pdist(metric):
    pdist = pytest.importorskip("coterie.hierarchy").pdist
    X = np.abs(integers(30, 6)) % 2 if metric == "jaccard" else integers(30, 6)
    X[:, 0] = 1
    D = pdist(X, metric)
    np.testing.assert_array_equal(
        Diana(metric=metric).fit(X).linkage_matrix_, given_distances(D).linkage_matrix_
    )


def test_a_far_row_leaves_no_noise_behind():
    # Sums that once held 2^60 have to give the near rows' ties exactly once it is gone.
    D = square(np.r_[integers(30, 2, seed=1), [[2.0**60, 0]]])
    D[30, :30] = D[:30, 30] = 2.0**60 + 2**10
    near = given_distances(D[:30, :30]).linkage_matrix_
    far = given_distances(D).linkage_matrix_
    assert far[-1, 2] == 2.0**60 + 2**10
    np.testing.assert_array_equal(far[:-1, 2:], near[:, 2:])
    old_ids = np.r_[np.arange(30), 0, np.arange(30, 59)]
    np.testing.assert_array_equal(old_ids[far[:-1, :2].astype(int)], near[:, :2])


def test_many_rows_and_any_number_of_threads():
    X = blobs(2500, 2, 5, seed=6)  # more than one block of members
    models = [Diana(5, n_threads=t).fit(X) for t in (1, 2, 3)]
    for model in models[1:]:
        np.testing.assert_array_equal(model.linkage_matrix_, models[0].linkage_matrix_)
        np.testing.assert_array_equal(model.labels_, models[0].labels_)
        assert model.divisive_coefficient_ == models[0].divisive_coefficient_
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    Z = models[0].linkage_matrix_
    assert hierarchy.is_valid_linkage(Z)
    assert hierarchy.is_monotonic(Z)
    # The cophenetic distance of two rows is the diameter of a cluster that holds both.
    some = np.arange(0, 2500, 50)
    joined = hierarchy.cophenet(Z)
    D = np.sqrt(((X[some, None] - X[some]) ** 2).sum(axis=2))
    place = [2500 * i - i * (i + 1) // 2 + j - i - 1 for i in some for j in some if i < j]
    assert (joined[place] >= condensed(D) * (1 - 1e-12)).all()


# --- cuts


@pytest.mark.parametrize("k", [1, 2, 3, 7, 30])
def test_number_of_clusters(k):
    X = integers(30, 2, seed=8)
    model = Diana(k, metric="cityblock").fit(X)
    assert (model.n_clusters_, model.n_leaves_) == (k, 30)
    assert model.labels_[0] == 0
    assert list(dict.fromkeys(model.labels_)) == list(range(k)), "not by first appearance"
    # Undo the last k - 1 merges: what remains together has one label.
    tops = set(range(30, 60 - k)) | set(range(30))
    members = {i: {i} for i in range(30)}
    for t, (a, b) in enumerate(model.children_):
        members[30 + t] = members[a] | members[b]
        if 30 + t in tops:
            tops -= {a, b}
    assert {frozenset(np.flatnonzero(model.labels_ == c)) for c in range(k)} == {
        frozenset(members[top]) for top in tops
    }


def test_distance_threshold():
    model = Diana(None, metric="precomputed", distance_threshold=5)
    assert model.fit(FIVE).n_clusters_ == 3  # a diameter that equals it is divided
    assert model.set_params(distance_threshold=5.5).fit(FIVE).n_clusters_ == 2
    assert model.set_params(distance_threshold=10.5).fit(FIVE).n_clusters_ == 1
    np.testing.assert_array_equal(
        model.set_params(distance_threshold=0).fit_predict(FIVE), range(5)
    )


def test_few_rows_and_equal_rows():
    one = Diana(1).fit([[1.0, 2.0]])
    assert one.linkage_matrix_.shape == (0, 4)
    assert (one.labels_.tolist(), one.divisive_coefficient_) == ([0], 0.0)
    assert one.children_.shape == (0, 2)
    np.testing.assert_array_equal(Diana().fit([[3.0], [1.0]]).linkage_matrix_, [[0, 1, 2, 2]])
    same = Diana(3).fit(np.ones((5, 2)))
    np.testing.assert_array_equal(same.distances_, 0)
    assert (same.divisive_coefficient_, same.n_clusters_) == (0.0, 3)


# --- prediction


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n_new", [1, 70, 600])
def test_predict_by_mean_distance(metric, n_new):
    distance = pytest.importorskip("scipy.spatial.distance")
    rng = np.random.default_rng(5)
    X, new = rng.normal(size=(150, 5)) + 1, rng.normal(size=(n_new, 5)) + 1
    model = Diana(6, metric=metric).fit(X)
    D = distance.cdist(new, X, metric)
    means = np.stack([D[:, model.labels_ == c].mean(axis=1) for c in range(6)], axis=1)
    wanted = means.argmin(axis=1)
    sure = np.diff(np.sort(means, axis=1)[:, :2], axis=1)[:, 0] > 1e-9
    if metric != "hamming":  # normal rows have nothing in common: all are 1 apart
        assert sure.all()
    np.testing.assert_array_equal(model.predict(new)[sure], wanted[sure])
    np.testing.assert_array_equal(
        Diana(6, metric=metric, n_threads=1).fit(X).predict(new), model.predict(new)
    )


def test_predict_from_distances():
    model = given_distances(FIVE, 2)
    np.testing.assert_array_equal(model.predict(FIVE), model.labels_)
    np.testing.assert_array_equal(model.predict([[0, 4, 2, 2, 2], [9, 9, 1, 1, 1]]), [0, 1])
    flat = given_distances(condensed(FIVE), 2)
    np.testing.assert_array_equal(flat.predict(FIVE), model.labels_)
    assert flat.n_features_in_ == 5


def test_predict_keeps_the_rows_of_fit():
    X = blobs(60, 2, 3)
    model = Diana(3).fit(X)
    new, before = X + 0.1, model.predict(X + 0.1)
    X[:] = 0
    np.testing.assert_array_equal(model.predict(new), before)


# --- errors, memory, signals


@pytest.mark.parametrize(
    ("options", "X", "message"),
    [
        ({"n_clusters": 0}, FIVE, "n_clusters: wanted an integer >= 1"),
        ({"n_clusters": 6}, FIVE, "n_samples=5 should be >= n_clusters"),
        ({"n_clusters": None}, FIVE, "n_clusters, distance_threshold: wanted one of them"),
        ({"distance_threshold": 1.0}, FIVE, "n_clusters, distance_threshold: wanted one of them"),
        ({"n_clusters": None, "distance_threshold": -1}, FIVE, "distance_threshold: wanted a fin"),
        ({"metric": "warped"}, FIVE, "metric: wanted one of 'euclidean', .* got 'warped'"),
        ({"metric": "precomputed"}, FIVE[:4], r"X: wanted distances .* got shape \(4, 5\)"),
        ({"metric": "precomputed"}, np.ones(4), r"X: wanted distances .* got shape \(4,\)"),
        ({"metric": "precomputed"}, -FIVE, r"X: wanted distances >= 0, .*data: -2 between"),
        (
            {"metric": "precomputed"},
            np.full((5, 5), np.nan),
            r"X: wanted distances >= 0, .*got nan",
        ),
        ({"metric": "precomputed"}, FIVE * 1e307, r"X: wanted .*sums do not overflow"),
        ({"metric": "precomputed"}, FIVE + np.tri(5), r"X: wanted a symmetric matrix"),
        (
            {"metric": "precomputed"},
            FIVE + np.eye(5),
            r"zeros on the diagonal.*1 too much at row 0",
        ),
        ({}, np.full((5, 5), np.inf), "X: .*row 0, column 0"),
        ({}, FIVE[0], "X: wanted a 2-D array"),
    ],
)
def test_refused(options, X, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Diana(**options).fit(X)


def test_distances_may_be_symmetric_but_for_rounding():
    metrics = pytest.importorskip("sklearn.metrics")
    X = blobs(300, 20, 3).astype(np.float32)
    D = metrics.pairwise_distances(X)
    np.testing.assert_array_equal(
        given_distances(D).linkage_matrix_,
        given_distances(np.triu(D) + np.triu(D, 1).T).linkage_matrix_,
    )
    D[7, 3] = np.nan
    with pytest.raises(
        ValueError, match=r"X: wanted a symmetric .* nan too much at row 7, column 3"
    ):
        given_distances(D)


def test_sparse_rows_are_refused():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="X: wanted a dense array, got a sparse one: Diana works"):
        Diana().fit(sparse.csr_array(FIVE))


def test_a_lack_of_memory_is_told_in_time(monkeypatch):
    monkeypatch.setattr(_memory, "available_memory", lambda: 1000.0)
    assert Diana().fit(np.arange(16.0)[:, None]).n_leaves_ == 16
    advice = r"X: wanted 1,088 bytes of memory, got 1,000 available; .* 17 rows: cluster a sample"
    with pytest.raises(MemoryError, match=advice):
        Diana().fit(np.arange(17.0)[:, None])
    with pytest.raises(
        MemoryError, match=r"X: wanted 1,152 bytes .* pass the distances as float64"
    ):
        given_distances(np.zeros((12, 12), np.float32))
    assert given_distances(np.zeros((12, 12))).n_leaves_ == 12  # nothing to convert


def test_available_memory(tmp_path, monkeypatch):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    monkeypatch.setattr(_memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(_memory, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(_memory.resource, "getrlimit", lambda _: (5000, 9000))
    assert _memory.available_memory() == float("inf")
    write("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:       4 kB\n")
    assert _memory.available_memory() == 4096
    write("proc/self/statm", "1 1 1")
    monkeypatch.setattr(_memory.resource, "getpagesize", lambda: 1000)
    assert _memory.available_memory() == 4000
    write("proc/self/cgroup", "3:cpu,memory:/a/b\n2:pids:/a\n0::/c/d\n")
    write("cgroup/memory/a/memory.limit_in_bytes", "3000\n")
    write("cgroup/memory/a/memory.usage_in_bytes", "100\n")
    assert _memory.available_memory() == 2900
    write("cgroup/c/memory.max", "2000\n")
    write("cgroup/c/memory.current", "1500\n")
    write("cgroup/c/d/memory.max", "max\n")
    write("cgroup/c/d/memory.current", "7\n")
    assert _memory.available_memory() == 500
    write("cgroup/c/memory.stat", "anon 5\ninactive_file 300\n")
    assert _memory.available_memory() == 800
    write("cgroup/c/memory.current", "3000\n")
    assert _memory.available_memory() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c():
    # A chain: every division takes off the last row, and leaves no bound on a diameter tight.
    code = """
import numpy as np, time
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # deaf in the background
from coterie import Diana
D = np.maximum.outer(*[1.0 + np.arange(5000.0)] * 2)
np.fill_diagonal(D, 0)
model = Diana(metric="precomputed").fit(D[:9, :9])
before = dict(vars(model))
print("ready", flush=True)
try:
    model.fit(D)
except KeyboardInterrupt:
    print(time.monotonic(), all(vars(model)[name] is before[name] for name in before))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "ready\n"
            time.sleep(0.5)
            sent = time.monotonic()
            other.send_signal(signal.SIGINT)
            at, kept = other.communicate(timeout=60)[0].split()
        finally:
            other.kill()
    assert float(at) - sent < 2
    assert kept == "True"


# --- conventions


@pytest.mark.parametrize("metric", ["euclidean", "precomputed"])
def test_check_estimator(metric):
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    reason = "passes 10 x 3 values for distances, and wants to hear of NaN before the shape"
    expected = {"check_estimators_nan_inf": reason} if metric == "precomputed" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = checks.check_estimator(
            Diana(metric=metric), expected_failed_checks=expected, on_fail=None, on_skip=None
        )
    assert len(results) > 30
    assert [r["check_name"] for r in results if r["status"] == "failed"] == []


def test_feature_names_and_pickle():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(blobs(30, 2, 3), columns=["a", "b"])
    model = Diana(3).fit(frame)
    assert list(model.feature_names_in_) == ["a", "b"]
    back = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(back.predict(frame), model.predict(frame))
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(frame[["b", "a"]])
    for name in ("labels_", "children_", "distances_"):
        assert not hasattr(Diana(), name)


def test_plot_dendrogram():
    pytest.importorskip("coterie.hierarchy")
    drawn = Diana().fit(COUNTRIES).plot_dendrogram(no_plot=True)
    assert sorted(drawn["leaves"]) == list(range(12))
    assert max(max(link) for link in drawn["dcoord"]) == pytest.approx(24.03539, abs=5e-6)
