"""``persist runs``: list the runs of a store."""

from __future__ import annotations

import argparse

from persist.cli.options import Commands, add_command, add_workspace, count
from persist.cli.stores import open_store, print_rows

__all__ = ["add_parser", "run"]

_COLUMNS = ("run_id", "name", "status", "created_at", "completed_at", "error")


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "runs",
        run,
        "List the runs of a store, newest first.",
        "persist runs --status failed",
    )
    add_workspace(parser, positional=True)
    parser.add_argument("--status", choices=["running", "completed", "failed", "dead"])
    parser.add_argument(
        "--dataset", metavar="NAME", help="only runs of this data set; %% matches any text"
    )
    parser.add_argument(
        "--limit", metavar="N", type=count, default=100, help="how many at most (default: 100)"
    )


def run(args: argparse.Namespace) -> int:
    """List the runs."""
    with open_store(args.workspace) as store:
        found = store.list_runs(status=args.status, dataset=args.dataset, limit=args.limit)
    print_rows(_COLUMNS, found, args.json)
    return 0
