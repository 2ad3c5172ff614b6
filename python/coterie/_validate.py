"""What an input becomes before the core sees it: its dtype, its layout; the rest is refused.

Every refusal reads `name: wanted ..., got ...`. Values are not looked at here: the core checks that
rows are finite in the pass it makes anyway. Nothing in this module writes to an argument.
"""

from __future__ import annotations

import math
import numbers
import operator
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from coterie import _core
from coterie._sparse import SparseRows, is_sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie._core import Floats, Weights

    Rows: TypeAlias = Floats | SparseRows

F32: np.dtype[Any] = np.dtype(np.float32)
F64: np.dtype[Any] = np.dtype(np.float64)
INT_MAX = 2**31 - 1
EXACT_INT = 2**53  # the integers up to here are float64 numbers


def check_int(value: object, name: str, low: int = 1) -> int:
    """Return `value` as an int in [low, 2**31)."""
    if type(value) is int and low <= value <= INT_MAX:
        return value
    wanted = f"{name}: wanted an integer >= {low}"
    try:
        number = operator.index(cast("Any", None if isinstance(value, (bool, np.bool_)) else value))
    except TypeError:
        raise TypeError(f"{wanted}, got {value!r}") from None
    if not low <= number <= INT_MAX:
        raise ValueError(f"{wanted} and below 2**31, got {value!r}")
    return number


def check_real(value: object, name: str) -> float:
    """Return `value` as a finite float >= 0."""
    try:
        number = float(cast("Any", None if isinstance(value, (bool, str, bytes)) else value))
    except TypeError:
        raise TypeError(f"{name}: wanted a number >= 0, got {value!r}") from None
    except OverflowError:
        number = math.inf
    if not 0 <= number < math.inf:
        raise ValueError(f"{name}: wanted a finite number >= 0, got {value!r}")
    return number


