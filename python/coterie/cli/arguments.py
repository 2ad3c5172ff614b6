"""The arguments of ``coterie``: what may be said, and which command hears it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from coterie.cli.common import (
    CODES,
    COLUMNS,
    add_columns,
    add_common,
    add_input,
    add_rows,
    add_starts,
)
from coterie.cli.mlp_arguments import add_mlp
from coterie.cli.streams import tell
from coterie.cli.values import names, number, numbers, share, tolerance, whole
from coterie.io.errors import UsageError

__all__ = ["build_parser"]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help shows the usage)")

    def _print_message(self, message: str, file: object = None) -> None:  # noqa: ARG002
        # --help and --version come here; argparse itself says nothing of a disk that is full.
        tell(message, end="")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    from coterie import __version__

    parser = _Parser(
        prog="coterie",
        description="Unsupervised learning on CPUs, from files to files.",
        epilog=CODES,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"coterie {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_kmeans(commands)
    _add_gmm(commands)
    _add_linkage(commands)
    add_mlp(commands)
    _add_top_n(commands)
    _add_demo(commands)
    _add_info(commands)
    return parser


def _add_kmeans(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "kmeans",
        allow_abbrev=False,
        help="cluster the rows of a file",
        description="Cluster the rows of a .csv, .tsv, .npy, .npz or .parquet file by k-means.",
        epilog=f"{COLUMNS} {CODES}",
    )
    add = parser.add_argument
    add_input(parser)
    add(
        "--n-clusters",
        metavar="K",
        required=True,
        type=numbers(3, "2:12"),
        help="number of clusters, or a range such as 2:12: every number of it is tried, and the "
        "one at the knee of the elbow curve is kept",
    )
    add_columns(parser, "means and centres are reported in original units")
    add_starts(parser, "starts, best kept (default: 1)", 300)
    add(
        "--out",
        metavar="FILE",
        type=Path,
        help="write the rows with a column 'cluster' in the format of INPUT, which may be INPUT "
        "itself, or the labels alone to a .npy file, which may not",
    )
    add(
        "--centers",
        metavar="FILE",
        type=Path,
        help="write the centres to a .csv, .npy or .parquet file",
    )
    add_rows(parser, "their cluster is empty, and -1 in .npy and .npz")
    add_common(parser)
    parser.set_defaults(run=_run_kmeans)


def _add_gmm(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "gmm",
        allow_abbrev=False,
        help="fit a Gaussian mixture to the rows of a file",
        description="Fit a mixture of Gaussians to the rows of a .csv, .tsv, .npy, .npz or "
        ".parquet file: a component and, if wanted, probabilities and anomalies for every row. "
        "Log likelihoods and densities are those of the scaled features.",
        epilog=f"{COLUMNS} {CODES}",
    )
    add_input(parser)
    _add_mixture(parser)
    add_columns(parser, "means and standard deviations are reported in original units")
    add_starts(
        parser,
        "starts, best kept (default: 1); not with a range, whose numbers share their start",
        100,
    )
    parser.add_argument(
        "--tol",
        metavar="T",
        type=tolerance,
        default=1e-3,
        help="a start has converged when an iteration gains less log likelihood per row than this "
        "(default: 0.001)",
    )
    _add_scores(parser)
    add_rows(parser, "their new columns are empty; in .npy and .npz, labels are -1 and figures NaN")
    add_common(parser)
    parser.set_defaults(run=_run_gmm)


def _add_mixture(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--n-components",
        metavar="K",
        required=True,
        type=numbers(2, "1:8"),
        help="number of components, or a range such as 1:8: every number of it is tried, and the "
        "one of lowest --criterion is kept",
    )
    add(
        "--covariance-type",
        choices=("full", "tied", "diag", "spherical"),
        default="full",
        help="a matrix a component (full), one matrix for all (tied), a variance a feature and "
        "component (diag), or a variance a component (spherical); default: %(default)s",
    )
    add(
        "--criterion",
        choices=("bic", "aic"),
        default="bic",
        help="what chooses from a range (default: %(default)s)",
    )


def _add_scores(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--out",
        metavar="FILE",
        type=Path,
        help="write the rows with a column 'component' in the format of INPUT; may be INPUT "
        "itself. Another .npy file holds one array alone: the labels, with --proba the "
        "probabilities (rows by components), with --anomalies the log densities; not both",
    )
    add(
        "--proba",
        action="store_true",
        help="also write the probabilities of the components, columns 'p0', 'p1', ...",
    )
    add(
        "--anomalies",
        metavar="SHARE",
        type=share,
        help="call this share of the rows, above 0 and at most 0.5, those of lowest density, "
        "anomalies; also write columns 'log_density' and 'anomaly' (1 or 0)",
    )


def _add_linkage(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "linkage",
        allow_abbrev=False,
        help="cluster the rows of a file by a tree of merges",
        description="Cluster the rows of a .csv, .tsv, .npy, .npz or .parquet file by "
        "agglomeration: the two nearest clusters are merged until one is left. Heights are "
        "distances of the scaled features.",
        epilog=f"{COLUMNS} {CODES}",
    )
    add_input(parser)
    _add_tree(parser)
    add_columns(parser, "means are reported in original units")
    _add_tree_files(parser)
    add_rows(parser, "their cluster is empty, and -1 in .npy and .npz")
    add_common(parser)
    parser.set_defaults(run=_run_linkage)


def _add_tree(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--method",
        choices=("single", "complete", "average", "weighted", "centroid", "median", "ward"),
        default="ward",
        help="the distance of two clusters (default: %(default)s)",
    )
    add(
        "--metric",
        choices=(
            "euclidean",
            "sqeuclidean",
            "cityblock",
            "chebyshev",
            "cosine",
            "angular",
            "correlation",
            "hamming",
            "jaccard",
        ),
        default="euclidean",
        help="the distance of two rows (default: %(default)s, the only one for centroid, median "
        "and ward)",
    )
    cut = parser.add_mutually_exclusive_group()
    cut.add_argument(
        "--cut",
        metavar="K",
        type=whole(1),
        help="exactly K clusters, also where heights are equal: all merges but the last K - 1 are "
        "done",
    )
    cut.add_argument(
        "--distance",
        metavar="T",
        type=tolerance,
        help="clusters within which no merge is higher than T",
    )
    add(
        "--optimal-ordering",
        action="store_true",
        help="order the leaves so that neighbours are near; slow for many rows",
    )
    add(
        "--dtype",
        choices=("float32", "float64"),
        help="precision of the distances while merging; float32 takes half the memory and may "
        "swap merges of nearly equal height (default: that of the rows)",
    )


def _add_tree_files(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--out",
        metavar="FILE",
        type=Path,
        help="write the rows with a column 'cluster', from 0 in order of first appearance, in the "
        "format of INPUT, which may be INPUT itself, or the labels alone to a .npy file, which may "
        "not; wants --cut or --distance",
    )
    add(
        "--z",
        metavar="FILE",
        type=Path,
        help="write the linkage matrix, as SciPy has it, to a .npy file; its leaves are the rows "
        "that take part, counted from 0",
    )
    add(
        "--dendrogram",
        metavar="FILE",
        type=Path,
        help="draw the tree to a .svg file, or by matplotlib (coterie[plot]) to a .png or .pdf "
        "file; leaves are called by their row in INPUT, counted from 0",
    )


def _add_top_n(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "top-n",
        allow_abbrev=False,
        help="find the most similar rows of a file",
        description="Find the rows of ITEMS that are most similar to each row of another file, or "
        "of ITEMS itself: exact, ties to the first row. The files are .csv, .tsv, .npy, .npz or "
        ".parquet; rows are counted from 0, and compared as they are.",
        epilog=f"{COLUMNS} {CODES}",
    )
    add_input(parser, "ITEMS")
    _add_search(parser)
    add_rows(parser, "they are found by nobody, and find nothing")
    add_common(parser)
    parser.set_defaults(run=_run_top_n, scale="none")


def _add_search(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--queries",
        metavar="FILE",
        type=Path,
        help="find the most similar rows for the rows of this file, by the columns of ITEMS "
        "(default: for those of ITEMS, each itself apart)",
    )
    add("-n", metavar="N", type=whole(1), default=10, help="rows to find (default: %(default)s)")
    add(
        "--metric",
        choices=("cosine", "dot", "euclidean", "angular"),
        default="cosine",
        help="cosine of the angle between rows, inner product, distance, or angle as a share of "
        "180 degrees; the least is best of the last two (default: %(default)s)",
    )
    add(
        "--threshold",
        metavar="T",
        type=number,
        help="find only rows of at least this similarity, or at most this distance",
    )
    add("--features", metavar="A,B", type=names, help="columns to use (default: all numeric)")
    add(
        "--out",
        metavar="FILE",
        type=Path,
        help="write a .csv, .tsv or .parquet file with columns 'query', 'rank', 'item' and "
        "'score'; or a .npz file with arrays 'indices' and 'scores', queries by N, -1 and an "
        "infinity where nothing was found; or the indices alone to a .npy file",
    )


def _add_demo(commands: argparse._SubParsersAction[_Parser]) -> None:
    about = "cluster the Palmer penguins and compare the clusters with the species"
    parser = commands.add_parser("demo", allow_abbrev=False, help=about, description=about + ".")
    add_common(parser)
    parser.set_defaults(run=_run_demo)


def _add_info(commands: argparse._SubParsersAction[_Parser]) -> None:
    about = "print version, instruction set, threads and OpenMP runtime"
    parser = commands.add_parser("info", allow_abbrev=False, help=about, description=about + ".")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run_info)


# ---- commands; imported when run, so that --help stays quick


def _run_kmeans(options: argparse.Namespace) -> None:
    from coterie.cli.kmeans import run

    run(options)


def _run_gmm(options: argparse.Namespace) -> None:
    from coterie.cli.gmm import run

    run(options)


def _run_linkage(options: argparse.Namespace) -> None:
    from coterie.cli.linkage import run

    run(options)


def _run_top_n(options: argparse.Namespace) -> None:
    from coterie.cli.top_n import run

    run(options)


def _run_demo(options: argparse.Namespace) -> None:
    from coterie.cli.demo import run

    run(options)


def _run_info(options: argparse.Namespace) -> None:
    from coterie.cli.info import run

    run(as_json=options.json)
