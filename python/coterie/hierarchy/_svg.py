"""Pictures of a tree as files: SVG by ourselves, other formats by matplotlib.

The root is on the left and a leaf has a line of its own, so that labels of any length can be read.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from coterie.hierarchy._dendrogram import dendrogram

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["Look", "node_groups", "write_figure", "write_svg"]

MOST_LEAVES = 100  # lines of text that still make one picture
LEGEND = 10
LABEL = 40
PALETTE = (
    "#1f77b4",
    "#d95f02",
    "#2a9d4b",
    "#c8282d",
    "#8457b8",
    "#8c564b",
    "#d452a5",
    "#6d7f1f",
    "#1397a6",
    "#b8860b",
)
GREY = "#777777"

# In pixels: the tree's width, a leaf's height, the margin, and what stands above and below.
WIDTH, LINE, MARGIN, HEAD, FOOT = 640, 18, 16, 52, 44
LETTER = 7  # about the width of one at 12 pixels


@dataclass(frozen=True)
class Look:
    """What a picture shows beside the tree.

    Attributes
    ----------
    title : str
        The line above it.
    labels : sequence of str or None
        Names of the observations; None names them by their index.
    clusters : ndarray of int of shape (n,) or None
        A cluster from 0 up for each observation: links and leaves have its colour, links between
        clusters are grey.
    cut : float or None
        A height to mark with a dashed line.
    """

    title: str = ""
    labels: Sequence[str] | None = None
    clusters: NDArray[Any] | None = None
    cut: float | None = None


def node_groups(Z: NDArray[np.float64], clusters: NDArray[Any]) -> list[int]:
    """Return for every node the cluster all its leaves are in, or -1.

    Examples
    --------
    >>> Z = np.array([[0, 1, 1, 2], [2, 3, 2, 3.0]])
    >>> node_groups(Z, np.array([0, 0, 1]))
    [0, 0, 1, 0, -1]
    """
    groups: list[int] = clusters.tolist()
    for a, b in Z[:, :2].astype(np.int64).tolist():
        groups.append(groups[a] if groups[a] == groups[b] else -1)
    return groups


@dataclass(frozen=True)
class _Shown:
    """The part of the tree that fits, its colours, and a line that says what is left out."""

    options: dict[str, Any]
    colors: list[str]
    remark: str
    legend: list[tuple[str, str]]


def _shown(Z: NDArray[np.float64], look: Look) -> _Shown:
    n = len(Z) + 1
    colors, legend = [PALETTE[0]] * (2 * n - 1), []
    if look.clusters is not None:
        of = node_groups(Z, look.clusters)
        colors = [GREY if c < 0 else PALETTE[c % len(PALETTE)] for c in of]
        sizes = np.bincount(look.clusters).tolist()
        if len(sizes) <= LEGEND:
            legend = [(f"cluster {c}: {size}", PALETTE[c]) for c, size in enumerate(sizes)]
    names = range(n) if look.labels is None else look.labels
    options: dict[str, Any] = {
        "labels": [_printable(str(name)) for name in names],
        "orientation": "left",
    }
    remark = f"{n} leaves"
    if n > MOST_LEAVES:
        options |= {"truncate_mode": "lastp", "p": MOST_LEAVES}
        remark = (
            f"the last {MOST_LEAVES - 1} of {n - 1} merges of {n} leaves; (7) stands for 7 leaves "
            "that were merged before"
        )
    return _Shown(options | {"link_color_func": colors.__getitem__}, colors, remark, legend)


def _printable(text: str) -> str:
    text = _clean(text)
    return text if len(text) <= LABEL else text[: LABEL - 3] + "..."


# ---- SVG


def write_svg(Z: NDArray[np.float64], file: IO[str], look: Look | None = None) -> None:
    """Write the picture of a tree as SVG; nothing but NumPy is needed.

    Trees of more than 100 leaves are cut off: the last 99 merges are drawn, and the picture says
    so.

    Parameters
    ----------
    Z : ndarray of shape (n - 1, 4)
        Linkage matrix.
    file : text file
        Where to write, as UTF-8.
    look : Look, optional
        What the picture shows beside the tree.
    """
    look = look or Look()
    Z, top = _bounded(Z)
    shown = _shown(Z, look)
    R = dendrogram(Z, no_plot=True, **shown.options)
    lines = len(R["ivl"])
    wide = max(len(label) for label in R["ivl"]) * LETTER
    texts = [look.title, shown.remark, "   ".join(text for text, _ in shown.legend)]
    size = (
        max(2 * MARGIN + WIDTH + 12 + wide, 2 * MARGIN + max(map(len, texts)) * LETTER),
        HEAD + lines * LINE + FOOT + (LINE if shown.legend else 0),
    )

    def x(height: float) -> float:
        return MARGIN + WIDTH * (1 - height / top)

    def y(place: float) -> float:
        return HEAD + place * LINE / 10

    parts = [*_frame(size, look.title, shown.remark)]
    parts += _axis(x, top, y(10 * lines))
    parts += _links(R, x, y)
    if look.cut is not None and 0 <= look.cut <= top:
        where = f'x1="{x(look.cut):.2f}" x2="{x(look.cut):.2f}"'
        parts.append(
            f'<line {where} y1="{HEAD}" y2="{y(10 * lines):.2f}" stroke="#000" '
            'stroke-dasharray="5 4"/>'
        )
    for i, (leaf, label) in enumerate(zip(R["leaves"], R["ivl"], strict=True)):
        at = y(10 * i + 5)
        color = shown.colors[leaf]
        parts.append(f'<circle cx="{x(0):.2f}" cy="{at:.2f}" r="2.5" fill="{color}"/>')
        parts.append(_text(x(0) + 8, at + 4, label))
    parts += _legend(shown.legend, size[1] - 10)
    file.write("\n".join([*parts, "</svg>", ""]))


def _frame(size: tuple[float, float], title: str, remark: str) -> Iterator[str]:
    width, height = (math.ceil(length) for length in size)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" fill="#222">'
    )
    yield f"<title>{html.escape(_clean(title) or 'dendrogram')}</title>"
    yield '<rect width="100%" height="100%" fill="#fff"/>'
    yield _text(MARGIN, 20, _clean(title))
    yield _text(MARGIN, 38, remark, 'fill="#666"')


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.2f}" y="{y:.2f}" {more}>{html.escape(text)}</text>'.replace(" >", ">")


def _axis(x: Any, top: float, bottom: float) -> Iterator[str]:
    """Return a scale of heights under the tree."""
    yield (f'<path d="M{x(top):.2f},{bottom + 4:.2f}H{x(0):.2f}" stroke="#999" fill="none"/>')
    for height in _ticks(top):
        at = x(height)
        yield f'<path d="M{at:.2f},{bottom + 4:.2f}v4" stroke="#999" fill="none"/>'
        yield _text(at, bottom + 20, f"{height:.6g}", 'text-anchor="middle" fill="#666"')


def _ticks(top: float) -> list[float]:
    """Round heights from 0 to at most `top`: at most six steps of 1, 2 or 5 times a power of ten.

    Examples
    --------
    >>> _ticks(11.0)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    power = math.floor(math.log10(top / 6))
    digits = next(m for m in (1, 2, 5, 10) if top <= 6 * m * 10.0**power * (1 + 1e-9))
    step = digits * 10.0**power
    return [i * step for i in range(int(top / step * (1 + 1e-9)) + 1)]


