"""Arrays, dtypes, scalars and random generators of numpy, through checks of every argument."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy

from persist.archive.safe.checks import check_data, expanded
from persist.archive.safe.missing import Missing
from persist.archive.safe.operations import ATTRIBUTES, METHODS, SETTERS
from persist.archive.safe.table import ENTRIES, Call, Entry, Handler
from persist.errors import UntrustedError

__all__: list[str] = []

_MT_WORDS = 624
_PHILOX_WORDS = 4
_MAX_SPEC = 1000
_MAX_SEED_BITS = 1 << 16


def _dtype_of(spec: Any) -> numpy.dtype[Any]:
    """Return the dtype of an argument that describes one."""
    if isinstance(spec, numpy.dtype):
        return spec
    return _checked_dtype(spec)


def _checked_dtype(spec: Any, **kwargs: Any) -> numpy.dtype[Any]:
    check_data(spec, kwargs)
    if type(spec) is str and len(spec) > _MAX_SPEC:
        raise UntrustedError("the text of a dtype is short")
    dtype: numpy.dtype[Any] = numpy.dtype(spec, **kwargs)
    if dtype.hasobject:
        _check_objects(dtype, spec)
    return dtype


def _check_objects(dtype: numpy.dtype[Any], spec: Any) -> None:
    """Refuse a dtype in which the address of an object can be written as a number."""
    if isinstance(spec, tuple) and not isinstance(spec[1], (tuple, list, int)):
        known = dtype.type is numpy.void or issubclass(dtype.type, numpy.void)
        if not known:
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
    return found


def _shape(shape: Any) -> tuple[int, ...]:
    parts = shape if type(shape) in (tuple, list) else (shape,)
    if not all(type(part) is int and part >= 0 for part in parts) or len(parts) > 64:
        raise UntrustedError("a shape is made of lengths")
    return tuple(parts)


def _charge(call: Call, shape: Any, dtype: numpy.dtype[Any]) -> None:
    call.budget.take(math.prod(_shape(shape)) * max(dtype.itemsize, 1))


def _only(call: Call, positional: int, *keywords: str) -> None:
    unknown = sorted(set(call.kwargs) - set(keywords)) or len(call.args)
    if unknown and (type(unknown) is list or len(call.args) > positional):
        raise UntrustedError(f"arguments that persist does not write: {unknown}")


def _order(call: Call) -> dict[str, Any]:
    order = call.kwargs.get("order", "C")
    if order not in ("C", "F") or type(order) is not str:
        raise UntrustedError("the order of an array is C or F")
    return {"order": order} if "order" in call.kwargs else {}


def _array(call: Call) -> Any:
    _only(call, 1, "dtype", "order")
    (values,) = call.args
    kwargs = _order(call)
    check_data(values)
    count, width = expanded(values, call.budget)
    itemsize = max(8, 4 * width)
    if "dtype" in call.kwargs:
        dtype = kwargs["dtype"] = _dtype_of(call.kwargs["dtype"])
        itemsize = max(dtype.itemsize, 1) if dtype.itemsize else itemsize
    call.budget.take(count * itemsize)
    return numpy.array(values, **kwargs)


def _from_bytes(call: Call) -> Any:
    """Do what older releases wrote: make an array of its bytes, which Python 2 had as text."""
    _only(call, 1, "dtype")
    (data,) = call.args
    if type(data) is str:
        data = data.encode("latin-1")
    dtype = _dtype_of(call.kwargs.get("dtype", float))
    if type(data) is not bytes or dtype.hasobject:
        raise UntrustedError("an array takes its memory from bytes, and holds numbers then")
    return numpy.frombuffer(data, dtype)


def _from_python2(call: Call) -> Any:
    call.budget.take(len(call.args[0]))
    return _from_bytes(call).copy()


def _copy(array: Any, call: Call) -> Any:
    _only(call, 1)
    call.budget.take(array.nbytes)
    return array.copy("K")


def _filled(function: Any) -> Handler:
    def handler(call: Call) -> Any:
        _only(call, 2, "dtype", "order")
        shape, *rest = call.args
        kwargs = _order(call)
        for spec in [*rest, *(v for k, v in call.kwargs.items() if k == "dtype")]:
            kwargs["dtype"] = _dtype_of(spec)
        dtype = kwargs.get("dtype", numpy.dtype(float))
        _charge(call, shape, dtype)
        # What numpy.empty finds in memory is nobody's to read.
        make = numpy.empty if function is numpy.empty and dtype.hasobject else numpy.zeros
        return make(_shape(shape), **kwargs)

    return handler


def _new_array(call: Call) -> Any:
    """Return an empty array of a trusted subclass, whose state is set afterwards."""
    _only(call, 3)
    cls, shape, dtype = call.args
    if not (isinstance(cls, type) and issubclass(cls, numpy.ndarray)):
        raise UntrustedError("numpy.ndarray.__new__ makes subclasses of ndarray")
    _charge(call, shape, _dtype_of(dtype))
    return call.made.add(numpy.ndarray.__new__(cls, _shape(shape), _dtype_of(dtype)))


def _ndarray(call: Call) -> Any:
    _only(call, 0, "shape", "dtype", "buffer", "offset", "strides", "order")
    kwargs = dict(call.kwargs, **_order(call))
    kwargs["shape"] = shape = _shape(kwargs["shape"])
    kwargs["dtype"] = dtype = _dtype_of(kwargs.get("dtype", float))
    buffer = kwargs.get("buffer")
    if dtype.hasobject or not (
        type(buffer) is bytes or (type(buffer) is numpy.ndarray and not buffer.dtype.hasobject)
    ):
        raise UntrustedError("an array takes its memory from bytes or another array of numbers")
    offset = kwargs.get("offset", 0)
    # numpy itself takes an offset before the start of the memory.
    if type(offset) is not int or offset < 0:
        raise UntrustedError("the offset of an array in its memory is a number from 0 upwards")
    if "strides" in kwargs:
        # A view may repeat its elements, and what is made of it is as large as they are.
        steps = kwargs["strides"]
        if type(steps) is not tuple or not all(type(step) is int for step in steps):
            raise UntrustedError("the strides of an array are numbers of bytes")
        _charge(call, shape, dtype)
        size = buffer.nbytes if isinstance(buffer, numpy.ndarray) else len(buffer)
        _check_reach(shape, steps, offset, dtype.itemsize, size)
    return numpy.ndarray(**kwargs)


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


def _dtype(call: Call) -> Any:
    _only(call, 1, "align", "metadata")
    (spec,) = call.args
    if isinstance(spec, numpy.dtype) and not call.kwargs:
        return spec
    return _checked_dtype(spec, **call.kwargs)


def _as_strided(call: Call) -> Any:
    """Return a view of an array of objects, once it is clear that it stays within its memory."""
    _only(call, 3)
    array, shape, strides = call.args
    shape = _shape(shape)
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
    _check_reach(shape, tuple(strides), start, array.itemsize, owner.nbytes)
    _charge(call, shape, array.dtype)
    return numpy.lib.stride_tricks.as_strided(array, shape, tuple(strides))


def _ravel(call: Call) -> Any:
    _only(call, 2)
    array, order = call.args
    if type(array) is not numpy.ndarray or order != "K":
        raise UntrustedError("ravel is read for arrays")
    call.budget.take(array.nbytes)
    return numpy.ravel(array, "K")


def _setflags(array: Any, write: Any) -> None:
    if not isinstance(array, numpy.ndarray) or write is not False:
        raise UntrustedError("setflags is read to make an array read-only")
    array.setflags(write=False)


def _setflags_function(call: Call) -> None:
    _only(call, 2)
    _setflags(*call.args)


def _setflags_method(array: Any, call: Call) -> None:
    _only(call, 0, "write")
    _setflags(array, call.kwargs.get("write"))


def _view(array: Any, call: Call) -> Any:
    _only(call, 1)
    (kind,) = call.args
    if isinstance(kind, Missing):
        raise UntrustedError(f"an array of the missing class {kind.name} cannot be shown")
    if isinstance(kind, type) and issubclass(kind, numpy.ndarray):
        # numpy.ndarray itself, its subclasses in numpy, and those that were found to be trusted.
        return call.made.add(array.view(kind))
    dtype = _dtype_of(kind)
    if dtype.hasobject or array.dtype.hasobject:
        raise UntrustedError("an array of objects is viewed as no other")
    return array.view(dtype)


def _reshape(array: Any, call: Call) -> Any:
    shape = call.args[0] if len(call.args) == 1 else tuple(call.args)
    parts = shape if type(shape) is tuple else (shape,)
    if call.kwargs or not all(type(part) is int and part >= -1 for part in parts):
        raise UntrustedError("a shape is made of lengths")
    return array.reshape(parts)


def _view_scalar(scalar: Any, call: Call) -> Any:
    _only(call, 1)
    dtype = _dtype_of(call.args[0])
    if dtype.hasobject:
        raise UntrustedError("a number is viewed as no object")
    return scalar.view(dtype)


def _scalar(name: str) -> Handler:
    def handler(call: Call) -> Any:
        call.budget.take(8 * sum(len(v) for v in call.args if type(v) in (str, bytes)))
        check_data(*call.args)
        if name == "void" and not all(type(value) is bytes for value in call.args):
            raise UntrustedError("numpy.void takes bytes")
        return getattr(numpy, name)(*call.args, **call.kwargs)

    return handler


def _masked(call: Call) -> Any:
    _only(call, 1, "mask", "fill_value", "hard_mask")
    (data,) = call.args
    mask = call.kwargs.get("mask")
    if not isinstance(data, numpy.ndarray) or not (
        mask is None or type(mask) in (numpy.ndarray, bool, numpy.bool_)
    ):
        raise UntrustedError("a masked array takes arrays")
    if isinstance(mask, numpy.ndarray) and mask.shape != data.shape:
        raise UntrustedError("the mask of an array has its shape")
    check_data(call.kwargs.get("fill_value"))
    call.budget.take(2 * data.nbytes)
    return numpy.ma.MaskedArray(data, **call.kwargs)


def _of_arrays(module: str, name: str) -> Handler:
    """Return a handler for a class of numpy that is made of arrays and data."""

    def handler(call: Call) -> Any:
        check_data(*call.args, *call.kwargs.values())
        found: Any = numpy
        for part in [*module.split(".")[1:], name]:
            found = getattr(found, part)
        return found(*call.args, **call.kwargs)

    return handler


def _check_seed(*values: Any) -> None:
    """Refuse integers of which numpy takes words in the square of their number."""
    for value in values:
        parts = value if type(value) in (list, tuple) else [value]
        if any(type(part) is int and part.bit_length() > _MAX_SEED_BITS for part in parts):
            raise UntrustedError(f"a seed of more than {_MAX_SEED_BITS} bits is not read")


def _entropy(call: Call) -> Any:
    check_data(*call.args, *call.kwargs.values())
    _check_seed(*call.args, *call.kwargs.values())
    if not 4 <= call.kwargs.get("pool_size", 4) <= 1 << 16:
        raise UntrustedError("the pool of a SeedSequence has 4 to 65536 words")
    return numpy.random.SeedSequence(*call.args, **call.kwargs)


def _bit_generator(name: str) -> Handler:
    def handler(call: Call) -> Any:
        _only(call, 1)
        (seed,) = call.args
        if type(seed) is not int and not isinstance(seed, numpy.random.SeedSequence):
            raise UntrustedError("a source of random bits takes a seed")
        _check_seed(seed)
        return getattr(numpy.random, name)(seed)

    return handler


def _generator(cls: Any) -> Handler:
    def handler(call: Call) -> Any:
        _only(call, 1)
        (source,) = call.args
        if type(source) is not int and not isinstance(source, numpy.random.BitGenerator):
            raise UntrustedError("a generator takes a source of random bits")
        return cls(source)

    return handler


def _set_bits(source: Any, state: Any) -> None:
    check_data(state)
    _check_bits(type(source).__name__, state)
    source.state = state


def _check_bits(kind: str, state: Any) -> None:
    """Check the state of a source of random bits; numpy does not check the position in it."""
    inner = state["state"]
    if state["bit_generator"] != kind:
        raise UntrustedError(f"the state of a {state['bit_generator']} is not that of a {kind}")
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


def _set_random_state(call: Call) -> None:
    _only(call, 2)
    random, state = call.args
    check_data(state)
    if type(random) is not numpy.random.RandomState or random is _shared():
        raise UntrustedError("set_state is read for a RandomState that was made here")
    if type(state) is tuple and state[0] == "MT19937":
        _check_words(state[1], _MT_WORDS)
        _check_position(state[2], _MT_WORDS)
    elif type(state) is dict:
        _check_bits(random.get_state(legacy=False)["bit_generator"], state)
    else:
        raise UntrustedError("the state of a RandomState is a tuple or a dict")
    random.set_state(state)


def _shared() -> Any:
    return numpy.random.rand.__self__  # type: ignore[attr-defined]


def _string_dtype(call: Call) -> Any:
    check_data(*call.args, *call.kwargs.values())
    return numpy.dtypes.StringDType(**call.kwargs)


def _calendar(call: Call) -> Any:
    check_data(*call.args, *call.kwargs.values())
    return numpy.busdaycalendar(*call.args, **call.kwargs)


def _limits(name: str) -> Handler:
    def handler(call: Call) -> Any:
        (kind,) = call.args
        return getattr(numpy, name)(_dtype_of(kind))

    return handler


ENTRIES.update(
    {
        "numpy.array": Entry(_array, is_value=False),
        "numpy.zeros": Entry(_filled(numpy.zeros), is_value=False),
        "numpy.empty": Entry(_filled(numpy.empty), is_value=False),
        "numpy.ndarray": Entry(_ndarray),
        "numpy.ndarray.__new__": Entry(_new_array, is_value=False),
        "numpy.dtype": Entry(_dtype),
        "numpy.frombuffer": Entry(_from_bytes, is_value=False),
        "persist.compat.python2_calls.array_of_bytes": Entry(_from_python2, is_value=False),
        "numpy.ravel": Entry(_ravel, is_value=False),
        "numpy.lib.stride_tricks.as_strided": Entry(_as_strided, is_value=False),
        "numpy.ndarray.setflags": Entry(_setflags_function, is_value=False),
        "numpy.dtypes.StringDType": Entry(_string_dtype),
        "numpy.busdaycalendar": Entry(_calendar),
        "numpy.finfo": Entry(_limits("finfo")),
        "numpy.iinfo": Entry(_limits("iinfo")),
        "numpy.nan": Entry(),
        "numpy.inf": Entry(),
        "numpy.newaxis": Entry(),
        "numpy.matrix": Entry(),
        "numpy.recarray": Entry(),
        "numpy.ma.MaskedArray": Entry(_masked),
        "numpy.ma.masked": Entry(),
        "numpy.ma.nomask": Entry(),
        "numpy.poly1d": Entry(_of_arrays("numpy", "poly1d")),
        "numpy.random.SeedSequence": Entry(_entropy),
        "numpy.random.Generator": Entry(_generator(numpy.random.Generator)),
        "numpy.random.RandomState": Entry(_generator(numpy.random.RandomState)),
        "numpy.random.RandomState.set_state": Entry(_set_random_state, is_value=False),
        "numpy.random.rand.__self__": Entry(),
    }
)
for _name in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
    ENTRIES[f"numpy.random.{_name}"] = Entry(_bit_generator(_name))
    SETTERS[f"numpy.random._{_name.lower()}.{_name}", "state"] = _set_bits
SETTERS["numpy.random._pcg64.PCG64DXSM", "state"] = _set_bits
for _name in ("Polynomial", "Chebyshev", "Hermite", "HermiteE", "Laguerre", "Legendre"):
    ENTRIES[f"numpy.polynomial.{_name}"] = Entry(_of_arrays("numpy.polynomial", _name))
for _name, _value in vars(numpy).items():
    if isinstance(_value, type) and issubclass(_value, numpy.generic):
        ENTRIES[f"numpy.{_name}"] = Entry(_scalar(_name))
        METHODS[_value, "view"] = _view_scalar
ENTRIES["numpy.bool"] = ENTRIES["numpy.bool_"]

for _cls in (numpy.ndarray, numpy.matrix, numpy.recarray):
    METHODS[_cls, "view"] = _view
    METHODS[_cls, "setflags"] = _setflags_method
METHODS[numpy.ndarray, "reshape"] = _reshape
METHODS[numpy.ndarray, "copy"] = _copy
METHODS[numpy.ma.MaskedArray, "setflags"] = _setflags_method
ATTRIBUTES[numpy.ndarray, "T"] = lambda array: array.T
