"""``persist hdf5``: copy an experiment to one HDF5 file."""

from __future__ import annotations

import argparse

from persist.cli.errors import CommandError
from persist.cli.options import Commands, add_command
from persist.cli.output import print_result, shows_progress

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "hdf5",
        run,
        "Copy an experiment to an HDF5 file, to which results can be added.",
        "persist hdf5 experiment01 --layout joined",
    )
    parser.add_argument("storage", metavar="STORAGE", help="the folder of the experiment")
    parser.add_argument(
        "outfile", metavar="FILE", nargs="?", help="the HDF5 file (default: STORAGE.hdf5)"
    )
    parser.add_argument(
        "--layout",
        choices=["trials", "joined"],
        default="trials",
        help="one dataset per trial, or one for all trials with an index (default: trials)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="also replace a file to which results were added",
    )


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    from persist.dataset import is_data_set
    from persist.experiment import storage_to_hdf5

    if is_data_set(args.storage):
        raise CommandError(
            f"cannot convert {args.storage}: it is a data set, not an experiment; open it with "
            "persist.open and store its values in an experiment"
        )
    written = storage_to_hdf5(
        args.storage,
        args.outfile,
        layout=args.layout,
        overwrite=args.overwrite,
        progress=shows_progress(),
    )
    print_result(args, {"written": str(written)}, f"wrote {written}")
    return 0
