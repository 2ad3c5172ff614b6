"""NumPy's own files: .npy is one array, memory-mapped; .npz is a folder of named arrays."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie.io.errors import InputError
from coterie.io.table import Column, Fingerprint, Table, unique_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["load_arrays", "read_arrays", "save_arrays"]

# What NumPy and zipfile raise on purpose, in words for the user.
_IN_WORDS = (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def read_arrays(path: Path) -> Table:
    """Read a .npy or .npz file.

    A .npy file is a matrix, one column, or a structured array whose fields are the columns. A .npz
    file holds one matrix, or arrays of one dimension and equal length, which are the columns.
    """
    if path.suffix.lower() == ".npy":
        return _read_npy(path)
    return _read_npz(path)


def _read_npy(path: Path) -> Table:
    with _parsing(path):
        array = np.lib.format.open_memmap(path, mode="r")
    names, columns, matrix = _columns(path, array, "column")

    def write(_file: Any, _columns: Mapping[str, NDArray[Any]]) -> None:
        raise AssertionError("what is new to a .npy file is written alone")

    return Table(path, ".npy", names, len(array), columns, _where, write, matrix)


def _read_npz(path: Path) -> Table:
    mark = Fingerprint.take(path)
    arrays = load_arrays(path)
    matrices = [name for name, array in arrays.items() if array.ndim == 2]
    lines = [name for name, array in arrays.items() if array.ndim == 1]
    found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "nothing"
    if len(matrices) == 1:
        rows = len(arrays[matrices[0]])
        names, columns, matrix = _columns(path, arrays[matrices[0]], f"{matrices[0]}_")
    elif not matrices and lines:
        rows, matrix = len(arrays[lines[0]]), None
        columns = [column_of(arrays[name]) for name in lines]
        names = unique_names(lines)
    else:
        raise InputError(f"{path}: wanted one matrix or columns of one dimension, got {found}")
    if not matrices and any(len(arrays[name]) != rows for name in lines):
        raise InputError(f"{path}: wanted columns of equal length, got {found}")

    def write(file: Any, new: Mapping[str, NDArray[Any]]) -> None:
        mark.check()
        save_arrays(file, {**arrays, **new})

    table = Table(path, ".npz", names, rows, columns, _where, write, matrix)
    table.taken = set(arrays)
    return table


def save_arrays(file: Any, arrays: dict[str, NDArray[Any]]) -> None:
    """Write named arrays to an open file, as .npz has them."""
    # Not numpy.savez: it takes names as keywords, and an array may be called "file".
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def _where(row: int) -> str:
    return f"row {row} (counted from 0)"


def _columns(
    path: Path, array: NDArray[Any], prefix: str
) -> tuple[list[str], list[Column], NDArray[Any] | None]:
    """Return names, columns and the matrix they are columns of, if there is one."""
    if array.dtype.names is not None and array.ndim == 1:
        names = list(array.dtype.names)
        return unique_names(names), [column_of(array[name]) for name in names], None
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2:
        raise InputError(f"{path}: wanted an array of two dimensions, got shape {array.shape}")
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise InputError(f"{path}: wanted real numbers, got dtype {array.dtype}")
    if len(array) == 0:  # a header may then claim any number of columns
        raise InputError(f"{path}: wanted at least one row of data, got none")
    names = [f"{prefix}{j + 1}" for j in range(array.shape[1])]
    return names, [Column(array[:, j]) for j in range(array.shape[1])], array


def column_of(array: NDArray[Any]) -> Column:
    """Return an array of one dimension as a column."""
    if array.ndim != 1 or array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        return Column(None, why=f"dtype {array.dtype}")
    return Column(array)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a .npz file by name.

    Raises
    ------
    InputError
        When it is damaged or holds objects.
    """
    # Not numpy.load: it leaves the file open when the archive is broken.
    arrays = {}
    with _parsing(path), zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                array = np.lib.format.read_array(member, allow_pickle=False)
            arrays[name.removesuffix(".npy")] = array
    return arrays


@contextmanager
def _parsing(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file makes NumPy or zipfile raise into an InputError.

    Headers are Python literals and archives hold foreign compressors, so that is any exception.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes that overflow, headers of Python 2
            yield
    except (OSError, MemoryError):
        raise
    except Exception as error:
        text = (str(error).splitlines() or ["not a NumPy file"])[0]
        if not isinstance(error, _IN_WORDS):
            text = f"damaged: {text}"
        raise InputError(f"{path}: {text}") from None
