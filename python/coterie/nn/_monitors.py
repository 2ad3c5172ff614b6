"""Callbacks that watch a quantity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from coterie._estimator import warn
from coterie._validate import check_int, check_number, check_option, check_real
from coterie.nn import losses
from coterie.nn._callback import Callback

if TYPE_CHECKING:
    import os

    from coterie.nn._callback import Logs


class _Monitor(Callback):
    """A callback that watches a quantity: which way is better, and how good it was."""

    monitor: str
    mode: str
    min_delta: float
    best: float
    _told: bool

    def _begin(self) -> None:
        self.best = -math.inf if self._upwards else math.inf
        self._told = False

    @property
    def _upwards(self) -> bool:
        if self.mode != "auto":
            return self.mode == "max"
        name = self.monitor.lower()
        if name.endswith(("accuracy", "acc", "auc")):
            return True
        if name.endswith(("loss", "error", *losses.NAMES)):
            return False
        raise ValueError(f"mode: wanted 'min' or 'max' for {self.monitor!r}, got 'auto'")

    def _better(self, value: float, than: float) -> bool:
        least = abs(self.min_delta)
        return value - least > than if self._upwards else value + least < than

    def _value(self, logs: Logs | None) -> float | None:
        """Return the quantity; that there is none is said once."""
        value = (logs or {}).get(self.monitor)
        if value is None and not self._told:
            self._told = True
            warn(
                f"{type(self).__name__}: there is no {self.monitor!r} to monitor, only "
                f"{', '.join(map(repr, logs or {}))}",
                UserWarning,
            )
        return value

    def _say(self, text: str) -> None:
        if getattr(self, "verbose", 0):
            print(text, flush=True)


class EarlyStopping(_Monitor):
    """Stop when a quantity has stopped getting better.

    Parameters
    ----------
    monitor : str, default='val_loss'
        The quantity.
    min_delta : float, default=0
        What is less than this is no improvement.
    patience : int, default=0
        Epochs without improvement after which training stops.
    verbose : int, default=0
        Above 0, say so.
    mode : {'auto', 'min', 'max'}, default='auto'
        Which way is better; 'auto' knows that accuracies grow, and that losses and errors fall.
    baseline : float, default=None
        Patience is only renewed by values better than this, too.
    restore_best_weights : bool, default=False
        Whether the net ends with the weights of the best epoch, whether training stopped early
        or not; after Ctrl-C or a divergence it has those that `Sequential.fit` says.
    start_from_epoch : int, default=0
        Epochs that are not watched yet.

    Attributes
    ----------
    best, best_epoch, stopped_epoch : float, int, int
        The best value, its epoch, and the epoch after which training stopped (0: it did not).

    Notes
    -----
    In a fit of one batch an epoch, the training loss is that of the weights before the update of
    the epoch; these are the weights that are restored then, not those after it.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        self.monitor = monitor
        self.min_delta = check_number(min_delta, "min_delta")
        self.patience = check_int(patience, "patience", low=0)
        self.verbose = verbose
        self.mode = check_option(mode, "mode", ("auto", "min", "max"))
        self.baseline = None if baseline is None else check_number(baseline, "baseline")
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = check_int(start_from_epoch, "start_from_epoch", low=0)

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        """Forget the last fit."""
        self._begin()
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: Any = None
        self._before: Any = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        """Keep the weights to which a full-batch loss belongs."""
        full_batch = self.params["steps"] == 1 and not self.monitor.startswith("val_")
        if self.restore_best_weights and full_batch:
            self._before = self.model._net_or_raise().snapshot()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Judge the epoch."""
        value = self._value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self._keep(epoch)  # whatever the baseline: the first are the best so far
        self.wait += 1
        if self._better(value, self.best):
            self.best = value
            self._keep(epoch)
            if self.baseline is None or self._better(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def _keep(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self._before or self.model._net_or_raise().snapshot()

    def on_train_end(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        """Restore the best weights, if asked to."""
        if self.stopped_epoch:
            self._say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights:
            self._say(f"Restoring model weights from the best epoch: {self.best_epoch + 1}.")
            self.model._net_or_raise().restore(self.best_weights)
        self.best_weights = self._before = None


class ModelCheckpoint(_Monitor):
    """Save the net after every epoch, or after every best one.

    Parameters
    ----------
    filepath : str or path
        Where; may hold `{epoch}` (counted from 1 here, as in Keras) and names of the logs:
        'net-{epoch:02d}-{val_loss:.3f}.safetensors'.
    monitor : str, default='val_loss'
        The quantity that decides which is best.
    verbose : int, default=0
        Above 0, say what is saved.
    save_best_only : bool, default=False
        Whether to save only what is better than all before.
    mode : {'auto', 'min', 'max'}, default='auto'
        Which way is better.
    initial_value_threshold : float, default=None
        The value to be better than at first.
    """

    min_delta = 0.0

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        mode: str = "auto",
        initial_value_threshold: float | None = None,
    ) -> None:
        self.filepath = filepath
        self.monitor = monitor
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.mode = check_option(mode, "mode", ("auto", "min", "max"))
        self.initial_value_threshold = initial_value_threshold
        if initial_value_threshold is not None:
            self.initial_value_threshold = check_number(
                initial_value_threshold, "initial_value_threshold"
            )

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        """Forget the last fit."""
        self._begin()
        if self.initial_value_threshold is not None:
            self.best = self.initial_value_threshold

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save, if it is time to."""
        if self.save_best_only:
            value = self._value(logs)
            if value is None or not self._better(value, self.best):
                return
            self.best = value
        values = {"epoch": epoch + 1, **(logs or {})}
        try:
            path = str(self.filepath).format(**values)
        except LookupError as error:
            known = ", ".join(map(repr, values))
            raise ValueError(f"filepath: wanted names among {known}, got {error}") from None
        self._say(f"Epoch {epoch + 1}: saving model to {path}")
        self.model.save(path)


