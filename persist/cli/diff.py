"""``persist diff``: what two data sets do not have in common."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from persist.cli.arguments import add_command, add_json, tolerance
from persist.cli.documents import print_document
from persist.cli.errors import CommandError, one_line
from persist.cli.tables import print_text

if TYPE_CHECKING:
    from persist.cli.arguments import Commands

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "diff",
        run,
        "Compare the values and infos of two data sets: + keys of the second only, - keys of the "
        "first only, ~ keys that changed. The exit status is 1 if there are any.",
    )
    parser.add_argument("a", metavar="A", help="the folder of a data set")
    parser.add_argument("b", metavar="B", help="the folder of another")
    for name, text in [("rtol", "relative"), ("atol", "absolute")]:
        parser.add_argument(
            f"--{name}",
            type=tolerance,
            default=0.0,
            metavar="X",
            help=f"the {text} difference of floating-point numbers to pass over (default: 0)",
        )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compare the data sets."""
    from persist.dataset import diff

    try:
        found = diff(args.a, args.b, rtol=args.rtol, atol=args.atol)
    except ImportError as error:
        raise CommandError(f"a value cannot be loaded: {one_line(error)}") from error
    if args.json:
        print_document(_document(found))
    elif not found.same:
        print_text("\n".join(_lines(found)))
    return 0 if found.same else 1


def _document(found: Any) -> dict[str, Any]:
    changed = {
        key: [{"path": change.path, "old": change.old, "new": change.new} for change in changes]
        for key, changes in found.changed.items()
    }
    kinds = {"added": list(found.added), "removed": list(found.removed), "changed": changed}
    return {"same": found.same, **kinds}


def _lines(found: Any) -> Iterator[str]:
    marks = {**dict.fromkeys(found.added, "+"), **dict.fromkeys(found.removed, "-")}
    marks.update(dict.fromkeys(found.changed, "~"))
    for key, mark in sorted(marks.items()):
        yield f"{mark} {key}"
        yield from (f"    {change}" for change in found.changed.get(key, ()))
