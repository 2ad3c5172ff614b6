"""Optimisers against their formulas, schedules, gradients against differences, stopping, saving."""

import json

import numpy as np
import pytest
from coterie import nn
from coterie.nn import Dense, Input, Sequential
from reference import nn_train

RNG = np.random.default_rng(1)
X = RNG.normal(size=(40, 3))
Y = X @ RNG.normal(size=(3, 2)) + 0.3


def linear(optimizer, dtype=None, **options):
    model = Sequential([Input((3,)), Dense(2, **options)], seed=0, dtype=dtype)
    model.compile(optimizer, "mse")
    return model


def gradient(W, b):
    e = X @ W + b - Y
    return X.T @ e / len(X), e.mean(axis=0)  # of the mean over two outputs of e^2


# ---- optimisers

RULES = [
    ("sgd", nn.SGD, {}),
    ("sgd", nn.SGD, {"momentum": 0.9}),
    ("sgd", nn.SGD, {"momentum": 0.9, "nesterov": True}),
    ("sgd", nn.SGD, {"weight_decay": 0.1}),
    ("adagrad", nn.Adagrad, {"epsilon": 1e-3}),
    ("rmsprop", nn.RMSprop, {}),
    ("rmsprop", nn.RMSprop, {"rho": 0.5, "momentum": 0.4, "epsilon": 0.1}),
    ("adam", nn.Adam, {}),
    ("adam", nn.Adam, {"beta_1": 0.5, "beta_2": 0.6, "epsilon": 1.0}),
    ("adam", nn.AdamW, {"weight_decay": 0.3}),
]


@pytest.mark.parametrize(("rule", "kind", "options"), RULES)
def test_optimisers_follow_their_formulas(rule, kind, options):
    model = linear(kind(learning_rate=0.05, **options))
    weights = model.get_weights()
    memory = [{}, {}]
    for t in range(1, 8):
        grads = gradient(*weights)
        weights = [
            nn_train.step(rule, w, g, m, t, 0.05, **options)
            for w, g, m in zip(weights, grads, memory, strict=True)
        ]
        model.fit(X, Y, batch_size=40, shuffle=False)
        for got, want in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-13)
    assert model.optimizer.iterations == 7


