"""What a run found, for people and for machines."""

from __future__ import annotations

import json
import math
import shutil
import sys
from dataclasses import dataclass
from typing import Any

from coterie.io.errors import one_line

__all__ = ["Cluster", "Report", "as_json", "as_text", "lines_of"]

ROWS_SHOWN = 40
FEATURES_SHOWN = 40
BAR = 48


@dataclass(frozen=True)
class Cluster:
    """Rows of one cluster, their mean and the model's centre, in original units."""

    size: int
    mean: list[float]
    center: list[float]


@dataclass
class Report:
    """One run of ``coterie kmeans``."""

    input: str
    rows: int
    rows_used: int
    features: list[str]
    left_out: list[tuple[str, str]]
    scale: str
    shift: list[float]
    divide: list[float]
    seed: int
    n_init: int
    inertia: float
    n_iter: int
    clusters: list[Cluster]
    sweep: list[tuple[int, float]]
    knee: int | None
    out: str | None
    centers: str | None
    notices: list[str]

    @property
    def mean_inertia(self) -> float:
        """J: the inertia divided by the number of rows."""
        return self.inertia / self.rows_used


# ---- JSON


def as_json(report: Report, **more: Any) -> str:
    """Return one JSON object; a figure that is not finite becomes null."""
    return json.dumps(_finite(_plain(report) | more), ensure_ascii=False, allow_nan=False)


def _plain(report: Report) -> dict[str, Any]:
    from coterie import __version__

    names, m = report.features, report.rows_used
    scaling = [
        {"feature": name, "shift": shift, "divide": divide}
        for name, shift, divide in zip(names, report.shift, report.divide, strict=True)
    ]
    return {
        "command": "kmeans",
        "version": __version__,
        "input": report.input,
        "rows": report.rows,
        "rows_used": m,
        "rows_dropped": report.rows - m,
        "features": names,
        "left_out": [{"column": name, "reason": why} for name, why in report.left_out],
        "scale": report.scale,
        "scaling": scaling,
        "seed": report.seed,
        "n_init": report.n_init,
        "n_clusters": len(report.clusters),
        "inertia": report.inertia,
        "J": report.mean_inertia,
        "n_iter": report.n_iter,
        "clusters": [
            {
                "cluster": i,
                "size": c.size,
                "share": c.size / m,
                "mean": dict(zip(names, c.mean, strict=True)),
                "center": dict(zip(names, c.center, strict=True)),
            }
            for i, c in enumerate(report.clusters)
        ],
        "sweep": [{"n_clusters": k, "inertia": j, "J": j / m} for k, j in report.sweep],
        "knee": report.knee,
        "out": report.out,
        "centers": report.centers,
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
    starts = f", best of {report.n_init} starts" if report.n_init > 1 else ""
    features = f"{len(report.features)} feature" + ("" if len(report.features) == 1 else "s")
    lines = [
        f"{one_line(report.input)}: {report.rows} rows{used}, {features}, scale {report.scale}",
        "",
    ]
    if report.sweep:
        lines += [*_elbow(report), ""]
    plural = "" if len(report.clusters) == 1 else "s"
    lines += [
        f"{len(report.clusters)} cluster{plural}, seed {report.seed}{starts}",
        f"inertia     {report.inertia:.6g}" + _units(report.scale),
        f"J           {report.mean_inertia:.6g} (inertia per row)",
        f"iterations  {report.n_iter}",
        "",
        *_means(report, width),
    ]
    if report.out is not None:
        lines += ["", f"clusters written to {one_line(report.out)}"]
    if report.centers is not None:
        lines += [*([] if report.out else [""]), f"centres written to {one_line(report.centers)}"]
    return "\n".join(lines)


def _units(scale: str) -> str:
    return "" if scale == "none" else " (sum of squared distances, scaled features)"


def _elbow(report: Report) -> list[str]:
    top = max(j for _, j in report.sweep) or 1.0
    full = _bar_glyph()
    lines = [f"{'k':>5}  {'inertia':>12}  elbow"]
    for k, j in report.sweep:
        bar = full * max(1, round(BAR * j / top)) if math.isfinite(j) else ""
        mark = "  <- knee" if k == report.knee else ""
        lines.append(f"{k:>5}  {j:>12.6g}  {bar}{mark}")
    return lines


def _bar_glyph() -> str:
    try:
        "█".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "#"
    return "█"


def _means(report: Report, width: int) -> list[str]:
    """Return a table: clusters down, size and features across, folded to the width."""
    clusters = list(enumerate(report.clusters))
    if len(clusters) > ROWS_SHOWN:
        clusters = sorted(clusters, key=lambda pair: (-pair[1].size, pair[0]))[:ROWS_SHOWN]
    picked = _telling(report)
    rows = [["cluster", "size", "share"]]
    rows += [[str(i), str(c.size), f"{c.size / report.rows_used:.1%}"] for i, c in clusters]
    rows[0] += [one_line(report.features[j])[:32] for j in picked]
    for row, (_, cluster) in zip(rows[1:], clusters, strict=True):
        row += [_figure(cluster.mean[j]) for j in picked]
    lines = ["mean of each feature, in original units:", *lines_of(rows, width, fixed=3)]
    if len(picked) < len(report.features):
        rest = len(report.features) - len(picked)
        lines.append(f"({rest} features that differ less are not shown; --json has all)")
    if len(clusters) < len(report.clusters):
        rest = len(report.clusters) - len(clusters)
        lines.append(f"({rest} smaller clusters are not shown; --json has all)")
    return lines


def _telling(report: Report) -> list[int]:
    """Return the features to show, in their order: if too many, those that differ the most."""
    every = list(range(len(report.features)))
    if len(every) <= FEATURES_SHOWN:
        return every

    def spread(j: int) -> float:
        means = [c.mean[j] for c in report.clusters if c.size]
        return (max(means) - min(means)) / report.divide[j]

    return sorted(sorted(every, key=lambda j: -spread(j))[:FEATURES_SHOWN])


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.5g}"


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
