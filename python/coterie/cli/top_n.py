"""``coterie top-n``: two files in, or one; the most similar rows out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from coterie.cli.job import Job, facts, fitting, same_file, say, spread
from coterie.cli.prepare import prepare, some
from coterie.cli.progress import Progress
from coterie.cli.report import Report, as_json, as_text, counted, figure, lines_of
from coterie.cli.streams import tell
from coterie.io import READABLE, Outputs, check_output, read_table
from coterie.io.arrays import save_arrays
from coterie.io.errors import InputError, UsageError

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from coterie.cli.prepare import Prepared
    from coterie.io.table import Table

__all__ = ["TopNJob", "TopNReport", "run", "search_file"]

WRITABLE = (".csv", ".tsv", ".npy", ".npz", ".parquet")
NAMELESS = (".npy", ".npz")  # their columns are called by their place
QUERIES_SHOWN, RANKS_SHOWN = 10, 5
ROWS_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True)
class TopNJob(Job):
    """The options of one run."""

    queries: Path | None = None
    n: int = 10
    metric: str = "cosine"
    threshold: float | None = None

    @property
    def asked(self) -> Path:
        """The file with the queries."""
        return self.input if self.queries is None else self.queries


def run(options: argparse.Namespace) -> None:
    """Do what the command line asks and print the report."""
    report = search_file(TopNJob.of(options))
    tell(as_json(report) if options.json else as_text(report))


def search_file(job: TopNJob) -> TopNReport:
    """Read, search, write; return the report.

    Raises
    ------
    CommandError
        When anything about the arguments, the inputs or the output is wrong; an output that was
        there before is untouched then.
    """
    _check(job)
    with Progress() as progress:
        progress.show(f"reading {job.input}")
        table = read_table(job.input, header=job.header)
        items = prepare(table, job.features, "none", job.missing)
        notices = table.notices + items.notices
        asked, queries = table, items
        if job.queries is not None:
            progress.show(f"reading {job.queries}")
            asked, queries = _queries(job, table, items, notices)
        indices, scores = _search(job, items, queries, progress, notices)
        report = TopNReport(
            **facts(job, table, items, notices),
            job=job,
            n_queries=asked.n_rows,
            queries_used=len(queries.X),
            indices=spread(indices, queries.kept),
            scores=spread(scores, queries.kept),
        )
        progress.show("writing")
        _write(job, report)
    say(notices)
    return report


def _check(job: TopNJob) -> None:
    """Refuse an output that cannot be."""
    if job.out is None or job.input.suffix.lower() not in READABLE:
        return
    check_output("--out", job.out, WRITABLE, "one of " + ", ".join(WRITABLE))
    for path in (job.input, job.asked):
        if same_file(job.out, path):
            raise UsageError(f"--out {job.out}: would replace the input")


# ---- the search


def _queries(
    job: TopNJob, table: Table, items: Prepared, notices: list[str]
) -> tuple[Table, Prepared]:
    """Return the rows that ask, by the columns of the items: by name, or by place without names."""
    asked = read_table(job.asked, header=job.header)
    notices += asked.notices
    absent = [name for name in items.names if name not in asked.names]
    if not absent:
        return asked, prepare(asked, items.names, "none", job.missing)
    if table.kind not in NAMELESS and asked.kind not in NAMELESS:
        raise InputError(
            f"{job.asked}: wanted the columns of {job.input}, there is none called "
            + some([repr(name) for name in absent])
        )
    queries = prepare(asked, None, "none", job.missing)
    n, wanted = len(queries.names), len(items.names)
    if n != wanted:
        raise InputError(f"{job.asked}: wanted {counted(wanted, 'column')} as {job.input}, got {n}")
    notices += queries.notices
    notices.append(f"{job.asked}: its columns are taken in the order of those of {job.input}")
    return asked, queries


def _search(
    job: TopNJob, items: Prepared, queries: Prepared, progress: Progress, notices: list[str]
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the rows of the file that are most similar to each of the queries, and scores."""
    from coterie.top_n import cosine_top_n

    n, m = len(items.X), len(queries.X)
    progress.show(f"searching {counted(n, 'row')} for {m}")
    if job.metric in ("cosine", "angular"):
        zeros = sum(
            int((~part.any(axis=1)).sum())
            for part in (items.X[i : i + ROWS_AT_ONCE] for i in range(0, n, ROWS_AT_ONCE))
        )
        if zeros:
            notices.append(f"{counted(zeros, 'row')} of nothing but zeros, at a right angle to all")
    itself = job.queries is None
    with fitting(job, "search", notices):
        indices, scores = cosine_top_n(
            queries.X,
            None if itself else items.X,
            job.n,
            threshold=job.threshold,
            metric=job.metric,
            exclude_self=itself,
            n_threads=job.threads,
        )
    if items.kept is not None:
        rows = np.append(np.flatnonzero(items.kept), -1)  # -1 stays what it is
        indices = rows[indices]
    return indices, scores


