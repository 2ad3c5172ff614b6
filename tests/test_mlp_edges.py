"""MLPClassifier and MLPRegressor at the edges: refused fits, switched parameters, odd targets."""

import copy
import inspect
import pickle
import re

import numpy as np
import pytest
from coterie import MLPClassifier, MLPRegressor
from coterie._estimator import NotFittedError
from coterie.nn import DivergenceError

BOTH = [MLPClassifier, MLPRegressor]
pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
Z = X @ RNG.normal(size=(4, 3))
Y3 = Z.argmax(axis=1)
BAD = np.where(np.arange(360).reshape(90, 4) == 359, np.nan, X)  # in the last batch
NO_WEIGHT = np.zeros(90)


def target(ours):
    return Y3 if ours is MLPClassifier else Z[:, 0]


def small(ours, **options):
    options = {"hidden_layer_sizes": (6,), "max_iter": 4, "batch_size": 30} | options
    return ours(random_state=0, **options)


def state_of(model):
    """All that a fit may change, as it is now."""
    return copy.deepcopy(model.__getstate__())


def assert_same_state(model, before):
    now = model.__getstate__()
    assert list(now) == list(before)
    for name, value in before.items():
        if name == "_optimizer":
            assert now[name].iterations == value.iterations
            np.testing.assert_array_equal(now[name]._slots, value._slots)
        else:
            np.testing.assert_array_equal(now[name], value, err_msg=name)


# ---- a refused fit changes nothing

REFUSED = {
    "NaN": lambda y: ({}, (BAD, y)),
    "no y": lambda y: ({}, (X, None)),
    "no y, other columns": lambda y: ({}, (np.c_[X, X], None)),
    "short y": lambda y: ({}, (X, y[1:])),
    "NaN in y": lambda y: ({}, (X, np.where(np.arange(90) == 3, np.nan, y))),
    "words of no order": lambda y: ({}, (X, np.array(["a", 1] * 45, dtype=object))),
    "weights": lambda y: ({}, (X, y, NO_WEIGHT)),
    "sparse": lambda y: ({}, (pytest.importorskip("scipy.sparse").csr_matrix(X), y)),
    "parameter": lambda y: ({"alpha": "x"}, (X, y)),
    "early stopping, few rows": lambda y: ({"early_stopping": True}, (X[:5], y[:5])),
    "early stopping, NaN": lambda y: ({"early_stopping": True}, (BAD, y)),
    "lbfgs, NaN": lambda y: ({"solver": "lbfgs"}, (BAD, y)),
}


@pytest.mark.parametrize("ours", BOTH)
@pytest.mark.parametrize("kind", REFUSED)
def test_refused_fit_changes_nothing(ours, kind):
    options, arguments = REFUSED[kind](target(ours))
    fresh = small(ours, **options)
    with pytest.raises((TypeError, ValueError)):
        fresh.fit(*arguments)
    with pytest.raises(NotFittedError):
        fresh.predict(X)
    assert not hasattr(fresh, "n_features_in_")
    for warm in (False, True):
        model = small(ours, warm_start=warm).fit(X, target(ours)).set_params(**options)
        before, found = state_of(model), model.predict(X)
        with pytest.raises((TypeError, ValueError)):
            model.fit(*arguments)
        assert_same_state(model, before)
        np.testing.assert_array_equal(model.predict(X), found)


@pytest.mark.parametrize("ours", BOTH)
def test_refused_step_changes_nothing(ours):
    first = {"classes": [0, 1, 2]} if ours is MLPClassifier else {}
    model, other = small(ours), small(ours)
    for one in (model, other):
        one.partial_fit(X, target(ours), **first)
    before = state_of(model)
    for arguments in ((BAD, target(ours)), (X, None), (X[:, 1:], target(ours))):
        with pytest.raises(ValueError, match=r"y|X"):
            model.partial_fit(*arguments)
        assert_same_state(model, before)
    for one in (model, other):
        one.partial_fit(X, target(ours))
    assert_same_state(model, state_of(other))


def test_refused_fit_keeps_column_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = small(MLPRegressor).fit(frame, Z)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(BAD, Z)
    assert model.feature_names_in_.tolist() == list("abcd")
    model.predict(frame)


def test_held_out_rows_are_named_by_their_place():
    for row in (0, 40, 89):
        bad = X.copy()
        bad[row, 2] = np.inf
        with pytest.raises(ValueError, match=f"X: wanted .*got infinity at row {row}, column 2"):
            small(MLPRegressor, early_stopping=True).fit(bad, Z)


