"""Trees by the definitions: lists of members, all orders tried."""

import itertools

import numpy as np


def members(Z):
    """Leaves of every cluster, from left to right."""
    found = [[i] for i in range(len(Z) + 1)]
    for a, b in np.asarray(Z)[:, :2].astype(int):
        found.append(found[a] + found[b])
    return found


def below(Z, t):
    """Row t and all rows below it."""
    n, rows, stack = len(Z) + 1, [], [t]
    while stack:
        rows.append(stack.pop())
        stack += [int(c) - n for c in Z[rows[-1]][:2] if c >= n]
    return rows


def partition(Z, made):
    """Label of each leaf, from 0 by first appearance, once the rows in `made` are joined."""
    every, n = members(Z), len(Z) + 1
    labels = np.arange(n)
    for t in sorted(made):
        labels[every[n + t]] = labels[every[n + t]].min()
    return np.unique(labels, return_inverse=True)[1]


def cut_height(Z, height):
    """Join the rows that have nothing at or above the height at or below them."""
    return partition(Z, [t for t in range(len(Z)) if max(Z[s][2] for s in below(Z, t)) < height])


def thresholds(Z, criterion, k):
    """Leaf labels at the smallest of the criterion's values that leaves at most k clusters."""
    for t in (-np.inf, *np.unique(criterion)):
        made = {s for r in range(len(Z)) if criterion[r] <= t for s in below(Z, r)}
        labels = partition(Z, made)
        if labels.max() < k:
            return labels
    raise AssertionError


def cophenet(Z):
    """Height of the row at which two leaves meet, as a square."""
    every, n = members(Z), len(Z) + 1
    square = np.zeros((n, n))
    for a, b, height in np.asarray(Z)[:, :3]:
        for i, j in itertools.product(every[int(a)], every[int(b)]):
            square[i, j] = square[j, i] = height
    return square


def inconsistent(Z, depth):
    """Mean, standard deviation, number and coefficient, from the heights of the rows looked at."""
    n, R = len(Z) + 1, []
    for row in np.asarray(Z):
        heights, level = [row[2]], [row]
        for _ in range(1, depth):
            level = [Z[int(c) - n] for above in level for c in above[:2] if c >= n]
            heights += [below[2] for below in level]
        std = np.std(heights, ddof=1) if len(heights) > 1 and len({*heights}) > 1 else 0.0
        mean = np.mean(heights)
        R.append([mean, std, len(heights), (row[2] - mean) / std if std else 0.0])
    return np.array(R)


def path(square, order):
    """Sum of the distances between neighbours."""
    return square[order[:-1], order[1:]].sum()


def best_path(Z, square):
    """The least such sum over all orders that swapping the sides of rows gives."""
    orders = [[[i]] for i in range(len(Z) + 1)]
    for a, b in np.asarray(Z)[:, :2].astype(int):
        pairs = list(itertools.product(orders[a], orders[b]))
        orders.append([x + y for x, y in pairs] + [y + x for x, y in pairs])
    return min(path(square, order) for order in orders[-1])
