"""A net of layers, one after the other, under Keras's names; the whole fit runs in the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from coterie import _core
from coterie._validate import check_threads, check_weights, float_dtype
from coterie.nn import _data, _training, losses, optimizers
from coterie.nn._stack import Stack

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from coterie.nn._callback import Callback, History
    from coterie.nn._config import Configured
    from coterie.nn._gradients import GradientCheck
    from coterie.nn._net import Net

__all__ = ["Sequential"]


class Sequential(Stack):
    """Layers, one after the other.

    Parameters
    ----------
    layers : sequence of Layer, default=None
        More can be added by `add`. A layer that belongs to another net is copied, with its weights
        as they are.
    name : str, default=None
        By default 'sequential'.
    dtype : {'float32', 'float64'}, default=None
        In what the net computes. By default a fit takes that of its data: float32 stays float32,
        float64 float64, integers become float64.
    seed : int, default=None
        Where all random numbers come from: weights at the start, shuffling, dropout, noise. By
        default it is drawn from NumPy's global generator.
    n_threads : int, default=None
        Threads to use; None is all CPUs of this process. Results have the same bits for any.

    Attributes
    ----------
    layers : list of Layer
        The layers, without Input.
    optimizer, loss : Optimizer, Loss
        What `compile` was given.
    history : History
        That of the last fit.
    stop_training : bool
        A callback sets it to end the fit after the epoch.

    Notes
    -----
    An epoch shuffles, gathers, computes loss, gradient and update of every batch and the metrics
    without touching Python. Fitting twice for 5 epochs is fitting once for 10.

    Examples
    --------
    >>> import numpy as np
    >>> from coterie.nn import Adam, Dense
    >>> X = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    >>> y = np.array([0, 1, 1, 0])
    >>> model = Sequential([Dense(8, activation="tanh"), Dense(1, activation="sigmoid")], seed=0)
    >>> model.compile(optimizer=Adam(0.1), loss="binary_crossentropy")
    >>> history = model.fit(X, y, epochs=200)
    >>> model.predict(X).round().ravel()
    array([0., 1., 1., 0.])
    """

    optimizer: optimizers.Optimizer
    loss: losses.Loss
    history: History

    # ---- training

    def _net_for(self, array: NDArray[Any]) -> Net:
        """Return the net for a fit to these rows, built if it was not."""
        if not hasattr(self, "loss"):
            raise ValueError("this Sequential is not compiled: call compile(optimizer, loss) first")
        if self._net is None:
            self._build(array.shape[1:] if array.ndim > 1 else (1,))
        return self._net_or_raise()

    def compile(
        self,
        optimizer: str | optimizers.Optimizer = "rmsprop",
        loss: str | losses.Loss | None = None,
        metrics: Sequence[str] | None = None,
    ) -> None:
        """Choose how to train.

        Parameters
        ----------
        optimizer : str or Optimizer, default='rmsprop'
            'sgd', 'adagrad', 'rmsprop', 'adam', 'adamw', or an object of `coterie.nn.optimizers`.
        loss : str or Loss
            Such as 'mse' or 'binary_crossentropy', or an object of `coterie.nn.losses`.
        metrics : sequence of str, default=None
            Reported beside the loss: 'accuracy' ('acc'), 'binary_accuracy',
            'categorical_accuracy', 'sparse_categorical_accuracy', 'mse', 'mae'. 'accuracy' is
            binary, over all outputs, for one output and under binary cross-entropy.

        Raises
        ------
        ValueError
            If there is none of a name, or if the optimiser trains another net.
        """
        if loss is None:
            raise ValueError("loss: wanted a loss, such as 'mse', got None")
        chosen, found = losses.get(loss), optimizers.get(optimizer)
        names = [metrics] if isinstance(metrics, str) else list(metrics or ())
        for name in names:
            losses.core_metric(name, chosen, 1)
        found._belong(self._identity)
        self.optimizer, self.loss, self._metrics = found, chosen, names

    def _begin_again(self) -> None:
        if hasattr(self, "optimizer"):
            self.optimizer._forget()

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: tuple[ArrayLike, ...] | None = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: ArrayLike | None = None,
        initial_epoch: int = 0,
    ) -> History:
        """Train the net.

        Parameters
        ----------
        x : array-like of shape (n_samples, n_features)
            Rows; of more dimensions if the first layer takes them.
        y : array-like
            Targets: (n_samples, n_outputs), (n_samples,) for one output, or numbers of classes
            for 'sparse_categorical_crossentropy'.
        batch_size : int, default=None
            Rows of a step; None is 32. The last batch of an epoch may have fewer.
        epochs : int, default=1
            The epoch to end at, counted from 1.
        verbose : {'auto', 0, 1, 2}, default='auto'
            Silent, a line that changes, or a line an epoch; 'auto' is 1 in a terminal or notebook,
            otherwise 0.
        callbacks : sequence of Callback, default=None
            See `coterie.nn.callbacks`.
        validation_split : float, default=0.0
            Share of the rows, the last ones as they come, that is only evaluated.
        validation_data : tuple, default=None
            (x, y) or (x, y, sample_weight) to evaluate after every epoch instead.
        shuffle : bool, default=True
            Whether every epoch takes the rows in another order.
        class_weight : dict of int to float, default=None
            Weights by class; 1 for those that are not named.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; losses are still divided by the number of rows.
        initial_epoch : int, default=0
            The number of the first epoch.

        Returns
        -------
        History
            `history.history` has a list for 'loss' and every metric, and for their 'val_...'.

        Raises
        ------
        ValueError
            If shapes, labels or values do not fit; the message says which.
        DivergenceError
            If the loss of a batch is not finite; the net then has the best weights it had.
        RuntimeError
            If the net is being fitted already, by whom called this or in another thread.

        Notes
        -----
        Ctrl-C ends training with the weights of the last whole epoch. Where `validation_split`
        leaves a side without a class there is a warning.
        """
        request = _training.Request(
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle,
            class_weight=class_weight,
            sample_weight=sample_weight,
            initial_epoch=initial_epoch,
        )
        return _training.prepare(self, x, y, request).run()

    def train_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Take one step on these rows.

        Parameters
        ----------
        x, y : array-like
            Rows and targets, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        class_weight : dict of int to float, default=None
            Weights by class.
        return_dict : bool, default=False
            Whether to return a dict by name.

        Returns
        -------
        float, list of float or dict
            Loss and metrics before the step: a float if there are no metrics.
        """
        request = _training.Request(
            batch_size=2**31 - 1,
            verbose=0,
            shuffle=False,
            class_weight=class_weight,
            sample_weight=sample_weight,
            recorded=False,
        )
        logs = _training.prepare(self, x, y, request).run().history
        return self._told([column[0] for column in logs.values()], return_dict)

    def check_gradients(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> GradientCheck:
        """Compare the gradient with central differences of the loss, in float64.

        Parameters
        ----------
        x, y : array-like
            Rows and targets, as in `fit`; few rows are enough.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        GradientCheck
            Its `passed` says whether they agree.
        """
        from coterie.nn._gradients import check_gradients

        return check_gradients(self, x, y, sample_weight)

    # ---- use

    def evaluate(
        self,
        x: ArrayLike,
        y: ArrayLike,
        batch_size: int | None = None,  # noqa: ARG002
        verbose: int | str = 0,  # noqa: ARG002
        sample_weight: ArrayLike | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss and the metrics, penalties included, dropout and noise off.

        Parameters
        ----------
        x, y : array-like
            Rows and targets, as in `fit`.
        batch_size, verbose
            Accepted for Keras's sake; nothing depends on them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        return_dict : bool, default=False
            Whether to return a dict by name.

        Returns
        -------
        float, list of float or dict
            A float if there are no metrics.
        """
        net = self._net_or_raise()
        if not hasattr(self, "loss"):
            raise ValueError("this Sequential is not compiled: call compile(optimizer, loss) first")
        array = _data.array_of(x, "x")
        theta, state = self._weights_in(array)
        X = _data.features(array, net.input_shape, theta.dtype, "x")
        if not len(X):
            raise ValueError(f"x: wanted at least one row, got shape {array.shape}")
        Y = _data.targets(y, self.loss, net.output_shape, len(X), X.dtype, "y")
        figures = _core.nn_evaluate(
            net.core,
            theta,
            state,
            X,
            Y,
            check_weights(sample_weight, len(X)),
            self.loss._spec(),
            _training.core_metrics(self),
            check_threads(self._n_threads),
        )
        return self._told(figures.tolist(), return_dict)

    def _told(self, figures: list[float], return_dict: bool) -> Any:
        if return_dict:
            return dict(zip(["loss", *self._metrics], figures, strict=True))
        return figures if self._metrics else figures[0]

    def predict(
        self,
        x: ArrayLike,
        batch_size: int | None = None,  # noqa: ARG002
        verbose: int | str = 0,  # noqa: ARG002
    ) -> NDArray[Any]:
        """Return the outputs of the net, dropout and noise off.

        Parameters
        ----------
        x : array-like of shape (n_samples, n_features)
            Rows; there may be none.
        batch_size, verbose
            Accepted for Keras's sake; nothing depends on them.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            In the dtype of the net.
        """
        net = self._net_or_raise()
        theta = net.theta
        X: NDArray[Any]
        if (
            type(x) is np.ndarray
            and x.dtype == theta.dtype
            and x.ndim == 2
            and x.shape[1:] == net.input_shape
            and x.flags.carray
        ):
            X, state = x, net.state
        else:
            array = _data.array_of(x, "x")
            theta, state = self._weights_in(array)
            X = _data.features(array, net.input_shape, theta.dtype, "x")
        out = np.empty((len(X), net.n_outputs), theta.dtype)
        _core.nn_forward(net.core, theta, state, X, out, check_threads(self._n_threads))
        return out if len(net.output_shape) == 1 else out.reshape(len(X), *net.output_shape)

    __call__ = predict

    def _weights_in(self, array: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return weights and averages: in the dtype of the rows if no fit has chosen one yet."""
        net = self._net_or_raise()
        if net.fixed or self._epochs_seen:
            return net.theta, net.state
        dtype = float_dtype(array.dtype, "x")
        return net.theta.astype(dtype, copy=False), net.state.astype(dtype, copy=False)

    # ---- files

    def save(self, filepath: str | os.PathLike[str]) -> None:
        """Write the net to a file, whole or not at all: see `coterie.nn.load_model`.

        Parameters
        ----------
        filepath : str or path
            The file, in the layout of safetensors.
        """
        from coterie.nn._files import save

        save(self, filepath)

    @classmethod
    def load(
        cls,
        filepath: str | os.PathLike[str],
        custom_objects: Mapping[str, type[Configured]] | None = None,
    ) -> Sequential:
        """Read a net from a file: see `coterie.nn.load_model`."""
        from coterie.nn._files import load_model

        return load_model(filepath, custom_objects)
