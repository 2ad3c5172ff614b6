"""``coterie gmm``: a file in, the components of a Gaussian mixture out."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from coterie.cli.job import (
    StartedJob,
    check_out,
    check_rows,
    facts,
    fitting,
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
    glyph,
)
from coterie.cli.streams import tell
from coterie.io import write_columns
from coterie.io.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from coterie.cli.prepare import Prepared
    from coterie.gmm import GaussianMixture
    from coterie.io.table import Table

__all__ = ["Anomalies", "Component", "GmmJob", "GmmReport", "fit_file", "run"]


@dataclass(frozen=True, kw_only=True)
class GmmJob(StartedJob):
    """The options of one run."""

    n_components: range
    covariance_type: str = "full"
    criterion: str = "bic"
    proba: bool = False
    anomalies: float | None = None
    max_iter: int = 100
    tol: float = 1e-3


@dataclass(frozen=True, kw_only=True)
class Component(Group):
    """One Gaussian in original units; the share is its weight, the size its likeliest rows."""

    std: list[float]


class Anomalies(NamedTuple):
    """The rows of lowest density: the share asked for, the log density below which they lie."""

    contamination: float
    threshold: float
    n_anomalies: int


class Scores(NamedTuple):
    """What the model says of the rows that take part; probabilities if they are wanted."""

    labels: NDArray[np.int32]
    log_density: NDArray[np.float64]
    probabilities: NDArray[Any] | None


class Candidate(NamedTuple):
    """A number of components that was tried, as `select_n_components` tells it."""

    n_components: int
    bic: float
    aic: float
    log_likelihood: float
    n_iter: int
    converged: bool


def run(options: argparse.Namespace) -> None:
    """Do what the command line asks and print the report."""
    report = fit_file(GmmJob.of(options))
    tell(as_json(report) if options.json else as_text(report))


def fit_file(job: GmmJob) -> GmmReport:
    """Read, fit, write; return the report.

    Raises
    ------
    CommandError
        When anything about the arguments, the input or the output is wrong; an output that was
        there before is untouched then.
    """
    _check(job)
    with Progress() as progress:
        table, prepared, notices = load(job, progress)
        check_rows(job, "--n-components", job.n_components[-1], table, prepared)
        sweep: list[Candidate] = []
        if len(job.n_components) > 1:
            model, sweep = _select(job, prepared, progress, notices)
        else:
            model = _fit(job, prepared, progress, notices)
        progress.show("scoring")
        scores = Scores(
            model.predict(prepared.X),
            model.score_samples(prepared.X),
            model.predict_proba(prepared.X) if job.proba else None,
        )
        report = GmmReport(
            **facts(job, table, prepared, notices),
            **starts(job),
            covariance_type=job.covariance_type,
            criterion=job.criterion,
            log_likelihood=float(scores.log_density.sum()),
            n_parameters=model._n_parameters(),
            n_iter=int(model.n_iter_),
            converged=bool(model.converged_),
            components=_components(prepared, model, scores.labels),
            sweep=sweep,
            anomalies=_anomalies(job, scores.log_density),
            written=_npy_holds(job) if job.alone else "components",
        )
        progress.show("writing")
        _write(job, table, prepared.kept, report, scores)
    say(notices)
    return report


def _check(job: GmmJob) -> None:
    """Refuse options that contradict one another, and an output that cannot be."""
    check_out(job, _npy_holds(job))
    if job.proba and job.out is None:
        raise UsageError("--proba: wanted --out FILE too, where the probabilities go")
    if job.proba and job.anomalies is not None and job.alone:
        raise UsageError(
            f"--out {job.out}: holds one array, wanted --proba for the probabilities or "
            "--anomalies for the log densities, got both"
        )
    if job.n_init > 1 and len(job.n_components) > 1:
        raise UsageError(
            f"--n-init {job.n_init}: wanted one number of components, got a range, whose numbers "
            "share one start"
        )


def _npy_holds(job: GmmJob) -> str:
    if job.proba:
        return "probabilities"
    return "labels" if job.anomalies is None else "log densities"


# ---- the fit


def _fit(
    job: GmmJob, prepared: Prepared, progress: Progress, notices: list[str]
) -> GaussianMixture:
    from coterie.gmm import GaussianMixture

    what = counted(job.n_components[0], "component")

    def show(info: Any) -> None:
        start = f", start {info.run + 1}" if job.n_init > 1 else ""
        progress.show(
            f"{what}{start}, iteration {info.iteration}, log likelihood {info.lower_bound:.6g} "
            "per row"
        )

    progress.show(f"{what}, choosing a start")
    model = GaussianMixture(
        job.n_components[0],
        covariance_type=job.covariance_type,
        n_init=job.n_init,
        max_iter=job.max_iter,
        tol=job.tol,
        random_state=job.seed,
        n_threads=job.threads,
        callback=show if progress.live else None,
    )
    with fitting(job, what, notices):
        model.fit(prepared.X)
    return model


def _select(
    job: GmmJob, prepared: Prepared, progress: Progress, notices: list[str]
) -> tuple[GaussianMixture, list[Candidate]]:
    """Return the model of lowest criterion and the figures of every candidate."""
    from coterie.selection import select_n_components

    what = f"{job.n_components[0]} to {job.n_components[-1]} components"
    done = itertools.count(1)  # the candidates are fitted side by side, so one count for all

    def show(_info: object) -> None:
        progress.show(f"{what}, iteration {next(done)}")

    progress.show(f"{what}, choosing their start")
    with fitting(job, what, notices):
        table, model = select_n_components(
            prepared.X,
            job.n_components,
            job.criterion,
            n_threads=job.threads,
            covariance_type=job.covariance_type,
            max_iter=job.max_iter,
            tol=job.tol,
            random_state=job.seed,
            callback=show if progress.live else None,
        )
    sweep = [Candidate(*row) for row in table.tolist()]
    slow = ", ".join(str(one.n_components) for one in sweep if not one.converged)
    if slow:
        notices.append(f"{slow} components: not converged, their figures may be a little high")
    return model, sweep


def _components(
    prepared: Prepared, model: GaussianMixture, labels: NDArray[np.int32]
) -> list[Component]:
    k, d = model.means_.shape
    variances = {
        "full": lambda c: c.diagonal(axis1=-2, axis2=-1),
        "tied": lambda c: c.diagonal(),
        "diag": lambda c: c,
        "spherical": lambda c: c[:, None],
    }[model.covariance_type](model.covariances_)
    means = prepared.original(model.means_)
    deviations = np.broadcast_to(np.sqrt(variances), (k, d)) * prepared.divide
    sizes = np.bincount(labels, minlength=k)
    return [
        Component(size=size, share=weight, mean=mean, std=std)
        for size, weight, mean, std in zip(
            sizes.tolist(),
            model.weights_.tolist(),
            means.tolist(),
            deviations.tolist(),
            strict=True,
        )
    ]


def _anomalies(job: GmmJob, log_density: NDArray[np.float64]) -> Anomalies | None:
    """Return what GaussianAnomalyDetector would call anomalous of the rows it was fitted to."""
    if job.anomalies is None:
        return None
    threshold = float(np.quantile(log_density, job.anomalies))
    return Anomalies(job.anomalies, threshold, int(np.count_nonzero(log_density < threshold)))


def _write(
    job: GmmJob, table: Table, kept: NDArray[np.bool_] | None, report: GmmReport, scores: Scores
) -> None:
    if job.out is None:
        return
    columns: dict[str, NDArray[Any]] = {"component": spread(scores.labels, kept)}
    alone = columns["component"]
    if scores.probabilities is not None:
        alone = spread(scores.probabilities, kept)
        columns |= {f"p{c}": column for c, column in enumerate(alone.T)}
    if report.anomalies is not None:
        alone = columns["log_density"] = spread(scores.log_density, kept)
        anomalous = scores.log_density < report.anomalies.threshold
        columns["anomaly"] = spread(anomalous.astype(np.int8), kept)
    write_columns(table, free_names(job, table, columns, report.notices), job.out, alone=alone)


# ---- report


@dataclass(kw_only=True)
class GmmReport(StartedReport):
    """One run of ``coterie gmm``; likelihoods are those of the scaled features."""

    command: ClassVar[str] = "gmm"

    covariance_type: str
    criterion: str
    log_likelihood: float
    n_parameters: int
    n_iter: int
    converged: bool
    components: list[Component]
    sweep: list[Candidate]
    anomalies: Anomalies | None
    written: str

    @property
    def bic(self) -> float:
        """The Bayesian information criterion."""
        return -2 * self.log_likelihood + self.n_parameters * math.log(self.rows_used)

    @property
    def aic(self) -> float:
        """Akaike's information criterion."""
        return -2 * self.log_likelihood + 2 * self.n_parameters

    @property
    def mean_log_likelihood(self) -> float:
        """The log likelihood divided by the number of rows."""
        return self.log_likelihood / self.rows_used

    def figures(self) -> dict[str, Any]:
        """Return the model's figures, a component at a time, and those of the candidates."""
        names = self.features
        return super().figures() | {
            "n_components": len(self.components),
            "covariance_type": self.covariance_type,
            "log_likelihood": self.log_likelihood,
            "log_likelihood_per_row": self.mean_log_likelihood,
            "bic": self.bic,
            "aic": self.aic,
            "n_parameters": self.n_parameters,
            "n_iter": self.n_iter,
            "converged": self.converged,
            "components": [
                {
                    "component": i,
                    "size": c.size,
                    "weight": c.share,
                    "mean": dict(zip(names, c.mean, strict=True)),
                    "std": dict(zip(names, c.std, strict=True)),
                }
                for i, c in enumerate(self.components)
            ],
            "criterion": self.criterion,
            "sweep": [one._asdict() for one in self.sweep],
            "anomalies": None if self.anomalies is None else self.anomalies._asdict(),
        }

    def summary(self, width: int) -> list[str]:
        """Return the curve of the criterion, the model's figures and its components."""
        units = "" if self.scale == "none" else " (scaled features)"
        starts = f", best of {self.n_init} starts" if self.n_init > 1 else ""
        what = f"{counted(len(self.components), 'component')}, covariance {self.covariance_type}"
        ended = "converged" if self.converged else "not converged"
        lines = [
            f"{what}, seed {self.seed}{starts}",
            f"log likelihood  {self.mean_log_likelihood:.6g} per row{units}",
            f"BIC             {self.bic:.6g}",
            f"AIC             {self.aic:.6g}",
            f"iterations      {self.n_iter}, {ended}",
        ]
        if self.anomalies is not None:
            share, threshold, count = self.anomalies
            below = f"log density below {threshold:.6g}, the lowest {100 * share:.6g}% of the rows"
            lines.append(f"anomalies       {count}, {below}")
        both = glyph("±", "+-")
        return [
            *self._curve(),
            *lines,
            "",
            f"mean {both} standard deviation of each feature, in original units:",
            *feature_table(self, self.components, ("component", "weight"), self._cell, width),
        ]

    def _curve(self) -> list[str]:
        if not self.sweep:
            return []
        points = [(one.n_components, getattr(one, self.criterion)) for one in self.sweep]
        # Neither criterion has a zero that means anything: bars start from the lowest.
        lowest = min(y for _, y in points)
        mark = {len(self.components): "lowest"}
        return [*curve(self.criterion.upper(), "the lower the better", points, lowest, mark), ""]

    def _cell(self, i: int, j: int) -> str:
        one = self.components[i]
        return f"{figure(one.mean[j])} {glyph('±', '+-')} {figure(one.std[j], 3)}"

    def files(self) -> list[tuple[str, str | None]]:
        """Return the one output."""
        return [(self.written, self.out)]
