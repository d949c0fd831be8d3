"""Scalars, dtypes, arrays, indexes, series and frames of pandas, by public constructors."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy

from persist.archive.protocol import has_same, reduce_by_protocol
from persist.archive.reduction import Attribute, Import, Reduced, Reduction
from persist.archive.registry import constant, rule
from persist.archive.rules import call_of, made_by

__all__ = ["reduce_frame", "reduce_series"]


def _spellings(module: str, *names: str, public: str = "pandas") -> list[str]:
    """Return the dotted names of classes in pandas 3, and in the `module` of pandas 2."""
    return [f"{prefix}.{name}" for name in names for prefix in (public, f"pandas.{module}")]


def _call(name: str, /, *args: Any, **kwargs: Any) -> Reduction:
    """Return a call of what pandas offers as `name`, without keywords that are None."""
    call = call_of("pandas", name, *args, **kwargs)
    call.copies = True
    return call


def _copied(values: Any) -> numpy.ndarray[Any, Any]:
    """Return a plain array of its own: pandas returns read-only views of blocks of columns."""
    return numpy.array(values, copy=True, order="C")


@rule("pytz.UTC", "pytz.tzinfo.DstTzInfo", "pytz.tzinfo.StaticTzInfo", subclasses=True)
def reduce_zone(zone: Any) -> Reduced:
    """Reduce a time zone to its name; one that stands for a single offset by its protocol."""
    pytz: Any = sys.modules["pytz"]
    if zone is pytz.utc:
        return Import("pytz", "utc")
    if _whole_zone(zone) is not zone:
        return reduce_by_protocol(zone)
    return Reduction(Import("pytz", "timezone"), (zone.zone,))


def _whole_zone(zone: Any) -> Any:
    """Return the zone that `zone` is one offset of: pytz has an object for each of them."""
    if not type(zone).__module__.startswith("pytz") or not getattr(zone, "zone", None):
        return zone
    return sys.modules["pytz"].timezone(zone.zone)


_TYPING = "pandas.api.typing"
constant("pandas", "NA", *_spellings("_libs.missing", "NAType", public=_TYPING))
constant("pandas", "NaT", *_spellings("_libs.tslibs.nattype", "NaTType", public=_TYPING))


@rule(*_spellings("_libs.tslibs.timestamps", "Timestamp"))
def reduce_timestamp(moment: Any) -> Reduced:
    """Reduce a time to its text, its unit and its time zone."""
    for shown in (moment, moment if moment.tz is None else moment.tz_convert("UTC")):
        reduced, made = _in_unit("Timestamp", shown.isoformat(), moment)
        if made is not None and made.asm8 == moment.asm8:
            break
    else:
        reduced = _call(
            "Timestamp", moment.value, unit="ns", tz=None if moment.tz is None else "UTC"
        )
    if moment.tz is None:
        return reduced
    return Reduction(Attribute(reduced, "tz_convert"), (_whole_zone(moment.tz),))


@rule(*_spellings("_libs.tslibs.timedeltas", "Timedelta"))
def reduce_timedelta(span: Any) -> Reduced:
    """Reduce a span of time to its text and its unit."""
    reduced, made = _in_unit("Timedelta", str(span), span)
    if made is not None and made.asm8 == span.asm8:
        return reduced
    return _call("Timedelta", span.asm8)


def _in_unit(name: str, text: str, obj: Any) -> tuple[Reduction, Any]:
    """Return the reduction of the text to the unit of `obj`, and what it makes, or None."""
    reduced = _call(name, text)
    try:
        made = type(obj)(text)
        unit = getattr(obj, "unit", None)
        if unit != getattr(made, "unit", None):
            reduced, made = Reduction(Attribute(reduced, "as_unit"), (unit,)), made.as_unit(unit)
    except ValueError:
        return reduced, None
    return reduced, made


@rule(*_spellings("_libs.tslibs.period", "Period"))
def reduce_period(period: Any) -> Reduced:
    """Reduce a period to its text and its frequency."""
    if made_by(type(period), str(period), freq=period.freqstr) == period:
        return _call("Period", str(period), freq=period.freqstr)
    return _call("Period", ordinal=period.ordinal, freq=period.freqstr)


@rule("pandas._libs.tslibs.offsets.BaseOffset", subclasses=True)
def reduce_offset(offset: Any) -> Reduced:
    """Reduce an offset of dates to its count and its settings."""
    from pandas.tseries import offsets

    cls = type(offset)
    if getattr(offsets, cls.__name__, None) is not cls:
        return reduce_by_protocol(offset)
    # pandas keeps them in the order of a set.
    kwds = sorted(offset.kwds.items())
    kwargs = {name: value for name, value in kwds if value or value == 0}
    if kwargs.get("weekmask"):
        kwargs.pop("calendar", None)
    if offset.normalize:
        kwargs["normalize"] = True
    args = () if offset.n == 1 else (offset.n,)
    if cls(*args, **kwargs) != offset:
        return reduce_by_protocol(offset)
    return Reduction(Import("pandas.tseries.offsets", cls.__name__), args, kwargs)


def _by_attributes(names: list[str], *args: str, **kwargs: str) -> None:
    """Register classes whose constructor takes these attributes, and no more is to be kept."""

    @rule(*names)
    def reduce_to_attributes(obj: Any) -> Reduced:
        given = {key: getattr(obj, name) for key, name in kwargs.items()}
        return _call(type(obj).__name__, *(getattr(obj, name) for name in args), **given)


_DTYPES = "core.dtypes.dtypes"
_by_attributes(_spellings(_DTYPES, "CategoricalDtype"), "categories", ordered="ordered")
_by_attributes(_spellings(_DTYPES, "IntervalDtype"), "subtype", closed="closed")
_by_attributes(_spellings(_DTYPES, "SparseDtype"), "subtype", fill_value="fill_value")
_by_attributes(_spellings(_DTYPES, "DatetimeTZDtype"), "unit", "tz")
_by_attributes(_spellings(_DTYPES, "ArrowDtype"), "pyarrow_dtype")
_by_attributes(_spellings("core.indexes.range", "RangeIndex"), "start", "stop", "step", name="name")
_by_attributes(_spellings("core.indexes.category", "CategoricalIndex"), "array", name="name")
# What dtypes with missing values have cached is no part of them.
_by_attributes(_spellings("core.arrays.boolean", "BooleanDtype"))
_by_attributes(_spellings("core.arrays.floating", "Float32Dtype", "Float64Dtype"))
for _kind in ("Int", "UInt"):
    _sized = [f"{_kind}{bits}Dtype" for bits in (8, 16, 32, 64)]
    _by_attributes(_spellings("core.arrays.integer", *_sized))


@rule(*_spellings("core.dtypes.dtypes", "NumpyEADtype", "PandasDtype"))
def reduce_numpy_dtype(dtype: Any) -> Reduced:
    """Reduce the dtype of an array of numpy in pandas to that of numpy."""
    return Reduction(type(dtype), (dtype.numpy_dtype,))


@rule(*_spellings("core.arrays.string_", "StringDtype"))
def reduce_string_dtype(dtype: Any) -> Reduced:
    """Reduce a dtype of text to how it is stored and what is missing in it."""
    na_value = dtype.na_value if isinstance(dtype.na_value, float) else None
    return _call("StringDtype", dtype.storage, na_value=na_value)


def _text_dtype(dtype: Any) -> Any:
    """Return the short name of a dtype of text that means it here, else the dtype."""
    from pandas.api.types import pandas_dtype

    for name in ("str", "string"):
        named = pandas_dtype(name)
        if type(named) is type(dtype) and repr(named) == repr(dtype):
            return name
    return dtype


_ARRAYS = "pandas.arrays"
_READABLE = 1000


def _arrays(module: str, *names: str) -> list[str]:
    return _spellings(f"core.arrays.{module}", *names, public=_ARRAYS)


@rule(
    *_arrays("integer", "IntegerArray"),
    *_arrays("floating", "FloatingArray"),
    *_arrays("boolean", "BooleanArray"),
)
def reduce_masked(array: Any) -> Reduced:
    """Reduce an array with missing values to its values and its mask."""
    return _call(f"arrays.{type(array).__name__}", _copied(array._data), _copied(array._mask))


@rule(*_spellings("core.arrays.categorical", "Categorical"))
def reduce_categorical(array: Any) -> Reduced:
    """Reduce an array of categories to codes and what they stand for."""
    function = Attribute(Import("pandas", "Categorical"), "from_codes")
    kwargs = {"categories": array.categories}
    if array.ordered:
        kwargs["ordered"] = True
    return Reduction(function, (_copied(array.codes),), kwargs)


@rule(
    *_arrays("datetimes", "DatetimeArray"),
    *_arrays("timedeltas", "TimedeltaArray"),
)
def reduce_moments(array: Any) -> Reduced:
    """Reduce an array of times to that of an index of them."""
    return Attribute(_moments(array, freq=getattr(array, "freq", None)), "array")


def _moments(array: Any, *, freq: Any = None, name: Any = None) -> Reduction:
    """Return the reduction of an index of the times or spans in an array or index."""
    kind = "TimedeltaIndex" if array.dtype.kind == "m" else "DatetimeIndex"
    values = _copied(array.to_numpy(dtype=f"{array.dtype.kind}8[{array.unit}]"))
    if getattr(array, "tz", None) is None:
        return _call(kind, values, freq=freq, name=name)
    slots = {key: value for key, value in (("freq", freq), ("name", name)) if value is not None}
    zoned = Attribute(_call(kind, values, tz="UTC"), "tz_convert")
    return Reduction(zoned, (_whole_zone(array.tz),), slots=slots or None)


@rule(*_arrays("period", "PeriodArray"), *_spellings("core.indexes.period", "PeriodIndex"))
def reduce_periods(periods: Any) -> Reduced:
    """Reduce an array or index of periods to their texts, or to their numbers since 1970."""
    texts, is_index = _period_texts(periods), type(periods).__name__ == "PeriodIndex"
    name = periods.name if is_index else None
    if texts is not None:
        return _call("PeriodIndex" if is_index else "array", texts, dtype=periods.dtype, name=name)
    if is_index:
        return _call("PeriodIndex", periods.array, name=name)
    return _call("arrays.PeriodArray", _copied(periods.asi8), dtype=periods.dtype)


def _period_texts(array: Any) -> list[Any] | None:
    """Return the texts of not too many periods, where they lead back to these; else None."""
    from pandas import array as make
    from pandas import isna

    if len(array) > _READABLE:
        return None
    texts = [None if isna(period) else str(period) for period in array]
    made = made_by(make, texts, dtype=array.dtype)
    is_same = made is not None and numpy.array_equal(made.asi8, array.asi8)
    return texts if is_same else None


@rule(*_arrays("interval", "IntervalArray"))
@rule(*_spellings("core.indexes.interval", "IntervalIndex"))
def reduce_intervals(intervals: Any) -> Reduced:
    """Reduce an array or index of intervals to their ends."""
    kind, name = type(intervals).__name__, getattr(intervals, "name", None)
    cls = Import("pandas" if kind == "IntervalIndex" else "pandas.arrays", kind)
    kwargs = {"closed": intervals.closed} | ({} if name is None else {"name": name})
    return Reduction(Attribute(cls, "from_arrays"), (intervals.left, intervals.right), kwargs)


@rule(*_arrays("sparse.array", "SparseArray"))
def reduce_sparse(array: Any) -> Reduced:
    """Reduce a sparse array to all its values, and the one that is left out."""
    values = _copied(array.to_dense())
    return _call("arrays.SparseArray", values, fill_value=array.fill_value, kind=array.kind)


@rule(
    *_arrays("string_", "StringArray", "StringArrayNumpySemantics"),
    *_arrays("string_arrow", "ArrowStringArray", "ArrowStringArrayNumpySemantics"),
)
def reduce_texts(array: Any) -> Reduced:
    """Reduce an array of texts to a list of them."""
    return _call("array", array.tolist(), dtype=_text_dtype(array.dtype))


@rule(*_arrays("arrow.array", "ArrowExtensionArray"))
def reduce_arrow(array: Any) -> Reduced:
    """Reduce an array of Arrow to that."""
    return _call("arrays.ArrowExtensionArray", array.__arrow_array__())


@rule(*_arrays("numpy_", "NumpyExtensionArray", "PandasArray"))
def reduce_numpy(array: Any) -> Reduced:
    """Reduce an array of numpy in the clothes of pandas to that."""
    return _call(f"arrays.{type(array).__name__}", _copied(array.to_numpy()))


@rule(*_spellings("core.indexes.base", "Index"))
def reduce_index(index: Any) -> Reduced:
    """Reduce an index to its values, its name and its dtype."""
    array = index.array
    if type(array).__name__ in ("ArrowStringArray", "StringArray") or index.dtype == "string":
        return _call("Index", array.tolist(), dtype=_text_dtype(index.dtype), name=index.name)
    if not isinstance(index.dtype, numpy.dtype):
        return _call("Index", array, name=index.name)
    kwargs: dict[str, Any] = {"name": index.name}
    values = _copied(index.to_numpy())
    if index.dtype == object:
        kwargs["dtype"] = "object"
        if any(type(value) is tuple for value in values):
            kwargs["tupleize_cols"] = False
    return _call("Index", values, **kwargs)


@rule(*_spellings("core.indexes.multi", "MultiIndex"))
def reduce_multi_index(index: Any) -> Reduced:
    """Reduce an index of several levels to these and the codes that choose from them."""
    levels = [level.rename(None) for level in index.levels]
    names = list(index.names)
    return _call(
        "MultiIndex",
        levels=levels,
        codes=[_copied(codes) for codes in index.codes],
        names=names if any(name is not None for name in names) else None,
        sortorder=index.sortorder,
    )


@rule(
    *_spellings("core.indexes.datetimes", "DatetimeIndex"),
    *_spellings("core.indexes.timedeltas", "TimedeltaIndex"),
)
def reduce_times(index: Any) -> Reduced:
    """Reduce an index of times to these, their time zone and their step."""
    return _moments(index, freq=index.freq, name=index.name)


@rule(*_spellings("core.series", "Series"))
def reduce_series(series: Any) -> Reduced:
    """Reduce a series to its values, its index and its name."""
    values = _values(series)
    dtype = "object" if series.dtype == object else None
    index = None if _is_default(series.index) else series.index
    made = _call("Series", values, index=index, dtype=dtype, name=series.name)
    return _with_flags(series, made)


@rule(*_spellings("core.frame", "DataFrame"))
def reduce_frame(frame: Any) -> Reduced:
    """Reduce a data frame to its columns, its index and its attributes."""
    names = _names(frame.columns)
    keys = range(frame.shape[1]) if names is None else names
    columns = {key: _column(frame, i) for i, key in enumerate(keys)}
    index = None if columns and _is_default(frame.index) else frame.index
    made = _call("DataFrame", columns, index=index)
    slots = {} if names else {"columns": frame.columns}
    return _with_flags(frame, made, **slots)


@rule(*_spellings("core.frame", "DataFrame"), *_spellings("core.series", "Series"), subclasses=True)
def reduce_subclass(obj: Any) -> Reduced:
    """Reduce a frame or series of a subclass to the subclass around a plain one, and metadata."""
    import pandas

    cls: Any = type(obj)
    base: Any = pandas.DataFrame if issubclass(cls, pandas.DataFrame) else pandas.Series
    if not has_same(cls, base, "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__"):
        return reduce_by_protocol(obj)
    plain = base(obj)
    plain.attrs = obj.attrs
    plain = plain.set_flags(allows_duplicate_labels=obj.flags.allows_duplicate_labels)
    # As pickle has it, what the class does not list as metadata is left behind.
    slots = {name: getattr(obj, name, None) for name in obj._metadata if name != "_name"}
    if has_same(cls, base, "__init__", "__new__"):
        made = Reduction(cls, (plain,))
    else:
        # A constructor of the user's own may take anything, and is not run, as with pickle.
        setter = Attribute(base, "__init__")
        made = Reduction(cls, new=True, state=plain, setter=setter)
    if obj.attrs or not obj.flags.allows_duplicate_labels:
        made = Reduction(Attribute(made, "__finalize__"), (plain,))
    if made.setter is not None:
        return replace(made, attributes=slots or None)
    return replace(made, slots=slots or None)


def _with_flags(obj: Any, made: Reduction, **slots: Any) -> Reduced:
    if not obj.flags.allows_duplicate_labels:
        flags = {"allows_duplicate_labels": False}
        made = Reduction(Attribute(replace(made, slots=slots or None), "set_flags"), (), flags)
        slots = {}
    if obj.attrs:
        slots["attrs"] = obj.attrs
    return replace(made, slots=slots or None)


def _is_default(index: Any) -> bool:
    return (
        type(index).__name__ == "RangeIndex"
        and index.name is None
        and (index.start, index.step) == (0, 1)
    )


def _names(columns: Any) -> list[str] | None:
    """Return the keys of a dict that gives these columns, or None if there is none."""
    from pandas import Index

    if type(columns) is not Index or columns.name is not None:
        return None
    names = list(columns)
    if not all(type(name) is str for name in names) or len(set(names)) < len(names):
        return None
    return names if repr(Index(names).dtype) == repr(columns.dtype) else None


def _column(frame: Any, i: int) -> Any:
    """Return the argument for a column: a series where pandas would look for a narrower dtype.

    It makes times, periods, intervals or text of an array of objects, which versions of pandas do
    not do alike.
    """
    series = frame.iloc[:, i]
    values = _values(series)
    if series.dtype != object:
        return values
    index = None if _is_default(frame.index) else frame.index
    return _call("Series", values, index=index, dtype="object")


def _values(series: Any) -> Any:
    return _copied(series.to_numpy()) if isinstance(series.dtype, numpy.dtype) else series.array
