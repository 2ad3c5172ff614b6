"""BisectingKMeans: the tree of divisions, scikit-learn's results, weights, edges, conventions."""

import inspect
import pickle
import warnings

import numpy as np
import pytest
from coterie import BisectingKMeans, KMeans
from rows import blobs, integers
from tolerance import assert_within, distance_bound, inertia_bound, mean_bound

LINE = np.array([[0.0], [1], [10], [13], [100], [104]])


def parts(model):
    """The rows of every node of the linkage matrix, leaves first."""
    labels, Z = model.labels_, model.linkage_matrix_
    nodes = [set(np.flatnonzero(labels == label)) for label in range(len(Z) + 1)]
    for a, b in Z[:, :2].astype(int):
        nodes.append(nodes[a] | nodes[b])
    return nodes


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("strategy", ["biggest_inertia", "largest_cluster"])
@pytest.mark.parametrize("options", [{}, {"n_init": 3}, {"init": "k-means++"}])
def test_divides_as_scikit_learn(options, strategy, dtype, sparse):
    cluster = pytest.importorskip("sklearn.cluster")
    X = blobs(300, 3, 7, seed=1, dtype=dtype)
    given = pytest.importorskip("scipy.sparse").csr_array(X) if sparse else X
    for weights in (None, np.random.default_rng(2).integers(1, 4, 300)):
        options = {**options, "n_clusters": 9, "bisecting_strategy": strategy, "random_state": 3}
        theirs = cluster.BisectingKMeans(**options).fit(given, sample_weight=weights)
        ours = BisectingKMeans(**options).fit(given, sample_weight=weights)
        np.testing.assert_array_equal(ours.labels_, theirs.labels_)
        scale = 20 * np.abs(X).max()  # theirs are sums of float32 about another origin
        assert_within(ours.cluster_centers_, theirs.cluster_centers_, np.finfo(dtype).eps * scale)
        new = X[::-1] * dtype(0.9)
        np.testing.assert_array_equal(ours.predict(new), theirs.predict(new))
        n_roundings = len(X)  # of theirs, in the dtype of X
        np.testing.assert_allclose(
            ours.inertia_, theirs.inertia_, rtol=n_roundings * np.finfo(dtype).eps
        )


@pytest.mark.parametrize("strategy", ["biggest_inertia", "largest_cluster"])
@pytest.mark.parametrize("weighted", [False, True])
def test_heights_are_those_of_the_rows(strategy, weighted):
    X = blobs(200, 3, 6, seed=5)
    w = np.arange(200) % 4 + 1.0 if weighted else np.ones(200)
    model = BisectingKMeans(12, bisecting_strategy=strategy, random_state=0)
    model.fit(X, sample_weight=w if weighted else None)
    Z, nodes = model.linkage_matrix_, parts(model)
    assert Z.shape == (11, 4)
    assert (np.diff(Z[:, 2]) >= 0).all()
    assert (Z[:, 0] < Z[:, 1]).all()
    for row, members in zip(Z, nodes[12:], strict=True):
        at = sorted(members)
        mean = np.average(X[at], axis=0, weights=w[at])
        sse = (w[at, None] * (X[at] - mean) ** 2).sum()
        assert_within(row[2] ** 2, 2 * sse, 2 * inertia_bound(X, w))
        assert row[3] == len(np.unique(model.labels_[at]))
    assert nodes[-1] == set(range(200))
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    assert hierarchy.is_valid_linkage(Z)
    assert hierarchy.is_monotonic(Z)


def test_two_rows_are_as_high_as_their_distance():
    model = BisectingKMeans(6, random_state=0).fit(LINE)
    Z = model.linkage_matrix_
    np.testing.assert_array_equal(Z[:3, 2], [1, 3, 4])
    np.testing.assert_array_equal(np.sort(model.cluster_centers_, axis=0), LINE)
    assert model.inertia_ == 0
    assert_within(Z[3, 2], np.sqrt(2 * (36 + 25 + 16 + 49)), 1e-13)


