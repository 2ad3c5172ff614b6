"""stdout for the report, stderr for everything else; either may be full, closed or gone."""

from __future__ import annotations

import codecs
import os
import sys
from contextlib import suppress
from typing import Any

from coterie.io.errors import OutputError, one_line

__all__ = ["need_stdout", "note", "reads_utf8", "tell"]


def tell(text: str, end: str = "\n") -> None:
    """Print to stdout, at once.

    Raises
    ------
    OutputError
        When stdout is closed or full.
    BrokenPipeError
        When nobody reads it any more.
    """
    need_stdout()
    try:
        print(text, end=end, flush=True)
    except OSError as error:
        _drop(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise
        raise OutputError(f"standard output: {error.strerror or error}") from None


def need_stdout() -> None:
    """Raise OutputError unless there is a stdout."""
    if _missing(sys.stdout):
        raise OutputError("standard output: is closed")


def note(text: str) -> None:
    """Print a line to stderr, if there is one."""
    if _missing(sys.stderr):
        return  # print would take stdout instead
    try:
        print(f"coterie: {one_line(text)}", file=sys.stderr, flush=True)
    except OSError:
        _drop(sys.stderr)


def reads_utf8() -> bool:
    """Return whether stdout is UTF-8, as JSON beyond ASCII has to be."""
    try:
        return codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
    except (AttributeError, LookupError):
        return False


def _missing(stream: Any) -> bool:
    return stream is None  # of a process that was started with it closed


def _drop(stream: Any) -> None:
    # The interpreter flushes both once more when it ends, and would complain there.
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
