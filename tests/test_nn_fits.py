"""Fits in the core: optimisers, threads, shuffling, divergence, callbacks, refusals."""

import numpy as np
import pytest
from coterie import _core
from nets import RULES, Built, dense, rows, same, targets
from reference import nn as reference

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def replay(built, X, Y, loss, rule, rates, epochs, batch):
    """The fit without shuffling, by the reference's steps and the core's gradients."""
    theta = built.theta.copy()
    start = 0.1 if rule["name"] == "adagrad" else 0.0
    slots = [np.full_like(theta, start) for _ in range(_core.nn_slots(rule))]
    t, twin = 0, Built(*built.ops)
    twin.net = built.net
    for _ in range(epochs):
        for i in range(0, len(X), batch):
            twin.theta[:] = theta
            g = twin.gradient(X[i : i + batch], Y[i : i + batch], loss)[1]
            t += 1
            rate = rates[min(t - 1, len(rates) - 1)]
            theta = reference.step(rule, theta, g, slots, t, rate)
    return theta


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_optimisers(rule):
    X, Y = rows(50, 6), targets("mse", 50, 3)
    built = Built(dense(6, 9, "tanh", l2=0.01), dense(9, 3))
    rates = np.linspace(0.05, 0.01, 40)
    wanted = replay(built, X, Y, {"name": "mse"}, rule, rates, 5, 16)
    done = built.fit(
        X, Y, {"name": "mse"}, rule, rates=rates, epochs=5, batch_size=16, shuffle=False
    )
    assert done == {"epochs": 5, "iterations": 20, "stopped": False, "diverged": None}
    np.testing.assert_allclose(built.theta, wanted, rtol=1e-9, atol=1e-12)
    assert np.isfinite(built.history).all()


