"""Drawing a dendrogram with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coterie.hierarchy._layout import Picture

__all__ = ["draw", "need_matplotlib"]

# Of so many leaves at most: the size of their labels in points, their angle in degrees.
FONT_SIZES = ((20, 12.0), (30, 10.0), (50, 8.0), (85, 6.0))
ROTATIONS = ((20, 0.0), (40, 45.0))


def need_matplotlib() -> None:
    """Raise ImportError with a way out unless matplotlib can be imported."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "dendrogram: drawing needs matplotlib, which is not installed: "
            "pip install 'coterie[plot]'; no_plot=True computes the result without drawing it"
        ) from error


def draw(
    shown: Picture,
    highest: float,
    *,
    marks: list[tuple[float, float]],
    orientation: str,
    no_labels: bool,
    font_size: float | None,
    rotation: float | None,
    ax: Any,
    last_color: str,
) -> None:
    """Draw links, contracted merges and labels on axes.

    Parameters
    ----------
    shown : Picture
        The tree.
    highest : float
        Height of the highest merge; the axis ends 5 % above.
    marks : list of (float, float)
        Places and heights of contracted merges.
    last_color : str
        The colour that is drawn on top of the others.
    """
    need_matplotlib()
    from matplotlib.collections import LineCollection

    pyplot: Any = None
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.gca()
    sideways = orientation in ("left", "right")
    reach = 1.05 * highest or 1.0  # duplicates alone have no height at all
    across, along = (ax.yaxis, ax.xaxis) if sideways else (ax.xaxis, ax.yaxis)
    _limit(along, (reach, 0) if orientation in ("left", "bottom") else (0, reach))
    _limit(across, (0, 10 * len(shown.ivl)))
    if no_labels:
        across.set_ticks([])
    else:
        _label(across, shown.ivl, orientation, font_size, rotation)

    # One collection a colour, so that a legend has one entry a group.
    groups: dict[str, list[list[tuple[float, float]]]] = {}
    for x, y, color in zip(shown.icoord, shown.dcoord, shown.color_list, strict=True):
        points = zip(y, x, strict=True) if sideways else zip(x, y, strict=True)
        groups.setdefault(color, []).append(list(points))
    for color in sorted(groups, key=lambda color: color == last_color):
        ax.add_collection(LineCollection(groups[color], colors=(color,)))
    if marks:
        _mark(ax, marks, reach / 100, sideways)
    if pyplot is not None:
        pyplot.draw_if_interactive()


def _limit(axis: Any, ends: tuple[float, float]) -> None:
    set_limits = axis.axes.set_xlim if axis.axis_name == "x" else axis.axes.set_ylim
    set_limits(*ends)


def _label(
    axis: Any, ivl: list[Any], orientation: str, size: float | None, rotation: float | None
) -> None:
    """Put the labels on the side opposite to the root, without ticks that would cover the links."""
    opposite = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}
    axis.set_ticks([10 * i + 5 for i in range(len(ivl))])
    axis.set_ticks_position(opposite[orientation])
    for line in axis.get_ticklines():
        line.set_visible(False)
    options: dict[str, Any] = {"size": size}
    if size is None:
        options["size"] = next((s for most, s in FONT_SIZES if len(ivl) <= most), 5.0)
    if rotation is not None:
        options["rotation"] = rotation
    elif orientation in ("top", "bottom"):
        options["rotation"] = next((r for most, r in ROTATIONS if len(ivl) <= most), 90.0)
    axis.set_ticklabels(ivl, **options)


def _mark(ax: Any, marks: list[tuple[float, float]], thickness: float, sideways: bool) -> None:
    from matplotlib.collections import EllipseCollection

    size, places = (1.0, thickness), marks
    if sideways:
        size, places = (thickness, 1.0), [(y, x) for x, y in marks]
    ax.add_collection(
        EllipseCollection(
            [size[0]],
            [size[1]],
            [0.0],
            units="xy",
            offsets=places,
            offset_transform=ax.transData,
            facecolors="k",
            edgecolors="none",
            alpha=0.5,
            zorder=1,
        )
    )
