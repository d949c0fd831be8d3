"""What the questions that a store asks its database are made of."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from persist.tracking.columns import ORIGINS, TABLES
from persist.tracking.dialect import Dialect, Statement
from persist.tracking.engine import local_zone
from persist.tracking.errors import ArgumentError

__all__ = [
    "IS_DATED",
    "UTC_NAMES",
    "Statement",
    "check_count",
    "count_rows",
    "equals_or_like",
    "newest_first",
    "page",
    "select",
    "select_utc",
    "utc",
    "where_all",
]

IS_DATED = "(length({0}) = 36 AND substr({0}, 15, 1) = '7')"
"""The test that an id tells that the times of its row are in UTC."""

UTC_NAMES = ("UTC", "Etc/UTC", "Etc/UCT", "UCT", "Universal", "Zulu")
"""The names of time zones that are UTC."""


def check_count(name: str, value: Any) -> int:
    """Return a number of rows, or raise ValueError if it is not a count."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < 0:
        raise ArgumentError(f"{name} must be an integer of 0 or more, got {value!r}")
    return int(value.__index__())


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


def equals_or_like(dialect: Dialect, column: str, value: Any) -> str:
    """Return the test of a column against a value, which may be a pattern if it is given."""
    if value is not None and "%" in str(value):
        return f"{column} {dialect.like}"
    return f"{column} = ?"


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


def select_utc(
    dialect: Dialect, table: str, zone: str | None = None, hidden: str = "", **others: str
) -> str:
    """Return SQL for all columns of a table, times with their zone, and others instead."""
    changed = {name: utc(table, name, zone=zone) for name in TABLES[table].times} | others
    return dialect.columns(table, changed, hidden)
