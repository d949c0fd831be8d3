"""Ids of records, and their times: columns have no zone, and older stores wrote local times."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Any

from persist.tracking.columns import ORIGINS, TABLES

__all__ = ["as_utc", "is_dated", "new_id", "now", "with_zone"]

_VERSION = 7
_VERSION_DIGIT = 14  # of the text of a UUID


def new_id() -> str:
    """Return a new id, a UUID of version 7.

    The version tells rows of this release, whose times are UTC, from those of older ones and of
    nirs4all, which have UUIDs of version 4 and times of their own zone: the columns have no zone.

    References
    ----------
    RFC 9562, section 5.7.
    """
    random = int.from_bytes(os.urandom(10), "big")
    value = (time.time_ns() // 1_000_000) << 80 | random
    value = value & ~(0xF << 76) | _VERSION << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_dated(key: Any) -> bool:
    """Return True if an id is one that `new_id` makes, so that the times of its row are UTC.

    Examples
    --------
    >>> is_dated(new_id()), is_dated("9b7ab0c4-5f7a-4c39-8f5b-0d8b1f2a7c11")
    (True, False)
    """
    text = str(key)
    return len(text) == 36 and text[_VERSION_DIGIT] == str(_VERSION)


_last = datetime.min
_clock = threading.Lock()


def now(key: Any) -> datetime:
    """Return the time for the row of an id, without its zone; no two of a process are the same."""
    global _last
    with _clock:
        current = datetime.now(timezone.utc).replace(tzinfo=None)
        _last = max(current, _last + timedelta(microseconds=1))
        found = _last
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
