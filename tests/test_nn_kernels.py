"""Networks in the core against float64 references, central differences, and themselves."""

import numpy as np
import pytest
from coterie import _core
from nets import ACTIVATIONS, LOSSES, RULES, Built, dense, same, targets
from reference import nn as reference

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
ENDS = {
    "binary_crossentropy": "sigmoid",
    "categorical_crossentropy": "softmax",
    "sparse_categorical_crossentropy": "softmax",
    "kl_divergence": "softmax",
}


def rows(n, d, dtype=np.float64, seed=3):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


def close(actual, wanted, dtype=np.float64, depth=64):
    """Sums of up to `depth` terms, each rounded, against the largest of what was summed."""
    size = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
    bound = 8 * depth * np.finfo(dtype).eps * size
    np.testing.assert_allclose(np.asarray(actual, float), wanted, rtol=0, atol=bound)


# ---- one layer


@DTYPES
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("n", "d", "m"), [(1, 1, 1), (7, 10, 25), (130, 33, 7), (1025, 3, 70)])
def test_a_layer(n, d, m, activation, dtype):
    X, W, b, dA = (
        rows(n, d, dtype),
        rows(d, m, dtype, 4),
        rows(1, m, dtype, 5)[0],
        rows(n, m, dtype, 6),
    )
    Z, A = np.empty((n, m), dtype), np.empty((n, m), dtype)
    _core.dense_forward(X, W, b, activation, 0.2, Z, A, 2)
    exact = X.astype(float) @ W.astype(float) + b
    close(Z, exact, dtype, d + 8)
    close(A, reference.activate(activation, Z.astype(float), 0.2), dtype, m)
    dX, dW, db = np.empty_like(X), np.empty_like(W), np.empty_like(b)
    _core.dense_backward(dA, X, W, Z, A, activation, 0.2, dX, dW, db, 2)
    wanted = reference.backward(activation, *(a.astype(float) for a in (dA, X, W, Z)), 0.2)
    close(dX, wanted[0], dtype, m + 8)
    close(dW, wanted[1], dtype, n)
    close(db, wanted[2], dtype, n)


@DTYPES
def test_integers_are_exact(dtype):
    """Products and sums of small integers have no rounding, whatever blocks they run in."""
    rng = np.random.default_rng(0)
    for n, d, m in [
        (64, 9, 1),
        (63, 30, 16),
        (65, 16, 31),
        (257, 65, 100),
        (1, 784, 10),
        (40, 1, 200),
    ]:
        X, W, D = (rng.integers(-4, 5, s).astype(dtype) for s in ((n, d), (d, m), (n, m)))
        b = rng.integers(-4, 5, m).astype(dtype)
        Z, A = np.empty((n, m), dtype), np.empty((n, m), dtype)
        _core.dense_forward(X, W, b, "relu", 0, Z, A, 1)
        np.testing.assert_array_equal(Z, X @ W + b)
        np.testing.assert_array_equal(A, np.maximum(X @ W + b, 0))
        dX, dW, db = np.empty_like(X), np.empty_like(W), np.empty_like(b)
        _core.dense_backward(D, X, W, Z, A, "relu", 0, dX, dW, db, 1)
        G = D * (Z > 0)
        np.testing.assert_array_equal(dX, G @ W.T)
        np.testing.assert_array_equal(dW, X.T @ G)
        np.testing.assert_array_equal(db, G.sum(axis=0))


def test_backward_is_the_adjoint():
    """<dA, J v> = <J^T dA, v> of a linear layer, for X, W and b alike."""
    X, W, dA = rows(90, 21), rows(21, 13, seed=4), rows(90, 13, seed=5)
    Z = A = X @ W
    dX, dW, db = np.empty_like(X), np.empty_like(W), np.empty(13)
    _core.dense_backward(dA, X, W, Z, A, "linear", 0, dX, dW, db, 1)
    V, U, c = rows(90, 21, seed=6), rows(21, 13, seed=7), rows(1, 13, seed=8)[0]
    left = (dA * (V @ W + X @ U + c)).sum()
    right = (dX * V).sum() + (dW * U).sum() + (db * c).sum()
    assert abs(left - right) <= 1e-10 * np.abs(dA).sum()


