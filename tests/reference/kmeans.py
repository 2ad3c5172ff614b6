"""Lloyd's k-means and greedy k-means++ in float64, n x k matrices and all."""

import numpy as np


def sq_distances(X, centers):
    """Squared distance of every row to every centre, from differences."""
    X, centers = np.asarray(X, dtype=np.float64), np.asarray(centers, dtype=np.float64)
    return np.stack([((X - c) ** 2).sum(axis=1) for c in centers], axis=1)


def assign(X, centers):
    """Nearest centre, the lowest index winning ties, and the squared distance to it."""
    every = sq_distances(X, centers)
    labels = every.argmin(axis=1)
    return labels, every[np.arange(len(every)), labels]


def relocate(labels, distances, w, empty):
    """Give each empty cluster the farthest row that still counts, never a cluster's last one."""
    labels = labels.copy()
    far = [i for i in np.argsort(-distances, kind="stable") if w[i] > 0 and distances[i] > 0]
    for j in empty:
        for i in far:
            if np.count_nonzero((labels == labels[i]) & (w > 0)) > 1:
                labels[i] = j
                far.remove(i)
                break
    return labels


def update(X, centers, labels, w):
    """Weighted mean of each cluster's rows; a cluster without weight keeps its centre."""
    new = np.array(centers, dtype=np.float64)
    for j in range(len(new)):
        total = w[labels == j].sum()
        if total > 0:
            new[j] = w[labels == j] @ X[labels == j] / total
    return new


def lloyd(X, centers, sample_weight=None, max_iter=300, tol=0.0, empty_cluster="relocate"):
    """Return labels, centres, inertia and history; `tol` is relative to the mean variance."""
    X, centers = np.asarray(X, dtype=np.float64), np.asarray(centers, dtype=np.float64)
    w = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    mean = w @ X / w.sum()
    tol = tol * (w @ (X - mean) ** 2 / w.sum()).mean()
    history, before = [], None
    for _ in range(max_iter):
        labels, distances = assign(X, centers)
        moved = labels
        if empty_cluster == "relocate":
            empty = np.flatnonzero(np.bincount(labels, w, len(centers)) == 0)
            moved = relocate(labels, distances, w, empty)
        new = update(X, centers, moved, w)
        shift = ((new - centers) ** 2).sum()
        history.append((w @ distances, shift))
        centers = new
        if (before is not None and (labels == before).all()) or shift <= tol:
            break
        before = labels
    labels, distances = assign(X, centers)
    return labels, centers, w @ distances, np.array(history)


def plus_plus(X, k, sample_weight, first, uniforms):
    """Row indices of greedy k-means++, given the first row and the (k-1, trials) draws.

    A draw only meets rows of positive mass; once there are none, the first row is repeated.
    """
    w = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    chosen, closest = [first], sq_distances(X, X[[first]])[:, 0]
    for u in uniforms[: k - 1]:
        some = np.flatnonzero(w * closest)
        if not len(some):
            chosen.append(first)
            continue
        mass = np.cumsum((w * closest)[some])
        trials = some[np.searchsorted(mass, u * mass[-1]).clip(max=len(some) - 1)]
        left = np.minimum(closest[:, None], sq_distances(X, X[trials]))
        best = (w @ left).argmin()
        chosen.append(trials[best])
        closest = left[:, best]
    return np.array(chosen)
