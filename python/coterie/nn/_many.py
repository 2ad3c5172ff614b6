"""Independent nets trained side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from coterie import _core
from coterie._validate import check_threads
from coterie.nn import _training
from coterie.nn._errors import DivergenceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coterie.nn._callback import History

ARGUMENTS = {"model", "x", "y"} | {field.name for field in fields(_training.Request)} - {"recorded"}


def fit_many(fits: Sequence[Mapping[str, Any]], *, n_threads: int | None = None) -> list[History]:
    """Train independent nets side by side: seeds, folds, groups.

    Every fit runs on one thread, and as many at a time as there are threads. Each net ends with
    the same bits as if it had been fitted alone.

    Parameters
    ----------
    fits : sequence of dict
        One a net: 'model', 'x', 'y', and further arguments of `Sequential.fit`.
    n_threads : int, default=None
        Fits at a time; None is all CPUs of this process.

    Returns
    -------
    list of History
        One a net, in order.

    Raises
    ------
    ValueError
        If two fits share a net, an optimiser or a callback, besides what `fit` raises, of the
        first fit that was wrong: `fits[3]: ...`. Values that are not finite are met in training
        only: other nets may have been trained by then.
    DivergenceError
        If the loss of some net was not finite, once all others are trained; of the first such
        net, whose number is its `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from coterie.nn import Dense, Sequential
    >>> X = np.arange(8.0)[:, None]
    >>> nets = []
    >>> for seed in range(3):
    ...     net = Sequential([Dense(1)], seed=seed)
    ...     net.compile("sgd", "mse")
    ...     nets.append(net)
    >>> runs = fit_many([{"model": net, "x": X, "y": 2 * X, "epochs": 5} for net in nets])
    >>> [len(run.history["loss"]) for run in runs]
    [5, 5, 5]
    """
    threads = check_threads(n_threads)
    ready: list[_training.Fit] = []
    try:
        for i, one in enumerate(fits):
            ready.append(_prepared(one, _name(i)))
        _check_own(ready)
    except BaseException:
        for fit in ready:
            if fit.undo:
                fit.undo()
        raise
    running = {i: fit for i, fit in enumerate(ready) if fit.count}
    errors = []
    with _training.alone(list(running.values())):
        for fit in running.values():
            fit.begin()
        try:
            given = [fit.arguments() for fit in running.values()]
            outcomes = _core.nn_fit_many(given, [_name(i) for i in running], threads)
        except BaseException as error:
            for fit in running.values():
                fit.abandon(error)
            raise
        for i, outcome in zip(running, outcomes, strict=True):
            try:
                running[i].finish(outcome)
            except DivergenceError as error:
                error.fit = i
                errors.append(error)
    if errors:
        raise errors[0]
    return [fit.history for fit in ready]


def _name(i: int) -> str:
    return f"fits[{i}]"


def _check_own(fits: list[_training.Fit]) -> None:
    if len({id(fit.net) for fit in fits}) < len(fits):
        raise ValueError("fits: wanted a model of its own for each, got one twice")
    watching = [id(one) for fit in fits for one in fit.callbacks]
    if len(set(watching)) < len(watching):
        raise ValueError("fits: wanted callbacks of their own for each, got one twice")


def _prepared(one: object, where: str) -> _training.Fit:
    """Return what is to run for one of the dicts."""
    from coterie.nn.sequential import Sequential

    if not isinstance(one, Mapping):
        raise TypeError(f"{where}: wanted a dict of the arguments of a fit, got {one!r}")
    options = dict(one)
    for name in ("model", "x", "y"):
        if name not in options:
            raise ValueError(f"{where}: wanted 'model', 'x' and 'y', got no {name!r}")
    for name in options:
        if name not in ARGUMENTS:
            raise TypeError(f"{where}: wanted arguments of Sequential.fit, got {name!r}")
    model = options.pop("model")
    if not isinstance(model, Sequential):
        raise TypeError(f"{where}: wanted a Sequential as 'model', got {model!r}")
    options.setdefault("verbose", 0)
    x, y = options.pop("x"), options.pop("y")
    try:
        fit = _training.prepare(model, x, y, _training.Request(**options))
    except (TypeError, ValueError) as error:
        error.args = (f"{where}: {error}",)
        raise
    fit.n_threads = 1
    return fit
