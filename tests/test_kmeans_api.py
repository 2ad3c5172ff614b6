"""KMeans as its users see it: start, objective, stopping rules, weights, ties, callbacks."""

import numpy as np
import pytest
from coterie import KMeans, kmeans_assign
from reference import kmeans as reference
from rows import assert_bits, blobs, integers
from tolerance import assert_within, distance_bound, inertia_bound, mean_bound

# --- objective, assignment, stopping rules


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(240, 2, 4), (150, 1, 3), (90, 20, 7), (60, 3, 1), (12, 2, 12)])
def test_fit_equals_the_reference(shape, weighted, dtype):
    n, d, k = shape
    X = blobs(n, d, k, dtype=dtype)
    w = np.random.default_rng(1).integers(1, 5, n).astype(np.float64) if weighted else None
    model = KMeans(k, init=X[:k], tol=0, max_iter=20).fit(X, sample_weight=w)
    labels, centers, inertia, history = reference.lloyd(X, X[:k], w, 20)
    np.testing.assert_array_equal(model.labels_, labels)
    assert model.labels_.dtype == np.int32
    assert model.n_iter_ == len(history)
    # Each iteration forms its means anew from equal labels, so errors do not pile up.
    bound = inertia_bound(X, 1.0 if w is None else w)
    assert_within(model.cluster_centers_, centers, mean_bound(X))
    assert_within(model.inertia_, inertia, bound)
    assert_within(model.history_["inertia"], history[:, 0], bound)
    assert isinstance(model.inertia_, float)
    assert model.cluster_centers_.dtype == dtype


@pytest.mark.parametrize("max_iter", [1, 2, 3, 50])
@pytest.mark.parametrize("tol", [0, 1e-4, 1e-2, 10.0])
def test_stopping_rules(tol, max_iter):
    X = blobs(300, 2, 6, seed=3)
    model = KMeans(6, init=X[:6], tol=tol, max_iter=max_iter).fit(X)
    labels, _, _, history = reference.lloyd(X, X[:6], max_iter=max_iter, tol=tol)
    assert model.n_iter_ == len(history)
    np.testing.assert_array_equal(model.labels_, labels)
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    assert model.history_.dtype.names == ("inertia", "shift")
    assert model.history_.shape == (model.n_iter_,)
    falling = np.append(model.history_["inertia"], model.inertia_)
    assert (np.diff(falling) <= inertia_bound(X)).all()


def test_score_is_minus_the_inertia():
    X, w = integers(), np.arange(200) % 3
    model = KMeans(5, random_state=0).fit(X, sample_weight=w)
    assert_within(model.score(X, sample_weight=w), -model.inertia_, inertia_bound(X, w))
    centers = np.array([[0.0, 0, 0], [4, 4, 4]])
    model = KMeans(2, init=centers, max_iter=1).fit(X)
    model.cluster_centers_ = centers  # integers again: the sum is exact
    _, distances = reference.assign(X, centers)
    assert model.score(X) == -distances.sum()
    assert model.score(X, sample_weight=w) == -(w * distances).sum()


def test_same_bits_for_any_number_of_threads():
    X = blobs(3000, 5, 8, dtype=np.float32)
    models = [KMeans(8, random_state=0, n_threads=t).fit(X) for t in (1, 2, 3, None)]
    for model in models[1:]:
        assert_bits(models[0], model)


@pytest.mark.parametrize(("dtype", "shift"), [(np.float32, 1e3), (np.float64, 1e6)])
def test_a_shift_of_the_data_leaves_the_labels(dtype, shift):
    X = (integers(300, 3) / 8).astype(dtype)  # a shifted row is exact
    moved = X + dtype(shift)
    np.testing.assert_array_equal(moved - dtype(shift), X)
    here = KMeans(5, init=X[:5], tol=0, max_iter=5).fit(X)
    there = KMeans(5, init=moved[:5], tol=0, max_iter=5).fit(moved)
    np.testing.assert_array_equal(here.labels_, there.labels_)
    np.testing.assert_array_equal(kmeans_assign(moved, moved[:9])[0], reference.assign(X, X[:9])[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 2, 17, 64])
def test_ties_go_to_the_lowest_index(d, dtype):
    X = np.zeros((9, d), dtype)
    ring = np.vstack([np.eye(d), -np.eye(d)]).astype(dtype)
    np.testing.assert_array_equal(kmeans_assign(X, ring)[0], 0)
    far_first = np.vstack([5 * ring[:1], ring[::-1]]).astype(dtype)
    np.testing.assert_array_equal(kmeans_assign(X, far_first)[0], 1)


# --- weights


