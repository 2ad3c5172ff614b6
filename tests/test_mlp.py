"""MLPClassifier and MLPRegressor: scikit-learn's results where both are determined, its manners."""

import inspect
import pickle
import warnings
from pathlib import Path

import child
import coterie
import numpy as np
import pytest
from coterie import MLPClassifier, MLPRegressor, _core
from coterie._estimator import ConvergenceWarning, NotFittedError
from coterie.nn import DivergenceError

BOTH = [MLPClassifier, MLPRegressor]


def data(kind, n=120, d=5, seed=0, dtype=np.float64):
    """Rows and targets: 'binary', 'multiclass', 'multilabel', 'single', 'multiple'."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(dtype)
    Z = X @ rng.normal(size=(d, 3)) + 0.1 * rng.normal(size=(n, 3))
    return X, {
        "binary": (Z[:, 0] > 0).astype(int),
        "multiclass": Z.argmax(axis=1),
        "multilabel": (Z > 0).astype(int),
        "single": Z[:, 0],
        "multiple": Z,
    }[kind]


def ours_and_theirs(kind, **options):
    neural = pytest.importorskip("sklearn.neural_network")
    name = "MLPRegressor" if kind in ("single", "multiple") else "MLPClassifier"
    options = {"hidden_layer_sizes": (7, 4), "random_state": 3, "shuffle": False} | options
    return getattr(coterie, name)(**options), getattr(neural, name)(**options)


def fit_both(kind, sample_weight=None, **options):
    X, y = data(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return X, [m.fit(X, y, sample_weight) for m in ours_and_theirs(kind, **options)]


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_check_estimator(name):
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    # What scikit-learn declares for its own: batches and a start see weights otherwise than rows.
    reason = "sample_weight is not equivalent to removing/repeating samples."
    expected = {"check_sample_weight_equivalence_on_dense_data": reason}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = checks.check_estimator(
            getattr(coterie, name)(max_iter=100),
            expected_failed_checks=expected,
            on_fail=None,
            on_skip=None,
        )
    assert len(results) > 40
    failed = [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"]
    assert failed == []


@pytest.mark.parametrize("ours", BOTH)
def test_signature_is_a_superset_of_sklearns(ours):
    neural = pytest.importorskip("sklearn.neural_network")
    theirs = inspect.signature(getattr(neural, ours.__name__)).parameters
    mine = inspect.signature(ours).parameters
    for name, parameter in theirs.items():
        assert mine[name].default == parameter.default, name
    assert [name for name in mine if name not in theirs] == ["n_threads"]
    assert list(ours().get_params()) == list(mine)


# ---- the same numbers as scikit-learn, from the same start, in the same order of rows


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "single"])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_agrees_with_sklearn(kind, activation, solver):
    X, (ours, theirs) = fit_both(
        kind, activation=activation, solver=solver, max_iter=20, batch_size=32, alpha=0.01
    )
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    for mine, other in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-7, atol=1e-9)
    for mine, other in zip(ours.intercepts_, theirs.intercepts_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-7, atol=1e-9)
    for name in ("n_iter_", "n_layers_", "n_outputs_", "out_activation_", "t_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.best_loss_ == pytest.approx(theirs.best_loss_, rel=1e-9)
    if kind not in ("single", "multiple"):
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6)


def test_several_outputs_descend_as_sklearns_do():
    _, (ours, theirs) = fit_both("multiple", max_iter=20, batch_size=40)
    for mine, other in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("n_outputs", [1, 2, 5])
def test_loss_is_what_is_descended(n_outputs):
    """One small step of plain descent lowers the loss by rate * |gradient|^2."""
    rng = np.random.default_rng(n_outputs)
    X, Y = rng.normal(size=(30, 4)), rng.normal(size=(30, n_outputs))
    Y = Y if n_outputs > 1 else Y[:, 0]
    rate = 1e-6
    model = MLPRegressor(
        hidden_layer_sizes=(6,),
        activation="tanh",
        solver="sgd",
        momentum=0,
        learning_rate_init=rate,
        batch_size=30,
        random_state=0,
        alpha=0,
    )
    model.partial_fit(X, Y)
    before = model._theta.copy()
    model.partial_fit(X, Y)
    square = float(((model._theta - before) ** 2).sum()) / rate**2
    model.partial_fit(X, Y)
    fall = model.loss_curve_[1] - model.loss_curve_[2]
    assert fall == pytest.approx(rate * square, rel=1e-4)


@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive"])
def test_learning_rates(learning_rate):
    _, (ours, theirs) = fit_both(
        "binary",
        solver="sgd",
        learning_rate=learning_rate,
        learning_rate_init=0.1,
        max_iter=60,
        batch_size=40,
        n_iter_no_change=2,
        tol=1e-2,
    )
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-8)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "single"])
def test_weights_of_rows(kind):
    weights = np.random.default_rng(5).uniform(0.1, 3, 120)
    _, (ours, theirs) = fit_both(kind, sample_weight=weights, max_iter=10, batch_size=32, alpha=0.1)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "single"])
def test_lbfgs_reaches_sklearns_minimum(kind):
    # A convex problem (no hidden layer) has one minimum, wherever a solver comes from.
    X, (ours, theirs) = fit_both(
        kind, solver="lbfgs", hidden_layer_sizes=(), max_iter=500, alpha=1.0, tol=1e-8
    )
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)
    assert ours.loss_ <= theirs.loss_ * (1 + 1e-8)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-2, atol=1e-2)


def test_lbfgs_says_when_it_has_not_converged():
    X, y = data("multiclass")
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge: max_iter is reached"):
        model = MLPClassifier(solver="lbfgs", max_iter=2, random_state=0).fit(X, y)
    assert model.n_iter_ == 2
    with pytest.raises(AttributeError, match="lbfgs is not stochastic"):
        model.partial_fit(X, y)


# ---- stopping, going on


def test_early_stopping_keeps_the_best():
    X, y = data("multiclass", n=300)
    model = MLPClassifier(
        (20,), early_stopping=True, validation_fraction=0.2, random_state=0, max_iter=300
    ).fit(X, y)
    assert model.best_loss_ is None
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert len(model.validation_scores_) == len(model.loss_curve_) == model.n_iter_ < 300
    assert model.t_ == model.n_iter_ * 240
    assert model.score(X, y) > 0.8
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping"):
        model.partial_fit(X, y)
    with pytest.raises(ValueError, match="validation_fraction: wanted at least 2 of 5 rows"):
        MLPClassifier(early_stopping=True).fit(X[:5], y[:5])


def test_held_out_rows_are_stratified():
    y = np.repeat([0, 1, 2], [30, 60, 10])
    model = MLPClassifier(validation_fraction=0.2, random_state=0)
    model._multilabel = False
    from coterie._mlp_weights import Rows

    part = Rows(np.arange(100.0)[:, None], y, None)
    train, held = model._held_out(part, np.random.RandomState(0))
    np.testing.assert_array_equal(np.bincount(held.Y), [6, 12, 2])
    assert sorted([*train.X[:, 0], *held.X[:, 0]]) == list(range(100))
    again = model._held_out(part, np.random.RandomState(0))[1]
    other = model._held_out(part, np.random.RandomState(1))[1]
    np.testing.assert_array_equal(held.X, again.X)
    assert not np.array_equal(held.X, other.X)


def test_early_stopping_of_a_regressor():
    X, y = data("single", n=300)
    model = MLPRegressor(
        hidden_layer_sizes=(20,), early_stopping=True, random_state=0, max_iter=200
    ).fit(X, y)
    assert model.best_validation_score_ == max(model.validation_scores_) <= 1
    assert model.score(X, y) > 0.8


def test_max_iter_warns():
    X, y = data("binary")
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached") as caught:
        MLPClassifier((5,), max_iter=2, random_state=0).fit(X, y)
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_warm_start_goes_on():
    X, y = data("binary")
    model = MLPClassifier((5,), max_iter=3, warm_start=True, random_state=0)
    first = model.fit(X, y).loss_curve_[-1]
    assert model.fit(X, y).loss_curve_[-1] < first
    assert (len(model.loss_curve_), model.n_iter_, model.t_) == (6, 3, 720)
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same"):
        model.fit(X, np.zeros(len(X), int))
    cold = MLPClassifier((5,), max_iter=3, random_state=0).fit(X, y)
    assert len(cold.fit(X, y).loss_curve_) == 3


def test_partial_fit():
    X, y = data("multiclass")
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        MLPClassifier().partial_fit(X, y)
    model = MLPClassifier((8,), random_state=0).partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    for _ in range(5):
        model.partial_fit(X, y)
    assert model.n_iter_ == 1
    assert len(model.loss_curve_) == 6
    assert model.loss_curve_[-1] < model.loss_curve_[1]
    with pytest.raises(ValueError, match="has classes not in `self"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
        model.partial_fit(X, y, classes=[0, 1])
    regressor = MLPRegressor(hidden_layer_sizes=(8,), random_state=0)
    for _ in range(3):
        regressor.partial_fit(*data("multiple"))
    assert regressor.predict(X).shape == (120, 3)
    with pytest.raises(ValueError, match="y: wanted 3 outputs, as in the first fit, got 1"):
        regressor.partial_fit(*data("single"))


# ---- bits, dtypes, pickles, manners


THREADS = """
import os, warnings
import coterie, numpy as np

