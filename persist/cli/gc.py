"""``persist gc``: remove artifacts of a run store that no chain needs."""

from __future__ import annotations

import argparse

from persist.cli.options import STORE, argument, command, number
from persist.cli.output import print_result
from persist.cli.stores import open_store
from persist.display import counted

__all__ = ["run"]


@command(
    "gc",
    "persist gc",
    *STORE,
    argument(
        "--unreferenced",
        action="store_true",
        help="also remove saved artifacts without a chain; only safe while nothing trains",
    ),
    argument(
        "--grace",
        metavar="HOURS",
        type=number,
        help="keep what is younger (default: 24 where the artifacts are shared, 0 in a folder)",
    ),
)
def run(args: argparse.Namespace) -> None:
    """Remove the artifacts that no chain needs."""
    with open_store(args.workspace) as store:
        removed = store.gc_artifacts(
            unreferenced=args.unreferenced,
            grace_period=None if args.grace is None else args.grace * 3600,
        )
    print_result({"removed": removed}, f"removed {counted(removed, 'file')}")
