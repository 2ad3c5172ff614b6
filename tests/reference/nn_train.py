"""Training loops as a textbook writes them, in float64 NumPy; they import nothing of ours."""

import numpy as np


def classic():
    """The worked example 10-25-15-1: X, Y and the weights it starts from, [W1, b1, W2, ...]."""
    rng = np.random.RandomState(42)
    X = rng.rand(100, 10)
    Y = (X.sum(axis=1) > 5).astype(float)[:, None]
    rng = np.random.RandomState(42)
    weights = []
    for d_in, d_out in ((10, 25), (25, 15), (15, 1)):
        weights += [rng.randn(d_in, d_out) * 0.01, np.zeros(d_out)]
    return X, Y, weights


def descend(X, Y, weights, epochs, rate):
    """Full-batch gradient descent of relu, relu, sigmoid under binary cross-entropy.

    Returns the weights and the loss of every epoch.
    """
    weights, losses, m = [w.copy() for w in weights], [], len(X)
    for _ in range(epochs):
        inputs, before, A = [], [], X
        for W, b in zip(weights[::2], weights[1::2], strict=True):
            Z = A @ W + b
            inputs, before = [*inputs, A], [*before, Z]
            A = np.maximum(Z, 0)
        A = 1 / (1 + np.exp(-Z))
        losses.append(-np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A)))
        dZ, changes = A - Y, []
        for i in reversed(range(len(inputs))):
            changes = [inputs[i].T @ dZ / m, dZ.sum(axis=0) / m, *changes]
            if i:
                dZ = (dZ @ weights[2 * i].T) * (before[i - 1] > 0)
        weights = [w - rate * g for w, g in zip(weights, changes, strict=True)]
    return weights, losses


def step(name, w, g, memory, t, rate, **options):
    """One update of one array by Keras's rules; `memory` is a dict that lives on. t from 1."""
    o = {"momentum": 0.0, "rho": 0.9, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7} | options
    if o.get("weight_decay"):
        w = w - rate * o["weight_decay"] * w
    if name == "sgd":
        if not o["momentum"]:
            return w - rate * g
        v = memory["v"] = o["momentum"] * memory.get("v", 0.0) - rate * g
        return w + (o["momentum"] * v - rate * g if o.get("nesterov") else v)
    if name == "adagrad":
        s = memory["s"] = memory.get("s", 0.1) + g * g
        return w - rate * g / np.sqrt(s + o["epsilon"])
    if name == "rmsprop":
        s = memory["s"] = o["rho"] * memory.get("s", 0.0) + (1 - o["rho"]) * g * g
        change = rate * g / np.sqrt(s + o["epsilon"])
        if o["momentum"]:
            change = memory["v"] = o["momentum"] * memory.get("v", 0.0) + change
        return w - change
    m = memory["m"] = o["beta_1"] * memory.get("m", 0.0) + (1 - o["beta_1"]) * g
    s = memory["s"] = o["beta_2"] * memory.get("s", 0.0) + (1 - o["beta_2"]) * g * g
    scale = np.sqrt(1 - o["beta_2"] ** t) / (1 - o["beta_1"] ** t)
    return w - rate * scale * m / (np.sqrt(s) + o["epsilon"])
