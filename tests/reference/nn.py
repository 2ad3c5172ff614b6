"""Dense layers and networks in float64: forward, losses, optimisers, as the formulas stand."""

import math

import numpy as np

EPS = 1e-7
SELU, SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848

erf = np.vectorize(math.erf, otypes=[float])


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def gelu_tanh(z):
    return z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))) / 2


def activate(name, z, alpha=0.0):
    with np.errstate(over="ignore"):
        return {
            "linear": lambda: z,
            "step": lambda: (z >= 0).astype(float),
            "relu": lambda: np.maximum(z, 0),
            "leaky_relu": lambda: np.where(z > 0, z, alpha * z),
            "elu": lambda: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))),
            "selu": lambda: SELU * np.where(z > 0, z, SELU_ALPHA * np.expm1(np.minimum(z, 0))),
            "gelu": lambda: z * (1 + erf(z / np.sqrt(2))) / 2,
            "gelu_tanh": lambda: gelu_tanh(z),
            "sigmoid": lambda: 1 / (1 + np.exp(-z)),
            "tanh": lambda: np.tanh(z),
            "softplus": lambda: np.logaddexp(0, z),
            "softmax": lambda: softmax(z),
        }[name]()


def derivative(name, z, g, alpha=0.0):
    """dL/dz of g = dL/da, from the inputs alone."""
    s, a = 1 / (1 + np.exp(-z)), activate(name, z, alpha)
    if name == "softmax":
        return a * (g - (g * a).sum(axis=1, keepdims=True))
    if name == "gelu_tanh":
        c = np.sqrt(2 / np.pi)
        t = np.tanh(c * (z + 0.044715 * z**3))
        return g * ((1 + t) / 2 + z * (1 - t**2) * c * (1 + 3 * 0.044715 * z**2) / 2)
    return (
        g
        * {
            "linear": lambda: np.ones_like(z),
            "step": lambda: (np.abs(z) <= 1).astype(float),
            "relu": lambda: (z > 0).astype(float),
            "leaky_relu": lambda: np.where(z > 0, 1, alpha),
            "elu": lambda: np.where(z > 0, 1, alpha * np.exp(np.minimum(z, 0))),
            "selu": lambda: SELU * np.where(z > 0, 1, SELU_ALPHA * np.exp(np.minimum(z, 0))),
            "gelu": lambda: (
                (1 + erf(z / np.sqrt(2))) / 2 + z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
            ),
            "sigmoid": lambda: s * (1 - s),
            "tanh": lambda: 1 - np.tanh(z) ** 2,
            "softplus": lambda: s,
        }[name]()
    )


def backward(name, dA, X, W, Z, alpha=0.0):
    D = derivative(name, Z, dA, alpha)
    return D @ W.T, X.T @ D, D.sum(axis=0)


def row_losses(loss, p, y):
    """The loss of each row; `y` are labels for the sparse one."""
    name, m = loss["name"], p.shape[1]
    if name == "sparse_categorical_crossentropy":
        y = np.eye(m)[y]
    smooth = loss.get("label_smoothing", 0)
    y = y * (1 - smooth) + smooth / (2 if name == "binary_crossentropy" else m)
    e, delta = p - y, loss.get("delta", 1.0)
    if name == "binary_crossentropy":
        if loss.get("from_logits"):
            return (np.maximum(p, 0) - p * y + np.log1p(np.exp(-np.abs(p)))).mean(axis=1)
        q = np.clip(p, EPS, 1 - EPS)
        return -(y * np.log(q) + (1 - y) * np.log(1 - q)).mean(axis=1)
    if name.endswith("categorical_crossentropy"):
        if loss.get("from_logits"):
            top = p.max(axis=1, keepdims=True)
            lse = (top + np.log(np.exp(p - top).sum(axis=1, keepdims=True)))[:, 0]
            return y.sum(axis=1) * lse - (y * p).sum(axis=1)
        q = np.clip(p / p.sum(axis=1, keepdims=True), EPS, 1 - EPS)
        return -(y * np.log(q)).sum(axis=1)
    if name == "kl_divergence":
        q, t = np.clip(p, EPS, 1), np.clip(y, EPS, 1)
        return (t * np.log(t / q)).sum(axis=1)
    size = np.abs(e)
    far = delta * size - delta**2 / 2
    return {
        "mse": lambda: (e**2).mean(axis=1),
        "half_squared": lambda: (e**2).sum(axis=1) / 2,
        "mae": lambda: size.mean(axis=1),
        "huber": lambda: np.where(size > delta, far, e**2 / 2).mean(axis=1),
    }[name]()


# ---- random numbers: SplitMix64's finaliser, chained