def running():
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0

warnings.simplefilter("ignore")
X = np.random.default_rng(0).normal(size=(900, 300))
y = X[:, 0] if "{name}" == "MLPRegressor" else X[:, :3].argmax(axis=1)
fits, before = [], running()
for n in (1, 2, 3, 8):
    model = coterie.{name}(hidden_layer_sizes=(300,), batch_size=256, max_iter=1, random_state=0)
    fits.append(model.set_params(n_threads=n).fit(X, y))
    fits[-1].bits = model._theta.tobytes(), model.predict(X).tobytes()
assert all(model.bits == fits[0].bits for model in fits)
print(running() - before)
"""


@pytest.mark.parametrize("ours", BOTH)
def test_same_bits_for_any_number_of_threads(ours):
    # A net as wide as this is worth several threads; a process of its own starts with none.
    started = int(child.run(THREADS.format(name=ours.__name__)))
    if Path("/proc/self/task").is_dir() and _core.config()["openmp"]:
        assert started > 1


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes(dtype):
    X, y = data("binary", dtype=dtype)
    model = MLPClassifier((5,), max_iter=5, random_state=0).fit(X, y)
    assert {w.dtype for w in model.coefs_ + model.intercepts_} == {np.dtype(dtype)}
    assert model.predict_proba(X).dtype == dtype
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(
        model.predict_log_proba(X), np.log(model.predict_proba(X), dtype=dtype)
    )


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_weights_can_be_set_and_pickled():
    X, y = data("multiclass")
    model = MLPClassifier((6,), max_iter=5, random_state=0).fit(X, y)
    back = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(back.predict_proba(X), model.predict_proba(X))
    back.coefs_[0][...] = 0
    back.coefs_[1] = np.full((6, 3), 2.0)  # in the place of an array, too
    back.intercepts_[1] = [7, 8, 9]
    assert (back.coefs_[1] == 2).all()
    assert back.intercepts_[1].tolist() == [7, 8, 9]
    assert type(pickle.loads(pickle.dumps(back.coefs_))) is list
    back.coefs_ = [np.zeros((5, 6)), np.zeros((6, 3))]
    back.intercepts_ = [np.zeros(6), [0, 9, 0]]
    np.testing.assert_array_equal(back.predict(X), np.ones(120))
    with pytest.raises(ValueError, match=r"coefs_: wanted arrays of shapes \[\(5, 6\), \(6, 3\)\]"):
        back.coefs_ = [np.zeros((6, 3))]
    back.partial_fit(X, y)
    assert not hasattr(MLPClassifier(), "coefs_")
    with pytest.raises(NotFittedError):
        MLPClassifier().predict(X)


def test_targets_of_any_kind():
    X, y = data("binary")
    words = np.array(["no", "yes"], dtype=object)[y]
    model = MLPClassifier((5,), solver="lbfgs", random_state=0).fit(X, words)
    assert model.score(X, words) > 0.9
    assert set(model.predict(X)) == {"no", "yes"}
    one = MLPClassifier((5,), solver="lbfgs").fit(X, np.full(120, 7))
    assert set(one.predict(X)) == {7}
    labels = data("multilabel")[1]
    several = MLPClassifier((9,), solver="lbfgs", random_state=0).fit(X, labels)
    assert several.predict(X).shape == labels.shape
    assert several.score(X, labels) > 0.7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_layer_sizes": (5, 0)}, "hidden_layer_sizes must be > 0"),
        ({"activation": "swish"}, "activation: wanted one of 'identity', 'logistic'"),
        ({"solver": "newton"}, "solver: wanted one of 'lbfgs', 'sgd', 'adam'"),
        ({"alpha": -1}, "alpha: wanted a finite number >= 0"),
        ({"batch_size": 0}, "batch_size: wanted an integer >= 1"),
        ({"learning_rate_init": 0}, "learning_rate_init: wanted a number above 0"),
        ({"momentum": 1.5}, "momentum: wanted a number in"),
        ({"beta_1": 1.0}, "beta_1: wanted a number in"),
        ({"max_iter": 0}, "max_iter: wanted an integer >= 1"),
        ({"validation_fraction": 1.0}, "validation_fraction: wanted a number in"),
    ],
)
@pytest.mark.parametrize("ours", BOTH)
def test_parameters_are_checked(ours, options, message):
    X, y = data("binary")
    with pytest.raises(ValueError, match=message):
        ours(**options).fit(X, y)


def test_data_are_checked():
    X, y = data("binary")
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        MLPClassifier().fit(X, y + 0.5)
    with pytest.raises(ValueError, match="y: wanted 120 rows, as X has, got 119"):
        MLPClassifier().fit(X, y[1:])
    with pytest.raises(ValueError, match="y: wanted finite numbers, got NaN at row 3"):
        MLPRegressor().fit(X, np.where(np.arange(120) == 3, np.nan, y))
    with pytest.raises(ValueError, match="loss: wanted 'squared_error'"):
        MLPRegressor(loss="poisson").fit(X, y)
    with pytest.warns(UserWarning, match="batch_size: wanted at most the 120 rows"):
        MLPClassifier(batch_size=500, tol=1, random_state=0).fit(X, y)
    bad = X.copy()
    bad[7, 2] = np.inf
    with pytest.raises(ValueError, match="row 7, column 2"):
        MLPClassifier().fit(bad, y)


def test_divergence_is_an_error():
    X, y = data("single")
    with pytest.raises(DivergenceError, match="epoch"):
        MLPRegressor(
            activation="identity", solver="sgd", learning_rate_init=1e6, random_state=0
        ).fit(X, y)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_verbose_prints_every_epoch(capsys):
    X, y = data("binary")
    MLPClassifier((5,), max_iter=3, verbose=True, random_state=0).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in lines] == [f"Iteration {i}" for i in (1, 2, 3)]
