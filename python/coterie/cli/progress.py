"""A line of progress on stderr, when somebody is watching."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Progress"]


class Progress:
    """One line that changes: by rich when installed, plain otherwise, nothing off a terminal.

    Examples
    --------
    >>> with Progress() as progress:
    ...     progress.show("reading")
    """

    def __init__(self) -> None:
        self.live = sys.stderr is not None and sys.stderr.isatty()
        self._status: Any = None
        self._last = 0.0

    def __enter__(self) -> Progress:
        if self.live:
            try:
                from rich.console import Console

                self._status = Console(stderr=True).status("")
                self._status.start()
            except ImportError:
                pass  # a plain line does without rich
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()
        elif self.live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, text: str) -> None:
        """Replace the line, ten times a second at most."""
        if not self.live or time.monotonic() - self._last < 0.1:
            return
        self._last = time.monotonic()
        if self._status is not None:
            from rich.text import Text

            self._status.update(Text(text))
        else:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{text[:width]}", end="", file=sys.stderr, flush=True)
