"""Which net it is, and whether it is being fitted."""

from __future__ import annotations

import os
import weakref
from typing import Any


class Identity:
    """What a net and its optimiser know each other by; a copy of both has one of its own.

    A fit holds it by nothing but its own life: what an interrupt or a fork left behind counts no
    more.
    """

    _held: tuple[int, weakref.ref[Any]]  # the process and the fit, from the first fit on

    def claim(self, fit: object) -> bool:
        """Let `fit` run, unless another one does."""
        mine = (os.getpid(), weakref.ref(fit))
        held = vars(self).setdefault("_held", mine)  # of two threads, one
        if held is mine:
            return True
        if self.in_use:
            return False
        self._held = mine
        return True

    def release(self, fit: object) -> None:
        """Let others run, if it was `fit` that ran."""
        if "_held" in vars(self) and self._held[1]() is fit:
            vars(self).pop("_held", None)

    @property
    def in_use(self) -> bool:
        """Whether a fit runs."""
        process, fit = vars(self).get("_held", (0, object))
        return process == os.getpid() and fit() is not None

    def __reduce__(self) -> tuple[type[Identity], tuple[()]]:
        return Identity, ()
