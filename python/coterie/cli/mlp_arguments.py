"""The arguments of ``coterie mlp``."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coterie.cli.common import CODES, COLUMNS, add_columns, add_common, add_input, add_rows
from coterie.cli.values import share, tolerance, whole

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["add_mlp"]


def add_mlp(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "mlp",
        allow_abbrev=False,
        help="train a net that predicts a column from the others",
        description="Train a net of dense layers that predicts a column of a .csv, .tsv, .npy, "
        ".npz or .parquet file from the others: classes, or numbers. The score is that of rows "
        "that were held out; predictions are written for all rows.",
        epilog=f"{COLUMNS} {CODES}",
    )
    add_input(parser)
    _add_net(parser)
    add_columns(
        parser,
        "all by the rows trained on; a target of numbers is scaled to standard while training",
    )
    _add_training(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="write the rows with a column 'prediction', for classes also 'probability' (of the "
        "predicted class), in the format of INPUT; may be INPUT itself. A class is written as in "
        "INPUT; where a CSV file has two spellings of one number, such as 1 and 1.0, that is one "
        "class, and the first is written. Another .npy file holds the predictions alone, as "
        "numbers if the classes are numbers",
    )
    add_rows(
        parser,
        "their predictions are empty; in .npy and .npz -1 (true and false are 1 and 0 then), "
        "beside numbers below 0 or with fractions NaN, or an empty text",
    )
    add_common(parser)
    parser.set_defaults(run=_run)


def _add_net(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--target",
        metavar="COLUMN",
        required=True,
        help="column to predict; rows where it is missing are predicted, but not learned from; "
        "in a .npz file that holds a matrix, also another array, of one value a row",
    )
    add(
        "--task",
        choices=("auto", "classification", "regression"),
        default="auto",
        help="auto: classes if a cell of the target is text, or if it is true and false, or at "
        "most 20 different whole numbers, otherwise numbers (default: %(default)s)",
    )
    add(
        "--hidden",
        metavar="A,B",
        type=_sizes,
        default=[100],
        help="units of the hidden layers, such as 25,15; 0 for none (default: 100)",
    )
    add(
        "--activation",
        choices=("relu", "tanh", "logistic", "identity"),
        default="relu",
        help="of the hidden layers (default: %(default)s)",
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--held-out",
        metavar="SHARE",
        type=share,
        default=0.25,
        help="share of the rows, above 0 and at most 0.5, that is not trained on but scored "
        "(default: %(default)s)",
    )
    add(
        "--max-iter",
        metavar="N",
        type=whole(1),
        default=200,
        help="epochs at most (default: %(default)s)",
    )
    add(
        "--learning-rate",
        metavar="R",
        type=_positive,
        default=0.001,
        help="of Adam (default: %(default)s)",
    )
    add(
        "--alpha",
        metavar="A",
        type=tolerance,
        default=0.0001,
        help="penalty on squared weights (default: %(default)s)",
    )
    add("--seed", metavar="N", type=whole(0, 2**32 - 1), default=0, help="random seed (default: 0)")


def _sizes(text: str) -> list[int]:
    parse: Callable[[str], int] = whole(1)
    if text.strip() == "0":
        return []
    try:
        return [parse(part.strip()) for part in text.split(",")]
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"wanted units of layers, such as 25,15, or 0 for no layer, got {text!r}"
        ) from None


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"wanted a number above 0, got {text!r}")
    return value


def _run(options: argparse.Namespace) -> None:
    from coterie.cli.mlp import run

    run(options)
