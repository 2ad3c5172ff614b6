"""Nets for the tests of the core: lists of ops, their parameters, calls with defaults."""

import numpy as np
from coterie import _core
from reference import nn as reference

ACTIVATIONS = ["linear", "step", "relu", "leaky_relu", "elu", "selu", "gelu", "gelu_tanh"]
ACTIVATIONS += ["sigmoid", "tanh", "softplus", "softmax"]
LOSSES = ["mse", "half_squared", "mae", "huber", "binary_crossentropy", "kl_divergence"]
LOSSES += ["categorical_crossentropy", "sparse_categorical_crossentropy"]
RULES = [
    {"name": "sgd"},
    {"name": "sgd", "momentum": 0.9},
    {"name": "sgd", "momentum": 0.9, "nesterov": True},
    {"name": "sgd", "clipvalue": 0.01, "weight_decay": 0.1},
    {"name": "adagrad"},
    {"name": "rmsprop"},
    {"name": "rmsprop", "momentum": 0.5},
    {"name": "adam"},
    {"name": "adamw"},
]


class Built:
    """Ops, and parameters drawn for them."""

    def __init__(self, *ops, dtype=np.float64, seed=0):
        self.ops, self.n_theta, self.n_state = [], 0, 0
        for op in map(dict, ops):
            d, m = op["inputs"], op["outputs"]
            if op["kind"] == "dense":
                op["weights"] = self._take(d * m)
                op["bias"] = self._take(m) if op.pop("use_bias", True) else -1
            if op["kind"] == "batch_norm":
                op["gamma"], op["beta"] = self._take(m), self._take(m)
                op["mean"], op["variance"] = self.n_state, self.n_state + m
                self.n_state += 2 * m
            self.ops.append(op)
        rng = np.random.default_rng(seed)
        self.theta = rng.normal(scale=0.5, size=self.n_theta).astype(dtype)
        self.state = rng.uniform(0.5, 1.5, size=self.n_state).astype(dtype)
        self.net = _core.NnNet(self.ops)

    def _take(self, size):
        self.n_theta += size
        return self.n_theta - size

    def forward(self, X, n_threads=1):
        out = np.full((len(X), self.net.outputs), np.nan, X.dtype)
        _core.nn_forward(self.net, self.theta, self.state, X, out, n_threads)
        return out

    def evaluate(self, X, Y, loss, weights=None, metrics=(), n_threads=1):
        given = (self.net, self.theta, self.state, X, Y, weights, loss, list(metrics), n_threads)
        return _core.nn_evaluate(*given)

    def gradient(self, X, Y, loss, weights=None, n_threads=1, seed=0):
        out = np.full_like(self.theta, np.nan)
        settings = {"seed": seed, "n_threads": n_threads}
        given = (self.net, self.theta, self.state, X, Y, weights, loss, out, settings)
        return _core.nn_gradient(*given), out

    def arguments(self, X, Y, loss, rule, *, rates=0.01, epochs=1, weights=None, metrics=(),
                  validation=None, callback=None, slots=None, **settings):  # fmt: skip
        rule = {"learning_rates": np.atleast_1d(np.asarray(rates, float)), **rule}
        start = 0.1 if rule["name"] == "adagrad" else 0.0
        slots = np.full(_core.nn_slots(rule) * self.n_theta, start, self.theta.dtype)
        columns = (1 + len(metrics)) * (1 if validation is None else 2)
        self.history = np.full((epochs, columns), np.nan)
        settings = {"epochs": epochs, "n_threads": 1, **settings}
        return (self.net, self.theta, self.state, slots, X, Y, weights, validation, loss,
                list(metrics), rule, settings, self.history, callback)  # fmt: skip

    def fit(self, X, Y, loss, rule, **options):
        return _core.nn_fit(*self.arguments(X, Y, loss, rule, **options))


def dense(inputs, outputs, activation="linear", **more):
    return {"kind": "dense", "inputs": inputs, "outputs": outputs, "activation": activation} | more


def same(kind, width, **more):
    return {"kind": kind, "inputs": width, "outputs": width} | more


def rows(n, d, dtype=np.float64, seed=3):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


def targets(loss, n, m, dtype=np.float64, seed=1):
    """What the loss wants: labels, probabilities or any numbers."""
    rng = np.random.default_rng(seed)
    if loss == "sparse_categorical_crossentropy":
        return rng.integers(0, m, n)
    if loss == "binary_crossentropy":
        return rng.integers(0, 2, (n, m)).astype(dtype)
    if loss in ("categorical_crossentropy", "kl_divergence"):
        return rng.dirichlet(np.ones(m), n).astype(dtype)
    return rng.normal(size=(n, m)).astype(dtype)


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
