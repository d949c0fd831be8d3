"""``persist export``: a chain that predicts without its store, or an archival package."""

from __future__ import annotations

import argparse

from persist.cli.errors import CommandError
from persist.cli.options import WORKSPACE, argument, command
from persist.cli.output import print_result
from persist.cli.stores import open_store
from persist.display import counted

__all__ = ["run"]

_OF_BAGS = ("description", "author")


@command(
    "export",
    "persist export 3f2a model.n4a\npersist export results --bag archive",
    WORKSPACE,
    argument(
        "what",
        metavar="CHAIN|PATH",
        help="the id of a chain as persist top prints it, or its first characters; with --crate or "
        "--bag, the path of what to archive",
    ),
    argument(
        "outfile", metavar="FILE", nargs="?", help="the file for a chain; for a package, its folder"
    ),
    argument(
        "--format",
        choices=["n4a", "n4a.py", "package"],
        default="n4a",
        help="a bundle, a script that needs numpy and joblib, or a package of readable source "
        "(default: n4a)",
    ),
    argument("--crate", metavar="OUT", help="make an RO-Crate in a new folder"),
    argument("--bag", metavar="OUT", help="make a BagIt package in a new folder"),
    argument(
        "--license", metavar="TEXT", help="of a crate: an address, an SPDX identifier, or words"
    ),
    argument("--title", metavar="TEXT", default="", help="of a crate"),
    argument("--description", metavar="TEXT", default="", help="of a crate or bag"),
    argument(
        "--author",
        metavar="NAME",
        action="append",
        default=[],
        help="of a crate or bag: 'Name', or 'Name <ORCID or mail>'; can be repeated",
    ),
)
def run(args: argparse.Namespace) -> None:
    """Write a chain that predicts without its store, or an archival package.

    With --crate or --bag, what is exported is a data set, workspace, storage or run store.
    """
    for name in ("license", "title", "description", "author"):
        # What is said of a package must not be lost without a word.
        if getattr(args, name) and not (args.crate or (args.bag and name in _OF_BAGS)):
            kinds = "--crate or --bag" if name in _OF_BAGS else "--crate"
            raise CommandError(f"cannot export: --{name} needs {kinds}")
    if args.crate or args.bag:
        _package(args)
        return
    if args.outfile is None:
        raise CommandError("cannot export: name the file; for an archive, give --crate or --bag")
    with open_store(args.workspace) as store:
        chain = store.find_id("chain", args.what)
        written = store.export_chain(chain, args.outfile, args.format)
    print_result({"written": str(written)}, f"wrote {written}")


def _package(args: argparse.Namespace) -> None:
    from persist.exchange.bag import write_bag
    from persist.exchange.crate import write_crate

    if args.crate and args.bag:
        raise CommandError("cannot export: give --crate or --bag, not both")
    if args.outfile is not None:
        raise CommandError("cannot export: --crate and --bag name the folder, give no FILE")
    about = {"description": args.description, "authors": args.author}
    if args.bag:
        written = write_bag(args.what, args.bag, **about)
    elif not args.license:
        raise CommandError("cannot export: a crate names its licence; give --license")
    else:
        written = write_crate(args.what, args.crate, license=args.license, name=args.title, **about)
    count = len(written.records)
    folder = args.crate or args.bag
    print_result(
        {"written": folder, "kind": written.kind, "files": count},
        f"wrote {folder}: {written.kind}, {counted(count, 'file')}",
    )
