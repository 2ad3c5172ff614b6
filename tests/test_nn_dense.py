"""`dense_forward` and `dense_backward` as they are called: worked examples, out=, refusals."""

import doctest

import numpy as np
import pytest
from coterie import nn
from coterie.nn import _dense
from nets import ACTIVATIONS
from reference import nn as reference


def test_the_examples_of_the_docstrings():
    assert doctest.testmod(_dense).failed == 0


def test_step_units():
    """Two inputs, two hidden units, one output, no biases, as drawn in textbooks."""
    _, hidden = nn.dense_forward([[1, 0]], [[2, 1], [-3, 4]], activation="step")
    np.testing.assert_array_equal(hidden, [[1, 1]])
    _, output = nn.dense_forward(hidden, [[2], [-1]], activation="step")
    np.testing.assert_array_equal(output, [[1]])


def test_product_of_a_sum():
    """f = (x + y) z at (-2, 5, -4): gradients (-4, -4, 3)."""
    X, W, z = [[-2.0, 5.0]], [[1.0], [1.0]], -4.0
    Z, A = nn.dense_forward(X, W)
    dX, _, _ = nn.dense_backward([[z]], X, W, Z, A)
    assert (*dX[0], A[0, 0]) == (-4, -4, 3)


@pytest.mark.parametrize("activation", [a for a in ACTIVATIONS if a != "step"])
def test_central_differences(activation):
    rng = np.random.default_rng(0)
    X, W, b, dA = (rng.normal(size=s) for s in ((9, 5), (5, 4), 4, (9, 4)))
    Z, A = nn.dense_forward(X, W, b, activation)
    slope = {"leaky_relu": 0.2, "elu": 1.0}.get(activation, 0.0)
    np.testing.assert_allclose(A, reference.activate(activation, Z, slope), rtol=1e-13, atol=1e-15)
    got = nn.dense_backward(dA, X, W, Z, A, activation)
    for k, values in enumerate((X, W, b)):
        numeric = np.empty(values.size)
        for i in range(values.size):
            moved = [(v.copy() if v is values else v) for v in (X, W, b)]
            ends = []
            for sign in (1e-6, -1e-6):
                moved[k].flat[i] = values.flat[i] + sign
                ends.append((dA * nn.dense_forward(*moved, activation)[1]).sum())
            numeric[i] = (ends[0] - ends[1]) / 2e-6
        np.testing.assert_allclose(got[k].ravel(), numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_out_is_written_and_returned(dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 6)).astype(dtype)[:, ::-1]
    W = rng.normal(size=(6, 3)).astype(dtype)
    out = np.empty((20, 3), dtype), np.empty((20, 3), dtype)
    Z, A = nn.dense_forward(X, W, activation="relu", out=out)
    assert Z is out[0]
    assert A is out[1]
    grads = np.empty((20, 6), dtype), np.empty((6, 3), dtype), np.empty(3, dtype)
    got = nn.dense_backward(A, X, W, Z, A, "relu", out=grads)
    wanted = nn.dense_backward(A, X.copy(), W, Z, A, "relu", n_threads=3)
    for one, given, again in zip(got, grads, wanted, strict=True):
        assert one is given
        np.testing.assert_array_equal(one, again)


def test_refusals():
    X, W = np.ones((4, 3)), np.ones((3, 2))
    with pytest.raises(ValueError, match="W: wanted 3 x any values, got 2 x 2"):
        nn.dense_forward(X, np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"b: wanted shape \(2,\), got \(3,\)"):
        nn.dense_forward(X, W, np.ones(3))
    with pytest.raises(ValueError, match="activation: wanted one of 'linear'"):
        nn.dense_forward(X, W, activation="swish")
    with pytest.raises(
        ValueError, match=r"out: wanted float64 of shape \(4, 2\) for Z, got float32"
    ):
        nn.dense_forward(X, W, out=(np.empty((4, 2), np.float32), np.empty((4, 2))))
    with pytest.raises(ValueError, match="dA: wanted 4 x 2 values, got 4 x 3"):
        nn.dense_backward(X, X, W, X, X)


def test_out_has_memory_of_its_own():
    X, W, b = np.ones((4, 3)), np.ones((3, 3)), np.ones(3)
    Z, A = nn.dense_forward(X, W, b, None)
    np.testing.assert_array_equal(Z, A)
    with pytest.raises(ValueError, match="out: wanted memory of its own for Z, got that of X"):
        nn.dense_forward(X, W, out=(X, A))
    with pytest.raises(ValueError, match="out: wanted memory of its own for A, got that of Z"):
        nn.dense_forward(X, W, out=(A, A))
    with pytest.raises(ValueError, match="out: wanted memory of its own for dX, got that of A"):
        nn.dense_backward(X, X.copy(), W, Z, A, out=(A, np.empty((3, 3)), b))
    with pytest.raises(ValueError, match="out: wanted a tuple of 2 arrays, Z, A, got ndarray"):
        nn.dense_forward(X, W, out=A)
    with pytest.raises(ValueError, match="out: wanted a tuple of 3 arrays, dX, dW, db, got tuple"):
        nn.dense_backward(X, X, W, Z, A, out=(Z, A))


def test_no_rows():
    X, W = np.empty((0, 3)), np.ones((3, 2))
    Z, A = nn.dense_forward(X, W, np.ones(2), "softmax")
    assert Z.shape == A.shape == (0, 2)
    dX, dW, db = nn.dense_backward(A, X, W, Z, A, "softmax")
    assert dX.shape == (0, 3)
    assert not dW.any()
    assert not db.any()


def test_types_are_named():
    X, W = np.ones((4, 3)), np.ones((3, 2))
    with pytest.raises(TypeError, match="b: wanted numbers, got dtype"):
        nn.dense_forward(X, W, ["a", "b"])
    with pytest.raises(TypeError, match="alpha: wanted a number >= 0, got 'a'"):
        nn.dense_forward(X, W, activation="elu", alpha="a")
    with pytest.raises(ValueError, match="alpha: wanted a finite number >= 0, got nan"):
        nn.dense_backward(X[:, :2], X, W, X[:, :2], X[:, :2], "elu", alpha=np.nan)
    # Derivatives are formed from the outputs, whose sign is that of the inputs for these alone.
    for activation in ("leaky_relu", "elu"):
        with pytest.raises(ValueError, match=r"alpha: wanted .* >= 0, got -0"):
            nn.dense_forward(X, W, activation=activation, alpha=-0.5)
