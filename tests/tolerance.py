"""Bounds on rounding errors; every tolerance of the tests is derived here.

The model is |fl(a op b) - (a op b)| <= eps |a op b|, with eps the spacing of floats at 1 (twice the
unit roundoff, which leaves a factor of 2 for second-order terms). A sum of n terms then carries at
most n eps sum|terms|, in whatever order it is formed (Higham, Accuracy and Stability of Numerical
Algorithms, 2002, section 4.2). Two computations that both keep such a bound differ by its double.
"""

import numpy as np

EPS = np.finfo(np.float64).eps


def mean_bound(X):
    """Bound on a difference between two weighted means of rows of X, in each feature.

    n roundings in each of the two sums, one in the division, in float64; one more when the result
    is stored in the dtype of X.
    """
    X = np.asarray(X)
    stored = np.finfo(X.dtype).eps if X.dtype.kind == "f" else EPS
    return 2 * ((2 * len(X) + 1) * EPS + stored) * np.abs(X).max(initial=0.0)


def inertia_bound(X, weight=1.0):
    """Bound on a difference between two inertias of X, both with centres in its hull.

    A squared distance is at most 4 max|x|^2 and takes one rounding for each difference and square
    and d for their sum. A centre that is off by mean_bound moves it by twice that times the
    distance, at most 2 max|x|, in norm. The sum over rows takes n more roundings.
    """
    centre = mean_bound(X)  # in the dtype of X, as centres are stored
    X = np.asarray(X, dtype=np.float64)
    n, d = X.shape
    norm = np.sqrt((X**2).sum(axis=1).max(initial=0.0))
    one = 2 * (n + d + 3) * EPS * 4 * norm**2
    return n * np.max(weight) * (one + 2 * np.sqrt(d) * centre * 2 * norm)


def distance_bound(distances, d, dtype):
    """Bound on a difference between two Euclidean distances formed from differences.

    One rounding for each difference, one for its square, d for the sum, one for the root.
    """
    return 2 * (d + 3) * np.finfo(dtype).eps * np.asarray(distances, dtype=np.float64)


def product_bound(x, y, dtype):
    """Bound on a difference between x y formed in `dtype` and in float64.

    A sum of d products takes d roundings of products and d - 1 of sums, in any order and with any
    blocking of the depth; the last stores the result.
    """
    x, y = np.abs(np.asarray(x, dtype=np.float64)), np.abs(np.asarray(y, dtype=np.float64))
    d = x.shape[1]
    return ((2 * d + 1) * np.finfo(dtype).eps + 2 * d * EPS) * (x @ y)


def moments_bound(X):
    """Bounds on differences between two means and two variances, each formed about a point.

    The point lies amid the rows, so differences from it are at most the range R of the column. A
    mean takes n roundings of terms up to R in its sum and in the weights', two more to multiply
    and divide, and one when the point is added back. The variance is a mean of squares, each of
    three roundings, less the square of a mean that is off by as much as said.
    """
    X = np.asarray(X, dtype=np.float64)
    n, span = len(X), np.ptp(X, axis=0)
    mean = 2 * ((2 * n + 2) * EPS * span + EPS * np.abs(X).max(axis=0))
    return mean, 2 * (2 * n + 8) * EPS * span**2 + 2 * (2 * n + 2) * EPS * span**2


def assert_within(actual, wanted, bound):
    """Compare element by element with a bound from this file."""
    actual, wanted = np.asarray(actual, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    assert actual.shape == wanted.shape
    excess = np.abs(actual - wanted) - bound
    assert (excess <= 0).all(), f"off by up to {np.max(excess)} more than the bound"
