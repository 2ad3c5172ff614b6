"""What all layers share: shapes, weights, and what the core is told of them."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

import numpy as np

from coterie.nn._config import Configured, Watched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from coterie.nn.initializers import Initializer

Shape = tuple[int, ...]
Op = dict[str, Any]


class Weight(NamedTuple):
    """An array of a layer: its name, its shape, where it starts, and whether a step changes it."""

    name: str
    shape: Shape
    initializer: Initializer
    is_state: bool = False

    @property
    def size(self) -> int:
        """The number of its entries."""
        return math.prod(self.shape)


class Layer(Watched):
    """Base of the layers.

    Attributes
    ----------
    name : str
        Unique within a net; by default the class's in lower case and a number.
    trainable : bool
        Whether `fit` changes the weights; may be set at any time between fits.
    input_shape, output_shape : tuple
        With None for the number of rows; known once the net is built.
    """

    _in_core = ("build", "call", "compute_output_shape", "__call__")
    _shaping: ClassVar[tuple[str, ...]] = ()  # attributes that stay when the layer is built

    def __init__(self, name: str | None = None, input_shape: Sequence[int] | None = None) -> None:
        given: object = name
        if given is not None and not (isinstance(given, str) and given and "/" not in given):
            raise ValueError(f"name: wanted a text without '/', got {name!r}")
        self.name = name
        self.trainable = True
        self._first = None if input_shape is None else row_shape(input_shape, "input_shape")
        self._in: Shape | None = None
        self._out: Shape = ()
        self._declared: list[Weight] = []
        self._views: list[NDArray[Any]] = []
        self._taken = 0  # by a net: the id of this layer, which no copy has

    def __setattr__(self, name: str, value: object) -> None:
        if name in self._shaping and self._fixed and value != getattr(self, name):
            raise ValueError(
                f"{name}: wanted {getattr(self, name)!r}, for which the weights of layer "
                f"{self.name} were made, got {value!r}"
            )
        super().__setattr__(name, value)

    @property
    def _fixed(self) -> bool:
        """Whether there are weights already; False while `__init__` runs."""
        return vars(self).get("_in") is not None

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again, by name."""
        config = {n: getattr(self, n) for n in self._arguments if not n.startswith("input_")}
        return config | ({} if self._first is None else {"input_shape": self._first})

    def __repr__(self) -> str:
        changed = (
            f"{name}={value!r}"
            for name, value in self.get_config().items()
            if not isinstance(value, Configured) and value != self._arguments[name]
        )
        return f"{type(self).__name__}({', '.join(changed)})"

    # ---- what a layer defines

    def _shape_after(self, shape: Shape) -> Shape:
        """Return the shape of a row behind this layer, or refuse the one before it."""
        return shape

    def _weights_for(self, shape: Shape) -> list[Weight]:
        """Return the weights for rows of this shape."""
        del shape
        return []

    def _ops(self, places: list[int]) -> list[Op]:
        """Return the core's operations; `places` are the offsets of the weights."""
        del places
        return []

    # ---- what the net does with it

    def _build(self, shape: Shape) -> Shape:
        self._out = self._shape_after(shape)
        self._in = shape
        self._declared = self._weights_for(shape)
        return self._out

    def _memory(self) -> tuple[Any, ...]:
        """Return what `_recall` takes to undo what a net has made of this layer since."""
        return self.name, self._in, self._out, self._declared, self._views, self._taken

    def _recall(self, memory: tuple[Any, ...]) -> None:
        self.name, self._in, self._out, self._declared, self._views, self._taken = memory

    @property
    def built(self) -> bool:
        """Whether the shapes are known and the weights are there."""
        return self._in is not None

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of what comes in, None for the number of rows."""
        return (None, *self._known())

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """The shape of what goes out, None for the number of rows."""
        self._known()
        return (None, *self._out)

    def _known(self) -> Shape:
        if self._in is None:
            raise ValueError(
                f"layer {self.name or type(self).__name__}: is not built; its net wants "
                "build(input_shape), or a fit, first"
            )
        return self._in

    def count_params(self) -> int:
        """Return the number of weights."""
        self._known()
        return sum(weight.size for weight in self._declared)

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of the weights, in Keras's order: kernel and bias of a dense layer."""
        self._known()
        return [view.copy() for view in self._views]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set the weights, in the order of `get_weights`.

        Parameters
        ----------
        weights : sequence of array-like
            One a weight, of its shape.

        Raises
        ------
        ValueError
            If the number or a shape differs, or an entry is not finite.
        """
        self._known()
        given = as_arrays(weights)
        self._check_weights(given)
        self._put(given)

    def _put(self, given: Sequence[NDArray[Any]]) -> None:
        for view, array in zip(self._views, given, strict=True):
            view[...] = array

    def _check_weights(self, given: Sequence[NDArray[Any]]) -> None:
        if len(given) != len(self._declared):
            raise ValueError(
                f"weights: wanted {len(self._declared)} arrays for layer {self.name}, "
                f"got {len(given)}"
            )
        for weight, view, array in zip(self._declared, self._views, given, strict=True):
            where = f"weights: {weight.name} of layer {self.name}"
            if array.shape != weight.shape:
                raise ValueError(f"{where}: wanted shape {weight.shape}, got {array.shape}")
            if array.dtype.kind not in "fiub":
                raise TypeError(f"{where}: wanted numbers, got dtype {array.dtype}")
            with np.errstate(over="ignore"):
                finite = np.isfinite(array.astype(view.dtype, copy=False)).all()
            if not finite:
                raise ValueError(f"{where}: wanted finite {view.dtype}, got a number that is not")

    def _named(self, name: str) -> NDArray[Any]:
        """Return the weight of this name, as it lies in the net: writing to it changes the net."""
        self._known()
        for weight, view in zip(self._declared, self._views, strict=True):
            if weight.name == name:
                return view
        raise AttributeError(f"layer {self.name} has no {name}")


class Elementwise(Layer):
    """A layer that keeps the shape; one operation, told by `_op`."""

    def _op(self) -> Op:
        raise NotImplementedError

    def _ops(self, places: list[int]) -> list[Op]:
        del places
        return [sized(self._op(), self._known(), self._out)]


def as_arrays(weights: Sequence[ArrayLike]) -> list[NDArray[Any]]:
    """Return weights as arrays; masks would be lost."""
    if any(np.ma.isMaskedArray(weight) for weight in weights):
        raise TypeError("weights: wanted arrays without masks, got a masked array")
    return [np.asarray(weight) for weight in weights]


def sized(op: Op, before: Shape, after: Shape) -> Op:
    """Return the operation with the numbers of its inputs and outputs."""
    return {**op, "inputs": math.prod(before), "outputs": math.prod(after)}


def flat(shape: Shape, layer: str) -> int:
    """Return the number of features, or refuse rows that are no vectors."""
    if len(shape) != 1:
        raise ValueError(
            f"{layer}: wanted rows of shape (features,), got {shape}; put a Flatten() before it"
        )
    return shape[0]


def row_shape(value: object, name: str) -> Shape:
    """Return the shape of one row, without the number of rows."""
    items = (value,) if isinstance(value, (int, np.integer)) else value
    try:
        sizes = tuple(operator.index(size) for size in cast("Any", items))
    except TypeError:
        raise TypeError(f"{name}: wanted sizes of one row, such as (10,), got {value!r}") from None
    if not sizes or min(sizes) < 1:
        raise ValueError(f"{name}: wanted sizes of at least 1, such as (10,), got {value!r}")
    return sizes