def test_which_cluster_is_divided():
    # Many close rows and two far apart: the far ones have the inertia, the close ones the number.
    X = np.r_[np.arange(10) / 10, 100, 110][:, None]
    by_inertia = BisectingKMeans(3, random_state=0, n_init=5).fit(X)
    by_size = BisectingKMeans(
        3, random_state=0, n_init=5, bisecting_strategy="largest_cluster"
    ).fit(X)
    assert by_inertia.labels_[10] != by_inertia.labels_[11]
    assert by_size.labels_[10] == by_size.labels_[11]
    assert len(set(by_size.labels_[:10])) == 2


@pytest.mark.parametrize("sparse", [False, True])
def test_labels_inertia_and_scores_belong_together(sparse):
    X = blobs(400, 4, 6, seed=2, dtype=np.float32)
    given = pytest.importorskip("scipy.sparse").csr_matrix(X) if sparse else X
    model = BisectingKMeans(8, random_state=1).fit(given)
    assert model.labels_.dtype == np.int32
    assert model.cluster_centers_.dtype == np.float32
    np.testing.assert_array_equal(model.predict(given), model.labels_)
    distances = model.transform(given)
    own = distances[np.arange(400), model.labels_].astype(np.float64)
    bound = 2 * own * distance_bound(own, 4, np.float32)
    assert_within((own**2).sum(), model.inertia_, bound.sum())
    assert -model.score(given) <= model.inertia_  # nearest of all centres, not down the tree
    again = BisectingKMeans(8, random_state=1)
    np.testing.assert_array_equal(again.fit_predict(given), model.labels_)
    np.testing.assert_array_equal(again.fit_transform(given), distances)
    assert list(model.get_feature_names_out()[:2]) == ["bisectingkmeans0", "bisectingkmeans1"]


def test_same_bits_for_any_number_of_threads():
    X = blobs(3000, 5, 8, dtype=np.float32)
    models = [BisectingKMeans(9, random_state=0, n_threads=t).fit(X) for t in (1, 2, 3, None)]
    for model in models[1:]:
        for name in ("labels_", "cluster_centers_", "linkage_matrix_", "inertia_"):
            np.testing.assert_array_equal(getattr(model, name), getattr(models[0], name))


# --- weights, few rows


def test_one_cluster():
    X, w = integers(40), np.arange(40.0)
    model = BisectingKMeans(1).fit(X, sample_weight=w)
    assert_within(model.cluster_centers_[0], np.average(X, axis=0, weights=w), mean_bound(X))
    np.testing.assert_array_equal(model.labels_, 0)
    np.testing.assert_array_equal(model.predict(X[:3]), 0)
    assert model.linkage_matrix_.shape == (0, 4)
    assert_within(model.inertia_, -model.score(X, sample_weight=w), inertia_bound(X, w))


def test_rows_of_weight_zero_are_never_a_start():
    X = np.vstack([integers(30), np.full((30, 3), 1000.0)])
    w = np.r_[np.ones(30), np.zeros(30)]
    model = BisectingKMeans(5, random_state=0).fit(X, sample_weight=w)
    assert np.abs(model.cluster_centers_).max() <= 8
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    with pytest.raises(ValueError, match=r"sample_weight: .* n_clusters=31 weights .* got 30"):
        BisectingKMeans(31).fit(X, sample_weight=w)


@pytest.mark.parametrize("strategy", ["biggest_inertia", "largest_cluster"])
def test_as_many_clusters_as_rows(strategy):
    X = integers(30, 2, seed=4)
    X = np.unique(X, axis=0)
    model = BisectingKMeans(len(X), random_state=0, bisecting_strategy=strategy).fit(X)
    assert sorted(model.labels_) == list(range(len(X)))
    assert model.inertia_ == 0


@pytest.mark.parametrize("init", ["random", "k-means++"])
def test_fewer_distinct_rows_than_clusters(init):
    X = np.repeat([[0.0, 1], [2, 3], [4, 5]], 5, axis=0)
    with pytest.warns(UserWarning, match=r"distinct clusters \(3\) found smaller than n_clus"):
        model = BisectingKMeans(6, init=init, random_state=0, n_init=9).fit(X)
    assert model.cluster_centers_.shape == (6, 2)
    assert model.inertia_ == 0
    np.testing.assert_array_equal(model.predict(X), model.labels_)
    assert (model.linkage_matrix_[:3, 2] == 0).all()


