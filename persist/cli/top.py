"""``persist top``: the best predictions of a store."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from persist.cli.arguments import add_command, add_json, count
from persist.cli.stores import add_workspace, open_store, print_rows

if TYPE_CHECKING:
    from persist.cli.arguments import Commands

__all__ = ["add_parser", "run"]

_COLUMNS = (
    "prediction_id",
    "dataset_name",
    "model_name",
    "metric",
    "val_score",
    "test_score",
    "chain_id",
)


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(commands, "top", run, "List the best predictions of a store.")
    add_workspace(parser)
    parser.add_argument(
        "-n", metavar="N", type=count, default=10, help="how many of them (default: 10)"
    )
    parser.add_argument(
        "--metric", default="val_score", help="the column that ranks them (default: val_score)"
    )
    parser.add_argument(
        "--partition", default="val", help="the partition that is ranked (default: val)"
    )
    parser.add_argument("--dataset", metavar="NAME", help="their data set, % for any text")
    parser.add_argument(
        "--group-by",
        metavar="COLUMN",
        help="the best of each value of a column (default: metric, if no direction is given)",
    )
    direction = parser.add_mutually_exclusive_group()
    direction.add_argument(
        "--lowest",
        action="store_const",
        const=True,
        dest="ascending",
        help="low is good (default: as the metric says)",
    )
    direction.add_argument(
        "--highest", action="store_const", const=False, dest="ascending", help="high is good"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """List the predictions."""
    # Scores by different metrics are not to be compared.
    by_default = "metric" if args.ascending is None else None
    with open_store(args.workspace) as store:
        found = store.top_predictions(
            args.n,
            args.metric,
            args.ascending,
            args.partition,
            args.dataset,
            args.group_by or by_default,
        )
    print_rows(_COLUMNS, found, args.json)
    return 0
