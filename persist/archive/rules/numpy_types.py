"""Data types, scalars and arrays of numpy, masked arrays, random generators and polynomials.

Digits are written where they come back exactly, else bytes.
"""

from __future__ import annotations

import copyreg
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy

from persist.archive.arrays.dtypes import fields_of, same_dtype, same_layout, struct_spec
from persist.archive.imports import find_import
from persist.archive.literals import is_leaf
from persist.archive.protocol import (
    HEAP_TYPE,
    attributes_of,
    has_same,
    is_plain_subclass,
    reduce_by_protocol,
)
from persist.archive.reduction import (
    NO_STATE,
    Attribute,
    Data,
    Expression,
    Import,
    Reduced,
    Reduction,
)
from persist.archive.registry import constant, rule
from persist.archive.rules import made_by
from persist.errors import PersistWarning, UnsupportedObjectError

__all__ = ["reduce_to_call", "same_dtype"]

_Array = numpy.ndarray[Any, Any]
_DTYPE = Import("numpy", "dtype")


@rule(numpy.dtype, subclasses=True)
def reduce_dtype(dtype: numpy.dtype[Any]) -> Reduced:
    """Reduce a dtype to what numpy makes it from: a string, a list of fields, a dict."""
    if not getattr(type(dtype), "_legacy", True):
        return _reduce_new_dtype(dtype)
    kwargs: dict[str, Any] = {"metadata": dict(dtype.metadata)} if dtype.metadata else {}
    if dtype.isalignedstruct and dtype.type is numpy.void:
        kwargs["align"] = True
    return Reduction(_DTYPE, (_spec(dtype),), kwargs)


def _reduce_new_dtype(dtype: Any) -> Reduced:
    if type(dtype).__name__ != "StringDType":
        return reduce_by_protocol(dtype)
    kwargs = {"na_object": dtype.na_object} if hasattr(dtype, "na_object") else {}
    if not dtype.coerce:
        kwargs["coerce"] = False
    return Reduction(Import("numpy.dtypes", "StringDType"), (), kwargs)


