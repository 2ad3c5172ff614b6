"""Learning rates that depend on the step, under Keras's names.

A step is one update of the weights, counted from 0 over all fits of an optimiser. The rates of a
whole fit are computed before it starts.

Examples
--------
>>> import numpy as np
>>> decay = ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)
>>> float(decay(0)), float(decay(20))
(0.1, 0.025)
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie._validate import check_int, check_real
from coterie.nn._config import Configured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Steps = int | NDArray[np.int64]

__all__ = [
    "CosineDecay",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
]


class LearningRateSchedule(Configured):
    """Base of the schedules; one of your own defines `__call__(step)`."""

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step."""
        raise NotImplementedError

    def rates(self, first: int, count: int) -> NDArray[np.float64]:
        """Return the rates of `count` steps from `first` on."""
        return np.array([float(self(step)) for step in range(first, first + count)])


class _Vector(LearningRateSchedule):
    """A schedule of ours, which takes all steps at once."""

    def rates(self, first: int, count: int) -> NDArray[np.float64]:
        steps = np.arange(first, first + count)
        rates: NDArray[np.float64] = np.asarray(self(steps), dtype=np.float64)
        return rates


class _Decay(_Vector):
    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
    ) -> None:
        self.initial_learning_rate = check_real(initial_learning_rate, "initial_learning_rate")
        self.decay_steps = check_int(decay_steps, "decay_steps")
        self.decay_rate = check_real(decay_rate, "decay_rate")
        self.staircase = staircase

    def _passed(self, step: Steps) -> Any:
        passed = np.asarray(step) / self.decay_steps
        return np.floor(passed) if self.staircase else passed


class ExponentialDecay(_Decay):
    """initial_learning_rate * decay_rate^(step / decay_steps).

    Parameters
    ----------
    initial_learning_rate : float
        The rate of step 0.
    decay_steps : int
        Steps, not epochs, in which the rate decays by decay_rate.
    decay_rate : float
        The factor of decay_steps steps.
    staircase : bool, default=False
        Whether step / decay_steps is rounded down, so that the rate falls in jumps.
    """

    def __call__(self, step: Steps) -> Any:
        """Return the learning rate of a step or of an array of steps."""
        return self.initial_learning_rate * self.decay_rate ** self._passed(step)


class InverseTimeDecay(_Decay):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps).

    Parameters
    ----------
    initial_learning_rate : float
        The rate of step 0.
    decay_steps : int
        Steps, not epochs, in which the rate decays to 1 / (1 + decay_rate).
    decay_rate : float
        What decay_steps steps add to the divisor.
    staircase : bool, default=False
        Whether step / decay_steps is rounded down, so that the rate falls in jumps.
    """

    def __call__(self, step: Steps) -> Any:
        """Return the learning rate of a step or of an array of steps."""
        return self.initial_learning_rate / (1 + self.decay_rate * self._passed(step))


class PiecewiseConstantDecay(_Vector):
    """values[i] up to and with step boundaries[i], the last value after them.

    Parameters
    ----------
    boundaries : sequence of int
        Steps, ascending.
    values : sequence of float
        The rates, one more than boundaries.
    """

    def __init__(self, boundaries: Sequence[int], values: Sequence[float]) -> None:
        if len(values) != len(boundaries) + 1:
            raise ValueError(
                f"values: wanted one more than boundaries, {len(boundaries) + 1}, got {len(values)}"
            )
        if any(b <= a for a, b in itertools.pairwise(boundaries)):
            raise ValueError(f"boundaries: wanted them to increase, got {boundaries!r}")
        self.boundaries = list(boundaries)
        self.values = [check_real(value, "values") for value in values]

    def __call__(self, step: Steps) -> Any:
        """Return the learning rate of a step or of an array of steps."""
        return np.asarray(self.values)[np.searchsorted(self.boundaries, step, side="left")]


class PolynomialDecay(_Vector):
    """From initial to end in decay_steps, along (1 - step / decay_steps)^power.

    Parameters
    ----------
    initial_learning_rate : float
        The rate of step 0.
    decay_steps : int
        Steps, not epochs, after which the rate is at its end.
    end_learning_rate : float, default=0.0001
        The rate from then on.
    power : float, default=1.0
        1 is a straight line; more falls faster at first.
    cycle : bool, default=False
        Whether decay_steps is multiplied whenever it is passed, so that the rate rises again.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
    ) -> None:
        self.initial_learning_rate = check_real(initial_learning_rate, "initial_learning_rate")
        self.decay_steps = check_int(decay_steps, "decay_steps")
        self.end_learning_rate = check_real(end_learning_rate, "end_learning_rate")
        self.power = check_real(power, "power")
        self.cycle = cycle

    def __call__(self, step: Steps) -> Any:
        """Return the learning rate of a step or of an array of steps."""
        at, length = np.asarray(step, dtype=np.float64), float(self.decay_steps)
        ends = length * np.maximum(1.0, np.ceil(at / length)) if self.cycle else length
        left = 1 - np.minimum(at, ends) / ends
        span = self.initial_learning_rate - self.end_learning_rate
        return span * left**self.power + self.end_learning_rate


class CosineDecay(_Vector):
    """Half a cosine from the initial rate to alpha times it, after a linear warm-up if wanted.

    Parameters
    ----------
    initial_learning_rate : float
        The rate of step 0.
    decay_steps : int
        Steps, not epochs, of the decay, after those of the warm-up.
    alpha : float, default=0.0
        The rate at the end, as a share of that at the start of the decay.
    warmup_target : float, default=None
        The rate first rises to this, and decays from there; None: no warm-up.
    warmup_steps : int, default=0
        Steps in which it rises, if there is a target.

    References
    ----------
    I. Loshchilov, F. Hutter: SGDR: Stochastic Gradient Descent with Warm Restarts. ICLR, 2017.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate = check_real(initial_learning_rate, "initial_learning_rate")
        self.decay_steps = check_int(decay_steps, "decay_steps")
        self.alpha = check_real(alpha, "alpha")
        self.warmup_target = warmup_target
        self.warmup_steps = check_int(warmup_steps, "warmup_steps", low=0)

    def __call__(self, step: Steps) -> Any:
        """Return the learning rate of a step or of an array of steps."""
        at, start = np.asarray(step, dtype=np.float64), self.initial_learning_rate
        top = start if self.warmup_target is None else self.warmup_target
        warmup = 0 if self.warmup_target is None else self.warmup_steps
        done = np.clip((at - warmup) / self.decay_steps, 0, 1)
        decayed = top * ((1 - self.alpha) * 0.5 * (1 + np.cos(np.pi * done)) + self.alpha)
        if warmup == 0:
            return decayed
        return np.where(at < warmup, start + (top - start) * at / warmup, decayed)
