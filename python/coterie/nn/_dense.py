"""One dense layer forward and backward, for training loops of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from coterie import _core
from coterie._validate import _array, _converted, check_real, check_rows, check_threads
from coterie.nn._activations import SLOPES, activation_name

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from coterie._core import Floats


def dense_forward(
    X: ArrayLike,
    W: ArrayLike,
    b: ArrayLike | None = None,
    activation: str | None = "linear",
    *,
    alpha: float | None = None,
    out: tuple[Floats, Floats] | None = None,
    n_threads: int | None = None,
) -> tuple[Floats, Floats]:
    """Return Z = X W + b and A = activation(Z).

    Parameters
    ----------
    X : array-like of shape (n_samples, d_in)
        Rows; float32 and float64 are used as they are.
    W : array-like of shape (d_in, d_out)
        Weights, rounded to the dtype of X where theirs differs.
    b : array-like of shape (d_out,), default=None
        Biases; None stands for zeros.
    activation : str, default='linear'
        'linear' (also None), 'step', 'relu', 'leaky_relu', 'elu', 'selu', 'gelu', 'gelu_tanh',
        'sigmoid', 'tanh', 'softplus' or 'softmax' (over the columns).
    alpha : float, default=None
        Slope of 'leaky_relu' for z <= 0, by default 0.2, or scale of 'elu', by default 1.
    out : tuple of two ndarrays of shape (n_samples, d_out), default=None
        Where Z and A go: C-contiguous, of the dtype of X, and not the memory of an argument.
    n_threads : int, default=None
        Threads to use; None stands for all CPUs of this process. The result does not depend on it.

    Returns
    -------
    Z, A : ndarrays of shape (n_samples, d_out)
        What goes into the activation, and what comes out.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Notes
    -----
    O(n_samples * d_in * d_out) operations. Values that are not finite give what arithmetic gives.

    References
    ----------
    Rumelhart, Hinton and Williams, Learning representations by back-propagating errors, Nature
    323 (1986).

    Examples
    --------
    >>> import coterie.nn as nn
    >>> Z, A = nn.dense_forward([[1.0, 2.0]], [[1.0, -1.0], [0.5, -0.5]], [0.0, 1.0], "relu")
    >>> Z, A
    (array([[ 2., -1.]]), array([[2., 0.]]))
    """
    rows = _matrix(X, "X")
    weights = _matrix(W, "W", (rows.shape[1], None), rows.dtype)
    bias = None if b is None else _vector(b, "b", weights.shape[1], rows.dtype)
    shape = (rows.shape[0], weights.shape[1])
    Z, A = _outputs(out, {"Z": shape, "A": shape}, {"X": rows, "W": weights, "b": bias})
    name = activation_name(activation)
    slope = _slope(name, alpha)
    _core.dense_forward(rows, weights, bias, name, slope, Z, A, check_threads(n_threads))
    return Z, A


def dense_backward(
    dA: ArrayLike,
    X: ArrayLike,
    W: ArrayLike,
    Z: ArrayLike,
    A: ArrayLike,
    activation: str | None = "linear",
    *,
    alpha: float | None = None,
    out: tuple[Floats, Floats, Floats] | None = None,
    n_threads: int | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Return the gradients of a loss L by a layer's input, weights and biases.

    With D = dA * activation'(Z): dX = D W^T, dW = X^T D, db = the sum of D's rows. For softmax, D =
    A * (dA - the sum of dA * A over each row). At a kink relu takes 0 and leaky_relu `alpha`; the
    derivative of 'step' is taken as 1 where |z| <= 1 and 0 elsewhere.

    Parameters
    ----------
    dA : array-like of shape (n_samples, d_out)
        Gradient of L by A.
    X : array-like of shape (n_samples, d_in)
        The layer's input; its dtype is that of the result.
    W : array-like of shape (d_in, d_out)
        The layer's weights.
    Z, A : array-like of shape (n_samples, d_out)
        What `dense_forward` returned.
    activation : str, default='linear'
        As given to `dense_forward`.
    alpha : float, default=None
        As given to `dense_forward`.
    out : tuple of three ndarrays, default=None
        Where dX, dW and db go: C-contiguous, of the dtype of X, and not the memory of an argument.
    n_threads : int, default=None
        Threads to use; None stands for all CPUs of this process. The result does not depend on it.

    Returns
    -------
    dX : ndarray of shape (n_samples, d_in)
    dW : ndarray of shape (d_in, d_out)
    db : ndarray of shape (d_out,)

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Notes
    -----
    O(n_samples * d_in * d_out) operations.

    References
    ----------
    Rumelhart, Hinton and Williams, Learning representations by back-propagating errors, Nature
    323 (1986).

    Examples
    --------
    The gradients of f(x, y, z) = (x + y) z at (-2, 5, -4): the sum is a layer of weights 1.

    >>> import coterie.nn as nn
    >>> X, W = [[-2.0, 5.0]], [[1.0], [1.0]]
    >>> Z, A = nn.dense_forward(X, W)
    >>> dX, dW, db = nn.dense_backward([[-4.0]], X, W, Z, A)
    >>> dX, float(A[0, 0])
    (array([[-4., -4.]]), 3.0)
    """
    rows = _matrix(X, "X")
    weights = _matrix(W, "W", (rows.shape[1], None), rows.dtype)
    shape = (rows.shape[0], weights.shape[1])
    gradient, z, a = (
        _matrix(values, name, shape, rows.dtype)
        for values, name in ((dA, "dA"), (Z, "Z"), (A, "A"))
    )
    dX, dW, db = _outputs(
        out,
        {"dX": rows.shape, "dW": weights.shape, "db": weights.shape[1:]},
        {"X": rows, "W": weights, "dA": gradient, "Z": z, "A": a},
    )
    name = activation_name(activation)
    slope = _slope(name, alpha)
    threads = check_threads(n_threads)
    _core.dense_backward(gradient, rows, weights, z, a, name, slope, dX, dW, db, threads)
    return dX, dW, db


