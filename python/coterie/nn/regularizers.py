"""Penalties on weights and activations, under Keras's names.

L1 adds l1 * sum |w|, L2 adds l2 * sum w^2, neither divided by the number of rows. On activations
the sum is divided by the rows of the batch.

Examples
--------
>>> L2(0.001)
L2(l2=0.001)
>>> get("l1_l2")
L1L2()
"""

from __future__ import annotations

from coterie._validate import check_real
from coterie.nn._config import Watched, lookup

__all__ = ["L1", "L1L2", "L2", "Regularizer", "get", "l1", "l1_l2", "l2"]


class Regularizer(Watched):
    """Base of the penalties: `l1` and `l2` are their weights."""

    _in_core = ("__call__",)

    l1: float = 0.0
    l2: float = 0.0


class L1(Regularizer):
    """l1 * sum |w|."""

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = check_real(l1, "l1")


class L2(Regularizer):
    """l2 * sum w^2, whose gradient is 2 l2 w."""

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = check_real(l2, "l2")


class L1L2(Regularizer):
    """l1 * sum |w| + l2 * sum w^2."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = check_real(l1, "l1")
        self.l2 = check_real(l2, "l2")


l1, l2, l1_l2 = L1, L2, L1L2

NAMES: dict[str, type[Regularizer]] = {
    "l1": L1,
    "l2": L2,
    "l1_l2": L1L2,
    "L1": L1,
    "L2": L2,
    "L1L2": L1L2,
}


def get(value: object, what: str = "regularizer") -> Regularizer | None:
    """Return the penalty that `value` is or names, or None for None.

    Parameters
    ----------
    value : None, str or Regularizer
        'l1', 'l2', 'l1_l2' or an object.
    what : str, default='regularizer'
        What a message calls it.

    Returns
    -------
    Regularizer or None
        The object.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    return None if value is None else lookup(value, Regularizer, NAMES, what, optional=True)
