"""``persist diff``: compare two data sets."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from persist.cli.errors import CommandError, one_line
from persist.cli.options import TRUST, argument, command, number
from persist.cli.output import is_json, print_document, print_result, print_text

__all__ = ["run"]

_COLORS = {"+": "green", "-": "red", "~": "yellow", " ": ""}


@command(
    "diff",
    "persist diff results results_new --rtol 1e-9\npersist diff results results_new --html",
    argument("a", metavar="A", help="the folder of a data set"),
    argument("b", metavar="B", help="the folder of the other"),
    *(
        argument(
            f"--{name}",
            type=number,
            default=0.0,
            metavar="X",
            help=f"ignore {text} differences of floating-point numbers up to X (default: 0)",
        )
        for name, text in [("rtol", "relative"), ("atol", "absolute")]
    ),
    argument(
        "--html", action="store_true", help="write an HTML page instead of printing the differences"
    ),
    argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the page, also without --html; a file there is replaced (default: diff.html)",
    ),
    *TRUST,
    statuses={0: "no difference", 1: "they differ"},
)
def run(args: argparse.Namespace) -> int:
    """Compare the values and infos of two data sets.

    Lines begin with + for keys of B only, - for keys of A only, and ~ for keys that changed.
    """
    from persist.cli.datasets import open_dataset
    from persist.dataset import diff

    for path in (args.a, args.b):
        # Reports a path that is not a data set in the terms of the command line.
        open_dataset(path).close()
    try:
        found = diff(args.a, args.b, rtol=args.rtol, atol=args.atol)
    except ImportError as error:
        raise CommandError(f"a value cannot be loaded: {one_line(error)}") from error
    if args.html or args.output:
        from persist.exchange.report import write_diff

        written = write_diff(found, args.a, args.b, args.output or "diff.html")
        print_result({"written": str(written), **_document(found)}, f"wrote {written}")
    elif is_json():
        print_document(_document(found))
    else:
        for mark, line in _lines(found):
            print_text(line, _COLORS[mark])
    return 0 if found.same else 1


def _document(found: Any) -> dict[str, Any]:
    changed = {
        key: [{"path": change.path, "old": change.old, "new": change.new} for change in changes]
        for key, changes in found.changed.items()
    }
    kinds = {"added": list(found.added), "removed": list(found.removed), "changed": changed}
    return {"same": found.same, **kinds}


def _lines(found: Any) -> Iterator[tuple[str, str]]:
    marks = {**dict.fromkeys(found.added, "+"), **dict.fromkeys(found.removed, "-")}
    marks.update(dict.fromkeys(found.changed, "~"))
    for key, mark in sorted(marks.items()):
        yield mark, f"{mark} {key}"
        yield from ((" ", f"    {change}") for change in found.changed.get(key, ()))
