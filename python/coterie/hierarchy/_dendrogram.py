"""Dendrograms: the tree of a linkage matrix, computed and drawn."""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie.hierarchy._layout import Painter, contracted, picture, shown_tree
from coterie.hierarchy._valid import is_valid_linkage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["dendrogram", "set_link_color_palette"]

DEFAULT_PALETTE = ("C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9")
ORIENTATIONS = ("top", "bottom", "left", "right")
MODES = ("lastp", "level", "mtica", "none", None)  # SciPy's, the last three by its older names

_palette: tuple[str, ...] = DEFAULT_PALETTE


def set_link_color_palette(palette: Sequence[str] | None) -> None:
    """Set the colours `dendrogram` gives to groups of links below its threshold.

    The palette holds for every later call in this process; `link_color_func` of `dendrogram`
    colours one picture alone.

    Parameters
    ----------
    palette : list or tuple of str, or None
        Colours as matplotlib names them, used in turn; None restores the default, "C1" to "C9".

    Raises
    ------
    TypeError
        If it is no list or tuple, or holds anything but strings.
    ValueError
        If it is empty.

    Examples
    --------
    >>> Z = [[0, 1, 1, 2], [2, 3, 1, 2], [4, 5, 9, 4]]
    >>> set_link_color_palette(["m", "k"])
    >>> dendrogram(Z, no_plot=True)["color_list"]
    ['m', 'k', 'C0']
    >>> set_link_color_palette(None)
    >>> dendrogram(Z, no_plot=True)["color_list"]
    ['C1', 'C2', 'C0']
    """
    global _palette
    if palette is None:
        _palette = DEFAULT_PALETTE
        return
    if not isinstance(palette, (list, tuple)):
        raise TypeError(f"palette: wanted a list or tuple of colours, got {palette!r}")
    for one in palette:
        if not isinstance(one, str):
            raise TypeError(f"palette: wanted strings that name colours, got {one!r}")
    if not palette:
        raise ValueError("palette: wanted at least one colour, got none")
    _palette = tuple(palette)


