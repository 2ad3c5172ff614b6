"""What a run found, for people and for machines; each command adds what is its own."""

from __future__ import annotations

import json
import math
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from coterie.cli.streams import reads_utf8
from coterie.io.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "Group",
    "Report",
    "StartedReport",
    "as_json",
    "as_text",
    "counted",
    "curve",
    "feature_table",
    "figure",
    "glyph",
    "lines_of",
]

ROWS_SHOWN = 40
FEATURES_SHOWN = 40
BAR = 48


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rows that belong together: how many, their share, their mean in original units."""

    size: int
    share: float
    mean: list[float]


@dataclass(kw_only=True)
class Report:
    """What every run says. A command adds fields, `figures`, `summary` and `files`."""

    command: ClassVar[str]

    input: str
    rows: int
    rows_used: int
    features: list[str]
    left_out: list[tuple[str, str]]
    scale: str
    shift: list[float]
    divide: list[float]
    out: str | None
    notices: list[str]

    def figures(self) -> dict[str, Any]:
        """Return the command's own part of the JSON object."""
        raise NotImplementedError

    def summary(self, width: int) -> list[str]:
        """Return the command's own lines."""
        raise NotImplementedError

    def files(self) -> list[tuple[str, str | None]]:
        """Return what may have been written, and where."""
        raise NotImplementedError


@dataclass(kw_only=True)
class StartedReport(Report):
    """What a run says that starts somewhere at random."""

    seed: int
    n_init: int

    def figures(self) -> dict[str, Any]:
        """Return where it started; a command adds what it found."""
        return {"seed": self.seed, "n_init": self.n_init}


# ---- JSON


def as_json(report: Report, **more: Any) -> str:
    """Return one JSON object; a figure that is not finite becomes null."""
    facts = _finite(_plain(report) | more)
    return json.dumps(facts, ensure_ascii=not reads_utf8(), allow_nan=False)