@pytest.mark.parametrize("batch", [32, 100])
def test_targets_that_are_the_inputs(batch):
    """The same memory twice, or a copy: the same bits."""
    X = rows(100, 6)
    ends = []
    for Y in (X, X.copy()):
        built = Built(dense(6, 3, "tanh"), dense(3, 6))
        built.fit(X, Y, {"name": "mse"}, {"name": "adam"}, epochs=4, batch_size=batch)
        ends.append((built.theta, built.history, built.evaluate(X, Y, {"name": "mse"})))
    for a, b in zip(*ends, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("key", ["clipnorm", "global_clipnorm"])
def test_clipping_by_norm(key):
    X, Y = rows(50, 6), targets("mse", 50, 3)
    built = Built(dense(6, 9, "tanh"), dense(9, 3))
    before, g = built.theta.copy(), built.gradient(X, Y, {"name": "mse"})[1]
    built.fit(X, Y, {"name": "mse"}, {"name": "sgd", key: 0.05}, rates=1, batch_size=50)
    parts = [g] if key == "global_clipnorm" else np.split(g, [54, 63, 90])
    scaled = [p * min(1, 0.05 / np.linalg.norm(p)) for p in parts]
    np.testing.assert_allclose(before - built.theta, np.concatenate(scaled), rtol=1e-9, atol=1e-14)


CASES = [
    (9000, [dense(6, 25, "relu"), dense(25, 3)]),
    (9000, [dense(6, 25, "relu"), same("dropout", 25, rate=0.2, stream=3), dense(25, 3)]),
    (700, [dense(6, 300, "relu"), dense(300, 300, "tanh"), dense(300, 3)]),
    (
        2300,
        [
            dense(6, 300, "relu", use_bias=False, l1=1e-3),
            same("dropout", 300, rate=0.2, stream=3),
            dense(300, 300, "gelu", activity_l2=1e-3),
            dense(300, 20, "tanh", trainable=False),
            same("activation", 20, activation="relu"),
            dense(20, 3),
        ],
    ),
    (
        900,
        [
            dense(6, 300),
            same("activation", 300, activation="gelu"),
            dense(300, 300),
            same("activation", 300, activation="step"),
            same("activation", 300, activation="gelu_tanh"),
            dense(300, 3),
        ],
    ),
    (
        900,
        [
            dense(6, 300, "relu"),
            same("batch_norm", 300, momentum=0.9, epsilon=1e-3),
            same("dropout", 300, rate=0.2, stream=3),
            dense(300, 300, "tanh"),
            dense(300, 3),
        ],
    ),
]


@DTYPES
@pytest.mark.parametrize("case", range(len(CASES)))
def test_threads(case, dtype):
    """The same bits for any number of threads, and alone or among others.

    Every case has work for several threads (5e4 vector operations each).
    """
    n, ops = CASES[case]
    X, Y = rows(n, 6, dtype), targets("mse", n, 3, dtype)

    def outcome(n_threads, many=False):
        built = Built(*ops, dtype=dtype)
        options = {"epochs": 3, "batch_size": n // 2, "validation": (X[:50], Y[:50], None)}
        options |= {"n_threads": n_threads, "metrics": ["mae"]}
        given = built.arguments(X, Y, {"name": "mse"}, {"name": "adam"}, **options)
        if many:
            _core.nn_fit_many([given], ["fit"], n_threads)
        else:
            _core.nn_fit(*given)
        out = (
            built.forward(X, n_threads),
            built.gradient(X, Y, {"name": "mse"}, n_threads=n_threads)[1],
        )
        return [built.theta, built.state, built.history.ravel(), *map(np.ravel, out)]

    one = outcome(1)
    assert all(np.isfinite(part).all() for part in one)
    for n_threads in (2, 3, 8):
        for got in (outcome(n_threads), outcome(n_threads, many=True)):
            for a, b in zip(got, one, strict=True):
                np.testing.assert_array_equal(a, b)


@DTYPES
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_updates_of_large_nets_at_once(rule, dtype):
    """Gradients that go into the update as they are formed: the same bits as by way of memory."""

    def trained(**more):
        ops = dense(7, 300, "relu", l1=1e-3), dense(300, 300, "tanh", bias_l2=0.1), dense(300, 2)
        built = Built(*ops, dtype=dtype)
        X, Y = rows(90, 7, dtype), targets("mse", 90, 2, dtype)
        built.fit(X, Y, {"name": "mse"}, rule | more, epochs=2, batch_size=50, n_threads=2)
        return built.theta

    np.testing.assert_array_equal(trained(), trained(global_clipnorm=1e30))


@DTYPES
@pytest.mark.parametrize("loss", ["mse", "half_squared"])
@pytest.mark.parametrize("outputs", [3, 230, 451])
def test_a_last_layer_in_parts(outputs, loss, dtype):
    """Columns of outputs through their loss at once, as metrics forbid: the same weights."""

    def trained(n_threads, **more):
        ops = dense(7, 300, "relu"), dense(300, 300, "tanh"), dense(300, outputs)
        built = Built(*ops, dtype=dtype)
        X, Y = rows(90, 7, dtype), targets("mse", 90, outputs, dtype)
        options = {"epochs": 2, "batch_size": 70, "n_threads": n_threads}
        built.fit(X, Y, {"name": loss}, {"name": "adam"}, **options | more)
        return built.theta, built.history[:, 0]

    theta, losses = trained(1)
    for n_threads in (2, 5):
        for a, b in zip((theta, losses), trained(n_threads), strict=True):
            np.testing.assert_array_equal(a, b)
    # The loss of a row is summed in other parts.
    for a, b in zip((theta, losses), trained(1, metrics=["mae"]), strict=True):
        np.testing.assert_allclose(a, b, rtol=0 if a is theta else 50 * np.finfo(dtype).eps)


@DTYPES
def test_averages_of_dead_units_do_not_become_subnormal(dtype):
    built = Built(dense(2, 3, "relu"), dense(3, 1), dtype=dtype)
    X, Y = np.ones((4, 2), dtype), np.zeros((4, 1), dtype)
    arguments = list(built.arguments(X, Y, {"name": "mse"}, {"name": "adam"}, epochs=1))
    _core.nn_fit(*arguments)
    built.theta[:9] = -1  # no unit fires any more
    arguments[11] |= {"epochs": 12_000}
    arguments[12] = np.empty((12_000, 1))
    _core.nn_fit(*arguments)
    slots = arguments[3][: built.n_theta]
    assert (slots[:9] == 0).all()
    assert np.isfinite(built.theta).all()


def test_shuffling_is_a_permutation_of_its_own():
    """Each row once an epoch, another order each epoch, the same one for the same seed."""
    n = 50
    X, Y = np.eye(n), np.zeros((n, 1))

    def orders(seed, epochs, initial=0):
        # Row i alone moves weight i, by the rate of its step.
        built = Built(dense(n, 1, use_bias=False))
        rates, found = np.arange(1, n * epochs + 1) * 1e-9, []
        built.theta[:] = 1
        for k in range(epochs):
            before, epoch = built.theta.copy(), initial + k
            options = {"rates": rates[n * k :], "batch_size": 1, "seed": seed}
            arguments = list(built.arguments(X, Y, {"name": "mse"}, {"name": "sgd"}, **options))
            arguments[11] |= {"initial_epoch": epoch, "epochs": epoch + 1}
            _core.nn_fit(*arguments)
            found.append(np.round((before - built.theta) / 2e-9).astype(int) - 1 - n * k)
        return found

    once = orders(1, 3)
    for order in once:
        np.testing.assert_array_equal(np.sort(order), np.arange(n))
    assert not np.array_equal(once[0], once[1])
    assert not np.array_equal(once[0], np.arange(n))
    np.testing.assert_array_equal(orders(1, 2, initial=1), once[1:])
    assert not np.array_equal(orders(2, 1)[0], once[0])


def test_divergence_names_epoch_and_batch_and_keeps_the_best():
    X, Y = rows(64, 4), targets("mse", 64, 1)
    built = Built(dense(4, 1))
    start = built.theta.copy()
    done = built.fit(X, Y * 1e160, {"name": "mse"}, {"name": "sgd"}, epochs=3, batch_size=32)
    assert done["diverged"] == (0, 0)
    assert done["epochs"] == 0
    np.testing.assert_array_equal(built.theta, start)
    built = Built(dense(4, 1))
    rates = np.concatenate([np.full(6, 1e-3), np.full(60, 1e30)])
    seen = [(np.inf, built.theta.copy())]  # losses, and the weights after those epochs
    options = {"rates": rates, "epochs": 30, "batch_size": 32}
    options["callback"] = lambda epoch, row: seen.append((row[-1], built.theta.copy()))
    done = built.fit(X, Y, {"name": "mse"}, {"name": "sgd"}, **options)
    assert done["diverged"] is not None
    assert done["diverged"][0] >= 3
    least = int(np.argmin([loss for loss, _ in seen]))
    np.testing.assert_array_equal(built.theta, seen[least - 1][1])
    held = Built(dense(4, 1))
    options["validation"], seen[1:] = (X, Y, None), []
    options["callback"] = lambda epoch, row: seen.append((row[-1], held.theta.copy()))
    assert held.fit(X, Y, {"name": "mse"}, {"name": "sgd"}, **options)["diverged"] is not None
    np.testing.assert_array_equal(held.theta, min(seen, key=lambda pair: pair[0])[1])


def test_callbacks_stop_and_raise():
    X, Y = rows(64, 4), targets("mse", 64, 1)
    built = Built(dense(4, 1))
    done = built.fit(
        X, Y, {"name": "mse"}, {"name": "sgd"}, epochs=9, callback=lambda e, row: e == 2
    )
    assert done["stopped"]
    assert done["epochs"] == 3
    assert np.isnan(built.history[3:]).all()

    def fail(epoch, row):
        raise KeyError(epoch)

    with pytest.raises(KeyError, match="0"):
        built.fit(X, Y, {"name": "mse"}, {"name": "sgd"}, epochs=9, callback=fail)


def test_noise_has_its_deviation():
    """Through a net that is the identity, mse against X is the noise's variance."""
    X = rows(2000, 30)
    built = Built(same("noise", 30, stddev=0.3, stream=1), same("activity", 30))
    loss, _ = built.gradient(X, X, {"name": "mse"})
    assert loss == pytest.approx(0.09, rel=0.02)
    # The mean of |noise| tells normal noise from other noise, the sum over columns whether these
    # have noise of their own.
    loss_mae = built.gradient(X, X, {"name": "mae"})[0]
    assert loss_mae == pytest.approx(0.3 * np.sqrt(2 / np.pi), rel=0.01)
    summed = Built(same("noise", 30, stddev=0.3, stream=1), dense(30, 1))
    summed.theta[:] = [1] * 30 + [0]
    wanted = X.sum(axis=1, keepdims=True)
    assert summed.gradient(X, wanted, {"name": "mse"})[0] == pytest.approx(30 * 0.09, rel=0.1)
    assert built.gradient(X, X, {"name": "mse"}, seed=1)[0] != loss
    np.testing.assert_array_equal(built.forward(X), X)


def test_refusals():
    X, Y = rows(8, 4), targets("mse", 8, 1)
    built = Built(dense(4, 1))
    loss, rule = {"name": "mse"}, {"name": "sgd"}
    for broken, name in ((np.full_like(X, np.nan), "X"), (X[:, :3], "X")):
        with pytest.raises(ValueError, match=name):
            built.fit(broken, Y, loss, rule)
    bad = X.copy()
    bad[3, 1] = np.inf
    with pytest.raises(ValueError, match="X: wanted finite values, got inf at row 3, column 1"):
        built.forward(bad)
    with pytest.raises(ValueError, match="Y: wanted length 8, got length 7"):
        built.fit(X, Y[:7], loss, rule)
    with pytest.raises(TypeError, match="float64"):
        built.fit(X.astype(np.float32), Y, loss, rule)
    with pytest.raises(ValueError, match="loss: wanted one of 'mse'"):
        built.fit(X, Y, {"name": "hinge"}, rule)
    with pytest.raises(ValueError, match="known keys, got 'gama'"):
        built.fit(X, Y, {"name": "mse", "gama": 1}, rule)
    with pytest.raises(ValueError, match="batch_size"):
        built.fit(X, Y, loss, rule, batch_size=0)
    with pytest.raises(ValueError, match="activation"):
        Built(dense(4, 1, "swish"))
    with pytest.raises(ValueError, match="3 outputs before"):
        Built(dense(4, 3), dense(2, 1))
    with pytest.raises(ValueError, match="labels from 0 to 2, got 3 in row 0"):
        Built(dense(4, 3, "softmax")).evaluate(
            X, np.full(8, 3), {"name": "sparse_categorical_crossentropy"}
        )
