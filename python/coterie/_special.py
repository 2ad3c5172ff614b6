"""The two special functions that variational updates need, for small arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Coefficients of the asymptotic series: Bernoulli numbers B_2m / 2m (Abramowitz & Stegun 6.3.18).
BERNOULLI = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)


def digamma(x: ArrayLike) -> NDArray[np.float64]:
    """Return the derivative of ln Gamma at x > 0, to a few ulp.

    Recurrence psi(x) = psi(x + 1) - 1/x up to 10, then the asymptotic series.

    >>> round(float(digamma(1.0)), 12)
    -0.577215664902
    """
    at = np.array(x, dtype=np.float64)
    shift = np.zeros_like(at)
    while (small := at < 10).any():
        shift -= np.where(small, 1 / at, 0)
        at = np.where(small, at + 1, at)
    square, series = (1 / at) ** 2, np.zeros_like(at)
    for coefficient in reversed(BERNOULLI):
        series = (series + coefficient) * square
    result: NDArray[np.float64] = shift + np.log(at) - 0.5 / at - series
    return result


def gammaln(x: ArrayLike) -> NDArray[np.float64]:
    """Return ln Gamma at x > 0.

    >>> round(float(gammaln(5.0)), 12) == round(math.log(24), 12)
    True
    """
    at = np.asarray(x, dtype=np.float64)
    return np.array([math.lgamma(v) for v in at.ravel()]).reshape(at.shape)
