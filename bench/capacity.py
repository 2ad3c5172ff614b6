"""How large may it be? Linkage of many rows in a process of its own: seconds and peak memory.

python bench/capacity.py [--threads 2] [--out FILE]
"""

import argparse
import subprocess
import sys
from pathlib import Path

JOBS = [  # method, metric, rows, features, goal in GB for the whole process
    ("ward", "euclidean", 200_000, 10, 2),
    ("single", "euclidean", 1_000_000, 3, 2),
    ("average", "cosine", 100_000, 64, 2),
]

WORKER = """
import resource, sys, time
import numpy as np
from coterie.hierarchy import linkage
method, metric, n, d, threads = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
rng = np.random.default_rng(0)
X = (2 * rng.normal(size=(20, d)))[rng.integers(0, 20, n)]
X += rng.normal(size=(n, d))
begin = time.perf_counter()
Z = linkage(X, method, metric, n_threads=threads)
seconds = time.perf_counter() - begin
assert Z[-1, 3] == n and (np.diff(Z[:, 2]) >= 0).all()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(f"{seconds:.2f} | {peak:.2f}")
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", help="write the table here as well")
    args = parser.parse_args()
    lines = ["| job | n x d | seconds | peak memory, GB | goal, GB |", "|---" * 5 + "|"]
    print("\n".join(lines))
    for method, metric, n, d, goal in JOBS:
        worker = [sys.executable, "-c", WORKER, method, metric, str(n), str(d), str(args.threads)]
        found = subprocess.run(worker, capture_output=True, text=True, check=True).stdout.strip()
        lines.append(f"| {method}, {metric} | {n:,} x {d} | {found} | {goal} |")
        print(lines[-1], flush=True)
    if args.out:
        Path(args.out).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