# ---- outputs


def _write(job: TopNJob, report: TopNReport) -> None:
    """Write what was found; the file gets its name when it is complete."""
    if job.out is None:
        return
    kind = job.out.suffix.lower()
    arrays = {"indices": report.indices, "scores": report.scores}
    with Outputs() as outputs:
        text = kind not in (".npy", ".npz", ".parquet")  # a device has CSV
        with outputs.open(job.out, text=text) as file:
            if kind == ".npy":
                np.save(file, report.indices)
            elif kind == ".npz":
                save_arrays(file, arrays)
            elif kind == ".parquet":
                import pyarrow as pa
                from pyarrow import parquet

                parquet.write_table(pa.table(_long(**arrays, first=0)), file)
            else:
                _write_lines(file, "\t" if kind == ".tsv" else ",", arrays)


def _long(indices: NDArray[np.int64], scores: NDArray[Any], first: int) -> dict[str, NDArray[Any]]:
    """Return a row for everything found, from lists of queries that are counted from `first`."""
    query, rank = np.nonzero(indices >= 0)
    return {
        "query": query + first,
        "rank": rank + 1,
        "item": indices[query, rank],
        "score": scores[query, rank],
    }


def _write_lines(file: Any, delimiter: str, arrays: dict[str, NDArray[Any]]) -> None:
    import csv

    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["query", "rank", "item", "score"])
    for first in range(0, len(arrays["indices"]), ROWS_AT_ONCE):
        part = {name: array[first : first + ROWS_AT_ONCE] for name, array in arrays.items()}
        columns = _long(**part, first=first).values()
        writer.writerows(zip(*(column.tolist() for column in columns), strict=True))


# ---- report


@dataclass(kw_only=True)
class TopNReport(Report):
    """One run of ``coterie top-n``; rows are counted as in the files, from 0."""

    command: ClassVar[str] = "top-n"

    job: TopNJob
    n_queries: int
    queries_used: int
    indices: NDArray[np.int64]
    scores: NDArray[Any]

    def figures(self) -> dict[str, Any]:
        """Return what was asked, how much was found, and the first lists."""
        job, found = self.job, self.indices >= 0
        return {
            "queries": str(job.asked),
            "n_queries": self.n_queries,
            "queries_used": self.queries_used,
            "n": job.n,
            "metric": job.metric,
            "threshold": job.threshold,
            "found": int(found.sum()),
            "complete": int(found[:, -1].sum()),
            "score": dict(zip(("best", "mean", "worst"), self._spread(), strict=True)),
            "lists": [
                {
                    "query": i,
                    "items": self.indices[i, found[i]].tolist(),
                    "scores": self.scores[i, found[i]].tolist(),
                }
                for i in range(min(QUERIES_SHOWN, self.n_queries))
            ],
        }

    def summary(self, width: int) -> list[str]:
        """Return how much was found, and the first lists."""
        job, found = self.job, self.indices >= 0
        whom = "each of them" if job.queries is None else f"each row of {job.queries}"
        dropped = self.n_queries - self.queries_used
        used = f" ({dropped} with missing values)" if dropped else ""
        threshold = "" if job.threshold is None else f", threshold {job.threshold:g}"
        best, mean, worst = map(figure, self._spread())
        ranks = range(min(RANKS_SHOWN, job.n))
        table = [["query", *(f"{rank + 1}" for rank in ranks)]]
        for i in range(min(QUERIES_SHOWN, self.n_queries)):
            cells = (
                f"{self.indices[i, j]} ({figure(float(self.scores[i, j]), 4)})"
                if found[i, j]
                else "-"
                for j in ranks
            )
            table.append([str(i), *cells])
        return [
            f"the {job.n} nearest of them by {job.metric} for {whom}{threshold}",
            f"queries     {self.n_queries}{used}, {found[:, -1].sum()} with all {job.n}",
            f"found       {found.sum()}",
            f"scores      best {best}, mean {mean}, worst {worst}",
            "",
            "rows found for the first queries, and their scores:",
            *lines_of(table, width, fixed=1),
        ]

    def _spread(self) -> tuple[float, float, float]:
        """Return the best, the mean and the worst score found, NaN without any."""
        scores = self.scores[self.indices >= 0].astype(np.float64)
        if not len(scores):
            return math.nan, math.nan, math.nan
        low, high = float(scores.min()), float(scores.max())
        distance = self.job.metric in ("euclidean", "angular")
        return low if distance else high, float(scores.mean()), high if distance else low

    def files(self) -> list[tuple[str, str | None]]:
        """Return the output."""
        return [("what was found", self.out)]
