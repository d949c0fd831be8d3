"""``persist ls``: list a data set, a workspace or an experiment."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from persist.cli.datasets import Described, describe, open_dataset
from persist.cli.options import argument, command
from persist.cli.output import print_listing
from persist.cli.storages import list_tasks
from persist.cli.workspaces import list_items
from persist.display import summary
from persist.exchange.kinds import Kind, kind_of

if TYPE_CHECKING:
    from persist.dataset import Results

__all__ = ["run"]

_COLUMNS = ("key", "type", "shape", "dtype", "size", "written", "info")


@command(
    "ls",
    "persist ls results --all",
    argument(
        "dataset",
        metavar="DATASET",
        help="the folder of a data set or an experiment, or the HDF5 file of a workspace or of an "
        "experiment",
    ),
    argument("--all", action="store_true", help="list the keys of namespaces as well"),
    statuses={1: "items of a workspace cannot be read"},
)
def run(args: argparse.Namespace) -> int:
    """List the keys of a data set, the items of a workspace or the tasks of an experiment.

    No value is loaded.
    """
    kind = kind_of(args.dataset)
    if kind is Kind.STORAGE:
        list_tasks(args.dataset)
        return 0
    if kind is Kind.WORKSPACE:
        return list_items(args.dataset)
    with open_dataset(args.dataset) as dataset:
        found = list(_walk(dataset, "", args.all))
    keys = [item for item in found if isinstance(item, Described)]
    names = [item for item in found if isinstance(item, str)]
    document = {"keys": [key.document() for key in keys], "namespaces": names}
    print_listing(document, _COLUMNS, [_row(item) for item in found], "no keys")
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