# ---- losses and gradients of nets


def nets(loss, m):
    end = ENDS.get(loss, "linear")
    yield [dense(6, 11, "tanh"), dense(11, m, end)]
    yield [dense(6, 5, "gelu"), dense(5, 9, "softplus"), dense(9, m, end)]
    norm, gelu = same("batch_norm", 8, momentum=0.9, epsilon=1e-3), {"activation": "gelu_tanh"}
    last = dense(8, m), same("activation", m, activation=end)
    yield [dense(6, 8, "elu", alpha=0.7), norm, same("activation", 8, **gelu), *last]
    drops = same("dropout", 6, rate=0.3, stream=1), same("dropout", 7, rate=0.5, stream=2)
    last = dense(7, m, end, l2=0.01, bias_l2=0.02, l1=0.003)
    yield [drops[0], dense(6, 7, "sigmoid", activity_l2=0.03), drops[1], last]
    sparse = same("activity", 7, l2=0.1, kl_target=0.1, kl_weight=0.3)
    last = dense(7, 4, "selu", trainable=False, l2=0.1), dense(4, m, end, use_bias=False)
    yield [dense(6, 7, "sigmoid"), sparse, *last]


def differences(built, X, Y, loss, weights, chosen, seed):
    """Central differences of the reference's loss along `chosen` coordinates."""
    h, found = 1e-6, []
    for i in chosen:
        ends = []
        for sign in (1, -1):
            theta = built.theta.copy()
            theta[i] += sign * h
            given = (built.ops, theta, built.state, X, Y, weights, loss)
            ends.append(reference.loss_of(*given, training=True, seed=seed))
        found.append((ends[0] - ends[1]) / (2 * h))
    return np.array(found)


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("m", [2, 5])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients(name, m, weighted):
    n = 37
    X, Y = rows(n, 6), targets(name, n, m)
    weights = np.random.default_rng(2).uniform(0.1, 2, n) if weighted else None
    for k, ops in enumerate(nets(name, m)):
        built = Built(*ops, seed=k)
        loss = {"name": name, "weighted_mean": weighted and k % 2 == 1, "penalty_mean": k == 3}
        if k == 1:
            loss |= {"scale": 2.5, "label_smoothing": 0.1 if ENDS.get(name) else 0.0}
        got, g = built.gradient(X, Y, loss, weights, seed=9)
        given = (built.ops, built.theta, built.state, X, Y, weights, loss)
        wanted = reference.loss_of(*given, training=True, seed=9)
        assert got == pytest.approx(wanted, rel=1e-10)
        fixed = [op for op in built.ops if not op.get("trainable", True)]
        chosen = np.random.default_rng(k).permutation(built.n_theta)[:60]
        numeric = differences(built, X, Y, loss, weights, chosen, seed=9)
        for op in fixed:
            size = op["inputs"] * op["outputs"] + op["outputs"]
            inside = (chosen >= op["weights"]) & (chosen < op["weights"] + size)
            numeric[inside] = 0
        np.testing.assert_allclose(g[chosen], numeric, rtol=1e-6, atol=2e-8 * max(1, abs(wanted)))


@pytest.mark.parametrize("name", [name for name in ENDS if name != "kl_divergence"])
def test_logits_are_the_fused_ones(name):
    """sigmoid or softmax at the end, from_logits, and the safe formula: one loss, one gradient."""
    X, Y = rows(50, 6), targets(name, 50, 3)
    ends = Built(dense(6, 3, ENDS[name])), Built(dense(6, 3))
    fused = ends[0].gradient(X, Y, {"name": name})
    logits = ends[1].gradient(X, Y, {"name": name, "from_logits": True})
    assert fused[0] == logits[0]
    np.testing.assert_array_equal(fused[1], logits[1])
    apart = Built(dense(6, 3), same("activation", 3, activation=ENDS[name]), same("activity", 3))
    unfused = apart.gradient(X, Y, {"name": name})
    assert unfused[0] == pytest.approx(fused[0], rel=1e-12)
    np.testing.assert_allclose(unfused[1], fused[1], rtol=1e-9, atol=1e-12)


