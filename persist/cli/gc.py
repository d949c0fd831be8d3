"""``persist gc``: remove artifacts of a run store that no chain needs."""

from __future__ import annotations

import argparse

from persist.cli.options import Commands, add_command, add_workspace, tolerance
from persist.cli.output import print_result
from persist.cli.stores import open_store

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "gc", run, "Remove the artifacts that no chain needs.", "persist gc"
    )
    add_workspace(parser, positional=True)
    parser.add_argument(
        "--unreferenced",
        action="store_true",
        help="also remove saved artifacts without a chain; only safe while nothing trains",
    )
    parser.add_argument(
        "--grace",
        metavar="HOURS",
        type=tolerance,
        help="keep what is younger (default: 24 where the artifacts are shared, 0 in a folder)",
    )


def run(args: argparse.Namespace) -> int:
    """Remove the artifacts."""
    with open_store(args.workspace) as store:
        removed = store.gc_artifacts(
            unreferenced=args.unreferenced,
            grace_period=None if args.grace is None else args.grace * 3600,
        )
    print_result(args, {"removed": removed}, f"removed {removed} files")
    return 0
