"""What happens between epochs, under Keras's names.

Epochs run whole in the core, so there are hooks for the beginning and the end of training and of
every epoch, and none for batches.

Examples
--------
>>> EarlyStopping(monitor="loss", patience=3)
EarlyStopping(monitor='loss', patience=3)
"""

from __future__ import annotations

import csv
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from coterie.nn._callback import Callback, History
from coterie.nn._monitors import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from coterie.nn._callback import Logs

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
]


class LearningRateScheduler(Callback):
    """Set the learning rate of every epoch.

    Parameters
    ----------
    schedule : callable
        `schedule(epoch, learning_rate)`, or `schedule(epoch)`, returns the rate of the epoch.
    verbose : int, default=0
        Above 0, print it.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(f"schedule: wanted a callable, got {schedule!r}")
        self.schedule = schedule
        self.verbose = verbose
        try:
            inspect.signature(schedule).bind(0, 0.0)
        except TypeError:
            self._wants_rate = False
        except ValueError:  # of something built in that does not say
            self._wants_rate = True
        else:
            self._wants_rate = True

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        """Set the rate."""
        optimizer = self.model.optimizer
        if not isinstance(optimizer.learning_rate, float):
            raise TypeError(
                "LearningRateScheduler: wanted a constant learning rate to start from, got a "
                "schedule"
            )
        given = (epoch, optimizer.learning_rate) if self._wants_rate else (epoch,)
        optimizer.learning_rate = self.schedule(*given)
        if self.verbose:
            rate = optimizer.learning_rate
            print(f"Epoch {epoch + 1}: setting learning rate to {rate}.", flush=True)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        """Put the rate into the logs."""
        rate = self.model.optimizer.learning_rate
        if logs is not None and isinstance(rate, float):
            logs["learning_rate"] = rate


class LambdaCallback(Callback):
    """Functions as a callback.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable, default=None
        Called with (epoch, logs).
    on_train_begin, on_train_end : callable, default=None
        Called with (logs).
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., object] | None = None,
        on_epoch_end: Callable[..., object] | None = None,
        on_train_begin: Callable[..., object] | None = None,
        on_train_end: Callable[..., object] | None = None,
    ) -> None:
        for name, hook in (
            ("on_epoch_begin", on_epoch_begin),
            ("on_epoch_end", on_epoch_end),
            ("on_train_begin", on_train_begin),
            ("on_train_end", on_train_end),
        ):
            if hook is not None:
                if not callable(hook):
                    raise TypeError(f"{name}: wanted a callable, got {hook!r}")
                setattr(self, name, hook)


class CSVLogger(Callback):
    """Write the logs to a CSV file, a line an epoch, whole lines at any time.

    Parameters
    ----------
    filename : str or path
        The file.
    separator : str, default=','
        What stands between two values.
    append : bool, default=False
        Whether to go on after what the file holds.
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.filename = filename
        self.separator = separator
        self.append = append
        self._keys: list[str] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        """Start the file."""
        path = Path(self.filename)
        self._keys = None
        self._headed = self.append and path.exists() and path.stat().st_size > 0
        if not self.append:
            path.write_bytes(b"")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write a line."""
        logs = logs or {}
        self._keys = self._keys or sorted(logs)
        with open(self.filename, "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=self.separator, lineterminator="\n")
            if not self._headed:
                writer.writerow(["epoch", *self._keys])
                self._headed = True
            writer.writerow([epoch, *(logs.get(key, "NA") for key in self._keys)])
