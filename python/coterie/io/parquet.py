"""Parquet through pyarrow, one row group at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from coterie.io.errors import InputError, MissingPackageError
from coterie.io.table import Column, Fingerprint, Table, absent, unique_names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["need_pyarrow", "read_parquet"]


def need_pyarrow(path: Path) -> None:
    """Raise unless pyarrow can be imported."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise MissingPackageError(
            f"{path}: Parquet needs pyarrow, which is not installed: pip install 'coterie[io]'"
        ) from None


def read_parquet(path: Path) -> Table:
    """Read the numeric columns of a Parquet file; truth values count as 0 and 1."""
    need_pyarrow(path)
    import pyarrow as pa
    from pyarrow import parquet

    mark = Fingerprint.take(path)
    try:
        file = parquet.ParquetFile(path)
        with file:
            schema = file.schema_arrow
            types = [_target(field.type) for field in schema]
            parts: list[list[NDArray[Any]]] = [[] for _ in types]
            for group in range(file.num_row_groups):
                block = file.read_row_group(group)
                for j, dtype in enumerate(types):
                    if dtype is not None:
                        parts[j].append(_values(block.column(j), dtype))
            rows = file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: {str(error).splitlines()[0]}") from None
    columns = []
    for field, part, dtype in zip(schema, parts, types, strict=True):
        values = np.concatenate(part) if dtype is not None and part else None
        columns.append(Column(values, why="" if values is not None else str(field.type)))
    names, notices = unique_names(schema.names), list[str]()
    if names != schema.names:
        notices.append("repeated column names are numbered")

    def write(out: Any, new: Mapping[str, NDArray[Any]]) -> None:
        mark.check()
        _write(path, out, new)

    def text(j: int) -> list[str | None]:
        mark.check()
        return _text(path, j)

    return Table(path, ".parquet", names, rows, columns, _where, write, None, text, notices)


def _where(row: int) -> str:
    return f"row {row} (counted from 0)"


def _target(kind: Any) -> Any:
    """Return the NumPy dtype a column of this type becomes, or None if it is no number."""
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_float16(kind) or types.is_float32(kind):
        return np.float32
    if types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind):
        return np.float64
    return np.float64 if types.is_decimal(kind) else None


def _values(column: Any, dtype: Any) -> NDArray[Any]:
    import pyarrow as pa
    from pyarrow import compute, types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    wanted = pa.from_numpy_dtype(dtype)
    # Unsafe: integers beyond 2^53 round, as every other way into a float does.
    column = compute.cast(column, wanted, safe=False)
    values: NDArray[Any] = np.asarray(column.to_numpy(zero_copy_only=False), dtype)
    return values


def _text(path: Path, j: int) -> list[str | None]:
    """Return a column as text, None where it is null; lists and structs are no text."""
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        blocks = [file.read_row_group(group).column(j) for group in range(file.num_row_groups)]
    try:
        return [cell for block in blocks for cell in block.cast(pa.string()).to_pylist()]
    except pa.ArrowException as error:
        raise InputError(f"{path}: {str(error).splitlines()[0]}") from None


def _write(path: Path, out: Any, columns: Mapping[str, NDArray[Any]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    fields = [pa.field(name, pa.from_numpy_dtype(v.dtype)) for name, v in columns.items()]
    start = 0
    with parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        for field in fields:
            schema = schema.append(field)
        with parquet.ParquetWriter(out, schema) as writer:
            for group in range(file.num_row_groups):
                block = file.read_row_group(group)
                rows = slice(start, start + len(block))
                start += len(block)
                for field, values in zip(fields, columns.values(), strict=True):
                    some = values[rows]
                    block = block.append_column(field, pa.array(some, mask=absent(some)))
                writer.write_table(block)
