"""Dates, times, spans and time zones of the standard library."""

from __future__ import annotations

import datetime
import zoneinfo
from typing import Any

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Attribute, Reduced, Reduction
from persist.archive.registry import rule
from persist.archive.rules.plain import attributes_of, is_plain_subclass

__all__: list[str] = []


@rule(datetime.date, subclasses=True)
def reduce_date(day: datetime.date) -> Reduced:
    """Reduce a date to year, month and day."""
    if not is_plain_subclass(type(day), datetime.date):
        return reduce_by_protocol(day)
    return Reduction(type(day), (day.year, day.month, day.day), attributes=attributes_of(day))


@rule(datetime.datetime, subclasses=True)
def reduce_datetime(moment: datetime.datetime) -> Reduced:
    """Reduce a datetime to its parts, without zeros at the end."""
    if not is_plain_subclass(type(moment), datetime.datetime):
        return reduce_by_protocol(moment)
    clock = _without_zeros(moment.hour, moment.minute, moment.second, moment.microsecond)
    args = (moment.year, moment.month, moment.day, *clock)
    return Reduction(type(moment), args, _zone(moment), attributes=attributes_of(moment))


@rule(datetime.time, subclasses=True)
def reduce_time(clock: datetime.time) -> Reduced:
    """Reduce a time of the day to its parts, without zeros at the end."""
    if not is_plain_subclass(type(clock), datetime.time):
        return reduce_by_protocol(clock)
    parts = _without_zeros(clock.minute, clock.second, clock.microsecond)
    return Reduction(
        type(clock), (clock.hour, *parts), _zone(clock), attributes=attributes_of(clock)
    )


def _without_zeros(*parts: int) -> tuple[int, ...]:
    while parts and not parts[-1]:
        parts = parts[:-1]
    return parts


def _zone(moment: datetime.datetime | datetime.time) -> dict[str, Any]:
    kwargs = {"tzinfo": moment.tzinfo, "fold": moment.fold}
    return {name: value for name, value in kwargs.items() if value}


@rule(datetime.timedelta, subclasses=True)
def reduce_timedelta(span: datetime.timedelta) -> Reduced:
    """Reduce a span of time to days, seconds and microseconds, as keywords."""
    if not is_plain_subclass(type(span), datetime.timedelta):
        return reduce_by_protocol(span)
    parts = {name: getattr(span, name) for name in ("days", "seconds", "microseconds")}
    kwargs = {name: part for name, part in parts.items() if part}
    args = () if kwargs else (0,)
    return Reduction(type(span), args, kwargs, attributes=attributes_of(span))


@rule(datetime.timezone)
def reduce_timezone(zone: datetime.timezone) -> Reduced:
    """Reduce a fixed time zone to its offset and name."""
    if zone is datetime.timezone.utc:
        return Attribute(datetime.timezone, "utc")
    return reduce_by_protocol(zone)


@rule(zoneinfo.ZoneInfo, subclasses=True)
def reduce_zone(zone: zoneinfo.ZoneInfo) -> Reduced:
    """Reduce a time zone to its key."""
    if not is_plain_subclass(type(zone), zoneinfo.ZoneInfo) or zone.key is None:
        return reduce_by_protocol(zone)
    answer: Any = zone.__reduce__()
    _, (key, cached) = answer
    function = type(zone) if cached else Attribute(type(zone), "no_cache")
    return Reduction(function, (key,), attributes=attributes_of(zone))
