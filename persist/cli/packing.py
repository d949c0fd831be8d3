"""Which keys files are packed under, and packing them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from typing import TYPE_CHECKING, Any

from persist.cli.errors import CommandError, one_line
from persist.cli.keys import key_for
from persist.cli.progress import progress
from persist.cli.sources import Listed, Loaded, Source, open_source
from persist.dataset.keys import check_key

if TYPE_CHECKING:
    from persist.dataset import DataSet

__all__ = ["Planned", "plan", "store"]


@dataclass(frozen=True)
class Planned:
    """A name in a file, and the key it is packed under."""

    key: str
    name: str
    path: str
    source: Source

    @property
    def file(self) -> str:
        """The name of the file without its folder, which is no business of the data set."""
        return os.path.basename(self.path)

    def __str__(self) -> str:
        return f"{self.name!r} of {self.file}"


def plan(paths: Iterable[str], *, prefix: str = "", skip: Iterable[str] = ()) -> list[Planned]:
    """Return what is to be packed, without loading it.

    Parameters
    ----------
    paths : iterable of str
        The files.
    prefix : str
        What stands before each name.
    skip : iterable of str
        Shell patterns of names to leave out.

    Raises
    ------
    CommandError
        If a file cannot be read, holds something that cannot be packed, or two names make the same
        key; or there is nothing to pack.
    """
    patterns = list(skip)
    planned = [
        _planned(source, path, listed, prefix)
        for path in paths
        for source in [open_source(path)]
        for listed in _names(source, path)
        if not any(fnmatchcase(listed.name, pattern) for pattern in patterns)
    ]
    if not planned:
        raise CommandError("nothing is left to pack: all names are skipped")
    _check_distinct(planned)
    return planned


def store(dataset: DataSet, planned: list[Planned], *, replace: bool) -> None:
    """Store all that is planned, in one commit.

    Raises
    ------
    CommandError
        If a key exists already and is not to be replaced, or a value cannot be read.
    """
    with dataset._batch(), progress(len(planned)) as advance:
        _check_free(dataset, planned, replace)
        for _, group in groupby(planned, key=lambda item: id(item.source)):
            items = list(group)
            with contextlib.closing(items[0].source.load([item.name for item in items])) as values:
                for item in items:
                    advance(item.name)
                    # A function of its own, so that a value is gone when the next one is loaded.
                    _store_next(dataset, item, values)


def _planned(source: Source, path: str, listed: Listed, prefix: str) -> Planned:
    planned = Planned(key_for(prefix + listed.name), listed.name, path, source)
    if listed.refusal:
        raise CommandError(
            f"{planned} cannot be packed: {listed.refusal}. Leave it out with --skip"
        )
    check_key(planned.key)
    return planned


def _names(source: Source, path: str) -> list[Listed]:
    try:
        names = source.names()
    except (ValueError, OSError, KeyError) as error:
        raise CommandError(f"{path}: {one_line(error)}") from error
    if not names:
        raise CommandError(f"{path}: there is nothing in it to pack")
    return names


def _check_distinct(planned: list[Planned]) -> None:
    first: dict[str, Planned] = {}
    for item in planned:
        other = first.setdefault(item.key, item)
        if other is not item:
            raise CommandError(
                f"{other} and {item} both make the key {item.key}: pack them one after the other, "
                "one of them with --prefix or --namespace, or leave one out with --skip"
            )


def _check_free(dataset: DataSet, planned: list[Planned], replace: bool) -> None:
    namespaces = dataset._namespaces()
    for item in planned:
        if item.key in namespaces:
            raise CommandError(
                f"{item} makes the key {item.key}, and a namespace has that name: "
                "choose another with --prefix"
            )
        if item.key in dataset and not replace:
            raise CommandError(
                f"{item} makes the key {item.key}, which exists already: replace it with "
                "--replace, or choose other names with --prefix or --namespace"
            )


def _store_next(dataset: DataSet, item: Planned, values: Iterator[Loaded]) -> None:
    try:
        loaded = next(values)
    except (ValueError, OSError, KeyError) as error:
        raise CommandError(f"{item} cannot be read: {one_line(error)}") from error
    dataset._update({item.key: loaded.value}, {item.key: _info(item, loaded)})


def _info(item: Planned, loaded: Loaded) -> dict[str, Any]:
    attributes = {"attributes": dict(loaded.attributes)} if loaded.attributes else {}
    return {"source": item.file, "name": item.name, **attributes}
