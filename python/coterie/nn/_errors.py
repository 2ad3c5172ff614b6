"""What can go wrong in training, beside wrong arguments."""

from __future__ import annotations


class DivergenceError(ValueError):
    """The loss of a batch, or a weight at the end, was not finite; the net has its best weights.

    These are the weights after the epoch of lowest validation loss; without validation those from
    which the epoch of lowest loss started; before any whole epoch those the fit started from.

    Attributes
    ----------
    epoch, batch : int
        Where, both counted from 0.
    learning_rate : float
        The rate in force.
    fit : int or None
        Of `fit_many`: which of the fits, counted from 0.
    """

    fit: int | None = None

    def __init__(self, epoch: int, batch: int, learning_rate: float) -> None:
        super().__init__(epoch, batch, learning_rate)
        self.epoch = epoch
        self.batch = batch
        self.learning_rate = learning_rate

    def __str__(self) -> str:
        where = "" if self.fit is None else f"fits[{self.fit}]: "
        return (
            f"{where}the loss or the weights were not finite at epoch {self.epoch}, "
            f"batch {self.batch} (both counted from 0), learning rate {self.learning_rate:g}: "
            "wanted a lower rate, scaled inputs or clipped gradients; the best weights so far "
            "are kept"
        )