def test_divergence_keeps_what_was_trained():
    model = small(MLPRegressor, activation="identity", solver="sgd", learning_rate_init=1e6)
    with pytest.raises(DivergenceError):
        model.fit(X, Z)
    assert np.isfinite(model.predict(X)).all()


def test_interrupt_keeps_what_was_trained():
    def stop(epoch, loss):
        if epoch == 2:
            raise KeyboardInterrupt

    model = small(MLPRegressor)
    model._watch = stop
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Z)
    assert (model.n_iter_, len(model.loss_curve_)) == (2, 2)
    two = small(MLPRegressor, max_iter=2).fit(X, Z)
    np.testing.assert_array_equal(model.predict(X), two.predict(X))


# ---- classes of partial_fit


def test_refused_first_labels_can_be_corrected():
    for bad in (np.where(Y3 == 2, 7, Y3), np.where(Y3 == 2, "c", "a"), Y3 + 0.5):
        model = small(MLPClassifier)
        with pytest.raises(ValueError, match=r"has classes not in `self|continuous"):
            model.partial_fit(X, bad, classes=[0, 1, 2])
        assert not hasattr(model, "classes_")
        with pytest.raises(ValueError, match="classes must be passed on the first call"):
            model.partial_fit(X, Y3)
        two = Y3 < 2
        model.partial_fit(X[two], Y3[two], classes=[0, 1, 2])
        np.testing.assert_array_equal(model.classes_, [0, 1, 2])


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([], r"classes: wanted a 1-D array of at least one class, got shape \(0,\)"),
        ([[0, 1], [2, 3]], r"classes: wanted a 1-D array .*, got shape \(2, 2\)"),
        ([[0], [1, 2]], "classes: wanted an array"),
        ([0, 1, np.nan], "classes: wanted finite numbers, got NaN at row 2"),
        (["a", None], r"classes: wanted classes, got None \(NaN\) at row 1"),
        ([0.5, 1], "classes: wanted classes, got numbers with fractions"),
        (np.ma.array([0, 1, 2], mask=[0, 1, 0]), "classes: wanted no masked entries, got 1"),
    ],
)
def test_classes_are_checked(classes, message):
    model = small(MLPClassifier)
    with pytest.raises(ValueError, match=message):
        model.partial_fit(X, Y3, classes=classes)
    model.partial_fit(X, Y3, classes=[2, 1, 0, 1])
    with pytest.raises(ValueError, match=message):
        model.partial_fit(X, Y3, classes=classes)


def test_labels_stay_of_one_kind():
    several = small(MLPClassifier).partial_fit(X, (Z > 0).astype(int), classes=[0, 1, 2])
    with pytest.raises(ValueError, match="y: wanted a matrix of 0 and 1, as in the first fit"):
        several.partial_fit(X, Y3)
    with pytest.raises(ValueError, match="y: wanted 3 columns, one a label, got 2"):
        several.partial_fit(X, (Z[:, :2] > 0).astype(int))
    one = small(MLPClassifier).partial_fit(X, Y3, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="y: wanted one class a row, as in the first fit"):
        one.partial_fit(X, (Z > 0).astype(int))
    for model in (several, one):
        assert model.predict(X).shape == ((90, 3) if model is several else (90,))


@pytest.mark.parametrize("ours", BOTH)
def test_partial_fit_is_there_for_steps_alone(ours):
    assert not hasattr(ours(solver="lbfgs"), "partial_fit")
    assert hasattr(ours(solver="sgd"), "partial_fit")
    assert hasattr(ours(solver="lbfgs").set_params(solver="adam"), "partial_fit")
    assert ours.partial_fit.__doc__.startswith("Train for one epoch")
    assert list(inspect.signature(ours.partial_fit).parameters)[:3] == ["self", "X", "y"]
    assert list(inspect.signature(ours().partial_fit).parameters)[:2] == ["X", "y"]


# ---- parameters that change between fits


@pytest.mark.parametrize("ours", BOTH)
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_warm_start_after_lbfgs(ours, solver):
    model = small(ours, solver="lbfgs", warm_start=True).fit(X, target(ours))
    before = [w.copy() for w in model.coefs_]
    model.set_params(solver=solver, learning_rate_init=1e-9).fit(X, target(ours))
    assert len(model.loss_curve_) == model.n_iter_ == 4
    assert model.best_loss_ == min(model.loss_curve_)
    for now, was in zip(model.coefs_, before, strict=True):  # trained on, not drawn anew
        np.testing.assert_allclose(now, was, atol=1e-6)
    curve = list(model.loss_curve_)
    model.set_params(solver="lbfgs").fit(X, target(ours))
    model.set_params(solver=solver).partial_fit(X, target(ours))
    assert model.loss_curve_[:-1] == curve


