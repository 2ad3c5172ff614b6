"""Layers that apply a function to every value, and the names of the functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coterie._validate import check_real
from coterie.nn._layer import Elementwise, flat

if TYPE_CHECKING:
    from coterie.nn._layer import Op, Shape

ACTIVATIONS = (
    "linear",
    "step",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "gelu_tanh",
    "sigmoid",
    "tanh",
    "softplus",
    "softmax",
)
SLOPES = {"leaky_relu": 0.2, "elu": 1.0}  # what Keras takes where only the name is given


class Activation(Elementwise):
    """A = activation(X).

    Parameters
    ----------
    activation : str
        One of those of `Dense`.
    name : str, default=None
        By default 'activation' and a number.
    """

    def __init__(self, activation: str, name: str | None = None) -> None:
        super().__init__(name)
        self.activation = activation_name(activation)

    def _shape_after(self, shape: Shape) -> Shape:
        if self.activation == "softmax":
            flat(shape, "softmax")
        return shape

    def _op(self) -> Op:
        alpha = SLOPES.get(self.activation, 0.0)
        return {"kind": "activation", "activation": self.activation, "alpha": alpha}


class LeakyReLU(Elementwise):
    """A = X where it is above 0, else negative_slope X.

    Parameters
    ----------
    negative_slope : float, default=0.3
        0.3 as Keras's layer has it; `activation="leaky_relu"` stands for 0.2.
    name : str, default=None
        By default 'leaky_re_lu' and a number.
    """

    def __init__(self, negative_slope: float = 0.3, name: str | None = None) -> None:
        super().__init__(name)
        self.negative_slope = check_real(negative_slope, "negative_slope")

    def _op(self) -> Op:
        return {"kind": "activation", "activation": "leaky_relu", "alpha": self.negative_slope}


class ELU(Elementwise):
    """A = X where it is above 0, else alpha (e^X - 1).

    Parameters
    ----------
    alpha : float, default=1.0
        The negative limit.
    name : str, default=None
        By default 'elu' and a number.
    """

    def __init__(self, alpha: float = 1.0, name: str | None = None) -> None:
        super().__init__(name)
        self.alpha = check_real(alpha, "alpha")

    def _op(self) -> Op:
        return {"kind": "activation", "activation": "elu", "alpha": self.alpha}


def activation_name(value: object) -> str:
    """Return the name of an activation that there is; None is 'linear'."""
    name = "linear" if value is None else value
    if not isinstance(name, str) or name not in ACTIVATIONS:
        wanted = ", ".join(map(repr, ACTIVATIONS))
        error = ValueError if isinstance(name, str) else TypeError
        raise error(f"activation: wanted one of {wanted} or None, got {value!r}")
    return name
