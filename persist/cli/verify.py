"""``persist verify``: whether the files of a data set are as they were written."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from persist.cli.arguments import add_command, add_json
from persist.cli.documents import print_document
from persist.cli.tables import print_text

if TYPE_CHECKING:
    from persist.cli.arguments import Commands

__all__ = ["add_parser", "run"]

_KINDS = ("missing", "extra", "differs", "unfinished")


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "verify",
        run,
        "Compare the files of a data set with its manifest. The exit status is 1 if one is "
        "missing, extra, or differs; writes that were not finished are no damage.",
    )
    parser.add_argument("dataset", metavar="DATASET", help="the folder of the data set")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Verify the data set."""
    from persist.dataset import verify

    report = verify(args.dataset)
    if args.json:
        print_document(_document(report))
    else:
        lines = [f"{kind}: {path}" for kind in _KINDS for path in getattr(report, kind)]
        print_text("\n".join([*lines, _summary(report)]))
    return 0 if report.ok else 1


def _document(report: Any) -> dict[str, Any]:
    found = {kind: list(getattr(report, kind)) for kind in _KINDS}
    return {"ok": report.ok, "checked": report.checked, **found}


def _summary(report: Any) -> str:
    counts = [f"{len(getattr(report, kind))} {kind}" for kind in _KINDS if getattr(report, kind)]
    state = "ok" if report.ok else "damaged"
    return ", ".join([f"{state}: {report.checked} files checked", *counts])
