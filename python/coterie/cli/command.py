"""One run of the command, whatever happens in it: an exit code and at most one line of error."""

from __future__ import annotations

import json
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from coterie.cli.arguments import build_parser
from coterie.cli.streams import need_stdout, note, tell
from coterie.io.errors import CommandError, OutputError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["command"]


class _Terminated(BaseException):
    """SIGTERM, turned into an exception so that temporary files are removed."""


def command(arguments: list[str]) -> int:
    """Do what the arguments ask and return the exit code."""
    as_json = "--json" in arguments
    for stream in (sys.stdout, sys.stderr):
        # A column name the terminal cannot show must not stop the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with _terminable():
            need_stdout()  # a report that cannot be told is not worth the work
            options = build_parser().parse_args(arguments)
            options.run(options)
    except CommandError as error:
        return _fail(error.kind, str(error), as_json)
    except KeyboardInterrupt:
        note("interrupted")
        return 130
    except _Terminated:
        note("terminated")
        return 143
    except BrokenPipeError:
        note("error: the reader of the output went away")
        return 2
    except MemoryError as error:
        return _fail("memory", f"out of memory: {error}".rstrip(": "), as_json)
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    return 0


def _fail(kind: str, message: str, as_json: bool) -> int:
    message = one_line(message)
    note(f"error: {message}")
    if as_json:
        with suppress(OutputError, BrokenPipeError):
            tell(json.dumps({"error": {"kind": kind, "message": message}}))
    return 2


@contextmanager
def _terminable() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _Terminated

    alone = threading.current_thread() is threading.main_thread()
    if not alone or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
