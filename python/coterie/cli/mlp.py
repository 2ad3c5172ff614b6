"""``coterie mlp``: a file in, the predictions of a net out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from coterie.cli.job import (
    Job,
    check_out,
    facts,
    fitting,
    free_names,
    say,
    spread,
    what_was_found,
)
from coterie.cli.mlp_target import Target, read_target, standard, with_line, without
from coterie.cli.prepare import prepare, rescaled
from coterie.cli.progress import Progress
from coterie.cli.report import Report, as_json, as_text, counted, figure, lines_of
from coterie.cli.streams import tell
from coterie.io import read_table, write_columns
from coterie.io.errors import InputError, UsageError, one_line

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from coterie.cli.prepare import Prepared
    from coterie.io.table import Table

__all__ = ["MlpJob", "MlpReport", "fit_file", "run"]

CLASSES_SHOWN = 40


@dataclass(frozen=True, kw_only=True)
class MlpJob(Job):
    """The options of one run."""

    target: str
    task: str = "auto"
    hidden: list[int] = field(default_factory=lambda: [100])
    activation: str = "relu"
    held_out: float = 0.25
    max_iter: int = 200
    learning_rate: float = 0.001
    alpha: float = 0.0001
    seed: int = 0


class ClassScore(NamedTuple):
    """One class: rows trained on, rows held out, and how many of these were right."""

    label: Any
    trained: int
    held_out: int
    right: int


class Outcome(NamedTuple):
    """A net and what it says of the rows that take part: numbers of class, or numbers."""

    model: Any
    predictions: NDArray[Any]
    probabilities: NDArray[Any] | None


class Parts(NamedTuple):
    """Rows that take part, by their place among them: to train on, held out."""

    train: NDArray[np.int64]
    held: NDArray[np.int64]


def run(options: argparse.Namespace) -> None:
    """Do what the command line asks and print the report."""
    report = fit_file(MlpJob.of(options))
    tell(as_json(report) if options.json else as_text(report))


def fit_file(job: MlpJob) -> MlpReport:
    """Read, train, write; return the report.

    Raises
    ------
    CommandError
        When anything about the arguments, the input or the output is wrong; an output that was
        there before is untouched then.
    """
    check_out(job, "predictions")
    with Progress() as progress:
        progress.show(f"reading {job.input}")
        table = with_line(read_table(job.input, header=job.header), job.target)
        target = read_target(table, job.target, job.task)
        if job.features is not None and job.target in job.features:
            raise UsageError(f"--features: wanted columns beside the target, got {job.target!r}")
        prepared = prepare(without(table, job.target), job.features, "none", job.missing)
        if prepared.kept is not None:
            kept = prepared.kept
            target = target._replace(values=target.values[kept], known=target.known[kept])
        parts = _split(job, target)
        # By the rows trained on: what is held out is to be new to the net in every respect.
        prepared = rescaled(prepared, prepared.X[parts.train], job.scale, str(job.input))
        notices = [*what_was_found(table, prepared, "predicting"), *target.notices]
        table.columns.clear()  # the matrix holds their values now
        outcome = _train(job, prepared, target, parts, progress, notices)
        report = MlpReport(
            **facts(job, table, prepared, notices),
            **_figures(job, target, parts, outcome),
        )
        progress.show("writing")
        if job.out is not None:
            predictions = outcome.predictions
            if target.classes is not None:
                predictions = _labels(job, table, target, prepared)[predictions]
            columns = {"prediction": spread_any(predictions, prepared.kept)}
            if outcome.probabilities is not None:
                columns["probability"] = spread(outcome.probabilities, prepared.kept)
            write_columns(table, free_names(job, table, columns, notices), job.out)
    say(notices)
    return report


def spread_any(values: NDArray[Any], kept: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Return values for all rows of the file, an empty text where a row took no part."""
    if values.dtype.kind != "U" or kept is None:
        return spread(values, kept)
    every = np.full(len(kept), "", values.dtype)
    every[kept] = values
    return every


