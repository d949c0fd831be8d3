"""A shelf, as shelve writes it into whichever database dbm finds: its keys.

Its values are pickles, and reading one runs the code that it names: `open_source` asks for trust
before.
"""

from __future__ import annotations

import dbm
import os
import pickle
from functools import cached_property
from typing import Any

from persist.cli.sources.pickle_file import unpickled
from persist.cli.sources.source import Listed, Loaded, Source, SourceError

__all__ = ["ShelfSource"]


class ShelfSource(Source):
    """The values of a shelf, under their keys."""

    def names(self) -> list[Listed]:
        """Return the keys, sorted."""
        with _open(self._path) as database:
            return [Listed(*_name_of(key)) for key in sorted(database.keys())]

    def load(self, name: str) -> Loaded:
        """Return a value."""
        return Loaded(unpickled(self._database[name.encode()], pickle.loads))

    @cached_property
    def _database(self) -> Any:
        return self._opened.enter_context(_open(self._path))


def _name_of(key: bytes) -> tuple[str, str]:
    try:
        return key.decode(), ""
    except UnicodeDecodeError:
        return repr(key), "its key is not text in UTF-8"


def _open(path: str) -> Any:
    # Databases are opened by a name to which some kinds add an extension.
    names = (path, os.path.splitext(path)[0])
    name = next((name for name in names if dbm.whichdb(name)), None)
    if name is None:
        raise SourceError("it is damaged, or not a shelf")
    try:
        return dbm.open(name, "r")
    except (*dbm.error, ImportError, SyntaxError) as error:
        raise SourceError(f"it cannot be opened as a shelf: {error}") from error
