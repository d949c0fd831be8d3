"""Series and data frames of pandas: a column is an array, in a dict where its names allow."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.reduction import Attribute, Reduced, Reduction
from persist.archive.registry import rule
from persist.archive.rules.pandas_names import call, copied, spellings

__all__: list[str] = []


@rule(*spellings("core.series", "Series"))
def reduce_series(series: Any) -> Reduced:
    """Reduce a series to its values, its index and its name."""
    values = _values(series)
    dtype = "object" if series.dtype == object else None
    index = None if _is_default(series.index) else series.index
    made = call("Series", values, index=index, dtype=dtype, name=series.name)
    return _with_flags(series, made)


@rule(*spellings("core.frame", "DataFrame"))
def reduce_frame(frame: Any) -> Reduced:
    """Reduce a data frame to its columns, its index and its attributes."""
    plain = _are_names(frame.columns)
    names = list(frame.columns) if plain else range(frame.shape[1])
    columns = {name: _column(frame, i) for i, name in enumerate(names)}
    index = None if columns and _is_default(frame.index) else frame.index
    made = call("DataFrame", columns, index=index)
    slots = {} if plain and columns else {"columns": frame.columns}
    return _with_flags(frame, made, **slots)


def _with_flags(obj: Any, made: Reduction, **slots: Any) -> Reduced:
    if not obj.flags.allows_duplicate_labels:
        made = Reduction(
            Attribute(Reduction(made.function, made.args, made.kwargs, slots=slots), "set_flags"),
            kwargs={"allows_duplicate_labels": False},
        )
        slots = {}
    if obj.attrs:
        slots["attrs"] = obj.attrs
    return Reduction(made.function, made.args, made.kwargs, slots=slots or None)


def _is_default(index: Any) -> bool:
    return (
        type(index).__name__ == "RangeIndex"
        and index.name is None
        and (index.start, index.step) == (0, 1)
    )


def _are_names(columns: Any) -> bool:
    """Tell whether a dict with these keys gives these columns."""
    from pandas import Index

    names = list(columns)
    return (
        type(columns) is Index
        and columns.name is None
        and columns.is_unique
        and all(type(name) is str for name in names)
        and repr(Index(names).dtype) == repr(columns.dtype)
    )


def _column(frame: Any, i: int) -> Any:
    """Return what stands for a column, so that pandas 3 takes no text for its dtype of text."""
    from pandas.api.types import infer_dtype

    series = frame.iloc[:, i]
    values = _values(series)
    if series.dtype == object and infer_dtype(values, skipna=True) in ("string", "empty"):
        index = None if _is_default(frame.index) else frame.index
        return call("Series", values, index=index, dtype="object")
    return values


def _values(series: Any) -> Any:
    return copied(series.to_numpy()) if isinstance(series.dtype, numpy.dtype) else series.array
