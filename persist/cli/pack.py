"""``persist pack``: a data set from files of other formats."""

from __future__ import annotations

import argparse
import contextlib
import os
from typing import TYPE_CHECKING, Any

from persist.cli.datasets import check_local, inner, open_dataset
from persist.cli.errors import CommandError
from persist.cli.options import argument, command, count
from persist.cli.output import is_json, print_aside, print_result
from persist.display import counted
from persist.errors import PersistError

if TYPE_CHECKING:
    from persist.cli.packing import Plan, Planned

__all__ = ["run"]


@command(
    "pack",
    "persist pack results recording.npz table.csv --namespace S01",
    argument("dataset", metavar="DATASET", help="the folder of the data set"),
    argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="npz, npy, HDF5 (.h5 .hdf5 .hd5 .hf5), CSV (.csv .tsv), JSON (.json .jsonl), MAT, "
        "Parquet, Arrow and Feather, netCDF (.nc), pickles (.pkl .pickle .joblib, also compressed) "
        "and shelves; or a folder, which is searched for them",
    ),
    argument(
        "--trust-pickle",
        action="store_true",
        help="read pickles, joblib files and shelves, which run the code that they name",
    ),
    argument(
        "--keep-going",
        action="store_true",
        help="store what can be stored of the files that are named, too, and report the rest",
    ),
    argument(
        "--namespace", metavar="NAME", help="store the keys in this namespace of the data set"
    ),
    argument("--prefix", metavar="TEXT", default="", help="text before each name"),
    argument(
        "--skip",
        metavar="PATTERN",
        action="append",
        default=[],
        help="names inside the files to leave out, such as 'raw/*'; can be repeated",
    ),
    argument("--replace", action="store_true", help="replace keys that exist"),
    argument(
        "--format",
        choices=["npy", "npz", "hdf5", "zarr"],
        default="npy",
        help="file format of large arrays (default: npy)",
    ),
    argument("--compression", choices=["gzip", "lzf"], help="how to compress arrays in HDF5"),
    argument(
        "--threshold",
        metavar="N",
        type=count,
        default=100,
        help="arrays of more than N elements get files of their own (default: 100)",
    ),
    argument("--provenance", action="store_true", help="record program, machine and versions"),
    statuses={1: "something could not be stored"},
)
def run(args: argparse.Namespace) -> int:
    """Store the contents of files of other formats in a data set, which is created if needed.

    Keys are the names inside the files; in folders, the names of the folders and the file come
    first. Files that are named are stored together or not at all; of those in folders, what can be
    stored is, in one commit, and the rest is reported with exit status 1.
    """
    from persist.cli.packing import plan, store
    from persist.dataset import open as open_results

    check_local(args.dataset, "pack into")
    if args.compression and args.format != "hdf5":
        raise CommandError("--compression needs --format hdf5")
    planned = plan(
        args.files,
        prefix=args.prefix,
        skip=args.skip,
        trust_pickle=args.trust_pickle,
        keep_going=args.keep_going,
        target=args.dataset,
    )
    is_new = not os.path.lexists(args.dataset)
    stored: list[Planned] = []
    try:
        if planned.items:
            options = {
                "data_format": args.format,
                "compression": args.compression,
                "array_threshold": args.threshold,
                "provenance": args.provenance,
            }
            with open_results(args.dataset, "w", **options) as target:
                for name in args.namespace.split(".") if args.namespace else ():
                    target = target.group(name)
                stored = store(target, planned, replace=args.replace)
        if not stored:
            _print_not_stored(planned)
            raise CommandError("cannot pack: no file holds anything that can be stored")
    except BaseException:
        if is_new:
            _remove_empty(args.dataset)
        raise
    documents = _documents(args.dataset, stored, args.namespace) if is_json() else []
    print_result(
        {
            "keys": documents,
            "not_stored": [vars(refused) for refused in planned.not_stored],
        },
        f"{counted(len(stored), 'key')} stored",
    )
    _print_not_stored(planned)
    return 1 if planned.not_stored else 0


def _print_not_stored(planned: Plan) -> None:
    for refused in planned.not_stored:
        print_aside(f"not stored: {refused}")


def _remove_empty(path: str) -> None:
    """Remove the data set that was created for this command, if nothing was stored in it."""
    from persist.dataset import open as open_results
    from persist.files import remove_path

    with contextlib.suppress(PersistError, OSError):
        results = open_results(path)
        if not any(map(len, [results, *map(results.group, results.groups)])):
            remove_path(path)


def _documents(path: str, stored: list[Planned], namespace: str | None) -> list[dict[str, Any]]:
    from persist.cli.datasets import describe

    dataset = inner(open_dataset(path), namespace.split(".") if namespace else [])
    prefix = f"{namespace}." if namespace else ""
    found = {described.key: described for described in describe(dataset, prefix)}
    return [found[prefix + item.key].document() for item in stored]