@pytest.mark.parametrize("ours", BOTH)
def test_partial_fit_after_lbfgs(ours):
    model = small(ours, solver="lbfgs").fit(X, target(ours)).set_params(solver="adam")
    assert len(model.partial_fit(X, target(ours)).loss_curve_) == 1


@pytest.mark.parametrize("ours", BOTH)
def test_early_stopping_goes_on_and_off(ours):
    y = target(ours)
    model = small(ours, warm_start=True).fit(X, y)
    model.set_params(early_stopping=True).fit(X, y)
    assert (len(model.loss_curve_), len(model.validation_scores_)) == (8, 4)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.best_loss_ is None
    model.set_params(early_stopping=False).fit(X, y)
    assert (len(model.loss_curve_), model.validation_scores_) == (12, None)
    assert model.best_validation_score_ is None
    assert model.best_loss_ == min(model.loss_curve_)
    model.set_params(early_stopping=True).fit(X, y)
    assert (len(model.loss_curve_), len(model.validation_scores_)) == (16, 4)
    model.set_params(early_stopping=False).partial_fit(X, y)
    assert model.best_loss_ == min(model.loss_curve_)


def test_cold_lbfgs_forgets_the_curves():
    model = small(MLPRegressor, early_stopping=True).fit(X, Z).set_params(solver="lbfgs").fit(X, Z)
    for name in ("loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_"):
        assert not hasattr(model, name)


@pytest.mark.parametrize("ours", BOTH)
@pytest.mark.parametrize(
    "params",
    [{"activation": "tanh"}, {"activation": "nonsense"}, {"alpha": "x"}, {"alpha": 1e3}],
)
def test_copies_are_what_was_fitted(ours, params):
    model = small(ours).fit(X, target(ours))
    found = model.predict(X)
    model.set_params(**params)
    for back in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(back.predict(X), found)
        assert back.get_params() == model.get_params()
    again = pickle.loads(pickle.dumps(model)).set_params(activation="relu", alpha=1e-4)
    np.testing.assert_array_equal(again.fit(X, target(ours)).predict(X), found)


# ---- score


def test_regressor_score_checks_y():
    several = small(MLPRegressor).fit(X, Z)
    for bad in (Z.T, Z[:, 0], Z[:, :2], Z[:1], np.zeros((90, 3, 1))):
        message = f"y: wanted shape (90, 3), as the outputs have, got {bad.shape}"
        with pytest.raises(ValueError, match=re.escape(message)):
            several.score(X, bad)
    one = small(MLPRegressor).fit(X, Z[:, 0])
    for bad in (Z[None, :, 0], Z[1:, 0], 5.0):
        with pytest.raises(ValueError, match=r"y: wanted shape \(90, 1\)"):
            one.score(X, bad)
    assert one.score(X, Z[:, 0]) == one.score(X, Z[:, :1])
    with pytest.raises(ValueError, match="y: wanted finite numbers, got NaN at row 4, column 1"):
        several.score(X, np.where(np.arange(270).reshape(90, 3) == 13, np.nan, Z))
    with pytest.raises(ValueError, match="y: wanted finite numbers, got infinity at row 1"):
        one.score(X, np.where(np.arange(90) == 1, np.inf, Z[:, 0]))
    with pytest.raises(ValueError, match="y: wanted numbers"):
        one.score(X, ["a"] * 90)


def test_regressor_score_of_one_row():
    model = small(MLPRegressor).fit(X, Z)
    with pytest.warns(UserWarning, match="not well-defined with less than two samples") as caught:
        assert np.isnan(model.score(X[:1], Z[:1]))
    assert caught[0].filename == __file__
    assert type(caught[0].message).__name__ == "UndefinedMetricWarning"


def test_classifier_score_checks_y():
    model = small(MLPClassifier).fit(X, Y3)
    assert model.score(X, Y3) == model.score(X, Y3[:, None]) == model.score(X, Y3.astype(float))
    with pytest.raises(ValueError, match="y: wanted finite numbers, got NaN at row 5"):
        model.score(X, np.where(np.arange(90) == 5, np.nan, Y3))
    with pytest.raises(ValueError, match="y: wanted classes, got numbers with fractions"):
        model.score(X, Z[:, 0])
    for bad in (Y3[None], Y3[1:], None):
        with pytest.raises(ValueError, match=r"y: wanted shape \(90,\), got"):
            model.score(X, bad)
    words = np.array(["a", "b", "c"], dtype=object)[Y3]
    model = small(MLPClassifier).fit(X, words)
    for missing in (None, np.nan):
        with pytest.raises(ValueError, match=r"y: wanted classes, got .* at row 5"):
            model.score(X, np.where(np.arange(90) == 5, missing, words))


