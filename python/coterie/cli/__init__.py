"""The command ``coterie``: arguments in, exit code out.

Exit codes: 0 done; 2 wrong usage, input, output or a closed pipe, with one line on stderr; 130
interrupted; 143 terminated. stdout carries the report or the one JSON object, stderr all else.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["build_parser", "main"]


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
    try:
        # Imported here, so that Ctrl-C is heard from the first moment.
        from coterie.cli.command import command

        return command(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:  # while importing, or while the outcome was being told
        if sys.stderr is not None:
            print("coterie: interrupted", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    from coterie.cli import arguments

    return arguments.build_parser()
