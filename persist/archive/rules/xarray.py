"""Labelled arrays of xarray, by public constructors where these lead back to the same."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.protocol import reduce_by_protocol, user_attributes
from persist.archive.reduction import Attribute, Expression, Import, Reduced, Reduction
from persist.archive.registry import rule
from persist.archive.rules import made_by

__all__: list[str] = []


@rule("xarray.core.dataarray.DataArray", "xarray.DataArray")
def reduce_data_array(array: Any) -> Reduced:
    """Reduce a labelled array to its data, coordinates, name and attributes."""
    if not _is_known(array.variable):
        return reduce_by_protocol(array)
    kwargs: dict[str, Any] = {"dims": array.dims, "coords": _variables(array.coords)}
    kwargs |= {"name": array.name, "attrs": dict(array.attrs)}
    return _checked("DataArray", array, (_values(array.variable),), kwargs)


@rule("xarray.core.dataset.Dataset", "xarray.Dataset")
def reduce_dataset(dataset: Any) -> Reduced:
    """Reduce a set of labelled arrays to its variables, coordinates and attributes."""
    kwargs = {"coords": _variables(dataset.coords), "attrs": dict(dataset.attrs)}
    return _checked("Dataset", dataset, (_variables(dataset.data_vars),), kwargs)


@rule("xarray.core.variable.Variable", "xarray.Variable")
def reduce_variable(variable: Any) -> Reduced:
    """Reduce a variable to its dimensions, values and attributes."""
    if not _is_known(variable):
        return reduce_by_protocol(variable)
    return Reduction(Import("xarray", "Variable"), _parts(variable), copies=True)


@rule("xarray.core.variable.IndexVariable", "xarray.IndexVariable")
def reduce_index_variable(variable: Any) -> Reduced:
    """Reduce a variable that is an index to that and its attributes."""
    dims, _, *rest = _parts(variable)
    args = (dims, variable.to_index(), *rest)
    made = type(variable)(*args)
    if not made.identical(variable) or made.dtype != variable.dtype:
        return reduce_by_protocol(variable)
    return Reduction(Import("xarray", "IndexVariable"), args)


@rule("xarray.core.indexes.PandasIndex", "xarray.indexes.PandasIndex")
@rule("xarray.core.indexes.PandasMultiIndex", "xarray.indexes.PandasMultiIndex")
def reduce_index(index: Any) -> Reduced:
    """Reduce an index of one or several levels to that of pandas."""
    cls, args = type(index), (index.index, index.dim)
    name = "level_coords_dtype" if cls.__name__ == "PandasMultiIndex" else "coord_dtype"
    given, made = getattr(index, name), getattr(cls(*args), name)
    return Reduction(
        Import("xarray.indexes", cls.__name__), args, {} if given == made else {name: given}
    )


@rule("xarray.core.datatree.DataTree", "xarray.DataTree")
def reduce_tree(tree: Any) -> Reduced:
    """Reduce a tree of data sets to these by their paths."""
    if tree.parent is not None:
        return reduce_by_protocol(tree)
    nodes = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
    kwargs = {} if tree.name is None else {"name": tree.name}
    function = Attribute(Import("xarray", "DataTree"), "from_dict")
    return Reduction(function, (nodes,), kwargs, attributes=user_attributes(tree))


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
    inner = type(variable._data).__name__
    if inner == "PandasExtensionArray" or (
        inner == "PandasIndexingAdapter" and type(variable).__name__ == "Variable"
    ):
        return variable._data.array
    index = variable.to_index() if type(variable).__name__ == "IndexVariable" else None
    return variable.values if getattr(index, "freq", None) is None else index


def _is_known(variable: Any) -> bool:
    """Return True if the values are in memory, as an array of numpy or pandas."""
    inner = type(variable._data)
    names = ("PandasExtensionArray", "PandasIndexingAdapter")
    return inner is numpy.ndarray or inner.__name__ in names


def _checked(name: str, obj: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Reduced:
    # Any name is kept, 0 and '' too.
    kwargs = {
        k: v for k, v in kwargs.items() if v or k == "dims" or (k == "name" and v is not None)
    }
    slots = {"encoding": obj.encoding} if obj.encoding else None
    function = Import("xarray", name)
    if _makes_same(obj, args, kwargs):
        return Reduction(function, args, kwargs, copies=True, slots=slots)
    import xarray

    # Indexes that xarray would not make, or would make where there is none, are written out.
    given = xarray.Coordinates(
        {key: variable.variable for key, variable in obj.coords.items()}, dict(obj.xindexes)
    )
    if not _makes_same(obj, args, {**kwargs, "coords": given}):
        return reduce_by_protocol(obj)
    kwargs["coords"] = _coordinates(obj)
    return Reduction(function, args, kwargs, copies=True, slots=slots)


def _coordinates(obj: Any) -> Reduction:
    variables = _variables({k: v for k, v in obj.coords.items() if k not in obj.xindexes})
    for index, group in obj.xindexes.group_by_index():
        # What describes the variables is no part of their index.
        described = {
            key: Reduction(Import("xarray", "Variable"), ((), 0, dict(v.attrs), dict(v.encoding)))
            for key, v in group.items()
            if v.attrs or v.encoding
        }
        args = (described,) if described else ()
        made = Reduction(Attribute(index, "create_variables"), args)
        for key in group:
            variables[key] = Expression.of("made[key]", {"made": made, "key": key})
    ordered = {key: variables[key] for key in obj.coords}
    return Reduction(Import("xarray", "Coordinates"), (ordered, dict(obj.xindexes)))


def _makes_same(obj: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    made = made_by(type(obj), *args, **kwargs)
    return (
        made is not None
        and made.identical(obj)
        and made.xindexes.keys() == obj.xindexes.keys()
        and all(type(made.xindexes[n]) is type(index) for n, index in obj.xindexes.items())
        and all(
            _is_same_index(made.indexes[name], obj.indexes[name])
            for name, index in obj.xindexes.items()
            if hasattr(index, "index")
        )
        and all(
            _is_same_variable(made[name].variable, obj[name].variable)
            for name in getattr(obj, "variables", obj.coords)
        )
    )


def _is_same_index(one: Any, other: Any) -> bool:
    kept = ("freq", "tz")
    return (
        type(one) is type(other)
        and one.dtype == other.dtype
        and all(getattr(one, name, None) == getattr(other, name, None) for name in kept)
    )


def _is_same_variable(one: Any, other: Any) -> bool:
    kept = type(one) is type(other) and one.dtype == other.dtype
    return kept and (_is_known(other) or type(other).__name__ == "IndexVariable")
