"""Perceptrons that predict numbers."""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie._estimator import known_to_sklearn, warn
from coterie._mlp import Perceptron
from coterie._mlp_targets import read_numbers, read_truth
from coterie._mlp_trainer import steps_only
from coterie._validate import check_option, check_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from coterie._mlp_weights import Rows
    from coterie._seeding import Random


class UndefinedMetricWarning(UserWarning):
    """The data do not determine a score."""


class MLPRegressor(Perceptron):
    r"""A net of dense layers that predicts numbers, with scikit-learn's interface.

    The loss is half the squared error, summed over the outputs of a row; so is its gradient.
    (scikit-learn descends along the same gradient, but reports the mean over the outputs: of
    several, `tol` is a larger part of the loss there, and training may end earlier.)

    Parameters
    ----------
    loss : {'squared_error'}, default='squared_error'
        What is minimised.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, \
    learning_rate_init, power_t, max_iter, shuffle, random_state, tol, verbose, warm_start, \
    momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon, \
    n_iter_no_change, max_fun, n_threads
        As in `MLPClassifier`, with the same defaults.

    Attributes
    ----------
    coefs_, intercepts_, loss_, loss_curve_, best_loss_, validation_scores_, \
    best_validation_score_, n_iter_, t_, n_layers_, n_outputs_, out_activation_, n_features_in_, \
    feature_names_in_
        As in `MLPClassifier`; the score of held-out rows is R^2.

    References
    ----------
    C. M. Bishop: Pattern Recognition and Machine Learning, chapter 5. Springer, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> model = MLPRegressor(hidden_layer_sizes=(20,), activation="tanh", solver="lbfgs",
    ...                      max_iter=500, tol=1e-5, random_state=0).fit(X, X[:, 0] ** 2)
    >>> bool(model.score(X, X[:, 0] ** 2) > 0.99)
    True
    """

    _estimator_type = "regressor"

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: ArrayLike = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | Random | None = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        n_threads: int | None = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            n_threads=n_threads,
        )
        self.loss = loss

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> MLPRegressor:
        """Train on X and y.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), dense
            Rows. float32 rows are trained on in float32, all others in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self
            The estimator.

        Raises
        ------
        ValueError
            If parameters or data are invalid; the message names them.
        coterie.nn.DivergenceError
            If the loss is not finite.
        """
        self._fit_rows(X, y, sample_weight, incremental=False)
        return self

    @steps_only
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> MLPRegressor:
        """Train for one epoch, going on from where training stands.

        Parameters
        ----------
        X, y : array-like
            Rows and numbers, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self
            The estimator.

        Raises
        ------
        AttributeError
            If the solver is 'lbfgs'.
        ValueError
            As in `fit`.
        """
        self._fit_rows(X, y, sample_weight, incremental=True)
        return self

    def _check_parameters(self) -> None:
        check_option(self.loss, "loss", ("squared_error",))
        super()._check_parameters()

    def _targets(self, y: object, n_rows: int, dtype: np.dtype[Any], keep: bool) -> NDArray[Any]:
        numbers = read_numbers(y, n_rows, dtype)
        if keep and numbers.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y: wanted {self.n_outputs_} outputs, as in the first fit, got {numbers.shape[1]}"
            )
        self._n_targets = numbers.shape[1]
        return numbers

    def _output(self) -> tuple[int, str]:
        return self._n_targets, "identity"

    def _loss(self) -> dict[str, Any]:
        return {"name": "half_squared"}

    def _score_of(self, out: NDArray[Any], rows: Rows) -> float:
        return _r_squared(rows.Y, out, rows.weights)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return what the net makes of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), dense
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Numbers, in the dtype of the fit.
        """
        out = self._outputs(X)
        return out[:, 0] if out.shape[1] == 1 else out

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return R^2, the share of the variance that is explained, mean over the outputs.

        Parameters
        ----------
        X, y : array-like
            Rows and numbers, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            1 at best; 0 is what the mean of y would have. NaN, with a warning, for one row.

        Raises
        ------
        ValueError
            If y is not finite or not of the shape of the outputs.
        """
        found = self._outputs(X)
        wanted = read_truth(y, found.shape)
        weights = check_weights(sample_weight, len(found))
        if len(found) < 2:
            warn(
                "R^2 score is not well-defined with less than two samples.",
                known_to_sklearn(UndefinedMetricWarning),
            )
            return math.nan
        return _r_squared(wanted, found, weights)

    def __sklearn_tags__(self) -> Any:
        tags, utils = super().__sklearn_tags__(), importlib.import_module("sklearn.utils")
        tags.target_tags.required = True
        tags.regressor_tags = utils.RegressorTags()
        return tags


def _r_squared(
    wanted: NDArray[Any], found: NDArray[Any], weights: NDArray[np.float64] | None
) -> float:
    wanted = wanted.astype(np.float64)
    mean = np.average(wanted, axis=0, weights=weights)
    left = np.average((wanted - found) ** 2, axis=0, weights=weights)
    total = np.average((wanted - mean) ** 2, axis=0, weights=weights)
    constant = np.where(left == 0, 1.0, 0.0)  # of a y without variance, as scikit-learn has it
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(total == 0, constant, 1 - left / total).mean())
