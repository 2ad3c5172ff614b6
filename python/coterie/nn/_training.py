"""One fit: what the core is given, what happens between its epochs, what becomes of the outcome."""

from __future__ import annotations

import math
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie import _core
from coterie._validate import check_bool, check_int, check_threads, check_weights
from coterie.nn import _data
from coterie.nn._callback import Callback, History
from coterie.nn._data import Part
from coterie.nn._errors import DivergenceError
from coterie.nn.losses import core_metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from coterie.nn._callback import Logs
    from coterie.nn.sequential import Sequential

# Keras's hooks that are never called here: batches, evaluation and prediction run in the core.
NO_HOOKS = tuple(
    f"on_{what}_{when}"
    for what in ("batch", "train_batch", "test", "test_batch", "predict", "predict_batch")
    for when in ("begin", "end")
)


@dataclass(kw_only=True)
class Request:
    """The arguments of `Sequential.fit`."""

    batch_size: int | None = None
    epochs: int = 1
    verbose: int | str = "auto"
    callbacks: Sequence[Callback] | None = None
    validation_split: float = 0.0
    validation_data: object = None
    shuffle: bool = True
    class_weight: Mapping[int, float] | None = None
    sample_weight: object = None
    initial_epoch: int = 0
    recorded: bool = True  # as the net's `history`


@dataclass
class Fit:
    """A fit that is ready to run: `arguments` for the core, `finish` for its outcome."""

    model: Sequential
    part: Part
    validation: Part | None
    batch_size: int
    epochs: int
    first: int
    shuffle: bool
    n_threads: int
    callbacks: list[Callback]
    verbose: int
    recorded: bool
    undo: Callable[[], None] | None  # to before the net was built, if it was for this
    history: History = field(default_factory=History)

    def __post_init__(self) -> None:
        self.net, self.optimizer = self.model._net_or_raise(), self.model.optimizer
        self.optimizer._belong(self.model._identity)
        self.steps = math.ceil(len(self.part.X) / self.batch_size)
        self.count = max(self.epochs - self.first, 0)
        self.names = ["loss", *self.model._metrics]
        if self.validation is not None:
            self.names += [f"val_{name}" for name in self.names]
        self.rows = np.full((self.count, len(self.names)), np.nan)  # NaN: not whole yet
        self.logs: Logs = {}
        self._take_stock()

    def _take_stock(self) -> None:
        """Note where training stands."""
        self.spec = self.optimizer._spec(self.count * self.steps)
        self.seen, self.taken = self.model._epochs_seen, self.optimizer.iterations
        self.before = (self.net.theta, self.net.state)
        self.slots = self.optimizer._slots

    def arguments(self) -> tuple[Any, ...]:
        """Return the arguments of the core's fit."""
        model, net = self.model, self.net
        if model._net is not net:
            raise RuntimeError("fit: wanted the net as it was, got layers added before it began")
        net.adopt(self.part.X.dtype)
        settings = {
            "epochs": self.seen + self.count,
            "initial_epoch": self.seen,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "seed": model._seed,
            "n_threads": self.n_threads,
        }
        return (
            net.for_training(),
            net.theta,
            net.state,
            self.optimizer._state_for(net.theta),
            *self.part,
            self.validation,
            model.loss._spec(),
            core_metrics(model),
            self.spec,
            settings,
            self.rows,
            self._between if self.callbacks else None,
        )

    def begin(self) -> None:
        """Tell the callbacks that training begins."""
        self._take_stock()  # again: now no other fit of the net can run
        self.model.stop_training = False
        if self.recorded:
            self.model.history = self.history
        params = {"verbose": self.verbose, "epochs": self.epochs, "steps": self.steps}
        self.history.set_params(params)
        for one in self.callbacks:
            one.set_model(self.model)
            one.set_params(params)
        for one in self.callbacks:
            one.on_train_begin({})
        for one in self.callbacks:
            one.on_epoch_begin(self.first, {})

    def _between(self, epoch: int, row: NDArray[np.float64]) -> bool:
        """Do what is to be done after an epoch; return whether to stop."""
        number = epoch - self.seen + self.first
        done = epoch - self.seen + 1
        self._count(done, done * self.steps)  # a callback may save the net
        logs: Logs = dict(zip(self.names, row.tolist(), strict=True))
        for one in self.callbacks:
            one.on_epoch_end(number, logs)
        self.history.on_epoch_end(number, logs)
        self.logs = logs
        if self.model.stop_training:
            return True
        if number + 1 < self.epochs:
            for one in self.callbacks:
                one.on_epoch_begin(number + 1, {})
        return False

    def abandon(self, error: BaseException) -> None:
        """Account for the whole epochs of a fit that did not end by itself."""
        done = int(np.count_nonzero(~np.isnan(self.rows[:, 0])))
        self._account(done, done * self.steps)
        if done > 0:
            return
        # Refused data leave no trace, neither in dtypes nor in the shape of a row.
        self.optimizer._slots = self.slots
        if self.net.theta is not self.before[0]:
            self.net.hold(*self.before)
        if self.undo and isinstance(error, (TypeError, ValueError)):
            self.undo()

    def finish(self, outcome: dict[str, Any]) -> History:
        """Account for the outcome and return the history.

        Raises
        ------
        DivergenceError
            If the loss was not finite.
        """
        self._account(outcome["epochs"], outcome["iterations"])
        if outcome["diverged"] is not None:
            epoch, batch = outcome["diverged"]
            rates = self.spec["learning_rates"]
            step = (epoch - self.seen) * self.steps + batch
            rate = float(rates[min(step, len(rates) - 1)])
            for one in self.callbacks:
                if isinstance(one, _Line):
                    one.on_train_end({})
            raise DivergenceError(epoch - self.seen + self.first, batch, rate)
        for one in self.callbacks:
            one.on_train_end(self.logs)
        return self.history

    def _count(self, epochs: int, iterations: int) -> None:
        self.model._epochs_seen = self.seen + epochs
        self.optimizer.iterations = self.taken + iterations

    def _account(self, epochs: int, iterations: int) -> None:
        self._count(epochs, iterations)
        if not self.callbacks:
            whole = self.rows[:epochs]
            self.history.epoch = list(range(self.first, self.first + epochs))
            self.history.history = {
                name: column.tolist() for name, column in zip(self.names, whole.T, strict=True)
            }

    def run(self) -> History:
        """Train and return the history."""
        if not self.count:
            if self.recorded:
                self.model.history = self.history
            return self.history
        with alone([self]):
            self.begin()
            try:
                outcome = _core.nn_fit(*self.arguments())
            except BaseException as error:  # Ctrl-C, an error of a callback, or refused data
                self.abandon(error)
                raise
            return self.finish(outcome)


