"""Independent nets trained side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coterie import _core
from coterie._validate import check_threads
from coterie.nn import _training
from coterie.nn._errors import DivergenceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coterie.nn._callback import History


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
        If two fits share a net or an optimiser, besides what `fit` raises.
    DivergenceError
        If the loss of some net was not finite, once all others are trained.

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
    ready = []
    for i, one in enumerate(fits):
        options = dict(one)
        try:
            model, x, y = options.pop("model"), options.pop("x"), options.pop("y")
        except KeyError as error:
            raise ValueError(f"fits: wanted 'model', 'x' and 'y', got no {error} in {i}") from None
        options.setdefault("verbose", 0)
        ready.append(_training.prepare(model, x, y, _training.Request(**options)))
    for what in ("model", "optimizer"):
        seen = [id(fit.model if what == "model" else fit.model.optimizer) for fit in ready]
        if len(set(seen)) < len(seen):
            article = {"model": "a", "optimizer": "an"}[what]
            raise ValueError(f"fits: wanted {article} {what} of its own for each, got one twice")
    running = [fit for fit in ready if fit.count]
    for fit in running:
        fit.begin()
    try:
        outcomes = _core.nn_fit_many([fit.arguments() for fit in running], threads)
    except BaseException:
        for fit in running:
            fit.abandon()
        raise
    errors = []
    for fit, outcome in zip(running, outcomes, strict=True):
        try:
            fit.finish(outcome)
        except DivergenceError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return [fit.history for fit in ready]
