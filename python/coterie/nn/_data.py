"""What x, y and weights become before the core sees them; the rest is refused by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from coterie._estimator import warn
from coterie._sparse import is_sparse
from coterie._validate import _array, _converted, check_real, check_weights, float_dtype
from coterie.nn.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie.nn._layer import Shape
    from coterie.nn.losses import Loss

    Parts = tuple[NDArray[Any], NDArray[Any], NDArray[np.float64] | None]


class Part(NamedTuple):
    """Rows, their targets and their weights, as the core takes them."""

    X: NDArray[Any]
    Y: NDArray[Any]
    weights: NDArray[np.float64] | None


def array_of(x: object, name: str) -> NDArray[Any]:
    """Return x as an array of numbers, whatever its shape."""
    if is_sparse(x):
        raise TypeError(f"{name}: wanted a dense array, got a sparse one; {name}.toarray() is one")
    array = _array(x, name)
    float_dtype(array.dtype, name)  # refuses what holds no numbers
    return array


def features(array: NDArray[Any], shape: Shape, dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """Return rows of a net whose rows have `shape`, as (rows, features) in `dtype`."""
    if array.ndim == 1 and shape == (1,):
        array = array[:, None]
    if array.ndim < 2 or array.shape[1:] != shape:
        wanted = ", ".join(["n", *map(str, shape)])
        raise ValueError(f"{name}: wanted shape ({wanted}), got {array.shape}")
    return _converted(array, dtype, name).reshape(len(array), math.prod(shape))


def targets(
    y: object, loss: Loss, outputs: Shape, n_rows: int, dtype: np.dtype[Any], name: str
) -> NDArray[Any]:
    """Return the targets of `n_rows` rows as the loss wants them: classes, or a row each."""
    check_axes(loss, outputs)
    array = array_of(y, name)
    n_outputs = math.prod(outputs)
    if array.ndim == 0 or len(array) != n_rows:
        raise ValueError(
            f"{name}: wanted a target for each of the {n_rows} rows, got shape {array.shape}"
        )
    if isinstance(loss, SparseCategoricalCrossentropy):
        return _classes(array, n_outputs, name)
    if array.ndim == 1 and n_outputs == 1:
        array = array[:, None]
    if array.shape[1:] != outputs and array.shape[1:] != (n_outputs,):
        hint = ""
        if isinstance(loss, CategoricalCrossentropy) and array.ndim == 1:
            hint = "; numbers of classes go with loss='sparse_categorical_crossentropy'"
        wanted = ", ".join(map(str, (n_rows, *outputs)))
        raise ValueError(
            f"{name}: wanted shape ({wanted}), as the net's outputs, got {array.shape}{hint}"
        )
    out: NDArray[Any] = _converted(array, dtype, name).reshape(n_rows, n_outputs)
    _check_range(out, loss, name)
    return out


def check_axes(loss: Loss, outputs: Shape) -> None:
    """Refuse a loss that would be of the last axis alone for rows that have several."""
    of_axis = (CategoricalCrossentropy, SparseCategoricalCrossentropy, KLDivergence)
    if len(outputs) == 1 or not (isinstance(loss, of_axis) or loss.reduction == "sum"):
        return
    what = loss.name if isinstance(loss, of_axis) else "reduction='sum'"
    raise ValueError(
        f"loss: wanted outputs of shape (outputs,) for {what}, got {outputs}; put a Flatten() at "
        "the end of the net"
    )


def _classes(array: NDArray[Any], n_classes: int, name: str) -> NDArray[np.int64]:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{name}: wanted numbers of classes, shape ({len(array)},), got {array.shape}; one-hot "
            "rows go with loss='categorical_crossentropy'"
        )
    if array.dtype.kind not in "iub":
        array = np.asarray(array, dtype=np.float64)
    whole = np.ones(len(array), bool) if array.dtype.kind in "iub" else array == np.floor(array)
    bad = np.flatnonzero(~(whole & (array >= 0) & (array < n_classes)))
    if len(bad):
        raise ValueError(
            f"{name}: wanted whole numbers of classes from 0 to {n_classes - 1}, one for each "
            f"output, got {array[bad[0]]} at row {bad[0]}"
        )
    return np.ascontiguousarray(array, dtype=np.int64)


def _check_range(targets: NDArray[Any], loss: Loss, name: str) -> None:
    """Refuse targets that no probability can meet."""
    if not targets.size:
        return
    if isinstance(loss, BinaryCrossentropy):
        wrong, wanted = (targets < 0) | (targets > 1), "targets from 0 to 1"
    elif isinstance(loss, (CategoricalCrossentropy, KLDivergence)):
        wrong, wanted = targets < 0, "targets >= 0"
    else:
        return
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"{name}: wanted {wanted} for loss {loss.name!r}, got {targets[row, column]} at row "
            f"{row}, column {column}"
        )


# ---- weights of rows


def class_weighted(part: Part, class_weight: Mapping[int, float] | None) -> Part:
    """Return the part with the weights of its rows times those of their classes."""
    if class_weight is None:
        return part
    labels = classes_of(part.Y)
    if labels is None:
        raise ValueError("class_weight: wanted targets that are classes, got other numbers")
    table = _class_table(class_weight)
    found, place = np.unique(labels, return_inverse=True)
    by_class = np.array([table.get(int(c), 1.0) for c in found])
    each = by_class[place.ravel()]
    every = each if part.weights is None else each * part.weights
    return part._replace(weights=check_weights(every, len(part.X)))


def _class_table(class_weight: object) -> dict[int, float]:
    """Return the weights by class, checked."""
    if not isinstance(class_weight, Mapping):
        raise TypeError(
            f"class_weight: wanted a dict of class to weight, such as {{0: 1.0, 1: 5.0}}, "
            f"got {class_weight!r}"
        )
    table = {}
    for key, value in class_weight.items():
        whole = (
            isinstance(key, (int, float, np.number)) and np.isfinite(key) and key == np.floor(key)
        )
        if not whole:
            raise TypeError(f"class_weight: wanted numbers of classes as keys, got {key!r}")
        table[int(key)] = check_real(value, f"class_weight of {key!r}")
    return table


def classes_of(Y: NDArray[Any]) -> NDArray[np.int64] | None:
    """Return the class of every row, or None where targets are no classes."""
    if Y.ndim == 1:
        return Y
    if Y.shape[1] > 1:
        one_hot = ((Y == 0) | (Y == 1)).all() and (Y.sum(axis=1) == 1).all()
        return Y.argmax(axis=1) if one_hot else None
    column = Y[:, 0]
    return column.astype(np.int64) if ((column == 0) | (column == 1)).all() else None


# ---- what is held out


def split(part: Part, share: float, loss: Loss) -> tuple[Part, Part]:
    """Return the head and the tail of the rows, unshuffled; `share` is that of the tail."""
    wanted = check_real(share, "validation_split")
    if not 0 < wanted < 1:
        raise ValueError(f"validation_split: wanted a share in [0, 1), got {share!r}")
    n_rows = len(part.X)
    at = math.floor(n_rows * (1 - wanted))
    if at in (0, n_rows):
        empty = "training" if at == 0 else "validation"
        raise ValueError(
            f"validation_split: wanted rows on both sides, got none for {empty} of {n_rows} rows "
            f"at {share!r}"
        )
    head, tail = (
        Part(*(None if array is None else array[rows] for array in part))  # type: ignore[arg-type]
        for rows in (slice(0, at), slice(at, None))
    )
    if isinstance(
        loss, (BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy)
    ):
        _warn_of_lost_classes(head.Y, tail.Y)
    return head, tail


def _warn_of_lost_classes(head: NDArray[Any], tail: NDArray[Any]) -> None:
    """Warn where sorted rows leave one side without a class."""
    first, last = classes_of(head), classes_of(tail)
    if first is None or last is None:
        return
    ours, theirs = set(np.unique(first).tolist()), set(np.unique(last).tolist())
    if len(ours | theirs) > max(2, len(tail)):
        return  # more classes than rows: some have to be missing
    found = [
        f"the {side} part has no row of class {', '.join(map(str, sorted(missing)[:5]))}"
        for side, missing in (("training", theirs - ours), ("validation", ours - theirs))
        if missing
    ]
    if found:
        warn(
            f"validation_split takes the last rows as they come: {', '.join(found)}; shuffle the "
            "rows first",
            UserWarning,
        )


def validation_part(
    given: object, shape: Shape, outputs: Shape, loss: Loss, dtype: np.dtype[Any]
) -> Part:
    """Return validation_data, (x, y) or (x, y, weights), as the core takes it."""
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        raise TypeError(
            f"validation_data: wanted (x, y) or (x, y, sample_weight), got {type(given).__name__}"
        )
    x, y, *weights = cast("tuple[Any, ...]", given)
    X = features(array_of(x, "validation x"), shape, dtype, "validation x")
    if not len(X):
        raise ValueError("validation_data: wanted at least one row, got none")
    Y = targets(y, loss, outputs, len(X), dtype, "validation y")
    return Part(X, Y, check_weights(weights[0], len(X)) if weights else None)
