"""Tiny problems, drawn and shrunk by Hypothesis, against brute force in NumPy."""

import os
import warnings

import numpy as np
import pytest
from compare import assert_nearest
from coterie import KMeans, _core, kmeans_assign
from reference import kmeans as reference
from tolerance import EPS, assert_within, inertia_bound, mean_bound

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

N_EXAMPLES = 100 if os.environ.get("COTERIE_ISA") else 500  # fewer where every ISA has its turn
PROBLEMS = settings(max_examples=N_EXAMPLES, derandomize=True, deadline=None)
WHOLE = st.integers(-6, 6).map(float)
REAL = st.floats(-1e3, 1e3, width=32)
DTYPE = st.sampled_from([np.float32, np.float64])


@st.composite
def rows(draw, values=WHOLE, shift=0.0):
    n, d = draw(st.integers(1, 20)), draw(st.sampled_from([1, 2, 3, 7, 8, 9, 13]))
    return draw(hnp.arrays(np.float64, (n, d), elements=values)) + shift


def some_rows(draw, X, k):
    """Rows of X, repeats welcome: ties, empty clusters and duplicates all come of them."""
    return X[draw(st.lists(st.integers(0, len(X) - 1), min_size=k, max_size=k))]


def some_weights(draw, n):
    """None, or small integers of which one at least is above zero."""
    if draw(st.booleans()):
        return None
    w = draw(hnp.arrays(np.float64, n, elements=st.integers(0, 3).map(float)))
    w[draw(st.integers(0, n - 1))] = 1
    return w


@PROBLEMS
@given(st.data(), DTYPE, st.sampled_from([0.0, 1000.0]))
def test_assignment_of_integers(data, dtype, shift):
    X = data.draw(rows(shift=shift))
    k = data.draw(st.integers(1, 30))
    spread = hnp.arrays(np.float64, (k, X.shape[1]), elements=WHOLE)
    centers = data.draw(spread) + shift if data.draw(st.booleans()) else some_rows(data.draw, X, k)
    labels, distances = kmeans_assign(X.astype(dtype), centers.astype(dtype))
    wanted, least = reference.assign(X, centers)
    np.testing.assert_array_equal(labels, wanted)
    np.testing.assert_array_equal(distances, least)


@PROBLEMS
@given(st.data(), DTYPE)
def test_assignment_of_reals(data, dtype):
    X = data.draw(rows(REAL)).astype(dtype)
    k = data.draw(st.integers(1, 30))
    centers = data.draw(hnp.arrays(dtype, (k, X.shape[1]), elements=REAL))
    assert_nearest(X, centers, *kmeans_assign(X, centers))


@PROBLEMS
@given(st.data(), DTYPE, st.sampled_from(["relocate", "keep"]))
def test_lloyd(data, dtype, empty_cluster):
    """Iteration by iteration; the first starts at rows, so it is exact and ties are ties."""
    X = data.draw(rows()).astype(dtype)
    k = data.draw(st.integers(1, len(X)))
    w, centers = some_weights(data.draw, len(X)), some_rows(data.draw, X, k)
    options = {"max_iter": 1, "tol": 0, "empty_cluster": empty_cluster}
    weights = np.ones(len(X)) if w is None else w
    for iteration in range(4):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Number of distinct clusters")
            model = KMeans(k, init=centers, **options).fit(X, sample_weight=w)
        _, wanted, _, history = reference.lloyd(X, centers, w, 1, 0, empty_cluster)
        if iteration == 0 or not near_tie(X, centers):
            assert_within(model.cluster_centers_, wanted, mean_bound(X))
            assert_within(model.history_["inertia"], history[:, 0], inertia_bound(X, weights))
        assert_nearest(X, model.cluster_centers_, model.labels_)
        np.testing.assert_array_equal(model.labels_, model.predict(X))
        assert_within(model.inertia_, -model.score(X, sample_weight=w), inertia_bound(X, weights))
        centers = model.cluster_centers_


def near_tie(X, centers):
    """Tell whether rounding may choose between two different centres for a row, or between rows.

    Centres that are means are no integers: equal distances then differ by roundings of their own.
    """
    every = reference.sq_distances(X, np.unique(centers, axis=0))
    far = np.sort(every.min(axis=1))
    two = np.sort(every, axis=1)[:, :2]
    error = 4 * (X.shape[1] + 3) * EPS * (1 + every.max(initial=0.0))
    return bool((np.diff(two, axis=1) <= error).any() or (np.diff(far) <= error).any())


@PROBLEMS
@given(st.data(), DTYPE)
def test_plus_plus(data, dtype):
    X = data.draw(rows())
    w, k = some_weights(data.draw, len(X)), data.draw(st.integers(1, len(X)))
    possible = np.arange(len(X)) if w is None else np.flatnonzero(w)
    first = data.draw(st.sampled_from(possible.tolist()))
    below_one = st.floats(0, 1, exclude_max=True)
    shape = (k - 1, data.draw(st.integers(1, 18)))
    uniforms = data.draw(hnp.arrays(np.float64, shape, elements=below_one))
    indices = np.empty(k, np.int64)
    _core.kmeans_plus_plus(X.astype(dtype), w, first, uniforms, indices, 1)
    np.testing.assert_array_equal(indices, reference.plus_plus(X, k, w, first, uniforms))


@PROBLEMS
@given(st.data(), DTYPE, st.sampled_from(["k-means++", "k-means||", "random"]))
def test_whole_fits(data, dtype, init):
    """What holds for every fit, whatever the start."""
    X = data.draw(rows(REAL)).astype(dtype)
    w, seed = some_weights(data.draw, len(X)), data.draw(st.integers(0, 99))
    positive = len(X) if w is None else np.count_nonzero(w)
    k = data.draw(st.integers(1, positive if init == "random" else len(X)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Number of distinct clusters")
        model = KMeans(k, init=init, random_state=seed, tol=0).fit(X, sample_weight=w)
    centers = model.cluster_centers_
    assert_nearest(X, centers, model.labels_)
    np.testing.assert_array_equal(model.labels_, kmeans_assign(X, centers)[0])
    weights = np.ones(len(X)) if w is None else w
    bound = inertia_bound(X, weights)
    falling = np.append(model.history_["inertia"], model.inertia_)
    assert (np.diff(falling) <= bound).all(), "an iteration made it worse"
    used = X[weights > 0]
    margin = mean_bound(X)
    assert (centers >= used.min(axis=0) - margin).all(), "a centre left the hull"
    assert (centers <= used.max(axis=0) + margin).all(), "a centre left the hull"
    np.testing.assert_array_equal(model.counts_, np.bincount(model.labels_, weights, k))
    assert model.n_iter_ == len(model.history_) <= model.max_iter
