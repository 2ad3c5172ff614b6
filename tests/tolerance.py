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


def logit_bound(X, means, T, constants, shift, dtype):
    """Bound on a difference between two constants + ln N(x; mean, (T^T T)^-1), each (n, k).

    Rows and means are rounded less `shift`, so a feature of their difference is off by eps a, with
    a = |x - shift| + |mean - shift|. T z takes d + 1 roundings more and one in T, hence its entries
    are off by (d + 4) eps reach, reach = |T| a; the sum of their squares by (2 d + 8) eps sum
    reach^2, and d more for the sum. Four are for exp, log and what is added; the largest constant
    is set aside, so that of the others only their distance to it is rounded in `dtype`. A constant
    itself is a sum of d + 3 float64 terms.
    """
    eps, d = np.finfo(dtype).eps, X.shape[1]
    reach = np.einsum("cij,ncj->nci", np.abs(T), amplitude(X, means, shift))
    relative = (3 * d + 8) * (reach**2).sum(axis=2) + 4 * (1 + constants.max() - constants)
    return 2 * (eps * relative + (d + 4) * EPS * (1 + np.abs(constants)))


def amplitude(X, means, shift):
    """What a difference x - mean is made of, (n, k, d)."""
    return np.abs(X - shift)[:, None] + np.abs(means - shift)


def responsibility_bound(r, logit, dtype):
    """Bound on a difference between two responsibilities, of logits that differ by up to `logit`.

    r' = r e^b / sum r e^b is at most r e^(b + sum r b), by Jensen's inequality. Eight roundings are
    for exp, its sum and the division; below eps / 256 times a component's weight they may be zero,
    and nothing is promised where logits are off by 1 or more.
    """
    both = logit + (r * logit).sum(axis=1, keepdims=True)
    off = np.expm1(np.minimum(both, 1)) + 8 * np.finfo(dtype).eps
    cut = np.finfo(dtype).eps / 256
    return np.where(both < 1, r * off + cut, 1)


def sums_bound(X, w, r, off, means, shift, dtype):
    """Bounds on differences between sums of rho, rho z and rho z z^T, with rho = w r, z = x - mean.

    Sums run over up to 512 rows in `dtype`, the rest in float64; rho is off by `off` w and rounded
    once more, z is off by eps amplitude, and products and square roots of rho take three roundings.
    """
    eps, n, a = np.finfo(dtype).eps, len(X), amplitude(X, means, shift)
    q = w[:, None] * (off + r * ((min(n, 512) + 8) * eps + 2 * n * EPS))
    first = np.einsum("nc,ncf->cf", q, a)
    return 2 * q.sum(axis=0), 2 * first, 2 * np.einsum("nc,nci,ncj->cij", q, a, a, optimize=True)


def m_step_bounds(X, w, r, off, centers, means, shift, kind, dtype):
    """Bounds on differences between two weights, means and covariances after an M-step.

    centers, means: before and after it, delta = means - centers. n is off by dn and by the 2e-15
    mean weights that keep it from zero, the mean by (d s1 + |delta| dn) / n, the covariance by
    (d s2 + |s2| dn) / n and twice |delta| times the error of the mean. 'tied' takes the sum about
    the mean of all rows less that of the means, or sums within components; its centers may be
    that mean.
    """
    rho = w[:, None] * r
    n = rho.sum(axis=0)
    dn, first, second = sums_bound(X, w, r, off, centers, shift, dtype)
    delta = np.abs(means - centers)
    if kind == "tied":
        every = np.broadcast_to(shift, centers.shape)
        first = np.maximum(first, sums_bound(X, w, r, off, every, shift, dtype)[1])
        delta = np.maximum(delta, np.abs(means - every))
    dn = dn + 10 * EPS * w.mean()
    mean = (first + delta * dn[:, None]) / n[:, None] + 8 * EPS * np.abs(X).max()
    if kind == "tied":
        one, out = np.ones((len(X), 1)), np.abs(means - shift)
        third = sums_bound(X, w, one, 0 * one, shift[None], shift, dtype)[2][0]
        between = np.einsum("c,ci,cj->ij", n, out, mean)
        covariance = third + between + between.T + np.einsum("c,ci,cj->ij", dn, out, out)
        inner = np.einsum("c,ci,cj->ij", n, delta, mean)
        inner = inner + inner.T + np.einsum("c,ci,cj->ij", dn, delta, delta)
        covariance = covariance + second.sum(axis=0) + inner
        return dn / n.sum() + 4 * EPS, mean, covariance / n.sum()
    a = amplitude(X, centers, shift)
    square = np.einsum("nc,nci,ncj->cij", rho, a, a, optimize=True) / n[:, None, None]
    cross = delta[:, :, None] * mean[:, None] + mean[:, :, None] * delta[:, None]
    covariance = (second + square * dn[:, None, None]) / n[:, None, None] + cross
    if kind in ("diag", "spherical"):
        covariance = np.einsum("cii->ci", covariance)
    weights = (dn + dn.sum() * n / n.sum()) / n.sum() + 4 * EPS
    return weights, mean, covariance.mean(axis=1) if kind == "spherical" else covariance


def likely_bound(n_terms, size, dtype):
    """What a difference of two sums stays below unless roundings conspire.

    Roundings that are independent and of mean zero add up as the root of their number: at most
    lambda sqrt(n) eps / 2 each, but for a chance of 2 exp(-lambda^2 / 2), here 7e-4 for lambda 4
    (Higham & Mary, SIAM J. Sci. Comput. 41, 2019); as the bound is of all n in one chain, and
    kernels have many, it is hardly ever approached.
    """
    return 4 * np.sqrt(n_terms) * np.finfo(dtype).eps * np.max(np.abs(size))


def rank_bound(queries, items, metric):
    """Bound on a difference between two scores of each pair, formed in float64, (m, n).

    Cosines: d roundings of products, d of their sum and, by Cauchy and Schwarz, nothing above the
    norms' product; d + 1 in each norm, half of them left by the root; three to multiply and divide.
    Squared distances: two for each difference and square, d for the sum, one for the root.
    """
    a, b = (np.asarray(x, dtype=np.float64) for x in (queries, items))
    d = a.shape[1]
    if metric == "dot":
        return product_bound(a, b.T, np.float64)
    if metric == "euclidean":
        return 2 * (d + 4) * EPS * ((a[:, None] - b) ** 2).sum(axis=2)
    return np.full((len(a), len(b)), 2 * (3 * d + 6) * EPS)
