"""Data sets by their paths, and keys by their dots."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from persist.cli.errors import CommandError

if TYPE_CHECKING:
    from persist.dataset import DataSet

__all__ = ["inner", "key_in", "open_dataset"]


def open_dataset(path: str, mode: str = "r", **options: Any) -> DataSet:
    """Open the data set at `path`.

    Raises
    ------
    PersistError
        If there is none, or another thing.
    """
    from persist.dataset import DataSet

    folder, name = os.path.split(os.path.normpath(path))
    if name in ("", os.curdir, os.pardir):
        folder, name = os.path.split(os.path.abspath(path))
    return DataSet(name, mode=mode, path=folder or os.curdir, **options)


def inner(dataset: DataSet, names: list[str]) -> DataSet:
    """Return the namespace that some names lead to, one in the other.

    Raises
    ------
    CommandError
        If there is none.
    """
    for number, name in enumerate(names):
        if name not in dataset._namespaces():
            raise CommandError(f"there is no namespace {'.'.join(names[: number + 1])}")
        dataset = dataset._namespace(name)
    return dataset


def key_in(dataset: DataSet, dotted: str) -> tuple[DataSet, str]:
    """Return the data set that holds a key, which may have namespaces before it, and the key.

    Raises
    ------
    CommandError
        If there is no such key.
    """
    *names, key = dotted.split(".")
    holder = inner(dataset, names)
    if key in holder:
        return holder, key
    if key in holder._namespaces():
        raise CommandError(f"{dotted} is a namespace: name one of its keys, as in {dotted}.key")
    raise CommandError(f"there is no key {dotted}: persist ls shows those there are")
