"""``persist accept``: record values of a data set that were edited by hand or merged."""

from __future__ import annotations

import argparse

from persist.cli.options import Commands, add_command
from persist.cli.output import print_result

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "accept",
        run,
        "Record values of a data set that were edited or added by hand, and settle the conflicts "
        "of a merge.",
        "persist accept results events",
    )
    parser.add_argument("dataset", metavar="DATASET", help="the folder of the data set")
    parser.add_argument(
        "keys",
        metavar="KEY",
        nargs="*",
        help="the keys; a key without a file is deleted (default: all edited values)",
    )


def run(args: argparse.Namespace) -> int:
    """Accept the values."""
    from persist.dataset import accept

    accepted = list(accept(args.dataset, *args.keys))
    lines = [f"accepted: {key}" for key in accepted] or ["nothing was edited"]
    print_result(args, {"accepted": accepted}, "\n".join(lines))
    return 0
