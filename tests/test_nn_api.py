"""Sequential from the user's side: shapes, dtypes, weights, history, evaluation, many at once."""

import copy
import io
import pickle
from contextlib import redirect_stdout

import numpy as np
import pytest
from coterie import nn
from coterie._estimator import NotFittedError
from coterie.nn import Dense, Input, Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 4))
Y = (X.sum(axis=1, keepdims=True) > 0).astype(float)


def net(*layers, optimizer="sgd", loss="binary_crossentropy", metrics=(), **options):
    layers = layers or (Dense(6, activation="tanh"), Dense(1, activation="sigmoid"))
    model = Sequential([Input((4,)), *layers], **({"seed": 0} | options))
    model.compile(optimizer, loss, list(metrics))
    return model


def weights_of(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


# ---- building


def test_build_and_weights():
    model = Sequential([Dense(3), Dense(2, use_bias=False)])
    assert not model.built
    with pytest.raises(NotFittedError, match="has no weights yet"):
        model.predict(X)
    model.build((None, 4))
    assert [w.shape for w in model.get_weights()] == [(4, 3), (3,), (3, 2)]
    assert (model.input_shape, model.output_shape) == ((None, 4), (None, 2))
    assert model.count_params() == 21
    model.build((None, 4))
    with pytest.raises(ValueError, match=r"is built for rows of shape \(4,\), got \(5,\)"):
        model.build((None, 5))
    new = [np.full(w.shape, i) for i, w in enumerate(model.get_weights())]
    model.set_weights(new)
    for got, want in zip(model.get_weights(), new, strict=True):
        np.testing.assert_array_equal(got, want)
    with pytest.raises(ValueError, match="weights: wanted 3 arrays, got 2"):
        model.set_weights(new[:2])
    with pytest.raises(ValueError, match=r"kernel of layer dense_1: wanted shape \(3, 2\)"):
        model.set_weights([new[0] + 1, new[1], new[2].T])
    np.testing.assert_array_equal(model.get_weights()[0], 0)  # a refused call changed a weight
    with pytest.raises(ValueError, match="wanted finite float64, got a number that is not"):
        model.layers[0].set_weights([np.full((4, 3), np.nan), np.zeros(3)])


def test_ways_to_say_the_input_shape():
    for model in (
        Sequential([Input((4,)), Dense(2)]),
        Sequential([Input(4), Dense(2)]),
        Sequential([Dense(2, input_shape=(4,))]),
        Sequential([Dense(2, input_dim=4)]),
    ):
        assert model.built
        assert model.input_shape == (None, 4)
        assert [type(layer) for layer in model.layers] == [Dense]
    model = Sequential()
    model.add(Input((4,)))
    model.add(Dense(3))
    model.add(Dense(2))
    assert model.output_shape == (None, 2)
    assert [layer.name for layer in model.layers] == ["dense", "dense_1"]


def test_add_keeps_the_weights_there_are():
    model = net()
    model.fit(X, Y)
    before = model.get_weights()
    model.add(Dense(3))
    for old, new in zip(before, model.get_weights(), strict=False):
        np.testing.assert_array_equal(old, new)
    assert model.predict(X).shape == (64, 3)


def test_layers_of_another_net_are_copied():
    model = net()
    model.fit(X, Y)
    half = Sequential(model.layers[:1])
    np.testing.assert_array_equal(half.layers[0].kernel, model.layers[0].kernel)
    half.layers[0].kernel[...] = 0
    assert model.layers[0].kernel.any()
    assert np.ptp(half.predict(X), axis=0).max() == 0
    one = Dense(2)
    with pytest.raises(ValueError, match="every layer once"):
        Sequential([one, one])
    with pytest.raises(ValueError, match="a name a layer"):
        Sequential([Dense(2, name="a"), Dense(2, name="a")])


def test_layers_that_do_not_fit():
    with pytest.raises(ValueError, match=r"Flatten\(\) before it"):
        Sequential([Input((2, 3)), Dense(1)])
    with pytest.raises(ValueError, match="6 values of a row"):
        Sequential([Input((6,)), nn.Reshape((4, 2))])
    with pytest.raises(ValueError, match="Input as the first layer"):
        Sequential([Dense(1), Input((3,))])
    with pytest.raises(TypeError, match="layers: wanted layers"):
        Sequential([3])
    with pytest.raises(ValueError, match="activation: wanted one of 'linear', 'step'"):
        Dense(1, activation="swish2")
    with pytest.raises(ValueError, match="rate: wanted a share"):
        nn.Dropout(1.0)
    for wrong in (4, (2.5, 2), None):
        with pytest.raises(TypeError, match="target_shape: wanted sizes"):
            nn.Reshape(wrong)


def test_shapes_of_rows():
    images = RNG.normal(size=(10, 2, 3))
    model = Sequential([Input((2, 3)), nn.Flatten(), Dense(6), nn.Reshape((3, -1))], seed=0)
    out = model.predict(images)
    assert out.shape == (10, 3, 2)
    assert model.output_shape == (None, 3, 2)
    model.compile("sgd", "mse")
    losses = model.fit(images, np.zeros((10, 3, 2)), epochs=2).history["loss"]
    assert losses[0] > losses[1] > 0
    flat = model.predict(images).reshape(10, 6)
    np.testing.assert_allclose(
        flat, images.reshape(10, 6) @ model.layers[1].kernel + model.layers[1].bias
    )
    with pytest.raises(ValueError, match=r"x: wanted shape \(n, 2, 3\), got \(10, 6\)"):
        model.predict(images.reshape(10, 6))
    # Nothing but a reshape is a net, too.
    np.testing.assert_array_equal(
        Sequential([Input((2, 3)), nn.Flatten()]).predict(images), images.reshape(10, 6)
    )


def test_a_first_layer_may_tell_the_shape_of_rows(tmp_path):
    model = Sequential([nn.Flatten(input_shape=(2, 3)), Dense(4)], seed=0)
    assert (model.input_shape, model.count_params()) == ((None, 2, 3), 28)
    assert repr(model.layers[0]) == "Flatten(name='flatten', input_shape=(2, 3))"
    model.save(tmp_path / "net")
    assert nn.load_model(tmp_path / "net").layers[0].get_config() == model.layers[0].get_config()


# ---- dtypes, bits, copies


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_data_choose_the_dtype(dtype):
    model = net()
    assert model.predict(X.astype(dtype)).dtype == dtype
    model.fit(X.astype(dtype), Y)
    assert {w.dtype for w in model.get_weights()} == {np.dtype(dtype)}
    assert model.predict(X).dtype == dtype
    assert model.predict(X[:0]).shape == (0, 1)


def test_a_dtype_can_be_asked_for():
    for model in (
        net(dtype="float32"),
        Sequential([Input((4,), dtype="float32"), Dense(1)]),
    ):
        model.compile("sgd", "mse")
        model.fit(X, Y)
        assert model.predict(X).dtype == np.float32
    with pytest.raises(ValueError, match="dtype: wanted 'float32', 'float64' or None"):
        Sequential(dtype="int8")


def test_integers_and_frames():
    model = net()
    model.fit(np.arange(8).reshape(2, 4), [0, 1])
    assert model.predict(np.arange(4)[None]).dtype == np.float64
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X)
    np.testing.assert_array_equal(model.predict(frame), model.predict(X))
    np.testing.assert_array_equal(model.predict(np.asfortranarray(X)), model.predict(X))
    np.testing.assert_array_equal(model.predict(X[::-1])[::-1], model.predict(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_for_any_number_of_threads(dtype):
    runs, rows, targets = [], np.tile(X, (20, 1)), np.tile(Y, (20, 1))  # enough for all threads
    for n_threads in (1, 2, 3, 8):
        model = Sequential(
            [Input((4,)), Dense(300, activation="relu"), nn.Dropout(0.3), Dense(1)],
            seed=3,
            n_threads=n_threads,
        )
        model.compile("adam", "mse")
        history = model.fit(rows.astype(dtype), targets, epochs=4, batch_size=len(rows) // 3 + 1)
        runs.append((weights_of(model), history.history["loss"], model.predict(rows)))
    for other in runs[1:]:
        for one, two in zip(runs[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_the_seed_decides():
    fits = []
    for seed in (1, 1, 2):
        model = net(nn.Dropout(0.2), Dense(1, activation="sigmoid"), seed=seed)
        model.fit(X, Y, epochs=3)
        fits.append(weights_of(model))
    np.testing.assert_array_equal(fits[0], fits[1])
    assert not np.array_equal(fits[0], fits[2])
    np.random.seed(7)  # noqa: NPY002
    one = weights_of(Sequential([Input(4), Dense(2)]))
    np.random.seed(7)  # noqa: NPY002
    np.testing.assert_array_equal(one, weights_of(Sequential([Input(4), Dense(2)])))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_independent(copied):
    model = net(optimizer="adam")
    model.fit(X, Y, epochs=2)
    other = copied(model)
    before = weights_of(model)
    other.fit(X, Y, epochs=2)
    np.testing.assert_array_equal(weights_of(model), before)
    model.fit(X, Y, epochs=2)
    np.testing.assert_array_equal(weights_of(model), weights_of(other))


# ---- fitting


def test_fitting_twice_is_fitting_longer():
    once, twice = net(optimizer="adam"), net(optimizer="adam")
    whole = once.fit(X, Y, epochs=6, batch_size=10).history["loss"]
    parts = twice.fit(X, Y, epochs=2, batch_size=10).history["loss"]
    parts += twice.fit(X, Y, epochs=6, initial_epoch=2, batch_size=10).history["loss"]
    np.testing.assert_array_equal(whole, parts)
    np.testing.assert_array_equal(weights_of(once), weights_of(twice))
    assert once.optimizer.iterations == twice.optimizer.iterations == 42
    assert twice.history.epoch == [2, 3, 4, 5]
    assert twice.fit(X, Y, epochs=0).history == {}


def test_history_and_evaluate_agree():
    model = net(metrics=["accuracy", "mse"])
    history = model.fit(X[:40], Y[:40], epochs=3, validation_data=(X[40:], Y[40:]))
    assert list(history.history) == [
        "loss",
        "accuracy",
        "mse",
        "val_loss",
        "val_accuracy",
        "val_mse",
    ]
    assert history.epoch == [0, 1, 2]
    loss, accuracy, mse = model.evaluate(X[40:], Y[40:])
    assert loss == history.history["val_loss"][-1]
    p = model.predict(X[40:])
    assert accuracy == history.history["val_accuracy"][-1] == ((p > 0.5) == Y[40:]).mean()
    assert mse == pytest.approx(((p - Y[40:]) ** 2).mean(), rel=1e-12)
    told = model.evaluate(X[40:], Y[40:], return_dict=True)
    assert told == {"loss": loss, "accuracy": accuracy, "mse": mse}
    assert isinstance(net().evaluate(X, Y), float)


def test_penalties_are_in_the_loss():
    plain = net(Dense(3), Dense(1), loss="mse")
    penalised = net(
        Dense(3, kernel_regularizer=nn.l1_l2(0.1, 0.2), bias_regularizer="l2"),
        Dense(1, activity_regularizer=nn.l2(0.3)),
        loss="mse",
    )
    weights = [RNG.normal(size=w.shape) for w in plain.get_weights()]
    plain.set_weights(weights)
    penalised.set_weights(weights)
    W, b = weights[:2]
    out = plain.predict(X)
    extra = 0.1 * abs(W).sum() + 0.2 * (W**2).sum() + 0.01 * (b**2).sum()
    extra += 0.3 * (out**2).sum() / len(X)
    assert penalised.evaluate(X, Y) == pytest.approx(plain.evaluate(X, Y) + extra, rel=1e-12)
    loss = penalised.fit(X, Y, batch_size=64).history["loss"][0]
    assert loss == pytest.approx(plain.evaluate(X, Y) + extra, rel=1e-12)


def test_validation_split_is_the_tail():
    split, given = net(), net()
    a = split.fit(X, Y, epochs=3, validation_split=0.25).history
    b = given.fit(X[:48], Y[:48], epochs=3, validation_data=(X[48:], Y[48:])).history
    assert a == b


def test_weights_of_rows_and_classes():
    counts = RNG.integers(1, 4, len(X))
    repeated, weighted = net(), net()
    repeated.fit(np.repeat(X, counts, axis=0), np.repeat(Y, counts, axis=0), batch_size=999)
    # Keras divides by the number of rows, not by the sum of weights.
    weighted.fit(X, Y, batch_size=999, sample_weight=counts * (len(X) / counts.sum()))
    np.testing.assert_allclose(weights_of(repeated), weights_of(weighted), rtol=1e-12)
    by_class, by_row = net(), net()
    by_class.fit(X, Y, class_weight={0: 0.5, 1: 2.0})
    by_row.fit(X, Y, sample_weight=np.where(Y[:, 0] == 1, 2.0, 0.5))
    np.testing.assert_array_equal(weights_of(by_class), weights_of(by_row))
    weight = np.linspace(0, 2, len(X))
    each = [net().evaluate(X[i : i + 1], Y[i : i + 1]) for i in range(len(X))]
    assert net().evaluate(X, Y, sample_weight=weight) == pytest.approx(np.mean(each * weight))


def test_train_on_batch():
    one, other = net(metrics=["mse"]), net(metrics=["mse"])
    expected = one.evaluate(X, Y)
    np.testing.assert_allclose(one.train_on_batch(X, Y), expected, rtol=1e-12)
    other.fit(X, Y, batch_size=64)
    np.testing.assert_array_equal(weights_of(one), weights_of(other))
    assert list(one.train_on_batch(X, Y, return_dict=True)) == ["loss", "mse"]
    assert one.optimizer.iterations == 2


def test_frozen_layers_stay():
    model = net(Dense(3), nn.BatchNormalization(), Dense(1), loss="mse", optimizer="adam")
    for layer in model.layers[:2]:
        layer.trainable = False
    before = model.get_weights()
    model.fit(X, Y, epochs=2)
    after = model.get_weights()
    for i in range(6):
        np.testing.assert_array_equal(before[i], after[i])
    assert not np.array_equal(before[6], after[6])


def test_batch_normalisation_moves_its_averages():
    model = net(nn.BatchNormalization(momentum=0.9), loss="mse")
    model.set_weights([np.ones(4), np.zeros(4), np.zeros(4), np.ones(4)])
    model.optimizer.learning_rate = 0.0
    model.fit(X, X, batch_size=64)
    _, _, mean, variance = model.get_weights()
    np.testing.assert_allclose(mean, 0.1 * X.mean(0), rtol=1e-10)
    np.testing.assert_allclose(variance, 0.9 + 0.1 * X.var(0), rtol=1e-10)
    np.testing.assert_allclose(model.predict(X), (X - mean) / np.sqrt(variance + 1e-3), rtol=1e-10)


def test_noise_is_off_when_predicting():
    model = net(nn.Dropout(0.5), nn.GaussianNoise(3.0), loss="mse")
    np.testing.assert_array_equal(model.predict(X), X)
    losses = model.fit(X, X, epochs=2).history["loss"]
    assert losses[0] != losses[1]
    assert model.evaluate(X, X) == 0


def test_sparse_and_one_hot_targets_agree():
    labels = RNG.integers(0, 3, len(X))
    runs = []
    for loss, y in (
        ("sparse_categorical_crossentropy", labels),
        ("sparse_categorical_crossentropy", labels[:, None].astype(float)),
        ("categorical_crossentropy", np.eye(3)[labels]),
    ):
        model = net(Dense(3, activation="softmax"), loss=loss, metrics=["accuracy"])
        runs.append(model.fit(X, y, epochs=3).history)
    for other in runs[1:]:
        np.testing.assert_allclose(other["loss"], runs[0]["loss"], rtol=1e-12)
        assert other["accuracy"] == runs[0]["accuracy"]


def test_summary():
    model = Sequential([Input((4,)), Dense(3), nn.BatchNormalization(), nn.Dropout(0.1)])
    lines = []
    model.summary(print_fn=lines.append)
    text = "\n".join(lines)
    for part in ('"sequential"', "dense (Dense)", "(None, 3)", "Total params: 27"):
        assert part in text
    assert "Trainable params: 21" in text
    assert "Non-trainable params: 6" in text
    out = io.StringIO()
    with redirect_stdout(out):
        model.summary()
    assert out.getvalue().splitlines() == lines


def test_reprs():
    assert repr(Dense(3, activation="relu")) == "Dense(units=3, activation='relu')"
    assert repr(nn.BatchNormalization()) == "BatchNormalization()"
    assert repr(nn.SGD(0.1, momentum=0.9)) == "SGD(learning_rate=0.1, momentum=0.9)"