@contextmanager
def alone(fits: list[Fit]) -> Iterator[None]:
    """Refuse a fit of a net while another one runs, in a callback or in another thread."""
    try:
        if not all(fit.model._identity.claim(fit) for fit in fits):
            raise RuntimeError("fit: wanted one fit of a net at a time, got one while another runs")
        yield
    finally:
        for fit in fits:
            fit.model._identity.release(fit)


def prepare(model: Sequential, x: object, y: object, request: Request) -> Fit:
    """Check the arguments of a fit, build the net if it is not, and return what is to run."""
    epochs = check_int(request.epochs, "epochs", low=0)
    first = check_int(request.initial_epoch, "initial_epoch", low=0)
    size = 32 if request.batch_size is None else check_int(request.batch_size, "batch_size")
    shuffle = check_bool(request.shuffle, "shuffle")
    callbacks = check_callbacks(request.callbacks, request.verbose)
    with traceless(model) as undo:
        part, validation = parts(model, x, y, request)
        return Fit(
            model,
            part,
            validation,
            min(size, len(part.X)),
            epochs,
            first,
            shuffle,
            check_threads(model._n_threads),
            callbacks,
            verbosity(request.verbose),
            request.recorded,
            undo,
        )


@contextmanager
def traceless(model: Sequential) -> Iterator[Callable[[], None] | None]:
    """Leave a net unbuilt that is built inside, if an error comes; yield what does that."""
    undo = None if model.built else model._undo()
    try:
        yield undo
    except BaseException:
        if undo:
            undo()
        raise


