"""SQL that is the same in all databases of a store, and the few words in which they differ."""

from __future__ import annotations

import abc
import contextlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from persist.tracking.errors import ArgumentError
from persist.tracking.schema import ALL_TABLES, ORIGINS, TABLES
from persist.tracking.times import local_zone

__all__ = [
    "IS_DATED",
    "REFUSED",
    "UTC_NAMES",
    "Dialect",
    "Rows",
    "Statement",
    "Transactional",
    "check_count",
    "count_rows",
    "matching",
    "newest_first",
    "page",
    "select",
    "select_utc",
    "utc",
    "where_all",
]

IS_DATED = "(length({0}) = 36 AND substr({0}, 15, 1) = '7')"
"""The test that an id tells that the times of its row are in UTC."""

_MOST = 2**63 - 1  # rows: a larger number is as good

UTC_NAMES = ("UTC", "Etc/UTC", "Etc/UCT", "UCT", "Universal", "Zulu")
"""The names of time zones that are UTC."""


REFUSED = "sql takes one SELECT statement, which only reads"
"""How an error begins that refuses the SQL of a user."""

Rows: TypeAlias = "list[tuple[Any, ...]]"


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
    """

    like: str
    dataset_names: str
    checksum: str
    rowid: str | None

    def insertion_order(self, table: str) -> str:
        """Return SQL by which rows of the same time are in the order in which they came."""
        return self.rowid or f"{table}.{TABLES[table].key}"


class Transactional(abc.ABC):
    """A connection whose changes take place together."""

    _reading: str  # begins a transaction that cannot write
    is_in_transaction = False

    @abc.abstractmethod
    def _execute(self, text: str, values: Sequence[Any] = ()) -> Any:
        """Run a statement, and return what tells its rows."""

    @abc.abstractmethod
    def arrow(self, statement: Statement) -> Any:
        """Return the rows of a statement as a pyarrow.Table."""

    @abc.abstractmethod
    def _checked(self, text: str) -> str:
        """Return SQL of a user if it is one statement that reads; raise StoreError if not."""

    def query(self, text: str, values: Sequence[Any]) -> Any:
        """Return the rows of a query of a user as a pyarrow.Table.

        It runs in a transaction that cannot write, or, in a batch, in one that is undone.
        """
        query = Statement(self._checked(text), values)
        if not self.is_in_transaction:
            self.begin_reading()
        try:
            return self.arrow(query)
        finally:
            self.rollback()

    def begin(self) -> None:
        """Begin a transaction."""
        self._execute("BEGIN")
        self.is_in_transaction = True

    def begin_reading(self) -> None:
        """Begin a transaction whose queries see the database as it was at the first of them."""
        self._execute(f"BEGIN {self._reading}")
        self.is_in_transaction = True

    def commit(self) -> None:
        """Commit the transaction."""
        self.is_in_transaction = False
        self._execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        if self.is_in_transaction:
            self.is_in_transaction = False
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


def check_count(name: str, value: Any) -> int:
    """Return a number of rows, or raise ValueError if it is not a count."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < 0:
        raise ArgumentError(f"{name} must be an integer of 0 or more, got {value!r}")
    return min(int(value.__index__()), _MOST)


def select(
    table: str,
    columns: Iterable[str] = ("*",),
    where: Mapping[str, Any] | None = None,
    *,
    order: str = "",
    distinct: bool = False,
) -> Statement:
    """Return a statement for some columns of the rows whose columns have some values.

    A collection stands for any of its members, and None for null. The names are those of the code.

    Examples
    --------
    >>> select("runs", ["run_id"], {"status": "running"})
    Statement(text='SELECT "run_id" FROM runs WHERE "status" = ?', values=['running'])
    """
    names = ", ".join(name if name == "*" else f'"{name}"' for name in columns)
    tests, values = [], []
    for name, value in (where or {}).items():
        if value is None:
            tests.append(f'"{name}" IS NULL')
        elif isinstance(value, Collection) and not isinstance(value, str):
            tests.append(f'"{name}" IN (SELECT unnest(?::VARCHAR[]))')
            values.append(list(value))
        else:
            tests.append(f'"{name}" = ?')
            values.append(value)
    names = f"DISTINCT {names}" if distinct else names
    text = f"SELECT {names} FROM {table}{where_all(tests)}{order and f' ORDER BY {order}'}"
    return Statement(text, values)


def count_rows(tables: Sequence[str]) -> Statement:
    """Return a statement for the number of rows of some tables."""
    return Statement(f"SELECT {', '.join(f'(SELECT count(*) FROM {t})' for t in tables)}")


def where_all(tests: Sequence[str]) -> str:
    """Return a WHERE with all of some tests; nothing if there are none."""
    return f" WHERE {' AND '.join(tests)}" if tests else ""


def matching(
    dialect: Dialect, filters: Mapping[str, Any], patterns: Collection[str] = ()
) -> tuple[list[str], list[Any]]:
    """Return the tests of columns against values, and the values; None tests nothing.

    Text with a ``%`` is a pattern for the columns among `patterns`. The run of predictions is
    ``predictions.run_id``, a column of their pipelines.
    """
    given = {column: value for column, value in filters.items() if value is not None}
    tests = []
    for column, value in given.items():
        if column == "predictions.run_id":
            tests.append("pipeline_id IN (SELECT pipeline_id FROM pipelines WHERE run_id = ?)")
            continue
        name = column if "." in column else f'"{column}"'
        is_pattern = column in patterns and "%" in str(value)
        tests.append(f"{name} {dialect.like if is_pattern else '= ?'}")
    return tests, [*given.values()]


def page(text: str, values: Sequence[Any], limit: int | None, offset: int) -> Statement:
    """Return a statement for some of the rows of another."""
    if limit is not None:
        text, values = f"{text} LIMIT ?", [*values, check_count("limit", limit)]
    if check_count("offset", offset):
        text, values = f"{text} OFFSET ?", [*values, offset]
    return Statement(text, values)


def newest_first(dialect: Dialect, table: str, zone: str | None = None) -> str:
    """Return an ORDER BY; see `utc` for the zone."""
    # Rows of predictions have no second column, as no two of a process have the same time, and
    # DuckDB is quicker with one.
    second = "" if table == "predictions" else f", {dialect.insertion_order(table)} DESC"
    # The time itself where all are of one zone, as DuckDB finds the first few of a plain column
    # several times quicker.
    time = utc(table, "created_at", table, zone)
    time = time if "CASE" in time else f"{table}.created_at"
    return f"ORDER BY {time} DESC NULLS LAST{second}"


def utc(table: str, column: str, alias: str = "", zone: str | None = None) -> str:
    """Return SQL for a time with its zone; see `persist.tracking.times`.

    The `zone` is that of all rows, None if they may have several.
    """
    prefix = f"{alias}." if alias else ""
    local = local_zone(os.environ.get("TZ"))
    if zone is None and local not in UTC_NAMES:
        key = f"{prefix}{ORIGINS.get(table, TABLES[table].key)}"
        zones = f"CASE WHEN {IS_DATED.format(key)} THEN 'UTC' ELSE '{local}' END"
    else:
        zones = f"'{zone or 'UTC'}'"
    return f"timezone({zones}, {prefix}{column})"


def select_utc(table: str, zone: str | None = None, **others: str) -> str:
    """Return SQL for all columns of a table, times with their zone, and others instead."""
    changed = {name: utc(table, name, zone=zone) for name in TABLES[table].times} | others
    names = [column.name for column in TABLES[table].columns]
    return ", ".join(f'{changed[n]} AS "{n}"' if n in changed else f'"{n}"' for n in names)
