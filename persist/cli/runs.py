"""``persist runs``: list the runs of a store."""

from __future__ import annotations

import argparse

from persist.cli.options import STORE, argument, command, count
from persist.cli.stores import open_store, print_rows

__all__ = ["run"]

_COLUMNS = ("run_id", "name", "status", "created_at", "completed_at", "error")


@command(
    "runs",
    "persist runs --status failed",
    *STORE,
    argument("--status", choices=["running", "completed", "failed", "dead"]),
    argument("--dataset", metavar="NAME", help="only runs of this data set; %% matches any text"),
    argument(
        "--limit", metavar="N", type=count, default=100, help="how many at most (default: 100)"
    ),
)
def run(args: argparse.Namespace) -> None:
    """List the runs of a store, newest first."""
    with open_store(args.workspace) as store:
        found = store.list_runs(status=args.status, dataset=args.dataset, limit=args.limit)
    print_rows(_COLUMNS, found)