def test_weights_are_repetitions():
    X = integers(60)
    w = np.arange(60) % 3
    weighted = KMeans(4, init=X[:4], tol=0).fit(X, sample_weight=w)
    repeated = KMeans(4, init=X[:4], tol=0).fit(np.repeat(X, w, axis=0))
    np.testing.assert_array_equal(np.repeat(weighted.labels_, w), repeated.labels_)
    assert_within(weighted.cluster_centers_, repeated.cluster_centers_, 2 * mean_bound(X))
    assert weighted.n_iter_ == repeated.n_iter_
    np.testing.assert_array_equal(weighted.counts_, repeated.counts_)


def test_rows_of_weight_zero_are_labelled_and_do_nothing_else():
    X = np.vstack([integers(50), np.full((50, 3), 1000.0)])
    w = np.r_[np.ones(50), np.zeros(50)]
    for init in ("k-means++", "k-means||", "random", X[:3]):
        model = KMeans(3, init=init, random_state=0).fit(X, sample_weight=w)
        assert np.abs(model.cluster_centers_).max() <= 8
        np.testing.assert_array_equal(model.labels_, model.predict(X))
    with pytest.raises(ValueError, match=r"at least n_clusters=60 weights above zero .* got 50"):
        KMeans(60, init="random").fit(X, sample_weight=w)


# --- empty clusters, few distinct rows


def test_empty_clusters():
    X, init = np.array([[0.0], [1], [2], [10]]), [[1.0], [100.0], [-100.0]]
    moved = KMeans(3, init=init).fit(X)
    labels, centers, _, _ = reference.lloyd(X, init, tol=1e-4)
    np.testing.assert_array_equal(moved.labels_, labels)
    np.testing.assert_array_equal(moved.cluster_centers_, centers)
    with pytest.warns(UserWarning, match=r"distinct clusters \(1\) found smaller than n_cl"):
        kept = KMeans(3, init=init, empty_cluster="keep").fit(X)
    np.testing.assert_array_equal(kept.cluster_centers_, [[3.25], [100.0], [-100.0]])
    with pytest.raises(ValueError, match=r"empty_cluster: .*cluster 1"):
        KMeans(3, init=init, empty_cluster="error").fit(X)


@pytest.mark.parametrize("init", ["k-means++", "k-means||", "random"])
@pytest.mark.parametrize("k", [4, 9])
def test_more_clusters_than_distinct_rows(init, k):
    X = np.repeat([[0.0, 1], [2, 3], [4, 5]], 5, axis=0)
    with pytest.warns(UserWarning, match=r"distinct clusters \(\d\) found smaller than n_clus"):
        model = KMeans(k, init=init, random_state=0, n_init=20).fit(X)
    assert model.cluster_centers_.shape == (k, 2)
    assert np.isfinite(model.cluster_centers_).all()
    if init != "random":
        assert len(np.unique(model.cluster_centers_, axis=0)) == 3
        assert model.inertia_ == 0


@pytest.mark.parametrize("k", [1, 5])
def test_edges(k):
    X = integers(5)
    model = KMeans(k, random_state=0).fit(X)
    if k == 1:
        assert_within(model.cluster_centers_[0], X.mean(axis=0), mean_bound(X))
    else:
        assert model.inertia_ == 0
        np.testing.assert_array_equal(np.sort(model.labels_), np.arange(5))
    with pytest.warns(UserWarning, match="distinct"):
        constant = KMeans(2, random_state=0).fit(np.full((6, 2), 3.0))
    np.testing.assert_array_equal(constant.cluster_centers_, 3)


# --- what goes out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transform_and_assign(dtype):
    X = blobs(60, 4, 3, dtype=dtype)
    model = KMeans(3, random_state=0).fit(X)
    wanted = reference.sq_distances(X, model.cluster_centers_)
    out = model.transform(X)
    assert out.dtype == dtype
    assert_within(out, np.sqrt(wanted), distance_bound(np.sqrt(wanted), 4, dtype))
    np.testing.assert_array_equal(KMeans(3, random_state=0).fit_transform(X), model.transform(X))
    labels, distances = kmeans_assign(X, model.cluster_centers_)
    np.testing.assert_array_equal(labels, model.labels_)
    assert_within(distances, wanted.min(axis=1), distance_bound(wanted.min(axis=1), 4, np.float64))
    assert (labels.dtype, distances.dtype) == (np.int32, np.float64)
    np.testing.assert_array_equal(KMeans(3, random_state=0).fit_predict(X), labels)


