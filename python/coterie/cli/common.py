"""The arguments that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from coterie.cli.values import names, whole

if TYPE_CHECKING:
    import argparse

__all__ = ["CODES", "COLUMNS", "add_columns", "add_common", "add_input", "add_rows", "add_starts"]

CODES = "Exit codes: 0 done, 2 usage or input error, 130 interrupted."
COLUMNS = (
    "Columns that hold no numbers are left out with a notice. A CSV file's delimiter (comma, "
    "semicolon or tab) is found in its first line."
)


def add_input(parser: argparse.ArgumentParser, metavar: str = "INPUT") -> None:
    """Add the file that is read."""
    parser.add_argument(
        "input",
        metavar=metavar,
        type=Path,
        help="file to read; .parquet needs pyarrow (coterie[io])",
    )


def add_columns(parser: argparse.ArgumentParser, units: str) -> None:
    """Add which columns are used, and how they are scaled."""
    parser.add_argument(
        "--features", metavar="A,B", type=names, help="columns to use (default: all numeric)"
    )
    parser.add_argument(
        "--scale",
        choices=("standard", "none", "minmax"),
        default="standard",
        help="standard: mean 0 and standard deviation 1; minmax: 0 to 1; none: as it is "
        f"(default: %(default)s); {units}",
    )


def add_starts(parser: argparse.ArgumentParser, starts: str, max_iter: int) -> None:
    """Add how an iteration starts, and how long it may run."""
    parser.add_argument(
        "--seed", metavar="N", type=whole(0, 2**32 - 1), default=0, help="random seed (default: 0)"
    )
    parser.add_argument("--n-init", metavar="N", type=whole(1), default=1, help=starts)
    parser.add_argument(
        "--max-iter",
        metavar="N",
        type=whole(1),
        default=max_iter,
        help="iterations of a start at most (default: %(default)s)",
    )


def add_rows(parser: argparse.ArgumentParser, dropped: str) -> None:
    """Add what becomes of missing values and of a first line."""
    parser.add_argument(
        "--missing",
        choices=("error", "drop"),
        default="error",
        help="rows with missing values stop the run (error, the default), or take no part (drop): "
        f"in the output {dropped}",
    )
    parser.add_argument(
        "--header",
        choices=("auto", "yes", "no"),
        default="auto",
        help="whether the first line of a CSV file names the columns; auto takes a first line of "
        "nothing but numbers for data (default: %(default)s)",
    )


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every run takes."""
    parser.add_argument("--json", action="store_true", help="print one JSON object to stdout")
    parser.add_argument(
        "--threads", metavar="N", type=whole(1), help="threads (default: CPUs of this process)"
    )
