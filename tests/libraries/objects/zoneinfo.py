"""Time zones, and times in them."""

from __future__ import annotations

import datetime
import zoneinfo
from typing import Any

__all__ = ["OBJECTS", "check"]

PARIS = zoneinfo.ZoneInfo("Europe/Paris")

OBJECTS = {
    "zone": lambda: PARIS,
    "utc": lambda: zoneinfo.ZoneInfo("UTC"),
    "own zone": lambda: zoneinfo.ZoneInfo.no_cache("Europe/Paris"),
    "fold": lambda: datetime.datetime(2020, 10, 25, 2, 30, tzinfo=PARIS, fold=1),
    "time": lambda: datetime.time(12, tzinfo=PARIS),
}


def check(found: Any, wanted: Any) -> None:
    """Compare keys of zones, and times with their fold."""
    assert type(found) is type(wanted)
    if isinstance(wanted, zoneinfo.ZoneInfo):
        assert found.key == wanted.key
    else:
        assert repr(found) == repr(wanted)
        assert found.utcoffset() == wanted.utcoffset()
