"""Layers on top of each other: their names, their shapes, their weights."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie._estimator import _not_fitted
from coterie._validate import check_int, check_threads
from coterie.nn._identity import Identity
from coterie.nn._layer import Layer, as_arrays
from coterie.nn._net import Net, check_dtype, check_shape, default_name
from coterie.nn.layers import Input

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray


class Stack:
    """What a `Sequential` is before it is compiled."""

    _net: Net | None

    def __init__(
        self,
        layers: Sequence[Layer] | None = None,
        name: str | None = None,
        *,
        dtype: str | None = None,
        seed: int | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.name = name or "sequential"
        self.stop_training = False
        self._dtype = check_dtype(dtype)
        self._seed = int(np.random.randint(2**31)) if seed is None else check_int(seed, "seed", 0)  # noqa: NPY002
        self._n_threads = n_threads
        check_threads(n_threads)
        self._all: list[Layer] = []
        self._net: Net | None = None
        self._identity = Identity()
        self._epochs_seen = 0
        self._metrics: list[str] = []
        undo = self._undo()
        try:
            for layer in layers or ():
                self._append(layer)
            self._build_if_known()
        except BaseException:
            undo()  # the layers may go into another net
            raise

    # ---- structure

    @property
    def layers(self) -> list[Layer]:
        """The layers, without Input."""
        return [layer for layer in self._all if not isinstance(layer, Input)]

    def add(self, layer: Layer) -> None:
        """Add a layer at the end.

        Parameters
        ----------
        layer : Layer
            The layer.
        """
        undo = self._undo()
        try:
            self._append(layer)
            self._net = None
            self._build_if_known()
        except (TypeError, ValueError):
            undo()
            raise
        self._begin_again()

    def _undo(self) -> Callable[[], None]:
        """Return what leads back to the layers and the weights there are now."""
        net, memories = self._net, [(layer, layer._memory()) for layer in self._all]

        def undo() -> None:
            for layer in self._all:
                layer._taken = 0
            self._net, self._all = net, [layer for layer, _ in memories]
            for layer, memory in memories:
                layer._recall(memory)

        return undo

    def _begin_again(self) -> None:
        """Forget what was learnt of the weights there were before."""

    def _append(self, layer: Layer) -> None:
        if not isinstance(layer, Layer):
            raise TypeError(f"layers: wanted layers of coterie.nn, got {layer!r}")
        if any(layer is other for other in self._all):
            raise ValueError(f"layers: wanted every layer once, got {layer!r} twice")
        if isinstance(layer, Input):
            if self._all:
                raise ValueError("layers: wanted Input as the first layer only")
            self._dtype = self._dtype or check_dtype(layer.dtype)
        if layer.built:
            layer = copy.deepcopy(layer)
        elif layer._taken == id(layer):
            raise ValueError(
                f"layers: wanted layers of no other net, got {layer!r} of one; once that is built, "
                "its layers can be given to others, as copies with their weights"
            )
        taken = {other.name for other in self._all}
        if layer.name is None or (layer.built and layer.name in taken):
            layer.name = default_name(layer, taken)
        elif layer.name in taken:
            raise ValueError(f"name: wanted a name a layer, got {layer.name!r} twice")
        layer._taken = id(layer)
        self._all.append(layer)

    def _build_if_known(self) -> None:
        first = self._all[0] if self._all else None
        shape = None
        if isinstance(first, Input):
            shape = first.shape
        elif first is not None and first.built:
            shape = first._known()
        elif first is not None:
            shape = first._first
        if shape is not None and self.layers:
            self._build(shape)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights.

        Parameters
        ----------
        input_shape : tuple
            (None, 10), or (10,), for rows of ten features.

        Raises
        ------
        ValueError
            If the layers do not fit one another.
        """
        shape = check_shape(input_shape)
        if self._net is None:
            self._build(shape)
        elif self._net.input_shape != shape:
            raise ValueError(
                f"input_shape: is built for rows of shape {self._net.input_shape}, got {shape}"
            )

    def _build(self, shape: tuple[int, ...], most: int | None = None) -> None:
        if not self.layers:
            raise ValueError("layers: wanted at least one layer, got none")
        undo = self._undo()
        try:
            self._net = Net(self._all, shape, self._dtype, np.random.default_rng(self._seed), most)
        except BaseException:
            undo()
            raise

    @property
    def built(self) -> bool:
        """Whether the weights are there."""
        return self._net is not None

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of what comes in, None for the number of rows."""
        return (None, *self._net_or_raise().input_shape)

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """The shape of what goes out, None for the number of rows."""
        return (None, *self._net_or_raise().output_shape)

    def _net_or_raise(self) -> Net:
        if self._net is None:
            raise _not_fitted(
                "this Sequential has no weights yet: call build(input_shape), or fit, first"
            )
        return self._net

    # ---- weights

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of the weights, layer by layer: kernel, bias, kernel, bias, ..."""
        self._net_or_raise()
        return [array for layer in self.layers for array in layer.get_weights()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all weights, in the order of `get_weights`.

        Parameters
        ----------
        weights : sequence of array-like
            One a weight, of its shape.

        Raises
        ------
        ValueError
            If the number or a shape differs; no weight is changed then.
        """
        self._net_or_raise()
        given, counts = as_arrays(weights), [len(layer._declared) for layer in self.layers]
        if len(given) != sum(counts):
            raise ValueError(f"weights: wanted {sum(counts)} arrays, got {len(given)}")
        ends = itertools.accumulate(counts)
        shares = [given[end - n : end] for n, end in zip(counts, ends, strict=True)]
        for layer, some in zip(self.layers, shares, strict=True):
            layer._check_weights(some)
        for layer, some in zip(self.layers, shares, strict=True):
            layer._put(some)

    def count_params(self) -> int:
        """Return the number of weights."""
        self._net_or_raise()
        return sum(layer.count_params() for layer in self.layers)

    def summary(self, print_fn: Callable[[str], object] = print) -> None:
        """Print the layers, the shapes of their outputs and the numbers of their weights.

        Parameters
        ----------
        print_fn : callable, default=print
            What prints a line.
        """
        from coterie.nn._summary import lines

        for line in lines(self):
            print_fn(line)
