"""``persist repair``: rebuild the manifest of a data set, or separate arrays without rows."""

from __future__ import annotations

import argparse

from persist.cli.datasets import check_local
from persist.cli.options import argument, command
from persist.cli.output import print_result
from persist.cli.storages import repair_tasks
from persist.exchange.kinds import Kind, kind_of

__all__ = ["run"]

_KINDS = ("values", "infos", "lost", "aside", "doubtful", "changed")


@command(
    "repair",
    "persist repair results",
    argument("path", metavar="PATH", help="the folder of a data set or an experiment"),
    statuses={1: "values were lost"},
)
def run(args: argparse.Namespace) -> int:
    """Rebuild the manifest of a data set, or set aside arrays of an experiment that have no row.

    The manifest is rebuilt from the files of the data set. Arrays of an experiment that have no row
    in the table of their task are moved to files of their own. Unreadable files are set aside, and
    none is removed.
    """
    check_local(args.path, "repair")
    if kind_of(args.path) is Kind.STORAGE:
        repair_tasks(args.path)
        return 0
    from persist.dataset import repair

    report = repair(args.path)
    kinds = {kind: list(getattr(report, kind)) for kind in _KINDS}
    lines = [f"lost: {key}" for key in report.lost]
    lines += [f"set aside: {name}" for name in report.aside]
    lines += [f"from a damaged line: {key}" for key in report.doubtful]
    lines += [f"not as it was written: {key}" for key in report.changed]
    count = len(report.values)
    done = f"repaired: {count} {'value is' if count == 1 else 'values are'} there"
    print_result(kinds, done, "\n".join(lines))
    return 1 if report.lost else 0
