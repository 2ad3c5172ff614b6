"""The command ``coterie``: arguments in, exit code out.

Exit codes: 0 done; 2 wrong usage, input, output or a closed pipe, with one line on stderr; 130
interrupted; 143 terminated. stdout carries the report or the one JSON object, stderr all else.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from coterie.cli.arguments import build_parser
from coterie.io.errors import CommandError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["build_parser", "main"]


class _Terminated(BaseException):
    """SIGTERM, turned into an exception so that temporary files are removed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; by default those of the process.

    Returns
    -------
    int
        The exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # A column name the terminal cannot show must not stop the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with _terminable():
            options = build_parser().parse_args(arguments)
            options.run(options)
            sys.stdout.flush()
    except CommandError as error:
        return _fail(error.kind, str(error), "--json" in arguments)
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except _Terminated:
        _say("terminated")
        return 143
    except BrokenPipeError:
        _drop_stdout()
        _say("error: the reader of the output went away")
        return 2
    except MemoryError as error:
        return _fail("memory", f"out of memory: {error}".rstrip(": "), "--json" in arguments)
    except SystemExit as done:  # --help and --version
        with suppress(BrokenPipeError):
            sys.stdout.flush()
            return int(done.code or 0)
        _drop_stdout()
        return 0
    return 0


def _fail(kind: str, message: str, as_json: bool) -> int:
    message = one_line(message)
    _say(f"error: {message}")
    if as_json:
        try:
            print(json.dumps({"error": {"kind": kind, "message": message}}), flush=True)
        except BrokenPipeError:
            _drop_stdout()
    return 2


def _say(text: str) -> None:
    with suppress(OSError):
        print(f"coterie: {text}", file=sys.stderr, flush=True)


def _drop_stdout() -> None:
    # The interpreter flushes stdout once more when it ends, and would complain there.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
