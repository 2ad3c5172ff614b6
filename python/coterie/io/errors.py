"""The errors of the command: one sentence for the user, and a kind for machines."""

from __future__ import annotations

__all__ = [
    "CommandError",
    "InputError",
    "MissingPackageError",
    "OutputError",
    "UsageError",
    "one_line",
]


class CommandError(Exception):
    """A run that cannot go on for a reason the user can mend; the text is one sentence."""

    kind = "error"


class UsageError(CommandError):
    """The arguments contradict one another or the input."""

    kind = "usage"


class InputError(CommandError):
    """The input cannot be read, or holds what cannot be clustered."""

    kind = "input"


class OutputError(CommandError):
    """A result cannot be written."""

    kind = "output"


class MissingPackageError(CommandError):
    """An optional package is wanted and not installed."""

    kind = "missing-package"


def one_line(text: str) -> str:
    r"""Return `text` with everything that would break or disguise a terminal line escaped.

    Examples
    --------
    >>> print(one_line("two\nlines"))
    two\nlines
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
