"""Changes that are one commit, and can be seen before it by whoever makes them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from typing import Any

from persist.files import remove_path
from persist.tracking.changes import Changes, Row
from persist.tracking.columns import TABLES
from persist.tracking.committing import apply, apply_in_stages, transaction
from persist.tracking.errors import StoreError
from persist.tracking.journal import Journal

__all__ = ["Batch", "finish", "remove_file"]


class Batch(Changes):
    """Changes of a database that is open for writing.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The database.
    journal : Journal
        Where changes are written down that take several transactions.

    Attributes
    ----------
    new_files : list of str
        Files to remove if nothing comes of the changes.
    old_files : list of str
        Files to remove after the commit.
    """

    def __init__(self, connection: Any, journal: Journal) -> None:
        super().__init__(connection)
        self._journal = journal
        self._is_begun = False
        self._shown: tuple[dict[str, dict[str, Row]], dict[tuple[str, str], Row]]
        self._shown = ({name: {} for name in TABLES}, {})
        self.new_files: list[str] = []
        self.old_files: list[str] = []

    def show(self) -> None:
        """Let the connection see the changes, in a transaction that stays open.

        Raises
        ------
        StoreError
            If rows were replaced that others refer to: this takes several transactions.
        """
        if any(self.deleted.values()):
            raise StoreError(
                "This batch replaces predictions that were recorded before it: read after its end"
            )
        self._revive()
        if self.is_empty():
            return
        if not self._is_begun:
            self._connection.execute("BEGIN TRANSACTION")
            self._is_begun = True
        apply(self._connection, self)
        rows, values = self._shown
        for name, inserted in self.inserted.items():
            rows[name].update(inserted)
            self._known[name].update(inserted)
            self.inserted[name] = {}
        for place, updated in self.updated.items():
            values[place] = {**values.get(place, {}), **updated}
        self.updated = {}

    def take_back(self) -> None:
        """End the transaction of `show`, and have its changes in memory again."""
        if not self._is_begun:
            return
        self._connection.execute("ROLLBACK")
        self._is_begun = False
        rows, values = self._shown
        for name, shown in rows.items():
            self.inserted[name] = {**shown, **self.inserted[name]}
            self._known[name] -= shown.keys()
        later, self.updated = self.updated, {}
        for updates in (values, later):
            for (name, key), row in updates.items():
                if key in self.inserted[name]:
                    self.inserted[name][key].update(row)
                else:
                    self.updated.setdefault((name, key), {}).update(row)
        self._shown = ({name: {} for name in TABLES}, {})

    def delete(self, table: str, keys: Collection[str], *, are_there: bool = False) -> None:
        """Delete rows; see `Changes.delete`."""
        self.take_back()
        super().delete(table, keys, are_there=are_there)

    def commit(self) -> None:
        """Make the changes.

        Raises
        ------
        duckdb.Error
            If the database refuses them; then nothing has changed.
        """
        if self.needs_stages:
            self.take_back()
            self._journal.write(self, self.old_files)
            finish(self._connection, self._journal)
            return
        self._revive()
        if self._is_begun:
            apply(self._connection, self)
            self._connection.execute("COMMIT")
            self._is_begun = False
        elif not self.is_empty():
            with transaction(self._connection):
                apply(self._connection, self)
        for path in self.old_files:
            remove_file(path)

    def _revive(self) -> None:
        """Take the changes back if a query that failed has ended the transaction."""
        if self._is_begun:
            try:
                # Committing such a transaction would roll it back without a word.
                self._connection.execute("SELECT 1").fetchall()
            except Exception:
                self.take_back()

    def discard(self) -> None:
        """Forget the changes, and remove the files that belong to them."""
        self.take_back()
        for path in self.new_files:
            remove_file(path)


def finish(connection: Any, journal: Journal) -> None:
    """Do what was written down, for the first time or again."""
    changes, files = journal.read(connection)
    apply_in_stages(connection, changes)
    for path in files:
        remove_file(path)
    journal.remove()


def remove_file(path: str) -> None:
    """Remove a file, and its folder if that is empty then."""
    remove_path(path)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(path))
