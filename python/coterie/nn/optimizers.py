"""Rules that change the weights by the gradient, under Keras's names and in Keras's forms.

g is the gradient, w a weight, t the step counted from 1, eta the learning rate.

Examples
--------
>>> Adam(learning_rate=0.01)
Adam(learning_rate=0.01)
>>> get("sgd").learning_rate
0.01
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coterie import _core
from coterie._validate import check_bool, check_real
from coterie.nn._config import lookup
from coterie.nn._optimizer import Optimizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie.nn.schedules import LearningRateSchedule

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "get"]


class SGD(Optimizer):
    """Gradient descent: w -= eta g.

    With momentum, v = momentum v - eta g and w += v; with nesterov, w += momentum v - eta g.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default=0.01
        The rate, or its rule.
    momentum : float, default=0.0
        Share of the last change that is kept, in [0, 1].
    nesterov : bool, default=False
        Whether to look ahead.
    weight_decay, clipnorm, clipvalue, global_clipnorm : float, default=None
        As in every optimiser, see `Optimizer`.
    """

    _name = "sgd"

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.momentum = _share(momentum, "momentum", closed=True)
        self.nesterov = check_bool(nesterov, "nesterov")

    def _options(self) -> dict[str, float | bool]:
        return {"momentum": self.momentum, "nesterov": self.nesterov}


class Adagrad(Optimizer):
    """s += g^2; w -= eta g / sqrt(s + epsilon), from s = initial_accumulator_value.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default=0.001
        The rate, or its rule.
    initial_accumulator_value : float, default=0.1
        Where s starts.
    epsilon : float, default=1e-7
        Keeps the root away from 0.
    weight_decay, clipnorm, clipvalue, global_clipnorm : float, default=None
        As in every optimiser, see `Optimizer`.

    References
    ----------
    J. Duchi, E. Hazan, Y. Singer: Adaptive Subgradient Methods. JMLR 12, 2011.
    """

    _name = "adagrad"

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.initial_accumulator_value = check_real(
            initial_accumulator_value, "initial_accumulator_value"
        )
        self.epsilon = check_real(epsilon, "epsilon")

    def _options(self) -> dict[str, float | bool]:
        return {"epsilon": self.epsilon}

    def _first_slots(self, n_slots: int, like: NDArray[Any]) -> NDArray[Any]:
        value = self.initial_accumulator_value
        return _core.nn_values(n_slots * like.size, value, like.dtype)


class RMSprop(Optimizer):
    """s = rho s + (1 - rho) g^2; w -= eta g / sqrt(s + epsilon).

    With momentum, v = momentum v + eta g / sqrt(s + epsilon) and w -= v.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default=0.001
        The rate, or its rule.
    rho : float, default=0.9
        How much of s is kept, in [0, 1).
    momentum : float, default=0.0
        Share of the last change that is kept, in [0, 1].
    epsilon : float, default=1e-7
        Keeps the root away from 0.
    weight_decay, clipnorm, clipvalue, global_clipnorm : float, default=None
        As in every optimiser, see `Optimizer`.

    References
    ----------
    G. Hinton: Neural Networks for Machine Learning, lecture 6, 2012.
    """

    _name = "rmsprop"

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.rho = _share(rho, "rho")
        self.momentum = _share(momentum, "momentum", closed=True)
        self.epsilon = check_real(epsilon, "epsilon")

    def _options(self) -> dict[str, float | bool]:
        return {"rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon}


class Adam(Optimizer):
    """Adam: steps from running means of the gradient and of its square.

    m = beta_1 m + (1 - beta_1) g; s = beta_2 s + (1 - beta_2) g^2;
    w -= eta sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(s) + epsilon).

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default=0.001
        The rate, or its rule.
    beta_1, beta_2 : float, default=0.9 and 0.999
        How much of m and of s is kept, in [0, 1).
    epsilon : float, default=1e-7
        Keeps the divisor away from 0. It stands where Keras has it, PyTorch's is
        epsilon / sqrt(1 - beta_2^t) of this.
    weight_decay, clipnorm, clipvalue, global_clipnorm : float, default=None
        As in every optimiser, see `Optimizer`.

    References
    ----------
    D. P. Kingma, J. Ba: Adam: A Method for Stochastic Optimization. ICLR, 2015.
    """

    _name = "adam"

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.beta_1 = _share(beta_1, "beta_1")
        self.beta_2 = _share(beta_2, "beta_2")
        self.epsilon = check_real(epsilon, "epsilon")

    def _options(self) -> dict[str, float | bool]:
        return {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


class AdamW(Adam):
    """Adam after every weight was multiplied by 1 - eta weight_decay.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default=0.001
        The rate, or its rule.
    weight_decay : float, default=0.004
        How strongly weights shrink.
    beta_1, beta_2, epsilon : float, default=0.9, 0.999 and 1e-7
        As in `Adam`.
    clipnorm, clipvalue, global_clipnorm : float, default=None
        As in every optimiser, see `Optimizer`.

    References
    ----------
    I. Loshchilov, F. Hutter: Decoupled Weight Decay Regularization. ICLR, 2019.
    """

    _name = "adamw"

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        weight_decay: float | None = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
        )


NAMES: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
}


def get(value: object) -> Optimizer:
    """Return the optimiser that `value` is or names.

    Parameters
    ----------
    value : str or Optimizer
        A name in any case, such as 'adam', or an object.

    Returns
    -------
    Optimizer
        The object.

    Raises
    ------
    ValueError
        If there is none of that name; the message lists them.
    """
    named = value.lower() if isinstance(value, str) else value
    return lookup(named, Optimizer, NAMES, "optimizer")


def _share(value: float, name: str, closed: bool = False) -> float:
    number = check_real(value, name)
    if number > 1 or (number == 1 and not closed):
        raise ValueError(f"{name}: wanted a number in [0, 1{']' if closed else ')'}, got {value!r}")
    return number
