"""The elbow curve: inertia against the number of clusters, and the knee in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["knee"]


def knee(n_clusters: Sequence[int], inertia: Sequence[float]) -> int | None:
    """Return the number of clusters at which more of them stop paying.

    Both axes are scaled to 0..1; the knee is the point farthest below the chord from the first
    point of the curve to the last [1]_.

    Parameters
    ----------
    n_clusters : sequence of int
        Increasing numbers.
    inertia : sequence of float
        Inertia for each.

    Returns
    -------
    int or None
        A member of `n_clusters`, the lowest on ties; None when no point lies below the chord.

    References
    ----------
    .. [1] V. Satopaa, J. Albrecht, D. Irwin, B. Raghavan, "Finding a 'Kneedle' in a Haystack:
       Detecting Knee Points in System Behavior", ICDCS Workshops, 2011.

    Examples
    --------
    >>> knee([2, 3, 4, 5], [100.0, 20.0, 15.0, 10.0])
    3
    """
    x, y = np.asarray(n_clusters, float), np.asarray(inertia, float)
    if len(x) < 3 or not np.isfinite(y).all() or y[0] <= y[-1]:
        return None
    across = (x - x[0]) / (x[-1] - x[0])
    down = (y[0] - y) / (y[0] - y[-1])
    below = down - across
    best = int(np.argmax(below))
    # Below the chord by no more than rounding is on the chord.
    return int(n_clusters[best]) if below[best] > 1e-9 else None
