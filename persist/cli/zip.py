"""``persist zip``: an experiment in one ZIP file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from persist.cli.arguments import add_command
from persist.cli.progress import byte_meter
from persist.cli.tables import print_text

if TYPE_CHECKING:
    from persist.cli.arguments import Commands

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "zip", run, "Copy an experiment to a ZIP file, which is read again and compared."
    )
    parser.add_argument("storage", metavar="STORAGE", help="the folder of the experiment")
    parser.add_argument(
        "outfile", metavar="FILE", nargs="?", help="the ZIP file (default: STORAGE.zip)"
    )
    parser.add_argument(
        "--compression",
        choices=["deflate", "bzip2", "lzma"],
        help="how to compress the files (default: not at all)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    from persist.experiment import storage_to_zip

    with byte_meter() as meter:
        written = storage_to_zip(
            args.storage, args.outfile, compression=args.compression, progress=meter
        )
    print_text(f"wrote {written}")
    return 0
