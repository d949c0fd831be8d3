"""``persist push``: publish a data set in an object store."""

from __future__ import annotations

import argparse
from functools import partial

from persist.cli.options import argument, command, number
from persist.cli.output import print_result
from persist.cli.transfer import TRANSFER, transferred
from persist.display import counted

__all__ = ["run"]


@command(
    "push",
    "persist push recordings s3://lab/recordings",
    argument("folder", metavar="DIR", help="the folder of the data set"),
    argument("url", metavar="URL", help="where: s3://bucket/folder"),
    argument(
        "--prune",
        metavar="HOURS",
        type=number,
        help="remove files that an earlier push with this option found unused, at least so long "
        "ago; choose longer than any push takes",
    ),
    *TRANSFER,
)
def run(args: argparse.Namespace) -> None:
    """Publish a data set in an object store.

    Readers see either the previous version or this one. Files that are there already are not sent
    again.
    """
    from persist.exchange.push import push

    grace = None if args.prune is None else args.prune * 3600
    done = transferred(partial(push, prune=grace), args, args.folder, args.url)
    verb, removed = ("would send", "would remove") if args.dry_run else ("sent", "removed")
    text = "published already"
    if done.changed:
        files = counted(len(done.sent), "file")
        text = f"{verb} {files}, {done.size} bytes; {done.kept} there already"
    if grace is not None:
        text += f"; {removed} {counted(len(done.pruned), 'unused file')}"
    print_result({**vars(done), "sent": list(done.sent), "pruned": list(done.pruned)}, text)
