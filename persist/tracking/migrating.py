"""A whole store copied to another database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from persist.errors import DamagedError
from persist.tracking.database import Opened
from persist.tracking.errors import DataNotFoundError, StoreError
from persist.tracking.schema import ALL_TABLES, PENDING, TABLES
from persist.tracking.statements import Statement, count_rows, select

if TYPE_CHECKING:
    from persist.tracking.store import WorkspaceStore

__all__ = ["Migrated", "migrate"]

_ROWS = 500  # that are in memory at once, with their arrays


@dataclass(frozen=True)
class Migrated:
    """How many rows of each table and files were copied, and why others were not."""

    rows: dict[str, int]
    artifacts: int
    not_copied: list[str]


def migrate(
    source: WorkspaceStore,
    target: WorkspaceStore,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Migrated:
    """Copy all rows and artifacts of a store to another one, which is empty.

    Files come first and rows in one commit after them, so that the other store is empty until it
    has everything. What a copy that failed has left is used by the next one.

    Parameters
    ----------
    source, target : WorkspaceStore
        The stores, on any database.
    progress : callable, optional
        Called after each file of an artifact with how many are done, and of how many.

    Raises
    ------
    StoreError
        If the other store has something already.
    LockTimeout
        If others do not finish in time.
    """
    ours, theirs = source.opened, target.opened
    _check_empty(theirs)
    with ours.reading() as connection:
        files = connection.rows(
            select("artifacts", ["artifact_path", "content_hash"], distinct=True)
        )
        not_copied = []
        for number, (name, digest) in enumerate(files):
            try:
                theirs.files.write(name, [ours.files.read(name, digest)])
            except (DataNotFoundError, DamagedError) as error:
                not_copied.append(str(error))
            if progress is not None:
                progress(number + 1, len(files))
        with theirs.changing(), theirs.reading() as other, other.transaction():
            _check_empty(theirs)
            copied = {}
            for table in ALL_TABLES:
                if table == PENDING or not (table in TABLES or connection.has_table(table)):
                    continue
                copied[table] = 0
                for rows in _pages(connection, table):
                    other.insert(table, rows)
                    copied[table] += len(rows)
    return Migrated(copied, len(files) - len(not_copied), not_copied)


def _check_empty(opened: Opened) -> None:
    [(runs, artifacts)] = opened.rows(count_rows(("runs", "artifacts")))
    if runs or artifacts:
        raise StoreError(
            f"cannot copy to {opened.path}: it has {runs} run(s) and {artifacts} artifact(s); "
            "name a new folder or an empty database"
        )


def _pages(connection: Any, table: str) -> Iterator[list[list[Any]]]:
    """Yield all rows of a table in lists, by their keys."""
    columns, key = ALL_TABLES[table].columns, ALL_TABLES[table].key
    names = ", ".join(f'"{column.name}"' for column in columns)
    last: tuple[Any, ...] = ()
    after = ""
    while True:
        text = f"SELECT {names} FROM {table}{after} ORDER BY {key} LIMIT ?"
        rows = [[*row] for row in connection.rows(Statement(text, (*last, _ROWS)))]
        for place, column in enumerate(columns):
            for row in rows if column.dtype is not None else ():
                if row[place] is not None:
                    row[place] = numpy.asarray(row[place], column.dtype)
        if rows:
            yield rows
        if len(rows) < _ROWS:
            return
        last, after = (rows[-1][0],), f" WHERE {key} > ?"
