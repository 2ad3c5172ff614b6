"""The penalty of mean activities: its value, its gradient, what it brings about."""

import numpy as np
import pytest
from coterie import nn
from coterie.nn import Dense, Input, Sequential

RNG = np.random.default_rng(1)
X = RNG.normal(size=(40, 3))
Y = X @ RNG.normal(size=(3, 2)) + 0.3


def test_sparsity():
    """Its gradient, and its value: a penalty of the batch, so of all rows when evaluated."""
    model = Sequential(
        [
            Input((3,)),
            Dense(6, "sigmoid"),
            nn.SparsityRegularization(rho=0.2, beta=1.5),
            nn.Activation("sigmoid"),
            nn.SparsityRegularization(),
            Dense(2),
        ],
        seed=3,
    )
    model.compile("sgd", "mse")
    check = model.check_gradients(X, Y, sample_weight=RNG.uniform(0, 2, len(X)))
    assert check.passed, check
    assert check.n_kinks == 0
    a = 1 / (1 + np.exp(-(X @ model.layers[0].kernel + model.layers[0].bias)))
    wanted = ((model.predict(X) - Y) ** 2).mean()
    for rho, beta, values in ((0.2, 1.5, a), (0.05, 1.0, 1 / (1 + np.exp(-a)))):
        r = values.mean(axis=0)
        kl = rho * np.log(rho / r) + (1 - rho) * np.log((1 - rho) / (1 - r))
        wanted += beta * kl.sum()
    assert model.evaluate(X, Y) == pytest.approx(wanted, rel=1e-12)
    history = model.fit(X, Y, batch_size=len(X))
    assert history.history["loss"][0] == pytest.approx(wanted, rel=1e-12)
    for options in ({"rho": 0.0}, {"rho": 1.0}, {"rho": 2}, {"beta": -1.0}):
        with pytest.raises(ValueError, match="wanted a"):
            nn.SparsityRegularization(**options)


def test_sparsity_of_many_rows_is_that_of_all():
    many = RNG.normal(size=(3000, 3))
    told = []
    for n_threads in (1, 2, 3, 8):
        layers = [Input((3,)), Dense(60, "sigmoid"), nn.SparsityRegularization(), Dense(2)]
        model = Sequential(layers, seed=3, n_threads=n_threads)
        model.compile(nn.SGD(0.0), "mse")
        out = model.predict(many)
        told.append((model.evaluate(many, out), out.tobytes()))
        history = model.fit(many, out, batch_size=3000)
        assert told[0][0] == pytest.approx(history.history["loss"][0], rel=1e-12)
    assert len(set(told)) == 1


def test_sparsity_comes_about():
    model = Sequential(
        [Input((3,)), Dense(8, "sigmoid"), nn.SparsityRegularization(0.1, beta=5.0), Dense(2)],
        seed=0,
    )
    model.compile(nn.Adam(0.05), "mse")
    model.fit(X, Y, epochs=300)
    coder = Sequential(model.layers[:1])
    np.testing.assert_allclose(coder.predict(X).mean(axis=0), 0.1, atol=0.03)


def test_it_comes_back_from_a_file(tmp_path):
    layers = [Input((3,)), Dense(4, "sigmoid"), nn.SparsityRegularization(0.1, beta=3.0), Dense(1)]
    model = Sequential(layers, seed=0)
    model.compile("sgd", "mse")
    model.save(tmp_path / "m")
    back = nn.load_model(tmp_path / "m")
    assert (back.layers[1].rho, back.layers[1].beta) == (0.1, 3.0)
    assert back.evaluate(X, Y[:, 0]) == model.evaluate(X, Y[:, 0])