def dendrogram(
    Z: ArrayLike,
    p: float = 30,
    truncate_mode: str | None = None,
    color_threshold: float | str | None = None,
    get_leaves: bool = True,
    orientation: str = "top",
    labels: Sequence[Any] | NDArray[Any] | None = None,
    count_sort: str | bool = False,
    distance_sort: str | bool = False,
    show_leaf_counts: bool = True,
    no_plot: bool = False,
    no_labels: bool = False,
    leaf_font_size: float | None = None,
    leaf_rotation: float | None = None,
    leaf_label_func: Callable[[int], Any] | None = None,
    show_contracted: bool = False,
    link_color_func: Callable[[int], str] | None = None,
    ax: Any = None,
    above_threshold_color: str = "C0",
) -> dict[str, Any]:
    """Draw a hierarchical clustering as a tree, or only compute the picture.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix: the two clusters of each merge, its height, and its number of leaves.
    p : int, default=30
        How much is shown when `truncate_mode` cuts the tree.
    truncate_mode : {'lastp', 'level', None}, default=None
        'lastp' shows the last `p` - 1 merges and so `p` leaves (all of them if `p` is 0 or above
        n); 'level' shows merges that are at most `p` levels below the last one (all of them if `p`
        is 0 or below). What lies deeper is contracted into leaves. None shows all.
    color_threshold : float, 'default' or None, default=None
        Links below this height have the colours of the palette, a colour a group of them; the
        others, and all if it is 0 or below, have `above_threshold_color`. None is 0.7 times the
        largest height.
    get_leaves : bool, default=True
        Whether the result lists the nodes that became leaves.
    orientation : {'top', 'bottom', 'left', 'right'}, default='top'
        Where the root is.
    labels : sequence of length n, default=None
        What to call the observations; None calls them by their index.
    count_sort : {False, 'ascending', True, 'descending'}, default=False
        Which child stands first: that with fewer observations ('ascending' or True) or with more
        ('descending'); with False, the first of the row of Z.
    distance_sort : {False, 'ascending', True, 'descending'}, default=False
        The same by the height of the children; `count_sort` has precedence.
    show_leaf_counts : bool, default=True
        Call a contracted node by its number of observations, "(7)", instead of "".
    no_plot : bool, default=False
        Compute the result and draw nothing; matplotlib is not needed then.
    no_labels : bool, default=False
        Draw no labels.
    leaf_font_size, leaf_rotation : float, default=None
        Size in points and angle in degrees of the labels; None chooses by the number of leaves.
    leaf_label_func : callable, default=None
        ``leaf_label_func(node)`` is the label of a leaf, given its number below 2 n - 1; it has
        precedence over `labels`.
    show_contracted : bool, default=False
        Mark the heights of the merges that were contracted, above their leaf.
    link_color_func : callable, default=None
        ``link_color_func(node)`` is the colour of the link above the children of a node; it has
        precedence over the threshold.
    ax : matplotlib Axes, default=None
        Where to draw; None is the current axes of pyplot.
    above_threshold_color : str, default='C0'
        Colour of the links at or above the threshold.

    Returns
    -------
    dict
        'icoord' and 'dcoord': for every link, children before parents, its four places along the
        leaves and its four heights; 'color_list': its colour; 'ivl': the labels of the leaves from
        left to right; 'leaves': their nodes, or None without `get_leaves`; 'leaves_color_list': the
        colour of the link that ends in each leaf, None for a leaf that is the whole tree.

    Raises
    ------
    ValueError
        If Z is no linkage matrix, an option is none of those above, or `labels` has another length
        than the number of observations.
    TypeError
        If `p` or `color_threshold` is no number, or `link_color_func` returns no string.
    ImportError
        If there is something to draw and no matplotlib (extra ``coterie[plot]``).

    Notes
    -----
    The result is that of ``scipy.cluster.hierarchy.dendrogram``, with three exceptions: a leaf has
    the colour of its own link, also where a node of height 0 stands at the same place;
    `get_leaves=False` works; and an unknown sort is an error, not ignored. Nothing recurses: a
    chain of a million observations is as good as a balanced tree. O(n) time and memory.

    References
    ----------
    The form of the result is that of SciPy: P. Virtanen et al.: SciPy 1.0. Nature Methods 17, 2020.

    Examples
    --------
    >>> Z = [[0, 1, 1, 2], [2, 3, 2, 2], [4, 5, 9, 4]]
    >>> R = dendrogram(Z, labels="abcd", no_plot=True)
    >>> R["ivl"], R["color_list"]
    (['a', 'b', 'c', 'd'], ['C1', 'C2', 'C0'])
    >>> R["icoord"][2], R["dcoord"][2]
    ([10.0, 10.0, 30.0, 30.0], [1.0, 9.0, 9.0, 2.0])
    >>> dendrogram(Z, p=2, truncate_mode="lastp", no_plot=True)["ivl"]
    ['(2)', '(2)']
    """
    matrix = np.asarray(Z, dtype=np.float64, order="C")
    _check_option(orientation, "orientation", ORIENTATIONS)
    _check_option(truncate_mode, "truncate_mode", MODES)
    is_valid_linkage(matrix, throw=True, name="Z")
    names = _names(labels, len(matrix) + 1)
    highest = float(matrix[:, 2].max())
    threshold = _threshold(color_threshold, highest)
    by_count = _direction(count_sort, "count_sort")
    by_height = _direction(distance_sort, "distance_sort")
    tree = shown_tree(matrix, _whole(p), truncate_mode, by_count, by_height)

    def label(node: int) -> Any:
        if node < tree.n:
            return str(node) if names is None else names[node]
        return f"({int(matrix[node - tree.n, 3])})" if show_leaf_counts else ""

    paint = Painter(threshold, above_threshold_color, _palette)
    shown = picture(tree, leaf_label_func or label, paint, link_color_func)
    if not no_plot:
        from coterie.hierarchy._draw import draw

        draw(
            shown,
            highest,
            marks=contracted(tree, shown.leaves) if show_contracted else [],
            orientation=orientation,
            no_labels=no_labels,
            font_size=leaf_font_size,
            rotation=leaf_rotation,
            ax=ax,
            last_color=above_threshold_color,
        )
    result = dict(vars(shown))
    return result if get_leaves else result | {"leaves": None}


# ---- arguments


def _check_option(value: object, name: str, options: tuple[str | None, ...]) -> None:
    if not (value is None or isinstance(value, str)) or value not in options:
        wanted = ", ".join(repr(option) for option in options)
        raise ValueError(f"{name}: wanted one of {wanted}, got {value!r}")


def _names(labels: Sequence[Any] | NDArray[Any] | None, n: int) -> list[Any] | None:
    if labels is None:
        return None
    names = list(labels)
    if len(names) != n:
        raise ValueError(
            f"labels: wanted one label an observation of Z, {n}, got {len(names)}: dimensions of Z "
            "and labels must be consistent"
        )
    return names


def _whole(p: object) -> int:
    number = _number(p, "p", "a number")
    if not math.isfinite(number):
        raise ValueError(f"p: wanted a finite number, got {p!r}")
    return int(number)


def _threshold(value: object, highest: float) -> float:
    if value is None or (isinstance(value, str) and value == "default"):
        return 0.7 * highest
    return _number(value, "color_threshold", "a number, 'default' or None")


def _number(value: object, name: str, wanted: str) -> float:
    if not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: wanted {wanted}, got {value!r}")
    return float(value)


def _direction(value: object, name: str) -> str | None:
    if value is None or value is False or value is np.False_:
        return None
    if value is True or value is np.True_:
        return "ascending"
    _check_option(value, name, ("ascending", "descending"))
    return str(value)
