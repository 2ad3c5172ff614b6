"""Layers wide enough for threads to share their weights: sums in halves, stages, odd shares."""

import numpy as np
import pytest
from nets import Built, dense, differences, rows, same, targets
from reference import nn as reference

SPARSE = {"l1": 1e-3, "kl_weight": 0.1, "kl_target": 0.2}
NETS = {
    "narrow": [dense(600, 40, "tanh"), dense(40, 700)],
    "gelu": [dense(30, 300, "gelu"), dense(300, 290, "gelu_tanh"), dense(290, 5)],
    "frozen": [dense(1024, 512, "relu", trainable=False), dense(512, 1024), dense(1024, 10)],
    "softmax": [dense(700, 10, "softmax")],
    "narrow softmax": [dense(300, 280, "elu"), dense(280, 100, "softmax"), dense(100, 3)],
    "random": [
        dense(20, 520, "relu", l1=1e-3),
        same("dropout", 520, rate=0.2, stream=1),
        dense(520, 33, "sigmoid", bias_l2=0.1),
        same("activity", 33, l1=1e-3),
        dense(33, 270, use_bias=False),
        same("activation", 270, activation="gelu"),
        dense(270, 270),
    ],
    "normalised": [
        dense(40, 300),
        same("batch_norm", 300, momentum=0.9, epsilon=1e-3),
        same("activation", 300, activation="softplus"),
        dense(300, 260, "leaky_relu", alpha=0.1),
        same("activity", 260, **SPARSE),
        dense(260, 2),
    ],
}
EVERY_NET = pytest.mark.parametrize("name", NETS)


def built(name, dtype=np.float64):
    net = Built(*NETS[name], dtype=dtype)
    net.theta /= 4
    loss = "categorical_crossentropy" if name == "softmax" else "mse"
    return net, {"name": loss}


@EVERY_NET
def test_gradients(name):
    net, loss = built(name)
    X, Y = rows(70, net.net.inputs), targets(loss["name"], 70, net.net.outputs)
    found, gradient = net.gradient(X, Y, loss, n_threads=2, seed=9)
    given = net.ops, net.theta, net.state, X, Y, None, loss
    wanted = reference.loss_of(*given, training=True, seed=9)
    assert found == pytest.approx(wanted, rel=1e-10)
    chosen = np.random.default_rng(0).permutation(net.n_theta)[:60]
    numeric = differences(net, X, Y, loss, None, chosen, seed=9)
    if name == "frozen":
        numeric[chosen < 1025 * 512] = 0
    near = {"rtol": 1e-5, "atol": 1e-8 * max(1, abs(wanted))}
    np.testing.assert_allclose(gradient[chosen], numeric, **near)


@EVERY_NET
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "batch"), [(150, 128), (40, 3), (1100, 1090)])
def test_same_bits_for_any_number_of_threads(name, dtype, n, batch):
    ends = []
    for n_threads in (1, 2, 5):
        net, loss = built(name, dtype)
        X, Y = rows(n, net.net.inputs, dtype), targets(loss["name"], n, net.net.outputs, dtype)
        options = {"epochs": 1, "batch_size": batch, "n_threads": n_threads, "seed": 3}
        net.fit(X, Y, loss, {"name": "adam"}, rates=1e-3, **options)
        assert np.isfinite(net.theta).all()
        ends.append((net.theta, net.state, net.history))
    for other in ends[1:]:
        for a, b in zip(ends[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("width", [1, 16, 17, 257, 1024])
def test_every_width_is_cut_whole(width):
    """Each weight is trained once a step, whatever shares of inputs and outputs there are."""
    for inputs, outputs in ((width, 300), (300, width)):
        ends = []
        for n_threads in (1, 2, 5, 40):
            net = Built(dense(inputs, outputs), dense(outputs, 200, "tanh"))
            X, Y = rows(100, inputs), targets("mse", 100, 200)
            net.theta /= 20
            before = net.theta.copy()
            g = net.gradient(X, Y, {"name": "mse"})[1]
            net.fit(X, Y, {"name": "mse"}, {"name": "sgd"}, batch_size=100, n_threads=n_threads)
            np.testing.assert_allclose(net.theta, before - 0.01 * g, rtol=1e-9, atol=1e-14)
            ends.append(net.theta)
        for other in ends[1:]:
            np.testing.assert_array_equal(ends[0], other)
