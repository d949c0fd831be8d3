"""``persist migrate``: copy a run store to another database."""

from __future__ import annotations

import argparse

from persist.cli.errors import CommandError
from persist.cli.options import argument, command
from persist.cli.output import print_aside, print_result
from persist.cli.stores import check_new_store, open_store
from persist.display import counted
from persist.exchange.kinds import Kind, kind_of
from persist.urls import is_url

__all__ = ["run"]


@command(
    "migrate",
    "persist migrate workspace postgresql+psycopg://lab@db/runs --artifacts s3://lab/runs\n"
    "persist migrate postgresql+psycopg://lab@db/runs workspace",
    argument("source", metavar="SOURCE", help="the folder or URL of the run store"),
    argument("target", metavar="TARGET", help="a new folder, or the URL of an empty database"),
    argument(
        "--artifacts",
        metavar="PLACE",
        help="where a database on a server keeps its artifacts: a folder that all machines share, "
        "or a URL",
    ),
    statuses={1: "the file of an artifact could not be copied"},
)
def run(args: argparse.Namespace) -> int:
    """Copy a run store with its artifacts from a folder to PostgreSQL, or back.

    The copy is empty until it has everything. Artifacts whose file is missing or damaged are
    reported, and the exit status is 1.
    """
    from persist.tracking import WorkspaceStore
    from persist.tracking.migrating import migrate

    check_new_store(args.target, "copy to")
    with open_store(args.source) as source:
        if not is_url(args.target) and kind_of(args.target) is Kind.STORE:
            raise CommandError(
                f"cannot copy to {args.target}: it has a run store; name a new folder"
            )
        with WorkspaceStore(args.target, artifacts=args.artifacts) as target:
            done = migrate(source, target)
    for reason in done.not_copied:
        print_aside(f"not copied: {reason}")
    print_result(
        {"rows": done.rows, "artifacts": done.artifacts, "not_copied": done.not_copied},
        f"copied {counted(done.rows['runs'], 'run')}, "
        f"{counted(done.rows['predictions'], 'prediction')} and "
        f"{counted(done.artifacts, 'artifact')}",
    )
    return 1 if done.not_copied else 0
