"""The base of the callbacks, and the one every fit has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coterie.nn._config import Configured

if TYPE_CHECKING:
    from coterie.nn.sequential import Sequential

Logs = dict[str, float]


class Callback(Configured):
    """Base of the callbacks; override what you need.

    Attributes
    ----------
    model : Sequential
        The net that is trained; setting `model.stop_training` ends the fit after this epoch,
        `model.optimizer.learning_rate` may be set, and so may the weights.
    params : dict
        'epochs', 'steps' an epoch, and 'verbose' (0, 1 or 2).
    """

    model: Sequential
    params: dict[str, Any]

    def set_model(self, model: Sequential) -> None:
        """Take the net that is trained."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Take the facts of the fit."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Do what comes before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Do what comes after the last epoch, unless the fit was interrupted or diverged."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Do what comes before an epoch; epochs are counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Do what comes after an epoch; `logs` has loss and metrics, also as 'val_...'.

        What is added to `logs` reaches the callbacks behind this one, and the history.
        """


class History(Callback):
    """What a fit returns.

    Attributes
    ----------
    history : dict of str to list of float
        The loss and the metrics of every epoch, those of validation as 'val_...'.
    epoch : list of int
        The numbers of the epochs.
    params : dict
        'epochs', 'steps' an epoch, and 'verbose'.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Keep the logs."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
