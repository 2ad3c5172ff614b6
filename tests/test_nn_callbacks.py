"""Callbacks: Keras's decisions, and what is left when a fit ends early."""

import csv

import numpy as np
import pytest
from coterie import nn
from coterie.nn import Dense, Input, Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 3))
Y = X.sum(axis=1)


def net(optimizer=None, seed=0):
    model = Sequential([Input((3,)), Dense(4, "tanh"), Dense(1)], seed=seed)
    model.compile(optimizer or nn.SGD(0.05), "mse")
    return model


class Feeder(nn.Callback):
    """Puts made-up values into the logs, before the callbacks that look at them."""

    def __init__(self, values, name="val_loss"):
        self.values = values
        self.name = name
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = self.values[epoch]
        self.weights.append(self.model.get_weights())


def run(callback, values, name="val_loss", model=None):
    model, feeder = model or net(), Feeder(values, name)
    history = model.fit(X, Y, epochs=len(values), callbacks=[feeder, callback])
    return model, feeder, history


def same_weights(some, others):
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


# ---- early stopping


@pytest.mark.parametrize(
    ("values", "options", "epochs", "best"),
    [
        ([3, 2, 1, 2, 3, 4, 5], {"patience": 2}, 5, 2),
        ([3, 2, 1, 2, 3, 4, 5], {"patience": 0}, 4, 2),
        ([3, 4], {"patience": 0}, 2, 0),
        ([1, 2, 3, 0, 5, 6, 7], {"patience": 3}, 7, 3),
        ([3, 2.9, 2.8, 2.7, 2.6], {"patience": 2, "min_delta": 0.5}, 3, 0),
        ([1, 2, 3, 2, 1], {"patience": 1, "mode": "max"}, 4, 2),
        ([5, 4, 3, 3, 3], {"patience": 2, "baseline": 0.5}, 4, 2),
        ([9, 1, 5, 5, 5, 5], {"patience": 2, "start_from_epoch": 2}, 5, 2),
    ],
)
def test_early_stopping_decides_as_keras(values, options, epochs, best):
    stop = nn.EarlyStopping(restore_best_weights=True, **options)
    model, feeder, history = run(stop, values)
    assert len(history.epoch) == epochs
    assert stop.best_epoch == best
    assert same_weights(model.get_weights(), feeder.weights[best])


def test_best_weights_come_back_when_epochs_run_out():
    model, feeder, _ = run(nn.EarlyStopping(patience=99, restore_best_weights=True), [3, 1, 2])
    assert same_weights(model.get_weights(), feeder.weights[1])


def test_best_weights_come_back_when_the_baseline_is_never_met():
    stop = nn.EarlyStopping(patience=9, baseline=-1.0, restore_best_weights=True)
    model, feeder, _ = run(stop, [3, 1, 2])
    assert same_weights(model.get_weights(), feeder.weights[1])


def test_without_restoring_the_last_weights_stay():
    model, feeder, history = run(nn.EarlyStopping(patience=1), [3, 1, 2, 2])
    assert len(history.epoch) == 3
    assert same_weights(model.get_weights(), feeder.weights[-1])


def test_a_full_batch_loss_belongs_to_the_weights_before_the_update():
    # A rate so high that the loss rises: the best loss is the first, that of the first weights.
    model = net(nn.SGD(2.0))
    before = model.get_weights()
    stop = nn.EarlyStopping("loss", patience=0, restore_best_weights=True)
    model.fit(X, Y, epochs=9, batch_size=48, callbacks=[stop])
    assert stop.best_epoch == 0
    assert same_weights(model.get_weights(), before)
    assert model.evaluate(X, Y) == pytest.approx(stop.best, rel=1e-12)


def test_accuracies_are_to_grow():
    assert nn.EarlyStopping("val_accuracy")._upwards
    assert not nn.EarlyStopping("val_loss")._upwards


@pytest.mark.parametrize(
    ("monitor", "upwards"),
    [
        ("val_Accuracy", True),
        ("ACC", True),
        ("binary_accuracy", True),
        ("val_loss", False),
        ("my_loss", False),
        ("val_MAE", False),
        ("mean_squared_error", False),
    ],
)
def test_the_better_way_is_known_by_the_name(monitor, upwards):
    stop = nn.EarlyStopping(monitor)
    stop.on_train_begin()
    assert stop.best == (-np.inf if upwards else np.inf)


def test_where_the_name_does_not_tell_the_mode_must():
    with pytest.raises(ValueError, match="mode: wanted 'min' or 'max' for 'val_f1', got 'auto'"):
        nn.EarlyStopping("val_f1").on_train_begin()
    nn.EarlyStopping("val_f1", mode="max").on_train_begin()


