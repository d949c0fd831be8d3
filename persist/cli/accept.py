"""``persist accept``: record values of a data set that were edited by hand or merged."""

from __future__ import annotations

import argparse

from persist.cli.datasets import check_local
from persist.cli.options import argument, command
from persist.cli.output import print_result

__all__ = ["run"]


@command(
    "accept",
    "persist accept results events",
    argument("dataset", metavar="DATASET", help="the folder of the data set"),
    argument(
        "keys",
        metavar="KEY",
        nargs="*",
        help="the keys; a key without a file is deleted (default: all edited values)",
    ),
)
def run(args: argparse.Namespace) -> None:
    """Record values of a data set that were edited by hand, added or merged.

    This settles the conflicts of a merge.
    """
    from persist.dataset import accept

    check_local(args.dataset, "accept values in")
    accepted = list(accept(args.dataset, *args.keys))
    lines = [f"accepted: {key}" for key in accepted] or ["nothing was edited"]
    print_result({"accepted": accepted}, "\n".join(lines))
