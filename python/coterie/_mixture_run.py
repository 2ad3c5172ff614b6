"""What a mixture's run is given and what it yields, and the shapes of its covariances."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coterie import _core

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from coterie._core import Floats, Weights

COVARIANCES = ("full", "tied", "diag", "spherical")
MATRICES = ("full", "tied")  # covariances that are matrices


class MixtureInfo(NamedTuple):
    """What `callback` hears after an iteration."""

    iteration: int  # iterations finished in this run, counted from 1
    lower_bound: float  # on the mean log density of X, before this iteration's M-step
    change: float  # of the bound since the iteration before
    run: int  # which of the n_init runs, counted from 0


@dataclass(frozen=True)
class Data:
    """The rows of a fit and what is found out about them once, when it is first asked for."""

    rows: Floats
    weights: Weights
    total: float  # of the weights
    n_threads: int

    @cached_property
    def moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and variance of every column; refuses rows that are not finite."""
        return _core.moments(self.rows, self.weights, self.n_threads)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of every column."""
        return self.moments[0]


class Options(NamedTuple):
    """The parameters the mixtures share, checked."""

    n_components: int
    covariance_type: str
    tol: float
    reg_covar: float
    max_iter: int
    n_init: int
    init_params: str
    n_threads: int
    progress: Progress | None


class Run(NamedTuple):
    """The outcome of one start: fitted attributes by name, and how the bound went."""

    attributes: dict[str, Any]
    lower_bounds: list[float]
    converged: bool
    notes: list[str]  # what became of components that collapsed


class Progress:
    """Counts iterations, prints them, passes them to the user's callback."""

    def __init__(
        self, callback: Callable[[MixtureInfo], object] | None, verbose: int, interval: int
    ) -> None:
        self.callback, self.verbose, self.interval = callback, verbose, interval
        self.run, self.stopped = -1, False

    def start(self) -> None:
        """Begin the next run."""
        self.run += 1
        if self.verbose:
            print(f"Initialization {self.run}")

    def __call__(self, iteration: int, bound: float, change: float) -> bool:
        count = iteration + 1
        if self.verbose and count % self.interval == 0:
            print(
                f"  Iteration {count}" + self.verbose // 2 * f"\t lower bound change {change:.5f}"
            )
        if self.callback is not None:
            self.stopped = bool(self.callback(MixtureInfo(count, bound, change, self.run)))
        return self.stopped

    def finish(self, run: Run) -> None:
        """Say how the run ended."""
        if self.verbose:
            end = "converged" if run.converged else "did not converge"
            print(f"Initialization {end}.")


def factors_of(precisions_cholesky: object, covariance_type: str) -> NDArray[np.float64]:
    """Return the core's lower triangular factors T, precision = T^T T, of scikit-learn's upper."""
    upper = np.asarray(precisions_cholesky, dtype=np.float64)
    return np.ascontiguousarray(upper.swapaxes(-1, -2) if covariance_type in MATRICES else upper)


def upper_of(factors: NDArray[np.float64], covariance_type: str) -> NDArray[np.float64]:
    """Return `precisions_cholesky_` from the core's factors: precision = P P^T."""
    upper = factors.swapaxes(-1, -2) if covariance_type in MATRICES else factors
    return np.ascontiguousarray(upper)


def precisions_of(
    precisions_cholesky: NDArray[np.float64], covariance_type: str
) -> NDArray[np.float64]:
    """Return the precisions of these Cholesky factors."""
    if covariance_type in MATRICES:
        product: NDArray[np.float64] = precisions_cholesky @ precisions_cholesky.swapaxes(-1, -2)
        return product
    return precisions_cholesky**2


def shape_of(covariance_type: str, k: int, d: int) -> tuple[int, ...]:
    """Return the shape of `covariances_`."""
    return {"full": (k, d, d), "tied": (d, d), "diag": (k, d), "spherical": (k,)}[covariance_type]


def notes_on(regularised: list[int], reseeded: list[int]) -> list[str]:
    """Say which components collapsed and what was done."""
    notes = []
    if reseeded:
        notes.append(
            f"components {reseeded} collapsed onto too few distinct rows and were started again, "
            "once; fewer components or a larger reg_covar avoid this"
        )
    if regularised:
        notes.append(
            f"components {regularised} had singular covariances; a small share of their variance "
            "was added. A larger reg_covar avoids this"
        )
    return notes