def test_nothing_to_monitor_is_said_once():
    model = net()
    with pytest.warns(UserWarning, match="there is no 'val_loss' to monitor, only 'loss'") as found:
        model.fit(X, Y, epochs=3, callbacks=[nn.EarlyStopping()])
    assert len(found) == 1
    assert model.history.epoch == [0, 1, 2]


# ---- learning rates


def test_plateau():
    model = net()
    plateau = nn.ReduceLROnPlateau(factor=0.5, patience=2, cooldown=1, min_lr=0.01)
    _, _, history = run(plateau, [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3], model=model)
    rates = history.history["learning_rate"]
    np.testing.assert_allclose(
        rates, [0.05] * 3 + [0.025] * 2 + [0.0125] * 2 + [0.01] * 4, rtol=1e-12
    )


def test_a_rate_set_between_epochs_counts_at_once():
    scheduler = nn.LearningRateScheduler(lambda epoch, rate: 0.0 if epoch == 1 else 0.05)
    feeder = Feeder([0, 0, 0])
    history = net().fit(X, Y, epochs=3, callbacks=[feeder, scheduler])
    assert history.history["learning_rate"] == [0.05, 0, 0.05]
    assert same_weights(feeder.weights[0], feeder.weights[1])
    assert not same_weights(feeder.weights[1], feeder.weights[2])
    halving = nn.LearningRateScheduler(lambda epoch: 0.5**epoch)
    rates = net().fit(X, Y, epochs=3, callbacks=[halving]).history["learning_rate"]
    assert rates == [1, 0.5, 0.25]
    with pytest.raises(TypeError, match=r"schedule: wanted a callable, got 0\.1"):
        nn.LearningRateScheduler(0.1)
    with pytest.raises(TypeError, match="wanted a constant learning rate"):
        net(nn.SGD(nn.ExponentialDecay(0.1, 1, 1))).fit(X, Y, callbacks=[scheduler])


# ---- others


def test_one_fit_of_a_net_at_a_time():
    model, other, caught = net(), net(), []

    def again(epoch, logs):
        other.fit(X, Y)
        with pytest.raises(RuntimeError, match="fit: wanted one fit of a net at a time") as error:
            model.train_on_batch(X, Y)
        caught.append(error)

    history = model.fit(X, Y, epochs=2, callbacks=[nn.LambdaCallback(on_epoch_end=again)])
    plain = net()
    assert plain.fit(X, Y, epochs=2).history == history.history
    assert same_weights(model.get_weights(), plain.get_weights())
    assert len(caught) == 2
    model.train_on_batch(X, Y)
    assert model.history is history


def test_thresholds_are_numbers():
    for options in ({"min_delta": "a"}, {"baseline": "a"}):
        with pytest.raises(TypeError, match="wanted a number, got 'a'"):
            nn.EarlyStopping(**options)
    with pytest.raises(ValueError, match="initial_value_threshold: wanted a finite number"):
        nn.ModelCheckpoint("x", initial_value_threshold=np.nan)


def test_hooks_and_their_order():
    seen = []

    class Mine(nn.Callback):
        def on_train_begin(self, logs):
            seen.append(("train begins", self.params["epochs"], self.params["steps"]))
            assert logs == {}

        def on_epoch_begin(self, epoch, logs):
            seen.append(("begins", epoch))
            assert logs == {}

        def on_epoch_end(self, epoch, logs=None):
            seen.append(("ends", epoch, sorted(logs)))
            self.model.stop_training = epoch == 4

        def on_train_end(self, logs):
            seen.append(("train ends", sorted(logs)))

    model = net()
    model.fit(X, Y, epochs=9, initial_epoch=3, callbacks=Mine(), validation_split=0.5)
    logs = ["loss", "val_loss"]
    assert model.history.params == {"verbose": 0, "epochs": 9, "steps": 1}
    assert seen == [
        ("train begins", 9, 1),
        ("begins", 3),
        ("ends", 3, logs),
        ("begins", 4),
        ("ends", 4, logs),
        ("train ends", logs),
    ]


