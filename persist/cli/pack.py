"""``persist pack``: a data set from files of other formats."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from persist.cli.arguments import add_command, add_json, count
from persist.cli.documents import print_document
from persist.cli.errors import CommandError
from persist.cli.opening import open_dataset
from persist.cli.tables import print_text

if TYPE_CHECKING:
    from persist.cli.arguments import Commands
    from persist.cli.packing import Planned
    from persist.dataset import DataSet

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "pack",
        run,
        "Store what files of other formats hold in a data set, which is made if there is none. "
        "Keys come from the names inside the files. All are stored, or none.",
    )
    parser.add_argument("dataset", metavar="DATASET", help="the folder of the data set")
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="npz, npy, HDF5 (.h5 .hdf5 .hd5 .hf5), CSV (.csv .tsv), JSON, or MAT",
    )
    _add_naming(parser)
    _add_storing(parser)
    add_json(parser)


def _add_naming(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--namespace", metavar="NAME", help="the data set inside that gets the keys"
    )
    parser.add_argument("--prefix", metavar="TEXT", default="", help="text before each name")
    parser.add_argument(
        "--skip",
        metavar="PATTERN",
        action="append",
        default=[],
        help="names inside the files to leave out, such as 'raw/*'; can be repeated",
    )
    parser.add_argument("--replace", action="store_true", help="replace keys that exist")


def _add_storing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=["npy", "npz", "hdf5"],
        default="npy",
        help="the files of large arrays (default: npy)",
    )
    parser.add_argument(
        "--compression", choices=["gzip", "lzf"], help="how to compress arrays in HDF5"
    )
    parser.add_argument(
        "--threshold",
        metavar="N",
        type=count,
        default=100,
        help="arrays of more than N elements get files of their own (default: 100)",
    )
    parser.add_argument(
        "--provenance", action="store_true", help="record what made the data set, and where"
    )


def run(args: argparse.Namespace) -> int:
    """Pack the files."""
    from persist.cli.packing import plan, store

    if args.compression and args.format != "hdf5":
        raise CommandError("--compression needs --format hdf5")
    planned = plan(args.files, prefix=args.prefix, skip=args.skip)
    with open_dataset(args.dataset, "w", **_options(args)) as dataset:
        target = _target(dataset, args.namespace)
        store(target, planned, replace=args.replace)
        if args.json:
            print_document({"keys": _documents(target, planned, args.namespace)})
        else:
            print_text(f"{len(planned)} {'key' if len(planned) == 1 else 'keys'} stored")
    return 0


def _options(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "data_format": args.format,
        "compression": args.compression,
        "array_threshold": args.threshold,
        "provenance": args.provenance,
    }


def _target(dataset: DataSet, namespace: str | None) -> DataSet:
    for name in namespace.split(".") if namespace else ():
        dataset = dataset._namespace(name)
    return dataset


def _documents(
    dataset: DataSet, planned: list[Planned], namespace: str | None
) -> list[dict[str, Any]]:
    from persist.cli.entries import describe

    prefix = f"{namespace}." if namespace else ""
    found = {described.key: described for described in describe(dataset, prefix)}
    return [found[prefix + item.key].document() for item in planned]
