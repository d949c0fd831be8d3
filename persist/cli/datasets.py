"""Data sets of commands: opening them, finding keys by dotted names, and describing keys."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from persist.cli.errors import CommandError, one_line
from persist.display import human_size, shape_text, short_type
from persist.exchange.kinds import Kind, kind_of, why_refused
from persist.urls import is_url

if TYPE_CHECKING:
    from persist.dataset import Entry, Results

__all__ = ["Described", "check_local", "describe", "info_of", "inner", "key_in", "open_dataset"]


def open_dataset(path: str) -> Results:
    """Open the data set at `path`."""
    from persist.dataset import open as open_data_set

    kind = kind_of(path)
    if kind is Kind.STORE:
        # A password is hidden up to the last @ of a message: no URL is named twice.
        command = "persist runs" if is_url(path) else f"persist runs {path}"
        raise CommandError(f"cannot open {path}: it is a store of runs; run: {command}")
    if kind in (Kind.STORAGE, Kind.WORKSPACE):
        raise CommandError(f"cannot open {path}: it is {kind.phrase}, not a data set")
    if kind in (Kind.BAG, Kind.CRATE) or not os.path.isdir(path):
        raise CommandError(f"cannot open {path}: {why_refused(path)}")
    return open_data_set(os.path.normpath(path))


def check_local(path: str, verb: str) -> None:
    """Refuse a URL where a command takes a path, since it would be read as a relative one."""
    if is_url(path):
        raise CommandError(f"cannot {verb} {path}: {why_refused(path)}")


def inner(dataset: Results, names: list[str]) -> Results:
    """Return the innermost of nested namespaces."""
    for number, name in enumerate(names):
        if not dataset.has_group(name):
            raise CommandError(f"no such namespace: {'.'.join(names[: number + 1]) or repr('')}")
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


class Described(NamedTuple):
    """A key with its entry in the manifest and its info."""

    key: str  # with its namespaces before it
    entry: Entry
    info: Any

    def cells(self) -> dict[str, str]:
        """Return its cells in a listing, except for the info."""
        entry = self.entry
        return {
            "key": self.key,
            "type": short_type(entry.type),
            "shape": shape_text(entry.shape),
            "dtype": entry.dtype or "",
            "size": human_size(entry.size) if entry.files else "",
            "written": entry.written or "",
        }

    def document(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        entry = self.entry
        return {
            "key": self.key,
            "type": entry.type,
            "shape": entry.shape,
            "dtype": entry.dtype,
            "size": entry.size if entry.files else None,
            "written": entry.written,
            "info": self.info,
        }


def describe(dataset: Results, prefix: str = "") -> list[Described]:
    """Return all keys with their entries and infos, sorted, and with `prefix` before them."""
    entries = dataset.entries()
    return [Described(prefix + key, entries[key], info_of(dataset, key)) for key in sorted(entries)]


def info_of(dataset: Results, key: str) -> Any:
    """Return the info of a key, or a text that says why it cannot be loaded."""
    try:
        return dataset.info[key]
    except Exception as error:
        # Infos may be of classes that are not installed here; all else can still be listed.
        return f"<cannot be loaded: {type(error).__name__}: {one_line(error)}>"
