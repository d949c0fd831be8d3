"""``persist repair``: rebuild the manifest of a data set, or separate arrays without rows."""

from __future__ import annotations

import argparse

from persist.cli.options import Commands, add_command
from persist.cli.output import is_quiet, print_document, print_text
from persist.cli.storages import is_experiment, repair_tasks

__all__ = ["add_parser", "run"]

_KINDS = ("values", "infos", "lost", "aside", "doubtful")


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "repair",
        run,
        "Rebuild the manifest of a data set from its files, or move arrays of an experiment that "
        "have no row in the table of their task to files of their own. Unreadable files are set "
        "aside, and none is removed.",
        "persist repair results",
        {1: "values were lost"},
    )
    parser.add_argument("path", metavar="PATH", help="the folder of a data set or an experiment")


def run(args: argparse.Namespace) -> int:
    """Repair the data set or experiment."""
    if is_experiment(args.path):
        return repair_tasks(args.path, args.json)
    from persist.dataset import repair

    report = repair(args.path)
    kinds = {kind: list(getattr(report, kind)) for kind in _KINDS}
    if args.json:
        print_document(kinds)
        return 1 if report.lost else 0
    lines = [f"lost: {key}" for key in report.lost]
    lines += [f"set aside: {name}" for name in report.aside]
    lines += [f"from a damaged line: {key}" for key in report.doubtful]
    if not is_quiet():
        count = len(report.values)
        lines.append(f"repaired: {count} {'value is' if count == 1 else 'values are'} there")
    if lines:
        print_text("\n".join(lines))
    return 1 if report.lost else 0
