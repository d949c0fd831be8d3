"""Arrays of numpy: plain data, arrays of objects, and subclasses of ndarray."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import (
    NO_STATE,
    Attribute,
    Data,
    Import,
    Reduced,
    Reduction,
)
from persist.archive.registry import rule
from persist.archive.rules.plain import attributes_of, is_leaf, is_plain_subclass
from persist.errors import PersistWarning

__all__: list[str] = []

_Array = numpy.ndarray[Any, Any]

# Values that numpy.array takes for one object each.
_LEAF_NAMES = frozenset(
    {
        "pandas._libs.missing.NAType",
        "pandas._libs.tslibs.nattype.NaTType",
        "pandas._libs.tslibs.timedeltas.Timedelta",
        "pandas._libs.tslibs.timestamps.Timestamp",
        "pandas.NAType",
        "pandas.NaTType",
        "pandas.Timedelta",
        "pandas.Timestamp",
        "pandas.api.typing.NAType",
        "pandas.api.typing.NaTType",
    }
)


@rule(numpy.ndarray)
def reduce_ndarray(array: _Array) -> Reduced:
    """Reduce an array to its data, one with objects in it to its items or fields."""
    if not getattr(type(array.dtype), "_legacy", True):
        return Reduction(Import("numpy", "array"), (array.tolist(),), {"dtype": array.dtype})
    if not array.dtype.hasobject:
        return Data(array)
    return _reduce_fields(array) if array.dtype.names else _reduce_objects(array)


def _reduce_objects(array: _Array) -> Reduced:
    """Reduce an array of objects: values stand in a list, the others are set one by one."""
    kwargs = {"dtype": "O"} if array.dtype.metadata is None else {"dtype": array.dtype}
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        kwargs["order"] = "F"
    leaves = [_stands_in_list(item) for item in array.flat]
    if leaves and any(leaves):
        name, start = "array", _with_leaves_only(array, leaves)
    else:
        name, start = "empty", array.shape
    pairs = list(_pairs(array, leaves)) or None
    return Reduction(Import("numpy", name), (start,), kwargs, pairs=pairs, **_locked(array))


def _stands_in_list(item: Any) -> bool:
    cls = type(item)
    return is_leaf(item) or f"{cls.__module__}.{cls.__qualname__}" in _LEAF_NAMES


def _with_leaves_only(array: _Array, leaves: list[bool]) -> Any:
    kept = array
    if not all(leaves):
        kept = numpy.empty(array.shape, dtype="O")
        kept[numpy.reshape(leaves, array.shape)] = array[numpy.reshape(leaves, array.shape)]
    return kept.tolist() if array.ndim else kept.item()


def _pairs(array: _Array, leaves: list[bool]) -> Iterator[tuple[Any, Any]]:
    for index, leaf in zip(numpy.ndindex(*array.shape), leaves, strict=True):
        if not leaf:
            # The item itself, where array[index] would copy a scalar.
            yield index[0] if array.ndim == 1 else index, array.item(index)


def _locked(array: _Array) -> dict[str, Any]:
    """Return the fill that makes an array read-only after its items are set."""
    if array.flags.writeable:
        return {"state": NO_STATE}
    return {"state": False, "setter": Attribute(numpy.ndarray, "setflags")}


def _reduce_fields(array: _Array) -> Reduced:
    """Reduce a structured array with objects in it to an array for each field."""
    pairs = [(name, array[name].copy()) for name in array.dtype.names or ()]
    args = (array.shape, array.dtype)
    return Reduction(Import("numpy", "zeros"), args, pairs=pairs, **_locked(array))


@rule(numpy.ndarray, subclasses=True)
def reduce_subclass(array: _Array) -> Reduced:
    """Reduce an array of a subclass to the view of a plain one, with its attributes."""
    cls = type(array)
    base = numpy.recarray if issubclass(cls, numpy.recarray) else numpy.ndarray
    names = ("__reduce__", "__reduce_ex__", "__setstate__", "__setattr__")
    if not all(getattr(cls, name) is getattr(base, name) for name in names):
        return _by_own_protocol(array)
    plain = array.view(numpy.ndarray)
    return Reduction(Attribute(plain, "view"), (cls,), attributes=_set_by_hand(array, plain))


def _set_by_hand(array: _Array, plain: _Array) -> dict[str, Any] | None:
    """Return the attributes that a view does not set on its own."""
    attributes = attributes_of(array)
    if not attributes:
        return None
    fresh = vars(plain.view(type(array)))
    own = {
        name: value
        for name, value in attributes.items()
        if name not in fresh or fresh[name] is not value
    }
    return own or None


def _by_own_protocol(array: _Array) -> Reduced:
    """Reduce an array whose class has a protocol of its own, without numpy's private function."""
    reduced = reduce_by_protocol(array)
    if not isinstance(reduced, Reduction) or not _is_reconstruct(reduced.function):
        return reduced
    cls, shape, dtype = reduced.args
    return Reduction(
        Attribute(numpy.ndarray, "__new__"),
        (cls, shape, dtype.decode() if isinstance(dtype, bytes) else dtype),
        attributes=reduced.attributes,
        slots=reduced.slots,
        state=reduced.state,
        setter=reduced.setter,
    )


def _is_reconstruct(function: Any) -> bool:
    return function is numpy.empty(0).__reduce__()[0]


@rule(numpy.memmap)
def reduce_memmap(array: Any) -> Reduced:
    """Reduce an array in a file to a plain one with the same data."""
    warnings.warn(
        f"an array that is mapped from the file {array.filename!s} is stored with its data, and "
        "will be a plain array in memory",
        PersistWarning,
        stacklevel=2,
    )
    return Data(numpy.asarray(array).view(numpy.ndarray))


@rule("numpy.ma.core.MaskedConstant", "numpy.ma.MaskedConstant")
def reduce_masked(_: Any) -> Reduced:
    """Reduce the masked constant to its name."""
    return Import("numpy.ma", "masked")


_MASKED = frozenset(
    {
        *("_mask", "_fill_value", "_hardmask", "_sharedmask", "_isfield", "_baseclass"),
        *("_optinfo", "_basedict"),
    }
)


@rule("numpy.ma.core.MaskedArray", "numpy.ma.MaskedArray", subclasses=True)
def reduce_masked_array(array: Any) -> Reduced:
    """Reduce a masked array to its data, its mask and its fill value."""
    from numpy.ma import MaskedArray, nomask

    cls = type(array)
    if not is_plain_subclass(cls, MaskedArray, "__array_finalize__"):
        return reduce_by_protocol(array)
    kwargs = {} if array.mask is nomask else {"mask": array.mask.view(numpy.ndarray)}
    if vars(array)["_fill_value"] is not None:
        kwargs["fill_value"] = array.fill_value
    if array.hardmask:
        kwargs["hard_mask"] = True
    own = {name: value for name, value in vars(array).items() if name not in _MASKED}
    if array._optinfo:
        own["_optinfo"] = array._optinfo
    return Reduction(cls, (array.data,), kwargs, attributes=own or None)
