"""Scalars, arrays, indexes, series and frames of pandas, by constructors that check what they get.

Only public constructors are called, and with data alone: pandas asks other objects for attributes.
"""

from __future__ import annotations

import datetime
import importlib
from typing import Any

from persist.archive.safe.checks import check_data, expanded
from persist.archive.safe.operations import ATTRIBUTES, METHODS, SETTERS
from persist.archive.safe.table import ENTRIES, Call, Entry, Handler, Made
from persist.errors import UntrustedError

__all__: list[str] = []

_WORD = 64  # bytes that an element may take, as an object


class _Zones:
    """The time zones among the objects that trusted classes have made."""

    def __init__(self, made: Made) -> None:
        self._made = made

    def __contains__(self, obj: object) -> bool:
        return isinstance(obj, datetime.tzinfo) and obj in self._made


def _pandas(dotted: str) -> Handler:
    """Return a handler that calls a name of pandas with data only."""

    def handler(call: Call) -> Any:
        import pandas

        values = [*call.args, *call.kwargs.values()]
        check_data(*values, other=_Zones(call.made))
        _charge(values, call)
        found: Any = pandas
        for part in dotted.split("."):
            found = getattr(found, part)
        return found(*call.args, **call.kwargs)

    return handler


def _charge(values: list[Any], call: Call) -> None:
    """Take memory for all that is made of the arguments: pandas repeats what is shorter."""
    rows = columns = 0
    for value in values:
        if type(value) in (list, tuple):
            call.budget.take(_WORD * expanded(value, call.budget)[0])
        if type(value) is dict:
            columns = max(columns, len(value))
            rows = max(rows, *(_length(part) for part in value.values()), 0)
        else:
            rows = max(rows, _length(value))
    call.budget.take(_WORD * rows * max(columns, 1))


def _length(value: Any) -> int:
    if type(value) in (str, bytes) or not hasattr(type(value), "__len__"):
        return 1
    try:
        return len(value)
    except (OverflowError, TypeError):
        raise UntrustedError("not enough memory for so many rows") from None


def _zone(call: Call) -> Any:
    pytz: Any = importlib.import_module("pytz")
    (name,) = call.args
    if type(name) is not str or name not in pytz.all_timezones_set:
        raise UntrustedError("a time zone of pytz has a name such as Europe/Paris")
    return pytz.timezone(name)


def _offset(name: str) -> Handler:
    def handler(call: Call) -> Any:
        from pandas.tseries import offsets

        check_data(*call.args, *call.kwargs.values())
        cls = getattr(offsets, name, None)
        if not (isinstance(cls, type) and issubclass(cls, offsets.BaseOffset)):
            raise UntrustedError(f"pandas has no offset {name}")
        return cls(*call.args, **call.kwargs)

    return handler


def _method(name: str, *keywords: str) -> Any:
    """Return a method of objects of pandas that is called with data."""

    def method(obj: Any, call: Call) -> Any:
        if set(call.kwargs) - set(keywords):
            raise UntrustedError(f"{name} is read with other arguments")
        check_data(*call.args, *call.kwargs.values(), other=_Zones(call.made))
        return getattr(obj, name)(*call.args, **call.kwargs)

    return method


def _setter(name: str) -> Any:
    def setter(obj: Any, value: Any) -> None:
        if name != "attrs":
            check_data(value)
        elif type(value) is not dict:
            raise UntrustedError("the attributes of a frame are a dict")
        setattr(obj, name, value)

    return setter


def _public(name: str, *modules: str) -> list[str]:
    """Return the dotted names of a class in pandas 3, and in the modules of pandas 2."""
    return [f"pandas.{name}", f"pandas.arrays.{name}", *(f"pandas.{m}.{name}" for m in modules)]


