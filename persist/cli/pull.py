"""``persist pull``: a local data set of one at a URL."""

from __future__ import annotations

import argparse

from persist.cli.options import Commands, add_command
from persist.cli.output import print_result
from persist.cli.transfer import add_transfer, transferred

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "pull",
        run,
        "Make a local data set of one at a URL, or bring a local one up to date. An interrupted "
        "pull goes on where it was.",
        "persist pull https://lab.example/recordings recordings",
    )
    parser.add_argument(
        "url", metavar="URL", help="s3://..., https://..., or another that fsspec reads"
    )
    parser.add_argument("folder", metavar="DIR", help="the folder of the local data set")
    add_transfer(parser)


def run(args: argparse.Namespace) -> int:
    """Pull."""
    from persist.exchange.pull import pull

    done = transferred(pull, args, args.url, args.folder)
    verb = "would fetch" if args.dry_run else "fetched"
    print_result(
        args,
        {**vars(done), "fetched": list(done.fetched)},
        f"{verb} {len(done.fetched)} files, {done.size} bytes; {done.kept} here already",
    )
    return 0
