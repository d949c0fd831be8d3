"""Time zones of pytz, whose protocol writes a private name."""

from __future__ import annotations

import sys
from typing import Any

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Import, Reduced, Reduction
from persist.archive.registry import rule

__all__ = ["whole_zone"]


@rule("pytz.UTC", "pytz.tzinfo.DstTzInfo", "pytz.tzinfo.StaticTzInfo", subclasses=True)
def reduce_zone(zone: Any) -> Reduced:
    """Reduce a time zone to its name; one that stands for a single offset by its protocol."""
    pytz: Any = sys.modules["pytz"]
    if zone is pytz.utc:
        return Import("pytz", "utc")
    if whole_zone(zone) is not zone:
        return reduce_by_protocol(zone)
    return Reduction(Import("pytz", "timezone"), (zone.zone,))


def whole_zone(zone: Any) -> Any:
    """Return the zone that `zone` is one offset of: pytz has an object for each of them."""
    if not type(zone).__module__.startswith("pytz") or not getattr(zone, "zone", None):
        return zone
    return sys.modules["pytz"].timezone(zone.zone)
