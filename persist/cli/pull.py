"""``persist pull``: copy a data set from a URL."""

from __future__ import annotations

import argparse

from persist.cli.options import argument, command
from persist.cli.output import print_result
from persist.cli.transfer import TRANSFER, transferred
from persist.display import counted

__all__ = ["run"]


@command(
    "pull",
    "persist pull https://lab.example/recordings recordings",
    argument("url", metavar="URL", help="s3://..., https://..., or another that fsspec reads"),
    argument("folder", metavar="DIR", help="the folder of the local data set"),
    *TRANSFER,
)
def run(args: argparse.Namespace) -> None:
    """Copy a data set from a URL, or bring a local copy up to date.

    An interrupted pull resumes where it stopped.
    """
    from persist.exchange.pull import pull

    done = transferred(pull, args, args.url, args.folder)
    verb = "would fetch" if args.dry_run else "fetched"
    print_result(
        {**vars(done), "fetched": list(done.fetched)},
        f"{verb} {counted(len(done.fetched), 'file')}, {done.size} bytes; {done.kept} here already",
    )
