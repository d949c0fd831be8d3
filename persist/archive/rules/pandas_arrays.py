"""Extension arrays of pandas, by public constructors."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Attribute, Import, Reduced, Reduction
from persist.archive.registry import rule
from persist.archive.rules.pandas_dtypes import text_dtype
from persist.archive.rules.pandas_names import call, copied, spellings
from persist.archive.rules.zones import whole_zone

__all__ = ["moments", "period_texts"]

_ARRAYS = "pandas.arrays"
_READABLE = 1000


def _spellings(module: str, *names: str) -> list[str]:
    return spellings(f"core.arrays.{module}", *names, public=_ARRAYS)


@rule(
    *_spellings("integer", "IntegerArray"),
    *_spellings("floating", "FloatingArray"),
    *_spellings("boolean", "BooleanArray"),
)
def reduce_masked(array: Any) -> Reduced:
    """Reduce an array with missing values to its values and its mask."""
    return call(f"arrays.{type(array).__name__}", copied(array._data), copied(array._mask))


@rule(*spellings("core.arrays.categorical", "Categorical"))
def reduce_categorical(array: Any) -> Reduced:
    """Reduce an array of categories to codes and what they stand for."""
    function = Attribute(Import("pandas", "Categorical"), "from_codes")
    kwargs = {"categories": array.categories}
    if array.ordered:
        kwargs["ordered"] = True
    return Reduction(function, (copied(array.codes),), kwargs)


@rule(*_spellings("datetimes", "DatetimeArray"), *_spellings("timedeltas", "TimedeltaArray"))
def reduce_moments(array: Any) -> Reduced:
    """Reduce an array of times to that of an index of them."""
    return Attribute(moments(array, freq=getattr(array, "freq", None)), "array")


def moments(array: Any, *, freq: Any = None, name: Any = None) -> Reduction:
    """Return the reduction of an index of times or spans of time.

    Parameters
    ----------
    array : DatetimeArray, TimedeltaArray or an index of these
        The times.
    freq : DateOffset, optional
        The step between them.
    name : object, optional
        The name of the index.
    """
    kind = "TimedeltaIndex" if array.dtype.kind == "m" else "DatetimeIndex"
    values = copied(array.to_numpy(dtype=f"{array.dtype.kind}8[{array.unit}]"))
    if getattr(array, "tz", None) is None:
        return call(kind, values, freq=freq, name=name)
    slots = {key: value for key, value in (("freq", freq), ("name", name)) if value is not None}
    zoned = Attribute(call(kind, values, tz="UTC"), "tz_convert")
    return Reduction(zoned, (whole_zone(array.tz),), slots=slots or None)


@rule(*_spellings("period", "PeriodArray"))
def reduce_periods(array: Any) -> Reduced:
    """Reduce an array of periods to their texts, or to their numbers since 1970."""
    texts = period_texts(array)
    if texts is None:
        return call("arrays.PeriodArray", copied(array.asi8), dtype=array.dtype)
    return call("array", texts, dtype=array.dtype)


def period_texts(array: Any) -> list[Any] | None:
    """Return the texts of not too many periods, where they lead back to these; else None."""
    from pandas import array as make
    from pandas import isna

    if len(array) > _READABLE:
        return None
    texts = [None if isna(period) else str(period) for period in array]
    try:
        made = make(texts, dtype=array.dtype)
    except ValueError:
        return None
    return texts if numpy.array_equal(made.asi8, array.asi8) else None


@rule(*_spellings("interval", "IntervalArray"))
def reduce_intervals(array: Any) -> Reduced:
    """Reduce an array of intervals to their ends."""
    function = Attribute(Import(_ARRAYS, "IntervalArray"), "from_arrays")
    return Reduction(function, (array.left, array.right), {"closed": array.closed})


@rule(*_spellings("sparse.array", "SparseArray"))
def reduce_sparse(array: Any) -> Reduced:
    """Reduce a sparse array to all its values, and the one that is left out."""
    values = copied(array.to_dense())
    return call("arrays.SparseArray", values, fill_value=array.fill_value, kind=array.kind)


@rule(
    *_spellings("string_", "StringArray", "StringArrayNumpySemantics"),
    *_spellings("string_arrow", "ArrowStringArray", "ArrowStringArrayNumpySemantics"),
)
def reduce_texts(array: Any) -> Reduced:
    """Reduce an array of texts to a list of them."""
    return call("array", array.tolist(), dtype=text_dtype(array.dtype))


@rule(*_spellings("arrow.array", "ArrowExtensionArray"))
def reduce_arrow(array: Any) -> Reduced:
    """Reduce an array of Arrow to that."""
    return call("arrays.ArrowExtensionArray", array.__arrow_array__())


@rule(*_spellings("numpy_", "NumpyExtensionArray", "PandasArray"))
def reduce_numpy(array: Any) -> Reduced:
    """Reduce an array of numpy in the clothes of pandas to that."""
    return call(f"arrays.{type(array).__name__}", copied(array.to_numpy()))


@rule("pyarrow.lib.Array", subclasses=True)
def reduce_arrow_array(array: Any) -> Reduced:
    """Reduce an array of Arrow to a list of its values, and their type."""
    import pyarrow

    values = array.to_pylist()
    try:
        exact = pyarrow.array(values, type=array.type).equals(array)
    except pyarrow.ArrowException:
        exact = False
    if not exact:
        return reduce_by_protocol(array)
    return Reduction(Import("pyarrow", "array"), (values,), {"type": array.type})


@rule("pyarrow.lib.ChunkedArray")
def reduce_chunks(array: Any) -> Reduced:
    """Reduce an array of Arrow in chunks to these."""
    return Reduction(Import("pyarrow", "chunked_array"), (array.chunks,), {"type": array.type})
