"""Nets trained side by side end as each alone."""

import copy
import pickle

import numpy as np
import pytest
from coterie import nn
from coterie.nn import Dense, Input, Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 4))
Y = (X.sum(axis=1, keepdims=True) > 0).astype(float)


def net(*layers, optimizer="sgd", loss="binary_crossentropy", **options):
    layers = layers or (Dense(6, activation="tanh"), Dense(1, activation="sigmoid"))
    model = Sequential([Input((4,)), *layers], **({"seed": 0} | options))
    model.compile(optimizer, loss)
    return model


def weights_of(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


def test_fit_many_is_each_alone():
    jobs, alone = [], []
    for seed in range(5):
        for group in (jobs, alone):
            model = net(nn.Dropout(0.2), Dense(1), loss="mse", optimizer="adam", seed=seed)
            group.append({"model": model, "x": X, "y": Y, "epochs": 3, "validation_split": 0.2})
    histories = nn.fit_many(jobs, n_threads=3)
    for job, other, history in zip(jobs, alone, histories, strict=True):
        options = {k: v for k, v in other.items() if k not in ("model", "x", "y")}
        assert other["model"].fit(X, Y, **options).history == history.history
        np.testing.assert_array_equal(weights_of(job["model"]), weights_of(other["model"]))


def test_a_net_and_its_shallow_copy_are_one():
    model = net()
    jobs = [{"model": one, "x": X, "y": Y} for one in (model, copy.copy(model))]
    with pytest.raises(ValueError, match="fits: wanted a model of its own for each, got one twice"):
        nn.fit_many(jobs)


def test_fit_many_with_callbacks():
    stops = [nn.EarlyStopping("loss", patience=0, restore_best_weights=True) for _ in range(3)]
    models = [net(seed=seed, optimizer=nn.SGD(0.5)) for seed in range(3)]
    histories = nn.fit_many(
        [
            {"model": model, "x": X, "y": Y, "epochs": 50, "callbacks": [stop]}
            for model, stop in zip(models, stops, strict=True)
        ],
        n_threads=2,
    )
    for model, history, stop in zip(models, histories, stops, strict=True):
        assert model.history is history
        assert stop.best == min(history.history["loss"])


def test_fit_many_refuses():
    model, other = net(), net()
    other.optimizer = model.optimizer
    job = {"x": X, "y": Y}
    with pytest.raises(ValueError, match="a model of its own"):
        nn.fit_many([{"model": model, **job}, {"model": model, **job}])
    with pytest.raises(ValueError, match="optimizer: wanted one for this net alone"):
        nn.fit_many([{"model": model, **job}, {"model": other, **job}])
    watch = {**job, "callbacks": [nn.EarlyStopping("loss")]}
    with pytest.raises(ValueError, match="callbacks of their own"):
        nn.fit_many([{"model": model, **watch}, {"model": net(), **watch}])
    for wrong, error, message in (
        ({"model": model, "x": X}, ValueError, r"fits\[0\]: .* got no 'y'"),
        ({"model": 3, **job}, TypeError, r"fits\[0\]: wanted a Sequential as 'model', got 3"),
        (
            {"model": model, "epoch": 3, **job},
            TypeError,
            "of Sequential.fit, got 'epoch'",
        ),
        (3, TypeError, r"fits\[0\]: wanted a dict of the arguments of a fit, got 3"),
    ):
        with pytest.raises(error, match=message):
            nn.fit_many([wrong])
    assert nn.fit_many([]) == []


def test_fit_many_names_the_fit():
    good, nan = {"x": X, "y": Y}, X.copy()
    nan[3, 1] = np.nan
    for wrong, error, message in (
        ({"x": X, "y": Y[:3]}, ValueError, r"^fits\[2\]: y: wanted a target for each"),
        ({**good, "epochs": 1.5}, TypeError, r"^fits\[2\]: epochs: wanted an integer"),
        ({**good, "x": nan}, ValueError, r"^fits\[2\]: X: wanted finite values, got NaN at row 3"),
    ):
        jobs = [{"model": net(), **good, "epochs": 0}, {"model": net(), **good}]
        with pytest.raises(error, match=message):
            nn.fit_many([*jobs, {"model": net(), **wrong}])
    unbuilt = Sequential([Dense(1)])
    unbuilt.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"^fits\[1\]: "):
        nn.fit_many([{"model": unbuilt, **good}, {"model": net(), "x": X, "y": Y[:3]}])
    assert not unbuilt.built
    wild = net(Dense(1), optimizer=nn.SGD(1e200), loss="mse")
    with pytest.raises(nn.DivergenceError, match=r"^fits\[2\]: the loss .* rate 1e\+200") as caught:
        nn.fit_many([*jobs, {"model": wild, **good, "epochs": 5}, {"model": net(), **good}])
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.fit, str(again)) == (2, str(caught.value))
