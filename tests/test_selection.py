"""select_n_components: the table, the winner, shared starts."""

import warnings

import numpy as np
import pytest
from coterie import GaussianMixture, select_n_components
from coterie._estimator import ConvergenceWarning
from coterie.selection import Selection
from mixtures import KINDS, assert_bits, rows, towns
from tolerance import EPS, assert_within

X = towns(300, 2, 3)[0]
FIELDS = ("n_components", "bic", "aic", "log_likelihood", "n_iter", "converged")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 2, 4, 6])
def test_the_true_number_on_blobs(k, kind, dtype):
    blobs, labels = towns(600, 2, k, seed=k, dtype=dtype)
    table, best = select_n_components(blobs, range(1, 9), covariance_type=kind, random_state=0)
    assert best.n_components == k
    assert table["n_components"][table["bic"].argmin()] == k
    assert len(set(zip(best.predict(blobs), labels, strict=True))) == k


@pytest.mark.parametrize("criterion", ["bic", "aic"])
def test_the_table(criterion):
    candidates = [4, 1, 3, 2]
    found = select_n_components(X, candidates, criterion, random_state=1)
    assert isinstance(found, Selection)
    table, best = found
    assert table.dtype.names == FIELDS
    assert table["n_components"].tolist() == candidates
    assert best.n_components == candidates[table[criterion].argmin()]
    assert isinstance(best, GaussianMixture)
    line = table[candidates.index(best.n_components)]
    near = 64 * EPS * len(X) * np.abs(best.score_samples(X)).max()
    assert_within(line["bic"], best.bic(X), near)
    assert_within(line["aic"], best.aic(X), near)
    assert_within(line["log_likelihood"], best.score_samples(X).sum(), near)
    assert (line["n_iter"], line["converged"]) == (best.n_iter_, best.converged_)
    free = 6 * table["n_components"] - 1  # of two features: k (3 + 2) + k - 1
    assert_within(table["aic"] + 2 * table["log_likelihood"], 2.0 * free, near)
    assert_within(table["bic"] + 2 * table["log_likelihood"], free * np.log(300), near)


def test_the_fewest_components_win_a_tie():
    _, best = select_n_components(X, [3, 3, 3], random_state=0)
    assert best.n_components == 3
    table, best = select_n_components(X, iter([2]), random_state=0)
    assert (len(table), best.n_components) == (1, 2)


@pytest.mark.parametrize("n_threads", [2, 3, 8, None])
def test_threads_do_not_matter(n_threads):
    many = rows(3000, 3)
    options = {"random_state": 0, "tol": 1e-2, "max_iter": 500}
    one = select_n_components(many, range(1, 6), n_threads=1, **options)
    other = select_n_components(many, range(1, 6), n_threads=n_threads, **options)
    np.testing.assert_array_equal(one.table, other.table)
    assert_bits(one.best_estimator, other.best_estimator)
    assert other.best_estimator.n_threads == n_threads
    again = select_n_components(many, range(1, 6), n_threads=n_threads, **options)
    np.testing.assert_array_equal(again.table, other.table)


def test_weights_are_repetitions():
    w = np.arange(300) % 4
    one = select_n_components(X, [1], sample_weight=w, random_state=0)
    other = select_n_components(np.repeat(X, w, axis=0), [1], random_state=0)
    near = 1e3 * EPS * np.abs(other.table["log_likelihood"])
    for name in ("log_likelihood", "bic", "aic"):
        assert_within(one.table[name], other.table[name], 2 * near)
    assert select_n_components(X, range(1, 6), sample_weight=w).best_estimator.n_components == 3


def test_the_winner_is_an_estimator_like_any_other():
    best = select_n_components(X, range(1, 5), random_state=0, tol=1e-4).best_estimator
    plain = GaussianMixture(3, tol=1e-4, random_state=0).fit(X)
    assert set(vars(best)) == set(vars(plain))
    params = {**plain.get_params(), "n_threads": None}
    assert best.get_params() == params
    best.fit(X)
    assert_bits(best, plain)


def test_a_winner_that_was_given_its_start_holds_nothing_more():
    plain = GaussianMixture(3, random_state=0).fit(X)
    given = {
        "weights_init": [0.5, 0.5],
        "means_init": X[:2],
        "precisions_init": np.array([np.eye(2)] * 2),
    }
    alone = select_n_components(X, [2], **given).best_estimator
    assert set(vars(alone)) == set(vars(plain)), "something was left behind"


def test_more_components_than_distinct_rows():
    few = np.repeat([[0.0, 0], [5, 5], [9, 0]], 20, axis=0)
    table, best = select_n_components(few, range(1, 6), random_state=0)
    assert np.isfinite(table["bic"]).all()
    assert best.n_components >= 3


def test_callback_and_exceptions():
    heard = []
    found = select_n_components(X, [1, 2, 3], callback=heard.append, random_state=0)
    assert len(heard) == found.table["n_iter"].sum()
    assert heard[0]._fields == ("iteration", "lower_bound", "change", "run")

    def fail(info):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        select_n_components(X, [1, 2, 3], callback=fail)


def test_names_of_features():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b"])
    best = select_n_components(frame, [1, 3], random_state=0).best_estimator
    assert list(best.feature_names_in_) == ["a", "b"]
    assert best.predict(frame).shape == (300,)  # and no warning of missing names


def test_warnings_are_the_winners():
    slow = {"random_state": 0, "max_iter": 1, "tol": 0}
    with pytest.warns(ConvergenceWarning, match="no run converged within max_iter=1") as caught:
        select_n_components(X, [1, 2, 3], **slow)
    assert [w.filename for w in caught] == [__file__]


def test_filters_of_warnings_are_left_alone():
    before = list(warnings.filters)
    for _ in range(10):
        select_n_components(rows(3000, 3), [8, 1, 2, 3], random_state=0, n_threads=4)
        assert warnings.filters == before
    with pytest.warns(UserWarning, match="distinct clusters"):
        GaussianMixture(2).fit(np.zeros((5, 1)))


BAD = [
    ({"n_components": []}, ValueError, "n_components: wanted at least one candidate, got none"),
    ({"n_components": [0, 1]}, ValueError, "n_components: wanted an integer >= 1"),
    ({"n_components": [1.5]}, TypeError, "n_components: wanted an integer >= 1"),
    ({"n_components": [301]}, ValueError, "n_components: wanted at most one a row of X, 300"),
    ({"n_components": 3}, TypeError, "n_components|iterable"),
    ({"criterion": "icl"}, ValueError, "criterion: wanted one of 'bic', 'aic', got 'icl'"),
    ({"n_init": 3}, TypeError, "n_init: not a parameter of select_n_components"),
    ({"init_params": "random"}, TypeError, "init_params: not a parameter of select_n"),
    ({"warm_start": True}, TypeError, "warm_start: not a parameter of select_n"),
    ({"n_threads": 0}, ValueError, "n_threads: wanted an integer >= 1"),
    ({"colour": "red"}, TypeError, "colour"),
    ({"covariance_type": "ball"}, ValueError, "covariance_type: wanted one of"),
    ({"sample_weight": np.zeros(300)}, ValueError, "sample_weight: wanted at least one weight"),
    ({"X": X[:, 0]}, ValueError, "X: wanted a 2-D array"),
    ({"X": np.full((9, 2), np.nan)}, ValueError, "X: wanted finite values, got NaN at row 0"),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD)
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        select_n_components(**{"X": X, "n_components": [1, 2], **options})


def test_sparse_rows_are_refused():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="X: wanted a dense array"):
        select_n_components(sparse.csr_array(X), [1])
