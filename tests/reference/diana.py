"""Divisive analysis after Kaufman & Rousseeuw (1990), chapter 6, from a square of distances."""

from fractions import Fraction

import numpy as np


def divide(D, cluster):
    """The rows that stay and those that leave, in exact arithmetic; the first wins a tie."""

    def mean(i, others):
        others = [j for j in others if j != i]
        return sum(Fraction(float(D[i, j])) for j in others) / max(len(others), 1)

    stay, leave = list(cluster), []
    while len(stay) > 1:
        gains = [mean(i, stay) - mean(i, leave) for i in stay]
        if leave and max(gains) <= 0:
            break
        leave.append(stay.pop(gains.index(max(gains))))
    return stay, sorted(leave)


def diana(D):
    """The linkage matrix; the widest cluster is divided first, of equals that of the lowest row."""
    n = len(D)
    clusters, divisions = [(list(range(n)), None)], []
    while len(divisions) < n - 1:
        widths = [(-D[np.ix_(c, c)].max() if len(c) > 1 else np.inf, c[0]) for c, _ in clusters]
        cluster, above = clusters.pop(widths.index(min(widths)))
        number, width = 2 * n - 2 - len(divisions), D[np.ix_(cluster, cluster)].max()
        divisions.append((cluster, above, width))
        clusters += [(part, number) for part in divide(D, cluster)]
    Z = np.zeros((n - 1, 4))
    children = {}
    for t, (cluster, above, width) in enumerate(divisions):
        children.setdefault(above, []).append(2 * n - 2 - t)
        Z[n - 2 - t, 2:] = width, len(cluster)
    for (row,), above in clusters:
        children.setdefault(above, []).append(row)
    for t in range(n - 1):
        Z[t, :2] = sorted(children[n + t])
    return Z
