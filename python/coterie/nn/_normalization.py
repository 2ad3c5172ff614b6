"""Batch normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coterie._validate import check_bool, check_real
from coterie.nn import initializers
from coterie.nn._layer import Layer, Weight, flat, sized

if TYPE_CHECKING:
    from coterie.nn._layer import Op, Shape


class BatchNormalization(Layer):
    """A = gamma (X - mean) / sqrt(variance + epsilon) + beta, feature by feature.

    While training, mean and variance are the batch's; they also move the averages that stand for
    them afterwards: moving = momentum moving + (1 - momentum) batch. Variances are divided by n.

    Parameters
    ----------
    axis : int, default=-1
        That of the features: -1, or 1 since rows are vectors here.
    momentum : float, default=0.99
        In [0, 1].
    epsilon : float, default=1e-3
        Keeps the root away from 0.
    center, scale : bool, default=True
        Whether there is a beta, and a gamma.
    beta_initializer, gamma_initializer : str or Initializer
        'zeros' and 'ones'.
    moving_mean_initializer, moving_variance_initializer : str or Initializer
        'zeros' and 'ones'.
    name : str, default=None
        By default 'batch_normalization' and a number.

    References
    ----------
    S. Ioffe, C. Szegedy: Batch Normalization. ICML, 2015.
    """

    _shaping = ("axis", "center", "scale")

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: str | initializers.Initializer = "zeros",
        gamma_initializer: str | initializers.Initializer = "ones",
        moving_mean_initializer: str | initializers.Initializer = "zeros",
        moving_variance_initializer: str | initializers.Initializer = "ones",
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        if axis not in (-1, 1) or isinstance(axis, bool):
            raise ValueError(f"axis: wanted -1 or 1, the axis of the features, got {axis!r}")
        self.axis = int(axis)
        self.momentum = check_real(momentum, "momentum")
        if self.momentum > 1:
            raise ValueError(f"momentum: wanted a share in [0, 1], got {momentum!r}")
        self.epsilon = check_real(epsilon, "epsilon")
        self.center = check_bool(center, "center")
        self.scale = check_bool(scale, "scale")
        starts = {
            "beta_initializer": beta_initializer,
            "gamma_initializer": gamma_initializer,
            "moving_mean_initializer": moving_mean_initializer,
            "moving_variance_initializer": moving_variance_initializer,
        }
        self.beta_initializer, self.gamma_initializer, *moving = (
            initializers.get(value, what) for what, value in starts.items()
        )
        self.moving_mean_initializer, self.moving_variance_initializer = moving

    def _shape_after(self, shape: Shape) -> Shape:
        return (flat(shape, "BatchNormalization"),)

    def _weights_for(self, shape: Shape) -> list[Weight]:
        weights = [Weight("gamma", shape, self.gamma_initializer)] if self.scale else []
        weights += [Weight("beta", shape, self.beta_initializer)] if self.center else []
        return [
            *weights,
            Weight("moving_mean", shape, self.moving_mean_initializer, is_state=True),
            Weight("moving_variance", shape, self.moving_variance_initializer, is_state=True),
        ]

    def _ops(self, places: list[int]) -> list[Op]:
        at = {weight.name: place for weight, place in zip(self._declared, places, strict=True)}
        op: Op = {
            "kind": "batch_norm",
            "gamma": at.get("gamma", -1),
            "beta": at.get("beta", -1),
            "mean": at["moving_mean"],
            "variance": at["moving_variance"],
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "trainable": bool(self.trainable),
        }
        return [sized(op, self._known(), self._out)]
