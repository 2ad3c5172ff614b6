"""``coterie kmeans``: a file in, clusters out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from coterie.cli.groups import group_means
from coterie.cli.job import (
    StartedJob,
    check_apart,
    check_out,
    check_rows,
    facts,
    fitting,
    free_name,
    free_names,
    load,
    say,
    spread,
    starts,
)
from coterie.cli.progress import Progress
from coterie.cli.report import (
    Group,
    StartedReport,
    as_json,
    as_text,
    counted,
    curve,
    feature_table,
    figure,
)
from coterie.cli.streams import tell
from coterie.cli.sweep import knee
from coterie.io import READABLE, Outputs, check_output, write_columns

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from coterie.cli.prepare import Prepared
    from coterie.io.table import Table
    from coterie.kmeans import KMeans

__all__ = ["Cluster", "KMeansJob", "KMeansReport", "cluster_file", "run"]

CENTERS = (".csv", ".npy", ".parquet")


@dataclass(frozen=True, kw_only=True)
class KMeansJob(StartedJob):
    """The options of one run."""

    n_clusters: range
    centers: Path | None = None
    max_iter: int = 300


@dataclass(frozen=True, kw_only=True)
class Cluster(Group):
    """Rows of one cluster and the model's centre, in original units."""

    center: list[float]


def run(options: argparse.Namespace) -> None:
    """Do what the command line asks and print the report."""
    report, _ = cluster_file(KMeansJob.of(options))
    tell(as_json(report) if options.json else as_text(report))


def cluster_file(job: KMeansJob) -> tuple[KMeansReport, NDArray[np.int32]]:
    """Read, cluster, write; return the report and a label per row of the file, -1 for none.

    Raises
    ------
    CommandError
        When anything about the arguments, the input or the outputs is wrong; outputs that were
        there before are untouched then.
    """
    check_out(job)
    _check_centers(job)
    with Progress() as progress:
        table, prepared, notices = load(job, progress)
        check_rows(job, "--n-clusters", job.n_clusters[-1], table, prepared)
        points: list[tuple[int, float]] = []
        if len(job.n_clusters) > 1:
            for k in job.n_clusters:
                # Only the figures are kept: the same seed gives the chosen model again, bit by bit.
                inertia = float(_fit(job, prepared, k, progress, notices).inertia_)
                points.append((k, inertia))
        found = knee([k for k, _ in points], [j for _, j in points])
        if points and found is None:
            notices.append(f"the curve has no knee; {points[0][0]} clusters, the fewest, are kept")
        chosen = found or job.n_clusters[0]
        model = _fit(job, prepared, chosen, progress, [] if points else notices)
        report = KMeansReport(
            **facts(job, table, prepared, notices),
            **starts(job),
            inertia=float(model.inertia_),
            n_iter=int(model.n_iter_),
            clusters=_clusters(prepared, model),
            sweep=points,
            knee=found,
            centers=str(job.centers) if job.centers is not None else None,
        )
        labels = spread(model.labels_, prepared.kept)
        progress.show("writing")
        _write(job, table, report, labels)
    say(notices)
    return report, labels


def _check_centers(job: KMeansJob) -> None:
    if job.centers is None or job.input.suffix.lower() not in READABLE:
        return
    check_output("--centers", job.centers, CENTERS, "one of " + ", ".join(CENTERS))
    check_apart(job, ("--centers", job.centers))


def _fit(
    job: KMeansJob, prepared: Prepared, k: int, progress: Progress, notices: list[str]
) -> KMeans:
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
        max_iter=job.max_iter,
        random_state=job.seed,
        n_threads=job.threads,
        callback=show if progress.live else None,
    )
    with fitting(job, f"{k} clusters", notices):
        model.fit(prepared.X)
    return model


