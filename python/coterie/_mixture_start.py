"""Where a mixture starts: who is responsible for which row, and parameters given by the user.

Random numbers are drawn as scikit-learn draws them, so one `random_state` gives one start in both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from coterie._seeding import plus_plus_rows
from coterie._validate import F64, _array, _converted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie._core import Floats, Weights
    from coterie._seeding import Random

STARTS = ("kmeans", "k-means++", "random", "random_from_data")


def initial_labels(
    rows: Floats, weights: Weights, k: int, init: str, random: Random, n_threads: int
) -> NDArray[Any]:
    """Return a component for every row, -1 for none, or responsibilities (n_samples, k)."""
    from coterie.kmeans import KMeans

    n = len(rows)
    if init == "kmeans":
        model = KMeans(k, n_init=1, random_state=random, n_threads=n_threads)
        return model.fit(rows, sample_weight=weights).labels_
    if init == "random":
        given: NDArray[Any] = random.uniform(size=(n, k)).astype(rows.dtype)
        np.divide(given, given.sum(axis=1)[:, None], out=given)
        return given
    if init == "k-means++":
        chosen = plus_plus_rows(rows, k, weights, random, n_threads)
    else:
        shares = None if weights is None else weights / weights.sum()
        if shares is not None and np.count_nonzero(shares) < k:
            raise ValueError(
                f"sample_weight: wanted at least n_components={k} weights above zero for "
                f"init_params={init!r}, got {np.count_nonzero(shares)}"
            )
        chosen = np.asarray(random.choice(n, size=k, replace=False, p=shares))
    labels = np.full(n, -1, dtype=np.int32)
    labels[chosen] = np.arange(k, dtype=np.int32)
    return labels


def check_shape(value: object, shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    """Return `value` as a finite float64 array of this shape; errors in scikit-learn's words."""
    array: NDArray[np.float64] = _converted(_array(value, name), F64, name)
    if array.shape != shape:
        raise ValueError(
            f"The parameter '{name}' should have the shape of {shape}, but got {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"The parameter '{name}' should be finite, but got NaN or infinity")
    return array


def check_mixture_weights(value: object, k: int) -> NDArray[np.float64]:
    """Return weights of components: in [0, 1], summing to 1."""
    weights = check_shape(value, (k,), "weights")
    if (weights < 0).any() or (weights > 1).any():
        raise ValueError(
            "The parameter 'weights' should be in the range [0, 1], but got max value "
            f"{weights.max():.5f}, min value {weights.min():.5f}"
        )
    single = getattr(value, "dtype", None) == np.float32
    if abs(1 - weights.sum()) > (1e-6 if single else 1e-8):
        raise ValueError(
            "The parameter 'weights' should be normalized, but got sum(weights) = "
            f"{weights.sum():.5f}"
        )
    return weights


def check_precisions(
    value: object, covariance_type: str, shape: tuple[int, ...], what: str = "precision"
) -> NDArray[np.float64]:
    """Return precisions: symmetric and positive definite, or positive."""
    name = f"{covariance_type} {what}"
    precisions = check_shape(value, shape, name)
    if covariance_type in ("diag", "spherical"):
        if (precisions <= 0).any():
            raise ValueError(f"'{covariance_type} precision' should be positive")
        return precisions
    for one in precisions.reshape(-1, *shape[-2:]):
        if not (np.allclose(one, one.T) and (np.linalg.eigvalsh(one) > 0).all()):
            raise ValueError(
                f"'{covariance_type} precision' should be symmetric, positive-definite"
            )
    return precisions


def lower_factors(precisions: NDArray[np.float64], covariance_type: str) -> NDArray[np.float64]:
    """Return lower triangular T with precision = T^T T: a Cholesky factor from the last row up."""
    if covariance_type in ("diag", "spherical"):
        return np.sqrt(precisions)
    turned = np.linalg.cholesky(precisions[..., ::-1, ::-1])[..., ::-1, ::-1]
    return np.ascontiguousarray(turned.swapaxes(-1, -2))
