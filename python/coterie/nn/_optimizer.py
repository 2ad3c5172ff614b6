"""What all optimisers share: the rate, clipping, whose weights they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from coterie import _core
from coterie._validate import check_real
from coterie.nn._config import Configured
from coterie.nn.schedules import LearningRateSchedule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie.nn._identity import Identity


class Optimizer(Configured):
    """What all optimisers share.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        The rate, or its rule.
    weight_decay : float, default=None
        Every step also takes learning_rate * weight_decay * w off each weight.
    clipnorm : float, default=None
        The gradient of one kernel or bias is scaled down to this norm.
    clipvalue : float, default=None
        Each entry of the gradient is clipped to +-clipvalue.
    global_clipnorm : float, default=None
        The whole gradient is scaled down to this norm.

    Attributes
    ----------
    iterations : int
        Steps taken so far, over all fits.
    """

    _in_core = ("apply", "apply_gradients", "build", "update_step")
    _name: ClassVar[str]

    iterations: int

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.01,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        self._rate = np.zeros(1)  # the core reads a constant rate from here at every step
        self.learning_rate = learning_rate
        self.weight_decay = _positive(weight_decay, "weight_decay", zero=True)
        self.clipnorm = _positive(clipnorm, "clipnorm")
        self.clipvalue = _positive(clipvalue, "clipvalue")
        self.global_clipnorm = _positive(global_clipnorm, "global_clipnorm")
        self._check_clipping()
        self._owner: Identity | None = None  # whose weights the slots belong to
        self._forget()

    @property
    def learning_rate(self) -> float | LearningRateSchedule:
        """The rate, or its rule; a number may be set at any time, in a callback too.

        During a fit there is no way from a rule to a number, or back: TypeError.
        """
        return self._schedule or float(self._rate[0])

    @learning_rate.setter
    def learning_rate(self, value: float | LearningRateSchedule) -> None:
        if self._in_use and (self._schedule is not None or isinstance(value, LearningRateSchedule)):
            raise TypeError(
                f"learning_rate: wanted none but {self.learning_rate!r} during a fit, got {value!r}"
                "; a callback may set a number where it is a number"
            )
        if isinstance(value, LearningRateSchedule):
            self._schedule: LearningRateSchedule | None = value
            return
        self._rate[0] = check_real(value, "learning_rate")
        self._schedule = None

    @property
    def _in_use(self) -> bool:
        """Whether a fit runs."""
        owner = vars(self).get("_owner")
        return owner is not None and owner.in_use

    def _check_clipping(self) -> None:
        limits = [n for n in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, n)]
        if len(limits) > 1:
            raise ValueError(f"{limits[0]}: wanted one kind of clipping, got {limits[1]} too")

    def _options(self) -> dict[str, float | bool]:
        """Return what the core has to know beside the rate and the clipping."""
        return {}

    def _first_slots(self, n_slots: int, like: NDArray[Any]) -> NDArray[Any]:
        return _core.nn_values(n_slots * like.size, 0.0, like.dtype)

    def _spec(self, steps: int) -> dict[str, Any]:
        """Return the core's description of this rule for the next `steps` steps."""
        self._check_clipping()  # limits may have been set since
        if self._schedule is None:
            rates = self._rate
        else:
            rates = self._schedule.rates(self.iterations, max(steps, 1))
            if not (np.isfinite(rates) & (rates >= 0)).all():
                bad = int(np.flatnonzero(~(np.isfinite(rates) & (rates >= 0)))[0])
                raise ValueError(
                    f"learning_rate: wanted finite rates >= 0, got {rates[bad]} at step "
                    f"{self.iterations + bad}"
                )
        return {
            "name": self._name,
            "learning_rates": rates,
            "iterations": self.iterations,
            "weight_decay": self.weight_decay or 0.0,
            "clipnorm": self.clipnorm or 0.0,
            "clipvalue": self.clipvalue or 0.0,
            "global_clipnorm": self.global_clipnorm or 0.0,
            **self._options(),
        }

    def _forget(self) -> None:
        """Begin again, as if it had taken no step."""
        self.iterations = 0
        self._slots: NDArray[Any] | None = None

    def _belong(self, owner: Identity) -> None:
        """Serve the weights of one net, once and for all."""
        if self._owner is not None and self._owner is not owner:
            raise ValueError(
                "optimizer: wanted one for this net alone, got one that trains another net; make a "
                "new one"
            )
        self._owner = owner

    def _state_for(self, theta: NDArray[Any]) -> NDArray[Any]:
        """Return the slots of these weights: those of the last fit, or fresh ones."""
        n_slots = _core.nn_slots(self._spec(0))
        if self._slots is None or self._slots.size != n_slots * theta.size:
            self._slots = self._first_slots(n_slots, theta)
        elif self._slots.dtype != theta.dtype:
            self._slots = self._slots.astype(theta.dtype)
        return self._slots


def _positive(value: float | None, name: str, zero: bool = False) -> float | None:
    if value is None:
        return None
    number = check_real(value, name)
    if number == 0 and not zero:
        raise ValueError(f"{name}: wanted a number above 0 or None, got {value!r}")
    return number