def test_a_callback_may_change_the_weights():
    class Reset(nn.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.set_weights([0 * w for w in self.model.get_weights()])

    model = net()
    history = model.fit(X, Y, epochs=3, callbacks=[Reset()], batch_size=48)
    assert not any(w.any() for w in model.get_weights())
    np.testing.assert_allclose(history.history["loss"][1:], np.mean(Y**2), rtol=1e-12)


def test_callbacks_change_nothing_by_being_there():
    plain, watched = net(nn.Adam()), net(nn.Adam())
    a = plain.fit(X, Y, epochs=4, batch_size=10).history
    b = watched.fit(X, Y, epochs=4, batch_size=10, callbacks=[nn.LambdaCallback()]).history
    assert a == b
    assert same_weights(plain.get_weights(), watched.get_weights())


def test_an_error_in_a_callback_is_the_fits():
    def fail(epoch, logs):
        if epoch == 2:
            raise KeyError("mine")

    model = net()
    with pytest.raises(KeyError, match="mine"):
        model.fit(X, Y, epochs=9, callbacks=[nn.LambdaCallback(on_epoch_end=fail)])
    other = net()
    other.fit(X, Y, epochs=3)
    assert same_weights(model.get_weights(), other.get_weights())
    assert model._epochs_seen == 3


def test_what_is_no_callback():
    with pytest.raises(TypeError, match="callbacks: wanted objects of class Callback, got 3"):
        net().fit(X, Y, callbacks=[3])

    class Batchwise(nn.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    class Testing(nn.Callback):
        def on_test_begin(self, logs=None):
            pass

    for one, hook in ((Batchwise(), "on_train_batch_end"), (Testing(), "on_test_begin")):
        message = f"{type(one).__name__} has {hook}, which is never called: .*wanted on_epoch_end"
        with pytest.raises(ValueError, match=message):
            net().fit(X, Y, callbacks=[one])
    with pytest.raises(TypeError, match="on_epoch_end: wanted a callable"):
        nn.LambdaCallback(on_epoch_end=3)


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    model = net()
    model.fit(X, Y, epochs=2, callbacks=[nn.CSVLogger(path)])
    model.fit(X, Y, epochs=3, initial_epoch=2, callbacks=[nn.CSVLogger(path, append=True)])
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert float(rows[2]["loss"]) == model.history.history["loss"][0]
    model.fit(X, Y, callbacks=[nn.CSVLogger(path, separator=";")])
    assert path.read_text().splitlines()[0] == "epoch;loss"


def test_checkpoints(tmp_path):
    checkpoint = nn.ModelCheckpoint(tmp_path / "net-{epoch:02d}-{val_loss:.1f}")
    run(checkpoint, [3, 1, 2])
    names = ["net-01-3.0", "net-02-1.0", "net-03-2.0"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    best = tmp_path / "best"
    _, feeder, _ = run(nn.ModelCheckpoint(best, save_best_only=True), [3, 1, 2])
    assert same_weights(nn.load_model(best).get_weights(), feeder.weights[1])
    kept = tmp_path / "kept"
    run(nn.ModelCheckpoint(kept, save_best_only=True, initial_value_threshold=0.5), [3, 1, 2])
    assert not kept.exists()
    with pytest.raises(ValueError, match=r"filepath: wanted names among .*, got 'val_los'"):
        run(nn.ModelCheckpoint(tmp_path / "net-{val_los}"), [3])


def test_a_divergence_makes_no_callback_restore_or_delete(tmp_path):
    log, saved, calls = tmp_path / "log.csv", tmp_path / "net", []
    callbacks = [
        nn.CSVLogger(log),
        nn.ModelCheckpoint(saved),
        nn.EarlyStopping("loss", patience=99, restore_best_weights=True),
        nn.LambdaCallback(on_train_end=lambda logs=None: calls.append("end")),
    ]
    model = Sequential([Input((3,)), Dense(1)], seed=0)
    model.compile(nn.SGD(1e60), "mse")
    with pytest.raises(nn.DivergenceError):
        model.fit(X, Y, epochs=50, batch_size=48, callbacks=callbacks)
    assert saved.exists()
    assert len(log.read_text().splitlines()) > 1
    assert calls == []
    assert all(np.isfinite(w).all() for w in model.get_weights())


# ---- progress


def test_verbose(capsys):
    net().fit(X, Y, epochs=3, verbose=0)
    net().fit(X, Y, epochs=3)  # nobody watches
    assert capsys.readouterr().out == ""
    net().fit(X, Y, epochs=3, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["Epoch 1/3", "Epoch 2/3", "Epoch 3/3"]
    assert all(" - loss: " in line for line in lines)
    net().fit(X, Y, epochs=500, verbose=1)
    out = capsys.readouterr().out
    assert out.endswith("\n")
    assert out.count("\n") == 1
    assert "Epoch 500/500 - loss: " in out
    with pytest.raises(ValueError, match="verbose: wanted 'auto', 0, 1 or 2, got 'loud'"):
        net().fit(X, Y, verbose="loud")
