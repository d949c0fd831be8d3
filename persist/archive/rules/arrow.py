"""Columns of pyarrow and polars: their values as a person would write them, and their types."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Attribute, Data, Import, Reduced, Reduction
from persist.archive.registry import rule
from persist.archive.rules import call_of, made_by

__all__: list[str] = []

# Longer columns of numbers are arrays, which can be kept outside of the source.
_READABLE = 1000

# The functions of pyarrow that are not called as the types which they make.
_FUNCTIONS = {"bool": "bool_", "double": "float64", "float": "float32", "halffloat": "float16"}


_arrow = partial(call_of, "pyarrow")
_polars = partial(call_of, "polars")


@rule("pyarrow.lib.Array", subclasses=True)
def reduce_arrow_array(array: Any) -> Reduced:
    """Reduce an array of Arrow to its values and their type."""
    import pyarrow

    if not type(array).__module__.startswith("pyarrow."):
        return reduce_by_protocol(array)
    kind = array.type
    if len(array) > _READABLE and pyarrow.types.is_primitive(kind) and not array.null_count:
        numbers = made_by(array.to_numpy)
        if numbers is not None and pyarrow.array(numbers, type=kind).equals(array):
            return _arrow("array", numbers.copy(), type=kind)
    if isinstance(array, pyarrow.DictionaryArray):
        function = Attribute(Import("pyarrow", "DictionaryArray"), "from_arrays")
        kwargs = {"ordered": True} if kind.ordered else {}
        return Reduction(function, (array.indices, array.dictionary), kwargs)
    if isinstance(array, pyarrow.UnionArray):
        return _reduce_union(array)
    if isinstance(array, pyarrow.ExtensionArray):
        function = Attribute(Import("pyarrow", "ExtensionArray"), "from_storage")
        return Reduction(function, (kind, array.storage))
    storage = _plainer(kind)
    # ValueError for nanoseconds, deeper in the type.
    values = (array if storage is None else array.cast(storage)).to_pylist()
    made = pyarrow.array(values, type=storage or kind)
    if not _same(made if storage is None else made.cast(kind), array):
        return reduce_by_protocol(array)
    if storage is None:
        return _arrow("array", values, type=kind)
    return Reduction(Attribute(_arrow("array", values, type=storage), "cast"), (kind,))


def _reduce_union(array: Any) -> Reduced:
    """Reduce an array of several types to an array of each, and which value is from which."""
    kind = array.type
    fields = [kind.field(i) for i in range(kind.num_fields)]
    parts = [[array.field(i) for i in range(len(fields))], [field.name for field in fields]]
    dense = [array.offsets] if kind.mode == "dense" else []
    args = (array.type_codes, *dense, *parts, list(kind.type_codes))
    function = f"from_{kind.mode}"
    if not getattr(type(array), function)(*args).equals(array):
        return reduce_by_protocol(array)
    return Reduction(Attribute(Import("pyarrow", "UnionArray"), function), args)


def _plainer(kind: Any) -> Any:
    """Return the type of numbers that times of nanoseconds are, which Python's have no digits for.

    Returns None for types whose values Python has.
    """
    import pyarrow

    temporal = pyarrow.types.is_timestamp(kind) or pyarrow.types.is_duration(kind)
    if temporal and kind.unit == "ns":
        return pyarrow.int64()
    if pyarrow.types.is_time64(kind) and kind.unit == "ns":
        return pyarrow.int64()
    return None


def _same(one: Any, other: Any) -> bool:
    if one.type != other.type or one.equals(other):
        return bool(one.type == other.type)
    # Arrow takes no NaN for equal to another. The text of a value does, but has no nanoseconds.
    return "[ns" not in str(one.type) and repr(one.to_pylist()) == repr(other.to_pylist())


@rule("pyarrow.lib.Table", "pyarrow.lib.RecordBatch")
def reduce_table(table: Any) -> Reduced:
    """Reduce a table to its columns, and to its schema where these do not say it all."""
    schema, name = table.schema, type(table).__name__
    columns = [c.chunk(0) if getattr(c, "num_chunks", 0) == 1 else c for c in table.columns]
    says_all = schema.metadata is None and all(f.nullable and f.metadata is None for f in schema)
    if says_all and len(set(schema.names)) == len(columns):
        function = "table" if name == "Table" else "record_batch"
        return _arrow(function, dict(zip(schema.names, columns, strict=True)))
    from_arrays = Attribute(Import("pyarrow", name), "from_arrays")
    return Reduction(from_arrays, (columns,), {"schema": schema})


@rule("pyarrow.lib.DataType", subclasses=True)
def reduce_type(kind: Any) -> Reduced:
    """Reduce a type of Arrow to the call that makes it: the protocol, by its public names."""
    import pyarrow

    if isinstance(kind, pyarrow.BaseExtensionType):
        return reduce_by_protocol(kind)
    reduced = reduce_by_protocol(kind)
    if not isinstance(reduced, Reduction):
        return reduced
    name, args = reduced.function.__name__, tuple(reduced.args)
    if name == "type_for_alias":
        # Types without parameters go by a name, times in it by their unit: duration[ns].
        name, _, unit = str(args[0]).rstrip("]").partition("[")
        name = _FUNCTIONS.get(name, name)
        args = (unit,) if unit and not name.startswith("date") else ()
    if not hasattr(pyarrow, name):
        return reduced
    return Reduction(Import("pyarrow", name), args, reduced.kwargs)


@rule("pyarrow.lib.Scalar", subclasses=True)
def reduce_arrow_scalar(scalar: Any) -> Reduced:
    """Reduce a scalar of Arrow to its value and its type."""
    import pyarrow

    made = made_by(lambda: pyarrow.scalar(scalar.as_py(), type=scalar.type))
    if made is None or not (made.equals(scalar) or repr(made) == repr(scalar)):
        return Reduction(Attribute(pyarrow.array([scalar], scalar.type), "__getitem__"), (0,))
    return _arrow("scalar", scalar.as_py(), type=scalar.type)


@rule("builtins.MonthDayNano", "pyarrow.lib.MonthDayNano")
def reduce_span(span: Any) -> Reduced:
    """Reduce a span of months, days and nanoseconds to these."""
    return _arrow("MonthDayNano", list(span))


@rule("polars.dataframe.frame.DataFrame")
def reduce_polars_frame(frame: Any) -> Reduced:
    """Reduce a frame of polars to its columns."""
    if not frame.width:
        return _polars("DataFrame") if not frame.height else reduce_by_protocol(frame)
    columns = [frame.to_series(i) for i in range(frame.width)]
    if any(column.dtype.is_(sys.modules["polars"].Object) for column in columns):
        return _polars("DataFrame", columns)
    return _polars("DataFrame", {c.name: _column(c) for c in columns})


def _column(series: Any) -> Any:
    """Return the argument for a column of a frame: a list, if polars finds its type by itself."""
    polars: Any = sys.modules["polars"]
    plain = (polars.Int64, polars.Float64, polars.String, polars.Boolean)
    if series.dtype in plain and len(series) <= _READABLE and not any(series.flags.values()):
        values = series.to_list()
        if _same_series(made_by(polars.Series, series.name, values), series):
            return values
    return reduce_polars_series(series.rename(""))


@rule("polars.series.series.Series")
def reduce_polars_series(series: Any) -> Reduced:
    """Reduce a series of polars to its values and their type."""
    polars: Any = sys.modules["polars"]
    dtype = series.dtype
    name = (series.name,) if series.name else ()
    numbers = dtype.is_integer() or dtype.is_float()
    if numbers and len(series) > _READABLE and not series.null_count():
        values: Any = Data(series.to_numpy().copy())
        if _same_series(polars.Series(series.name, series.to_numpy(), dtype=dtype), series):
            return _ordered(series, _polars("Series", *name, values, dtype=dtype))
    # Python's times have no nanoseconds.
    storage = series.to_physical().dtype if "time_unit='ns'" in repr(dtype) else None
    values = (series if storage is None else series.to_physical()).to_list()
    made = made_by(polars.Series, series.name, values, storage or dtype)
    if made is not None and storage is not None:
        made = made.cast(dtype)
    if not _same_series(made, series):
        return reduce_by_protocol(series)
    call = _polars("Series", *name, values, dtype=storage or dtype)
    if storage is not None:
        call = Reduction(Attribute(call, "cast"), (dtype,))
    return _ordered(series, call)


def _ordered(series: Any, call: Reduction) -> Reduction:
    """Return the call with the mark of a series that is known to be sorted."""
    flags = series.flags
    if flags.get("SORTED_ASC"):
        return Reduction(Attribute(call, "set_sorted"))
    if flags.get("SORTED_DESC"):
        return Reduction(Attribute(call, "set_sorted"), (), {"descending": True})
    return call


def _same_series(made: Any, series: Any) -> bool:
    """Return True if a series was made and is the other one."""
    if made is None or made.dtype != series.dtype:
        return False
    return bool(made.equals(series, check_dtypes=True))


@rule("polars.datatypes.classes.DataType", subclasses=True)
def reduce_polars_type(dtype: Any) -> Reduced:
    """Reduce a type of polars to the call that makes it."""
    polars: Any = sys.modules["polars"]
    cls = type(dtype)
    if getattr(polars, cls.__name__, None) is not cls:
        return reduce_by_protocol(dtype)
    args = _type_arguments(dtype)
    if args is None or cls(*args) != dtype:
        return reduce_by_protocol(dtype)
    return _polars(cls.__name__, *args)


def _type_arguments(dtype: Any) -> tuple[Any, ...] | None:
    match type(dtype).__name__:
        case "List":
            return (dtype.inner,)
        case "Array":
            return (dtype.inner, dtype.shape)
        case "Struct":
            return ({field.name: field.dtype for field in dtype.fields},)
        case "Enum":
            return (dtype.categories.to_list(),)
        case "Decimal":
            return (dtype.precision, dtype.scale)
        case "Datetime":
            return (dtype.time_unit, dtype.time_zone) if dtype.time_zone else (dtype.time_unit,)
        case "Duration":
            return (dtype.time_unit,)
        case "Categorical":
            named = getattr(getattr(dtype, "categories", None), "name", lambda: "")()
            return () if not named else None
    return () if not vars(dtype) else None
