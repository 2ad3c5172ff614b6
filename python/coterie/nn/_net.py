"""Layers whose shapes are known: all their weights in one array, as the core wants them."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie import _core
from coterie._validate import float_dtype
from coterie.nn._config import Watched
from coterie.nn._layer import row_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from coterie.nn._layer import Layer, Op, Shape

DTYPES = ("float32", "float64")


class Net:
    """Layers, one after the other, and their weights.

    Attributes
    ----------
    theta : ndarray
        All weights that are trained, layer by layer; the layers have views of it.
    state : ndarray
        Moving averages.
    fixed : bool
        Whether the dtype was asked for; otherwise a fit takes that of its data.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        shape: Shape,
        dtype: str | None,
        random: np.random.Generator,
        most: int | None = None,
    ) -> None:
        self.layers = list(layers)
        self.input_shape = shape
        self.fixed = dtype is not None
        kept = [[view.copy() for view in layer._views] for layer in layers]
        for layer in self.layers:
            if layer.built and layer._known() != shape:
                raise ValueError(
                    f"layer {layer.name}: wanted rows of shape {layer._known()}, for which its "
                    f"weights were made, got {shape}"
                )
            shape = layer._build(shape)
        self.output_shape = shape
        self.n_inputs, self.n_outputs = math.prod(self.input_shape), math.prod(shape)
        sizes, self.places = [0, 0], []
        for layer in self.layers:
            places = []
            for weight in layer._declared:
                places.append(sizes[weight.is_state])
                sizes[weight.is_state] += weight.size
            self.places.append(places)
        if most is not None and sum(sizes) > most:
            raise ValueError(f"layers: wanted {most} weights at most, got layers of {sum(sizes)}")
        start = np.dtype(dtype or "float64")
        self.theta: NDArray[Any] = _core.nn_values(sizes[0], 0.0, start)
        self.state: NDArray[Any] = np.zeros(sizes[1], start)
        self.bind()
        for layer, before in zip(self.layers, kept, strict=True):
            for i, weight in enumerate(layer._declared):
                drawn = before[i] if before else weight.initializer(weight.shape, random)
                layer._views[i][...] = drawn
        self._core: Any = None
        self._changes = 0

    def bind(self) -> None:
        """Give every layer views of its weights."""
        for layer, places in zip(self.layers, self.places, strict=True):
            layer._views = [
                (self.state if weight.is_state else self.theta)[at : at + weight.size].reshape(
                    weight.shape
                )
                for weight, at in zip(layer._declared, places, strict=True)
            ]

    def dtype_for(self, array: NDArray[Any]) -> np.dtype[Any]:
        """Return the dtype of a fit to these rows: theirs, unless one was asked for."""
        return self.theta.dtype if self.fixed else float_dtype(array.dtype, "x")

    def adopt(self, dtype: np.dtype[Any]) -> None:
        """Go over to a dtype."""
        if dtype != self.theta.dtype:
            theta = _core.nn_values(self.theta.size, 0.0, dtype)
            theta[...] = self.theta
            self.hold(theta, self.state.astype(dtype))

    def hold(self, theta: NDArray[Any], state: NDArray[Any]) -> None:
        """Take other arrays of weights and averages."""
        self.theta, self.state = theta, state
        self.bind()

    def ops(self) -> list[Op]:
        """Return the core's operations."""
        found: list[Op] = []
        for i, (layer, places) in enumerate(zip(self.layers, self.places, strict=True)):
            found += layer._ops(places)
            for op in found:
                if op["kind"] in ("dropout", "noise"):
                    op.setdefault("stream", i)  # layers draw apart from each other
        nothing = {"kind": "activation", "activation": "linear", "alpha": 0.0}
        sizes = {"inputs": self.n_inputs, "outputs": self.n_inputs}
        return found or [nothing | sizes]

    @property
    def core(self) -> Any:
        """The operations for inference; anew if an attribute of a layer or penalty was set."""
        if self._core is None or self._changes != Watched.changes:
            self._changes = Watched.changes
            self._core = self.for_training()
        return self._core

    def for_training(self) -> Any:
        """Return the operations anew: a layer may have been frozen since."""
        return _core.NnNet(self.ops())

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_core": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.bind()  # a copy's views are arrays of their own

    def snapshot(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return copies of all weights and averages."""
        return self.theta.copy(), self.state.copy()

    def restore(self, snapshot: tuple[NDArray[Any], NDArray[Any]]) -> None:
        """Go back to a snapshot."""
        self.theta[...], self.state[...] = snapshot


def check_dtype(dtype: object) -> str | None:
    """Return 'float32', 'float64' or None."""
    if dtype is None:
        return None
    name = np.dtype(dtype).name  # type: ignore[call-overload]
    if name not in DTYPES:
        raise ValueError(f"dtype: wanted 'float32', 'float64' or None, got {dtype!r}")
    return str(name)


def check_shape(input_shape: object) -> Shape:
    """Return the shape of a row from Keras's (None, 10), or from (10,) alone."""
    if isinstance(input_shape, (tuple, list)) and len(input_shape) > 1:
        return row_shape(tuple(input_shape[1:]), "input_shape")
    return row_shape(input_shape, "input_shape")


def default_name(layer: Layer, taken: set[str | None]) -> str:
    """Return Keras's name: dense, dense_1, ...

    Examples
    --------
    >>> from coterie.nn import Dense
    >>> default_name(Dense(1), {"dense"})
    'dense_1'
    """
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
    stem = re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
    name, i = stem, 0
    while name in taken:
        i += 1
        name = f"{stem}_{i}"
    return name
