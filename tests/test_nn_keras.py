"""The same nets in Keras, from the same weights, in the same order of rows: the same history."""

import importlib.util
import os

import numpy as np
import pytest
from coterie import nn

# Eager PyTorch, where it is there: compiling 33 nets takes longer than training them.
os.environ.setdefault("KERAS_BACKEND", "torch" if importlib.util.find_spec("torch") else "jax")
os.environ.setdefault("JAX_ENABLE_X64", "1")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 6))
LABELS = RNG.integers(0, 3, 50)
TARGETS = {
    "numbers": X[:, :3] + 0.1 * RNG.normal(size=(50, 3)),
    "one": X[:, 0],
    "binary": LABELS % 2,
    "classes": LABELS,
    "one_hot": np.eye(3)[LABELS],
}


@pytest.fixture
def keras():
    keras = pytest.importorskip("keras", exc_type=ImportError)
    before = keras.backend.floatx()
    keras.backend.set_floatx("float64")
    yield keras
    keras.backend.set_floatx(before)


def both(keras, layers, optimizer, loss, target, fit=None, metrics=("mse",)):
    """Fit the same net here and there; functions get the package to make things from."""
    runs = []
    weights = None
    for package, options in ((nn, {"verbose": 0}), (keras, {"verbose": 0})):
        kit = package if package is nn else keras.layers
        model = package.Sequential([kit.Input((6,)), *layers(package, kit)])
        if weights is None:
            weights = [w + 0.1 * RNG.normal(size=w.shape) for w in model.get_weights()]
            weights = [abs(w) if w.ndim == 1 else w for w in weights]
        model.set_weights(weights)
        rules = package if package is nn else keras.optimizers
        rule = optimizer(rules) if callable(optimizer) else optimizer
        score = loss(package if package is nn else keras.losses) if callable(loss) else loss
        model.compile(optimizer=rule, loss=score, metrics=list(metrics))
        more = {} if fit is None else fit(package if package is nn else keras.callbacks)
        settings = {"batch_size": 16, "epochs": 4, "shuffle": False} | options | more
        history = model.fit(X, TARGETS[target], **settings)
        runs.append((history.history, model.predict(X, verbose=0), model.get_weights(), model))
    return runs


def compare(runs, rtol=1e-6):
    (ours, p, weights, _), (theirs, q, others, _) = runs
    assert set(ours) == set(theirs)
    for name, values in ours.items():
        np.testing.assert_allclose(values, theirs[name], rtol=rtol, atol=1e-8, err_msg=name)
    # Keras keeps rates and powers of beta in float32.
    np.testing.assert_allclose(p, q, rtol=10 * rtol, atol=rtol)
    for one, two in zip(weights, others, strict=True):
        np.testing.assert_allclose(one, two, rtol=10 * rtol, atol=rtol)


def dense(activation, outputs=3, last=None):
    return lambda package, kit: [kit.Dense(5, activation=activation), kit.Dense(outputs, last)]