def _plain(report: Report) -> dict[str, Any]:
    from coterie import __version__

    scaling = [
        {"feature": name, "shift": shift, "divide": divide}
        for name, shift, divide in zip(report.features, report.shift, report.divide, strict=True)
    ]
    return {
        "command": report.command,
        "version": __version__,
        "input": report.input,
        "rows": report.rows,
        "rows_used": report.rows_used,
        "rows_dropped": report.rows - report.rows_used,
        "features": report.features,
        "left_out": [{"column": name, "reason": why} for name, why in report.left_out],
        "scale": report.scale,
        "scaling": scaling,
        **report.figures(),
        "out": report.out,
        "notices": report.notices,
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# ---- text


def as_text(report: Report, width: int | None = None) -> str:
    """Return the summary; `width` is the line width, by default the terminal's."""
    width = width or shutil.get_terminal_size((100, 24)).columns
    dropped = report.rows - report.rows_used
    used = f", {report.rows_used} used ({dropped} with missing values)" if dropped else ""
    rows, features = counted(report.rows, "row"), counted(len(report.features), "feature")
    lines = [
        f"{one_line(report.input)}: {rows}{used}, {features}, scale {report.scale}",
        "",
        *report.summary(width),
    ]
    written = [f"{what} written to {one_line(path)}" for what, path in report.files() if path]
    return "\n".join(lines + ([""] if written else []) + written)


def counted(n: int, noun: str) -> str:
    """Return a number and its noun.

    Examples
    --------
    >>> counted(1, "cluster"), counted(2, "cluster")
    ('1 cluster', '2 clusters')
    """
    return f"{n} {noun}" + ("" if n == 1 else "s")


def curve(
    name: str, title: str, points: Sequence[tuple[int, float]], floor: float, mark: dict[int, str]
) -> list[str]:
    """Return a line a point: its number, its figure, and a bar of what the figure is above `floor`.

    Parameters
    ----------
    name, title : str
        Headings of the figures and of the bars.
    points : sequence of (int, float)
        Numbers of groups and the figure of each.
    floor : float
        The figure that has no bar but the shortest one.
    mark : dict of int to str
        What is said behind the bar of a number.
    """
    top = max((y - floor for _, y in points if math.isfinite(y)), default=0.0) or 1.0
    full = glyph("█", "#")
    lines = [f"{'k':>5}  {name:>12}  {title}"]
    for k, y in points:
        bar = full * max(1, round(BAR * (y - floor) / top)) if math.isfinite(y) else ""
        said = f"  <- {mark[k]}" if k in mark else ""
        lines.append(f"{k:>5}  {y:>12.6g}  {bar}{said}")
    return lines


def glyph(wanted: str, plain: str) -> str:
    """Return `wanted` if stdout can show it, otherwise `plain`."""
    try:
        wanted.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return plain
    return wanted


def feature_table(
    report: Report,
    groups: Sequence[Group],
    heads: tuple[str, str],
    cell: Callable[[int, int], str],
    width: int,
) -> list[str]:
    """Return a table: groups down, size, share and features across, folded to the width.

    Parameters
    ----------
    groups : sequence of Group
        All of them; the smaller ones are left out when there are many.
    heads : (str, str)
        What a group and its share are called.
    cell : callable
        ``cell(i, j)`` is the text of group i and feature j.
    width : int
        Longest line wanted.
    """
    shown = list(range(len(groups)))
    if len(shown) > ROWS_SHOWN:
        shown = sorted(shown, key=lambda i: (-groups[i].size, i))[:ROWS_SHOWN]
    picked = _telling(report, groups)
    names = [one_line(report.features[j])[:32] for j in picked]
    rows = [[heads[0], "size", heads[1], *names]]
    for i in shown:
        lead = [str(i), str(groups[i].size), f"{groups[i].share:.1%}"]
        rows.append(lead + [cell(i, j) for j in picked])
    lines = lines_of(rows, width, fixed=3)
    if len(picked) < len(report.features):
        rest = len(report.features) - len(picked)
        lines.append(
            f"(not shown: {counted(rest, 'feature')} of lesser differences; --json has all)"
        )
    if len(shown) < len(groups):
        rest = len(groups) - len(shown)
        lines.append(f"(not shown: {counted(rest, 'smaller ' + heads[0])}; --json has all)")
    return lines


def _telling(report: Report, groups: Sequence[Group]) -> list[int]:
    """Return the features to show, in their order: if too many, those that differ the most."""
    every = list(range(len(report.features)))
    if len(every) <= FEATURES_SHOWN:
        return every

    def spread(j: int) -> float:
        means = [group.mean[j] for group in groups if group.size]
        return (max(means) - min(means)) / report.divide[j]

    return sorted(sorted(every, key=lambda j: -spread(j))[:FEATURES_SHOWN])


def figure(value: float, digits: int = 5) -> str:
    """Return a figure of a table, "-" for one that is not there."""
    return "-" if math.isnan(value) else f"{value:.{digits}g}"


def lines_of(rows: list[list[str]], width: int, fixed: int) -> list[str]:
    """Return right-aligned lines; columns beyond the width go to a further block.

    Parameters
    ----------
    rows : list of list of str
        A header and the cells under it.
    width : int
        Longest line wanted.
    fixed : int
        How many leading columns every block repeats the first of; the others stand once.

    Examples
    --------
    >>> for line in lines_of([["k", "size", "a"], ["0", "12", "1.5"]], 80, fixed=1):
    ...     print(line)
    k  size    a
    0    12  1.5
    """
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    blocks = [list(range(fixed))]
    for j in range(fixed, len(widths)):
        if sum(widths[i] + 2 for i in blocks[-1]) + widths[j] > width and len(blocks[-1]) > 1:
            blocks.append([0])
        blocks[-1].append(j)
    lines: list[str] = []
    for block in blocks:
        lines += [""] if lines else []
        lines += ["  ".join(row[j].rjust(widths[j]) for j in block) for row in rows]
    return lines
