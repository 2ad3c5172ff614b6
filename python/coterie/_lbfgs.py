"""L-BFGS: minimise a smooth function of many variables from its gradient.

The inverse Hessian is that of the last few steps s and changes of gradient y, applied by the
two-loop recursion; steps satisfy the strong Wolfe conditions.

References
----------
J. Nocedal, S. J. Wright: Numerical Optimization, algorithms 3.5, 3.6 and 7.5. Springer, 2006.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Function = Callable[[Vector], tuple[float, Vector]]

MEMORY = 10
FLAT = 2.220446049250313e-09  # relative decrease of an iteration below which there is nothing left
ENOUGH, CURVED = 1e-4, 0.9  # strong Wolfe: decrease, and slope left


class Minimum(NamedTuple):
    """Where it ended, and why."""

    x: Vector
    value: float
    n_iter: int
    n_calls: int
    converged: bool
    reason: str


class Point(NamedTuple):
    """A step along a direction: its length, value, slope and gradient."""

    step: float
    value: float
    slope: float
    gradient: Vector


def minimize(
    function: Function,
    x: Vector,
    *,
    max_iter: int,
    max_calls: int,
    gtol: float,
    after: Callable[[int, float], object] | None = None,
) -> Minimum:
    """Return a local minimum of `function`, which returns a value and its gradient.

    It has converged when no entry of the gradient exceeds `gtol`, or when an iteration gains less
    than a share of 2.2e-9; `after(n_iter, value)` is called after each.

    Examples
    --------
    >>> found = minimize(
    ...     lambda x: (float(((x - 3) ** 2).sum()), 2 * (x - 3)),
    ...     np.zeros(2), max_iter=10, max_calls=100, gtol=1e-8,
    ... )
    >>> found.x, found.converged
    (array([3., 3.]), True)
    """
    value, gradient = function(x)
    calls, pairs = 1, deque[tuple["Vector", "Vector"]](maxlen=MEMORY)
    for n_iter in range(max_iter):
        if np.abs(gradient).max(initial=0) <= gtol:
            return Minimum(x, value, n_iter, calls, True, "the gradient is small enough")
        with np.errstate(over="ignore"):
            direction = _direction(gradient, pairs)
            slope = float(gradient @ direction)
            if not slope < 0:  # rounding has spoilt the memory
                pairs.clear()
                direction, slope = -gradient, -float(gradient @ gradient)
        if not math.isfinite(slope):
            return Minimum(x, value, n_iter, calls, False, "the gradient is too large")
        first = 1.0 if pairs else min(1.0, 1 / float(np.abs(gradient).sum()))
        start = Point(0.0, value, slope, gradient)
        found, used = _search(function, x, direction, start, first, max_calls - calls)
        calls += used
        if found is None:
            limit = calls >= max_calls
            reason = "max_fun is reached" if limit else "no step along the gradient gains anything"
            return Minimum(x, value, n_iter, calls, not limit, reason)
        change = found.step * direction
        bend = found.gradient - gradient
        if float(change @ bend) > 1e-10 * float(bend @ bend):
            pairs.append((change, bend))
        x, gradient = x + change, found.gradient
        gain, value = value - found.value, found.value
        if after is not None:
            after(n_iter + 1, value)
        if gain <= FLAT * max(abs(value), abs(value + gain), 1.0):
            return Minimum(x, value, n_iter + 1, calls, True, "the value hardly changes")
    done = bool(np.abs(gradient).max(initial=0) <= gtol)
    return Minimum(x, value, max_iter, calls, done, "max_iter is reached")


def _direction(gradient: Vector, pairs: deque[tuple[Vector, Vector]]) -> Vector:
    """Return minus the approximate inverse Hessian times the gradient."""
    q, kept = -gradient, []
    for change, bend in reversed(pairs):
        rho = 1 / float(change @ bend)
        a = rho * float(change @ q)
        q = q - a * bend
        kept.append((a, rho, change, bend))
    if pairs:
        change, bend = pairs[-1]
        q = q * (float(change @ bend) / float(bend @ bend))
    for a, rho, change, bend in reversed(kept):
        q = q + (a - rho * float(bend @ q)) * change
    return q


def _search(
    function: Function, x: Vector, direction: Vector, start: Point, first: float, max_calls: int
) -> tuple[Point | None, int]:
    """Return a point along the direction under the strong Wolfe conditions, and calls made."""
    calls, step, low = 0, first, start
    high: Point | None = None
    best: Point | None = None
    while calls < min(max_calls, 40):
        value, gradient = function(x + step * direction)
        calls += 1
        point = Point(step, value, float(gradient @ direction), gradient)
        falls = value <= start.value + ENOUGH * step * start.slope  # False for NaN
        if falls and (best is None or value < best.value):
            best = point
        if not falls or value >= low.value:
            high = point
        elif abs(point.slope) <= -CURVED * start.slope:
            return point, calls
        elif point.slope * ((high.step if high else math.inf) - point.step) >= 0:
            high, low = low, point
        else:
            low = point
        if high is None:
            step *= 2.0 if calls > 1 else 4.0
            continue
        step = _between(low, high)
        if abs(high.step - low.step) <= 1e-14 * max(abs(high.step), abs(low.step)):
            break
    return best, calls


def _between(low: Point, high: Point) -> float:
    """Return the minimum of the cubic through both ends, kept off them; or the middle."""
    width = high.step - low.step
    middle = low.step + 0.5 * width
    if not (math.isfinite(high.value) and math.isfinite(high.slope)):
        return low.step + 0.1 * width
    a = low.slope + high.slope - 3 * (low.value - high.value) / (low.step - high.step)
    square = a * a - low.slope * high.slope
    if square < 0:
        return middle
    root = math.copysign(math.sqrt(square), width)
    divisor = high.slope - low.slope + 2 * root
    if divisor == 0:
        return middle
    step = high.step - width * (high.slope + root - a) / divisor
    margin = 0.1 * abs(width)
    ends = sorted((low.step, high.step))
    return step if ends[0] + margin <= step <= ends[1] - margin else middle
