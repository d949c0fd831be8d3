"""Data sets on the command line: by their paths, keys by their dots, and what is known of keys."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from persist.cli.errors import CommandError, one_line
from persist.cli.stores import is_store

if TYPE_CHECKING:
    from persist.dataset import Results

__all__ = [
    "Described",
    "Unloadable",
    "describe",
    "describe_key",
    "inner",
    "key_in",
    "open_dataset",
]


def open_dataset(path: str, mode: str = "r", **options: Any) -> Results:
    """Open the data set at `path`."""
    from persist.dataset import open as open_data_set

    if mode == "r" and not os.path.isdir(path):
        reason = (
            "it is a file, not the folder of a data set"
            if os.path.exists(path)
            else ("there is nothing at that path")
        )
        raise CommandError(f"cannot open {path}: {reason}")
    if is_store(path):
        raise CommandError(f"cannot open {path}: it is a store of runs; run: persist runs {path}")
    return open_data_set(os.path.normpath(path), mode, **options)


def inner(dataset: Results, names: list[str]) -> Results:
    """Return the namespace that some names lead to, one in the other."""
    for number, name in enumerate(names):
        if not dataset.has_group(name):
            raise CommandError(f"no such namespace: {'.'.join(names[: number + 1])}")
        dataset = dataset.group(name)
    return dataset


def key_in(dataset: Results, dotted: str) -> tuple[Results, str]:
    """Return the data set that holds a key, which may have namespaces before it, and the key."""
    *names, key = dotted.split(".")
    holder = inner(dataset, names)
    if key in holder:
        return holder, key
    if holder.has_group(key):
        raise CommandError(f"{dotted} is a namespace: name one of its keys, as in {dotted}.key")
    raise CommandError(f"no such key: {dotted} (run `persist ls` to list keys)")


class Unloadable:
    """Stands for an info that cannot be loaded."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __repr__(self) -> str:
        return f"<cannot be loaded: {type(self._error).__name__}: {one_line(self._error)}>"


@dataclass(frozen=True)
class Described:
    """A key as the manifest and the info tell of it."""

    key: str  # with its namespaces before it
    entry: Any  # what the manifest says; None if an older release wrote the value
    info: Any

    @property
    def type(self) -> str:
        """The type of the value, short where it is a builtin one; empty if not known."""
        found = self.entry.type if self.entry else None
        return (found or "").removeprefix("builtins.")

    @property
    def shape(self) -> str:
        """The shape of an array; else empty."""
        shape = self.entry.shape if self.entry else None
        return "" if shape is None else str(tuple(shape))

    @property
    def dtype(self) -> str:
        """The dtype of an array; else empty."""
        return (self.entry.dtype if self.entry else None) or ""

    @property
    def size(self) -> int | None:
        """The bytes of the files, if they are known."""
        return self.entry.size if self.files else None

    @property
    def written(self) -> str:
        """When the value was written, if that is known."""
        return (self.entry.written if self.entry else None) or ""

    @property
    def files(self) -> dict[str, Any]:
        """The record of each file, by its path in the data set."""
        return self.entry.files if self.entry else {}

    @property
    def provenance(self) -> dict[str, Any] | None:
        """What made the value, if that was recorded."""
        return self.entry.provenance if self.entry else None

    def document(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        shape = self.entry.shape if self.entry else None
        return {
            "key": self.key,
            "type": self.entry.type if self.entry else None,
            "shape": None if shape is None else list(shape),
            "dtype": self.dtype or None,
            "size": self.size,
            "written": self.written or None,
            "info": self.info,
        }


def describe(dataset: Results, prefix: str = "") -> list[Described]:
    """Return what is known of all keys, sorted, with `prefix` before them."""
    entries = dataset.entries()
    return [Described(prefix + key, entries[key], _info(dataset, key)) for key in sorted(entries)]


def describe_key(dataset: Results, key: str, shown_as: str) -> Described:
    """Return what is known of one key, under the name that it is shown as."""
    return Described(shown_as, dataset.entries().get(key), _info(dataset, key))


def _info(dataset: Results, key: str) -> Any:
    try:
        return dataset.info[key]
    except Exception as error:
        # Infos may be of classes that are not installed here; all else can still be listed.
        return Unloadable(error)
