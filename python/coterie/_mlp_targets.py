"""What y becomes for a net: classes as numbers, indicators, or real numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coterie._estimator import known_to_sklearn, warn
from coterie._validate import float_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie._seeding import Random


class DataConversionWarning(UserWarning):
    """The data were taken in another shape than they came in."""


class Labels(NamedTuple):
    """Classes in sorted order, and a number of class, or an indicator row, for every y."""

    classes: NDArray[Any]
    codes: NDArray[np.int64]
    multilabel: bool


def read_labels(y: object, n_rows: int) -> Labels:
    """Return the classes in y and where each row belongs."""
    array = _column(plain(y, "y"), n_rows)
    check_labels(array, "y")
    if array.ndim == 2:
        if not np.isin(array, (0, 1)).all():
            raise ValueError(
                "Unknown label type: multiclass-multioutput. y: wanted one class a row, or a "
                f"matrix of 0 and 1, got shape {array.shape}"
            )
        return Labels(np.arange(array.shape[1]), array.astype(np.int64), True)
    classes, codes = _sorted(array, "y")
    return Labels(classes, codes.reshape(n_rows).astype(np.int64), False)


def read_classes(classes: object) -> NDArray[Any]:
    """Return the classes there will ever be, sorted."""
    array = plain(classes, "classes")
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"classes: wanted a 1-D array of at least one class, got shape {array.shape}"
        )
    check_labels(array, "classes")
    return _sorted(array, "classes")[0]


def check_labels(array: NDArray[Any], name: str) -> None:
    """Refuse what cannot be classes: numbers with fractions, NaN, dates."""
    if array.dtype.kind == "f":
        check_finite(array, name)
        if (array != np.floor(array)).any():
            raise ValueError(
                f"Unknown label type: continuous. {name}: wanted classes, got numbers with "
                "fractions; a regressor takes them"
            )
    elif array.dtype.kind not in "biuOUS":
        raise ValueError(f"Unknown label type: {name} of dtype {array.dtype}; wanted classes")
    if array.dtype == object and array.ndim == 1:
        for i, value in enumerate(array):
            if value is None or _is_nan(value):
                raise ValueError(f"{name}: wanted classes, got {value!r} (NaN) at row {i}")


def plain(y: object, name: str) -> NDArray[Any]:
    """Return y as an array of any kind; masked entries are refused."""
    if isinstance(y, np.ma.MaskedArray) and np.ma.is_masked(y):
        n_masked = np.count_nonzero(np.ma.getmaskarray(y))
        raise ValueError(f"{name}: wanted no masked entries, got {n_masked}")
    try:
        return np.asarray(y)
    except ValueError as error:  # rows of unequal length
        raise ValueError(f"{name}: wanted an array, got {error}") from error


def encode(labels: Labels, classes: NDArray[Any], refusal: str) -> NDArray[np.int64]:
    """Return numbers of class among `classes`; `refusal` is said if one is not there."""
    if labels.multilabel:
        return labels.codes
    try:
        place = np.searchsorted(classes, labels.classes)
    except TypeError:  # numbers among words, or words among numbers
        raise ValueError(refusal) from None
    place = np.minimum(place, len(classes) - 1)
    if not np.array_equal(classes[place], labels.classes):
        raise ValueError(refusal)
    return place[labels.codes]


def read_numbers(y: object, n_rows: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return y as (n_rows, n_outputs) numbers."""
    array = _column(_numbers(y), n_rows)
    numbers = np.ascontiguousarray(array if array.ndim == 2 else array[:, None], dtype=dtype)
    check_finite(numbers, "y")
    return numbers


def read_truth(y: object, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the y that outputs of this shape (n_rows, n_outputs) are scored against."""
    array = _numbers(y)
    if array.ndim == 1 and shape[1] == 1:
        array = array[:, None]
    if array.shape != shape:
        raise ValueError(f"y: wanted shape {shape}, as the outputs have, got {array.shape}")
    truth = array.astype(np.float64)
    check_finite(truth, "y")
    return truth


def _numbers(y: object) -> NDArray[Any]:
    array = plain(y, "y")
    if array.dtype.kind in "OUS":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"y: wanted numbers, got {error}") from error
    float_dtype(array.dtype, "y")
    return array


def split_rows(
    n_rows: int, n_held: int, random: Random, labels: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows to train on and `n_held` others, at random, both in ascending order.

    With labels, every class has its share of the rows held out, up to a row.
    """
    order = np.argsort(random.uniform(size=n_rows), kind="stable")
    chosen = np.arange(n_rows) < n_held
    if labels is not None:
        # Sorted by class, every (n_rows / n_held)-th row.
        order = order[np.argsort(labels[order], kind="stable")]
        chosen[...] = False
        chosen[np.floor((np.arange(n_held) + 0.5) * (n_rows / n_held)).astype(np.int64)] = True
    return np.sort(order[~chosen]), np.sort(order[chosen])


def _column(array: NDArray[Any], n_rows: int) -> NDArray[Any]:
    """Return y in one dimension, or in two if it has several columns."""
    if array.ndim == 2 and array.shape[1] == 1:
        warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape of "
            "y to (n_samples,), for example using ravel().",
            known_to_sklearn(DataConversionWarning),
        )
        array = array[:, 0]
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(
            f"y should be a 1d array: wanted shape ({n_rows},) or ({n_rows}, n_outputs), got an "
            f"array of shape {array.shape} instead."
        )
    if len(array) != n_rows:
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"y: wanted {n_rows} rows, as X has, got {len(array)}"
        )
    return array


def check_finite(array: NDArray[Any], name: str) -> None:
    """Refuse NaN and infinity, by their place."""
    finite = np.isfinite(array)
    if not finite.all():
        place = np.argwhere(~finite)[0]
        value = "NaN" if np.isnan(array[tuple(place)]) else "infinity"
        column = f", column {place[1]}" if array.ndim == 2 and array.shape[1] > 1 else ""
        raise ValueError(f"{name}: wanted finite numbers, got {value} at row {place[0]}{column}")


def _sorted(array: NDArray[Any], name: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the classes, sorted, and the number of class of every entry."""
    try:
        classes, codes = np.unique(array, return_inverse=True)
    except TypeError as error:
        raise TypeError(f"{name}: wanted classes that can be sorted, got {error}") from error
    return classes, codes


def _is_nan(value: Any) -> bool:
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA is neither
        return True
