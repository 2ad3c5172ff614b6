"""Tables for the tests of files."""

import zipfile
from contextlib import nullcontext

import numpy as np
from coterie.io import read_table, write_columns


def values(table):
    return [None if c.values is None else c.values.tolist() for c in table.columns]


def labelled(table, labels, name="out.csv", column="cluster"):
    path = table.path.with_name(name)
    write_columns(table, {column: np.asarray(labels, np.int32)}, path)
    return path


def save(path, array=None, /, **arrays):
    if not arrays:
        np.save(path, array)
    with zipfile.ZipFile(path, "w") if arrays else nullcontext() as archive:
        for name, member in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.save(file, member)
    return read_table(path)
