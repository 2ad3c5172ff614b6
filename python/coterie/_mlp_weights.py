"""The weights of a perceptron in one array, and the net the core makes of them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coterie import _core
from coterie._estimator import Estimator
from coterie._validate import check_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}
OUTPUTS = {"identity": "linear", "logistic": "sigmoid", "softmax": "softmax"}
NO_STATE: NDArray[Any] = np.zeros(0)


class Rows(NamedTuple):
    """Rows, targets as the core takes them, weights."""

    X: NDArray[Any]
    Y: NDArray[Any]
    weights: NDArray[np.float64] | None

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Return some of the rows."""
        return Rows(
            self.X[rows], self.Y[rows], None if self.weights is None else self.weights[rows]
        )


class Views(list[NDArray[Any]]):
    """Arrays of a net; an item that is set sets the values of the net."""

    def __init__(self, views: list[NDArray[Any]], name: str) -> None:
        super().__init__(views)
        self._name = name

    def __setitem__(self, at: Any, value: Any) -> None:
        given: list[Any] = list(self)
        given[at] = value
        self.put(given)

    def put(self, given: Sequence[ArrayLike]) -> None:
        """Set all values, or none."""
        shapes, wanted = [np.shape(one) for one in given], [view.shape for view in self]
        if shapes != wanted:
            raise ValueError(f"{self._name}: wanted arrays of shapes {wanted}, got {shapes}")
        arrays = [np.array(one, dtype=view.dtype) for one, view in zip(given, self, strict=True)]
        for view, one in zip(self, arrays, strict=True):
            view[...] = one

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)


class Weights(Estimator):
    """Base of the perceptrons: `_theta` holds kernel, bias, kernel, bias, ..."""

    n_threads: int | None

    n_layers_: int
    n_outputs_: int
    out_activation_: str

    _theta: NDArray[Any]
    _sizes: list[int]
    _fitted_with: tuple[str, float]  # activation and alpha of the net; `set_params` leaves it alone

    @property
    def coefs_(self) -> list[NDArray[Any]]:
        """Kernels, (n_in, n_out) each; what is written to them, or in their place, is the net's."""
        return Views([self._matrix(i) for i in range(self._n_steps())], "coefs_")

    @coefs_.setter
    def coefs_(self, coefs: Sequence[ArrayLike]) -> None:
        self.coefs_[:] = [np.asarray(one) for one in coefs]

    @property
    def intercepts_(self) -> list[NDArray[Any]]:
        """Biases, (n_out,) each; what is written to them, or in their place, is the net's."""
        return Views([self._bias(i) for i in range(self._n_steps())], "intercepts_")

    @intercepts_.setter
    def intercepts_(self, intercepts: Sequence[ArrayLike]) -> None:
        self.intercepts_[:] = [np.asarray(one) for one in intercepts]

    def _n_steps(self) -> int:
        if "_theta" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no weights before fit")
        return len(self._sizes) - 1

    def _matrix(self, i: int) -> NDArray[Any]:
        at, (before, after) = self._offset(i), self._sizes[i : i + 2]
        return self._theta[at : at + before * after].reshape(before, after)

    def _bias(self, i: int) -> NDArray[Any]:
        at = self._offset(i + 1)
        return self._theta[at - self._sizes[i + 1] : at]

    def _offset(self, i: int) -> int:
        pairs = itertools.pairwise(self._sizes[: i + 1])
        return sum((before + 1) * after for before, after in pairs)

    def _make_net(self) -> None:
        activation, alpha = self._fitted_with
        ops = []
        for i in range(self._n_steps()):
            last = i == self._n_steps() - 1
            ops.append(
                {
                    "kind": "dense",
                    "inputs": self._sizes[i],
                    "outputs": self._sizes[i + 1],
                    "activation": OUTPUTS[self.out_activation_]
                    if last
                    else ACTIVATIONS[activation],
                    "alpha": 0.0,
                    "weights": self._offset(i),
                    "bias": self._offset(i + 1) - self._sizes[i + 1],
                    "l1": 0.0,
                    "l2": 0.5 * alpha,
                    "bias_l1": 0.0,
                    "bias_l2": 0.0,
                    "activity_l1": 0.0,
                    "activity_l2": 0.0,
                    "trainable": True,
                }
            )
        self._net: Any = _core.NnNet(ops)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_net"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if "_theta" in state:
            self._make_net()

    def _outputs(self, X: object) -> NDArray[Any]:
        """Return what the net makes of the rows of X."""
        rows = dense(self._fitted_rows(X))
        out = np.empty((len(rows), self._sizes[-1]), self._theta.dtype)
        self._forward(np.ascontiguousarray(rows, dtype=self._theta.dtype), out)
        return out

    def _forward(self, X: NDArray[Any], out: NDArray[Any]) -> None:
        state = NO_STATE.astype(out.dtype, copy=False)
        _core.nn_forward(self._net, self._theta, state, X, out, check_threads(self.n_threads))


def dense(rows: Any) -> NDArray[Any]:
    """Return rows that are an array; sparse ones are refused."""
    if not isinstance(rows, np.ndarray):
        raise TypeError(
            "X: wanted a dense array, got a sparse one; sparse data are not supported here, "
            "X.toarray() is dense"
        )
    return rows