# ---- messages


@pytest.mark.parametrize("ours", BOTH)
def test_masked_targets_are_refused(ours):
    mask = np.arange(90) < 2
    masked = np.ma.array(target(ours), mask=mask)
    with pytest.raises(ValueError, match="y: wanted no masked entries, got 2"):
        small(ours).fit(X, masked)
    model = small(ours).fit(X, np.ma.array(target(ours), mask=False))
    with pytest.raises(ValueError, match="y: wanted no masked entries, got 2"):
        model.score(X, masked)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"hidden_layer_sizes": "a"}, TypeError, "a sequence of integers >= 1, got 'a'"),
        ({"hidden_layer_sizes": [[5]]}, TypeError, r"a sequence of integers >= 1, got \[\[5\]\]"),
        ({"hidden_layer_sizes": (5, 2.5)}, TypeError, r"a sequence of integers >= 1, got \(5, 2"),
        ({"hidden_layer_sizes": (5, True)}, TypeError, r"a sequence of integers >= 1, got \(5, T"),
        ({"hidden_layer_sizes": None}, TypeError, "a sequence of integers >= 1, got None"),
        ({"hidden_layer_sizes": 2**40}, ValueError, "a sequence of integers >= 1 and below 2"),
        ({"momentum": 1.5}, ValueError, r"a number in \[0, 1\], got 1.5"),
        ({"beta_1": 1}, ValueError, r"a number in \[0, 1\), got 1"),
        (
            {"learning_rate_init": np.nan},
            ValueError,
            "a number above 0 and below infinity, got nan",
        ),
        ({"learning_rate_init": -1}, ValueError, "a number above 0 and below infinity, got -1"),
        (
            {"learning_rate_init": np.inf},
            ValueError,
            "a number above 0 and below infinity, got inf",
        ),
        ({"epsilon": "x"}, TypeError, "a number above 0, got 'x'"),
    ],
)
def test_messages_say_what_is_wanted(options, error, message):
    with pytest.raises(error, match=f"{next(iter(options))}: wanted {message}"):
        MLPClassifier(**options).fit(X, Y3)


@pytest.mark.parametrize("ours", BOTH)
def test_sizes_of_hidden_layers(ours):
    for sizes, wanted in ((5, [5]), (np.array([5, 3]), [5, 3]), (range(2, 4), [2, 3]), ((), [])):
        model = small(ours, hidden_layer_sizes=sizes).fit(X, target(ours))
        assert [len(one) for one in model.intercepts_[:-1]] == wanted


@pytest.mark.parametrize("ours", BOTH)
@pytest.mark.parametrize("part", ["train", "validate"])
def test_early_stopping_needs_weights_in_both_parts(ours, part):
    model = small(ours, early_stopping=True, validation_fraction=0.2)
    kept = []
    hold_out = model._held_out
    model._held_out = lambda rows, random: kept.append(hold_out(rows, random)) or kept[-1]
    model.fit(X, target(ours))
    del model._held_out
    train, held = (np.isin(X[:, 0], rows.X[:, 0]) for rows in kept[0])
    assert (train ^ held).all()
    weights = (held if part == "train" else train).astype(float)
    message = f"sample_weight: wanted at least one weight above 0 among the .* rows to {part} on"
    with pytest.raises(ValueError, match=message):
        model.fit(X, target(ours), weights)
    weights[np.flatnonzero(train if part == "train" else held)[0]] = 1
    model.fit(X, target(ours), weights)


@pytest.mark.parametrize(("ours", "scale"), [(MLPClassifier, 1e155), (MLPRegressor, 1e100)])
def test_lbfgs_does_not_call_a_gradient_small_that_overflows(ours, scale):
    model = small(ours, solver="lbfgs", hidden_layer_sizes=())
    with pytest.warns(match="lbfgs failed to converge: the gradient is too large"):
        model.fit(scale * X, target(ours))


@pytest.mark.parametrize("ours", BOTH)
def test_a_batch_without_weight_changes_nothing(ours):
    plain = {"solver": "sgd", "momentum": 0, "shuffle": False, "alpha": 5.0, "max_iter": 1}
    weights = np.repeat([0.0, 1.0, 1.0], 30)
    one = small(ours, **plain).fit(X, target(ours), weights)
    two = small(ours, **plain).fit(X[30:], target(ours)[30:], weights[30:])
    np.testing.assert_array_equal(one.coefs_[0], two.coefs_[0])
