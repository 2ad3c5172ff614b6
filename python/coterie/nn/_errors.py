"""What can go wrong in training, beside wrong arguments."""

from __future__ import annotations


class DivergenceError(ValueError):
    """The loss of a batch was not finite; the net holds the best weights it had.

    These are the weights at the end of the epoch of lowest loss (validation loss, if there is
    one), or, before any epoch was whole, the last finite ones.

    Attributes
    ----------
    epoch, batch : int
        Where, both counted from 0.
    learning_rate : float
        The rate in force.
    """

    def __init__(self, epoch: int, batch: int, learning_rate: float) -> None:
        super().__init__(epoch, batch, learning_rate)
        self.epoch = epoch
        self.batch = batch
        self.learning_rate = learning_rate

    def __str__(self) -> str:
        return (
            f"the loss was not finite at epoch {self.epoch}, batch {self.batch} (both counted from "
            f"0), learning rate {self.learning_rate:g}: wanted a lower rate, scaled inputs or "
            "clipped gradients; the best weights so far are kept"
        )
