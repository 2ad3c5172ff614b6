"""What MLPClassifier and MLPRegressor share: weights, solvers, when to stop."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from coterie import _core
from coterie._estimator import ConvergenceWarning, known_to_sklearn, warn
from coterie._lbfgs import minimize
from coterie._mlp_targets import check_finite, split_rows
from coterie._mlp_trainer import Trainer
from coterie._mlp_weights import ACTIVATIONS, Rows, Weights, dense
from coterie._seeding import check_random
from coterie._validate import (
    INT_MAX,
    check_bool,
    check_int,
    check_option,
    check_real,
    check_rows,
    check_threads,
    check_weights,
    feature_names,
)
from coterie.nn._errors import DivergenceError
from coterie.nn.optimizers import SGD, Adam, Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from coterie._seeding import Random


class Perceptron(Weights):
    """Base of the two; a subclass knows its targets, its loss and its score."""

    n_iter_: int
    t_: int
    loss_: float
    loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    best_validation_score_: float | None

    _stratified: ClassVar[bool] = False
    _watch: Callable[[int, float], object] | None = None  # told (epochs, loss) after every epoch
    _optimizer: Optimizer
    _epochs: int
    _no_gain: int
    _stopped: bool

    def __init__(
        self,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.n_threads = n_threads

    # ---- what a subclass defines

    def _targets(self, y: object, n_rows: int, dtype: np.dtype[Any], keep: bool) -> NDArray[Any]:
        """Return y as the core takes it; `keep` holds on to what an earlier fit has found."""
        raise NotImplementedError

    def _output(self) -> tuple[int, str]:
        """Return the number of outputs and their activation."""
        raise NotImplementedError

    def _loss(self) -> dict[str, Any]:
        """Return the core's description of the loss."""
        raise NotImplementedError

    def _score_of(self, out: NDArray[Any], rows: Rows) -> float:
        """Return the score of outputs, as `score` has it."""
        raise NotImplementedError

    # ---- fit

    def _fit_rows(self, X: object, y: object, sample_weight: object, incremental: bool) -> None:
        """Train; an estimator whose fit is refused is what it was before."""
        before, training = dict(vars(self)), False
        try:
            train = self._prepared(X, y, sample_weight, incremental)
            training = True
            train()
        except BaseException as error:
            # A divergence or an interrupt leaves weights as far as they came. The core refuses
            # data in the first epoch alone, and puts the weights back before it says so.
            refused = isinstance(error, (MemoryError, TypeError, ValueError))
            if not training or (refused and not isinstance(error, DivergenceError)):
                self.__dict__ = before
            raise

    def _prepared(
        self, X: object, y: object, sample_weight: object, incremental: bool
    ) -> Callable[[], None]:
        """Return what trains on the data, all of which were checked but for finite rows."""
        self._check_parameters()
        first = "_theta" not in vars(self) or (not self.warm_start and not incremental)
        if first:
            names = feature_names(X)
            rows = dense(check_rows(X))
            self._store_features(rows.shape[1], names)
        else:
            rows = dense(self._fitted_rows(X))
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None"
            )
        weights = check_weights(sample_weight, len(rows))
        dtype = rows.dtype if first else self._theta.dtype
        Y = self._targets(y, len(rows), dtype, keep=not first)
        part = Rows(np.ascontiguousarray(rows, dtype=dtype), Y, weights)
        random = check_random(self.random_state)
        hidden = _hidden_sizes(self.hidden_layer_sizes)
        n_outputs, out_activation = self._output()
        if first:
            self._sizes = [rows.shape[1], *hidden, n_outputs]
            self.n_outputs_, self.out_activation_ = n_outputs, out_activation
            self._begin(dtype, random)
        elif self._sizes != [self.n_features_in_, *hidden, n_outputs]:
            raise ValueError(
                f"hidden_layer_sizes: wanted those of the net that is trained on, "
                f"{self._sizes[1:-1]}, got {hidden}"
            )
        self._fitted_with = self.activation, float(self.alpha)
        self._make_net()
        if self.solver == "lbfgs":
            return functools.partial(self._fit_lbfgs, part)
        trainer = self._trainer(part, random, incremental)
        return functools.partial(self._fit_steps, trainer, random, incremental)

    def _begin(self, dtype: np.dtype[Any], random: Random) -> None:
        """Draw weights, as scikit-learn does from the same generator."""
        self.n_layers_ = len(self._sizes)
        self.n_iter_ = self.t_ = self._epochs = 0
        self._theta = np.empty(self._offset(self.n_layers_ - 1), dtype)
        factor = 2.0 if self.activation == "logistic" else 6.0
        for i in range(self.n_layers_ - 1):
            before, after = self._sizes[i : i + 2]
            bound = math.sqrt(factor / (before + after))
            self._matrix(i)[...] = random.uniform(-bound, bound, (before, after))
            self._bias(i)[...] = random.uniform(-bound, bound, after)
        for name in (
            "_optimizer",
            "loss_curve_",
            "best_loss_",
            "validation_scores_",
            "best_validation_score_",
        ):
            vars(self).pop(name, None)

    def _judge_by(self, stops: bool) -> None:
        """Get ready to judge epochs; what an earlier fit counted holds if it judged alike."""
        if "loss_curve_" not in vars(self):
            self.loss_curve_ = []
        elif (self.validation_scores_ is not None) == stops:
            return
        self._no_gain = 0
        self.validation_scores_ = [] if stops else None
        self.best_validation_score_ = -math.inf if stops else None
        self.best_loss_ = None if stops else min(self.loss_curve_, default=math.inf)

    def _full_loss(self) -> dict[str, Any]:
        return {
            "from_logits": False,
            "delta": 1.0,
            "reduction": "mean",
            "label_smoothing": 0.0,
            "weighted_mean": True,
            "scale": 1.0,
            "penalty_mean": True,
        } | self._loss()

    def _fit_lbfgs(self, part: Rows) -> None:
        loss, dtype = self._full_loss(), self._theta.dtype
        gradient = np.empty_like(self._theta)
        settings = {"seed": 0, "n_threads": check_threads(self.n_threads), "initial_epoch": 0}
        state = np.zeros(0, dtype)

        def function(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            theta = x.astype(dtype, copy=False)
            value = _core.nn_gradient(self._net, theta, state, *part, loss, gradient, settings)
            return float(value), gradient.astype(np.float64)

        def say(n_iter: int, value: float) -> None:
            self.n_iter_, self.loss_ = n_iter, value
            if self.verbose:
                print(f"Iteration {n_iter}, loss = {value:.8f}", flush=True)

        found = minimize(
            function,
            self._theta.astype(np.float64),
            max_iter=self.max_iter,
            max_calls=self.max_fun,
            gtol=self.tol,
            after=say,
        )
        self.n_iter_, self.loss_ = found.n_iter, found.value
        self._theta[...] = found.x
        if not math.isfinite(found.value):
            raise DivergenceError(0, 0, math.nan)
        if not found.converged:
            warn(
                f"lbfgs failed to converge: {found.reason} ({found.n_iter} iterations, "
                f"{found.n_calls} calls)",
                known_to_sklearn(ConvergenceWarning),
            )

    def _trainer(self, part: Rows, random: Random, incremental: bool) -> Trainer:
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if not incremental or "_optimizer" not in vars(self):
            self._optimizer = self._new_optimizer()
        self._judge_by(bool(self.early_stopping))
        held: Rows | None = None
        if self.early_stopping:
            check_finite(part.X, "X")  # the core would see one part now, and number its rows
            part, held = self._held_out(part, random)
        return Trainer(self, part, held, 1 if incremental else self.max_iter)

    def _fit_steps(self, trainer: Trainer, random: Random, incremental: bool) -> None:
        trainer.run(random)
        if not incremental and self.n_iter_ == self.max_iter and not self._stopped:
            warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                known_to_sklearn(ConvergenceWarning),
            )

    def _new_optimizer(self) -> Optimizer:
        rate = float(self.learning_rate_init)
        if self.solver == "sgd":
            nesterov = bool(self.nesterovs_momentum) and self.momentum > 0
            return SGD(rate, momentum=float(self.momentum), nesterov=nesterov)
        return Adam(rate, float(self.beta_1), float(self.beta_2), float(self.epsilon))

    def _held_out(self, part: Rows, random: Random) -> tuple[Rows, Rows]:
        """Return the rows to train on and those to judge by; stratified by class."""
        n_rows = len(part.X)
        n_held = math.ceil(self.validation_fraction * n_rows)
        labels = part.Y.reshape(n_rows).astype(np.int64) if self._stratified else None
        if n_held < 2 or n_held >= n_rows:
            raise ValueError(
                f"validation_fraction: wanted at least 2 of {n_rows} rows to validate on and some "
                f"to train on, got {n_held} to validate on"
            )
        split = split_rows(n_rows, n_held, random, labels)
        train, held = part.take(split[0]), part.take(split[1])
        for rows, purpose in ((train, "train"), (held, "validate")):
            if rows.weights is not None and not rows.weights.any():
                raise ValueError(
                    f"sample_weight: wanted at least one weight above 0 among the {len(rows.X)} "
                    f"rows to {purpose} on, got all 0"
                )
        return train, held

    # ---- parameters

    def _check_parameters(self) -> None:
        _hidden_sizes(self.hidden_layer_sizes)
        check_option(self.activation, "activation", tuple(ACTIVATIONS))
        check_option(self.solver, "solver", ("lbfgs", "sgd", "adam"))
        check_option(self.learning_rate, "learning_rate", ("constant", "invscaling", "adaptive"))
        if self.batch_size != "auto":
            check_int(self.batch_size, "batch_size")
        for name in ("alpha", "power_t", "tol"):
            check_real(getattr(self, name), name)
        for name in ("learning_rate_init", "epsilon"):
            _check_positive(getattr(self, name), name)
        for name, closed in (
            ("momentum", True),
            ("validation_fraction", False),
            ("beta_1", False),
            ("beta_2", False),
        ):
            value = check_real(getattr(self, name), name)
            if value > 1 or (value == 1 and not closed):
                end = "]" if closed else ")"
                raise ValueError(f"{name}: wanted a number in [0, 1{end}, got {value!r}")
        for name in ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping"):
            check_bool(getattr(self, name), name)
        for name in ("max_iter", "max_fun"):
            check_int(getattr(self, name), name)
        if self.n_iter_no_change != math.inf:
            check_int(self.n_iter_no_change, "n_iter_no_change")


def _hidden_sizes(given: object) -> list[int]:
    """Return the units of the hidden layers."""
    sizes = np.atleast_1d(np.asarray(given, dtype=object)).tolist()
    wanted = "hidden_layer_sizes: wanted a sequence of integers >= 1"
    try:
        hidden = [check_int(size, "hidden_layer_sizes", low=-INT_MAX) for size in sizes]
    except TypeError:
        raise TypeError(f"{wanted}, got {given!r}") from None
    except ValueError:
        raise ValueError(f"{wanted} and below 2**31, got {given!r}") from None
    if min(hidden, default=1) < 1:
        raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
    return hidden


def _check_positive(value: object, name: str) -> None:
    wanted = f"{name}: wanted a number above 0"
    try:
        positive = check_real(value, name) > 0
    except TypeError:
        raise TypeError(f"{wanted}, got {value!r}") from None
    except ValueError:
        positive = False
    if not positive:
        raise ValueError(f"{wanted} and below infinity, got {value!r}")
