"""Edges: what is refused and how it is said, bugs that others had, Ctrl-C, forks."""

import multiprocessing
import signal

import numpy as np
import pytest
from coterie import nn
from coterie.nn import BatchNormalization, Dense, Input, Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3))
LABELS = np.arange(30) % 2


def net(loss="mse", outputs=1, activation=None, optimizer="sgd", **options):
    model = Sequential([Input((3,)), Dense(outputs, activation)], seed=0, **options)
    model.compile(optimizer, loss)
    return model


def refused(message, model, x=X, y=LABELS, error=ValueError, **options):
    before = model.get_weights()
    with pytest.raises(error, match=message):
        model.fit(x, y, **options)
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def at(value, row, column):
    bad = X.copy()
    bad[row, column] = value
    return bad


# ---- refusals


@pytest.mark.parametrize(
    ("base", "method"),
    [
        (nn.Layer, "call"),
        (nn.Layer, "build"),
        (Dense, "call"),
        (nn.MeanSquaredError, "call"),
        (nn.Loss, "__call__"),
        (nn.L2, "__call__"),
        (nn.SGD, "update_step"),
    ],
)
def test_what_the_core_would_not_call_is_not_taken(base, method):
    with pytest.raises(TypeError, match=rf"Mine\.{method}: would never be called"):
        type("Mine", (base,), {method: lambda self, *given: given})


def test_a_softmax_of_one_unit_is_told():
    with pytest.warns(UserWarning, match="a softmax of one unit is 1 for every row"):
        Dense(1, "softmax")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_named_by_its_place(value):
    model, bad = net(), at(value, 17, 2)
    refused("row 17, column 2", model, x=bad)
    refused("row 17, column 2", model, x=bad.astype(np.float32))
    refused("row 5", model, y=np.where(np.arange(30) == 5, value, 0.0))
    refused("sample_weight", model, sample_weight=np.where(np.arange(30) == 5, value, 1.0))
    refused("row 17, column 2", model, validation_data=(bad, LABELS))
    for use in (model.predict, lambda x: model.evaluate(x, LABELS)):
        with pytest.raises(ValueError, match="row 17, column 2"):
            use(bad)


@pytest.mark.parametrize("width", [8, 300])  # partial gradients, or one of the whole batch
def test_refused_rows_leave_no_trace(width):
    def fresh():
        hidden = [Dense(width, "relu"), BatchNormalization(), Dense(width, "relu")]
        model = Sequential([Input((3,)), *hidden, Dense(1, "sigmoid")], seed=0)
        model.compile("adam", "binary_crossentropy")
        return model

    one, two = fresh(), fresh()
    for model in (one, two):
        model.fit(X, LABELS, batch_size=8, verbose=0)
    refused("X: .* got NaN at row 29, column 1", one, x=at(np.nan, 29, 1), batch_size=4)
    one.fit(X, LABELS, batch_size=8, verbose=0)
    two.fit(X, LABELS, batch_size=8, verbose=0)
    for mine, its in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_shapes_are_named():
    refused(r"x: wanted shape \(n, 3\), got \(30, 2\)", net(), x=X[:, :2])
    refused(r"x: wanted shape \(n, 3\), got \(30,\)", net(), x=X[:, 0])
    refused(r"x: wanted at least one row, got shape \(0, 3\)", net(), x=X[:0], y=[])
    refused(
        r"x: wanted at least one feature, got shape \(5, 0\)",
        net(),
        x=np.empty((5, 0)),
        y=np.ones(5),
    )
    refused(r"y: wanted a target for each of the 30 rows, got shape \(29,\)", net(), y=LABELS[1:])
    refused(r"y: wanted shape \(30, 1\), as the net's outputs, got \(30, 2\)", net(), y=X[:, :2])
    refused(r"y: wanted shape \(30, 2\), .* got \(30,\)", net(outputs=2))
    refused(
        "numbers of classes go with loss='sparse_categorical_crossentropy'",
        net("categorical_crossentropy", 2, "softmax"),
    )
    refused("y: wanted targets, got None", net(), y=None)
    refused("sample_weight: wanted one weight a row", net(), sample_weight=[1, 2])


def test_one_output_takes_a_flat_y_and_never_broadcasts():
    flat, column = net(), net()
    flat.fit(X, X[:, 0])
    column.fit(X, X[:, :1])
    np.testing.assert_array_equal(flat.get_weights()[0], column.get_weights()[0])


@pytest.mark.parametrize(
    ("label", "row"), [(-1, 4), (2, 7), (0.5, 0), (np.nan, 29)], ids=["low", "high", "half", "nan"]
)
def test_labels_are_checked(label, row):
    y = LABELS.astype(float)
    y[row] = label
    model = net("sparse_categorical_crossentropy", 2, "softmax")
    refused(
        rf"y: wanted whole numbers of classes from 0 to 1, .* got {label}.* at row {row}",
        model,
        y=y,
    )


