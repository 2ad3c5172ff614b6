"""The gradient against central differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coterie import _core
from coterie._validate import F64
from coterie.nn import _training

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from coterie.nn._data import Part
    from coterie.nn.sequential import Sequential

STEP = 1e-6
EVERY = 5000  # up to here every weight has its turn, beyond random directions
DIRECTIONS = 100
ATOL, RTOL = 1e-8, 1e-6  # of a smooth net; the loss is known to 1e-16, its difference to 1e-10


class GradientCheck(NamedTuple):
    """What came of a comparison.

    Attributes
    ----------
    passed : bool
        Whether every difference is within rounding.
    max_error : float
        The largest difference, divided by max(1, |derivative|).
    n_checked : int
        Numbers of derivatives compared: every weight, or random directions for many weights.
    n_kinks : int
        How many of them were left out, since a kink (of relu, of |x|) lies within the step.
    """

    passed: bool
    max_error: float
    n_checked: int
    n_kinks: int


def check_gradients(
    model: Sequential, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
) -> GradientCheck:
    """Return the comparison; see `Sequential.check_gradients`."""
    with _training.traceless(model):
        # Whatever the dtype of the net: differences of a float32 loss would be noise.
        part = _training.training_part(model, x, y, sample_weight, dtype=F64)
        return _compared(model, part)


def _compared(model: Sequential, part: Part) -> GradientCheck:
    net = model._net_or_raise()
    start: NDArray[np.float64] = net.theta.astype(np.float64)
    settings = {"seed": model._seed, "n_threads": 1, "initial_epoch": model._epochs_seen}
    loss = model.loss._spec()
    core, state = net.for_training(), net.state.astype(np.float64)

    def value(theta: NDArray[np.float64], out: NDArray[np.float64]) -> float:
        return float(_core.nn_gradient(core, theta, state.copy(), *part, loss, out, settings))

    gradient, waste = np.empty_like(start), np.empty_like(start)
    here = value(start, gradient)
    n_all = start.size
    random = np.random.default_rng(0)
    trained = _trained(model)
    worst, kinks, failed = 0.0, 0, 0
    turns: Any = np.flatnonzero(trained) if n_all <= EVERY else range(DIRECTIONS)
    for turn in turns:
        direction = np.zeros(n_all)
        if n_all <= EVERY:
            direction[turn] = 1
        else:
            direction[trained] = random.normal(size=int(trained.sum())) / np.sqrt(n_all)
        wanted = float(direction @ gradient)
        up = value(start + STEP * direction, waste)
        down = value(start - STEP * direction, waste)
        error = abs((up - down) / (2 * STEP) - wanted)
        within = ATOL * max(1.0, abs(here)) + RTOL * abs(wanted)
        # A kink within the step shows in the second difference, and accounts for this much at most.
        kink = abs(up - 2 * here + down) / (2 * STEP)
        if error <= within:
            worst = max(worst, error / max(1.0, abs(wanted)))
        elif error <= 1.01 * kink + within:
            kinks += 1
        else:
            failed += 1
            worst = max(worst, error / max(1.0, abs(wanted)))
    return GradientCheck(failed == 0, worst, len(turns), kinks)


def _trained(model: Sequential) -> NDArray[np.bool_]:
    """Return which entries of theta a step would change."""
    net = model._net_or_raise()
    mask = np.zeros(net.theta.size, dtype=bool)
    for layer, places in zip(net.layers, net.places, strict=True):
        for weight, at in zip(layer._declared, places, strict=True):
            if layer.trainable and not weight.is_state:
                mask[at : at + weight.size] = True
    return mask
