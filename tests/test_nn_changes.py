"""What is set on a net that is built or compiled: it counts at once, or is refused by name."""

import numpy as np
import pytest
from coterie import MLPRegressor, nn
from coterie.nn import BatchNormalization, Dense, Input, Sequential

RNG = np.random.default_rng(5)
X = RNG.normal(size=(64, 4))
Y = X.sum(axis=1, keepdims=True)


def net(*layers, optimizer="adam", loss="mse"):
    model = Sequential([Input((4,)), *(layers or (Dense(1),))], seed=0)
    model.compile(optimizer, loss)
    return model


def test_a_changed_penalty_counts_at_once():
    model = net(Dense(1, kernel_regularizer=nn.L2(0.0)))
    plain = model.evaluate(X, Y)
    model.layers[0].kernel_regularizer.l2 = 0.5
    wanted = plain + 0.5 * (model.get_weights()[0] ** 2).sum()
    assert model.evaluate(X, Y) == pytest.approx(wanted, rel=1e-12)
    assert model.train_on_batch(X, Y) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("width", [3, 1024])  # whole tiles, or layer by layer
def test_penalties_of_frozen_weights_do_not_count(width):
    """As in Keras 3."""
    model = net(Dense(width, "tanh", kernel_regularizer="l2", bias_regularizer="l1"), Dense(1))
    model.layers[0].trainable = False
    wanted = np.mean((model.predict(X) - Y) ** 2)
    assert model.evaluate(X, Y) == pytest.approx(wanted, rel=1e-12)
    assert model.train_on_batch(X, Y) == pytest.approx(wanted, rel=1e-12)
    model.layers[0].trainable = True
    assert model.evaluate(X, Y) > np.mean((model.predict(X) - Y) ** 2) + 0.01


@pytest.mark.parametrize(
    ("layer", "name", "value"),
    [
        (lambda: Dense(3), "units", 7),
        (lambda: Dense(3), "use_bias", False),
        (lambda: nn.Reshape((2, 2)), "target_shape", (4,)),
        (BatchNormalization, "scale", False),
        (BatchNormalization, "axis", 0),
    ],
)
def test_what_weights_were_made_for_stays(layer, name, value):
    one = layer()
    setattr(one, name, getattr(one, name))
    model = net(one)
    setattr(one, name, getattr(one, name))  # says nothing new
    before = model.predict(X)
    with pytest.raises(ValueError, match=f"{name}: wanted .*, for which the weights of layer"):
        setattr(one, name, value)
    np.testing.assert_array_equal(model.predict(X), before)


def test_a_second_kind_of_clipping_is_refused(tmp_path):
    model = net(optimizer=nn.Adam(clipnorm=1.0))
    model.optimizer.clipvalue = 1.0
    before = model.get_weights()[0]
    for use in (lambda: model.fit(X, Y), lambda: model.save(tmp_path / "net")):
        with pytest.raises(ValueError, match="clipnorm: wanted one kind of clipping"):
            use()
    np.testing.assert_array_equal(model.get_weights()[0], before)
    assert not (tmp_path / "net").exists()
    model.optimizer.clipnorm = None
    model.fit(X, Y)
    model.save(tmp_path / "net")
    assert nn.load_model(tmp_path / "net").optimizer.clipvalue == 1.0


def test_what_no_reader_would_take_is_not_written(tmp_path):
    model = net(nn.Dropout(0.5), Dense(1))
    model.layers[0].rate = 2.0
    with pytest.raises(ValueError, match="rate"):
        model.save(tmp_path / "net")
    assert not (tmp_path / "net").exists()


# ---- the optimizer after a divergence


def spoilt(n_rows, batch):
    """Rows of which the first of a batch makes its loss overflow."""
    x = np.random.default_rng(0).normal(size=(n_rows, 3))
    x[batch] = 1e200
    return x, np.where(np.arange(n_rows) == batch, 0.0, x[:, 0])