def _links(R: dict[str, Any], x: Any, y: Any) -> Iterator[str]:
    """Return one path a colour."""
    paths: dict[str, list[str]] = {}
    for places, heights, color in zip(R["icoord"], R["dcoord"], R["color_list"], strict=True):
        paths.setdefault(color, []).append(
            f"M{x(heights[0]):.2f},{y(places[0]):.2f}H{x(heights[1]):.2f}"
            f"V{y(places[3]):.2f}H{x(heights[3]):.2f}"
        )
    for color, path in paths.items():
        yield f'<path d="{"".join(path)}" stroke="{color}" fill="none" stroke-width="1.5"/>'


def _legend(entries: list[tuple[str, str]], y: float) -> Iterator[str]:
    at = float(MARGIN)
    for text, color in entries:
        yield f'<circle cx="{at + 4:.2f}" cy="{y - 4:.2f}" r="4" fill="{color}"/>'
        yield _text(at + 12, y, text)
        at += 12 + (len(text) + 3) * LETTER


def _bounded(Z: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the tree with infinite heights at the picture's edge, and the height of that edge."""
    heights = Z[:, 2]
    top = float(heights[np.isfinite(heights)].max(initial=0.0)) or 1.0  # all may be zero
    bounded = Z.copy()
    bounded[:, 2] = np.minimum(heights, top)
    return bounded, top


# ---- other formats


def write_figure(
    Z: NDArray[np.float64], file: IO[bytes], kind: str, look: Look | None = None
) -> None:
    """Write the same picture by matplotlib (extra ``coterie[plot]``).

    Parameters
    ----------
    Z : ndarray of shape (n - 1, 4)
        Linkage matrix.
    file : binary file
        Where to write.
    kind : {"png", "pdf"}
        The format.
    look : Look, optional
        What the picture shows beside the tree.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    from coterie.hierarchy._draw import need_matplotlib

    need_matplotlib()
    from matplotlib.figure import Figure

    look = look or Look()
    Z, top = _bounded(Z)
    shown = _shown(Z, look)
    lines = min(len(Z) + 1, MOST_LEAVES)
    figure = Figure((9, (HEAD + FOOT + lines * LINE) / 72), dpi=144, layout="constrained")
    ax = figure.add_subplot()
    # A dollar sign in a name is no formula.
    names = [label.replace("$", r"\$") for label in shown.options.pop("labels")]
    dendrogram(
        Z, ax=ax, labels=names, leaf_font_size=9, above_threshold_color=GREY, **shown.options
    )
    title = _clean(look.title).replace("$", r"\$")
    ax.set_title(f"{title}\n{shown.remark}", loc="left", fontsize=9)
    ax.set_xlim(1.02 * top, 0)
    for side in ("top", "left", "right"):
        ax.spines[side].set_visible(False)
    if look.cut is not None:
        ax.axvline(look.cut, color="k", linestyle="--", linewidth=1)
    for text, color in shown.legend:
        ax.plot([], [], "o", color=color, label=text)
    if shown.legend:
        ax.legend(loc="upper left", fontsize=8, frameon=False)
    # No date and no version: the same tree gives the same bytes.
    none = {"CreationDate": None} if kind == "pdf" else {"Software": None}
    figure.savefig(file, format=kind, metadata=none)
