"""Labelled arrays of xarray, by public constructors where these lead back to the same."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Import, Reduced, Reduction
from persist.archive.registry import rule

__all__: list[str] = []


@rule("xarray.core.dataarray.DataArray", "xarray.DataArray")
def reduce_data_array(array: Any) -> Reduced:
    """Reduce a labelled array to its data, coordinates, name and attributes."""
    if not _is_plain(array.variable):
        return reduce_by_protocol(array)
    kwargs: dict[str, Any] = {"dims": array.dims, "coords": _variables(array.coords)}
    kwargs |= {"name": array.name, "attrs": dict(array.attrs)}
    return _checked("DataArray", array, (array.variable.values,), kwargs)


@rule("xarray.core.dataset.Dataset", "xarray.Dataset")
def reduce_dataset(dataset: Any) -> Reduced:
    """Reduce a set of labelled arrays to its variables, coordinates and attributes."""
    kwargs = {"coords": _variables(dataset.coords), "attrs": dict(dataset.attrs)}
    return _checked("Dataset", dataset, (_variables(dataset.data_vars),), kwargs)


@rule("xarray.core.variable.Variable", "xarray.Variable")
def reduce_variable(variable: Any) -> Reduced:
    """Reduce a variable to its dimensions, values and attributes."""
    if not _is_plain(variable):
        return reduce_by_protocol(variable)
    return Reduction(Import("xarray", "Variable"), _parts(variable))


def _variables(variables: Any) -> dict[Any, Any]:
    return {name: _parts(variables[name].variable) for name in variables}


def _parts(variable: Any) -> tuple[Any, ...]:
    """Return a variable as the tuple that xarray takes for one."""
    dims = variable.dims[0] if len(variable.dims) == 1 else variable.dims
    parts: tuple[Any, ...] = (
        dims,
        _values(variable),
        dict(variable.attrs),
        dict(variable.encoding),
    )
    while len(parts) > 2 and not parts[-1]:
        parts = parts[:-1]
    return parts


def _values(variable: Any) -> Any:
    """Return the values of a variable; an index, where only that knows the step between them."""
    index = variable.to_index() if type(variable).__name__ == "IndexVariable" else None
    return variable.values if getattr(index, "freq", None) is None else index


def _is_plain(variable: Any) -> bool:
    return type(variable._data) is numpy.ndarray


def _checked(name: str, obj: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Reduced:
    kwargs = {key: value for key, value in kwargs.items() if value or key == "dims"}
    slots = {"encoding": obj.encoding} if obj.encoding else None
    try:
        same = _is_same(type(obj)(*args, **kwargs), obj)
    except ValueError:
        same = False
    if not same:
        return reduce_by_protocol(obj)
    return Reduction(Import("xarray", name), args, kwargs, slots=slots)


def _is_same(made: Any, obj: Any) -> bool:
    return (
        made.identical(obj)
        and made.indexes.keys() == obj.indexes.keys()
        and all(_is_same_index(made.indexes[name], obj.indexes[name]) for name in obj.indexes)
        and all(_is_same_variable(made[name].variable, obj[name].variable) for name in _names(obj))
    )


def _names(obj: Any) -> list[Any]:
    return list(obj.variables if hasattr(obj, "variables") else obj.coords)


def _is_same_index(one: Any, other: Any) -> bool:
    kept = ("freq", "tz")
    return (
        type(one) is type(other)
        and one.dtype == other.dtype
        and all(getattr(one, name, None) == getattr(other, name, None) for name in kept)
    )


def _is_same_variable(one: Any, other: Any) -> bool:
    kept = type(one) is type(other) and one.dtype == other.dtype
    return kept and (_is_plain(other) or type(other).__name__ == "IndexVariable")
