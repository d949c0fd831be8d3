"""``persist export``: a chain of a store, to predict without it."""

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
    parser = add_command(commands, "export", run, "Export a chain, to predict without the store.")
    add_workspace(parser)
    parser.add_argument("chain", metavar="CHAIN", help="the id of the chain, as persist top shows")
    parser.add_argument("outfile", metavar="FILE", help="the file; for a package, its folder")
    parser.add_argument(
        "--format",
        choices=["n4a", "n4a.py", "package"],
        default="n4a",
        help="a bundle, a script that needs numpy and joblib, or a package of readable source "
        "(default: n4a)",
    )


def run(args: argparse.Namespace) -> int:
    """Export the chain."""
    with open_store(args.workspace) as store:
        written = store.export_chain(args.chain, args.outfile, args.format)
    print_text(f"wrote {written}")
    return 0