def _clusters(prepared: Prepared, model: KMeans) -> list[Cluster]:
    k = len(model.cluster_centers_)
    sizes = np.bincount(model.labels_, minlength=k)
    near = model.cluster_centers_.astype(np.float64)
    means = group_means(prepared.X, model.labels_, near)
    means, centers = prepared.original(means), prepared.original(near)
    # A centre that is the mean but for the rounding of its long sum is the mean.
    noise = (4e-7 if prepared.X.dtype == np.float32 else 1e-12) * prepared.reach
    centers = np.where(np.abs(centers - means) <= noise, means, centers)
    rows = len(prepared.X)
    return [
        Cluster(size=size, share=size / rows, mean=mean, center=center)
        for size, mean, center in zip(sizes.tolist(), means.tolist(), centers.tolist(), strict=True)
    ]


# ---- outputs


def _write(job: KMeansJob, table: Table, report: KMeansReport, labels: NDArray[np.int32]) -> None:
    """Write both files; neither gets its name before both are on disk."""
    columns = free_names(job, table, {"cluster": labels}, report.notices)
    with Outputs() as outputs:
        if job.out is not None:
            write_columns(table, columns, job.out, outputs=outputs)
        if job.centers is not None:
            text = job.centers.suffix.lower() not in (".npy", ".parquet")  # a device has CSV
            with outputs.open(job.centers, text=text) as file:
                _write_centers(file, job.centers, report)


def _write_centers(file: Any, path: Path, report: KMeansReport) -> None:
    """Write the centres in original units, one row a cluster."""
    centers = np.array([c.center for c in report.clusters])
    if path.suffix.lower() == ".npy":
        np.save(file, centers)
    elif path.suffix.lower() == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        names = [free_name("cluster", set(report.features)), *report.features]
        index = pa.array(range(len(centers)), pa.int32())
        parquet.write_table(pa.table([index, *map(pa.array, centers.T)], names=names), file)
    else:
        import csv

        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([free_name("cluster", set(report.features)), *report.features])
        writer.writerows([i, *row] for i, row in enumerate(centers.tolist()))


# ---- report


@dataclass(kw_only=True)
class KMeansReport(StartedReport):
    """One run of ``coterie kmeans``."""

    command: ClassVar[str] = "kmeans"

    inertia: float
    n_iter: int
    clusters: list[Cluster]
    sweep: list[tuple[int, float]]
    knee: int | None
    centers: str | None

    @property
    def mean_inertia(self) -> float:
        """J: the inertia divided by the number of rows."""
        return self.inertia / self.rows_used

    def figures(self) -> dict[str, Any]:
        """Return the model's figures, a cluster at a time, and the curve."""
        names = self.features
        return super().figures() | {
            "n_clusters": len(self.clusters),
            "inertia": self.inertia,
            "J": self.mean_inertia,
            "n_iter": self.n_iter,
            "clusters": [
                {
                    "cluster": i,
                    "size": c.size,
                    "share": c.share,
                    "mean": dict(zip(names, c.mean, strict=True)),
                    "center": dict(zip(names, c.center, strict=True)),
                }
                for i, c in enumerate(self.clusters)
            ],
            "sweep": [
                {"n_clusters": k, "inertia": j, "J": j / self.rows_used} for k, j in self.sweep
            ],
            "knee": self.knee,
            "centers": self.centers,
        }

    def summary(self, width: int) -> list[str]:
        """Return the elbow curve, the model's figures and the means of its clusters."""
        starts = f", best of {self.n_init} starts" if self.n_init > 1 else ""
        units = "" if self.scale == "none" else " (sum of squared distances, scaled features)"
        mark = {} if self.knee is None else {self.knee: "knee"}
        return [
            *([*curve("inertia", "elbow", self.sweep, 0.0, mark), ""] if self.sweep else []),
            f"{counted(len(self.clusters), 'cluster')}, seed {self.seed}{starts}",
            f"inertia     {self.inertia:.6g}{units}",
            f"J           {self.mean_inertia:.6g} (inertia per row)",
            f"iterations  {self.n_iter}",
            "",
            "mean of each feature, in original units:",
            *feature_table(
                self,
                self.clusters,
                ("cluster", "share"),
                lambda i, j: figure(self.clusters[i].mean[j]),
                width,
            ),
        ]

    def files(self) -> list[tuple[str, str | None]]:
        """Return the two outputs."""
        return [("clusters", self.out), ("centres", self.centers)]
