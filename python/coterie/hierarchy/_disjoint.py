"""Disjoint sets, merged one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    Element = TypeVar("Element", bound=Hashable)
else:
    Element = TypeVar("Element")


class DisjointSet(Generic[Element]):
    """Disjoint sets of hashable elements, that can be merged.

    Each set has one of its elements for a representative: when two merge, that of the larger set
    stays, of equally large ones that which was added first.

    Parameters
    ----------
    elements : iterable of hashable, default=None
        Elements to begin with, each a set of its own.

    Attributes
    ----------
    n_subsets : int
        Number of sets.

    Notes
    -----
    A search takes amortised time of nearly O(1): union by size, path halving. Iteration is in the
    order in which elements were added.

    References
    ----------
    R. E. Tarjan, J. van Leeuwen: Worst-Case Analysis of Set Union Algorithms. J. ACM 31, 1984.

    Examples
    --------
    >>> sets = DisjointSet([1, 2, 3, "a"])
    >>> sets.merge(1, 2), sets.merge(2, 1)
    (True, False)
    >>> sets.n_subsets, sets.connected(1, 2), sets.subset(2), sets[2]
    (3, True, {1, 2}, 1)
    """

    n_subsets: int

    def __init__(self, elements: Iterable[Element] | None = None) -> None:
        self.n_subsets = 0
        self._parent: dict[Element, Element] = {}
        self._order: dict[Element, int] = {}
        self._size: dict[Element, int] = {}
        self._next: dict[Element, Element] = {}  # the elements of a set in a ring
        for element in () if elements is None else elements:
            self.add(element)

    def __iter__(self) -> Iterator[Element]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, x: object) -> bool:
        return x in self._order

    def __getitem__(self, x: Element) -> Element:
        parent = self._parent
        while parent[x] is not x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    def add(self, x: Element) -> None:
        """Add an element as a set of its own; nothing happens if it is there already.

        Parameters
        ----------
        x : hashable
            The element.

        Examples
        --------
        >>> sets = DisjointSet()
        >>> sets.add("a")
        >>> sets.n_subsets
        1
        """
        if x in self._order:
            return
        self._order[x] = len(self._order)
        self._parent[x] = self._next[x] = x
        self._size[x] = 1
        self.n_subsets += 1

    def merge(self, x: Element, y: Element) -> bool:
        """Merge the sets of two elements.

        Parameters
        ----------
        x, y : hashable
            Elements.

        Returns
        -------
        bool
            False if they were in one set already.

        Raises
        ------
        KeyError
            If either has not been added.

        Examples
        --------
        >>> DisjointSet([1, 2]).merge(1, 2)
        True
        """
        a, b = self[x], self[y]
        if a is b:
            return False
        if (self._size[a], self._order[b]) < (self._size[b], self._order[a]):
            a, b = b, a
        self._parent[b] = a
        self._size[a] += self._size[b]
        self._next[a], self._next[b] = self._next[b], self._next[a]
        self.n_subsets -= 1
        return True

    def connected(self, x: Element, y: Element) -> bool:
        """Tell whether two elements are in one set.

        Parameters
        ----------
        x, y : hashable
            Elements.

        Returns
        -------
        bool
            True if they are.

        Raises
        ------
        KeyError
            If either has not been added.

        Examples
        --------
        >>> DisjointSet([1, 2]).connected(1, 2)
        False
        """
        return self[x] is self[y]

    def subset(self, x: Element) -> set[Element]:
        """Return the set that holds an element.

        Parameters
        ----------
        x : hashable
            An element.

        Returns
        -------
        set
            All elements of its set.

        Raises
        ------
        KeyError
            If it has not been added.

        Examples
        --------
        >>> DisjointSet([1, 2]).subset(2)
        {2}
        """
        first = self[x]
        members = {first}
        following = self._next[first]
        while following is not first:
            members.add(following)
            following = self._next[following]
        return members

    def subset_size(self, x: Element) -> int:
        """Return the size of the set that holds an element.

        Parameters
        ----------
        x : hashable
            An element.

        Returns
        -------
        int
            Number of elements in its set.

        Raises
        ------
        KeyError
            If it has not been added.

        Examples
        --------
        >>> DisjointSet([1, 2]).subset_size(2)
        1
        """
        return self._size[self[x]]

    def subsets(self) -> list[set[Element]]:
        """Return all sets, in the order of their first element.

        Returns
        -------
        list of set
            The sets.

        Examples
        --------
        >>> DisjointSet([1, 2]).subsets()
        [{1}, {2}]
        """
        found: dict[Element, set[Element]] = {}
        for element in self._order:
            found.setdefault(self[element], set()).add(element)
        return list(found.values())
