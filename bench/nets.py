"""Nets that are trained or asked, the same in every library.

All start from the same weights, take the rows in the same order (no shuffling) and the same number
of steps, so that they end at the same loss: that is what a run returns, times the rows. A loss is
half the squared error, binary or categorical cross-entropy, by what the last layer is.
"""

import importlib.util
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

NARROW = (30, 16, 8, 16, 30)
FIRST = (10, 25, 15, 1)


@dataclass(frozen=True, kw_only=True)
class NetCase:
    """A net of dense layers: `iterations` epochs of batches, or that many predictions of a row."""

    name: str
    n: int
    widths: tuple
    output: str  # linear, sigmoid or softmax; hidden layers are relu
    iterations: int
    batch: int
    optimizer: str
    dtype: str
    goals: dict  # by rival
    predict: bool = False
    repeat: int = 2  # timed together, after as many that are not: a fit among many
    agree: float = 1e-3

    @property
    def d(self):
        return self.widths[0]

    @property
    def k(self):
        return self.widths[-1]

    @property
    def goal(self):
        return self.goals["torch"]


def _first(name, n, epochs, repeat=2, **goals):
    return NetCase(
        name=name,
        n=n,
        widths=FIRST,
        output="sigmoid",
        iterations=epochs,
        batch=n,
        optimizer="sgd",
        dtype="float64",
        goals=goals,
        repeat=repeat,
    )


def _adam(name, n, widths, output, epochs, batch, repeat=2, **goals):
    return NetCase(
        name=name,
        n=n,
        widths=widths,
        output=output,
        iterations=epochs,
        batch=batch,
        optimizer="adam",
        dtype="float32",
        goals=goals,
        repeat=repeat,
        agree=1e-2,  # hundreds of steps of float32
    )


NETS = [  # those of a few milliseconds four at a time
    _first("10-25-15-1, N=100", 100, 1000, 4, numpy=8, torch=30, sklearn=15, jax=2),
    _first("10-25-15-1, N=1,000", 1000, 1000, numpy=6, torch=9, sklearn=9, jax=3),
    _first("10-25-15-1, N=10,000", 10_000, 200, numpy=6, torch=4, sklearn=6, jax=3),
    _adam("digits 64-100-10", 1797, (64, 100, 10), "softmax", 10, 32, 4, torch=6, sklearn=4),
    _adam("autoencoder 30-16-8", 10_000, NARROW, "linear", 5, 64, 4, torch=12, sklearn=6),
    _adam(
        "autoencoder 784-128-32",
        *(6000, (784, 128, 32, 128, 784), "linear", 2, 128),
        torch=2,
        sklearn=4,
    ),
    _adam("784-512-512-10", 6000, (784, 512, 512, 10), "softmax", 2, 128, torch=1.3, sklearn=3),
    _adam("1024-1024-1024-1024", 2048, (1024,) * 4, "linear", 2, 256, torch=1.05),
    NetCase(
        name="predict one row, 10-25-15-1",
        n=100,
        widths=FIRST,
        output="sigmoid",
        iterations=2000,
        batch=1,
        optimizer="sgd",
        dtype="float64",
        goals={"torch": 5, "sklearn": 15},
        predict=True,
    ),
]