class ReduceLROnPlateau(_Monitor):
    """Lower the learning rate when a quantity has stopped getting better.

    Parameters
    ----------
    monitor : str, default='val_loss'
        The quantity.
    factor : float, default=0.1
        Below 1; what the rate is multiplied by.
    patience : int, default=10
        Epochs without improvement after which that happens.
    verbose : int, default=0
        Above 0, say so.
    mode : {'auto', 'min', 'max'}, default='auto'
        Which way is better.
    min_delta : float, default=1e-4
        What is less than this is no improvement.
    cooldown : int, default=0
        Epochs after a reduction that do not count.
    min_lr : float, default=0.0
        The lowest rate.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        self.monitor = monitor
        self.factor = check_real(factor, "factor")
        if self.factor >= 1:
            raise ValueError(f"factor: wanted a number below 1, got {factor!r}")
        self.patience = check_int(patience, "patience", low=0)
        self.verbose = verbose
        self.mode = check_option(mode, "mode", ("auto", "min", "max"))
        self.min_delta = check_number(min_delta, "min_delta")
        self.cooldown = check_int(cooldown, "cooldown", low=0)
        self.min_lr = check_real(min_lr, "min_lr")

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        """Forget the last fit."""
        self._begin()
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Judge the epoch."""
        optimizer = self.model.optimizer
        rate = optimizer.learning_rate
        if not isinstance(rate, float):
            raise TypeError("ReduceLROnPlateau: wanted a constant learning rate, got a schedule")
        if logs is not None:
            logs["learning_rate"] = rate
        value = self._value(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self._better(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter <= 0:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                optimizer.learning_rate = max(rate * self.factor, self.min_lr)
                self._say(
                    f"Epoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to "
                    f"{optimizer.learning_rate}."
                )
                self.cooldown_counter, self.wait = self.cooldown, 0
