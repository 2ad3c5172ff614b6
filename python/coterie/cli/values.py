"""What the text of an option becomes; each says what was wanted when it does not fit."""

from __future__ import annotations

import argparse
import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["names", "number", "numbers", "share", "tolerance", "whole"]


def whole(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    """Return what parses a whole number from `least` to `most`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"wanted a whole number from {least} to {most}, got {text!r}"
            )
        return value

    return parse


def number(text: str) -> float:
    """Parse a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"wanted a number, got {text!r}")
    return value


def tolerance(text: str) -> float:
    """Parse a finite number that is not below 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"wanted a number from 0 up, got {text!r}")
    return value


def share(text: str) -> float:
    """Parse a number above 0 and at most 0.5."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 0.5:
        raise argparse.ArgumentTypeError(f"wanted a number above 0 and at most 0.5, got {text!r}")
    return value


def numbers(least: int, example: str) -> Callable[[str], range]:
    """Return what parses K to that number alone, and a range to its `least` or more numbers."""

    def parse(text: str) -> range:
        found = re.fullmatch(r"(\d{1,18})(?::(\d{1,18}))?", text, re.ASCII)
        low = int(found[1]) if found else 0
        if not found or low < 1:
            raise argparse.ArgumentTypeError(
                f"wanted a number from 1 up, or a range such as {example}, got {text!r}"
            )
        if not found[2]:
            return range(low, low + 1)
        wanted = range(low, int(found[2]) + 1)
        if len(wanted) < least:
            words = {2: "two", 3: "three"}
            raise argparse.ArgumentTypeError(
                f"wanted a range of at least {words[least]} numbers, low to high, such as "
                f"{example}, got {text!r}"
            )
        return wanted

    return parse


def names(text: str) -> list[str]:
    """Parse names of columns, written as in a CSV header."""
    import csv
    import io

    try:
        # As a CSV header writes them: a name with a comma or a line end stands in quotes.
        (cells,) = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (csv.Error, ValueError):
        raise argparse.ArgumentTypeError(
            f"wanted names of columns with commas between, got {text!r}"
        ) from None
    found = [name.strip() for name in cells]
    if not any(found):
        raise argparse.ArgumentTypeError(f"wanted names of columns, got {text!r}")
    return found