OPTIMISERS = {
    "sgd": lambda o: o.SGD(0.05),
    "momentum": lambda o: o.SGD(0.05, momentum=0.8),
    "nesterov": lambda o: o.SGD(0.05, momentum=0.8, nesterov=True),
    "decay": lambda o: o.SGD(0.05, weight_decay=0.1),
    "adagrad": lambda o: o.Adagrad(0.05),
    "rmsprop": lambda o: o.RMSprop(0.01, momentum=0.3),
    "adam": lambda o: o.Adam(0.01),
    "epsilon": lambda o: o.Adam(0.01, epsilon=0.5),
    "adamw": lambda o: o.AdamW(0.01, weight_decay=0.2),
    "clipnorm": lambda o: o.SGD(0.1, clipnorm=0.2),
    "clipvalue": lambda o: o.SGD(0.1, clipvalue=0.02),
    "global_clipnorm": lambda o: o.SGD(0.1, global_clipnorm=0.2),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers(keras, name):
    # 1 - 0.999^t in float32, as some backends have it, is off by 3e-5.
    rtol = 1e-5 if name.startswith("adam") else 1e-6
    compare(both(keras, dense("tanh"), OPTIMISERS[name], "mse", "numbers"), rtol)


@pytest.mark.parametrize(
    "activation",
    ["relu", "leaky_relu", "elu", "selu", "gelu", "sigmoid", "tanh", "softplus", "softmax"],
)
def test_activations(keras, activation):
    compare(both(keras, dense(activation), "adam", "mse", "numbers"))


@pytest.mark.parametrize(
    ("loss", "target", "last"),
    [
        ("mae", "numbers", None),
        (lambda o: o.Huber(delta=0.4), "numbers", None),
        ("binary_crossentropy", "binary", "sigmoid"),
        (lambda o: o.BinaryCrossentropy(from_logits=True, label_smoothing=0.2), "binary", None),
        ("categorical_crossentropy", "one_hot", "softmax"),
        (lambda o: o.CategoricalCrossentropy(label_smoothing=0.2), "one_hot", "softmax"),
        ("sparse_categorical_crossentropy", "classes", "softmax"),
        (lambda o: o.SparseCategoricalCrossentropy(from_logits=True), "classes", None),
        ("kl_divergence", "one_hot", "softmax"),
    ],
)
def test_losses(keras, loss, target, last):
    outputs = 1 if target == "binary" else 3
    metrics = () if target in ("numbers",) else ("accuracy",)
    runs = both(keras, dense("tanh", outputs, last), "adam", loss, target, metrics=metrics)
    compare(runs, 1e-5)


def test_penalties_and_normalisation(keras):
    def layers(package, kit):
        kinds = package if package is nn else keras.regularizers
        return [
            kit.Dense(5, activation="tanh", kernel_regularizer=kinds.L1L2(0.01, 0.02)),
            kit.BatchNormalization(momentum=0.8),
            kit.LeakyReLU(),
            kit.Dense(3, bias_regularizer=kinds.L2(0.1), activity_regularizer=kinds.L1(0.03)),
        ]

    compare(both(keras, layers, "adam", "mse", "numbers", lambda _: {"batch_size": 25}), 1e-5)


def test_weights_of_rows_classes_and_a_split(keras):
    weights = np.linspace(0.1, 2, 50)
    for options in (
        {"sample_weight": weights},
        {"class_weight": {0: 0.3, 1: 2.0}},
        {"class_weight": {0: 0.3, 1: 2.0}, "validation_split": 0.3},
        {"validation_split": 0.3},
        {"validation_data": (X[:20], TARGETS["binary"][:20])},
    ):
        runs = both(
            keras,
            dense("tanh", 1, "sigmoid"),
            "sgd",
            "binary_crossentropy",
            "binary",
            lambda _, options=options: options,
            metrics=("accuracy",) if "validation" in str(options) else (),
        )
        compare(runs)


def test_schedules_and_stops(keras):
    schedules = {
        "ExponentialDecay": (0.1, 3, 0.7),
        "CosineDecay": (0.1, 7, 0.1),
        "PolynomialDecay": (0.1, 5, 0.01, 2.0),
        "InverseTimeDecay": (0.1, 3, 0.7),
        "PiecewiseConstantDecay": ([3, 6], [0.1, 0.05, 0.01]),
    }
    for name, arguments in schedules.items():

        def rule(o, name=name, arguments=arguments):
            schedule = getattr(nn if o is nn else keras.optimizers.schedules, name)
            return o.SGD(schedule(*arguments))

        compare(both(keras, dense("tanh"), rule, "mse", "numbers"))

    def fit(callbacks):
        return {
            "epochs": 60,
            "validation_split": 0.4,
            "callbacks": [
                callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=2, min_delta=0.01),
                callbacks.EarlyStopping(patience=6, min_delta=0.01, restore_best_weights=True),
            ],
        }

    runs = both(keras, dense("tanh", 1), lambda o: o.SGD(0.3), "mse", "one", fit)
    assert len(runs[0][0]["loss"]) < 60
    compare(runs, 1e-4)
