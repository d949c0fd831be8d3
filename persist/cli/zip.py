"""``persist zip``: copy an experiment to one ZIP file."""

from __future__ import annotations

import argparse

from persist.cli.options import argument, command
from persist.cli.output import print_result, shows_progress
from persist.cli.storages import check_storage

__all__ = ["run"]


@command(
    "zip",
    "persist zip experiment01",
    argument("storage", metavar="STORAGE", help="the folder of the experiment"),
    argument("outfile", metavar="FILE", nargs="?", help="the ZIP file (default: STORAGE.zip)"),
    argument(
        "--compression",
        choices=["deflate", "bzip2", "lzma"],
        help="how to compress the files (default: no compression)",
    ),
)
def run(args: argparse.Namespace) -> None:
    """Copy an experiment to a ZIP file, then read it again and compare."""
    from persist.experiment import storage_to_zip

    check_storage(args.storage, "zip")
    written = storage_to_zip(
        args.storage, args.outfile, compression=args.compression, progress=shows_progress()
    )
    print_result({"written": str(written)}, f"wrote {written}")
