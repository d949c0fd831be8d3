"""``persist hdf5``: copy an experiment to one HDF5 file."""

from __future__ import annotations

import argparse

from persist.cli.options import argument, command
from persist.cli.output import print_result, shows_progress
from persist.cli.storages import check_storage

__all__ = ["run"]


@command(
    "hdf5",
    "persist hdf5 experiment01 --layout joined",
    argument("storage", metavar="STORAGE", help="the folder of the experiment"),
    argument("outfile", metavar="FILE", nargs="?", help="the HDF5 file (default: STORAGE.hdf5)"),
    argument(
        "--layout",
        choices=["trials", "joined"],
        default="trials",
        help="one dataset per trial, or one for all trials with an index (default: trials)",
    ),
    argument(
        "--overwrite", action="store_true", help="also replace a file to which results were added"
    ),
)
def run(args: argparse.Namespace) -> None:
    """Copy an experiment to an HDF5 file, to which results can be added."""
    from persist.experiment import storage_to_hdf5

    check_storage(args.storage, "convert")
    written = storage_to_hdf5(
        args.storage,
        args.outfile,
        layout=args.layout,
        overwrite=args.overwrite,
        progress=shows_progress(),
    )
    print_result({"written": str(written)}, f"wrote {written}")