def test_rows_and_centres_of_two_dtypes():
    X = integers(80)
    model = KMeans(3, random_state=0, max_iter=2).fit(X)
    narrow = X.astype(np.float32)
    np.testing.assert_array_equal(
        model.predict(narrow), kmeans_assign(narrow, model.cluster_centers_)[0]
    )
    assert model.transform(narrow).dtype == np.float32
    single = KMeans(3, random_state=0).fit(narrow)
    np.testing.assert_array_equal(single.predict(X), single.labels_)
    assert single.transform(X).dtype == np.float64


def test_one_row_alone_equals_itself_in_a_batch():
    X = blobs(70, 5, 4)
    model = KMeans(4, random_state=0).fit(X)
    together = model.transform(X)
    for i in (0, 33, 69):
        np.testing.assert_array_equal(model.transform(X[i : i + 1])[0], together[i])


# --- callbacks, verbose, partial_fit


def test_callback_hears_every_iteration():
    X, heard = blobs(), []
    model = KMeans(4, init=X[:4], tol=0, callback=heard.append).fit(X)
    assert [info.iteration for info in heard] == list(range(1, model.n_iter_ + 1))
    np.testing.assert_array_equal([info.inertia for info in heard], model.history_["inertia"])
    np.testing.assert_array_equal([info.shift for info in heard], model.history_["shift"])
    heard.clear()
    KMeans(4, n_init=3, random_state=0, callback=heard.append).fit(X)
    assert {info.run for info in heard} == {0, 1, 2}


def test_callback_may_stop_a_fit():
    X, heard = blobs(), []

    def stop(info):
        heard.append(info)
        return len(heard) == 2

    model = KMeans(4, init="random", n_init=5, random_state=0, tol=0, callback=stop).fit(X)
    assert len(heard) == 2
    assert model.n_iter_ == 2
    np.testing.assert_array_equal(model.labels_, model.predict(X))


def test_an_exception_leaves_the_estimator_as_it_was():
    X = blobs()
    model = KMeans(4, init=X[:4]).fit(X)
    before = dict(vars(model))

    def fail(info):
        raise RuntimeError("enough")

    model.callback = fail
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(X[:100])
    assert vars(model) == {**before, "callback": fail}


def test_verbose_prints_as_sklearn(capsys):
    X = blobs()
    model = KMeans(4, init=X[:4], tol=0, verbose=1).fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Initialization complete"
    assert lines[1] == f"Iteration 0, inertia {model.history_['inertia'][0]}."
    assert lines[-1] == f"Converged at iteration {model.n_iter_ - 1}: strict convergence."
    KMeans(4, init=X[:4], tol=1e3, verbose=True).fit(X)
    assert "Converged at iteration 0: center shift" in capsys.readouterr().out


def test_partial_fit_is_a_running_mean():
    X, w = integers(90), (np.arange(90) % 3 + 1).astype(np.float64)
    model = KMeans(2, init=[[-5.0, 0, 0], [5, 0, 0]])
    centers, counts = np.array([[-5.0, 0, 0], [5, 0, 0]]), np.zeros(2)
    for i in range(3):
        rows = slice(30 * i, 30 * i + 30)
        labels, _ = reference.assign(X[rows], centers)
        for j in range(2):
            mine = labels == j
            total = counts[j] + w[rows][mine].sum()
            centers[j] = (counts[j] * centers[j] + w[rows][mine] @ X[rows][mine]) / total
            counts[j] = total
        assert model.partial_fit(X[rows], sample_weight=w[rows]) is model
        assert_within(model.cluster_centers_, centers, 3 * mean_bound(X))
        np.testing.assert_array_equal(model.counts_, counts)
        np.testing.assert_array_equal(model.labels_, model.predict(X[rows]))
        assert model.inertia_ == -model.score(X[rows], sample_weight=w[rows])
        assert model.n_steps_ == i + 1


def test_partial_fit_after_fit_and_its_errors():
    X = integers(40)
    for w in (None, np.full(40, 2.0)):
        model = KMeans(1).fit(X, sample_weight=w)
        assert (model.n_steps_, model.counts_[0]) == (0, 40 if w is None else 80)
        model.partial_fit(np.zeros((40, 3)), sample_weight=w)
        assert_within(model.cluster_centers_[0], X.mean(axis=0) / 2, 2 * mean_bound(X))
    with pytest.raises(ValueError, match="n_samples=3 should be >= n_clusters"):
        KMeans(8).partial_fit(X[:3])
    with pytest.raises(ValueError, match="X has 2 features, but KMeans is expecting 3"):
        model.partial_fit(X[:, :2])
    untouched = KMeans(2, init=[[0.0, 0, 0], [99, 99, 99]]).partial_fit(X)
    np.testing.assert_array_equal(untouched.cluster_centers_[1], 99)
