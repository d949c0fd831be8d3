"""The attributes of units: a list of dictionaries as a group, with a dataset for each name."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.rules.numpy_types import same_dtype
from persist.hdf5.content import Content
from persist.hdf5.spikelab.columns import MISSING, column_dataset, read_column

__all__ = ["add_attributes", "read_attributes"]

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
    columns = {name: read_column(dataset) for name, dataset in group.get(NAME, {}).items()}
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
    """Tell whether the values of one attribute come back the same."""
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
