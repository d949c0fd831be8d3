"""``persist zip``: copy an experiment to one ZIP file."""

from __future__ import annotations

import argparse

from persist.cli.options import Commands, add_command
from persist.cli.output import print_result, shows_progress

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "zip",
        run,
        "Copy an experiment to a ZIP file, then read it again and compare.",
        "persist zip experiment01",
    )
    parser.add_argument("storage", metavar="STORAGE", help="the folder of the experiment")
    parser.add_argument(
        "outfile", metavar="FILE", nargs="?", help="the ZIP file (default: STORAGE.zip)"
    )
    parser.add_argument(
        "--compression",
        choices=["deflate", "bzip2", "lzma"],
        help="how to compress the files (default: no compression)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    from persist.experiment import storage_to_zip

    written = storage_to_zip(
        args.storage, args.outfile, compression=args.compression, progress=shows_progress()
    )
    print_result(args, {"written": str(written)}, f"wrote {written}")
    return 0
