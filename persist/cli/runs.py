"""``persist runs``: the runs of a store."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from persist.cli.arguments import add_command, add_json, count
from persist.cli.stores import add_workspace, open_store, print_rows

if TYPE_CHECKING:
    from persist.cli.arguments import Commands

__all__ = ["add_parser", "run"]

_COLUMNS = ("run_id", "name", "status", "created_at", "completed_at", "error")


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(commands, "runs", run, "List the runs of a store, the newest first.")
    add_workspace(parser)
    parser.add_argument("--status", choices=["running", "completed", "failed"])
    parser.add_argument("--dataset", metavar="NAME", help="a data set of the runs, % for any text")
    parser.add_argument(
        "--limit", metavar="N", type=count, default=100, help="how many at most (default: 100)"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """List the runs."""
    with open_store(args.workspace) as store:
        found = store.list_runs(status=args.status, dataset=args.dataset, limit=args.limit)
    print_rows(_COLUMNS, found, args.json)
    return 0