def net_data(case, shrink=1):
    """Rows, and (targets, [kernel, bias, kernel, bias, ...])."""
    rng = np.random.RandomState(42)
    least = 30 * case.k if case.output == "softmax" else 10  # of every class, some rows
    n = max(case.n // shrink, least) if shrink > 1 else case.n
    X = rng.rand(n, case.d)
    if case.output == "sigmoid":
        Y = (X.sum(axis=1) > case.d / 2).astype(float)[:, None]
    elif case.output == "softmax":
        Y = np.eye(case.k)[((X - 0.5) @ rng.randn(case.d, case.k)).argmax(axis=1)]
    else:
        Y = X
    weights = []
    for before, after in zip(case.widths, case.widths[1:], strict=False):
        bound = np.sqrt(6 / (before + after))
        weights += [rng.uniform(-bound, bound, (before, after)), np.zeros(after)]
    X, autoencoder = X.astype(case.dtype), Y is X
    Y = X if autoencoder else Y.astype(case.dtype)  # as anybody would call it: fit(X, X)
    return X, (Y, [w.astype(case.dtype) for w in weights])


def loss_of(case, P, Y):
    """The loss of predictions, times the rows."""
    P = P.astype("float64").reshape(Y.shape)
    if case.output == "linear":
        return float(((P - Y) ** 2).sum() / 2)
    P = np.clip(P, 1e-12, 1 - 1e-12)
    if case.output == "softmax":
        return float(-(Y * np.log(P)).sum())
    return float(-(Y * np.log(P) + (1 - Y) * np.log(1 - P)).sum())


# ---- contenders: (X, (Y, weights), case, threads) -> a run to time; its loss is asked for later


def coterie(X, start, case, threads):
    from coterie import nn

    Y, weights = start
    kinds = ["relu"] * (len(case.widths) - 2) + [case.output]
    layers = [nn.Dense(n, kind) for n, kind in zip(case.widths[1:], kinds, strict=True)]
    model = nn.Sequential([nn.Input(case.d), *layers], dtype=case.dtype, n_threads=threads)
    losses = {"sigmoid": "binary_crossentropy", "softmax": "categorical_crossentropy"}

    def run():
        model.set_weights(weights)
        if case.predict:
            return _rows(model.predict, X, case)
        rule = nn.SGD(0.01) if case.optimizer == "sgd" else nn.Adam()
        model.compile(rule, losses.get(case.output, "half_squared"))
        model.fit(X, Y, batch_size=case.batch, epochs=case.iterations, shuffle=False, verbose=0)
        return lambda: loss_of(case, model.predict(X), Y)

    return run


def _rows(predict, X, case):
    """One row after the other, round and round; returns the sum of the first rows' outputs."""
    rows = [X[i : i + 1] for i in range(len(X))]
    for i in range(case.iterations):
        predict(rows[i % len(rows)])
    return float(sum(float(np.asarray(predict(row)).ravel()[-1]) for row in rows))


def numpy(X, start, case, threads):
    """The textbook's loop: full batches, plain descent."""
    sys.path.append(str(Path(__file__).parent.parent / "tests"))
    from reference import nn_train

    Y, weights = start

    def run():
        trained, _ = nn_train.descend(X, Y, weights, case.iterations, 0.01)
        return lambda: loss_of(case, outputs(trained), Y)

    def outputs(trained):
        A = X
        for W, b in zip(trained[::2], trained[1::2], strict=True):
            Z = A @ W + b
            A = np.maximum(Z, 0)
        return 1 / (1 + np.exp(-Z))

    return run


def sklearn(X, start, case, threads):
    import warnings

    from sklearn.neural_network import MLPClassifier, MLPRegressor

    Y, weights = start
    warnings.simplefilter("ignore")
    kind = MLPRegressor if case.output == "linear" else MLPClassifier
    labels = Y.argmax(axis=1) if case.output == "softmax" else Y.ravel()
    y = Y if case.output == "linear" else labels
    model = kind(
        hidden_layer_sizes=case.widths[1:-1],
        solver=case.optimizer,
        alpha=0,
        batch_size=min(case.batch, len(X)),
        learning_rate_init=0.01 if case.optimizer == "sgd" else 0.001,
        momentum=0,
        max_iter=1,
        shuffle=False,
        tol=0,
        n_iter_no_change=10**9,
        warm_start=True,
        epsilon=1e-7,
    )
    model.fit(X, y)
    model.max_iter = case.iterations
    predict = model.predict if case.output == "linear" else model.predict_proba

    def run():
        model.coefs_ = [w.copy() for w in weights[::2]]
        model.intercepts_ = [b.copy() for b in weights[1::2]]
        if case.predict:
            return _rows(predict, X, case)
        model.fit(X, y)
        second = (slice(None), 1) if case.output == "sigmoid" else ...
        return lambda: loss_of(case, predict(X)[second], Y)

    return run


def torch(X, start, case, threads):
    """Plain eager PyTorch with fused optimisers, at whichever of 1 and `threads` is faster."""
    import torch
    from torch import nn

    Y, weights = start
    model = nn.Sequential()
    for i, (before, after) in enumerate(zip(case.widths, case.widths[1:], strict=False)):
        model.append(nn.Linear(before, after))
        if i < len(case.widths) - 2:
            model.append(nn.ReLU())
    model.to(getattr(torch, case.dtype))
    linears = [layer for layer in model if isinstance(layer, nn.Linear)]
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    classes = y.argmax(dim=1) if case.output == "softmax" else y
    measure = {"sigmoid": nn.BCEWithLogitsLoss(), "softmax": nn.CrossEntropyLoss()}.get(case.output)

    def reset():
        with torch.no_grad():
            for layer, W, b in zip(linears, weights[::2], weights[1::2], strict=True):
                layer.weight.copy_(torch.from_numpy(W.T.copy()))
                layer.bias.copy_(torch.from_numpy(b))
        if case.optimizer == "sgd":
            return torch.optim.SGD(model.parameters(), lr=0.01, fused=True)
        return torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7, fused=True)

    def outputs(rows):
        with torch.inference_mode():
            z = model(rows)
            if case.output == "softmax":
                return torch.softmax(z, dim=1)
            return torch.sigmoid(z) if case.output == "sigmoid" else z

    def train(epochs):
        optimizer = reset()
        for _ in range(epochs):
            for i in range(0, len(x), case.batch):
                z, want = model(x[i : i + case.batch]), classes[i : i + case.batch]
                loss = measure(z, want) if measure else ((z - want) ** 2).sum() / (2 * len(z))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    def run():
        if case.predict:
            reset()
            return _rows(lambda row: outputs(torch.from_numpy(row)).numpy(), X, case)
        train(case.iterations)
        return lambda: loss_of(case, outputs(x).numpy(), Y)

    torch.set_num_threads(_best_threads(torch, train, case, threads))
    return run