@pytest.mark.parametrize("limit", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_clipping(limit):
    model = linear(nn.SGD(1.0, **{limit: 0.1}))
    weights = model.get_weights()
    grads = gradient(*weights)
    if limit == "clipvalue":
        grads = [np.clip(g, -0.1, 0.1) for g in grads]
    else:
        norms = [np.linalg.norm(g) for g in grads]
        norms = [np.hypot(*norms)] * 2 if limit == "global_clipnorm" else norms
        grads = [g * min(1, 0.1 / norm) for g, norm in zip(grads, norms, strict=True)]
    model.fit(X, Y, batch_size=40)
    for got, w, g in zip(model.get_weights(), weights, grads, strict=True):
        np.testing.assert_allclose(got, w - g, rtol=1e-12)


def test_optimisers_by_name():
    for name, kind in (("SGD", nn.SGD), ("adam", nn.Adam), ("RMSprop", nn.RMSprop)):
        assert type(nn.optimizers.get(name)) is kind
    with pytest.raises(ValueError, match=r"optimizer: wanted one of 'sgd', 'adagrad', .*'ftrl'"):
        nn.optimizers.get("ftrl")
    for options, message in (
        ({"learning_rate": -1}, "learning_rate: wanted a finite number >= 0"),
        ({"momentum": 2}, r"momentum: wanted a number in \[0, 1\]"),
        ({"clipnorm": 0}, "clipnorm: wanted a number above 0"),
        ({"clipnorm": 1, "clipvalue": 1}, "clipnorm: wanted one kind of clipping, got clipvalue"),
    ):
        with pytest.raises(ValueError, match=message):
            nn.SGD(**options)


def half_cosine(share):
    return (1 + np.cos(np.pi * min(share, 1))) / 2


SCHEDULES = [
    (nn.ExponentialDecay(0.1, 4, 0.5), lambda t: 0.1 * 0.5 ** (t / 4)),
    (nn.ExponentialDecay(0.1, 4, 0.5, staircase=True), lambda t: 0.1 * 0.5 ** (t // 4)),
    (nn.InverseTimeDecay(0.1, 4, 0.5), lambda t: 0.1 / (1 + 0.5 * t / 4)),
    (
        nn.PiecewiseConstantDecay([2, 5], [0.3, 0.2, 0.1]),
        lambda t: [0.3, 0.2, 0.1][(t > 2) + (t > 5)],
    ),
    (nn.PolynomialDecay(0.1, 5, 0.02, 2.0), lambda t: 0.08 * (1 - min(t, 5) / 5) ** 2 + 0.02),
    (nn.CosineDecay(0.1, 6, 0.1), lambda t: 0.1 * (0.9 * half_cosine(t / 6) + 0.1)),
    (
        nn.CosineDecay(0.0, 6, 0, 0.2, 3),
        lambda t: 0.2 * t / 3 if t < 3 else 0.2 * half_cosine((t - 3) / 6),
    ),
]


@pytest.mark.parametrize(("schedule", "formula"), SCHEDULES)
def test_schedules(schedule, formula):
    wanted = [formula(t) for t in range(10)]
    np.testing.assert_allclose([float(schedule(t)) for t in range(10)], wanted, rtol=1e-13)
    np.testing.assert_allclose(schedule.rates(2, 8), wanted[2:], rtol=1e-13)
    model, W = linear(nn.SGD(schedule)), np.zeros((3, 2))
    b = np.zeros(2)
    model.set_weights([W, b])
    for t in range(10):
        g = gradient(W, b)
        W, b = W - wanted[t] * g[0], b - wanted[t] * g[1]
    model.fit(X, Y, epochs=4, batch_size=40)
    model.fit(X, Y, epochs=6, batch_size=40)
    np.testing.assert_allclose(model.get_weights()[0], W, rtol=1e-11, atol=1e-14)


def test_a_schedule_of_ones_own():
    class Halving(nn.LearningRateSchedule):
        def __call__(self, step):
            return 0.5**step

    np.testing.assert_array_equal(Halving().rates(1, 3), [0.5, 0.25, 0.125])
    linear(nn.SGD(Halving())).fit(X, Y)

    class Bad(nn.LearningRateSchedule):
        def __call__(self, step):
            return -1.0

    with pytest.raises(ValueError, match=r"finite rates >= 0, got -1.0 at step 0"):
        linear(nn.SGD(Bad())).fit(X, Y)


# ---- gradients

SMOOTH = ["linear", "elu", "selu", "gelu", "gelu_tanh", "sigmoid", "tanh", "softplus"]
KINKED = ["relu", "leaky_relu"]


@pytest.mark.parametrize("activation", SMOOTH + KINKED)
def test_gradients_of_activations(activation):
    model = Sequential(
        [Input((3,)), Dense(5, activation), nn.Activation(activation), Dense(2)], seed=1
    )
    model.compile("sgd", "mse")
    model.layers[0].bias[...] = 0.1 * RNG.normal(size=5)
    check = model.check_gradients(X, Y, sample_weight=RNG.uniform(0, 2, len(X)))
    assert check.passed, check
    assert check.n_checked == 32
    assert check.n_kinks == 0 or activation in KINKED


@pytest.mark.parametrize(
    ("loss", "activation"),
    [
        ("mse", None),
        ("half_squared", None),
        ("mae", None),
        ("huber", None),
        ("binary_crossentropy", "sigmoid"),
        ("binary_crossentropy", "softmax"),
        (nn.BinaryCrossentropy(from_logits=True, label_smoothing=0.1), None),
        ("categorical_crossentropy", "softmax"),
        ("categorical_crossentropy", "sigmoid"),
        (nn.CategoricalCrossentropy(from_logits=True, reduction="sum"), None),
        ("sparse_categorical_crossentropy", "softmax"),
        ("sparse_categorical_crossentropy", "sigmoid"),
        ("kl_divergence", "softmax"),
        ("kl_divergence", "sigmoid"),
        (nn.Huber(delta=0.3), "tanh"),
    ],
)
def test_gradients_of_losses(loss, activation):
    model = Sequential([Input((3,)), Dense(4, "tanh"), Dense(3, activation)], seed=2)
    model.compile("sgd", loss)
    name = model.loss.name
    labels = RNG.integers(0, 3, len(X))
    y = np.eye(3)[labels] if "entropy" in name or "kl" in name else RNG.normal(size=(len(X), 3))
    y = labels if "sparse" in name else y
    assert model.check_gradients(X, y).passed


def test_gradients_of_everything_else():
    model = Sequential(
        [
            Input((3,)),
            nn.GaussianNoise(0.2),
            Dense(6, "tanh", kernel_regularizer="l1_l2", bias_regularizer=nn.l2(0.1)),
            nn.BatchNormalization(),
            nn.Dropout(0.3),
            Dense(5, "softplus", kernel_regularizer=nn.l1(0.01), activity_regularizer=nn.l2(0.1)),
            nn.ActivityRegularization(l1=0.02, l2=0.03),
            nn.LeakyReLU(),
            nn.ELU(0.7),
            Dense(2),
        ],
        seed=3,
    )
    model.compile("adam", "mse")
    before = model.get_weights()
    check = model.check_gradients(X, Y)
    assert check.passed, check
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("n_inputs", "units"), [(3, 5), (40, 150), (1500, 64)])
@pytest.mark.parametrize("n_rows", [1024, 1025, 2500])
def test_a_whole_batch_of_many_rows(n_rows, n_inputs, units):
    rng = np.random.default_rng(n_rows)
    x, y = rng.normal(size=(n_rows, n_inputs)), rng.normal(size=(n_rows, units))
    trained = []
    for n_threads in (1, 3):
        layers = [Input((n_inputs,)), Dense(units), nn.BatchNormalization(epsilon=1e-3)]
        model = Sequential(layers, seed=0, n_threads=n_threads)
        model.compile(nn.SGD(1.0), "mse")
        W = model.get_weights()[0]
        model.train_on_batch(x, y)
        trained.append(model.get_weights())
    for one, three in zip(*trained, strict=True):
        np.testing.assert_array_equal(one, three)
    Z = x @ W - (x @ W).mean(axis=0)
    deviation = np.sqrt(Z.var(axis=0) + 1e-3)
    G = 2 * (Z / deviation - y) / y.size
    D = (G - G.mean(axis=0) - Z / deviation**2 * (G * Z).mean(axis=0)) / deviation
    np.testing.assert_allclose(trained[0][0], W - x.T @ D, rtol=1e-9, atol=1e-12)


def test_a_wrong_gradient_is_found(monkeypatch):
    from coterie.nn import _gradients

    model = linear("sgd")
    right = _gradients._core.nn_gradient

    def wrong(*arguments):
        value = right(*arguments)
        arguments[7][...] *= 1.001
        return value

    class Core:
        nn_gradient = staticmethod(wrong)

    monkeypatch.setattr(_gradients, "_core", Core)
    check = model.check_gradients(X, Y)
    assert not check.passed
    assert 1e-5 < check.max_error < 1e-2


def test_many_weights_are_checked_along_directions():
    model = Sequential([Input((3,)), Dense(100, "tanh"), Dense(60, "tanh"), Dense(2)], seed=0)
    model.compile("sgd", "mse")
    check = model.check_gradients(X[:5], Y[:5])
    assert check.passed
    assert check.n_checked == 100


# ---- files


def everything():
    model = Sequential(
        [
            Input((3,)),
            Dense(4, "leaky_relu", kernel_regularizer=nn.l2(0.1), name="first"),
            nn.BatchNormalization(),
            nn.LeakyReLU(0.1),
            nn.Dropout(0.2),
            Dense(2, kernel_initializer=nn.RandomNormal(stddev=0.3)),
        ],
        name="mine",
        seed=4,
    )
    model.compile(nn.Adam(nn.ExponentialDecay(0.1, 10, 0.9), clipnorm=1.0), nn.Huber(0.7), ["mae"])
    return model


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_file_brings_everything_back(tmp_path, dtype):
    model = everything()
    model.layers[1].trainable = False
    model.fit(X.astype(dtype), Y, epochs=3)
    model.save(tmp_path / "m.safetensors")
    back = nn.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    assert back.name == "mine"
    assert [layer.name for layer in back.layers] == [layer.name for layer in model.layers]
    assert repr(back.optimizer) == repr(model.optimizer)
    assert not back.layers[1].trainable
    going_on = [m.fit(X.astype(dtype), Y, epochs=2).history for m in (model, back)]
    assert going_on[0] == going_on[1]
    assert type(Sequential.load(tmp_path / "m.safetensors")) is Sequential


def test_a_file_is_safetensors(tmp_path):
    model = everything()
    model.save(tmp_path / "m.safetensors")
    data = (tmp_path / "m.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    kernel = header["first/kernel"]
    assert (kernel["dtype"], kernel["shape"]) == ("F64", [3, 4])
    start, end = kernel["data_offsets"]
    array = np.frombuffer(data[8 + length :][start:end]).reshape(3, 4)
    np.testing.assert_array_equal(array, model.layers[0].kernel)
    safetensors = pytest.importorskip("safetensors.numpy")
    assert set(safetensors.load(data)) == set(header) - {"__metadata__"}


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    everything().save(path)
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    changes = [
        b"",
        data[:5],
        data[:50],
        data[:-8],
        data + b"\0" * 8,
        b"\xff" * 8 + data[8:],
        data.replace(b'"F64"', b'"I64"', 1),
        data.replace(b"Dropout", b"Popen__", 1),
        data.replace(b'"__metadata__"', b'"__metadatb__"', 1),
        data.replace(b"coterie.nn 1", b"coterie.nn 9", 1),
        data[: 8 + length] + b"\x3f" * (len(data) - 8 - length),
        data[:8] + b"[" * length + data[8 + length :],
    ]
    for bad in changes:
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"m\.safetensors"):
            nn.load_model(path)
    with pytest.raises(FileNotFoundError):
        nn.load_model(tmp_path / "none")


class Threes(nn.Initializer):
    """An initialiser of one's own."""

    def _draw(self, shape, random):
        return np.full(shape, 3.0)


def test_classes_of_ones_own_come_back(tmp_path):
    linear("sgd", kernel_initializer=Threes()).save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"is not a whole model file: .* or of custom_objects"):
        nn.load_model(tmp_path / "m")
    back = nn.load_model(tmp_path / "m", custom_objects={"Threes": Threes})
    assert (back.layers[0].kernel == 3).all()
    assert type(back.layers[0].kernel_initializer) is Threes
    assert type(Sequential.load(tmp_path / "m", {"Threes": Threes})) is Sequential


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    everything().save(path)
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        everything().save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]
