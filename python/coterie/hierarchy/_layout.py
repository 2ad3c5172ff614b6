"""The tree a dendrogram shows, and its picture: places, heights, colours and names.

A leaf stands at x = 5, 15, 25, ..., a node midway between its children. Each link is a U of four
points, (x_l, x_l, x_r, x_r) and (y_l, h, h, y_r), where h is the height of the merge, and y_l and
y_r are the heights of the two children, 0 for a leaf.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Painter", "Picture", "Tree", "contracted", "picture", "shown_tree"]


@dataclass(frozen=True)
class Tree:
    """Children of the nodes n, n + 1, ..., in the order of drawing, and which nodes are leaves."""

    n: int
    left: list[int]
    right: list[int]
    heights: list[float]
    is_leaf: list[bool]


def shown_tree(
    Z: NDArray[np.float64],
    p: int,
    mode: str | None,
    by_count: str | None,
    by_height: str | None,
) -> Tree:
    """Return the tree of a linkage matrix, cut off and sorted as `dendrogram` says."""
    n = len(Z) + 1
    a, b = Z[:, 0].astype(np.int64), Z[:, 1].astype(np.int64)
    if by_count or by_height:
        column, alone = (3, 1.0) if by_count else (2, 0.0)
        key = np.concatenate([np.full(n, alone), Z[:, column]])
        larger = key[a] > key[b]
        swap = larger if (by_count or by_height) == "ascending" else ~larger
        a, b = np.where(swap, b, a), np.where(swap, a, b)
    left, right = a.tolist(), b.tolist()
    is_leaf = np.zeros(2 * n - 1, np.bool_)
    is_leaf[:n] = True
    if mode == "lastp" and p != 0 and p <= n:
        is_leaf[n : 2 * n - p] = True  # of a p below 1, all
    elif mode in ("level", "mtica") and p > 0:
        # The very first merge is never contracted: so SciPy has it, and results are to agree.
        is_leaf[n + 1 :] = _levels(n, left, right)[n + 1 :] > p
    return Tree(n, left, right, Z[:, 2].tolist(), is_leaf.tolist())


def _levels(n: int, left: list[int], right: list[int]) -> NDArray[np.int64]:
    """Return how many links lie between each node and the root."""
    levels = [0] * (2 * n - 1)
    for t in range(n - 2, -1, -1):
        levels[left[t]] = levels[right[t]] = levels[n + t] + 1
    return np.array(levels)


# ---- the picture


class Painter:
    """Colours of links from left to right: one of the palette for every group below a height."""

    def __init__(self, threshold: float, above: str, palette: tuple[str, ...]) -> None:
        self.threshold, self.above, self.palette = threshold, above, palette
        self.used, self.below = 0, False

    def color(self, height: float) -> str:
        """Return the colour of the next link to the right."""
        if height >= self.threshold or self.threshold <= 0:
            self.used += self.below  # the group ended here
            self.below = False
            return self.above
        self.below = True
        return self.palette[self.used % len(self.palette)]


@dataclass
class Picture:
    """What `dendrogram` returns."""

    icoord: list[list[float]] = field(default_factory=list)
    dcoord: list[list[float]] = field(default_factory=list)
    ivl: list[Any] = field(default_factory=list)
    leaves: list[int] = field(default_factory=list)
    color_list: list[str] = field(default_factory=list)
    leaves_color_list: list[str | None] = field(default_factory=list)


def picture(
    tree: Tree,
    label: Callable[[int], Any],
    paint: Painter,
    link_color_func: Callable[[int], str] | None,
) -> Picture:
    """Walk the tree: a leaf when it is met, a link when both children are placed."""
    out = Picture()
    n, nodes = tree.n, 2 * tree.n - 1
    x, y, color = [0.0] * nodes, [0.0] * nodes, [""] * nodes
    # A node is on the stack up to three times: to enter it, between its children, to leave it.
    stack = [nodes - 1]
    while stack:
        step, node = divmod(stack.pop(), nodes)
        if tree.is_leaf[node]:
            x[node] = 10.0 * len(out.leaves) + 5.0
            out.leaves.append(node)
            out.ivl.append(label(node))
            out.leaves_color_list.append(None)
            continue
        a, b, height = tree.left[node - n], tree.right[node - n], tree.heights[node - n]
        if step == 0:
            stack += (nodes + node, a)
        elif step == 1:
            color[node] = paint.color(height)
            stack += (2 * nodes + node, b)
        else:
            chosen = _checked(link_color_func(node)) if link_color_func else color[node]
            x[node], y[node] = (x[a] + x[b]) / 2, height
            out.icoord.append([x[a], x[a], x[b], x[b]])
            out.dcoord.append([y[a], height, height, y[b]])
            out.color_list.append(chosen)
            for child in (a, b):
                if tree.is_leaf[child]:
                    out.leaves_color_list[int(x[child]) // 10] = chosen
    return out


def _checked(color: object) -> str:
    if not isinstance(color, str):
        raise TypeError(f"link_color_func: wanted a string that names a colour, got {color!r}")
    return color


def contracted(tree: Tree, leaves: list[int]) -> list[tuple[float, float]]:
    """Return place and height of every merge inside a leaf, its own left out."""
    marks = []
    for i, leaf in enumerate(leaves):
        stack = [leaf]
        while stack:
            node = stack.pop()
            if node < tree.n:
                continue
            if node != leaf:
                marks.append((10.0 * i + 5.0, tree.heights[node - tree.n]))
            stack += (tree.right[node - tree.n], tree.left[node - tree.n])
    return marks
