"""Measure against the rivals that are installed and print a table of the README.

pip install ".[bench]"
python bench/table.py [ROOM] [--rounds 7] [--threads 2] [--only NAME] [--out FILE]
"""

import argparse
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import cases
import duel
import peak
import rivals
from coterie import _core

PACKAGES = {
    "sklearn": "scikit-learn",
    "sklearnex": "scikit-learn-intelex",
    "faiss": "faiss-cpu",
    "daal4py": "daal4py",
    "scipy": "scipy",
    "fastcluster": "fastcluster",
    "fastcluster_vector": "fastcluster",
    "hdbscan": "hdbscan",
    "fast_hdbscan": "fast-hdbscan",
    "torch": "torch",
    "sklearn_cosine": "scikit-learn",
    "numpy": "numpy",
    "sparse_dot_topn": "sparse-dot-topn",
    "implicit": "implicit",
    "jax": "jax",
    "keras": "keras",
}
# What is measured: (cases, table of contenders), and the columns.
ROOMS = {
    "kmeans": (
        [(cases.KMEANS, "LLOYD"), (cases.SEEDING, "PLUS_PLUS")],
        ("sklearn", "sklearnex", "faiss"),
    ),
    "gmm": ([(cases.MIXTURES, "MIXTURE")], ("sklearn", "daal4py")),
    # SciPy has a goal of its own; "best" is the best of the others.
    "linkage": (
        [(cases.LINKAGE, "LINKAGE")],
        ("scipy", "fastcluster", "fastcluster_vector", "hdbscan", "fast_hdbscan"),
    ),
    # Ours are the times of float products; "best" and the goal are against those, and ours at best.
    "top_n": (
        [(cases.SEARCH, "SEARCH")],
        (
            "coterie_auto",
            *("faiss", "torch", "sklearn", "sklearn_cosine", "numpy"),
            *("sparse_dot_topn", "implicit"),
        ),
    ),
    "nn": ([(cases.NETS, "NET")], ("numpy", "torch", "sklearn", "jax", "keras")),
}


def row(case, summary, columns):
    """One line of the table: our time, each rival's ratio, the best of them against the goal."""
    ours = summary["coterie"]
    cells = [case.name, f"{case.n:,} x {case.d}, {case.k}, {case.dtype}", f"{ours[0] * 1e3:.4g}"]
    cells += [f"{summary[name][2]:.2f}" if name in summary else "" for name in columns]
    apart = ("coterie", "coterie_auto", "scipy")
    best = min((s[2] for name, s in summary.items() if name not in apart), default=float("nan"))
    goal, best_auto = f"{case.goal:g}", ""
    if getattr(case, "scipy", 0):
        goal += f" (SciPy: {case.scipy:g})"
    if "coterie_auto" in summary:
        goal += f" (auto: {case.auto:g})"
        best_auto = f" (auto: {best / summary['coterie_auto'][2]:.2f})"
    if hasattr(case, "goals"):  # one a rival
        goal = ", ".join(f"{name} {wanted:g}" for name, wanted in case.goals.items())
    cells += [f"**{best:.2f}**{best_auto}", goal]
    return "| " + " | ".join(cells) + " |"


def check(case, summary):
    """Every library must have reached the same answer before its time counts."""
    ours = summary["coterie"][1]
    for name, (_, answer, _) in summary.items():
        if abs(answer - ours) > case.agree * abs(ours):
            raise SystemExit(f"{case.name}: {name} found {answer}, coterie {ours}")


def heading(threads, columns):
    """What ran and what this machine can do, then the table's head."""
    config = _core.config()
    packages = list(dict.fromkeys(PACKAGES[name] for name in columns if name in PACKAGES))
    against = ", ".join(f"{p} {_version(p)}" for p in packages if _version(p))
    peaks = [f"{peak.fma_peak(dtype):.0f} GFLOP/s {dtype}" for dtype in ("float32", "float64")]
    return [
        f"coterie {config['version']} ({config['isa']}) against {against}; {threads} threads.",
        f"FMA peak of one thread: {', '.join(peaks)}; memory: {peak.bandwidth(threads):.0f} GB/s.",
        "",
        "| job | n x d, k, dtype | ours, ms | " + " | ".join(columns) + " | best | goal |",
        "|---" * (len(columns) + 5) + "|",
    ]


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("room", nargs="?", choices=ROOMS, default="kmeans")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=_core.default_threads())
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--out", help="write the table here as well")
    args = parser.parse_args()
    tables, columns = ROOMS[args.room]
    lines = heading(args.threads, columns)
    jobs = [(case, table) for some, table in tables for case in some]
    print("\n".join(lines), flush=True)
    for case, table in jobs:
        if args.only not in case.name:
            continue
        names = [name for name in getattr(rivals, table) if rivals.takes(name, case)]
        summary = duel.duel(case, table, names, args.threads, args.rounds)
        check(case, summary)
        lines.append(row(case, summary, columns))
        print(lines[-1], flush=True)
    if args.out:
        Path(args.out).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