def check_number(value: object, name: str) -> float:
    """Return `value` as a finite float of either sign."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: wanted a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name}: wanted a finite number, got {value!r}")
    return float(value)


def check_option(value: object, name: str, options: tuple[str, ...], hint: str = "") -> str:
    """Return `value` if it is one of `options`."""
    if isinstance(value, str) and value in options:
        return value
    error = ValueError if isinstance(value, str) else TypeError
    wanted = ", ".join(repr(option) for option in options)
    raise error(f"{name}: wanted {'one of ' * (len(options) > 1)}{wanted}, got {value!r}{hint}")


def check_bool(value: object, name: str) -> bool:
    """Return `value` as a bool; an integer counts as one."""
    if not isinstance(value, (bool, np.bool_, int, np.integer)):
        raise TypeError(f"{name}: wanted a bool, got {value!r}")
    return bool(value)


def check_threads(n_threads: object) -> int:
    """Return the number of threads to use; None stands for all CPUs this process may use."""
    return _core.default_threads() if n_threads is None else check_int(n_threads, "n_threads")


def check_weights(sample_weight: object, n_samples: int) -> Weights:
    """Return one finite float64 weight >= 0 a row, not all of them zero, or None for None."""
    if sample_weight is None:
        return None
    given = _array(sample_weight, "sample_weight")
    if given.shape != (n_samples,):
        raise ValueError(
            f"sample_weight: wanted one weight a row of X, shape ({n_samples},), "
            f"got shape {given.shape}"
        )
    weights: NDArray[np.float64] = _converted(given, F64, "sample_weight")
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(weights.sum())  # not finite when any weight is not
    if not math.isfinite(total):
        bad = np.flatnonzero(~np.isfinite(weights))
        came = f"{weights[bad[0]]} at row {bad[0]}" if len(bad) else "an overflow"
        raise ValueError(f"sample_weight: wanted finite weights with a finite sum, got {came}")
    if weights.min() < 0:
        row = int(weights.argmin())
        raise ValueError(f"sample_weight: wanted weights >= 0, got {weights[row]} at row {row}")
    if total == 0:
        raise ValueError("sample_weight: wanted at least one weight above zero, got all zero")
    return weights


def check_rows(X: object, name: str = "X", least: int = 1) -> Rows:
    """Return X as rows the core can read, with as few copies as its class allows.

    float32 and float64 stay as they are and are not copied when columns lie side by side (any row
    stride, read-only, memory-mapped); float16 and bfloat16 become float32, booleans, integers and
    objects that are numbers become float64, by one copy. Sparse matrices stay sparse.

    Parameters
    ----------
    X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
        The rows.
    name : str, default='X'
        What a message calls them.
    least : {1, 0}, default=1
        How few rows will do.

    Returns
    -------
    ndarray or SparseRows of shape (n_samples, n_features)
        float32 or float64, native byte order, aligned, unit column stride.

    Raises
    ------
    TypeError
        If the entries are not numbers.
    ValueError
        If X is not two-dimensional, has too few rows or no columns, holds complex numbers, masked
        entries, or integers that float64 cannot hold.
    """
    if type(X) is np.ndarray and X.ndim == 2 and (X.dtype is F32 or X.dtype is F64):
        flags = X.flags
        if flags.c_contiguous and flags.aligned and X.size:
            return X
    if is_sparse(X):
        _check_shape(cast("Any", X).shape, name, least)
        matrix = cast("Any", X).tocsr()
        dtype = float_dtype(matrix.dtype, name)
        _check_integers(matrix.data, name)
        return SparseRows(matrix, dtype)
    array = _array(X, name)
    dtype = float_dtype(array.dtype, name)
    _check_shape(array.shape, name, least)
    if array.dtype == dtype and array.flags.aligned and _unit_columns(array):
        return array
    return cast("Floats", _converted(array, dtype, name))


def check_centers(
    centers: object, shape: tuple[int | None, int], dtype: np.dtype[Any], name: str
) -> Floats:
    """Return a fresh C-ordered copy of `centers` in `dtype`: finite, of the shape that is wanted.

    `shape` is (n_clusters, n_features); n_clusters None takes any number of centres above zero.
    """
    given = cast("Any", centers).toarray() if is_sparse(centers) else _array(centers, name)
    wanted = (given.shape[0] if shape[0] is None and given.ndim else shape[0], shape[1])
    if given.shape != wanted or not given.size:
        rows = "n_clusters" if shape[0] is None else shape[0]
        raise ValueError(
            f"{name}: wanted shape (n_clusters, n_features) = ({rows}, {shape[1]}), "
            f"got {given.shape}"
        )
    copy = _converted(given, dtype, name, copy=True)
    if np.count_nonzero(np.isfinite(copy)) < copy.size:  # all() takes four times as long
        row, column = np.argwhere(~np.isfinite(copy))[0]
        raise ValueError(
            f"{name}: wanted finite values in {dtype}, "
            f"got {given[row, column]} at row {row}, column {column}"
        )
    return cast("Floats", copy)


def check_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a fitted k-means model, as a pickle brings it, with arrays that agree.

    Byte orders become native. A pickle from others can run code of theirs long before this: what
    is found here are models that were damaged or put together wrongly.
    """
    if "n_features_in_" not in state:
        return state
    n_features = check_int(state["n_features_in_"], "n_features_in_")
    arrays = {name: np.asarray(state.get(name)) for name in ("cluster_centers_", "labels_")}
    for (name, array), kind in zip(arrays.items(), ("f", "i"), strict=True):
        if array.dtype.kind != kind:
            raise ValueError(f"{name}: wanted an array of kind {kind!r}, got dtype {array.dtype}")
    given, labels = arrays.values()
    dtype = float_dtype(given.dtype, "cluster_centers_")
    centers = check_centers(given, (None, n_features), dtype, "cluster_centers_")
    k = len(centers)
    if labels.ndim != 1 or (len(labels) and not 0 <= labels.min() <= labels.max() < k):
        raise ValueError(f"labels_: wanted a 1-D array of integers in [0, {k})")
    fresh = {"cluster_centers_": centers, "labels_": np.asarray(labels, dtype=np.int32)}
    if state.get("_counts") is not None:
        counts = _converted(_array(state["_counts"], "counts_"), F64, "counts_")
        if counts.shape != (k,) or not (np.isfinite(counts) & (counts >= 0)).all():
            raise ValueError(f"counts_: wanted {k} finite numbers >= 0, got {counts!r}")
        fresh["_counts"] = counts
    return {**state, **fresh}


def core_rows(X: Rows) -> _core.Rows:
    """Return what the core takes for X."""
    return X.core if isinstance(X, SparseRows) else X


def dense_rows(X: Rows, indices: NDArray[np.int64]) -> Floats:
    """Return the rows of X at `indices` as a fresh C-ordered array."""
    return X.dense(indices) if isinstance(X, SparseRows) else X[indices]


def taken(X: Rows, indices: NDArray[np.int64]) -> Rows:
    """Return the rows of X at `indices`, sparse if X is."""
    return X.take(indices) if isinstance(X, SparseRows) else X[indices]


