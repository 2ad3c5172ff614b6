"""What a net is left with when something is refused, shared, changed or saved half-way."""

import copy
import os
import pickle

import numpy as np
import pytest
from coterie import nn
from coterie.nn import Dense, Input, Sequential

RNG = np.random.default_rng(5)
X = RNG.normal(size=(64, 4))
Y = X.sum(axis=1, keepdims=True)


def net(*layers, optimizer="adam", loss="mse", seed=0, **options):
    model = Sequential([Input((4,)), *(layers or (Dense(1),))], seed=seed, **options)
    model.compile(optimizer, loss)
    return model


def same(model, other):
    return all(
        np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True)
    )


# ---- layers


def test_a_layer_belongs_to_one_net():
    shared = Dense(4)
    Sequential([shared])
    with pytest.raises(ValueError, match="layers: wanted layers of no other net"):
        Sequential([shared, Dense(3)])
    Sequential([copy.deepcopy(shared), Dense(3)])
    built = net(Dense(4, "tanh"), Dense(4))
    built.fit(X, X, epochs=2)
    encoder = Sequential(built.layers[:1])  # a built layer is copied, with its weights
    W, b = encoder.get_weights()
    np.testing.assert_allclose(encoder.predict(X), np.tanh(X @ W + b), rtol=1e-12)
    built.fit(X, X)
    assert not np.array_equal(built.get_weights()[0], W)


def test_layers_of_a_net_that_was_refused_are_free():
    layer = Dense(3)
    with pytest.raises(ValueError, match="Reshape"):
        Sequential([Input((4,)), layer, nn.Reshape((7,))])
    assert Sequential([Input((4,)), layer]).predict(X).shape == (64, 3)


@pytest.mark.parametrize("wrong", [nn.Reshape((7, 7)), "dense"])
def test_a_refused_layer_leaves_the_net_as_it_was(wrong):
    model = net(Dense(3), Dense(1))
    model.fit(X, Y, epochs=3)
    twin = copy.deepcopy(model)
    with pytest.raises((TypeError, ValueError)):
        model.add(wrong)
    assert len(model.layers) == 2
    np.testing.assert_array_equal(model.predict(X), twin.predict(X))
    model.fit(X, Y, epochs=2)
    twin.fit(X, Y, epochs=2)
    assert same(model, twin)


def test_a_refused_shape_leaves_the_layers_unbuilt():
    model = Sequential([Dense(3), nn.Reshape((2, 2))])
    with pytest.raises(ValueError, match="Reshape"):
        model.build((5,))
    assert not model.layers[0].built


def test_a_changed_layer_counts_at_once():
    model = net(Dense(3, "tanh"), Dense(1))
    model.predict(X)
    model.layers[0].activation = "relu"
    W, b, V, c = model.get_weights()
    wanted = np.maximum(X @ W + b, 0) @ V + c
    np.testing.assert_allclose(model.predict(X), wanted, rtol=1e-12)
    np.testing.assert_array_equal(copy.deepcopy(model).predict(X), model.predict(X))


def test_weights_are_finite_in_the_dtype_of_the_net():
    model = net(dtype="float32")
    before = copy.deepcopy(model)
    with pytest.raises(ValueError, match="kernel of layer dense: wanted finite float32"):
        model.set_weights([np.full((4, 1), 1e300), [0.0]])
    with pytest.raises(TypeError, match="without masks"):
        model.set_weights([np.ma.masked_less(np.ones((4, 1)), 0), [0.0]])
    assert same(model, before)
    for wrong in (nn.initializers.Constant, nn.initializers.RandomNormal):
        with pytest.raises(ValueError, match="finite"):
            Sequential([Input((4,)), Dense(1, kernel_initializer=wrong(np.nan))])


def test_the_axis_of_batch_normalization_is_that_of_the_features():
    assert nn.BatchNormalization(-1, 0.9).momentum == 0.9
    assert nn.BatchNormalization(axis=1).axis == 1
    for axis in (0, 2, True):
        with pytest.raises(ValueError, match="axis: wanted -1 or 1"):
            nn.BatchNormalization(axis)


# ---- optimisers


