"""Trees as objects and as orders of leaves, MATLAB's format; nothing here recurses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from coterie import _core
from coterie.hierarchy._valid import linkage_matrix

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray


def leaves_list(Z: ArrayLike) -> NDArray[np.int32]:
    """Return the observations in the order of the tree's leaves, from left to right.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix; Z[t, 0] stands to the left.

    Returns
    -------
    ndarray of shape (n,), int32
        Observations.

    Raises
    ------
    TypeError
        If Z is not of float64.
    ValueError
        If Z is not a linkage matrix.

    Notes
    -----
    O(n).

    Examples
    --------
    >>> leaves_list([[0.0, 2, 1.0, 2], [1, 3, 5.0, 3]])
    array([1, 0, 2], dtype=int32)
    """
    matrix = linkage_matrix(Z, convert=False)
    leaves = np.empty(len(matrix) + 1, dtype=np.int32)
    _core.tree_leaves(matrix, leaves)
    return leaves


class ClusterNode:
    """A cluster of a tree, as `to_tree` makes it.

    Nodes compare by their distance.

    Parameters
    ----------
    id : int
        Number of the cluster: below n an observation, else row id - n of Z.
    left, right : ClusterNode, default=None
        The clusters it was joined from; None for an observation.
    dist : float, default=0
        Height at which they were joined.
    count : int, default=1
        Observations, for a node without children; else their counts are added.

    Attributes
    ----------
    id, left, right, dist, count
        As above.

    Raises
    ------
    ValueError
        If id or dist is negative, count below 1, there is one child alone, or a node is compared
        with anything else.

    Examples
    --------
    >>> node = ClusterNode(2, ClusterNode(0), ClusterNode(1), dist=1.5)
    >>> node.count, node.pre_order()
    (2, [0, 1])
    """

    def __init__(
        self,
        id: int,  # noqa: A002  (SciPy's name)
        left: ClusterNode | None = None,
        right: ClusterNode | None = None,
        dist: float = 0.0,
        count: int = 1,
    ) -> None:
        if id < 0:
            raise ValueError(f"id: wanted a number >= 0, not negative, got {id!r}")
        if dist < 0:
            raise ValueError(f"dist: wanted a distance >= 0, not negative, got {dist!r}")
        if count < 1:
            raise ValueError(f"count: wanted at least one observation, got {count!r}")
        self.id = id
        self.left = left
        self.right = right
        self.dist = dist
        self.count = count
        if left is not None and right is not None:
            self.count = left.count + right.count
        elif left is not None or right is not None:
            raise ValueError("left, right: wanted two children or none, got one")

    def __lt__(self, node: ClusterNode) -> bool:
        return self.dist < _node(node).dist

    def __gt__(self, node: ClusterNode) -> bool:
        return self.dist > _node(node).dist

    def __eq__(self, node: object) -> bool:
        return self.dist == _node(node).dist

    __hash__ = None  # type: ignore[assignment]  # as in SciPy: equal is what has equal distance

    def get_id(self) -> int:
        """Return the number of the cluster."""
        return self.id

    def get_count(self) -> int:
        """Return the number of observations."""
        return self.count

    def get_left(self) -> ClusterNode | None:
        """Return the left child, None for an observation."""
        return self.left

    def get_right(self) -> ClusterNode | None:
        """Return the right child, None for an observation."""
        return self.right

    def is_leaf(self) -> bool:
        """Tell whether this is a single observation."""
        return self.left is None

    def pre_order(self, func: Callable[[ClusterNode], Any] = get_id) -> list[Any]:
        """Return `func(leaf)` for the leaves below, from left to right.

        Parameters
        ----------
        func : callable, default=ClusterNode.get_id
            What to take of each leaf.

        Returns
        -------
        list
            What `func` returned.

        Examples
        --------
        >>> ClusterNode(2, ClusterNode(0), ClusterNode(1)).pre_order(lambda leaf: -leaf.id)
        [0, -1]
        """
        taken = []
        stack = [self]
        while stack:
            node = stack.pop()
            if node.left is None or node.right is None:
                taken.append(func(node))
            else:
                stack += (node.right, node.left)
        return taken


@overload
def to_tree(Z: ArrayLike, rd: Literal[False] = False) -> ClusterNode: ...
@overload
def to_tree(Z: ArrayLike, rd: Literal[True]) -> tuple[ClusterNode, list[ClusterNode]]: ...
def to_tree(Z: ArrayLike, rd: bool = False) -> ClusterNode | tuple[ClusterNode, list[ClusterNode]]:
    """Turn a linkage matrix into a tree of `ClusterNode`.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix.
    rd : bool, default=False
        Whether to return all nodes as well.

    Returns
    -------
    root : ClusterNode
        The cluster of all observations.
    nodes : list of ClusterNode, only if rd
        Node i is cluster i, 2n - 1 in all.

    Raises
    ------
    TypeError
        If Z is not of float64.
    ValueError
        If Z is not a linkage matrix, or a size in its last column is wrong.

    Notes
    -----
    O(n).

    Examples
    --------
    >>> root, nodes = to_tree([[0.0, 2, 1.0, 2], [1, 3, 5.0, 3]], rd=True)
    >>> root.dist, root.pre_order(), nodes[3].count
    (5.0, [1, 0, 2], 2)
    """
    matrix = linkage_matrix(Z, convert=False)
    sizes = np.empty(len(matrix))
    _core.tree_sizes(matrix, sizes)
    wrong = np.flatnonzero(matrix[:, 3] != sizes)
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(
            f"Z: wanted the size of each cluster in column 3, {sizes[row]:g} in row {row}, "
            f"got {matrix[row, 3]:g}"
        )
    n = len(matrix) + 1
    nodes = [ClusterNode(i) for i in range(n)]
    links = zip(matrix[:, :2].astype(np.int64).tolist(), matrix[:, 2].tolist(), strict=True)
    nodes.extend(
        ClusterNode(n + t, nodes[a], nodes[b], height) for t, ((a, b), height) in enumerate(links)
    )
    return (nodes[-1], nodes) if rd else nodes[-1]


def from_mlab_linkage(Z: ArrayLike) -> NDArray[np.float64]:
    """Turn a linkage matrix as MATLAB writes it into one of this module.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 3)
        Clusters, counted from 1, and heights.

    Returns
    -------
    ndarray of shape (n - 1, 4)
        Clusters counted from 0, heights, and sizes. An empty Z comes back as a copy.

    Raises
    ------
    ValueError
        If Z is not two-dimensional with three columns, or does not join each of 1 to 2n - 2 once.

    Notes
    -----
    O(n).

    Examples
    --------
    >>> from_mlab_linkage([[1, 2, 1.5], [3, 4, 5.0]])
    array([[0. , 1. , 1.5, 2. ],
           [2. , 3. , 5. , 3. ]])
    """
    given = np.array(Z, dtype=np.float64, order="C")
    if given.shape in ((), (0,)) or (given.ndim == 2 and len(given) == 0):
        return given
    if given.ndim != 2 or given.shape[1] != 3:
        raise ValueError(f"Z: wanted a 2-D array of 3 columns, got shape {given.shape}")
    ids = given[:, :2]
    if ids.min() != 1 or ids.max() != 2 * len(given):
        raise ValueError(
            f"Z: wanted clusters numbered 1 to {2 * len(given)}, got {ids.min():g} to {ids.max():g}"
        )
    matrix = np.column_stack([ids - 1, given[:, 2], np.ones(len(given))])
    sizes = np.empty(len(matrix))
    _core.tree_sizes(matrix, sizes)
    matrix[:, 3] = sizes
    return matrix


def to_mlab_linkage(Z: ArrayLike) -> NDArray[np.float64]:
    """Turn a linkage matrix into MATLAB's format.

    Parameters
    ----------
    Z : array-like of shape (n - 1, 4)
        Linkage matrix.

    Returns
    -------
    ndarray of shape (n - 1, 3)
        Clusters, counted from 1, and heights. An empty Z comes back as a copy.

    Raises
    ------
    ValueError
        If Z is not a linkage matrix.

    Notes
    -----
    O(n).

    Examples
    --------
    >>> to_mlab_linkage([[0, 1, 1.5, 2], [2, 3, 5.0, 3]])
    array([[1. , 2. , 1.5],
           [3. , 4. , 5. ]])
    """
    given = np.array(Z, dtype=np.float64)
    if given.shape in ((), (0,)):
        return given
    matrix = linkage_matrix(given)
    return np.column_stack([matrix[:, :2] + 1, matrix[:, 2]])


def _node(node: object) -> ClusterNode:
    if not isinstance(node, ClusterNode):
        raise ValueError(f"node: wanted a ClusterNode to compare with, got {type(node).__name__}")
    return node
