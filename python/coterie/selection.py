"""How many components a Gaussian mixture needs: information criteria over a range of fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coterie._estimator import ConvergenceWarning, known_to_sklearn, warn
from coterie._lloyd import IterationInfo, best_run, check_options
from coterie._mixture import dense
from coterie._mixture_run import MixtureInfo
from coterie._seeding import check_random, plus_plus_rows
from coterie._validate import (
    check_int,
    check_option,
    check_threads,
    check_weights,
    feature_names,
)
from coterie.gmm import GaussianMixture
from coterie.kmeans import KMeans

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from coterie._core import Floats, Weights

__all__ = ["Selection", "select_n_components"]

TABLE = np.dtype(
    [
        ("n_components", np.int64),
        ("bic", np.float64),
        ("aic", np.float64),
        ("log_likelihood", np.float64),
        ("n_iter", np.int64),
        ("converged", np.bool_),
    ]
)


class Selection(NamedTuple):
    """What `select_n_components` returns."""

    table: NDArray[Any]  # a row a candidate, in the order given
    best_estimator: GaussianMixture  # the fitted winner


def select_n_components(
    X: ArrayLike,
    n_components: Iterable[int],
    criterion: str = "bic",
    *,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
    **parameters: Any,
) -> Selection:
    """Fit a Gaussian mixture for every number of components and keep the best.

    The starts are shared: one run of greedy k-means++ for the largest number yields the seeds of
    all, of which each takes as many as it has components, then k-means and EM follow. The fits
    run side by side.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows, all finite.
    n_components : iterable of int
        Candidates, such as `range(1, 11)`.
    criterion : {'bic', 'aic'}, default='bic'
        What the winner has the lowest of; the fewest components win a tie.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights >= 0: a weight of 2 counts a row twice. None stands for ones.
    n_threads : int, default=None
        Threads to use; None is all CPUs of this process. The result does not depend on it.
    **parameters : dict
        Parameters of GaussianMixture other than `n_components`, `n_init` and `init_params`.

    Returns
    -------
    Selection
        `table`, a structured array with the fields 'n_components', 'bic', 'aic',
        'log_likelihood' (the weighted sum over rows), 'n_iter' and 'converged'; and
        `best_estimator`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Warns
    -----
    ConvergenceWarning
        If the winner did not converge, or a component of it collapsed.

    Notes
    -----
    The time of one fit with as many components as all candidates together. BIC is
    -2 ln L + p ln n, AIC -2 ln L + 2 p, for p free parameters.

    References
    ----------
    G. Schwarz: Estimating the Dimension of a Model. Annals of Statistics 6, 1978.
    H. Akaike: A New Look at the Statistical Model Identification. IEEE Trans. Autom. Control 19,
    1974.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> X[:150] += 9
    >>> table, best = select_n_components(X, range(1, 5), random_state=0)
    >>> best.n_components
    2
    """
    check_option(criterion, "criterion", ("bic", "aic"))
    candidates = [check_int(k, "n_components") for k in n_components]
    if not candidates:
        raise ValueError("n_components: wanted at least one candidate, got none")
    for name in ("n_init", "init_params", "n_components", "warm_start"):
        if name in parameters:
            raise TypeError(f"{name}: not a parameter of select_n_components, which shares starts")
    model = GaussianMixture(**parameters)
    names, rows = feature_names(X), dense(X, model)
    weights = check_weights(sample_weight, len(rows))
    if max(candidates) > len(rows):
        raise ValueError(
            f"n_components: wanted at most one a row of X, {len(rows)}, got {max(candidates)}"
        )
    threads = check_threads(n_threads)
    random = check_random(model.random_state)
    seeds = plus_plus_rows(rows, max(candidates), weights, random, threads)
    job = _Job(rows, names, weights, seeds, parameters, max(1, threads // len(candidates)))
    fits = job.run(candidates, min(threads, len(candidates)))
    table = np.array([_line(one, rows, weights) for one, _ in fits], dtype=TABLE)
    best, notes = fits[int(np.lexsort((table["n_components"], table[criterion]))[0])]
    for note in notes:
        warn(note, known_to_sklearn(ConvergenceWarning))
    best.set_params(n_threads=n_threads, callback=model.callback)
    return Selection(table, best)


class _Job:
    """Fits side by side; an exception in one, or in the caller, ends all after an iteration."""

    def __init__(
        self,
        rows: Floats,
        names: NDArray[Any] | None,
        weights: Weights,
        seeds: NDArray[np.int64],
        parameters: dict[str, Any],
        n_threads: int,
    ) -> None:
        self.rows, self.names, self.weights, self.seeds = rows, names, weights, seeds
        self.parameters, self.n_threads = parameters, n_threads
        self.callback = parameters.get("callback")
        self.ended = False

    def run(self, candidates: list[int], workers: int) -> list[tuple[GaussianMixture, list[str]]]:
        """Return a fitted mixture for every candidate, and what it should warn of."""
        from concurrent.futures import ThreadPoolExecutor  # 5 ms that only this needs

        with ThreadPoolExecutor(workers) as pool:
            running = [pool.submit(self.fit, k) for k in candidates]
            try:
                return [one.result() for one in running]
            except BaseException:
                self.ended = True
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def fit(self, k: int) -> tuple[GaussianMixture, list[str]]:
        """Fit k components from the first k seeds."""
        own: dict[str, Any] = {"n_threads": self.n_threads, "callback": self.heard}
        clusters = KMeans(k, init=self.rows[self.seeds[:k]], n_init=1, **own)
        labels = best_run(self.rows, self.weights, clusters, check_options(clusters)).labels
        model = GaussianMixture(k, **(self.parameters | own))
        vars(model)["_labels"] = labels
        return model, model._fit_rows(self.rows, self.names, self.weights)

    def heard(self, info: IterationInfo | MixtureInfo) -> object:
        """Tell a fit whether to end; pass what a mixture reports to the user's callback."""
        if not self.ended and self.callback is not None and isinstance(info, MixtureInfo):
            return self.callback(info)
        return self.ended


def _line(model: GaussianMixture, rows: Floats, weights: Weights) -> tuple[Any, ...]:
    total = len(rows) if weights is None else weights.sum()
    log_density = np.empty(len(rows))
    model._score_rows(rows, log_density=log_density)
    log_likelihood = np.average(log_density, weights=weights) * total
    free = model._n_parameters()
    bic, aic = -2 * log_likelihood + free * np.log(total), -2 * log_likelihood + 2 * free
    k = model.n_components
    return k, bic, aic, log_likelihood, model.n_iter_, model.converged_
