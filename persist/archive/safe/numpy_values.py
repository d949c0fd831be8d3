"""Arrays, dtypes, scalars and random generators of numpy, through checks of every argument."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy

from persist.archive.safe.checks import check_data, expanded, is_shape
from persist.archive.safe.missing import Missing
from persist.archive.safe.table import (
    ATTRIBUTES,
    ENTRIES,
    SETTERS,
    Handler,
    Load,
    add_plain,
    add_values,
    entry,
    method,
    resolved,
)
from persist.errors import UntrustedError

__all__: list[str] = []

_MT_WORDS = 624
_PHILOX_WORDS = 4
_MAX_SPEC = 1000
_MOST_FIELDS = 10_000
_MAX_SEED_BITS = 1 << 16
_ARRAYS = (numpy.ndarray, numpy.matrix, numpy.recarray)
_SCALARS = {
    name: cls
    for name, cls in vars(numpy).items()
    if isinstance(cls, type) and issubclass(cls, numpy.generic)
}


def _dtype_of(spec: Any, **kwargs: Any) -> numpy.dtype[Any]:
    if isinstance(spec, numpy.dtype) and not kwargs:
        return spec
    check_data(spec, kwargs)
    if type(spec) is str and len(spec) > _MAX_SPEC:
        raise UntrustedError("the text of a dtype is short")
    dtype: numpy.dtype[Any] = numpy.dtype(spec, **kwargs)
    if dtype.hasobject:
        _check_objects(dtype, spec)
    return dtype


def _check_objects(dtype: numpy.dtype[Any], spec: Any) -> None:
    """Refuse a dtype in which the address of an object can be written as a number."""
    is_number = isinstance(spec, tuple) and not isinstance(spec[1], (tuple, list, int))
    if is_number and not issubclass(dtype.type, numpy.void):
        raise UntrustedError("objects are not read as numbers")
    spans = sorted(_spans(dtype, 0))
    for (_, end, one), (start, _, other) in itertools.pairwise(spans):
        if start < end and (one or other):
            raise UntrustedError("fields with objects overlap others")


def _spans(dtype: numpy.dtype[Any], offset: int) -> list[tuple[int, int, bool]]:
    """Return where the plain fields of a dtype begin and end, and whether they hold objects."""
    if dtype.fields is None:
        return [(offset, offset + dtype.itemsize, dtype.hasobject)]
    found = []
    for name in dtype.names or ():
        inner, at = dtype.fields[name][:2]
        found += _spans(inner, offset + at)
        if len(found) > _MOST_FIELDS:
            raise UntrustedError(f"a dtype of objects has more than {_MOST_FIELDS} fields")
    return found


def _shape(shape: Any) -> tuple[int, ...]:
    parts = tuple(shape) if type(shape) in (tuple, list) else (shape,)
    if not is_shape(parts) or len(parts) > 64:
        raise UntrustedError("a shape is made of lengths")
    return parts


def _charge(load: Load, shape: Any, dtype: numpy.dtype[Any]) -> tuple[int, ...]:
    """Take the memory of an array, and return its shape."""
    lengths = _shape(shape)
    load.budget.take(math.prod(lengths) * max(dtype.itemsize, 1))
    return lengths


@entry("numpy.array", is_value=False)
def _array(load: Load, values: Any, /, *, dtype: Any = None, order: Any = "K") -> Any:
    check_data(values, order)
    count, width = expanded(values, load.budget)
    kind = None if dtype is None else _dtype_of(dtype)
    itemsize = 0 if kind is None else kind.itemsize
    load.budget.take(count * (itemsize or max(8, 4 * width)))
    return numpy.array(values, kind, order=order)


@entry("numpy.frombuffer", is_value=False)
def _from_bytes(load: Load, data: Any, /, *, dtype: Any = float) -> Any:
    """Do what older releases wrote: make an array of its bytes, which Python 2 had as text."""
    if type(data) is str:
        data = data.encode("latin-1")
    kind = _dtype_of(dtype)
    if type(data) is not bytes or kind.hasobject:
        raise UntrustedError("an array takes its memory from bytes, and holds numbers then")
    return numpy.frombuffer(data, kind)


@entry("persist.compat.python2_calls.array_of_bytes", is_value=False)
def _from_python2(load: Load, data: Any, /, *, dtype: Any = float) -> Any:
    load.budget.take(len(data))
    return _from_bytes(load, data, dtype=dtype).copy()


@method("copy", numpy.ndarray)
def _copy(load: Load, array: Any, order: Any = "K", /) -> Any:
    load.budget.take(array.nbytes)
    return array.copy("K")


def _filled(name: str) -> Handler:
    def handler(load: Load, shape: Any, /, dtype: Any = float, *, order: Any = "C") -> Any:
        check_data(order)
        kind = _dtype_of(dtype)
        # What numpy.empty finds in memory is nobody's to read; of objects, it makes None.
        make = numpy.empty if name == "empty" and kind.hasobject else numpy.zeros
        return make(_charge(load, shape, kind), kind, order=order)

    return handler


@entry("numpy.ndarray.__new__", is_value=False)
def _new_array(load: Load, cls: Any, shape: Any, dtype: Any, /) -> Any:
    """Return an empty array of a trusted subclass, whose state is set afterwards."""
    if not (isinstance(cls, type) and issubclass(cls, numpy.ndarray)):
        raise UntrustedError("numpy.ndarray.__new__ makes subclasses of ndarray")
    kind = _dtype_of(dtype)
    return load.add(numpy.ndarray.__new__(cls, _charge(load, shape, kind), kind))


@entry("numpy.ndarray")
def _ndarray(
    load: Load,
    /,
    *,
    shape: Any,
    buffer: Any,
    dtype: Any = float,
    offset: Any = 0,
    strides: Any = None,
    order: Any = "C",
) -> Any:
    check_data(order)
    lengths, kind = _shape(shape), _dtype_of(dtype)
    if kind.hasobject or not (
        type(buffer) is bytes or (type(buffer) is numpy.ndarray and not buffer.dtype.hasobject)
    ):
        raise UntrustedError("an array takes its memory from bytes or another array of numbers")
    # numpy itself takes an offset before the start of the memory.
    if type(offset) is not int or offset < 0:
        raise UntrustedError("the offset of an array in its memory is a number from 0 upwards")
    if strides is not None:
        # A view may repeat its elements, and what is made of it is as large as they are.
        if type(strides) is not tuple or not all(type(step) is int for step in strides):
            raise UntrustedError("the strides of an array are numbers of bytes")
        _charge(load, lengths, kind)
        size = buffer.nbytes if isinstance(buffer, numpy.ndarray) else len(buffer)
        _check_reach(lengths, strides, offset, kind.itemsize, size)
    return numpy.ndarray(lengths, kind, buffer, offset, strides, order)


def _check_reach(
    shape: tuple[int, ...], strides: tuple[int, ...], start: int, itemsize: int, size: int
) -> None:
    """Refuse a view that leaves the memory on which it is made."""
    if len(shape) != len(strides):
        raise UntrustedError("a view has a stride for each of its dimensions")
    reach = [(length - 1) * step for length, step in zip(shape, strides, strict=True)]
    low = start + sum(part for part in reach if part < 0)
    high = start + sum(part for part in reach if part > 0) + itemsize
    if math.prod(shape) and (low < 0 or high > size):
        raise UntrustedError("a view leaves the memory of its array")


@entry("numpy.dtype")
def _dtype(load: Load, spec: Any, /, **options: Any) -> Any:
    return _dtype_of(spec, **options)


@entry("numpy.lib.stride_tricks.as_strided", is_value=False)
def _as_strided(load: Load, array: Any, shape: Any, strides: Any, /) -> Any:
    """Return a view of an array of objects, once it is clear that it stays within its memory."""
    if type(array) is not numpy.ndarray or array.ndim != 1 or type(strides) is not tuple:
        raise UntrustedError("as_strided is read for flat arrays")
    if not all(type(step) is int and step % array.itemsize == 0 for step in strides):
        raise UntrustedError("the strides of a view are multiples of its items")
    owner = array
    while isinstance(owner.base, numpy.ndarray):
        owner = owner.base
    if not owner.flags.forc or owner.dtype != array.dtype:
        raise UntrustedError("a view is one of an array that is one run of memory")
    start = array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    lengths = _charge(load, shape, array.dtype)
    _check_reach(lengths, strides, start, array.itemsize, owner.nbytes)
    return numpy.lib.stride_tricks.as_strided(array, lengths, strides)


@entry("numpy.ravel", is_value=False)
def _ravel(load: Load, array: Any, order: Any, /) -> Any:
    if type(array) is not numpy.ndarray or order != "K":
        raise UntrustedError("ravel is read for arrays")
    load.budget.take(array.nbytes)
    return numpy.ravel(array, "K")


@method("setflags", *_ARRAYS, numpy.ma.MaskedArray)
@entry("numpy.ndarray.setflags", is_value=False)
def _setflags(load: Load, array: Any, /, write: Any) -> None:
    if not isinstance(array, numpy.ndarray) or write is not False:
        raise UntrustedError("setflags is read to make an array read-only")
    array.setflags(write=False)


@method("view", *_ARRAYS, *_SCALARS.values())
def _view(load: Load, array: Any, kind: Any, /) -> Any:
    if isinstance(kind, Missing):
        raise UntrustedError(f"an array of the missing class {kind.name} cannot be shown")
    is_array_class = isinstance(kind, type) and issubclass(kind, numpy.ndarray)
    if is_array_class and isinstance(array, numpy.ndarray):
        # numpy.ndarray itself, its subclasses in numpy, and those that were found to be trusted.
        return load.add(array.view(kind))
    dtype = _dtype_of(kind)
    if dtype.hasobject or array.dtype.hasobject:
        raise UntrustedError("an array of objects is viewed as no other")
    return array.view(dtype)


@method("reshape", numpy.ndarray)
def _reshape(load: Load, array: Any, /, *shape: Any) -> Any:
    lengths = shape[0] if len(shape) == 1 else shape
    parts = lengths if type(lengths) is tuple else (lengths,)
    if not all(type(part) is int and part >= -1 for part in parts):
        raise UntrustedError("a shape is made of lengths")
    return array.reshape(parts)


def _scalar(name: str) -> Handler:
    def handler(load: Load, /, *args: Any, **kwargs: Any) -> Any:
        load.budget.take(8 * sum(len(v) for v in args if type(v) in (str, bytes)))
        check_data(*args)
        if name == "void" and not all(type(value) is bytes for value in args):
            raise UntrustedError("numpy.void takes bytes")
        return getattr(numpy, name)(*args, **kwargs)

    return handler


@entry("numpy.ma.MaskedArray")
def _masked(load: Load, data: Any, /, *, mask: Any = numpy.ma.nomask, **options: Any) -> Any:
    if not isinstance(data, numpy.ndarray) or not (
        mask is None or type(mask) in (numpy.ndarray, bool, numpy.bool_)
    ):
        raise UntrustedError("a masked array takes arrays")
    if isinstance(mask, numpy.ndarray) and mask.shape != data.shape:
        raise UntrustedError("the mask of an array has its shape")
    if not options.keys() <= {"fill_value", "hard_mask"}:
        raise UntrustedError(f"arguments that persist does not write: {sorted(options)}")
    check_data(*options.values())
    load.budget.take(2 * data.nbytes)
    return numpy.ma.MaskedArray(data, mask, **options)


def _check_seed(*values: Any) -> None:
    """Refuse integers of which numpy takes words in the square of their number."""
    for value in values:
        parts = value if type(value) in (list, tuple) else [value]
        if any(type(part) is int and part.bit_length() > _MAX_SEED_BITS for part in parts):
            raise UntrustedError(f"a seed of more than {_MAX_SEED_BITS} bits is not read")


@entry("numpy.random.SeedSequence")
def _entropy(load: Load, /, *args: Any, **kwargs: Any) -> Any:
    check_data(*args, *kwargs.values())
    _check_seed(*args, *kwargs.values())
    if not 4 <= kwargs.get("pool_size", 4) <= 1 << 16:
        raise UntrustedError("the pool of a SeedSequence has 4 to 65536 words")
    return numpy.random.SeedSequence(*args, **kwargs)


def _seeded(name: str, source: type) -> Handler:
    def handler(load: Load, seed: Any, /) -> Any:
        if type(seed) is not int and not isinstance(seed, source):
            raise UntrustedError(f"a {name} takes a seed or a {source.__name__}")
        _check_seed(seed)
        return resolved(f"numpy.random:{name}")(seed)

    return handler


def _set_bits(source: Any, state: Any) -> None:
    check_data(state)
    _check_bits(source, state)
    source.state = state


def _check_bits(source: Any, state: Any) -> None:
    """Check the state of a source of random bits; numpy does not check the position in it."""
    inner, own = state["state"], type(source).__name__
    if state["bit_generator"] != own:
        raise UntrustedError(f"the state of a {state['bit_generator']} is not that of a {own}")
    # A trusted class may be derived from one of numpy, and has the memory of that.
    classes = type(source).__mro__
    kind = next((c.__name__ for c in classes if c.__module__.startswith("numpy.random.")), own)
    if kind == "MT19937":
        _check_words(inner["key"], _MT_WORDS)
        _check_position(inner["pos"], _MT_WORDS)
    elif kind == "Philox":
        _check_words(inner["key"], 2)
        _check_words(inner["counter"], 4)
        _check_words(state["buffer"], _PHILOX_WORDS)
        _check_position(state["buffer_pos"], _PHILOX_WORDS)
    elif kind == "SFC64":
        _check_words(inner["state"], 4)


def _check_words(words: Any, length: int) -> None:
    array = numpy.asarray(words)
    if array.shape != (length,) or array.dtype.kind not in "iu":
        raise UntrustedError(f"the state of a source of random bits has {length} words")


def _check_position(position: Any, length: int) -> None:
    if type(position) is not int or not 0 <= position <= length:
        raise UntrustedError(f"a source of random bits stands at a word from 0 to {length}")


@entry("numpy.random.RandomState.set_state", is_value=False)
def _set_random_state(load: Load, random: Any, state: Any, /) -> None:
    check_data(state)
    if not isinstance(random, numpy.random.RandomState) or random is _SHARED:
        raise UntrustedError("set_state is read for a RandomState that was made here")
    if type(state) is tuple and state[0] == "MT19937":
        _check_words(state[1], _MT_WORDS)
        _check_position(state[2], _MT_WORDS)
    elif type(state) is dict:
        _check_bits(random._bit_generator, state)
    else:
        raise UntrustedError("the state of a RandomState is a tuple or a dict")
    random.set_state(state)


_SHARED = numpy.random.rand.__self__  # type: ignore[attr-defined]


def _limits(name: str) -> Handler:
    return lambda load, kind, /: getattr(numpy, name)(_dtype_of(kind))


for _name in ("zeros", "empty"):
    entry(f"numpy.{_name}", is_value=False)(_filled(_name))
for _name in ("finfo", "iinfo"):
    entry(f"numpy.{_name}")(_limits(_name))
for _name in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
    entry(f"numpy.random.{_name}")(_seeded(_name, numpy.random.SeedSequence))
    SETTERS[f"numpy.random._{_name.lower().removesuffix('dxsm')}.{_name}", "state"] = _set_bits
for _name in ("Generator", "RandomState"):
    entry(f"numpy.random.{_name}")(_seeded(_name, numpy.random.BitGenerator))
for _name in _SCALARS:
    entry(f"numpy.{_name}")(_scalar(_name))
ENTRIES["numpy.bool"] = ENTRIES["numpy.bool_"]
add_plain("numpy", "busdaycalendar", "poly1d")
add_plain("numpy.dtypes", "StringDType")
add_plain(
    "numpy.polynomial",
    *("Polynomial", "Chebyshev", "Hermite", "HermiteE", "Laguerre", "Legendre"),
)
add_values("numpy", "nan", "inf", "newaxis", "matrix", "recarray")
add_values("numpy.ma", "masked", "nomask")
add_values("numpy.random.rand", "__self__")
ATTRIBUTES[numpy.ndarray, "T"] = lambda array: array.T
