"""Agglomerative linkage by definition: a full search for every merge, float64."""

import numpy as np

RULES = {  # Lance & Williams: shares of the two, of their distance, of the difference
    "single": lambda i, j, k: (0.5, 0.5, 0, -0.5),
    "complete": lambda i, j, k: (0.5, 0.5, 0, 0.5),
    "average": lambda i, j, k: (i / (i + j), j / (i + j), 0, 0),
    "weighted": lambda i, j, k: (0.5, 0.5, 0, 0),
    "ward": lambda i, j, k: ((i + k) / (i + j + k), (j + k) / (i + j + k), -k / (i + j + k), 0),
    "centroid": lambda i, j, k: (i / (i + j), j / (i + j), -i * j / (i + j) ** 2, 0),
    "median": lambda i, j, k: (0.5, 0.5, -0.25, 0),
}
SQUARED = ("ward", "centroid", "median")


def replay(square, Z, method):
    """For each row of Z: its height, the distance of the two it merges, the least of any two."""
    n = len(square)
    d = square.astype("float64") ** (2 if method in SQUARED else 1)
    np.fill_diagonal(d, np.inf)
    slot, size = {i: i for i in range(n)}, dict.fromkeys(range(n), 1)
    heights = []
    for t, (a, b, height, count) in enumerate(Z):
        i, j, new = slot.pop(int(a)), slot.pop(int(b)), n + t
        merged, least = d[i, j], d.min()
        n_i, n_j = size.pop(int(a)), size.pop(int(b))
        assert count == n_i + n_j
        for c, k in slot.items():
            p, q, r, s = RULES[method](n_i, n_j, size[c])
            d[j, k] = p * d[i, k] + q * d[j, k] + r * merged + s * abs(d[i, k] - d[j, k])
            d[k, j] = d[j, k]
        d[i], d[:, i] = np.inf, np.inf
        slot[new], size[new] = j, count
        root = np.sqrt if method in SQUARED else np.asarray
        heights.append([height, root(max(merged, 0)), root(max(least, 0))])
    return np.array(heights)
