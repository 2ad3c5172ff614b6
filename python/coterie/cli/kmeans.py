"""``coterie kmeans``: a file in, clusters out."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie.cli.prepare import Prepared, prepare
from coterie.cli.progress import Progress
from coterie.cli.report import Cluster, Report, as_json, as_text
from coterie.cli.sweep import knee
from coterie.io import READABLE, atomic, check_output, one_line, read_table, write_labels
from coterie.io.errors import InputError, UsageError

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from coterie.io.table import Table
    from coterie.kmeans import KMeans

__all__ = ["Job", "cluster_file", "run"]

CENTERS = (".csv", ".npy", ".parquet")


@dataclass(frozen=True)
class Job:
    """The options of one run, as the command line names them."""

    input: Path
    n_clusters: tuple[int, ...]
    features: list[str] | None = None
    scale: str = "standard"
    seed: int = 0
    n_init: int = 1
    out: Path | None = None
    centers: Path | None = None
    missing: str = "error"
    header: str = "auto"
    threads: int | None = None


def run(options: argparse.Namespace) -> None:
    """Do what the command line asks and print the report."""
    job = Job(
        input=Path(options.input),
        n_clusters=options.n_clusters,
        features=options.features,
        scale=options.scale,
        seed=options.seed,
        n_init=options.n_init,
        out=Path(options.out) if options.out is not None else None,
        centers=Path(options.centers) if options.centers is not None else None,
        missing=options.missing,
        header=options.header,
        threads=options.threads,
    )
    report, _ = cluster_file(job)
    print(as_json(report) if options.json else as_text(report))


def cluster_file(job: Job) -> tuple[Report, NDArray[np.int32]]:
    """Read, cluster, write; return the report and a label per row of the file, -1 for none.

    Raises
    ------
    CommandError
        When anything about the arguments, the input or the outputs is wrong; outputs that were
        there before are untouched then.
    """
    _check_outputs(job)
    with Progress() as progress:
        progress.show(f"reading {job.input}")
        table = read_table(job.input, header=job.header)
        prepared = prepare(table, job.features, job.scale, job.missing)
        table.columns.clear()  # the matrix holds their values now
        notices = table.notices + prepared.notices
        _check_rows(job, len(prepared.X), table)
        curve: list[tuple[int, float]] = []
        if len(job.n_clusters) > 1:
            for k in job.n_clusters:
                # Only the figures are kept: the same seed gives the chosen model again, bit by bit.
                inertia = float(_fit(job, prepared, k, progress, notices).inertia_)
                curve.append((k, inertia))
        found = knee([k for k, _ in curve], [j for _, j in curve])
        if curve and found is None:
            notices.append(f"the curve has no knee; {curve[0][0]} clusters, the fewest, are kept")
        chosen = found or job.n_clusters[0]
        model = _fit(job, prepared, chosen, progress, [] if curve else notices)
        report = _report(job, table, prepared, model, curve, found, notices)
        labels = _spread(model.labels_, prepared.kept)
        progress.show("writing")
        _write(job, table, report, labels)
    for notice in notices:
        print(f"coterie: note: {one_line(notice)}", file=sys.stderr)
    return report, labels


def _check_outputs(job: Job) -> None:
    kind = job.input.suffix.lower()
    if kind not in READABLE:
        return  # read_table says so
    if job.out is not None:
        if kind == ".npy":
            check_output("--out", job.out, (".npy",), ".npy, for labels alone")
        else:
            why = f"{kind} like the input, or .npy for labels alone"
            check_output("--out", job.out, (kind, ".npy"), why)
    if job.centers is not None:
        check_output("--centers", job.centers, CENTERS, "one of " + ", ".join(CENTERS))
        if os.path.realpath(job.centers) == os.path.realpath(job.input):
            raise UsageError(f"--centers {job.centers}: would replace the input")
        twice = job.out is not None and os.path.realpath(job.centers) == os.path.realpath(job.out)
        if twice and (job.centers.is_file() or not job.centers.exists()):  # /dev/null may be twice
            raise UsageError(f"--centers {job.centers}: is the same file as --out")


def _check_rows(job: Job, rows: int, table: Table) -> None:
    most = max(job.n_clusters)
    if most > rows:
        left = "" if rows == table.n_rows else f" left of {table.n_rows}"
        raise UsageError(f"--n-clusters {most}: {job.input} has only {rows} rows{left}")


def _fit(job: Job, prepared: Prepared, k: int, progress: Progress, notices: list[str]) -> KMeans:
    from coterie.kmeans import KMeans

    def show(info: Any) -> None:
        start = f", start {info.run + 1}" if job.n_init > 1 else ""
        progress.show(
            f"{k} clusters{start}, iteration {info.iteration}, inertia {info.inertia:.6g}"
        )

    progress.show(f"{k} clusters, choosing a start")
    model = KMeans(
        n_clusters=k,
        n_init=job.n_init,
        random_state=job.seed,
        n_threads=job.threads,
        callback=show if progress.live else None,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(prepared.X)
        except ValueError as error:
            raise InputError(f"{job.input}: {error}") from error
    for warning in caught:
        text = f"{k} clusters: {warning.message}"
        if text not in notices:
            notices.append(text)
    return model


def _spread(labels: NDArray[np.int32], kept: NDArray[np.bool_] | None) -> NDArray[np.int32]:
    """Return labels for all rows of the file, -1 where a row took no part."""
    if kept is None:
        return labels
    every = np.full(len(kept), -1, np.int32)
    every[kept] = labels
    return every


def _report(
    job: Job,
    table: Table,
    prepared: Prepared,
    model: KMeans,
    curve: list[tuple[int, float]],
    found: int | None,
    notices: list[str],
) -> Report:
    k = len(model.cluster_centers_)
    sizes = np.bincount(model.labels_, minlength=k)
    sums = _sums(prepared.X, model.labels_, k)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / sizes[:, None] * prepared.divide + prepared.shift
    centers = model.cluster_centers_.astype(np.float64) * prepared.divide + prepared.shift
    return Report(
        input=str(job.input),
        rows=table.n_rows,
        rows_used=len(prepared.X),
        features=prepared.names,
        left_out=prepared.left_out,
        scale=job.scale,
        shift=prepared.shift.tolist(),
        divide=prepared.divide.tolist(),
        seed=job.seed,
        n_init=job.n_init,
        inertia=float(model.inertia_),
        n_iter=int(model.n_iter_),
        clusters=[Cluster(int(sizes[i]), means[i].tolist(), centers[i].tolist()) for i in range(k)],
        sweep=curve,
        knee=found,
        out=str(job.out) if job.out is not None else None,
        centers=str(job.centers) if job.centers is not None else None,
        notices=notices,
    )


def _sums(X: NDArray[Any], labels: NDArray[np.int32], k: int) -> NDArray[np.float64]:
    """Return the sum of the rows of each cluster, (k, d), a block of sorted rows at a time."""
    sums = np.zeros((k, X.shape[1]))
    for start in range(0, len(X), 4096):
        some = labels[start : start + 4096]
        order = np.argsort(some, kind="stable")
        present, first = np.unique(some[order], return_index=True)
        block = X[start : start + 4096][order].astype(np.float64, copy=False)
        sums[present] += np.add.reduceat(block, first, axis=0)
    return sums


# ---- outputs


def _write(job: Job, table: Table, report: Report, labels: NDArray[np.int32]) -> None:
    """Write both files; neither gets its name before both are written."""
    column = _free_name("cluster", {*table.names, *table.taken})
    if column != "cluster" and job.out is not None and job.out.suffix.lower() != ".npy":
        report.notices.append(f"the input has a column 'cluster'; the new one is called {column!r}")
    with ExitStack() as stack:
        if job.centers is not None:
            text = job.centers.suffix.lower() == ".csv"
            _write_centers(stack.enter_context(atomic(job.centers, text=text)), job.centers, report)
        if job.out is not None:
            write_labels(table, labels, job.out, column=column)


def _free_name(wanted: str, taken: set[str]) -> str:
    name, i = wanted, 1
    while name in taken:
        i += 1
        name = f"{wanted}_{i}"
    return name


def _write_centers(file: Any, path: Path, report: Report) -> None:
    """Write the centres in original units, one row a cluster."""
    centers = np.array([c.center for c in report.clusters])
    if path.suffix.lower() == ".npy":
        np.save(file, centers)
    elif path.suffix.lower() == ".csv":
        import csv

        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([_free_name("cluster", set(report.features)), *report.features])
        writer.writerows([i, *row] for i, row in enumerate(centers.tolist()))
    else:
        import pyarrow as pa
        from pyarrow import parquet

        names = [_free_name("cluster", set(report.features)), *report.features]
        index = pa.array(range(len(centers)), pa.int32())
        parquet.write_table(pa.table([index, *map(pa.array, centers.T)], names=names), file)