def test_an_optimizer_trains_one_net():
    optimizer = nn.Adam(0.01)
    one = net(optimizer=optimizer)
    with pytest.raises(ValueError, match="optimizer: wanted one for this net alone"):
        net(optimizer=optimizer)
    one.compile(optimizer, "mae")  # its own again
    twin = copy.deepcopy(one)
    one.fit(X, Y, epochs=2)
    twin.fit(X, Y, epochs=2)
    assert same(one, twin)


def test_a_bare_base_is_no_optimizer():
    for bare in (nn.Optimizer, nn.Optimizer()):
        with pytest.raises(TypeError, match="optimizer: wanted one of 'sgd'"):
            net(optimizer=bare)


def test_a_net_with_a_new_layer_begins_again():
    model = net(Dense(3), optimizer=nn.Adam(0.01))
    model.fit(X, np.tile(Y, (1, 3)), epochs=500, batch_size=64)
    model.add(Dense(1))
    before = model.get_weights()
    model.fit(X, Y, batch_size=64)
    assert model.optimizer.iterations == 1
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.abs(new - old).max() <= 0.01  # Adam's first step is no longer than its rate


def test_refused_data_leave_no_trace():
    model, twin = net(Dense(3, "tanh"), Dense(1)), net(Dense(3, "tanh"), Dense(1))
    for one in (model, twin):
        one.fit(X, Y, epochs=3)
    bad = X.astype(np.float32)
    bad[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN at row 3, column 1"):
        model.fit(bad, Y)
    for one in (model, twin):
        one.fit(X, Y, epochs=2)
    assert same(model, twin)


@pytest.mark.parametrize("refused", [(X[:, :2], Y[:3]), (np.full((9, 2), np.nan), Y[:9])])
def test_refused_data_do_not_choose_the_width(refused):
    model = Sequential([Dense(1)], seed=0)
    model.compile("sgd", "mse")
    for use in (model.fit, model.check_gradients):
        with pytest.raises(ValueError, match="wanted"):
            use(*refused)
        assert not model.built
    model.fit(X, Y)
    assert model.input_shape == (None, 4)


def test_a_schedule_rules_during_a_fit():
    def change(value):
        def hook(epoch, logs):
            model.optimizer.learning_rate = value

        return nn.LambdaCallback(on_epoch_end=hook)

    rule = nn.ExponentialDecay(0.1, 10, 0.9)
    for first, later in ((rule, 0.0), (0.1, rule), (rule, rule)):
        model = net(optimizer=nn.SGD(first))
        with pytest.raises(TypeError, match="learning_rate: wanted none but"):
            model.fit(X, Y, epochs=3, callbacks=[change(later)])
        model.optimizer.learning_rate = 0.5  # between fits it may
        assert model.optimizer.learning_rate == 0.5
    copies = []
    model = net(optimizer=nn.SGD(rule))
    take = nn.LambdaCallback(on_epoch_end=lambda epoch, logs: copies.append(copy.deepcopy(model)))
    model.fit(X, Y, callbacks=[take])
    copies[0].optimizer.learning_rate = 0.5  # no fit uses the copy
    model = net(optimizer=nn.SGD(0.1))
    weights = []
    note = nn.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()))
    model.fit(X, Y, epochs=3, callbacks=[change(0.0), note])
    np.testing.assert_array_equal(weights[0][0], weights[2][0])


def test_weights_of_classes_are_for_training_alone():
    labels = (X[:, :1] > 0).astype(float)

    def fit(x, y, **more):
        model = net(Dense(1, "sigmoid"), optimizer=nn.SGD(0.0), loss="binary_crossentropy")
        return model.fit(x, y, class_weight={0: 1, 1: 10}, **more).history

    split = fit(X, labels, validation_split=0.25)
    assert split == fit(X[:48], labels[:48], validation_data=(X[48:], labels[48:]))


def test_the_last_step_is_looked_at():
    model = net(optimizer=nn.SGD(1e308))
    before = copy.deepcopy(model)
    with pytest.raises(nn.DivergenceError, match="epoch 0, batch 0"):
        model.fit(X * 1e5, Y, batch_size=64)
    assert same(model, before)
    norm = net(nn.BatchNormalization(), Dense(1))
    with pytest.raises(nn.DivergenceError):
        norm.fit(X * 1e160, Y)
    assert np.isfinite(norm.predict(X)).all()


# ---- files


