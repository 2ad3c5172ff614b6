"""Runs of Lloyd's algorithm: the checked parameters, what is reported, which run is kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from coterie import _core
from coterie._estimator import ConvergenceWarning, known_to_sklearn, warn
from coterie._seeding import check_random, check_start, initial_centers
from coterie._validate import (
    check_bool,
    check_int,
    check_option,
    check_real,
    check_threads,
    core_rows,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from coterie._core import Floats, Weights
    from coterie._validate import Rows
    from coterie.kmeans import KMeans

EMPTY = ("relocate", "keep", "error")
RESTARTS = 10  # n_init='auto' where a start may be poor: random rows, a callable
SAME_AS_LLOYD = " (all of scikit-learn's algorithms give one result, so 'lloyd' replaces them)"


class IterationInfo(NamedTuple):
    """What `callback` hears after an iteration."""

    iteration: int  # iterations finished in this run, counted from 1
    inertia: float  # of this iteration's assignment, before the centres moved
    shift: float  # sum over centres of their squared movement
    run: int  # which of the n_init runs, counted from 0


class Progress:
    """Counts iterations, prints them, passes them to the user's callback."""

    def __init__(self, callback: Callable[[IterationInfo], object] | None, verbose: int) -> None:
        self.callback, self.verbose = callback, verbose
        self.run, self.iteration, self.stopped = -1, 0, False

    def start(self) -> None:
        """Begin the next run."""
        self.run, self.iteration = self.run + 1, 0
        if self.verbose:
            print("Initialization complete")

    def __call__(self, _iteration: int, inertia: float, shift: float) -> bool:
        if self.verbose:
            print(f"Iteration {self.iteration}, inertia {inertia}.")
        self.iteration += 1
        if self.callback is not None:
            info = IterationInfo(self.iteration, inertia, shift, self.run)
            self.stopped = bool(self.callback(info))
        return self.stopped

    def finish(self, shift: float, tol: float) -> None:
        """Say why the run ended; `shift` is its last one."""
        if not self.verbose or self.stopped:
            return
        if shift == 0:
            print(f"Converged at iteration {self.iteration - 1}: strict convergence.")
        elif shift <= tol:
            print(
                f"Converged at iteration {self.iteration - 1}: center shift {shift} "
                f"within tolerance {tol}."
            )


class Options(NamedTuple):
    """The parameters of KMeans, checked."""

    n_clusters: int
    n_init: int
    max_iter: int
    tol: float  # relative to the mean variance
    empty_cluster: str
    n_threads: int
    progress: Progress | None


def check_options(model: KMeans) -> Options:
    """Return the parameters of `model`; only here do they meet their rules."""
    check_start(model.init)
    check_option(model.algorithm, "algorithm", ("lloyd",), SAME_AS_LLOYD)
    check_bool(model.copy_x, "copy_x")
    verbose = check_verbose(model.verbose)
    callback = model.callback
    if callback is not None and not callable(callback):
        raise TypeError(f"callback: wanted a callable or None, got {callback!r}")
    return Options(
        check_int(model.n_clusters, "n_clusters"),
        _check_n_init(model),
        check_int(model.max_iter, "max_iter"),
        check_real(model.tol, "tol"),
        check_option(model.empty_cluster, "empty_cluster", EMPTY),
        check_threads(model.n_threads),
        Progress(callback, verbose) if verbose or callback is not None else None,
    )


def check_verbose(verbose: object) -> int:
    """Return how much to print; a bool counts as an integer."""
    return check_int(
        int(verbose) if isinstance(verbose, (bool, np.bool_)) else verbose, "verbose", 0
    )


def _check_n_init(model: KMeans) -> int:
    named = isinstance(model.init, str)
    if isinstance(model.n_init, str):
        check_option(model.n_init, "n_init", ("auto",), "; an integer >= 1 will do, too")
        poor = model.init == "random" if named else callable(model.init)
        return RESTARTS if poor else 1
    n_init = check_int(model.n_init, "n_init")
    if n_init != 1 and not named and not callable(model.init):
        warn(
            "Explicit initial center position passed: performing only one init in "
            f"{type(model).__name__} instead of n_init={n_init}.",
            RuntimeWarning,
        )
        return 1
    return n_init


class Run(NamedTuple):
    """The outcome of Lloyd's algorithm from one start."""

    centers: Floats
    labels: NDArray[np.int32]
    inertia: float
    history: NDArray[np.float64]  # (n_iter, 2): inertia, shift


def best_run(rows: Rows, weights: Weights, model: KMeans, options: Options) -> Run:
    """Return the run of lowest inertia; a later one must also differ in its clusters."""
    k = options.n_clusters
    moments = _core.moments(core_rows(rows), weights, options.n_threads)  # refuses non-finite X
    tol = options.tol * math.fsum(moments[1].tolist()) / len(moments[1])
    random = check_random(model.random_state)
    progress, best = options.progress, None
    for _ in range(options.n_init):
        centers = initial_centers(rows, model.init, k, weights, random, options.n_threads)
        run = run_from(centers, rows, weights, moments, tol, options)
        if best is None or (
            run.inertia < best.inertia and not _same_clustering(run.labels, best.labels, k)
        ):
            best = run
        if progress is not None and progress.stopped:
            break
    assert best is not None  # n_init >= 1
    return best


def run_from(
    centers: Floats,
    rows: Rows,
    weights: Weights,
    moments: tuple[NDArray[np.float64], NDArray[np.float64]],
    tol: float,
    options: Options,
) -> Run:
    """Run Lloyd's algorithm from `centers`, in place; `tol` is absolute."""
    labels = np.empty(rows.shape[0], dtype=np.int32)
    progress = options.progress
    if progress is not None:
        progress.start()
    inertia, _n_iter, history = _core.kmeans_fit(
        core_rows(rows),
        weights,
        *moments,
        centers,
        labels,
        options.max_iter,
        tol,
        options.empty_cluster,
        options.n_threads,
        progress,
    )
    if progress is not None:
        progress.finish(float(history[-1, 1]), tol)
    return Run(centers, labels, inertia, history)


def _same_clustering(a: NDArray[np.int32], b: NDArray[np.int32], k: int) -> bool:
    """Tell whether two labellings are one up to the numbering: each label of a has one in b."""
    partner = np.zeros(k, dtype=np.int32)
    partner[a] = b
    return bool((partner[a] == b).all())


def warn_if_fewer(labels: NDArray[np.int32], k: int) -> None:
    """Warn when fewer than k clusters have rows.

    Most often the first rows show all k labels, so the search goes in growing steps.
    """
    seen = np.zeros(k, dtype=np.bool_)
    start, step = 0, 16 * k
    while start < len(labels):
        seen[labels[start : start + step]] = True
        if np.count_nonzero(seen) == k:  # all() takes four times as long
            return
        start, step = start + step, 2 * step
    warn(
        f"Number of distinct clusters ({np.count_nonzero(seen)}) found smaller than n_clusters "
        f"({k}). Possibly due to duplicate points in X.",
        known_to_sklearn(ConvergenceWarning),
    )
