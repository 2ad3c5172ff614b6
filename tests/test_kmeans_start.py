"""Where KMeans starts: scikit-learn's draws, k-means++, k-means||, arrays, callables, restarts."""

import numpy as np
import pytest
from coterie import KMeans, kmeans_plus_plus
from coterie._seeding import draw_row
from reference import kmeans as reference
from rows import assert_bits, blobs, integers
from tolerance import assert_within, inertia_bound


def real_data(name):
    datasets = pytest.importorskip("sklearn.datasets")
    if name == "blobs":
        return datasets.make_blobs(400, centers=7, random_state=1)[0]
    X = getattr(datasets, f"load_{name}")().data
    return X[:600]


@pytest.mark.parametrize("name", ["iris", "digits", "wine", "blobs"])
@pytest.mark.parametrize("init", ["k-means++", "random"])
@pytest.mark.parametrize("seed", [0, 1, 42])
def test_a_seed_gives_what_sklearn_gives(name, init, seed):
    cluster = pytest.importorskip("sklearn.cluster")
    X = real_data(name)
    options = {"init": init, "n_init": 2, "random_state": seed}
    theirs, ours = cluster.KMeans(6, **options).fit(X), KMeans(6, **options).fit(X)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    assert ours.n_iter_ == theirs.n_iter_
    # Theirs forms |x|^2 - 2 x c + |c|^2 of centred rows: also a few roundings of max|x|^2 a row.
    assert_within(ours.inertia_, theirs.inertia_, 2 * inertia_bound(X))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("trials", [None, 1, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_plus_plus_chooses_the_rows_sklearn_chooses(seed, trials, weighted):
    cluster = pytest.importorskip("sklearn.cluster")
    X = blobs(200, 3, 5, seed)
    w = np.random.default_rng(seed).uniform(0, 2, 200) if weighted else None
    options = {"sample_weight": w, "n_local_trials": trials, "random_state": seed}
    centers, indices = kmeans_plus_plus(X, 9, **options)
    np.testing.assert_array_equal(indices, cluster.kmeans_plusplus(X, 9, **options)[1])
    np.testing.assert_array_equal(centers, X[indices])
    assert indices.dtype == np.int64


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_plus_plus_equals_the_reference(dtype):
    X, w = integers(150).astype(dtype), np.arange(150) % 4.0
    draws = np.random.RandomState(5)
    first = draws.choice(150, p=w / w.sum())
    wanted = reference.plus_plus(X, 12, w, first, draws.uniform(size=(11, 4)))
    indices = kmeans_plus_plus(X, 12, sample_weight=w, random_state=5)[1]
    np.testing.assert_array_equal(indices, wanted)
    assert (w[indices] > 0).all()


@pytest.mark.parametrize("n", [1, 2, 3, 7, 100, 1000, 99_991])
def test_the_first_draw_is_that_of_choice(n):
    for seed in range(20):
        p = np.full(n, 1 / n)
        assert draw_row(np.random.RandomState(seed), n, None) == np.random.RandomState(seed).choice(
            n, p=p
        )


class Fixed:
    """A generator whose every draw is one number."""

    def __init__(self, u):
        self.u = u

    def uniform(self):
        return self.u


@pytest.mark.parametrize("n", [3, 10, 49, 1000])
def test_the_first_draw_on_the_edges_of_shares(n):
    cumulative = np.full(n, 1 / n).cumsum()
    cumulative /= cumulative[-1]
    for edge in cumulative[:-1]:
        for u in (np.nextafter(edge, 0), edge, np.nextafter(edge, 1)):
            wanted = cumulative.searchsorted(u, side="right")
            assert draw_row(Fixed(u), n, None) == wanted


def test_kinds_of_random_state():
    X = blobs()
    first = KMeans(4, random_state=3).fit(X)
    assert_bits(first, KMeans(4, random_state=np.random.RandomState(3)).fit(X))
    assert_bits(first, KMeans(4, random_state=np.int64(3)).fit(X))
    for init in ("k-means++", "k-means||", "random"):
        runs = [KMeans(4, init=init, random_state=np.random.default_rng(3)) for _ in range(2)]
        assert_bits(*(run.fit(X) for run in runs))
    shared = np.random.mtrand._rand  # NumPy's global generator, which None stands for
    state = shared.get_state()
    try:
        shared.seed(3)
        assert_bits(first, KMeans(4).fit(X))
    finally:
        shared.set_state(state)


@pytest.mark.parametrize("weighted", [False, True])
def test_parallel_start(weighted):
    X = blobs(400, 2, 5)
    w = (np.arange(400) % 2).astype(np.float64) if weighted else None
    model = KMeans(5, init="k-means||", random_state=0, max_iter=1).fit(X, sample_weight=w)
    assert_bits(
        model,
        KMeans(5, init="k-means||", random_state=0, max_iter=1, n_threads=1).fit(
            X, sample_weight=w
        ),
    )
    full = KMeans(5, init="k-means||", random_state=0).fit(X, sample_weight=w)
    best = KMeans(5, n_init=5, random_state=0).fit(X, sample_weight=w)
    assert full.inertia_ < 2 * best.inertia_
    few = KMeans(3, init="k-means||", random_state=0).fit([[0.0], [1.0], [5.0]])
    assert sorted(few.cluster_centers_.ravel()) == [0, 1, 5]


def test_array_and_callable_starts():
    X = integers()
    start = X[[5, 9]]
    seen = []

    def init(data, k, random_state):
        seen.append((data, k, random_state.uniform()))
        return start.tolist()

    model = KMeans(2, init=init, random_state=7, n_init=1).fit(X)
    assert_bits(model, KMeans(2, init=start).fit(X))
    assert_bits(model, KMeans(2, init=start.astype(np.float32).tolist()).fit(X))
    np.testing.assert_array_equal(seen[0][0], X)
    assert seen[0][1:] == (2, np.random.RandomState(7).uniform())
    np.testing.assert_array_equal(start, X[[5, 9]])
    with pytest.warns(RuntimeWarning, match="Explicit initial center position passed") as caught:
        KMeans(2, init=start, n_init=3).fit(X)
    assert caught[0].filename == __file__


def test_restarts():
    X = blobs(200, 2, 6, seed=2)
    counted = []
    KMeans(2, init=lambda *a, **k: counted.append(1) or X[:2], n_init="auto").fit(X)
    assert len(counted) == 10
    one = KMeans(6, init="random", n_init=1, random_state=0, max_iter=2).fit(X)
    ten = KMeans(6, init="random", random_state=0, max_iter=2).fit(X)
    assert ten.inertia_ <= one.inertia_