def _labels(job: MlpJob, table: Table, target: Target, prepared: Prepared) -> NDArray[Any]:
    """Return the classes as they are written; not one of them reads as a row without one."""
    classes = target.classes if job.alone or target.spelt is None else target.spelt
    assert classes is not None
    gaps = prepared.kept is not None
    if classes.dtype.kind == "b" and gaps:
        classes = classes.astype(np.int64)
    # What is below 0 among integers is missing; Parquet's writer takes it so in any case.
    if classes.dtype.kind == "i" and classes[0] < 0 and (gaps or table.kind == ".parquet"):
        classes = classes.astype(np.float64)
    return classes


# ---- the fit


def _split(job: MlpJob, target: Target) -> Parts:
    """Choose the rows to hold out; of classes, each has its share of them."""
    from coterie._mlp_targets import split_rows

    known = np.flatnonzero(target.known)
    n_held = max(2, math.ceil(job.held_out * len(known)))
    if len(known) - n_held < 2:
        raise InputError(
            f"{job.input}: wanted at least 4 rows with a target {job.target!r} to train and to "
            f"score on, got {len(known)}"
        )
    labels = None
    if target.classes is not None:
        labels = target.values[known].astype(np.int64)
        if len(np.unique(labels)) < 2:
            raise InputError(
                f"{job.input}: wanted at least two classes in the target {job.target!r}, got only "
                f"{target.labels[labels[0]]!r}"
            )
    train, held = split_rows(len(known), n_held, np.random.RandomState(job.seed), labels)
    return Parts(known[train], known[held])


def _train(
    job: MlpJob,
    prepared: Prepared,
    target: Target,
    parts: Parts,
    progress: Progress,
    notices: list[str],
) -> Outcome:
    from coterie.mlp import MLPClassifier, MLPRegressor

    def show(epoch: int, loss: float) -> None:
        progress.show(f"training, epoch {epoch} of at most {job.max_iter}, loss {loss:.6g}")

    progress.show(f"training on {counted(len(parts.train), 'row')}")
    options: dict[str, Any] = {
        "hidden_layer_sizes": tuple(job.hidden),
        "activation": job.activation,
        "alpha": job.alpha,
        "learning_rate_init": job.learning_rate,
        "max_iter": job.max_iter,
        "random_state": job.seed,
        "n_threads": job.threads,
    }
    X, y = prepared.X, target.values[parts.train]
    if target.classes is not None:
        classifier = MLPClassifier(**options)
        classifier._watch = show if progress.live else None
        with fitting(job, "training", notices):
            classifier.fit(X[parts.train], y)
            codes = classifier.predict(X)
            best = classifier.predict_proba(X).max(axis=1)
        return Outcome(classifier, codes, best)
    shift, divide = standard(target, parts.train, str(job.input), job.target)
    regressor = MLPRegressor(**options)
    regressor._watch = show if progress.live else None
    with fitting(job, "training", notices):
        regressor.fit(X[parts.train], (y - shift) / divide)
        predictions = regressor.predict(X).astype(np.float64) * divide + shift
    return Outcome(regressor, predictions, None)


