"""The command ``coterie``: arguments in, exit code out.

Exit codes: 0 done; 2 wrong usage, input, output or a closed pipe, with one line on stderr; 130
interrupted; 143 terminated. stdout carries the report or the one JSON object, stderr all else.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from coterie.io.errors import CommandError, UsageError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["build_parser", "main"]


class _Terminated(BaseException):
    """SIGTERM, turned into an exception so that temporary files are removed."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help shows the usage)")


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


# ---- arguments


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    from coterie import __version__

    parser = _Parser(
        prog="coterie",
        description="Unsupervised learning on CPUs, from files to files.",
        epilog="Exit codes: 0 done, 2 usage or input error, 130 interrupted.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"coterie {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_kmeans(commands)
    _add_demo(commands)
    _add_info(commands)
    return parser


def _add_kmeans(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "kmeans",
        allow_abbrev=False,
        help="cluster the rows of a file",
        description="Cluster the rows of a .csv, .tsv, .npy, .npz or .parquet file by k-means.",
        epilog="Columns that hold no numbers are left out with a notice. A CSV file's delimiter "
        "(comma, semicolon or tab) is found in its first line. Exit codes: 0 done, 2 usage or "
        "input error, 130 interrupted.",
    )
    add = parser.add_argument
    add("input", metavar="INPUT", help="file to read; .parquet needs pyarrow (coterie[io])")
    add(
        "--n-clusters",
        metavar="K",
        required=True,
        type=_clusters,
        help="number of clusters, or a range such as 2:12: every number of it is tried, and the "
        "one at the knee of the elbow curve is kept",
    )
    add("--features", metavar="A,B", type=_names, help="columns to use (default: all numeric)")
    add(
        "--scale",
        choices=("standard", "none", "minmax"),
        default="standard",
        help="standard: mean 0 and standard deviation 1; minmax: 0 to 1; none: as it is "
        "(default: %(default)s); means and centres are reported in original units",
    )
    add("--seed", metavar="N", type=_whole(0), default=0, help="random seed (default: 0)")
    add("--n-init", metavar="N", type=_whole(1), default=1, help="starts, best kept (default: 1)")
    add(
        "--out",
        metavar="FILE",
        help="write the rows with a column 'cluster' in the format of INPUT, or the labels alone "
        "to a .npy file; may be INPUT itself",
    )
    add("--centers", metavar="FILE", help="write the centres to a .csv, .npy or .parquet file")
    add(
        "--missing",
        choices=("error", "drop"),
        default="error",
        help="rows with missing values stop the run (error, the default), or take no part (drop): "
        "in the output their cluster is empty, and -1 in .npy and .npz",
    )
    add(
        "--header",
        choices=("auto", "yes", "no"),
        default="auto",
        help="whether the first line of a CSV file names the columns; auto takes a first line of "
        "nothing but numbers for data (default: %(default)s)",
    )
    _add_common(parser)
    parser.set_defaults(run=_run_kmeans)


def _add_demo(commands: argparse._SubParsersAction[_Parser]) -> None:
    about = "cluster the Palmer penguins and compare the clusters with the species"
    parser = commands.add_parser("demo", allow_abbrev=False, help=about, description=about + ".")
    _add_common(parser)
    parser.set_defaults(run=_run_demo)


def _add_info(commands: argparse._SubParsersAction[_Parser]) -> None:
    about = "print version, instruction set, threads and OpenMP runtime"
    parser = commands.add_parser("info", allow_abbrev=False, help=about, description=about + ".")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run_info)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object to stdout")
    parser.add_argument(
        "--threads", metavar="N", type=_whole(1), help="threads (default: CPUs of this process)"
    )


def _whole(least: int) -> type[int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value < 2**32:
            raise argparse.ArgumentTypeError(
                f"wanted a whole number from {least} to {2**32 - 1}, got {text!r}"
            )
        return value

    return parse  # type: ignore[return-value]


def _clusters(text: str) -> tuple[int, ...]:
    """Return (K,) or the numbers of a range."""
    parts = text.split(":")
    whole = all(part.isascii() and part.isdigit() for part in parts) and len(parts) <= 2
    ends = [int(part) for part in parts] if whole else []
    if not ends or ends[0] < 1:
        raise argparse.ArgumentTypeError(
            f"wanted a number from 1 up, or a range such as 2:12, got {text!r}"
        )
    if len(ends) == 1:
        return (ends[0],)
    if ends[1] < ends[0] + 2:
        raise argparse.ArgumentTypeError(
            f"wanted a range of at least three numbers, low to high, such as 2:12, got {text!r}"
        )
    return tuple(range(ends[0], ends[1] + 1))


def _names(text: str) -> list[str]:
    import csv
    import io

    try:
        # As a CSV header writes them: a name with a comma or a line end stands in quotes.
        (cells,) = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (csv.Error, ValueError):
        raise argparse.ArgumentTypeError(
            f"wanted names of columns with commas between, got {text!r}"
        ) from None
    names = [name.strip() for name in cells]
    if not any(names):
        raise argparse.ArgumentTypeError(f"wanted names of columns, got {text!r}")
    return names


# ---- commands; imported when run, so that --help stays quick


def _run_kmeans(options: argparse.Namespace) -> None:
    from coterie.cli.kmeans import run

    run(options)


def _run_demo(options: argparse.Namespace) -> None:
    from coterie.cli.demo import run

    run(options)


def _run_info(options: argparse.Namespace) -> None:
    from coterie.cli.info import run

    run(as_json=options.json)
