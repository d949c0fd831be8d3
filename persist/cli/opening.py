"""Data sets by their paths, and keys by their dots."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from persist.cli.errors import CommandError

if TYPE_CHECKING:
    from persist.dataset import Results

__all__ = ["inner", "key_in", "open_dataset"]


def open_dataset(path: str, mode: str = "r", **options: Any) -> Results:
    """Open the data set at `path`.

    Raises
    ------
    PersistError
        If there is none, or another thing.
    """
    from persist.dataset import open as open_data_set

    if mode == "r" and not os.path.isdir(path):
        reason = (
            "it is a file, not the folder of a data set"
            if os.path.exists(path)
            else ("there is nothing at that path")
        )
        raise CommandError(f"cannot open {path}: {reason}")
    return open_data_set(os.path.normpath(path), mode, **options)


def inner(dataset: Results, names: list[str]) -> Results:
    """Return the namespace that some names lead to, one in the other.

    Raises
    ------
    CommandError
        If there is none.
    """
    for number, name in enumerate(names):
        if not dataset.has_group(name):
            raise CommandError(f"no such namespace: {'.'.join(names[: number + 1])}")
        dataset = dataset.group(name)
    return dataset


def key_in(dataset: Results, dotted: str) -> tuple[Results, str]:
    """Return the data set that holds a key, which may have namespaces before it, and the key.

    Raises
    ------
    CommandError
        If the key is unknown.
    """
    *names, key = dotted.split(".")
    holder = inner(dataset, names)
    if key in holder:
        return holder, key
    if holder.has_group(key):
        raise CommandError(f"{dotted} is a namespace: name one of its keys, as in {dotted}.key")
    raise CommandError(f"no such key: {dotted} (run `persist ls` to list keys)")
