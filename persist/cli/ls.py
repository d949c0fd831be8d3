"""``persist ls``: list a data set, a workspace or an experiment."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from persist.cli.datasets import Described, describe, open_dataset
from persist.cli.options import Commands, add_command
from persist.cli.output import print_document, print_table, print_text
from persist.cli.storages import is_experiment, list_tasks
from persist.cli.workspaces import is_workspace, list_items
from persist.display import summary

if TYPE_CHECKING:
    from persist.dataset import Results

__all__ = ["add_parser", "run"]

_COLUMNS = ("key", "type", "shape", "dtype", "size", "written", "info")


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "ls",
        run,
        "List the keys of a data set, the items of a workspace or the tasks of an experiment, "
        "without loading them.",
        "persist ls results --all",
        {1: "items of a workspace cannot be read"},
    )
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        help="the folder of a data set or an experiment, or the HDF5 file of a workspace or of an "
        "experiment",
    )
    parser.add_argument("--all", action="store_true", help="list the keys of namespaces as well")


def run(args: argparse.Namespace) -> int:
    """List the keys, items or tasks."""
    if is_experiment(args.dataset):
        return list_tasks(args.dataset, args.json)
    if is_workspace(args.dataset):
        return list_items(args.dataset, args.json)
    with open_dataset(args.dataset) as dataset:
        found = list(_walk(dataset, "", args.all))
    keys = [item for item in found if isinstance(item, Described)]
    names = [item for item in found if isinstance(item, str)]
    if args.json:
        print_document({"keys": [key.document() for key in keys], "namespaces": names})
    elif found:
        print_table(_COLUMNS, [_row(item) for item in found])
    else:
        print_text("no keys")
    return 0


def _walk(dataset: Results, prefix: str, inside: bool) -> Iterator[Described | str]:
    """Yield keys, and the names of namespaces; what is in a namespace follows its name."""
    items: dict[str, Described | str] = {item.key: item for item in describe(dataset, prefix)}
    items.update({prefix + name: prefix + name for name in dataset.groups})
    for _, item in sorted(items.items()):
        yield item
        if inside and isinstance(item, str):
            yield from _walk(dataset.group(item[len(prefix) :]), f"{item}.", inside)


def _row(item: Described | str) -> tuple[str, ...]:
    if isinstance(item, str):
        return (f"{item}.", "namespace", "", "", "", "", "")
    return (*item.cells().values(), summary(item.info))
