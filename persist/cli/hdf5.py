"""``persist hdf5``: an experiment in one HDF5 file, to be analysed and extended."""

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
        commands, "hdf5", run, "Copy an experiment to an HDF5 file, to which results can be added."
    )
    parser.add_argument("storage", metavar="STORAGE", help="the folder of the experiment")
    parser.add_argument(
        "outfile", metavar="FILE", nargs="?", help="the HDF5 file (default: STORAGE.hdf5)"
    )
    parser.add_argument(
        "--layout",
        choices=["trials", "joined"],
        default="trials",
        help="a dataset for each trial, or one for all with an index (default: trials)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace a file, too, to which something was added since it was made",
    )


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    from persist.experiment import storage_to_hdf5

    with byte_meter() as meter:
        written = storage_to_hdf5(
            args.storage,
            args.outfile,
            layout=args.layout,
            overwrite=args.overwrite,
            progress=meter,
        )
    print_text(f"wrote {written}")
    return 0
