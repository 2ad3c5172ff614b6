"""Types of the compiled core: networks. `_core` takes them from here; there is no such module."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from coterie._core import Floats, Weights

Targets: TypeAlias = Floats | NDArray[np.int64]

class NnNet:
    """A net of ops: dicts of `kind`, `inputs`, `outputs` and what the kind asks for."""

    def __init__(self, ops: list[dict[str, Any]]) -> None: ...
    @property
    def inputs(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def n_theta(self) -> int: ...
    @property
    def n_state(self) -> int: ...

def nn_slots(optimizer: dict[str, Any]) -> int: ...
def nn_values(size: int, value: float, dtype: np.dtype[Any]) -> NDArray[Any]: ...
def nn_forward(
    net: NnNet, theta: Floats, state: Floats, X: Floats, out: Floats, n_threads: int
) -> None: ...
def nn_evaluate(
    net: NnNet,
    theta: Floats,
    state: Floats,
    X: Floats,
    Y: Targets,
    sample_weight: Weights,
    loss: dict[str, Any],
    metrics: list[str],
    n_threads: int,
) -> NDArray[np.float64]: ...
def nn_gradient(
    net: NnNet,
    theta: Floats,
    state: Floats,
    X: Floats,
    Y: Targets,
    sample_weight: Weights,
    loss: dict[str, Any],
    out: Floats | None,
    settings: dict[str, Any],
) -> float: ...
def nn_fit(
    net: NnNet,
    theta: Floats,
    state: Floats,
    slots: Floats,
    X: Floats,
    Y: Targets,
    sample_weight: Weights,
    validation: tuple[Floats, Targets, Weights] | None,
    loss: dict[str, Any],
    metrics: list[str],
    optimizer: dict[str, Any],
    settings: dict[str, Any],
    history: NDArray[np.float64],
    callback: Callable[[int, NDArray[np.float64]], bool | None] | None,
    /,
) -> dict[str, Any]: ...
def nn_fit_many(
    fits: list[tuple[Any, ...]], names: list[str], n_threads: int
) -> list[dict[str, Any]]: ...
def dense_forward(
    X: Floats,
    W: Floats,
    b: Floats | None,
    activation: str,
    alpha: float,
    Z: Floats,
    A: Floats,
    n_threads: int,
) -> None: ...
def dense_backward(
    dA: Floats,
    X: Floats,
    W: Floats,
    Z: Floats,
    A: Floats,
    activation: str,
    alpha: float,
    dX: Floats | None,
    dW: Floats,
    db: Floats | None,
    n_threads: int,
) -> None: ...