def float_dtype(dtype: np.dtype[Any], name: str) -> np.dtype[Any]:
    """Return the dtype in which data of `dtype` are worked on: float32 or float64."""
    if dtype.kind == "f":
        return F32 if dtype.itemsize <= 4 else F64
    if dtype.kind in "biuO":
        return F64
    if dtype.name == "bfloat16":  # known by name: its package need not be loaded
        return F32
    if dtype.kind == "c":
        raise ValueError(
            f"{name}: Complex data not supported: wanted real numbers, got dtype {dtype}"
        )
    raise TypeError(f"{name}: wanted numbers, got dtype {dtype}")


def _array(X: object, name: str) -> NDArray[Any]:
    """Return X as a plain array, without a copy where X offers one."""
    masked = getattr(X, "mask", None) if type(X).__module__.startswith("numpy.ma") else None
    if masked is not None and np.any(masked):
        raise ValueError(f"{name}: wanted no masked entries, got {np.count_nonzero(masked)}")
    try:
        array = np.asarray(X)
    except ValueError as error:  # rows of unequal length
        raise ValueError(f"{name}: wanted an array of numbers, got {error}") from error
    if array.dtype == object and type(X).__module__.partition(".")[0] == "pandas":
        frame = cast("Any", X)
        of_series = [(frame.name, frame.dtype)] if array.ndim == 1 else []
        for column, dtype in of_series or frame.dtypes.items():
            if dtype.kind in "mM":
                raise TypeError(f"{name}: wanted numbers, got dtype {dtype} in column {column!r}")
        try:  # nullable columns: a missing value becomes NaN, which the core reports by place
            array = frame.to_numpy(dtype=F64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name}: wanted numbers, got {error}") from error
    return array


def _check_shape(shape: tuple[int, ...], name: str, least: int) -> None:
    if len(shape) != 2:
        hint = (
            f" Reshape your data: {name}.reshape(-1, 1) if it has a single feature, "
            f"{name}.reshape(1, -1) if it is a single sample."
        )
        raise ValueError(
            f"{name}: wanted a 2-D array of shape (n_samples, n_features), got shape {shape}."
            f"{hint if len(shape) < 2 else ''}"
        )
    for length, low, what in zip(shape, (least, 1), ("sample(s)", "feature(s)"), strict=True):
        if length < low:
            raise ValueError(
                f"{name}: wanted rows and columns, got {length} {what} (shape={shape}) "
                "while a minimum of 1 is required."
            )


def _unit_columns(array: NDArray[Any]) -> bool:
    """Tell whether the entries of a row lie side by side and rows follow each other upwards."""
    row, column = array.strides
    size = array.itemsize
    if array.flags.c_contiguous:
        return True
    return column == size and row >= array.shape[1] * size and row % size == 0


def _check_integers(array: NDArray[Any], name: str) -> None:
    """Refuse integers that float64 would round."""
    if array.dtype.kind not in "iu" or array.itemsize < 8:
        return
    for extreme in (array.max(), array.min()) if array.size else ():
        if abs(int(extreme)) > EXACT_INT:
            raise ValueError(
                f"{name}: wanted integers within +-2**53, which float64 holds exactly, "
                f"got {extreme}"
            )


def _converted(
    array: NDArray[Any], dtype: np.dtype[Any], name: str, copy: bool | None = None
) -> NDArray[Any]:
    """Return `array` in `dtype` and C order; `copy` None copies only if needed."""
    if array.dtype is dtype and copy:  # the way of a small fit, where every microsecond shows
        return np.array(array, order="C")
    float_dtype(array.dtype, name)
    _check_integers(array, name)
    if array.dtype == object:
        try:
            return array.astype(dtype, order="C")
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name}: wanted numbers, got {error}") from error
        except OverflowError as error:
            raise ValueError(f"{name}: wanted numbers within {dtype}, got {error}") from error
    with np.errstate(over="ignore"):  # what overflows becomes inf, and the finite check says so
        if copy:
            return np.array(array, dtype=dtype, order="C")
        return np.require(array, dtype, ("C", "A"))


def feature_names(X: object) -> NDArray[Any] | None:
    """Return the column names of a data frame when all of them are strings, else None."""
    if type(X) is np.ndarray:
        return None
    columns = getattr(X, "columns", None)
    if isinstance(X, np.ndarray) or not hasattr(columns, "__len__") or not hasattr(X, "shape"):
        return None
    names = list(cast("Any", columns))
    kinds = sorted({type(name).__qualname__ for name in names})
    if "str" in kinds and len(kinds) > 1:
        raise TypeError(
            "Feature names are only supported if all input features have string names, "
            f"but your input has {kinds} as feature name / column name types. "
            "Convert them all to strings, by X.columns = X.columns.astype(str) for example."
        )
    return np.array(names, dtype=object) if kinds == ["str"] else None
