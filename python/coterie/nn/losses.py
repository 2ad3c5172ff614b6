"""What a net is trained to lower, under Keras's names, and the metrics reported beside it.

y is the target, p the prediction of a row, m the number of outputs; the loss of a batch is the mean
over its rows, weighted by `sample_weight` if there is one.

Examples
--------
>>> get("mse")
MeanSquaredError()
>>> BinaryCrossentropy(from_logits=True)
BinaryCrossentropy(from_logits=True)
"""

from __future__ import annotations

from typing import Any, ClassVar

from coterie._validate import check_bool, check_real
from coterie.nn._config import Configured, lookup

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "HalfSquaredError",
    "Huber",
    "KLDivergence",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "get",
]

REDUCTIONS = ("sum_over_batch_size", "sum")


class Loss(Configured):
    """Base of the losses.

    Parameters
    ----------
    reduction : {'sum_over_batch_size', 'sum'}, default='sum_over_batch_size'
        Whether the sum over the rows is divided by their number. With 'sum', `fit` reports the mean
        of the sums of its batches as 'loss', `evaluate` and validation the sum over all rows.
    """

    _in_core = ("call", "__call__")
    _name: ClassVar[str]
    from_logits: bool = False

    def __init__(self, reduction: str = "sum_over_batch_size") -> None:
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction: wanted 'sum_over_batch_size' or 'sum', got {reduction!r}")
        self.reduction = reduction

    @property
    def name(self) -> str:
        """Keras's name in lower case."""
        return self._name

    def _spec(self) -> dict[str, Any]:
        """Return the core's description."""
        return {
            "name": self._name,
            "from_logits": self.from_logits,
            "delta": float(getattr(self, "delta", 1.0)),
            "reduction": "sum" if self.reduction == "sum" else "mean",
            "label_smoothing": float(getattr(self, "label_smoothing", 0.0)),
            "weighted_mean": False,
            "scale": 1.0,
            "penalty_mean": False,
        }


class MeanSquaredError(Loss):
    """sum (p - y)^2 / m."""

    _name = "mse"


class HalfSquaredError(Loss):
    """sum (p - y)^2 / 2, whose gradient is p - y; not in Keras."""

    _name = "half_squared"


class MeanAbsoluteError(Loss):
    """sum |p - y| / m."""

    _name = "mae"


class Huber(Loss):
    """Mean over the outputs of e^2 / 2, or delta |e| - delta^2 / 2 beyond |e| = delta.

    Parameters
    ----------
    delta : float, default=1.0
        Where the square ends.
    reduction : {'sum_over_batch_size', 'sum'}, default='sum_over_batch_size'
        Whether the sum over the rows is divided by their number.
    """

    _name = "huber"

    def __init__(self, delta: float = 1.0, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.delta = check_real(delta, "delta")
        if self.delta == 0:
            raise ValueError("delta: wanted a number above 0, got 0")


class _Crossentropy(Loss):
    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__(reduction)
        self.from_logits = check_bool(from_logits, "from_logits")
        self.label_smoothing = check_real(label_smoothing, "label_smoothing")
        if self.label_smoothing > 1:
            raise ValueError(f"label_smoothing: wanted a share in [0, 1], got {label_smoothing!r}")


class BinaryCrossentropy(_Crossentropy):
    """-mean [y log p + (1 - y) log(1 - p)], for targets in [0, 1].

    Behind a sigmoid it is computed from what went into the sigmoid, and is exact for any size of
    it; of other outputs, p is clipped to [1e-7, 1 - 1e-7].

    Parameters
    ----------
    from_logits : bool, default=False
        Whether outputs are log odds instead of probabilities.
    label_smoothing : float, default=0.0
        Moves targets towards 1/2 by this share.
    reduction : {'sum_over_batch_size', 'sum'}, default='sum_over_batch_size'
        Whether the sum over the rows is divided by their number.
    """

    _name = "binary_crossentropy"


class CategoricalCrossentropy(_Crossentropy):
    """-sum y log p, for targets that are one-hot rows or probabilities.

    Behind a softmax it is computed from what went into the softmax; other outputs are divided by
    their sum and clipped to [1e-7, 1 - 1e-7].

    Parameters
    ----------
    from_logits : bool, default=False
        Whether outputs go through a softmax first.
    label_smoothing : float, default=0.0
        Moves targets towards 1 / m by this share.
    reduction : {'sum_over_batch_size', 'sum'}, default='sum_over_batch_size'
        Whether the sum over the rows is divided by their number.
    """

    _name = "categorical_crossentropy"


class SparseCategoricalCrossentropy(Loss):
    """-log p[y], for targets that are numbers of classes, 0 to m - 1.

    Outputs that come from no softmax are divided by their sum and clipped to [1e-7, 1 - 1e-7].

    Parameters
    ----------
    from_logits : bool, default=False
        Whether outputs go through a softmax first.
    reduction : {'sum_over_batch_size', 'sum'}, default='sum_over_batch_size'
        Whether the sum over the rows is divided by their number.
    """

    _name = "sparse_categorical_crossentropy"

    def __init__(self, from_logits: bool = False, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.from_logits = check_bool(from_logits, "from_logits")


class KLDivergence(Loss):
    """sum y log(y / p), both clipped to [1e-7, 1]."""

    _name = "kl_divergence"


NAMES: dict[str, type[Loss]] = {
    "mse": MeanSquaredError,
    "mean_squared_error": MeanSquaredError,
    "half_squared": HalfSquaredError,
    "half_squared_error": HalfSquaredError,
    "mae": MeanAbsoluteError,
    "mean_absolute_error": MeanAbsoluteError,
    "huber": Huber,
    "binary_crossentropy": BinaryCrossentropy,
    "bce": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "kl_divergence": KLDivergence,
    "kld": KLDivergence,
    "kl": KLDivergence,
}

METRICS = {
    "mse": "mse",
    "mean_squared_error": "mse",
    "mae": "mae",
    "mean_absolute_error": "mae",
    "binary_accuracy": "binary_accuracy",
    "categorical_accuracy": "categorical_accuracy",
    "sparse_categorical_accuracy": "sparse_categorical_accuracy",
}


def get(value: object) -> Loss:
    """Return the loss that `value` is or names.

    Parameters
    ----------
    value : str or Loss
        A name in any case, such as 'binary_crossentropy', or an object.

    Returns
    -------
    Loss
        The object.

    Raises
    ------
    ValueError
        If there is none of that name; the message lists them.
    """
    return lookup(value.lower() if isinstance(value, str) else value, Loss, NAMES, "loss")


def core_metric(name: object, loss: Loss, n_outputs: int) -> str:
    """Return what the core calls a metric; 'accuracy' depends on loss and outputs.

    It is binary for one output and under binary cross-entropy, otherwise the share of rows whose
    largest output is the wanted one.
    """
    sparse = isinstance(loss, SparseCategoricalCrossentropy)
    wanted = name.lower() if isinstance(name, str) else name
    if wanted in ("accuracy", "acc"):
        if sparse:
            return "sparse_categorical_accuracy"
        binary = n_outputs == 1 or isinstance(loss, BinaryCrossentropy)
        return "binary_accuracy" if binary else "categorical_accuracy"
    if not isinstance(wanted, str) or wanted not in METRICS:
        known = ", ".join(map(repr, ["accuracy", *METRICS]))
        raise ValueError(f"metrics: wanted names among {known}, got {name!r}")
    if sparse != (METRICS[wanted] == "sparse_categorical_accuracy"):
        raise ValueError(f"metrics: {name!r} does not go with the targets of loss {loss.name!r}")
    return METRICS[wanted]