def _figures(job: MlpJob, target: Target, parts: Parts, outcome: Outcome) -> dict[str, Any]:
    """Return the fields of the report that are this command's own."""
    held, found = target.values[parts.held], outcome.predictions[parts.held]
    scores: dict[str, float] = {}
    classes: list[ClassScore] = []
    if target.classes is None:
        error, apart = found - held, held - held.mean()
        # In units of the largest one, so that squares neither overflow nor vanish.
        unit = float(max(np.abs(error).max(), np.abs(apart).max())) or 1.0
        squares, spread_of = (error / unit) ** 2, float(((apart / unit) ** 2).sum())
        scores["r2"] = 1 - float(squares.sum()) / spread_of if spread_of else math.nan
        scores["mean_absolute_error"] = float(np.abs(error).mean())
        scores["root_mean_squared_error"] = float(np.sqrt(squares.mean())) * unit
    else:
        right = held == found
        k = len(target.classes)
        trained = np.bincount(target.values[parts.train], minlength=k)
        scores["accuracy"] = float(right.mean())
        scores["most_frequent"] = float((held == trained.argmax()).mean())
        counts = np.bincount(held, minlength=k), np.bincount(held, weights=right, minlength=k)
        classes = [
            ClassScore(label, int(t), int(n), int(r))
            for label, t, n, r in zip(target.labels, trained, *counts, strict=True)
        ]
    return {
        "target": job.target,
        "task": target.task,
        "hidden": job.hidden,
        "activation": job.activation,
        "seed": job.seed,
        "rows_trained": len(parts.train),
        "rows_held_out": len(parts.held),
        "rows_only_predicted": int(np.count_nonzero(~target.known)),
        "n_iter": int(outcome.model.n_iter_),
        "loss": float(outcome.model.loss_),
        "scores": scores,
        "classes": classes,
    }


# ---- report


@dataclass(kw_only=True)
class MlpReport(Report):
    """One run of ``coterie mlp``; scores are those of the rows held out."""

    command: ClassVar[str] = "mlp"

    target: str
    task: str
    hidden: list[int]
    activation: str
    seed: int
    rows_trained: int
    rows_held_out: int
    rows_only_predicted: int
    n_iter: int
    loss: float
    scores: dict[str, float]
    classes: list[ClassScore]

    def figures(self) -> dict[str, Any]:
        """Return the net, its scores, and those of every class."""
        return {
            "target": self.target,
            "task": self.task,
            "hidden": self.hidden,
            "activation": self.activation,
            "seed": self.seed,
            "rows_trained": self.rows_trained,
            "rows_held_out": self.rows_held_out,
            "rows_only_predicted": self.rows_only_predicted,
            "n_iter": self.n_iter,
            "loss": self.loss,
            **self.scores,
            "classes": [one._asdict() for one in self.classes],
        }

    def summary(self, width: int) -> list[str]:
        """Return the net and its score; of classes, a table."""
        units = "-".join(map(str, self.hidden)) or "no"
        hidden = f"{units} hidden units, {self.activation}" if self.hidden else "no hidden layer"
        trained = f"{counted(self.n_iter, 'epoch')} on {counted(self.rows_trained, 'row')}"
        lines = [
            f"{self.task} of {one_line(self.target)!r}, {hidden}, seed {self.seed}",
            f"trained     {trained}, loss {self.loss:.6g}",
            f"held out    {counted(self.rows_held_out, 'row')}",
        ]
        if self.rows_only_predicted:
            missing = f"{counted(self.rows_only_predicted, 'row')} without a target"
            lines.append(f"predicted   {missing}, too")
        if self.task == "regression":
            mean, root = self.scores["mean_absolute_error"], self.scores["root_mean_squared_error"]
            return [
                *lines,
                f"R^2         {figure(self.scores['r2'])}",
                f"error       {figure(mean)} in the mean, {figure(root)} root mean square",
            ]
        often = f"{self.scores['most_frequent']:.1%} by always saying the most frequent class"
        lines += [f"accuracy    {self.scores['accuracy']:.1%} ({often})", ""]
        return lines + self._table(width)

    def _table(self, width: int) -> list[str]:
        shown = sorted(self.classes, key=lambda one: -one.trained)[:CLASSES_SHOWN]
        shown = [one for one in self.classes if one in shown]
        rows = [["class", "trained", "held out", "right"]]
        for label, trained, held, right in shown:
            share = f"{right / held:.1%}" if held else "-"
            rows.append([one_line(str(label))[:32], str(trained), str(held), share])
        rest = len(self.classes) - len(shown)
        more = [f"(not shown, as they are rarer: {rest}; --json has all)"] if rest else []
        return lines_of(rows, width, fixed=4) + more

    def files(self) -> list[tuple[str, str | None]]:
        """Return the one output."""
        return [("predictions", self.out)]