def test_targets_must_be_possible():
    refused(
        "targets from 0 to 1 for loss 'binary_crossentropy', got -1.0 at row 0",
        net("binary_crossentropy", 1, "sigmoid"),
        y=2 * LABELS - 1,
    )
    refused("targets >= 0", net("kl_divergence", 2, "softmax"), y=-np.ones((30, 2)))
    refused("one-hot", net("sparse_categorical_crossentropy", 2), y=np.eye(2)[LABELS])


def test_types_are_refused():
    refused("x: wanted numbers", net(), x=np.full((30, 3), "a"), error=TypeError)
    refused("Complex", net(), x=X + 1j)
    sparse = pytest.importorskip("scipy.sparse")
    refused("x: wanted a dense array", net(), x=sparse.csr_matrix(X), error=TypeError)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": -1}, ValueError, "epochs: wanted an integer >= 0"),
        ({"epochs": 1.5}, TypeError, "epochs: wanted an integer"),
        ({"batch_size": 0}, ValueError, "batch_size: wanted an integer >= 1"),
        ({"shuffle": "batch"}, TypeError, "shuffle: wanted a bool"),
        ({"validation_split": 1.0}, ValueError, "validation_split: wanted a share"),
        ({"validation_split": 1e-17}, ValueError, "got none for validation of 30 rows"),
        ({"validation_split": 0.99}, ValueError, "got none for training of 30 rows"),
        ({"validation_data": X}, TypeError, r"validation_data: wanted \(x, y\)"),
        ({"validation_data": (X[:0], [])}, ValueError, "validation_data: wanted at least one row"),
        (
            {"validation_data": (X, LABELS), "validation_split": 0.5},
            ValueError,
            "validation_split: wanted it or validation_data",
        ),
        ({"validation_split": "a"}, TypeError, "validation_split: wanted a number"),
        ({"validation_split": -0.2}, ValueError, "validation_split: wanted a finite number >= 0"),
        ({"validation_data": (at(np.inf, 1, 0), LABELS)}, ValueError, "validation x: .* row 1"),
        ({"class_weight": {0: -1.0}}, ValueError, "class_weight of 0: wanted a finite number >= 0"),
        ({"class_weight": {"a": 1.0}}, TypeError, "wanted numbers of classes as keys, got 'a'"),
        ({"class_weight": "balanced"}, TypeError, "class_weight: wanted a dict of class to weight"),
    ],
)
def test_options_are_checked(options, error, message):
    refused(message, net(), error=error, **options)


def test_names_are_checked():
    model = Sequential([Dense(1)])
    with pytest.raises(ValueError, match="is not compiled: call compile"):
        model.fit(X, LABELS)
    with pytest.raises(ValueError, match=r"loss: wanted one of 'mse', .*'hinge'"):
        model.compile("sgd", "hinge")
    with pytest.raises(ValueError, match="loss: wanted a loss, such as 'mse', got None"):
        model.compile("sgd")
    with pytest.raises(ValueError, match=r"metrics: wanted names among 'accuracy', .*'auc'"):
        model.compile("sgd", "mse", ["auc"])
    with pytest.raises(ValueError, match="does not go with the targets of loss"):
        model.compile("sgd", "sparse_categorical_crossentropy", ["mse"])
    with pytest.raises(ValueError, match="class_weight: wanted targets that are classes"):
        net().fit(X, X[:, 0], class_weight={0: 1})


def test_sorted_labels_under_a_split_warn():
    model = net("binary_crossentropy", 1, "sigmoid")
    with pytest.warns(UserWarning, match="the validation part has no row of class 0; shuffle"):
        model.fit(X, np.sort(LABELS), validation_split=0.2)
    with pytest.warns(UserWarning, match="training part has no row of class 2, the validation"):
        net("sparse_categorical_crossentropy", 3, "softmax").fit(
            X, np.repeat([0, 1, 2], 10), validation_split=1 / 3
        )
    model.fit(X, LABELS, validation_split=0.2)


# ---- batches


def test_the_last_batch_counts_as_it_is():
    model = net(optimizer=nn.SGD(0.1))
    W, b = model.get_weights()
    losses = []
    for rows in (slice(0, 20), slice(20, 30)):
        e = X[rows] @ W + b - LABELS[rows, None]
        losses.append((e**2).mean())
        W, b = W - 0.2 * X[rows].T @ e / len(e), b - 0.2 * e.mean(axis=0)
    history = model.fit(X, LABELS, batch_size=20, shuffle=False)
    np.testing.assert_allclose(model.get_weights()[0], W, rtol=1e-12)
    wanted = (20 * losses[0] + 10 * losses[1]) / 30
    assert history.history["loss"][0] == pytest.approx(wanted, rel=1e-12)


def test_a_batch_larger_than_the_data_is_one_batch():
    one, other = net(), net()
    one.fit(X, LABELS, batch_size=10_000)
    other.fit(X, LABELS, batch_size=30)
    np.testing.assert_array_equal(one.get_weights()[0], other.get_weights()[0])


def test_every_row_is_taken_once_an_epoch():
    # A rate of 0 leaves the weights alone: the loss of an epoch is that of all rows.
    model = net(optimizer=nn.SGD(0.0))
    history = model.fit(X, LABELS, epochs=4, batch_size=7)
    np.testing.assert_allclose(history.history["loss"], model.evaluate(X, LABELS), rtol=1e-13)


