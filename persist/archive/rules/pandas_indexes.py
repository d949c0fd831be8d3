"""Indexes of pandas."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.reduction import Attribute, Import, Reduced, Reduction
from persist.archive.registry import rule
from persist.archive.rules.pandas_arrays import moments, period_texts
from persist.archive.rules.pandas_dtypes import text_dtype
from persist.archive.rules.pandas_names import call, copied, spellings

__all__: list[str] = []


@rule(*spellings("core.indexes.range", "RangeIndex"))
def reduce_range(index: Any) -> Reduced:
    """Reduce an index of equal steps to these."""
    return call("RangeIndex", index.start, index.stop, index.step, name=index.name)


@rule(*spellings("core.indexes.base", "Index"))
def reduce_index(index: Any) -> Reduced:
    """Reduce an index to its values, its name and its dtype."""
    array = index.array
    if type(array).__name__ in ("ArrowStringArray", "StringArray") or index.dtype == "string":
        return call("Index", array.tolist(), dtype=text_dtype(index.dtype), name=index.name)
    if not isinstance(index.dtype, numpy.dtype):
        return call("Index", array, name=index.name)
    kwargs: dict[str, Any] = {"name": index.name}
    values = copied(index.to_numpy())
    if index.dtype == object:
        kwargs["dtype"] = "object"
        if any(type(value) is tuple for value in values):
            kwargs["tupleize_cols"] = False
    return call("Index", values, **kwargs)


@rule(*spellings("core.indexes.multi", "MultiIndex"))
def reduce_multi_index(index: Any) -> Reduced:
    """Reduce an index of several levels to these and the codes that choose from them."""
    levels = [level.rename(None) for level in index.levels]
    names = list(index.names)
    return call(
        "MultiIndex",
        levels=levels,
        codes=[copied(codes) for codes in index.codes],
        names=names if any(name is not None for name in names) else None,
        sortorder=index.sortorder,
    )


@rule(
    *spellings("core.indexes.datetimes", "DatetimeIndex"),
    *spellings("core.indexes.timedeltas", "TimedeltaIndex"),
)
def reduce_times(index: Any) -> Reduced:
    """Reduce an index of times to these, their time zone and their step."""
    return moments(index, freq=index.freq, name=index.name)


@rule(*spellings("core.indexes.period", "PeriodIndex"))
def reduce_periods(index: Any) -> Reduced:
    """Reduce an index of periods to their texts, or to an array of them."""
    texts = period_texts(index.array)
    if texts is None:
        return call("PeriodIndex", index.array, name=index.name)
    return call("PeriodIndex", texts, dtype=index.dtype, name=index.name)


@rule(*spellings("core.indexes.interval", "IntervalIndex"))
def reduce_intervals(index: Any) -> Reduced:
    """Reduce an index of intervals to their ends."""
    kwargs = {"closed": index.closed}
    if index.name is not None:
        kwargs["name"] = index.name
    function = Attribute(Import("pandas", "IntervalIndex"), "from_arrays")
    return Reduction(function, (index.left, index.right), kwargs)


@rule(*spellings("core.indexes.category", "CategoricalIndex"))
def reduce_categories(index: Any) -> Reduced:
    """Reduce an index of categories to an array of them."""
    return call("CategoricalIndex", index.array, name=index.name)