def test_extreme_logits_stay_exact():
    built = Built(dense(1, 1, "sigmoid", use_bias=False))
    built.theta[:] = 1
    X, Y = np.array([[-1000.0], [1000.0]]), np.array([[1.0], [0.0]])
    loss = {"name": "binary_crossentropy"}
    assert built.gradient(X, Y, loss)[0] == 1000
    assert built.gradient(X, Y, loss)[1] == (1000 + 1000) / 2
    identity = Built(same("activity", 1))
    p0 = identity.evaluate(np.zeros((1, 1)), np.ones((1, 1)), loss)
    assert p0 == pytest.approx(16.118095650958319, rel=1e-12)
    one = np.ones((1, 1), np.float32)
    identity.theta, identity.state = identity.theta.astype("f"), identity.state.astype("f")
    assert 0 < identity.evaluate(one, one, loss)[0] < 2e-7


@DTYPES
@pytest.mark.parametrize("name", LOSSES)
def test_evaluate(name, dtype):
    n, m = 300, 4
    X, Y = rows(n, 6, dtype), targets(name, n, m, dtype)
    built = Built(
        dense(6, 20, "relu", l1=0.01), dense(20, m, ENDS.get(name, "linear")), dtype=dtype
    )
    built.theta /= 4  # the reference clips probabilities, which the fused losses need not
    accuracy = "sparse_categorical_accuracy" if Y.ndim == 1 else "categorical_accuracy"
    metrics = [accuracy] + ([] if Y.ndim == 1 else ["mse", "mae", "binary_accuracy"])
    got = built.evaluate(X, Y, {"name": name}, metrics=metrics)
    theta = built.theta.astype(float)
    p = reference.forward(built.ops, theta, built.state, X)
    close(built.forward(X), p, dtype, 40)
    wanted = reference.loss_of(built.ops, theta, built.state, X, Y, None, {"name": name})
    close(got[0], wanted, dtype, 40)
    label = Y if Y.ndim == 1 else Y.argmax(axis=1)
    assert (
        abs(got[1] - np.mean(p.argmax(axis=1) == label)) <= 1.5 / n * (dtype == np.float32) + 1e-12
    )
    if Y.ndim == 2:
        close(got[2], np.mean((p - Y) ** 2), dtype, 40)
        close(got[3], np.mean(np.abs(p - Y)), dtype, 40)
        assert abs(got[4] - np.mean((p > 0.5) == Y)) <= 2 / n


# ---- fits


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
    (900, [dense(6, 10, "relu"), dense(10, 3)]),
    (2300, [dense(6, 25, "relu"), same("dropout", 25, rate=0.2, stream=3), dense(25, 3)]),
    (700, [dense(6, 300, "relu"), dense(300, 300, "tanh"), dense(300, 3)]),
    (500, [dense(6, 40, "relu"), same("batch_norm", 40, momentum=0.9, epsilon=1e-3), dense(40, 3)]),
]


@DTYPES
@pytest.mark.parametrize("case", range(len(CASES)))
def test_threads(case, dtype):
    """The same bits for any number of threads, and alone or among others."""
    n, ops = CASES[case]
    X, Y = rows(n, 6, dtype), targets("mse", n, 3, dtype)

    def outcome(n_threads, many=False):
        built = Built(*ops, dtype=dtype)
        options = {"epochs": 3, "batch_size": n // 2, "validation": (X[:50], Y[:50], None)}
        options |= {"n_threads": n_threads, "metrics": ["mae"]}
        given = built.arguments(X, Y, {"name": "mse"}, {"name": "adam"}, **options)
        if many:
            _core.nn_fit_many([given], n_threads)
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
