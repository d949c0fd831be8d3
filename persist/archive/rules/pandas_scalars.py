"""Scalars of pandas: times, spans, periods, missing values and offsets."""

from __future__ import annotations

from typing import Any

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Attribute, Import, Reduced, Reduction
from persist.archive.registry import rule
from persist.archive.rules.pandas_names import call, spellings
from persist.archive.rules.zones import whole_zone

__all__: list[str] = []


@rule(*spellings("_libs.missing", "NAType", public="pandas.api.typing"))
def reduce_na(_: Any) -> Reduced:
    """Reduce the missing value to its name."""
    return Import("pandas", "NA")


@rule(*spellings("_libs.tslibs.nattype", "NaTType", public="pandas.api.typing"))
def reduce_nat(_: Any) -> Reduced:
    """Reduce the missing time to its name."""
    return Import("pandas", "NaT")


@rule(*spellings("_libs.tslibs.timestamps", "Timestamp"))
def reduce_timestamp(moment: Any) -> Reduced:
    """Reduce a time to its text, its unit and its time zone."""
    for shown in (moment, moment.tz_convert("UTC") if moment.tz else moment):
        reduced, made = _in_unit("Timestamp", shown.isoformat(), moment)
        if made is not None and made.asm8 == moment.asm8:
            break
    else:
        reduced = call("Timestamp", moment.value, unit="ns", tz="UTC" if moment.tz else None)
    if moment.tz is None:
        return reduced
    return Reduction(Attribute(reduced, "tz_convert"), (whole_zone(moment.tz),))


@rule(*spellings("_libs.tslibs.timedeltas", "Timedelta"))
def reduce_timedelta(span: Any) -> Reduced:
    """Reduce a span of time to its text and its unit."""
    reduced, made = _in_unit("Timedelta", str(span), span)
    if made is not None and made.asm8 == span.asm8:
        return reduced
    return call("Timedelta", span.asm8)


def _in_unit(name: str, text: str, obj: Any) -> tuple[Reduction, Any]:
    """Return the reduction of the text to the unit of `obj`, and what it makes, or None."""
    reduced = call(name, text)
    try:
        made = type(obj)(text)
        unit = getattr(obj, "unit", None)
        if unit != getattr(made, "unit", None):
            reduced, made = Reduction(Attribute(reduced, "as_unit"), (unit,)), made.as_unit(unit)
    except ValueError:
        return reduced, None
    return reduced, made


@rule(*spellings("_libs.tslibs.period", "Period"))
def reduce_period(period: Any) -> Reduced:
    """Reduce a period to its text and its frequency."""
    try:
        readable = type(period)(str(period), freq=period.freqstr) == period
    except ValueError:
        readable = False
    if readable:
        return call("Period", str(period), freq=period.freqstr)
    return call("Period", ordinal=period.ordinal, freq=period.freqstr)


@rule("pandas._libs.tslibs.offsets.BaseOffset", subclasses=True)
def reduce_offset(offset: Any) -> Reduced:
    """Reduce an offset of dates to its count and its settings."""
    from pandas.tseries import offsets

    cls = type(offset)
    if getattr(offsets, cls.__name__, None) is not cls:
        return reduce_by_protocol(offset)
    kwargs = {name: value for name, value in offset.kwds.items() if value}
    if kwargs.get("weekmask"):
        kwargs.pop("calendar", None)
    if offset.normalize:
        kwargs["normalize"] = True
    args = () if offset.n == 1 else (offset.n,)
    if cls(*args, **kwargs) != offset:
        return reduce_by_protocol(offset)
    return Reduction(Import("pandas.tseries.offsets", cls.__name__), args, kwargs)
