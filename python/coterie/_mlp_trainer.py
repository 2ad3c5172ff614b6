"""Epochs of a stochastic solver, as scikit-learn counts them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from coterie import _core
from coterie._estimator import warn
from coterie._validate import INT_MAX, check_threads
from coterie.nn._errors import DivergenceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie._mlp import Perceptron
    from coterie._mlp_weights import Rows
    from coterie._seeding import Random

Method = TypeVar("Method", bound=Callable[..., Any])

SLOWEST = 1e-6  # an adaptive learning rate that is not above this ends training


class _StepsOnly:
    def __init__(self, method: Callable[..., Any]) -> None:
        functools.update_wrapper(cast("Any", self), method)
        self._method: Any = method

    def __get__(self, model: Perceptron | None, owner: type | None = None) -> Any:
        if model is not None and model.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
            )
        return self._method.__get__(model, owner)


def steps_only(method: Method) -> Method:
    """Return a method that models with the solver 'lbfgs' do not have: `hasattr` is False."""
    return cast("Method", _StepsOnly(method))


class Trainer:
    """Epochs of a stochastic solver, and when they end."""

    def __init__(self, model: Perceptron, part: Rows, held: Rows | None, epochs: int) -> None:
        self.model, self.part, self.held, self.epochs = model, part, held, epochs
        n_rows = len(part.X)
        size = min(200, n_rows) if model.batch_size == "auto" else int(model.batch_size)
        if size > n_rows:
            warn(
                f"batch_size: wanted at most the {n_rows} rows to train on, got {size}; all rows "
                "are a batch",
                UserWarning,
            )
        self.batch_size = min(size, n_rows)
        self.best: NDArray[Any] | None = None
        if held is not None:
            self.out = np.empty((len(held.X), model._sizes[-1]), model._theta.dtype)

    def run(self, random: Random) -> None:
        """Train, and leave the best weights where there was something to judge by."""
        model = self.model
        optimizer = model._optimizer
        model.n_iter_, model._stopped = 0, False
        slots = optimizer._state_for(model._theta)
        settings = {
            "epochs": model._epochs + self.epochs,
            "initial_epoch": model._epochs,
            "batch_size": self.batch_size,
            "shuffle": bool(model.shuffle),
            "seed": int(random.uniform() * INT_MAX),
            "n_threads": check_threads(model.n_threads),
        }
        state = np.zeros(0, model._theta.dtype)
        history = np.full((self.epochs, 1), np.nan)
        arguments: tuple[Any, ...] = (model._net, model._theta, state, slots, *self.part, None)
        arguments += (model._full_loss(), [], optimizer._spec(0), settings, history, self._between)
        steps = math.ceil(len(self.part.X) / self.batch_size)
        outcome: dict[str, Any] | None = None
        try:
            outcome = _core.nn_fit(*arguments)
        finally:
            model._epochs += model.n_iter_
            optimizer.iterations += outcome["iterations"] if outcome else steps * model.n_iter_
            if self.best is not None:
                model._theta[...] = self.best
        if outcome["diverged"] is not None:
            epoch, batch = outcome["diverged"]
            rate = cast("float", optimizer.learning_rate)
            raise DivergenceError(epoch - settings["initial_epoch"], batch, rate)

    def _between(self, epoch: int, row: NDArray[np.float64]) -> bool:
        """Note the loss of an epoch; return whether it was the last."""
        del epoch
        model = self.model
        model.n_iter_ += 1
        model.t_ += len(self.part.X)
        model.loss_ = float(row[0])
        model.loss_curve_.append(model.loss_)
        if model.verbose:
            print(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}", flush=True)
        if model._watch is not None:
            model._watch(model.n_iter_, model.loss_)
        self._judge()
        optimizer, kind = model._optimizer, model.learning_rate
        if model.solver == "sgd" and kind == "invscaling":
            fall = float(model.t_ + 1) ** -model.power_t
            optimizer.learning_rate = model.learning_rate_init * fall
        if model._no_gain <= model.n_iter_no_change:
            return False
        rate = cast("float", optimizer.learning_rate)
        if model.solver == "sgd" and kind == "adaptive" and rate > SLOWEST:
            optimizer.learning_rate = rate / 5
            model._no_gain = 0
            return False
        model._stopped = True
        return True

    def _judge(self) -> None:
        """Count the epochs without a gain, by the score of held-out rows if there are some."""
        model = self.model
        if self.held is None:
            best = cast("float", model.best_loss_)
            model._no_gain = model._no_gain + 1 if model.loss_ > best - model.tol else 0
            model.best_loss_ = min(best, model.loss_)
            return
        model._forward(self.held.X, self.out)
        score, top = model._score_of(self.out, self.held), model.best_validation_score_
        cast("list[float]", model.validation_scores_).append(score)
        if model.verbose:
            print(f"Validation score: {score:f}", flush=True)
        model._no_gain = model._no_gain + 1 if score < cast("float", top) + model.tol else 0
        if score > cast("float", top) or self.best is None:
            model.best_validation_score_ = max(score, cast("float", top))
            self.best = model._theta.copy()
