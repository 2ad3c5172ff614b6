"""Classic worked examples, as an exercise book has them."""

import numpy as np
import pytest
from coterie.nn import SGD, Dense, Input, Sequential
from reference import nn_train


def classic_net(n_threads=None):
    model = Sequential(
        [
            Dense(25, activation="relu"),
            Dense(15, activation="relu"),
            Dense(1, activation="sigmoid"),
        ],
        n_threads=n_threads,
    )
    model.compile(optimizer=SGD(learning_rate=0.01), loss="binary_crossentropy")
    return model


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_ten_twenty_five_fifteen_one(n_threads):
    X, Y, weights = nn_train.classic()
    model = classic_net(n_threads)
    model.build((None, 10))
    model.set_weights(weights)
    history = model.fit(X, Y, epochs=1000, batch_size=100)
    wanted, losses = nn_train.descend(X, Y, weights, 1000, 0.01)
    for got, want in zip(model.get_weights(), wanted, strict=True):
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-10)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=0, atol=1e-10)


def test_step_units_of_a_small_net():
    model = Sequential(
        [
            Input((2,)),
            Dense(2, activation="step", use_bias=False),
            Dense(1, activation="step", use_bias=False),
        ]
    )
    # From unit 1 to 3 and 4, from 2 to 3 and 4; from 3 and 4 to 5.
    model.set_weights([[[2, 1], [-3, 4]], [[2], [-1]]])
    hidden = Sequential(model.layers[:1])
    x = np.array([[1.0, 0]])
    np.testing.assert_array_equal(hidden.predict(x), [[1, 1]])
    np.testing.assert_array_equal(model.predict(x), [[1]])
    every = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(hidden.predict(every), [[1, 1], [0, 1], [1, 1], [0, 1]])
    np.testing.assert_array_equal(model.predict(every), [[1], [0], [1], [0]])


def test_a_linear_autoencoder_with_one_code():
    model = Sequential([Input((2,)), Dense(1), Dense(2)])
    model.set_weights([[[1], [0.5]], [0], [[0.5, 1]], [0, 0]])
    x = np.random.default_rng(0).normal(size=(50, 2))
    z = x[:, 0] + 0.5 * x[:, 1]
    np.testing.assert_allclose(model.predict(x), np.stack([0.5 * z, z], axis=1), rtol=1e-15)
    line = np.stack([np.arange(-4.0, 5), 2 * np.arange(-4.0, 5)], axis=1)
    np.testing.assert_array_equal(model.predict(line), line)


def test_the_gradient_of_a_product_of_a_sum():
    """f(x, y, z) = (x + y) z at (-2, 5, -4): each factor is a unit, the other is its input."""
    x, y, z = -2.0, 5.0, -4.0
    # q = x + y as a dense unit of inputs (1, 1) with weights x, y; f = q z as a unit of weight z.
    model = Sequential([Input((2,)), Dense(1, use_bias=False), Dense(1, use_bias=False)])
    model.set_weights([[[x], [y]], [[z]]])
    model.compile(SGD(1.0), "half_squared")
    rows = np.ones((1, 2))
    f = model.predict(rows)
    np.testing.assert_array_equal(f, [[(x + y) * z]])
    model.fit(rows, f - 1, epochs=1)  # the gradient of half (f - target)^2 is f's own here
    first, second = model.get_weights()
    np.testing.assert_array_equal([x - first[0, 0], y - first[1, 0], z - second[0, 0]], [-4, -4, 3])
    model.set_weights([[[x], [y]], [[z]]])
    assert model.check_gradients(rows, f - 1).passed