def _matrix(
    values: ArrayLike,
    name: str,
    shape: tuple[int | None, ...] = (None, None),
    dtype: np.dtype[np.generic] | None = None,
) -> Floats:
    rows = check_rows(values, name, least=0)
    if not isinstance(rows, np.ndarray):
        raise TypeError(f"{name}: wanted a dense array, got a sparse one")
    if any(want not in (None, got) for want, got in zip(shape, rows.shape, strict=True)):
        wanted = " x ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name}: wanted {wanted} values, got {rows.shape[0]} x {rows.shape[1]}")
    return rows if dtype is None else cast("Floats", rows.astype(dtype, copy=False))


def _vector(values: ArrayLike, name: str, size: int, dtype: np.dtype[np.generic]) -> Floats:
    vector = _array(values, name)
    if vector.shape != (size,):
        raise ValueError(f"{name}: wanted shape ({size},), got {vector.shape}")
    return cast("Floats", _converted(vector, dtype, name))


def _slope(activation: str, alpha: float | None) -> float:
    return SLOPES.get(activation, 0.0) if alpha is None else check_real(alpha, "alpha")


def _outputs(
    out: object, shapes: dict[str, tuple[int, ...]], arguments: dict[str, Floats | None]
) -> list[Floats]:
    """Return arrays to write to: those of `out`, which share no memory, or new ones."""
    dtype = cast("Floats", arguments["X"]).dtype
    if out is None:
        return [cast("Floats", np.empty(shape, dtype)) for shape in shapes.values()]
    if not isinstance(out, (tuple, list)) or len(out) != len(shapes):
        wanted = f"a tuple of {len(shapes)} arrays, {', '.join(shapes)}"
        raise ValueError(f"out: wanted {wanted}, got {type(out).__name__}")
    taken = dict(arguments)
    found = []
    for (name, shape), given in zip(shapes.items(), out, strict=True):
        array = _output(given, name, shape, dtype)
        for other, values in taken.items():
            if values is not None and np.may_share_memory(array, values):
                raise ValueError(f"out: wanted memory of its own for {name}, got that of {other}")
        taken[name] = array
        found.append(array)
    return found


def _output(
    given: object,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[np.generic],
) -> Floats:
    if given is None:
        return cast("Floats", np.empty(shape, dtype))
    if not isinstance(given, np.ndarray) or given.dtype != dtype or given.shape != shape:
        what = given if isinstance(given, np.ndarray) else np.empty(0, object)
        got = f"{what.dtype} of shape {what.shape}"
        raise ValueError(f"out: wanted {dtype} of shape {shape} for {name}, got {got}")
    if not given.flags.c_contiguous or not given.flags.writeable:
        raise ValueError(f"out: wanted a writeable, C-contiguous array for {name}")
    return cast("Floats", given)
