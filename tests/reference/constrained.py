"""Agglomeration along the edges of a graph by definition: every step looks at every edge."""

import numpy as np


def joint(linkage, a, b, n_a, n_b):
    """The value of two edges that become one; single: with the rows of the edge."""
    if linkage == "average":
        return (n_a * a + n_b * b) / (n_a + n_b)
    return max(a, b) if linkage == "complete" else min(a, b)


def ward(rows, a, b):
    n, m = len(a), len(b)
    apart = rows[a].sum(axis=0) / n - rows[b].sum(axis=0) / m
    return 2 * (n * m / (n + m)) * (apart**2).sum()


def agglomerate(lengths, linkage, rows=None):
    """Children and heights; lengths: {(i, j): distance} with i < j, a connected graph.

    Each merge takes the least (distance, smaller name, larger name), a name being the largest row
    of a cluster; for single the two rows of the edge.
    """
    n = 1 + max(j for _, j in lengths)
    members = {i: [i] for i in range(n)}  # by name, which is the largest member
    number = {i: i for i in range(n)}
    single = linkage == "single"
    edges = {frozenset(pair): (d, *pair) if single else d for pair, d in lengths.items()}
    children, heights = [], []
    for merge in range(n, 2 * n - 1):
        if linkage == "ward":
            edges = {pair: ward(rows, *(members[c] for c in sorted(pair))) for pair in edges}
        height, a, b = min((d, *sorted(pair)) for pair, d in edges.items())
        height = height[0] if single else height
        children.append(sorted((number[a], number[b])))
        heights.append(height)
        sizes = {c: len(members[c]) for c in (a, b)}
        del edges[frozenset((a, b))]
        for other in set(members) - {a, b}:
            sides = {c: edges.pop(frozenset((c, other)), None) for c in (a, b)}
            known = {c: d for c, d in sides.items() if d is not None}
            if len(known) == 2:
                edges[frozenset((b, other))] = joint(
                    linkage, sides[a], sides[b], sizes[a], sizes[b]
                )
            elif known:
                edges[frozenset((b, other))] = next(iter(known.values()))
        members[b] = members.pop(a) + members[b]
        number[b] = merge
        del number[a]
    heights = np.array(heights)
    return np.array(children), np.sqrt(heights) if linkage == "ward" else heights