# ---- bugs others had


def test_a_certain_mistake_costs_what_it_should():
    model = Sequential([Input((1,)), nn.Activation("linear")])
    model.compile("sgd", "binary_crossentropy")
    assert model.evaluate([[0.0]], [1]) == pytest.approx(-np.log(1e-7), rel=1e-6)  # 16.118
    near = np.array([[1 - 1e-9]], np.float32)
    assert np.isfinite(model.evaluate(near, [1]))
    assert np.isfinite(model.evaluate(near, [0]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_are_exact(dtype):
    for model, y in (
        (Sequential([Input((1,)), nn.Activation("sigmoid")]), [0, 1, 1, 0]),
        (Sequential([Input((1,)), nn.Activation("linear")]), [0, 1, 1, 0]),
    ):
        logits = model.layers[0].activation == "linear"
        model.compile("sgd", nn.BinaryCrossentropy(from_logits=logits))
        z = np.array([[-1000], [-1000], [1000], [90]], dtype)
        assert [model.evaluate(z[i : i + 1], y[i : i + 1]) for i in range(4)] == [0, 1000, 0, 90]
    many = Sequential([Input((2,)), nn.Activation("softmax")])
    many.compile("sgd", "sparse_categorical_crossentropy")
    z = np.array([[1000.0, -1000.0]], dtype)
    assert (many.evaluate(z, [0]), many.evaluate(z, [1])) == (0, 2000)


@pytest.mark.parametrize("rate", [1e30, 1e200])
@pytest.mark.parametrize("n_epochs", [3, 30])
def test_divergence_names_its_place_and_keeps_the_best(rate, n_epochs):
    model = net(optimizer=nn.SGD(rate))
    model.predict(X)
    starts = [model.get_weights()]
    note = nn.LambdaCallback(on_epoch_end=lambda epoch, logs: starts.append(model.get_weights()))
    with pytest.raises(nn.DivergenceError, match=r"epoch \d+, batch \d+") as caught:
        model.fit(X, LABELS, epochs=n_epochs, batch_size=10, callbacks=[note])
    error = caught.value
    assert (error.epoch, error.batch) > (0, 0)
    assert error.learning_rate == rate
    assert f"epoch {error.epoch}, batch {error.batch}" in str(error)
    assert isinstance(error, ValueError)
    # Those from which the epoch of lowest loss started, or the fit.
    losses = model.history.history.get("loss", [])
    best = starts[int(np.argmin(losses))] if losses else starts[0]
    for got, want in zip(model.get_weights(), best, strict=True):
        np.testing.assert_array_equal(got, want)
    assert len(model.history.epoch) == error.epoch


def test_training_goes_on_after_a_divergence():
    model = net(optimizer=nn.SGD(0.01))
    model.fit(X, LABELS, epochs=20)
    good = model.evaluate(X, LABELS)
    model.optimizer.learning_rate = 1e200
    with pytest.raises(nn.DivergenceError):
        model.fit(X, LABELS, epochs=9, batch_size=10)
    assert model.evaluate(X, LABELS) == good
    model.optimizer.learning_rate = 0.01
    assert np.isfinite(model.fit(X, LABELS, epochs=2).history["loss"]).all()


# ---- Ctrl-C, forks


def big():
    model = Sequential([Input((64,)), Dense(256, "relu"), Dense(256, "relu"), Dense(1)], seed=0)
    model.compile("adam", "mse")
    rng = np.random.default_rng(0)
    return model, rng.normal(size=(4000, 64)), rng.normal(size=4000)


def test_ctrl_c_is_answered_and_leaves_the_last_whole_epoch(ctrl_c):
    model, x, y = big()
    with ctrl_c(after=0.5):
        model.fit(x, y, epochs=2000)
    whole = len(model.history.epoch)
    assert model._epochs_seen == whole
    other, _, _ = big()
    other.fit(x, y, epochs=whole) if whole else other.build((None, 64))
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_ctrl_c_within_a_step_of_many_rows(ctrl_c, n_threads):
    """One batch, whose rows batch normalisation holds together, and steps of seconds."""
    layers = nn.Dense(256, "relu"), nn.BatchNormalization(), nn.Dense(256, "gelu"), nn.Dense(1)
    model = nn.Sequential([nn.Input(64), *layers], seed=0, n_threads=n_threads)
    model.compile("adam", "mse")
    x = np.ones((100_000, 64), np.float32)
    before = [w.copy() for w in model.get_weights()]
    with ctrl_c(after=0.3):
        model.fit(x, x[:, :1], epochs=1000, batch_size=len(x))
    if not model.history.epoch:
        for one, two in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, two)


def _child(queue, model, x, y):
    model.fit(x, y, epochs=1)
    queue.put(model.evaluate(x, y))


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_can_train():
    model, x, y = big()
    x, y = x[:500], y[:500]
    model.fit(x, y, epochs=1)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_child, args=(queue, model, x, y))
    child.start()
    try:
        told = queue.get(timeout=60)
    finally:
        child.join(10)
    model.fit(x, y, epochs=1)
    assert told == model.evaluate(x, y)