def parts(model: Sequential, x: object, y: object, request: Request) -> tuple[Part, Part | None]:
    """Return what to train on and what to validate on."""
    part, validation = training_part(model, x, y, request.sample_weight), None
    net = model._net_or_raise()
    if request.validation_data is not None:
        if request.validation_split:
            raise ValueError("validation_split: wanted it or validation_data, got both")
        validation = _data.validation_part(
            request.validation_data,
            net.input_shape,
            net.output_shape,
            model.loss,
            part.X.dtype,
        )
    elif request.validation_split:
        part, validation = _data.split(part, request.validation_split, model.loss)
    return _data.class_weighted(part, request.class_weight), validation


def training_part(
    model: Sequential,
    x: object,
    y: object,
    sample_weight: object,
    dtype: np.dtype[Any] | None = None,
) -> Part:
    """Return rows to train on, in their dtype or the net's; the net is built if it was not."""
    if y is None:
        raise ValueError("y: wanted targets, got None")
    array = _data.array_of(x, "x")
    if 0 in array.shape[1:]:
        raise ValueError(f"x: wanted at least one feature, got shape {array.shape}")
    net = model._net_for(array)
    dtype = net.dtype_for(array) if dtype is None else dtype
    X = _data.features(array, net.input_shape, dtype, "x")
    if not len(X):
        raise ValueError(f"x: wanted at least one row, got shape {array.shape}")
    Y = _data.targets(y, model.loss, net.output_shape, len(X), X.dtype, "y")
    return Part(X, Y, check_weights(sample_weight, len(X)))


def core_metrics(model: Sequential) -> list[str]:
    """Return the metrics as the core calls them."""
    shape = model._net_or_raise().output_shape
    found = [core_metric(name, model.loss, math.prod(shape)) for name in model._metrics]
    if len(shape) > 1 and "categorical_accuracy" in found:
        name = model._metrics[found.index("categorical_accuracy")]
        raise ValueError(
            f"metrics: wanted outputs of shape (outputs,) for {name!r}, got {shape}; put a "
            "Flatten() at the end of the net"
        )
    return found


def check_callbacks(callbacks: object, verbose: int | str) -> list[Callback]:
    """Return the callbacks, and one that prints."""
    if callbacks is None:
        given: list[Any] = []
    elif isinstance(callbacks, (list, tuple)):
        given = list(callbacks)
    else:
        given = [callbacks]
    for one in given:
        if not isinstance(one, Callback):
            raise TypeError(f"callbacks: wanted objects of class Callback, got {one!r}")
        for hook in NO_HOOKS:
            if callable(getattr(one, hook, None)):
                raise ValueError(
                    f"callbacks: {type(one).__name__} has {hook}, which is never called: epochs "
                    "run whole in the core, wanted on_epoch_end or another hook between them"
                )
    level = verbosity(verbose)
    return [*given, _Line(level)] if level else given


def verbosity(verbose: object) -> int:
    """Return 0, 1 or 2; 'auto' is 1 where somebody watches, otherwise 0."""
    if verbose == "auto":
        watched = "ipykernel" in sys.modules or (sys.stdout is not None and sys.stdout.isatty())
        return int(watched)
    if isinstance(verbose, str) or verbose not in (0, 1, 2):
        raise ValueError(f"verbose: wanted 'auto', 0, 1 or 2, got {verbose!r}")
    return int(verbose)


class _Line(Callback):
    """1: a line that changes, ten times a second at most; 2: a line an epoch."""

    def __init__(self, level: int) -> None:
        self.level = level
        self._last, self._text = 0.0, ""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Print where training stands."""
        now = time.monotonic()
        last = epoch + 1 == self.params["epochs"] or self.model.stop_training
        if self.level == 1 and now - self._last < 0.1 and not last:
            return
        self._last = now
        figures = "".join(f" - {name}: {value:.4g}" for name, value in (logs or {}).items())
        text = f"Epoch {epoch + 1}/{self.params['epochs']}{figures}"
        if self.level == 2:
            print(text, flush=True)
            return
        print("\r" + text.ljust(len(self._text)), end="", flush=True)
        self._text = text

    def on_train_end(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        """End the line."""
        if self._text:
            print(flush=True)
            self._text = ""
