"""What every command that fits a model does: files in, a matrix, a fit, files out."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from coterie.cli.prepare import Prepared, prepare, short, some
from coterie.cli.report import counted
from coterie.cli.streams import note
from coterie.io import READABLE, check_output, read_table
from coterie.io.errors import InputError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from coterie.cli.progress import Progress
    from coterie.io.table import Table

__all__ = [
    "Job",
    "StartedJob",
    "check_apart",
    "check_out",
    "check_rows",
    "facts",
    "fitting",
    "free_name",
    "free_names",
    "load",
    "same_file",
    "say",
    "spread",
    "starts",
    "what_was_found",
]

J = TypeVar("J", bound="Job")


@dataclass(frozen=True, kw_only=True)
class Job:
    """The options every run has, as the command line names them."""

    input: Path
    features: list[str] | None = None
    scale: str = "standard"
    out: Path | None = None
    missing: str = "error"
    header: str = "auto"
    threads: int | None = None

    @classmethod
    def of(cls: type[J], options: argparse.Namespace) -> J:
        """Return the job the command line asks for; it names the options as the fields."""
        return cls(**{field.name: getattr(options, field.name) for field in fields(cls)})

    @property
    def alone(self) -> bool:
        """Whether the output is one array instead of the rows."""
        return self.out is not None and self.out.suffix.lower() == ".npy"


@dataclass(frozen=True, kw_only=True)
class StartedJob(Job):
    """The options of a run that starts somewhere at random."""

    seed: int = 0
    n_init: int = 1


# ---- before the work


def check_out(job: Job, alone: str = "labels") -> None:
    """Refuse an --out that cannot be; `alone` says what a .npy file would hold."""
    kind = job.input.suffix.lower()
    if job.out is None or kind not in READABLE:
        return  # of an input that cannot be read, read_table says so
    if kind == ".npy":
        check_output("--out", job.out, (".npy",), f".npy, for {alone} alone")
    else:
        why = f"{kind} like the input, or .npy for {alone} alone"
        check_output("--out", job.out, (kind, ".npy"), why)
    if job.alone and same_file(job.out, job.input):
        raise UsageError(f"--out {job.out}: would replace the input")


def check_apart(job: Job, *outputs: tuple[str, Path | None]) -> None:
    """Refuse an output, given with its option, that is the input, --out or one before it."""
    before = [("--out", job.out)]
    for option, path in outputs:
        if path is not None:
            if same_file(path, job.input):
                raise UsageError(f"{option} {path}: would replace the input")
            for other, taken in before:
                twice = taken is not None and same_file(path, taken)
                if twice and (path.is_file() or not path.exists()):  # /dev/null may be twice
                    raise UsageError(f"{option} {path}: is the same file as {other}")
        before.append((option, path))


def same_file(one: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file."""
    return os.path.realpath(one) == os.path.realpath(other)


def check_rows(job: Job, option: str, most: int, table: Table, prepared: Prepared) -> None:
    """Refuse more groups than there are rows."""
    rows = len(prepared.X)
    if most > rows:
        left = "" if rows == table.n_rows else f" left of {table.n_rows}"
        raise UsageError(f"{option} {most}: {job.input} has only {counted(rows, 'row')}{left}")


# ---- the work


def load(job: Job, progress: Progress) -> tuple[Table, Prepared, list[str]]:
    """Return the input, the matrix to fit, and what is to be said of both."""
    progress.show(f"reading {job.input}")
    table = read_table(job.input, header=job.header)
    prepared = prepare(table, job.features, job.scale, job.missing)
    table.columns.clear()  # the matrix holds their values now
    return table, prepared, what_was_found(table, prepared, "clustering")


def what_was_found(table: Table, prepared: Prepared, purpose: str) -> list[str]:
    """Return what is to be said of an input and of the matrix that was made of it."""
    notices = table.notices + prepared.notices
    if prepared.constant:
        shown = some([short(name) for name in prepared.constant])
        notices.append(f"the same value in every row, no help in {purpose}: {shown}")
    return notices


@contextmanager
def fitting(job: Job, what: str, notices: list[str]) -> Iterator[None]:
    """Turn a fit's errors into the command's, and its warnings into notices about `what`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        except ValueError as error:
            raise InputError(f"{job.input}: {error}") from error
    for warning in caught:
        text = f"{what}: {warning.message}"
        if text not in notices:
            notices.append(text)


def spread(values: NDArray[Any], kept: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Return values for all rows of the file; -1 or NaN where a row took no part."""
    if kept is None:
        return values
    nothing = np.nan if values.dtype.kind == "f" else -1
    every = np.full((len(kept), *values.shape[1:]), nothing, values.dtype)
    every[kept] = values
    return every


# ---- after the work


def facts(job: Job, table: Table, prepared: Prepared, notices: list[str]) -> dict[str, Any]:
    """Return the fields of every report."""
    return {
        "input": str(job.input),
        "rows": table.n_rows,
        "rows_used": len(prepared.X),
        "features": prepared.names,
        "left_out": prepared.left_out,
        "scale": job.scale,
        "shift": prepared.shift.tolist(),
        "divide": prepared.divide.tolist(),
        "out": str(job.out) if job.out is not None else None,
        "notices": notices,
    }


def starts(job: StartedJob) -> dict[str, Any]:
    """Return the further fields of a report on a run that starts somewhere at random."""
    return {"seed": job.seed, "n_init": job.n_init}


def free_names(
    job: Job, table: Table, columns: Mapping[str, NDArray[Any]], notices: list[str]
) -> dict[str, NDArray[Any]]:
    """Return the new columns under names the input does not have; notices say which changed."""
    taken = {*table.names, *table.taken}
    named = {free_name(wanted, taken): values for wanted, values in columns.items()}
    changed = [pair for pair in zip(columns, named, strict=True) if pair[0] != pair[1]]
    if changed and job.out is not None and not job.alone:
        old, new = (some([repr(name) for name in names]) for names in zip(*changed, strict=True))
        one = len(changed) == 1
        has, are = ("a column", "one is") if one else ("columns", "ones are")
        notices.append(f"the input has {has} {old}; the new {are} called {new}")
    return named


def free_name(wanted: str, taken: set[str]) -> str:
    """Return the name, numbered if it is taken.

    Examples
    --------
    >>> free_name("a", {"b"}), free_name("a", {"a", "a_2"})
    ('a', 'a_3')
    """
    name, i = wanted, 1
    while name in taken:
        i += 1
        name = f"{wanted}_{i}"
    return name


def say(notices: Iterable[str]) -> None:
    """Print the notices to stderr."""
    for notice in notices:
        note(f"note: {notice}")
