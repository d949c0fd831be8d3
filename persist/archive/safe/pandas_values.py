"""Scalars, arrays, indexes, series and frames of pandas, by constructors that check what they get.

Only public constructors are called, and with data alone: pandas asks other objects for attributes.
"""

from __future__ import annotations

import importlib
from typing import Any

from persist.archive.safe.checks import check_data, expanded, length_of
from persist.archive.safe.table import (
    ATTRIBUTES,
    ENTRIES,
    SETTERS,
    Entry,
    Handler,
    Load,
    add_plain,
    add_values,
    data_setter,
    entry,
    method,
    plain,
    resolved,
)
from persist.errors import UntrustedError

__all__: list[str] = []

_WORD = 64  # bytes that an element may take, as an object


def _charge(values: list[Any], load: Load) -> None:
    """Take memory for all that is made of the arguments: pandas repeats what is shorter."""
    rows = columns = 0
    for value in values:
        if type(value) in (list, tuple):
            load.budget.take(_WORD * expanded(value, load.budget)[0])
        if type(value) is dict:
            columns = max(columns, len(value))
            rows = max(rows, *(_length(part) for part in value.values()), 0)
        else:
            rows = max(rows, _length(value))
    load.budget.take(_WORD * rows * max(columns, 1))


def _length(value: Any) -> int:
    is_one = type(value) in (str, bytes) or not hasattr(type(value), "__len__")
    return 1 if is_one else length_of(value)


@entry("pytz.timezone", is_value=False)  # pandas 2 makes its zones with it.
def _zone(load: Load, name: Any, /) -> Any:
    pytz: Any = importlib.import_module("pytz")
    if type(name) is not str or name not in pytz.all_timezones_set:
        raise UntrustedError("a time zone of pytz has a name such as Europe/Paris")
    return pytz.timezone(name)


def _initializer(name: str) -> Handler:
    """Return a handler that fills an object of a trusted class derived from one of pandas."""

    def handler(load: Load, obj: Any, values: Any, /) -> None:
        cls = resolved(f"pandas:{name}")
        if not load.has_made(obj) or not isinstance(obj, cls) or type(values) is not cls:
            raise UntrustedError(
                f"{name}.__init__ takes an object of a trusted class, and a {name}"
            )
        cls.__init__(obj, values)

    return handler


for _name in ("DataFrame", "Series"):
    ENTRIES[f"pandas.{_name}.__init__"] = Entry(_initializer(_name), is_value=False)


def _method(name: str, *keywords: str) -> Handler:
    def handler(load: Load, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        if set(kwargs) - set(keywords):
            raise UntrustedError(f"{name} is read with other arguments")
        check_data(*args, *kwargs.values(), trusted=True)
        return getattr(obj, name)(*args, **kwargs)

    return handler


def _set_attrs(frame: Any, value: Any) -> None:
    if type(value) is not dict:
        raise UntrustedError("the attributes of a frame are a dict")
    frame.attrs = value


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
        plain(f"pandas:{_name}", charge=_charge), is_value=_name != "array" and "from_" not in _name
    )
add_values("pandas", "NA", "NaT")
add_values("pytz", "utc")
add_plain(
    "pandas.tseries.offsets",
    *("BDay", "BMonthBegin", "BMonthEnd", "BQuarterBegin", "BQuarterEnd", "BYearBegin"),
    *("BYearEnd", "BusinessDay", "BusinessHour", "BusinessMonthBegin", "BusinessMonthEnd"),
    *("CBMonthBegin", "CBMonthEnd", "CDay", "CustomBusinessDay", "CustomBusinessHour"),
    *("CustomBusinessMonthBegin", "CustomBusinessMonthEnd", "DateOffset", "Day", "Easter"),
    *("FY5253", "FY5253Quarter", "Hour", "LastWeekOfMonth", "Micro", "Milli", "Minute"),
    *("MonthBegin", "MonthEnd", "Nano", "QuarterBegin", "QuarterEnd", "Second"),
    *("SemiMonthBegin", "SemiMonthEnd", "Tick", "Week", "WeekOfMonth", "YearBegin", "YearEnd"),
    *("HalfYearBegin", "HalfYearEnd", "BHalfYearBegin", "BHalfYearEnd"),
)

_CLASSES = {
    "Timestamp": ("_libs.tslibs.timestamps", ["tz_convert", "as_unit"], []),
    "Timedelta": ("_libs.tslibs.timedeltas", ["as_unit"], []),
    **{
        name: (f"core.indexes.{module}", ["tz_convert"], ["freq", "name"])
        for name, module in {
            "DatetimeIndex": "datetimes",
            "TimedeltaIndex": "timedeltas",
            "RangeIndex": "range",
            "Index": "base",
            "PeriodIndex": "period",
        }.items()
    },
    "Series": ("core.series", ["set_flags"], ["attrs", "columns", "index", "name"]),
    "DataFrame": ("core.frame", ["set_flags"], ["attrs", "columns", "index", "name"]),
}
"""The modules of classes in pandas 2, their methods, and their attributes that are set."""

for _name, (_module, _methods, _attributes) in _CLASSES.items():
    # pandas 3 names the public places.
    for _dotted in (f"pandas.{_name}", f"pandas.arrays.{_name}", f"pandas.{_module}.{_name}"):
        for _called in _methods:
            keywords = ("allows_duplicate_labels",) if _called == "set_flags" else ()
            method(_called, _dotted)(_method(_called, *keywords))
        for _attribute in _attributes:
            setter = _set_attrs if _attribute == "attrs" else data_setter(_attribute)
            SETTERS[_dotted, _attribute] = setter
        if _module.startswith("core.indexes."):
            ATTRIBUTES[_dotted, "array"] = lambda index: index.array
