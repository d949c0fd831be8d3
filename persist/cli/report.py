"""``persist report``: one HTML page about a data set, a workspace, an experiment or a store."""

from __future__ import annotations

import argparse

from persist.cli.options import argument, command
from persist.cli.output import print_result, shows_progress

__all__ = ["run"]


@command(
    "report",
    "persist report results -o results.html",
    argument(
        "path",
        metavar="PATH",
        help="the folder of a data set, an experiment or a store; the HDF5 file of a workspace "
        "or an experiment; or the URL of a store in PostgreSQL",
    ),
    argument(
        "-o",
        "--output",
        metavar="FILE",
        default="report.html",
        help="the page; a file there is replaced (default: report.html)",
    ),
    argument("--title", help="the heading (default: the last part of PATH)"),
)
def run(args: argparse.Namespace) -> None:
    """Write one HTML page about a data set, a workspace, an experiment or a store of runs.

    It needs no network, and nothing of what it shows is run.
    """
    from persist.exchange.report import report

    written = report(args.path, args.output, title=args.title, progress=shows_progress())
    print_result({"written": str(written)}, f"wrote {written}")
