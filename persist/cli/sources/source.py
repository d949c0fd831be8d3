"""The interface of the files that can be packed."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from persist.errors import MissingExtraError, PersistError

__all__ = [
    "COMPRESSED",
    "Listed",
    "Loaded",
    "Source",
    "SourceError",
    "decoded",
    "imported",
    "stem_of",
]

COMPRESSED = (".gz", ".bz2", ".xz", ".z", ".lzma")
"""The extensions that pickles have behind their own."""


class SourceError(PersistError, ValueError):
    """A file is not of its format, or holds what cannot be packed."""


@dataclass(frozen=True)
class Listed:
    """A name in a file."""

    name: str  # as the file has it
    refusal: str = ""  # why what it names cannot be packed; empty if it can
    key: str = ""  # what the key is made of, if that is not the name


@dataclass(frozen=True)
class Loaded:
    """A value from a file, and what the file says about it."""

    value: Any
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Source:
    """A file of one format, with one value named as the file is unless it has names of its own.

    What is not of the format, or cannot be read as it is, raises a ValueError such as
    `SourceError`; a file that cannot be read an OSError.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._opened = contextlib.ExitStack()

    def names(self) -> list[Listed]:
        """Return what the file holds, in its order, without loading more than it takes to know."""
        return [Listed(stem_of(self._path))]

    def load(self, name: str) -> Loaded:
        """Return what has this name; the file may be open afterwards, until `close`."""
        raise NotImplementedError

    def close(self) -> None:
        """Close what was opened to load from."""
        self._opened.close()


def imported(module: str, extra: str = "import") -> Any:
    """Import a library that a format needs."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(module.partition(".")[0], extra) from error


def decoded(value: bytes) -> str | bytes:
    """Return bytes as text, or as they are if they are not UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def stem_of(path: str) -> str:
    """Return the name of a file without its folder and extensions of formats and compression.

    Examples
    --------
    >>> stem_of("runs/model.v2.pkl.gz"), stem_of("2nd run.npy")
    ('model.v2', '2nd run')
    """
    stem, extension = os.path.splitext(os.path.basename(path))
    if extension.lower() in COMPRESSED:
        stem = os.path.splitext(stem)[0]
    return stem
