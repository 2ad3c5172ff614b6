"""``coterie demo``: k-means on the Palmer penguins, judged by the species it never saw."""

from __future__ import annotations

import csv
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from coterie.cli.kmeans import KMeansJob, cluster_file
from coterie.cli.report import as_json, as_text, lines_of
from coterie.cli.streams import tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Hashable, Sequence

__all__ = ["adjusted_rand_index", "run"]

FEATURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]


def run(options: argparse.Namespace) -> None:
    """Cluster the four measurements into three and compare the clusters with the species."""
    with resources.as_file(resources.files("coterie") / "data" / "penguins.csv") as path:
        job = KMeansJob(
            input=path,
            n_clusters=range(3, 4),
            features=FEATURES,
            missing="drop",
            threads=options.threads,
        )
        report, labels = cluster_file(job)
        species = _column(path, "species")
    pairs = [(s, int(c)) for s, c in zip(species, labels, strict=True) if c >= 0]
    counts = Counter(pairs)
    index = adjusted_rand_index([s for s, _ in pairs], [c for _, c in pairs])
    kinds, clusters = sorted({s for s, _ in pairs}), range(len(report.clusters))
    if options.json:
        table = {s: [counts[s, c] for c in clusters] for s in kinds}
        tell(as_json(report, species=table, adjusted_rand_index=index))
        return
    report.input = "penguins.csv (Palmer penguins, CC0)"
    rows = [["species", *(f"cluster {c}" for c in clusters)]]
    rows += [[s, *(str(counts[s, c]) for c in clusters)] for s in kinds]
    lines = [
        "coterie kmeans penguins.csv --n-clusters 3 --missing drop \\",
        f"    --features {','.join(FEATURES)}\n",
        as_text(report),
        "\nspecies, which the run did not see, against clusters:",
        *lines_of(rows, 100, fixed=1),
        f"\nadjusted Rand index {index:.3f} (1 is perfect agreement, 0 is chance)",
        f"the data: {path}",
    ]
    tell("\n".join(lines))


def _column(path: Path, name: str) -> list[str]:
    with open(path, encoding="utf-8", newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def adjusted_rand_index(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """Return the agreement of two partitions of the same items, corrected for chance.

    With n_ij items in group i of the one and j of the other, and pairs(n) = n (n - 1) / 2, it is
    (S - E) / (M - E), where S = sum pairs(n_ij), E = A B / pairs(n) for the sums A and B of pairs
    over the groups of either, and M = (A + B) / 2 [1]_.

    Parameters
    ----------
    first, second : sequence
        A group for each item.

    Returns
    -------
    float
        1 for the same partition, 0 on average for random ones, at least -0.5.

    References
    ----------
    .. [1] L. Hubert, P. Arabie, "Comparing partitions", Journal of Classification 2, 1985.

    Examples
    --------
    >>> adjusted_rand_index("aabb", [1, 1, 0, 0])
    1.0
    >>> round(adjusted_rand_index("aabb", [0, 0, 1, 2]), 2)
    0.57
    """
    n = len(first)
    both = _pairs(Counter(zip(first, second, strict=True)))
    a, b = _pairs(Counter(first)), _pairs(Counter(second))
    every = n * (n - 1) // 2
    if every == 0 or (a == b and a in (0, every)):
        return 1.0  # one item, all apart or all together in both: the same partition
    # Multiplied by 2 * every, all but the last division is exact in integers.
    return 2 * (both * every - a * b) / ((a + b) * every - 2 * a * b)


def _pairs(sizes: Counter[Hashable]) -> int:
    return sum(m * (m - 1) // 2 for m in sizes.values())
