"""Layers, losses and gradients in the core, against float64 references and central differences."""

import numpy as np
import pytest
from coterie import _core
from nets import ACTIVATIONS, LOSSES, Built, dense, differences, rows, same, targets
from reference import nn as reference

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
ENDS = {
    "binary_crossentropy": "sigmoid",
    "categorical_crossentropy": "softmax",
    "sparse_categorical_crossentropy": "softmax",
    "kl_divergence": "softmax",
}


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
        off = abs(got[4] - np.mean((p > 0.5) == Y))
        assert off <= 1.5 / Y.size * (dtype == np.float32) + 1e-12