def mix(z):
    z = np.asarray(z, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def chained(key, numbers):
    with np.errstate(over="ignore"):
        step = np.uint64(0x9E3779B97F4A7C15) * (np.asarray(numbers, dtype=np.uint64) + np.uint64(1))
        return mix(np.asarray(key, dtype=np.uint64) + step)


def bits(seed, stream, epoch, rows, columns):
    key = chained(chained(np.array([seed]), stream), epoch)
    return chained(chained(key, rows)[:, None], np.arange(columns)[None])


def kept(rate, *where):
    """Which values dropout keeps."""
    return (bits(*where) >> np.uint64(11)).astype(float) * 2.0**-53 >= rate


# ---- a net


def normalised(op, x, state, training):
    at = lambda name: state[op[name] : op[name] + op["outputs"]]  # noqa: E731
    mean, variance = at("mean"), at("variance")
    if training and op.get("trainable", True):
        mean, variance = x.mean(axis=0), x.var(axis=0)
    return (x - mean) / np.sqrt(variance + op["epsilon"])


def activity(op, a, penalties):
    """The penalty of a step's outputs; `penalties` collects it."""
    n, kind = len(a), op["kind"]
    l1 = op.get("l1" if kind == "activity" else "activity_l1", 0)
    l2 = op.get("l2" if kind == "activity" else "activity_l2", 0)
    total = (l1 * np.abs(a).sum() + l2 * (a**2).sum()) / n
    if op.get("kl_weight"):
        rho, mean = op["kl_target"], np.clip(a.mean(axis=0), EPS, 1 - EPS)
        kl = rho * np.log(rho / mean) + (1 - rho) * np.log((1 - rho) / (1 - mean))
        total += op["kl_weight"] * kl.sum()
    penalties.append(total)


def forward(ops, theta, state, X, *, training=False, seed=0, epoch=0, rows=None, penalties=None):
    """Outputs; `penalties`: a list that takes those of activities."""
    a, penalties = np.asarray(X, dtype=float), [] if penalties is None else penalties
    rows = np.arange(len(a)) if rows is None else rows
    for op in ops:
        kind, d, m = op["kind"], op["inputs"], op["outputs"]
        if kind == "dense":
            W = theta[op["weights"] : op["weights"] + d * m].reshape(d, m)
            a = a @ W + (theta[op["bias"] : op["bias"] + m] if op.get("bias", -1) >= 0 else 0)
        if kind in ("dense", "activation"):
            a = activate(op.get("activation", "linear"), a, op.get("alpha", 0))
        if kind == "dropout" and training:
            mask = kept(op["rate"], seed, op["stream"], epoch, rows, m)
            a = np.where(mask, a / (1 - op["rate"]), 0)
        if kind == "batch_norm":
            a = normalised(op, a, state, training)
            a = a * (theta[op["gamma"] : op["gamma"] + m] if op.get("gamma", -1) >= 0 else 1)
            a = a + (theta[op["beta"] : op["beta"] + m] if op.get("beta", -1) >= 0 else 0)
        activity(op, a, penalties)
    return a


def weight_penalty(ops, theta):
    total = 0.0
    for op in ops:
        if op["kind"] != "dense" or not op.get("trainable", True):
            continue
        d, m = op["inputs"], op["outputs"]
        for at, size, name in (("weights", d * m, ""), ("bias", m, "bias_")):
            if op.get(at, -1) >= 0:
                w = theta[op[at] : op[at] + size]
                total += op.get(name + "l1", 0) * np.abs(w).sum()
                total += op.get(name + "l2", 0) * (w**2).sum()
    return total


def loss_of(ops, theta, state, X, Y, weights, loss, **training):
    """The whole loss of a batch, penalties included."""
    penalties = []
    out = forward(ops, theta, state, X, penalties=penalties, **training)
    s = np.ones(len(X)) if weights is None else weights
    divisor = s.sum() if loss.get("weighted_mean") else len(X)
    divisor = 1 if loss.get("reduction") == "sum" else divisor
    total = loss.get("scale", 1.0) * (s * row_losses(loss, out, Y)).sum() / divisor
    factor = 1 / divisor if loss.get("penalty_mean") else 1
    return total + sum(penalties) + factor * weight_penalty(ops, theta)


def step(rule, w, g, slots, t, rate):
    """One update of w, slots (a list of arrays) in place; returns the new w."""
    get = rule.get
    if get("clipvalue"):
        g = np.clip(g, -rule["clipvalue"], rule["clipvalue"])
    decay = get("weight_decay", 0.004 if rule["name"] == "adamw" else 0) or 0
    w = w - rate * decay * w
    mu, eps = get("momentum", 0), get("epsilon", 1e-7)
    if rule["name"] == "sgd":
        if not mu:
            return w - rate * g
        slots[0] = mu * slots[0] - rate * g
        return w + (mu * slots[0] - rate * g if get("nesterov") else slots[0])
    if rule["name"] == "adagrad":
        slots[0] = slots[0] + g**2
        return w - rate * g / np.sqrt(slots[0] + eps)
    if rule["name"] == "rmsprop":
        rho = get("rho", 0.9)
        slots[0] = rho * slots[0] + (1 - rho) * g**2
        u = rate * g / np.sqrt(slots[0] + eps)
        if mu:
            slots[1] = u = mu * slots[1] + u
        return w - u
    b1, b2 = get("beta_1", 0.9), get("beta_2", 0.999)
    slots[0] = b1 * slots[0] + (1 - b1) * g
    slots[1] = b2 * slots[1] + (1 - b2) * g**2
    rate = rate * np.sqrt(1 - b2**t) / (1 - b1**t)
    return w - rate * slots[0] / (np.sqrt(slots[1]) + eps)
