"""Ids of records, and their times: columns have no zone, and older stores wrote local times."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
import zoneinfo
from datetime import datetime, timedelta, timezone
from typing import Any

from persist.tracking.optional import import_optional
from persist.tracking.schema import ORIGINS, TABLES

__all__ = ["as_utc", "is_dated", "local_zone", "new_id", "now", "with_zone"]

_VERSION = 7
_VERSION_DIGIT = 14  # of the text of a UUID
_VARIANTS = {f"{digit:x}": "89ab"[digit % 4] for digit in range(16)}
_EPOCH = datetime(1970, 1, 1)


def new_id() -> str:
    """Return a new id, a UUID of version 7.

    The version tells rows of this release, whose times are UTC, from those of older ones and of
    nirs4all, which have UUIDs of version 4 and times of their own zone: the columns have no zone.

    References
    ----------
    RFC 9562, section 5.7.
    """
    random = os.urandom(10).hex()
    date = f"{time.time_ns() // 1_000_000:012x}"
    variant = _VARIANTS[random[19]]
    return f"{date[:8]}-{date[8:]}-{_VERSION}{random[:3]}-{variant}{random[3:6]}-{random[6:18]}"


def is_dated(key: Any) -> bool:
    """Return True if an id is one that `new_id` makes, so that the times of its row are UTC.

    Examples
    --------
    >>> is_dated(new_id()), is_dated("9b7ab0c4-5f7a-4c39-8f5b-0d8b1f2a7c11")
    (True, False)
    """
    text = str(key)
    return len(text) == 36 and text[_VERSION_DIGIT] == str(_VERSION)


_last = 0  # µs since the epoch
_clock = threading.Lock()


def now(key: Any) -> datetime:
    """Return the time for the row of an id, without its zone; no two of a process are the same."""
    global _last
    with _clock:
        _last = max(time.time_ns() // 1000, _last + 1)
        found = _EPOCH + timedelta(microseconds=_last)
    if is_dated(key):
        return found
    return found.replace(tzinfo=timezone.utc).astimezone().replace(tzinfo=None)


def as_utc(key: Any, value: datetime) -> datetime:
    """Return the time in the row of an id, with its zone.

    A row of another release has the time of the machine that wrote it, taken for this one.
    """
    if is_dated(key):
        return value.replace(tzinfo=timezone.utc)
    return value.astimezone(timezone.utc)


def with_zone(table: str, record: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a table with its times in UTC."""
    key = record[ORIGINS.get(table, TABLES[table].key)]
    times = {
        name: as_utc(key, record[name]) for name in TABLES[table].times if record[name] is not None
    }
    return {**record, **times}


@functools.lru_cache(maxsize=8)
def local_zone(variable: str | None) -> str:
    """Return the name of the time zone of this machine, whose ``TZ`` is `variable`."""
    with contextlib.suppress(KeyError, ValueError, OSError):
        if variable:
            return zoneinfo.ZoneInfo(variable.removeprefix(":")).key
    # DuckDB finds it in the ways of each system, but some releases do not look at the variable.
    with import_optional("duckdb").connect() as connection:
        [(name,)] = connection.execute("SELECT current_setting('TimeZone')").fetchall()
    return str(name).replace("'", "")