def test_init_by_a_callable():
    seen = []

    def first_and_last(X, k, random_state):
        seen.append((len(X), k))
        assert isinstance(random_state, np.random.RandomState)
        return X[[0, -1]]

    model = BisectingKMeans(3, init=first_and_last, random_state=0).fit(LINE)
    np.testing.assert_array_equal(model.labels_, [0, 0, 1, 1, 2, 2])
    assert seen == [(6, 2), (4, 2)]


# --- conventions


def test_check_estimator():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    # The two that scikit-learn declares for its own class.
    kinds = ("dense", "sparse")
    reason = "sample_weight is not equivalent to removing/repeating samples."
    expected = {f"check_sample_weight_equivalence_on_{kind}_data": reason for kind in kinds}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = checks.check_estimator(
            BisectingKMeans(), expected_failed_checks=expected, on_fail=None, on_skip=None
        )
    assert len(results) > 40
    assert [r["check_name"] for r in results if r["status"] == "failed"] == []


def test_signature_is_a_superset_of_sklearns():
    theirs = inspect.signature(pytest.importorskip("sklearn.cluster").BisectingKMeans).parameters
    ours = inspect.signature(BisectingKMeans).parameters
    for name, parameter in theirs.items():
        assert (ours[name].default, ours[name].kind) == (parameter.default, parameter.kind), name
    assert [name for name in ours if name not in theirs] == ["n_threads"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_clusters": 0}, "n_clusters: wanted an integer >= 1"),
        ({"n_clusters": 7}, "n_samples=6 should be >= n_clusters, got n_clusters=7"),
        ({"init": "k-means||"}, "init: wanted one of 'k-means[+][+]', 'random', got 'k-means||'"),
        ({"init": [[0.0], [1.0]]}, "init: wanted one of .* a callable will do, too"),
        ({"n_init": "auto"}, "n_init: wanted an integer >= 1, got 'auto'"),
        ({"algorithm": "elkan"}, "algorithm: wanted 'lloyd', got 'elkan'"),
        ({"bisecting_strategy": "widest"}, "bisecting_strategy: wanted one of 'biggest_inertia'"),
        ({"tol": -1}, "tol: wanted a finite number >= 0"),
        ({"verbose": "no"}, "verbose: wanted an integer >= 0, got 'no'"),
        ({"copy_x": None}, "copy_x: wanted a bool"),
    ],
)
def test_refused(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        BisectingKMeans(**{"n_clusters": 2, **options}).fit(LINE)


def test_values_that_are_not_finite():
    X = integers(10)
    model = BisectingKMeans(2, random_state=0).fit(X)
    bad = X.copy()
    bad[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"X: .*row 3, column 1"):
        BisectingKMeans(2).fit(bad)
    with pytest.raises(ValueError, match=r"X: .*row 3, column 1"):
        model.predict(bad)


def test_verbose_tells(capsys):
    BisectingKMeans(2, verbose=True, random_state=0).fit(LINE)
    printed = capsys.readouterr().out
    assert "Iteration 0, inertia" in printed
    assert "New centroids from bisection:" in printed


def test_pickle_and_damage():
    model = BisectingKMeans(4, random_state=0).fit(blobs(50, 2, 4))
    back = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(back.predict(blobs(20, 2, 4)), model.predict(blobs(20, 2, 4)))
    assert pickle.loads(pickle.dumps(BisectingKMeans(3))).n_clusters == 3
    for children in ([[0, 4], [1, 5], [2, 3]], [[0, 1], [2, 3], [5, 6]], [[0, 1]], "x"):
        state = {**vars(model), "_children": np.array(children)}
        with pytest.raises(ValueError, match="_children: wanted a tree with 4 leaves"):
            BisectingKMeans.__new__(BisectingKMeans).__setstate__(state)


def test_a_refused_fit_leaves_the_model():
    model = BisectingKMeans(2, random_state=0).fit(LINE)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="n_clusters"):
        model.fit(LINE[:1])
    assert vars(model) == before


def test_inertia_is_near_that_of_k_means():
    X = blobs(500, 2, 5, seed=7)
    divided = BisectingKMeans(5, init="k-means++", n_init=5, random_state=0).fit(X)
    assert KMeans(5, n_init=10, random_state=0).fit(X).inertia_ <= divided.inertia_ * (1 + 1e-12)
