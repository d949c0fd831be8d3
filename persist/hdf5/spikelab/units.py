"""The attributes of units: a list of dictionaries as a group, with a dataset for each name."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy

from persist.archive.arrays import Array
from persist.archive.arrays.datasets import STRING, Encoded, Stored, are_texts, text_of
from persist.archive.rules.numpy_types import same_dtype
from persist.errors import PersistWarning, UnsupportedObjectError
from persist.hdf5.content import Content, Dataset
from persist.hdf5.opening import member
from persist.hdf5.vocabulary import is_name

MISSING: Any = object()
"""The value of a unit that lacks the attribute."""

KIND = "__scalar_kind__"
MISSING_UNITS = "__missing_unit_indices__"

_ARRAYS = (numpy.ndarray, list, tuple)
_SCALARS = (str, bool, int, float, numpy.integer, numpy.floating, numpy.bool_)

# HDF5 attributes hold 64 KB.
_MOST_MISSING = 8000

_PYTHON = {"int": int, "bool": bool}


def column_dataset(name: str, values: list[Any]) -> Dataset:
    """Return the dataset for the values of an attribute, None where a unit has none.

    Raises
    ------
    ValueError
        If the name or a value has no form in the format.
    """
    if not is_name(name):
        slash = " contains a forward slash, or" if "/" in str(name) else ""
        raise UnsupportedObjectError(
            f"Neuron attribute key {name!r}{slash} cannot name an HDF5 dataset"
        )
    present = [value for value in values if value is not None]
    for value in present:
        if not isinstance(value, (*_ARRAYS, *_SCALARS)):
            raise UnsupportedObjectError(
                f"Neuron attribute {name!r} contains an unsupported value type: "
                f"{type(value).__name__}. Supported are numbers, texts and arrays"
            )
    if any(isinstance(value, _ARRAYS) for value in present):
        return _arrays(name, values, present)
    if any(isinstance(value, str) for value in present):
        return _texts(name, values)
    return _numbers(name, values, present)


def _arrays(name: str, values: list[Any], present: list[Any]) -> Dataset:
    for unit, value in enumerate(values):
        if value is not None and not isinstance(value, _ARRAYS):
            raise UnsupportedObjectError(
                f"Neuron attribute {name!r} mixes scalar and array values across units: unit "
                f"{unit} has {value!r}, and others have arrays"
            )
    first = numpy.asarray(present[0])
    if first.dtype.kind not in "biufc":
        raise UnsupportedObjectError(
            f"Neuron attribute {name!r} has arrays of dtype {first.dtype}: only numbers have a form"
        )
    shapes = {numpy.shape(value) for value in present}
    if len(shapes) > 1:
        raise UnsupportedObjectError(
            f"Neuron attribute {name!r} has inconsistent shapes: {sorted(shapes)}. All units must "
            "have the same shape"
        )
    missing = [unit for unit, value in enumerate(values) if value is None]
    if len(missing) > _MOST_MISSING:
        raise UnsupportedObjectError(
            f"Neuron attribute {name!r} has no array for {len(missing)} units: the format has room "
            f"for {_MOST_MISSING}"
        )
    fill = math.nan if first.dtype.kind == "f" else 0
    table = numpy.full((len(values), *first.shape), fill, first.dtype)
    for unit, value in enumerate(values):
        if value is not None:
            table[unit] = value
    marks = {MISSING_UNITS: numpy.array(missing, "<i8")} if missing else {}
    return Encoded(table, attributes=marks)


def _texts(name: str, values: list[Any]) -> Dataset:
    texts = ["" if value is None else str(value) for value in values]
    if not are_texts(texts):
        raise UnsupportedObjectError(
            f"Neuron attribute {name!r} has texts with NUL characters, which have no form in HDF5"
        )
    return Encoded(numpy.array(texts, object), STRING)


def _numbers(name: str, values: list[Any], present: list[Any]) -> Dataset:
    if any(value != value for value in present):
        warnings.warn(
            f"Neuron attribute {name!r} contains NaN values that spikelab cannot tell from missing "
            "ones",
            PersistWarning,
            stacklevel=2,
        )
    marks: dict[str, Any] = {}
    if present and isinstance(present[0], (bool, numpy.bool_)):
        marks = {KIND: "bool"}
    elif present and isinstance(present[0], (int, numpy.integer)):
        marks = {KIND: "int"}
    numbers = [math.nan if value is None else float(value) for value in values]
    return Encoded(numpy.array(numbers), attributes=marks)


def read_column(dataset: Any) -> list[Any]:
    """Return the values of an attribute, `MISSING` where a unit has none."""
    stored = Stored(dataset)
    table = stored.read()
    if table.dtype.kind in "US":
        return [text_of(text) or MISSING for text in table.tolist()]
    marks = stored.attributes
    absent = set(_missing_units(marks, table))
    if table.ndim > 1:
        return [MISSING if unit in absent else row.copy() for unit, row in enumerate(table)]
    kind: Callable[[Any], Any] = _PYTHON.get(text_of(marks.get(KIND, "")), lambda number: number)
    return [
        MISSING if unit in absent or number != number else kind(number)
        for unit, number in enumerate(table.tolist())
    ]


def _missing_units(marks: dict[str, Any], table: Array) -> list[int]:
    if MISSING_UNITS in marks:
        found: list[int] = numpy.ravel(marks[MISSING_UNITS]).tolist()
        return found
    if table.ndim < 2 or table.dtype.kind != "f":
        return []
    # Older files: a row of NaN.
    empty = numpy.isnan(table).reshape(len(table), -1).all(axis=1)
    units: list[int] = numpy.flatnonzero(empty).tolist()
    return units


NAME = "neuron_attributes"
_LARGEST = 2**53


def add_attributes(content: Content, attributes: Any) -> bool:
    """Add the attributes of units to the content of an object; tell if they come back the same.

    Raises
    ------
    ValueError
        If a name or a value has no form in the format.
    """
    if not attributes:
        return attributes is None
    names = list(dict.fromkeys(name for unit in attributes for name in unit))
    datasets = {
        name: column_dataset(name, [unit.get(name) for unit in attributes]) for name in names
    }
    content.groups[NAME] = Content({}, datasets, ordered=True)
    return _are_exact(attributes, names)


def read_attributes(group: Any) -> list[dict[str, Any]] | None:
    """Return the attributes of units that a group holds, or None if it holds none."""
    found = member(group, NAME) if NAME in group else {}
    columns = {name: read_column(member(found, name)) for name in found}
    count = max(map(len, columns.values()), default=0)
    units: list[dict[str, Any]] = [{} for _ in range(count)]
    for name, values in columns.items():
        for unit, value in zip(units, values, strict=False):
            if value is not MISSING:
                unit[name] = value
    return units if any(units) else None


def _are_exact(attributes: Any, names: list[str]) -> bool:
    if type(attributes) is not list or {type(unit) for unit in attributes} != {dict}:
        return False
    in_order = all(list(unit) == [name for name in names if name in unit] for unit in attributes)
    return (
        bool(names)
        and in_order
        and _are_distinct(attributes)
        and all(_is_exact([unit[n] for unit in attributes if n in unit]) for n in names)
    )


def _are_distinct(objects: list[Any]) -> bool:
    return len(set(map(id, objects))) == len(objects)


def _is_exact(values: list[Any]) -> bool:
    """Return True if the values of one attribute come back the same."""
    kinds = set(map(type, values))
    if len(kinds) > 1:
        return False
    kind = kinds.pop()
    if kind is numpy.ndarray:
        return _are_exact_arrays(values)
    if kind is str:
        return all(values)
    if kind is int:
        return all(-_LARGEST <= value <= _LARGEST for value in values)
    return kind is bool or (kind is float and all(value == value for value in values))


def _are_exact_arrays(arrays: list[Any]) -> bool:
    return _are_distinct(arrays) and all(
        array.ndim
        and array.size
        and array.flags.c_contiguous
        and array.flags.writeable
        and array.base is None
        and array.dtype == arrays[0].dtype
        and same_dtype(numpy.dtype(array.dtype.str), array.dtype)
        and array.dtype.kind in "biufc"
        and array.dtype.isnative
        for array in arrays
    )
