"""``persist push``: a data set, published in an object store."""

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
        "push",
        run,
        "Publish a data set in an object store. Readers see the version before or this one; files "
        "that are there already are not sent again.",
        "persist push recordings s3://lab/recordings",
    )
    parser.add_argument("folder", metavar="DIR", help="the folder of the data set")
    parser.add_argument("url", metavar="URL", help="where: s3://bucket/folder")
    add_transfer(parser)


def run(args: argparse.Namespace) -> int:
    """Push."""
    from persist.exchange.push import push

    done = transferred(push, args, args.folder, args.url)
    verb = "would send" if args.dry_run else "sent"
    print_result(
        args,
        {**vars(done), "sent": list(done.sent)},
        f"{verb} {len(done.sent)} files, {done.size} bytes; {done.kept} there already"
        if done.changed
        else "published already",
    )
    return 0