@pytest.mark.parametrize("width", [1, 300])
def test_steps_go_back_with_the_weights(width):
    def fresh():
        layers = [Input((3,)), Dense(width, kernel_initializer="he_normal"), Dense(1)]
        model = Sequential(layers, seed=0)
        model.compile(nn.Adam(0.01), "mse")
        return model

    x, y = spoilt(40, 36)
    one, two = fresh(), fresh()
    with pytest.raises(nn.DivergenceError, match="at epoch 0, batch 9"):
        one.fit(x, y, batch_size=4, shuffle=False)
    assert one.optimizer.iterations == 0
    for model in (one, two):
        model.train_on_batch(x[:8], y[:8])
    for mine, its in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_steps_go_back_to_the_epoch_whose_weights_are_kept():
    class Spoil(nn.Callback):
        def on_epoch_end(self, epoch, logs=None):
            del logs
            if epoch == 2:
                self.model.optimizer.learning_rate = 1e200

    model = net(optimizer=nn.Adam(1e-3))
    with pytest.raises(nn.DivergenceError):
        model.fit(X, Y, batch_size=16, epochs=9, validation_data=(X, Y), callbacks=[Spoil()])
    assert model.optimizer.iterations == 3 * 4  # the end of the epoch of lowest validation loss


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_perceptrons_steps_go_back():
    def spoil(epoch, loss):
        del loss
        if epoch >= 2:  # the third epoch makes it worse, the fourth diverges
            model._optimizer.learning_rate = 10.0 if epoch == 2 else 1e200

    options = {"hidden_layer_sizes": (6,), "batch_size": 30, "learning_rate_init": 0.01}
    x, y = np.arange(90.0)[:, None] / 90, np.sin(np.arange(90.0))
    model = MLPRegressor(**options, max_iter=9, random_state=0)
    model._watch = spoil
    with pytest.raises(nn.DivergenceError, match="epoch 3"):
        model.fit(x, y)
    assert model.loss_curve_[1] < model.loss_curve_[2]
    assert model._optimizer.iterations == 3  # as the epoch of least loss found them
    one = MLPRegressor(**options, max_iter=1, random_state=0).fit(x, y)
    np.testing.assert_array_equal(model.predict(x), one.predict(x))


# ---- rows of several axes


@pytest.mark.parametrize(
    ("loss", "metrics", "message"),
    [
        ("categorical_crossentropy", None, "loss: .* for categorical_crossentropy, got"),
        ("sparse_categorical_crossentropy", None, "for sparse_categorical_crossentropy, got"),
        ("kl_divergence", None, "loss: wanted outputs .* for kl_divergence"),
        (nn.MeanSquaredError(reduction="sum"), None, "loss: wanted outputs .* for reduction='sum'"),
        ("mse", ["mae", "accuracy"], "metrics: wanted outputs .* for 'accuracy', got"),
    ],
)
def test_what_is_of_one_axis_is_refused_for_several(loss, metrics, message):
    model = Sequential([Input((4,)), Dense(6, "softplus"), nn.Reshape((2, 3))], seed=0)
    model.compile("sgd", loss, metrics)
    before = model.get_weights()[0]
    for use in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(ValueError, match=rf"{message}.*\(2, 3\).*Flatten"):
            use(X, np.ones((64, 2, 3)))
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_means_over_several_axes_are_those_of_all():
    model = Sequential([Input((4,)), Dense(6, "sigmoid"), nn.Reshape((2, 3))], seed=0)
    model.compile("sgd", "mse", ["mae", "binary_accuracy"])
    wanted = RNG.integers(0, 2, (64, 2, 3))
    gap = model.predict(X) - wanted
    loss, mae, accuracy = model.evaluate(X, wanted)
    assert [loss, mae] == pytest.approx([(gap**2).mean(), np.abs(gap).mean()], rel=1e-12)
    assert accuracy == pytest.approx((np.abs(gap) < 0.5).mean(), rel=1e-12)


# ---- files


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_changed_bit_of_weights_or_slots_is_read(tmp_path, dtype):
    model, path = net(Dense(3, "tanh"), Dense(1)), tmp_path / "net"
    model.fit(X.astype(dtype), Y.astype(dtype), epochs=2)
    model.save(path)
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    config = data.index(b'"config"')
    for place in (config + 40, *range(start, len(data), 7)):
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="is not a whole model file"):
            nn.load_model(path)
    path.write_bytes(data)
    again = nn.load_model(path)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.optimizer._slots, model.optimizer._slots)


def test_files_without_a_checksum_are_read(tmp_path):
    model, path = net(), tmp_path / "net"
    model.save(path)
    path.write_bytes(path.read_bytes().replace(b'"crc32"', b'"other"'))
    np.testing.assert_array_equal(nn.load_model(path).predict(X), model.predict(X))
