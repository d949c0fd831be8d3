"""SQL that is the same in all databases of a store, and the few words in which they differ."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from persist.tracking.columns import ALL_TABLES, TABLES

__all__ = ["Dialect", "Statement", "Transactional"]


class Statement(NamedTuple):
    """SQL, and the values of its question marks."""

    text: str
    values: Sequence[Any] = ()


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The words in which databases differ.

    Parameters
    ----------
    like : str
        The test that text matches a pattern, the next question mark, in which a backslash is
        itself.
    dataset_names : str
        A query for the names in the column ``datasets`` of a row of runs: dicts with names, or
        names.
    checksum : str
        One value for all columns of all rows of a table ``t``.
    rowid : str or None
        The column by which rows of the same time are in the order in which they came; their key
        where there is none.
    has_star : bool
        Whether ``*`` takes other columns in the place of some.
    """

    like: str
    dataset_names: str
    checksum: str
    rowid: str | None
    has_star: bool

    def columns(self, table: str, changed: Mapping[str, str], hidden: str = "") -> str:
        """Return SQL for all columns of a table, with the SQL of `changed` for some, by name.

        A column that a query has added is left out if it is named as `hidden`.
        """
        if self.has_star:
            # Columns that other releases have added are among them.
            excluded = f" EXCLUDE ({hidden})" if hidden else ""
            replaced = ", ".join(f"{sql} AS {name}" for name, sql in changed.items())
            return f"*{excluded} REPLACE ({replaced})"
        names = [column.name for column in TABLES[table].columns]
        return ", ".join(f'{changed[n]} AS "{n}"' if n in changed else f'"{n}"' for n in names)

    def insertion_order(self, table: str) -> str:
        """Return SQL by which rows of the same time are in the order in which they came."""
        return self.rowid or f"{table}.{TABLES[table].key}"


class Transactional(abc.ABC):
    """A connection whose changes take place together."""

    @abc.abstractmethod
    def _execute(self, text: str, values: Sequence[Any] = ()) -> Any:
        """Run a statement, and return what tells its rows."""

    def begin(self) -> None:
        """Begin a transaction."""
        self._execute("BEGIN")

    def commit(self) -> None:
        """Commit the transaction."""
        self._execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction."""
        self._execute("ROLLBACK")

    def update(self, table: str, key: str, values: Mapping[str, Any]) -> None:
        """Set columns of the row of a key."""
        columns = ", ".join(f'"{name}" = ?' for name in values)
        text = f"UPDATE {table} SET {columns} WHERE {ALL_TABLES[table].key} = ?"
        self._execute(text, [*values.values(), key])

    def delete(self, table: str, keys: Collection[str]) -> None:
        """Delete the rows of some keys."""
        if keys:
            # No SQL is made of an id.
            test = f"{ALL_TABLES[table].key} IN (SELECT unnest(?::VARCHAR[]))"
            self._execute(f"DELETE FROM {table} WHERE {test}", [list(keys)])

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Context manager that commits what its block does, or nothing of it."""
        self.begin()
        try:
            yield
        except BaseException:
            self.rollback()
            raise
        self.commit()
