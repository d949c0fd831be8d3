"""``persist verify``: whether a data set is as it was written, and a workspace can be read."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from persist.cli.arguments import add_command, add_json
from persist.cli.documents import print_document
from persist.cli.tables import print_text
from persist.cli.workspaces import is_workspace, verify_items

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
        "Compare the files of a data set with its manifest, or read all of a workspace. The exit "
        "status is 1 if a file is missing, extra, or differs, or an item cannot be read; writes "
        "that were not finished are no damage.",
    )
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        help="the folder of a data set, or the HDF5 file of a workspace",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Verify the data set."""
    if is_workspace(args.dataset):
        return verify_items(args.dataset, args.json)
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
