"""Changes on their way into a database: all of them, or none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from persist.tracking.changes import Changes
from persist.tracking.columnar import arrow_table
from persist.tracking.columns import TABLES

__all__ = ["apply", "apply_in_stages", "transaction"]

# Each in a transaction of its own: what refers to others goes before them.
_STAGES = (
    ("prediction_arrays", "logs"),
    ("predictions",),
    ("chains",),
    ("pipelines",),
    ("runs", "artifacts"),
)
_INCOMING = "incoming_rows"


@contextlib.contextmanager
def transaction(connection: Any) -> Iterator[None]:
    """Commit what the block does, or nothing of it."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def apply(connection: Any, changes: Changes) -> None:
    """Make changes, in the transaction of the caller."""
    _delete(connection, changes, TABLES)
    _write(connection, changes, "INSERT")


def apply_in_stages(connection: Any, changes: Changes) -> None:
    """Make changes in several transactions; done again, this does what is left to do."""
    for stage in _STAGES:
        with transaction(connection):
            _delete(connection, changes, stage)
    with transaction(connection):
        _write(connection, changes, "INSERT OR IGNORE")


def _delete(connection: Any, changes: Changes, tables: Iterable[str]) -> None:
    for table in tables:
        keys = list(changes.deleted[table])
        if keys:
            # No SQL is made of an id.
            connection.execute(
                f"DELETE FROM {table} WHERE {TABLES[table].key} IN (SELECT unnest(?))", [keys]
            )


def _write(connection: Any, changes: Changes, insert: str) -> None:
    for table, rows in changes.inserted.items():
        if rows:
            connection.register(_INCOMING, arrow_table(table, list(rows.values())))
            try:
                connection.execute(f"{insert} INTO {table} BY NAME SELECT * FROM {_INCOMING}")
            finally:
                connection.unregister(_INCOMING)
    for (table, key), values in changes.updated.items():
        columns = ", ".join(f'"{name}" = ?' for name in values)
        connection.execute(
            f"UPDATE {table} SET {columns} WHERE {TABLES[table].key} = ?", [*values.values(), key]
        )
