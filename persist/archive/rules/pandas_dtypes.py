"""Extension dtypes of pandas."""

from __future__ import annotations

from typing import Any

from persist.archive.reduction import Reduced
from persist.archive.registry import rule
from persist.archive.rules.pandas_names import call, spellings

__all__ = ["text_dtype"]


@rule(*spellings("core.dtypes.dtypes", "CategoricalDtype"))
def reduce_categorical_dtype(dtype: Any) -> Reduced:
    """Reduce a dtype of categories to these and to whether they are in order."""
    return call("CategoricalDtype", dtype.categories, ordered=dtype.ordered)


@rule(*spellings("core.dtypes.dtypes", "IntervalDtype"))
def reduce_interval_dtype(dtype: Any) -> Reduced:
    """Reduce a dtype of intervals to that of their ends."""
    return call("IntervalDtype", dtype.subtype, closed=dtype.closed)


@rule(*spellings("core.dtypes.dtypes", "SparseDtype"))
def reduce_sparse_dtype(dtype: Any) -> Reduced:
    """Reduce a sparse dtype to that of its values and the value that is left out."""
    return call("SparseDtype", dtype.subtype, fill_value=dtype.fill_value)


@rule(*spellings("core.dtypes.dtypes", "DatetimeTZDtype"))
def reduce_zoned_dtype(dtype: Any) -> Reduced:
    """Reduce a dtype of times to their unit and time zone."""
    return call("DatetimeTZDtype", dtype.unit, dtype.tz)


@rule(*spellings("core.dtypes.dtypes", "PeriodDtype"))
def reduce_period_dtype(dtype: Any) -> Reduced:
    """Reduce a dtype of periods to their frequency."""
    return call("PeriodDtype", dtype.name[len("period[") : -1])


@rule(*spellings("core.dtypes.dtypes", "ArrowDtype"))
def reduce_arrow_dtype(dtype: Any) -> Reduced:
    """Reduce a dtype of Arrow to the type there."""
    return call("ArrowDtype", dtype.pyarrow_dtype)


@rule(*spellings("core.arrays.string_", "StringDtype"))
def reduce_string_dtype(dtype: Any) -> Reduced:
    """Reduce a dtype of text to how it is stored and what is missing in it."""
    na_value = dtype.na_value if isinstance(dtype.na_value, float) else None
    return call("StringDtype", dtype.storage, na_value=na_value)


def text_dtype(dtype: Any) -> Any:
    """Return the short name of a dtype of text that means it here, else the dtype."""
    from pandas.api.types import pandas_dtype

    for name in ("str", "string"):
        named = pandas_dtype(name)
        if type(named) is type(dtype) and repr(named) == repr(dtype):
            return name
    return dtype