def test_what_a_callback_saves_goes_on_where_it_stood(tmp_path):
    model = net(Dense(3, "tanh"), nn.Dropout(0.2), Dense(1))
    path = tmp_path / "net-{epoch}.safetensors"
    model.fit(X, Y, epochs=4, batch_size=20, callbacks=[nn.ModelCheckpoint(path)])
    again = nn.load_model(tmp_path / "net-2.safetensors")
    assert again.optimizer.iterations == 8
    again.fit(X, Y, epochs=4, initial_epoch=2, batch_size=20)
    assert same(again, model)


@pytest.mark.parametrize("dtype", [np.float32, np.dtype("float32"), "float32"])
def test_any_way_to_say_a_dtype_can_be_saved(tmp_path, dtype):
    model = Sequential([Input((4,), dtype=dtype), Dense(1)], seed=0)
    model.save(tmp_path / "net")
    assert nn.load_model(tmp_path / "net").predict(X).dtype == np.float32
    with pytest.raises(ValueError, match="dtype: wanted 'float32', 'float64' or None"):
        Input((4,), dtype="float16")


def test_what_cannot_be_read_is_not_written(tmp_path):
    model = net()
    model.layers[0].kernel[...] = np.inf
    with pytest.raises(ValueError, match="save: wanted a net of finite weights"):
        model.save(tmp_path / "net")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"sample/output"', b'"sample/outpux"'),
        (b'\\"epochs_seen\\": 0', b'\\"epochs_seen\\": Infinity'),
        (b'\\"units\\": 1', b'\\"units\\": 2147483647'),
        (b"GlorotUniform", b"Initializer"),
    ],
)
def test_files_that_lie_are_refused(tmp_path, old, new):
    path = tmp_path / "net"
    net().save(path)
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + size]
    assert old in header
    header = header.replace(old, new).replace(b'"crc32"', b'"other"')  # as a liar would
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + size :])
    with pytest.raises(ValueError, match="is not a whole model file"):
        nn.load_model(path)


# ---- many


def many(epochs, **second):
    jobs = [{"model": net(Dense(50, "relu"), Dense(1)), "x": np.tile(X, (50, 1))} for _ in epochs]
    for job, n in zip(jobs, epochs, strict=True):
        job |= {"y": np.tile(Y, (50, 1)), "epochs": n}
    jobs[1] |= second
    return nn.fit_many(jobs, n_threads=2)


def test_an_error_of_one_fit_is_told_as_it_is():
    bad = np.tile(X, (50, 1))
    bad[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN at row 3, column 1"):
        many([20000, 2], x=bad)

    def fail(epoch, logs):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        many([20000, 2], callbacks=[nn.LambdaCallback(on_epoch_end=fail)])


def test_layers_added_before_the_first_epoch_stop_the_fit():
    model = net(Dense(3, "tanh"))
    Z = np.tile(Y, (1, 3))
    add = nn.LambdaCallback(on_train_begin=lambda logs: model.add(Dense(1)))
    rows = X.astype(np.float32)
    with pytest.raises(RuntimeError, match="wanted the net as it was, got layers added"):
        model.fit(rows, Z, callbacks=[add])
    before = model.get_weights()
    model.fit(rows, Y)
    assert all((was != now).any() for was, now in zip(before, model.get_weights(), strict=True))
    out = model.layers[0].kernel.copy()
    model.layers[0].kernel[...] = 0  # what layers show is what predicts
    assert (out != 0).any()
    assert np.ptp(model.predict(X)) == 0


class Running:
    """A fit, to the net that it holds."""


def test_what_a_fit_held_is_free_when_it_is_gone():
    identity, fit, other = net()._identity, Running(), Running()
    assert identity.claim(fit)
    assert identity.in_use
    assert not identity.claim(other)
    assert not pickle.loads(pickle.dumps(identity)).in_use
    identity.release(other)  # is none of its business
    assert identity.in_use
    child = os.fork()
    if child == 0:
        os._exit(identity.in_use or not identity.claim(other))
    assert os.waitpid(child, 0)[1] == 0
    del fit  # as an interrupt leaves it
    assert not identity.in_use
    assert identity.claim(other)
    identity.release(other)
    assert not identity.in_use


def test_ctrl_c_reaches_fits_of_other_threads(ctrl_c):
    """The calling thread is done with its own fit, and waits."""
    with ctrl_c(after=0.5):
        many([1, 100000])