def _best_threads(torch, train, case, threads):
    """Which of one thread and all of them trains faster here."""
    times = {}
    for n in dict.fromkeys((1, threads)):
        torch.set_num_threads(n)
        for _ in range(2):  # the second one counts
            begin = time.perf_counter()
            train(max(1, case.iterations // 20))
            times[n] = time.perf_counter() - begin
    return 1 if case.predict else min(times, key=times.get)


def jax(X, start, case, threads):
    """The whole fit in one compiled scan; compiling is left out of the time."""
    import jax
    from jax import numpy as jnp

    jax.config.update("jax_enable_x64", case.dtype == "float64")
    Y, weights = start
    n_batches = len(X) // case.batch  # scan wants equal batches: `takes` keeps others away
    batches = [jnp.asarray(a).reshape(n_batches, case.batch, -1) for a in (X, Y)]

    def forward(params, a):
        for W, b in params[:-1]:
            a = jax.nn.relu(a @ W + b)
        W, b = params[-1]
        return a @ W + b

    def loss(params, x, y):
        z = forward(params, x)
        if case.output == "sigmoid":
            return jnp.mean(jnp.logaddexp(0, z) - y * z)
        if case.output == "softmax":
            return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(z), axis=1))
        return jnp.sum((z - y) ** 2) / (2 * len(z))

    def step(state, batch):
        params, m, s, t = state
        g = jax.grad(loss)(params, *batch)
        if case.optimizer == "sgd":
            return (jax.tree.map(lambda p, d: p - 0.01 * d, params, g), m, s, t), None
        t = t + 1
        m = jax.tree.map(lambda m, d: 0.9 * m + 0.1 * d, m, g)
        s = jax.tree.map(lambda s, d: 0.999 * s + 0.001 * d * d, s, g)
        rate = 0.001 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        new = jax.tree.map(lambda p, m, s: p - rate * m / (jnp.sqrt(s) + 1e-7), params, m, s)
        return (new, m, s, t), None

    @jax.jit
    def train(params):
        zero = jax.tree.map(jnp.zeros_like, params)
        state = (params, zero, zero, jnp.zeros((), case.dtype))
        epoch = lambda state, _: (jax.lax.scan(step, state, tuple(batches))[0], None)  # noqa: E731
        return jax.lax.scan(epoch, state, length=case.iterations)[0][0]

    params = [(jnp.asarray(W), jnp.asarray(b)) for W, b in zip(weights[::2], weights[1::2])]  # noqa: B905
    last = {"sigmoid": jax.nn.sigmoid, "softmax": jax.nn.softmax}.get(case.output, lambda z: z)

    def run():
        trained = jax.block_until_ready(train(params))
        return lambda: loss_of(case, np.asarray(last(forward(trained, X))), Y)

    return run


def keras(X, start, case, threads):
    """Its fit, on the backend KERAS_BACKEND names."""
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    import keras

    keras.backend.set_floatx(case.dtype)
    Y, weights = start
    kinds = ["relu"] * (len(case.widths) - 2) + [case.output]
    layers = [keras.layers.Dense(n, kind) for n, kind in zip(case.widths[1:], kinds, strict=True)]
    model = keras.Sequential([keras.layers.Input((case.d,)), *layers])
    losses = {"sigmoid": "binary_crossentropy", "softmax": "categorical_crossentropy"}
    half = lambda y, p: keras.ops.sum((p - y) ** 2, axis=-1) / 2  # noqa: E731

    def run():
        model.set_weights(weights)
        if case.predict:
            return _rows(lambda row: np.asarray(model(row)), X, case)
        rule = keras.optimizers.SGD(0.01) if case.optimizer == "sgd" else keras.optimizers.Adam()
        model.compile(rule, losses.get(case.output, half))
        model.fit(X, Y, batch_size=case.batch, epochs=case.iterations, shuffle=False, verbose=0)
        return lambda: loss_of(case, model.predict(X, verbose=0), Y)

    return run


NET = {
    "coterie": coterie,
    "numpy": numpy,
    "torch": torch,
    "sklearn": sklearn,
    "jax": jax,
    "keras": keras,
}


def net_takes(name, case):
    """Tell whether a contender is there and can do this job."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow") if name == "keras" else name
    if name != "coterie" and not all(map(importlib.util.find_spec, (name, backend))):
        return False
    if name == "numpy":
        return case.optimizer == "sgd" and not case.predict
    if name == "jax":
        return not case.predict and case.n % case.batch == 0
    return name != "sklearn" or case.widths[1:] != case.widths[:-1]  # 1024: no goal there