def _spec(dtype: numpy.dtype[Any]) -> Any:
    """Return a description of `dtype` without its metadata and alignment."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return (_nested(base), shape)
    if dtype.names is not None:
        return _struct_spec(dtype)
    if dtype.isbuiltin == 2:  # Of another library, which registers its scalar type.
        return dtype.type
    # Types of one size and kind, long and long long, differ in their character.
    distinct = numpy.dtype(dtype.str).num != dtype.num
    text = dtype.str[0] + dtype.char if distinct else dtype.str
    return text.lstrip("|")


def _nested(dtype: numpy.dtype[Any]) -> Any:
    """Return the description of `dtype` as a field: plain text and lists, or the dtype itself."""
    spec = _spec(dtype)
    return spec if same_dtype(numpy.dtype(spec), dtype) else dtype


def _struct_spec(dtype: numpy.dtype[Any]) -> Any:
    spec: Any = _list_of_fields(dtype)
    aligned = dtype.isalignedstruct
    if not same_layout(numpy.dtype(spec, align=aligned), dtype):
        spec = struct_spec(dtype, _nested)
    if dtype.type is numpy.void:
        return spec
    # numpy does not align what is in a pair.
    return dtype.type, numpy.dtype(spec, align=True) if aligned else spec


def _list_of_fields(dtype: numpy.dtype[Any]) -> list[Any]:
    spec: list[Any] = []
    for name, inner, _ in fields_of(dtype):
        if inner.subdtype is None:
            spec.append((name, _nested(inner)))
        else:
            base, shape = inner.subdtype
            spec.append((name, _nested(base), shape))
    return spec


@rule(numpy.finfo, numpy.iinfo)
def reduce_info(info: Any) -> Reduced:
    """Reduce the limits of a type to the type."""
    return Reduction(type(info), (numpy.dtype(info.dtype),))


@rule(numpy.busdaycalendar)
def reduce_calendar(calendar: Any) -> Reduced:
    """Reduce a calendar of business days to its week and its holidays."""
    kwargs = {"weekmask": calendar.weekmask.tolist(), "holidays": calendar.holidays}
    return Reduction(numpy.busdaycalendar, (), kwargs)


@rule(numpy.generic, subclasses=True)
def reduce_scalar(scalar: Any) -> Reduced:
    """Reduce a scalar to a call of its type, or to the item of a 0-d array."""
    cls, base = type(scalar), _base(type(scalar))
    if cls is base:
        args = _arguments(scalar)
        return _item_of_array(scalar) if args is None else Reduction(cls, args)
    if not is_plain_subclass(cls, base) or (args := _arguments(_as(base, scalar))) is None:
        return _by_class(scalar, base)
    return Reduction(cls, args, attributes=attributes_of(scalar))


def _as(base: Any, scalar: Any) -> Any:
    """Return a numpy scalar with the value of an instance of a subclass, read from its memory."""
    texts: tuple[Any, ...] = (str, bytes)
    for kind in texts:
        if isinstance(scalar, kind):
            return base(kind.__getitem__(scalar, slice(None)))
    return numpy.generic.__array__(scalar)[()]


def _by_class(obj: Any, base: Any) -> Reduced:
    """Reduce an instance of a subclass by the protocol of pickle, if that gives the subclass back.

    Most of the methods that it may have from numpy make an object of the base.
    """
    cls = type(obj)
    is_own = not has_same(cls, base, "__reduce__", "__reduce_ex__") or cls in copyreg.dispatch_table
    reduced = reduce_by_protocol(obj)
    if is_own or any(arg is cls for arg in getattr(reduced, "args", ())):
        return reduced
    found = find_import(base)
    raise UnsupportedObjectError(
        f"class {cls.__qualname__} is derived from {found.module}.{found.name}, and numpy pickles "
        "it as its base: give it a get_persistent_rep() method"
    )


def _base(cls: type) -> Any:
    """Return the class of numpy, or of a library that adds scalars, which `cls` extends."""
    return next(c for c in cls.__mro__ if not c.__flags__ & HEAP_TYPE or c is numpy.record)


def _arguments(scalar: Any) -> tuple[Any, ...] | None:
    """Return what the type of `scalar` makes it from again, or None if nothing readable does."""
    for kind, arguments in _ARGUMENTS:
        if isinstance(scalar, kind):
            args = arguments(scalar)
            return args if args is not None and _is_exact(scalar, args) else None
    return None


def _is_exact(scalar: Any, args: tuple[Any, ...]) -> bool:
    made = made_by(type(scalar), *args)
    return (
        type(made) is type(scalar) and same_dtype(made.dtype, scalar.dtype) and _same(made, scalar)
    )


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, numpy.longdouble):  # Its padding bytes are arbitrary.
        return bool(numpy.signbit(one) == numpy.signbit(other)) and (
            bool(one == other) or bool(numpy.isnan(one) and numpy.isnan(other))
        )
    return bool(one.tobytes() == other.tobytes())


def _item_of_array(scalar: Any) -> Reduced:
    if scalar.dtype.kind in "mM":
        return Reduction(Attribute(scalar.view("i8"), "view"), (scalar.dtype.str,))
    return Expression.of("array[()]", {"array": numpy.array(scalar)})


def _short(scalar: Any) -> float:
    """Return the float with the fewest digits that is `scalar` in its own precision."""
    short = float(str(scalar))
    return short if type(scalar)(short) == scalar else float(scalar)


def _of_longdouble(scalar: Any) -> tuple[Any, ...]:
    if numpy.isnan(scalar) or numpy.longdouble(float(scalar)) == scalar:
        return (float(scalar),)
    return (str(scalar),)


def _of_datetime(scalar: Any) -> tuple[Any, ...] | None:
    unit = _unit(scalar)
    return (str(scalar), unit) if unit else None


def _of_timedelta(scalar: Any) -> tuple[Any, ...] | None:
    unit = _unit(scalar)
    value = "NaT" if numpy.isnat(scalar) else int(scalar.view("i8"))
    return (value, unit) if unit else None


def _unit(scalar: Any) -> str:
    """Return the unit of a time, or nothing where it has none: numpy warns when it makes such."""
    unit, count = numpy.datetime_data(scalar.dtype)
    if unit == "generic":
        return ""
    return f"{count}{unit}" if count != 1 else unit


def _of_void(scalar: Any) -> tuple[Any, ...] | None:
    plain = scalar.dtype.names is None and not scalar.dtype.metadata and scalar.dtype.itemsize
    return (scalar.tobytes(),) if plain else None


# A timedelta is an integer to numpy, and a longdouble a float: the first that fits is taken.
_ARGUMENTS: tuple[tuple[Any, Any], ...] = (
    (numpy.timedelta64, _of_timedelta),
    (numpy.datetime64, _of_datetime),
    ((numpy.integer, numpy.bool_), lambda scalar: (scalar.item(),)),
    (numpy.longdouble, _of_longdouble),
    (numpy.floating, lambda scalar: (_short(scalar),)),
    (numpy.complexfloating, lambda scalar: (complex(*map(_short, (scalar.real, scalar.imag))),)),
    (numpy.str_, lambda scalar: (str.__str__(scalar),)),
    (numpy.bytes_, lambda scalar: (bytes(scalar),)),
    (numpy.void, _of_void),
)


rule(numpy.ufunc)(find_import)

# Values of pandas that numpy.array takes for one object each.
_LEAF_NAMES = frozenset(["NAType", "NaTType", "Timedelta", "Timestamp"])


@rule(numpy.ndarray)
def reduce_ndarray(array: _Array) -> Reduced:
    """Reduce an array to its data, one with objects in it to its items or fields."""
    if not getattr(type(array.dtype), "_legacy", True):
        return _reduce_texts(array)
    if not array.dtype.hasobject:
        return Data(array)
    return _reduce_fields(array) if array.dtype.names else _reduce_objects(array)


def _reduce_texts(array: _Array) -> Reduced:
    """Reduce an array of texts of any length, which has no bytes of its own, to these."""
    order = {"order": "F"} if array.flags.fnc else {}
    name, content = ("array", array.tolist()) if array.size else ("empty", array.shape)
    kwargs = {"dtype": array.dtype, **order}
    return Reduction(Import("numpy", name), (content,), kwargs, **_locked(array))


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
    if is_leaf(item):
        return True
    cls = type(item)
    return cls.__qualname__ in _LEAF_NAMES and cls.__module__.partition(".")[0] == "pandas"


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
def reduce_array_subclass(array: _Array) -> Reduced:
    """Reduce an array of a subclass to the view of a plain one, with its attributes."""
    cls = type(array)
    base = numpy.recarray if issubclass(cls, numpy.recarray) else numpy.ndarray
    names = ("__reduce__", "__reduce_ex__", "__setstate__", "__setattr__")
    if not all(getattr(cls, name) is getattr(base, name) for name in names):
        return _by_own_protocol(array)
    plain = numpy.ndarray.view(array, numpy.ndarray)
    if type(plain) is not numpy.ndarray or cls.view is not base.view:
        return _by_own_protocol(array)
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
    reconstruct = numpy.empty(0).__reduce__()[0]
    if not isinstance(reduced, Reduction) or reduced.function is not reconstruct:
        return reduced
    cls, shape, dtype = reduced.args
    args = (cls, shape, dtype.decode() if isinstance(dtype, bytes) else dtype)
    return replace(reduced, function=Attribute(numpy.ndarray, "__new__"), args=args)


@rule(numpy.memmap, "zarr.core.array.Array", "h5py._hl.dataset.Dataset")
def reduce_open_array(array: Any) -> Reduced:
    """Reduce an array in a file, which may be changed or removed, to a plain one."""
    is_mapped = isinstance(array, numpy.memmap)
    shown = (
        f"an array that is mapped from the file {array.filename!s}" if is_mapped else repr(array)
    )
    warnings.warn(
        f"{shown} is stored with its data, and will be a plain array in memory",
        PersistWarning,
        stacklevel=2,
    )
    return Data(numpy.asarray(array[...]))


constant("numpy.ma", "masked", "numpy.ma.core.MaskedConstant", "numpy.ma.MaskedConstant")


_MASKED = frozenset(
    ["_mask", "_fill_value", "_hardmask", "_sharedmask", "_isfield", "_baseclass", "_basedict"]
)


@rule("numpy.ma.core.MaskedArray", "numpy.ma.MaskedArray", subclasses=True)
def reduce_masked_array(array: Any) -> Reduced:
    """Reduce a masked array to its data, its mask and its fill value."""
    from numpy.ma import MaskedArray, nomask

    cls = type(array)
    names = ("__array_finalize__", "data", "mask", "fill_value", "hardmask")
    if not is_plain_subclass(cls, MaskedArray, *names):
        return reduce_by_protocol(array)
    kwargs = {} if array.mask is nomask else {"mask": array.mask.view(numpy.ndarray)}
    if vars(array)["_fill_value"] is not None:
        kwargs["fill_value"] = array.fill_value
    if array.hardmask:
        kwargs["hard_mask"] = True
    own = {
        name: value
        for name, value in vars(array).items()
        if name not in _MASKED and (name != "_optinfo" or value)
    }
    return Reduction(cls, (array.data,), kwargs, attributes=own or None)


@rule("numpy.random._generator.Generator", subclasses=True)
def reduce_generator(generator: Any) -> Reduced:
    """Reduce a generator to its source of bits."""
    cls, base = type(generator), numpy.random.Generator
    if not is_plain_subclass(cls, base, "bit_generator"):
        return _by_class(generator, base)
    return Reduction(cls, (generator.bit_generator,), attributes=attributes_of(generator))


@rule("numpy.random.bit_generator.BitGenerator", subclasses=True)
def reduce_bit_generator(source: Any) -> Reduced:
    """Reduce a source of random bits to its seed and its state."""
    cls = type(source)
    base = next(c for c in cls.__mro__ if c.__module__.startswith("numpy.random."))
    if not is_plain_subclass(cls, base, "state"):
        return _by_class(source, base)
    seed = getattr(source, "seed_seq", None) or getattr(source, "_seed_seq", None)
    args = (0 if seed is None else seed,)
    if cls is base:
        return Reduction(cls, args, slots={"state": source.state})
    return Reduction(cls, args, attributes=attributes_of(source), state=source.state)


@rule("numpy.random.bit_generator.SeedSequence")
def reduce_seed_sequence(seed: Any) -> Reduced:
    """Reduce a sequence of seeds to its entropy and how often it has spawned."""
    defaults = {"spawn_key": (), "pool_size": 4, "n_children_spawned": 0}
    kwargs = {n: getattr(seed, n) for n in defaults if getattr(seed, n) != defaults[n]}
    return Reduction(Import("numpy.random", "SeedSequence"), (seed.entropy,), kwargs)


@rule("numpy.random.mtrand.RandomState", subclasses=True)
def reduce_random_state(random: Any) -> Reduced:
    """Reduce a legacy generator to its state; the one behind numpy.random to itself."""
    if random is numpy.random.rand.__self__:  # type: ignore[attr-defined]
        return Attribute(Import("numpy.random", "rand"), "__self__")
    cls, base = type(random), numpy.random.RandomState
    if not is_plain_subclass(cls, base, "get_state", "set_state"):
        return _by_class(random, base)
    state, attributes = random.get_state(legacy=False), attributes_of(random)
    setter = Import("numpy.random", "RandomState.set_state")
    if state["bit_generator"] == "MT19937":
        # All numpy takes this form, also those before there were sources of bits.
        return Reduction(cls, (0,), attributes=attributes, state=random.get_state(), setter=setter)
    reduced = Reduction(cls, (random._bit_generator,), attributes=attributes)
    if state["has_gauss"]:
        reduced.state, reduced.setter = state, setter
    return reduced


@rule("numpy.polynomial._polybase.ABCPolyBase", subclasses=True)
def reduce_series(series: Any) -> Reduced:
    """Reduce a series of polynomials to its coefficients, and to what is not the default."""
    cls = type(series)
    kwargs = {
        name: getattr(series, name)
        for name in ("domain", "window")
        if not _equal(getattr(series, name), getattr(cls, name))
    }
    if getattr(series, "symbol", "x") != "x":
        kwargs["symbol"] = series.symbol
    return reduce_to_call(series, cls, (series.coef,), kwargs)


@rule(numpy.poly1d)
def reduce_poly1d(polynomial: Any) -> Reduced:
    """Reduce a polynomial to its coefficients and its variable."""
    kwargs = {} if polynomial.variable == "x" else {"variable": polynomial.variable}
    return reduce_to_call(polynomial, numpy.poly1d, (polynomial.coeffs,), kwargs)


def reduce_to_call(obj: Any, cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Reduced:
    """Reduce `obj` to the call of a class if that gives it the same attributes."""
    made = cls(*args, **kwargs)
    same = vars(made).keys() == vars(obj).keys() and all(
        _equal(value, vars(obj)[name]) for name, value in vars(made).items()
    )
    return Reduction(cls, args, kwargs) if same else reduce_by_protocol(obj)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, numpy.ndarray) and isinstance(other, numpy.ndarray):
        return same_dtype(one.dtype, other.dtype) and one.tobytes() == other.tobytes()
    return bool(one == other)
