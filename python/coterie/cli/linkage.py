"""``coterie linkage``: a file in; a tree of merges, its picture and clusters out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from coterie import hierarchy
from coterie.cli.groups import group_means
from coterie.cli.job import (
    Job,
    check_apart,
    check_out,
    check_rows,
    facts,
    fitting,
    free_names,
    load,
    say,
    spread,
)
from coterie.cli.progress import Progress
from coterie.cli.report import (
    Group,
    Report,
    as_json,
    as_text,
    counted,
    curve,
    feature_table,
    figure,
)
from coterie.cli.streams import tell
from coterie.hierarchy._svg import Look, node_groups, write_figure, write_svg
from coterie.io import READABLE, Outputs, check_output, write_columns
from coterie.io.errors import InputError, MissingPackageError, UsageError

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from coterie.cli.prepare import Prepared
    from coterie.io.table import Table

__all__ = ["LinkageJob", "LinkageReport", "Merge", "run", "tree_file"]

PICTURES = (".svg", ".png", ".pdf")
OF_CENTROIDS = ("centroid", "median", "ward")  # methods that only squared Euclidean distances suit
FROM_ZERO = ("cosine", "angular", "jaccard")  # metrics that see where zero is
MOST_COMPARED = 5000  # rows, beyond which all their distances would take long and much memory


@dataclass(frozen=True, kw_only=True)
class LinkageJob(Job):
    """The options of one run."""

    method: str = "ward"
    metric: str = "euclidean"
    cut: int | None = None
    distance: float | None = None
    optimal_ordering: bool = False
    dtype: str | None = None
    z: Path | None = None
    dendrogram: Path | None = None


class Merge(NamedTuple):
    """The merge that leaves one cluster fewer."""

    n_clusters: int
    height: float


class Cut(NamedTuple):
    """A cluster for each row, the merges next to the cut, and the height at which to draw it.

    The merges are the highest that is done and the lowest that is not; None when there is none.
    """

    labels: NDArray[np.int32]
    below: float | None
    above: float | None
    line: float | None


def run(options: argparse.Namespace) -> None:
    """Do what the command line asks and print the report."""
    report = tree_file(LinkageJob.of(options))
    tell(as_json(report) if options.json else as_text(report))


def tree_file(job: LinkageJob) -> LinkageReport:
    """Read, merge, cut, write; return the report.

    Raises
    ------
    CommandError
        When anything about the arguments, the input or the outputs is wrong; outputs that were
        there before are untouched then.
    """
    _check(job)
    with Progress() as progress:
        table, prepared, notices = load(job, progress)
        if len(prepared.X) < 2:
            raise InputError(f"{job.input}: wanted at least two rows to merge, got one")
        if job.cut is not None:
            check_rows(job, "--cut", job.cut, table, prepared)
        if job.metric in FROM_ZERO and job.scale != "none":
            notices.append(
                f"--scale {job.scale} moves the zero from which {job.metric} distances are seen; "
                "--scale none leaves it"
            )
        Z = _merge(job, prepared, progress, notices)
        cut = _cut(job, Z, notices)
        progress.show("comparing the tree with the distances")
        report = LinkageReport(
            **facts(job, table, prepared, notices),
            job=job,
            clusters=[] if cut is None else _clusters(prepared, cut.labels),
            below=None if cut is None else cut.below,
            above=None if cut is None else cut.above,
            merges=_merges(Z, 1 if cut is None else int(cut.labels.max()) + 1),
            cophenetic=_cophenetic(job, prepared, Z),
        )
        progress.show("writing")
        _write(job, table, prepared, report, Z, cut)
    say(notices)
    return report


def _check(job: LinkageJob) -> None:
    """Refuse options that contradict one another, and outputs that cannot be."""
    check_out(job)
    if job.method in OF_CENTROIDS and job.metric != "euclidean":
        raise UsageError(
            f"--metric {job.metric}: wanted euclidean with --method {job.method}; single, "
            "complete, average and weighted take any"
        )
    if job.out is not None and job.cut is None and job.distance is None:
        raise UsageError(f"--out {job.out}: wanted --cut K or --distance T too, got neither")
    if job.input.suffix.lower() not in READABLE:
        return
    if job.z is not None:
        check_output("--z", job.z, (".npy",), ".npy")
    if job.dendrogram is not None:
        check_output("--dendrogram", job.dendrogram, PICTURES, "one of " + ", ".join(PICTURES))
        if _kind(job.dendrogram) != "svg":
            _need_matplotlib(job.dendrogram)
    check_apart(job, ("--z", job.z), ("--dendrogram", job.dendrogram))


def _kind(picture: Path) -> str:
    kind = picture.suffix.lower()
    return kind[1:] if kind in PICTURES else "svg"  # of a device


def _need_matplotlib(path: Path) -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingPackageError(
            f"--dendrogram {path}: {path.suffix} needs matplotlib, which is not installed: "
            "pip install 'coterie[plot]'; .svg needs nothing"
        ) from None


# ---- the tree


def _merge(
    job: LinkageJob, prepared: Prepared, progress: Progress, notices: list[str]
) -> NDArray[np.float64]:
    """Return the linkage matrix of the rows."""
    what = f"{job.method} linkage"

    def show(info: hierarchy.LinkageInfo) -> None:
        progress.show(f"{what}: {info.merges} of {info.total} merges")

    progress.show(f"{what} of {len(prepared.X)} rows")
    with fitting(job, what, notices):
        Z: NDArray[np.float64] = hierarchy.linkage(
            prepared.X,
            job.method,
            job.metric,
            job.optimal_ordering,
            n_threads=job.threads,
            dtype=job.dtype,
            callback=show if progress.live else None,
        )
    return Z


def _cut(job: LinkageJob, Z: NDArray[np.float64], notices: list[str]) -> Cut | None:
    """Return the clusters asked for, numbered by first appearance."""
    if job.cut is not None:
        # Not fcluster: where heights are equal, it may give fewer.
        found: NDArray[np.integer[Any]] = hierarchy.cut_tree(Z, n_clusters=job.cut)[:, 0]
    elif job.distance is not None:
        found = hierarchy.fcluster(Z, job.distance, "distance")
    else:
        return None
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    labels = np.argsort(np.argsort(first))[inverse].astype(np.int32)
    done = np.array(node_groups(Z, labels)[len(labels) :]) >= 0
    below = float(Z[done, 2].max()) if done.any() else None
    above = float(Z[~done, 2].min()) if not done.all() else None
    line = job.distance
    if job.cut is not None and below is not None and above is not None:
        if below < above:
            line = (below + above) / 2
        elif below == above:
            notices.append(
                f"--cut {job.cut}: several merges have the height of the cut, {below:.6g}; not "
                "all of them are done"
            )
        else:
            notices.append(
                f"--cut {job.cut}: a merge that is done is higher ({below:.6g}) than one that is "
                f"not ({above:.6g}); heights may fall with {job.method} linkage"
            )
    return Cut(labels, below, above, line)


def _clusters(prepared: Prepared, labels: NDArray[np.int32]) -> list[Group]:
    sizes = np.bincount(labels)
    _, first = np.unique(labels, return_index=True)
    near = prepared.X[first].astype(np.float64)
    means = prepared.original(group_means(prepared.X, labels, near))
    return [
        Group(size=size, share=size / len(labels), mean=mean)
        for size, mean in zip(sizes.tolist(), means.tolist(), strict=True)
    ]


def _merges(Z: NDArray[np.float64], k: int) -> list[Merge]:
    """Return the merges around a cut into k clusters."""
    n = len(Z) + 1
    numbers = range(max(2, k - 4), min(n, max(10, k + 5)) + 1)
    return [Merge(j, float(Z[n - j, 2])) for j in numbers]


def _cophenetic(job: LinkageJob, prepared: Prepared, Z: NDArray[np.float64]) -> float | None:
    """Return how well heights of first common merges follow the distances, or None."""
    if not 2 < len(prepared.X) <= MOST_COMPARED:
        return None
    with np.errstate(all="ignore"):
        distances = hierarchy.pdist(prepared.X, job.metric, n_threads=job.threads)
        return float(hierarchy.cophenet(Z, distances)[0])


# ---- outputs


def _write(
    job: LinkageJob,
    table: Table,
    prepared: Prepared,
    report: LinkageReport,
    Z: NDArray[np.float64],
    cut: Cut | None,
) -> None:
    """Write all files; none gets its name before all are on disk."""
    with Outputs() as outputs:
        if job.out is not None and cut is not None:
            labels = spread(cut.labels, prepared.kept)
            columns = free_names(job, table, {"cluster": labels}, report.notices)
            write_columns(table, columns, job.out, outputs=outputs)
        if job.z is not None:
            with outputs.open(job.z) as file:
                np.save(file, Z)
        if job.dendrogram is not None:
            look = _look(job, prepared, cut)
            kind = _kind(job.dendrogram)
            with outputs.open(job.dendrogram, text=kind == "svg") as file:
                if kind == "svg":
                    write_svg(Z, file, look)
                else:
                    write_figure(Z, file, kind, look)


def _look(job: LinkageJob, prepared: Prepared, cut: Cut | None) -> Look:
    units = "" if job.scale == "none" else ", scaled features"
    rows = range(len(prepared.X)) if prepared.kept is None else np.flatnonzero(prepared.kept)
    return Look(
        title=f"{job.input.name}: {job.method} linkage, {job.metric} distances{units}",
        labels=[str(row) for row in rows],
        clusters=None if cut is None else cut.labels,
        cut=None if cut is None else cut.line,
    )


# ---- report


@dataclass(kw_only=True)
class LinkageReport(Report):
    """One run of ``coterie linkage``; heights are distances of the scaled features."""

    command: ClassVar[str] = "linkage"

    job: LinkageJob
    clusters: list[Group]
    below: float | None
    above: float | None
    merges: list[Merge]
    cophenetic: float | None

    def figures(self) -> dict[str, Any]:
        """Return the tree's figures, the merges around the cut, and a cluster at a time."""
        job = self.job
        return {
            "method": job.method,
            "metric": job.metric,
            "optimal_ordering": job.optimal_ordering,
            "dtype": job.dtype,
            "cut": job.cut,
            "distance": job.distance,
            "n_clusters": len(self.clusters) or None,
            "highest_merge_done": self.below,
            "lowest_merge_undone": self.above,
            "merges": [one._asdict() for one in self.merges],
            "cophenetic_correlation": self.cophenetic,
            "clusters": [
                {
                    "cluster": i,
                    "size": c.size,
                    "share": c.share,
                    "mean": dict(zip(self.features, c.mean, strict=True)),
                }
                for i, c in enumerate(self.clusters)
            ],
            "z": str(job.z) if job.z is not None else None,
            "dendrogram": str(job.dendrogram) if job.dendrogram is not None else None,
        }

    def summary(self, width: int) -> list[str]:
        """Return the heights around the cut, the tree's figures and the means of its clusters."""
        k = len(self.clusters)
        mark = {k: "the first not done"} if k else {}
        units = "" if self.scale == "none" else " (scaled features)"
        lines = [
            *curve("height", "of the merge that leaves k - 1 clusters", self.merges, 0.0, mark),
            "",
            f"{self.job.method} linkage, {self.job.metric} distances{units}",
        ]
        if self.cophenetic is not None and not math.isnan(self.cophenetic):
            lines.append(
                f"cophenetic  {self.cophenetic:.6g} (correlation of the tree's heights with the "
                "distances)"
            )
        if not k:
            return lines
        return [
            *lines,
            f"cut         {counted(k, 'cluster')}, {self._where()}",
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

    def _where(self) -> str:
        said = [] if self.job.distance is None else [f"at distance {self.job.distance:.6g}"]
        if self.below is not None:
            said.append(f"highest merge done {self.below:.6g}")
        if self.above is not None:
            said.append(f"lowest not done {self.above:.6g}")
        return ", ".join(said)

    def files(self) -> list[tuple[str, str | None]]:
        """Return the three outputs."""
        z, dendrogram = (
            str(p) if p is not None else None for p in (self.job.z, self.job.dendrogram)
        )
        return [("clusters", self.out), ("linkage matrix", z), ("dendrogram", dendrogram)]
