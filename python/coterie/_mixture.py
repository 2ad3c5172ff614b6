"""What the mixtures share: runs from several starts, and all that is asked of a fitted model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from coterie import _core
from coterie._estimator import ConvergenceWarning, Estimator, known_to_sklearn, warn
from coterie._mixture_run import (
    COVARIANCES,
    MATRICES,
    Data,
    Options,
    Progress,
    Run,
    factors_of,
    shape_of,
)
from coterie._mixture_start import STARTS
from coterie._seeding import Random, check_random
from coterie._sparse import is_sparse
from coterie._validate import (
    check_bool,
    check_int,
    check_option,
    check_real,
    check_rows,
    check_threads,
    check_weights,
    feature_names,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from coterie._core import Floats, Weights

Self = TypeVar("Self", bound="Mixture")


class Mixture(Estimator):
    """Base of the mixtures. A subclass starts, resumes and iterates; the rest is here."""

    _estimator_type: ClassVar[str] = "density_estimator"

    n_components: int
    covariance_type: str
    n_threads: int | None
    random_state: Any

    weights_: NDArray[np.float64]
    means_: NDArray[np.float64]
    covariances_: NDArray[np.float64]
    precisions_cholesky_: NDArray[np.float64]
    converged_: bool
    n_iter_: int
    lower_bound_: float
    lower_bounds_: list[float]

    def _begin(self, data: Data, options: Options, random: Random) -> Any:
        raise NotImplementedError

    def _resume(self, data: Data, options: Options) -> Any:
        raise NotImplementedError

    def _iterate(self, data: Data, options: Options, state: Any, before: float) -> Run:
        raise NotImplementedError

    def _constants(self) -> NDArray[np.float64] | None:
        """Return what the E-step adds to a component's log density; None: that of a mixture."""
        return None

    def __sklearn_is_fitted__(self) -> bool:
        return "means_" in vars(self) and "precisions_cholesky_" in vars(self)

    def _check_options(self) -> Options:
        params = self.get_params()
        verbose = params["verbose"]
        verbose = check_int(int(verbose) if isinstance(verbose, bool) else verbose, "verbose", 0)
        interval = check_int(params["verbose_interval"], "verbose_interval")
        check_bool(params["warm_start"], "warm_start")
        callback = params["callback"]
        if callback is not None and not callable(callback):
            raise TypeError(f"callback: wanted a callable or None, got {callback!r}")
        return Options(
            check_int(params["n_components"], "n_components"),
            check_option(params["covariance_type"], "covariance_type", COVARIANCES),
            check_real(params["tol"], "tol"),
            check_real(params["reg_covar"], "reg_covar"),
            check_int(params["max_iter"], "max_iter", 0),
            check_int(params["n_init"], "n_init"),
            check_option(params["init_params"], "init_params", STARTS),
            check_threads(params["n_threads"]),
            Progress(callback, verbose, interval) if verbose or callback is not None else None,
        )

    def _fit(self, X: object, sample_weight: object) -> Floats:
        names = feature_names(X)
        rows = dense(X, self)
        weights = check_weights(sample_weight, len(rows))
        for note in self._fit_rows(rows, names, weights):
            warn(note, known_to_sklearn(ConvergenceWarning))
        return rows

    def _fit_rows(self, rows: Floats, names: NDArray[Any] | None, weights: Weights) -> list[str]:
        """Fit to checked rows; return what the user should be warned of."""
        options = self._check_options()
        if len(rows) < options.n_components:
            raise ValueError(
                f"n_components: Expected n_samples >= n_components but got n_components = "
                f"{options.n_components}, n_samples = {len(rows)}"
            )
        total = float(len(rows) if weights is None else weights.sum())
        data = Data(rows, weights, total, options.n_threads)
        best, bound = self._best_run(data, options)
        vars(self).update(best.attributes)
        self.converged_, self.n_iter_ = best.converged, len(best.lower_bounds)
        self.lower_bound_, self.lower_bounds_ = bound, best.lower_bounds
        self._store_features(rows.shape[1], names)
        stopped = options.progress is not None and options.progress.stopped
        if best.converged or options.max_iter == 0 or stopped:
            return best.notes
        slow = (
            f"no run converged within max_iter={options.max_iter} iterations; the best one is "
            "kept. More iterations, a larger tol or another start may help."
        )
        return [*best.notes, slow]

    def _best_run(self, data: Data, options: Options) -> tuple[Run, float]:
        """Return the run with the highest bound, and that bound."""
        random = check_random(self.random_state)
        warm = bool(self.get_params()["warm_start"]) and "converged_" in vars(self)
        wanted = shape_of(options.covariance_type, options.n_components, data.rows.shape[1])
        if warm and self.covariances_.shape != wanted:
            raise ValueError(
                f"warm_start: wanted the components, covariance_type and features of the last fit, "
                f"got covariances of shape {self.covariances_.shape} to continue with {wanted}"
            )
        progress = options.progress
        best, highest = None, -np.inf
        for _ in range(1 if warm else options.n_init):
            if progress is not None:
                progress.start()
            state = self._resume(data, options) if warm else self._begin(data, options, random)
            before = self.lower_bound_ if warm else -np.inf
            run = self._iterate(data, options, state, before)
            if progress is not None:
                progress.finish(run)
            bound = run.lower_bounds[-1] if run.lower_bounds else -np.inf
            if best is None or bound > highest:
                best, highest = run, bound
            if progress is not None and progress.stopped:
                break
        assert best is not None  # n_init >= 1
        return best, float(highest)

    def fit(
        self: Self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Fit the mixture to X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, all finite. C-ordered float32 and float64 are not copied.
        y : ignored
            Only there for pipelines.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, not all zero: a weight of 2 counts a row twice. None stands for ones.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If X, the weights or a parameter is not as described; the message names it.

        Warns
        -----
        ConvergenceWarning
            If no run converged, or a component of a GaussianMixture collapsed; the message
            names it.
        """
        del y
        self._fit(X, sample_weight)
        return self

    def fit_predict(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> NDArray[np.int32]:
        """Fit, and return the most likely component of every row: `fit(X).predict(X)`."""
        del y
        rows = self._fit(X, sample_weight)
        labels = np.empty(len(rows), dtype=np.int32)
        self._score_rows(rows, labels=labels)
        return labels

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Return the most likely component of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, all finite.

        Returns
        -------
        ndarray of shape (n_samples,), int32
            Labels; the lowest index wins a tie.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X is not finite or has other features than at fit.
        """
        rows = self._rows(X)
        labels = np.empty(len(rows), dtype=np.int32)
        self._score_rows(rows, labels=labels)
        return labels

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return the responsibilities: the probability of every component given a row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, all finite.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Probabilities in the dtype of X; rows sum to 1.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X is not finite or has other features than at fit.
        """
        rows = self._rows(X)
        out: Floats = np.empty((len(rows), len(self.means_)), dtype=rows.dtype)
        self._score_rows(rows, responsibilities=out)
        return out

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the log density of every row, ln p(x).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, all finite.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            Natural logarithms.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X is not finite or has other features than at fit.
        """
        rows = self._rows(X)
        out = np.empty(len(rows))
        self._score_rows(rows, log_density=out)
        return out

    def score(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the (weighted) mean log density of the rows. Errors are those of `predict`."""
        del y
        log_density = self.score_samples(X)
        weights = check_weights(sample_weight, len(log_density))
        return float(np.average(log_density, weights=weights))

    def sample(self, n_samples: int = 1) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Draw rows from the fitted mixture, component by component.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows.
        y : ndarray of shape (n_samples,)
            The component each was drawn from, ascending.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        self._require_fit()
        if check_int(n_samples, "n_samples", -(2**31)) < 1:
            raise ValueError(
                f"Invalid value for 'n_samples': {n_samples} . The sampling requires at least one "
                "sample."
            )
        random = check_random(self.random_state)
        counts = random.multinomial(n_samples, self.weights_)
        n_features, parts = self.means_.shape[1], []
        for c, (mean, count) in enumerate(zip(self.means_, counts, strict=True)):
            shared = self.covariance_type == "tied"
            covariance = self.covariances_ if shared else self.covariances_[c]
            if self.covariance_type in MATRICES:
                parts.append(random.multivariate_normal(mean, covariance, int(count)))
            else:
                normal = random.standard_normal(size=(count, n_features))
                parts.append(mean + normal * np.sqrt(covariance))
        return np.vstack(parts), np.repeat(np.arange(len(counts)), counts)

    def _rows(self, X: object) -> Floats:
        self._require_fit()
        if "n_features_in_" not in vars(self):  # parameters set by hand
            self.n_features_in_ = np.shape(self.means_)[1]
        refuse_sparse(X, self)
        rows: Any = self._fitted_rows(X)
        return rows  # type: ignore[no-any-return]

    def _score_rows(
        self,
        rows: Floats,
        log_density: NDArray[np.float64] | None = None,
        responsibilities: Floats | None = None,
        labels: NDArray[np.int32] | None = None,
    ) -> None:
        means = np.ascontiguousarray(self.means_, dtype=np.float64)
        constants = self._constants()
        _core.gmm_score(
            rows,
            self.covariance_type,
            np.ascontiguousarray(self.weights_, dtype=np.float64) if constants is None else None,
            means,
            factors_of(self.precisions_cholesky_, self.covariance_type),
            constants,
            log_density,
            responsibilities,
            labels,
            check_threads(self.n_threads),
        )


def refuse_sparse(X: object, model: Estimator) -> None:
    """Refuse sparse rows, which a mixture would have to densify."""
    if is_sparse(X):
        raise TypeError(
            f"X: wanted a dense array, got a sparse one: {type(model).__name__} works on dense "
            "data, X.toarray() converts"
        )


def dense(X: object, model: Estimator) -> Floats:
    """Return X as dense rows the core can read."""
    refuse_sparse(X, model)
    rows: Any = check_rows(X)
    return rows  # type: ignore[no-any-return]
