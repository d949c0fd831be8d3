"""``persist gc``: the artifacts of a store that nothing needs, removed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from persist.cli.arguments import add_command
from persist.cli.stores import add_workspace, open_store
from persist.cli.tables import print_text

if TYPE_CHECKING:
    from persist.cli.arguments import Commands

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(commands, "gc", run, "Remove the artifacts of a store that nothing needs.")
    add_workspace(parser)
    parser.add_argument(
        "--unreferenced",
        action="store_true",
        help="also those that were saved and that no chain refers to: only while nobody trains",
    )


def run(args: argparse.Namespace) -> int:
    """Remove the artifacts."""
    with open_store(args.workspace) as store:
        removed = store.gc_artifacts(unreferenced=args.unreferenced)
    print_text(f"removed {removed} files")
    return 0