for _name in (
    *("Timestamp", "Timedelta", "Period", "Interval", "Series", "DataFrame", "Index"),
    *("RangeIndex", "MultiIndex", "DatetimeIndex", "TimedeltaIndex", "PeriodIndex"),
    *("IntervalIndex", "CategoricalIndex", "Categorical", "array", "CategoricalDtype"),
    *("IntervalDtype", "SparseDtype", "DatetimeTZDtype", "PeriodDtype", "StringDtype"),
    *("BooleanDtype", "Int8Dtype", "Int16Dtype", "Int32Dtype", "Int64Dtype", "UInt8Dtype"),
    *("UInt16Dtype", "UInt32Dtype", "UInt64Dtype", "Float32Dtype", "Float64Dtype"),
    *("Categorical.from_codes", "IntervalIndex.from_arrays"),
    *("arrays.IntervalArray.from_arrays", "arrays.PeriodArray", "arrays.SparseArray"),
    *("arrays.IntegerArray", "arrays.FloatingArray", "arrays.BooleanArray"),
    *("arrays.NumpyExtensionArray", "arrays.PandasArray", "arrays.ArrowExtensionArray"),
    *("ArrowDtype", "core.dtypes.dtypes.NumpyEADtype", "core.dtypes.dtypes.PandasDtype"),
):
    ENTRIES[f"pandas.{_name}"] = Entry(
        _pandas(_name), is_value=_name != "array" and "from_" not in _name
    )
for _name in ("NA", "NaT"):
    ENTRIES[f"pandas.{_name}"] = Entry()
# pandas 2 makes its zones with it.
ENTRIES["pytz.timezone"] = Entry(_zone, is_value=False)
ENTRIES["pytz.utc"] = Entry()
for _name in (
    *("BDay", "BMonthBegin", "BMonthEnd", "BQuarterBegin", "BQuarterEnd", "BYearBegin"),
    *("BYearEnd", "BusinessDay", "BusinessHour", "BusinessMonthBegin", "BusinessMonthEnd"),
    *("CBMonthBegin", "CBMonthEnd", "CDay", "CustomBusinessDay", "CustomBusinessHour"),
    *("CustomBusinessMonthBegin", "CustomBusinessMonthEnd", "DateOffset", "Day", "Easter"),
    *("FY5253", "FY5253Quarter", "Hour", "LastWeekOfMonth", "Micro", "Milli", "Minute"),
    *("MonthBegin", "MonthEnd", "Nano", "QuarterBegin", "QuarterEnd", "Second"),
    *("SemiMonthBegin", "SemiMonthEnd", "Tick", "Week", "WeekOfMonth", "YearBegin", "YearEnd"),
    *("HalfYearBegin", "HalfYearEnd", "BHalfYearBegin", "BHalfYearEnd"),
):
    ENTRIES[f"pandas.tseries.offsets.{_name}"] = Entry(_offset(_name))

for _dotted in _public("Timestamp", "_libs.tslibs.timestamps"):
    METHODS[_dotted, "tz_convert"] = _method("tz_convert")
    METHODS[_dotted, "as_unit"] = _method("as_unit")
for _dotted in _public("Timedelta", "_libs.tslibs.timedeltas"):
    METHODS[_dotted, "as_unit"] = _method("as_unit")
_INDEXES = {
    "DatetimeIndex": "core.indexes.datetimes",
    "TimedeltaIndex": "core.indexes.timedeltas",
    "RangeIndex": "core.indexes.range",
    "Index": "core.indexes.base",
    "PeriodIndex": "core.indexes.period",
}
for _name, _module in _INDEXES.items():
    for _dotted in _public(_name, _module):
        METHODS[_dotted, "tz_convert"] = _method("tz_convert")
        ATTRIBUTES[_dotted, "array"] = lambda index: index.array
        SETTERS[_dotted, "freq"] = _setter("freq")
        SETTERS[_dotted, "name"] = _setter("name")
for _name, _module in {"Series": "core.series", "DataFrame": "core.frame"}.items():
    for _dotted in _public(_name, _module):
        METHODS[_dotted, "set_flags"] = _method("set_flags", "allows_duplicate_labels")
        for _attribute in ("attrs", "columns", "index", "name"):
            SETTERS[_dotted, _attribute] = _setter(_attribute)
