"""The builtins and the value types of the standard library, as the table has them."""

from __future__ import annotations

import array
import builtins
import collections
import datetime
import decimal
import fractions
import io
import itertools
import math
import operator
import re
import struct
import types
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from persist.archive.safe.budget import Budget
from persist.archive.safe.checks import charge_items, check_data, check_hashes
from persist.archive.safe.operations import METHODS, settable
from persist.archive.safe.table import ENTRIES, Call, Entry, Handler
from persist.errors import UntrustedError

__all__ = ["make_slice", "plain"]

_TEXT = (str, bytes)
_SIZED = (list, tuple, dict, set, frozenset, range, str, bytes, bytearray, collections.deque)
_MAX_PATTERN = 100_000
_MAX_NUMBER_BITS = 1 << 17
_KEYED = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter)
_WIDE_RANGE = re.compile(r"-(?<![0-9A-Za-z]-(?=[0-9A-Za-z]))")
_POWER = re.compile(r"[eE][+-]?[0-9_]{5}")
_ZONE = re.compile(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*\Z")


def plain(
    function: Callable[..., Any], *types_: type, most: int = 100, other: tuple[str, ...] = ()
) -> Handler:
    """Return a handler that calls a function with data only.

    Parameters
    ----------
    function : callable
        What is called.
    *types_ : type
        The types that an argument may have, exactly; by default any data.
    most : int, optional
        How many arguments there may be.
    other : tuple of str, optional
        Keywords whose arguments may be anything.
    """

    def handler(call: Call) -> Any:
        checked = [*call.args, *(v for k, v in call.kwargs.items() if k not in other)]
        if len(checked) > most:
            raise UntrustedError("a call with too many arguments")
        for value in checked:
            if types_ and type(value) not in types_:
                raise UntrustedError(f"a {type(value).__qualname__} stands where it is not read")
        check_data(*checked)
        return function(*call.args, **call.kwargs)

    return handler


def _filled(cls: Any) -> Handler:
    """Return a handler for a container, made of another or of pairs."""

    def handler(call: Call) -> Any:
        for value in call.args:
            if type(value) in _SIZED or isinstance(value, types.MappingProxyType):
                charge_items(value, call.budget)
                if type(value) in (list, tuple) and cls in _KEYED:
                    is_pairs = all(type(pair) in (list, tuple) and pair for pair in value)
                    check_hashes([p[0] for p in value] if is_pairs else list(value), call.budget)
            elif not (cls is collections.defaultdict and value is call.args[0]):
                raise UntrustedError(f"a {type(value).__qualname__} stands where a list is read")
        call.budget.take(64 * len(call.kwargs))
        if "maxlen" in call.kwargs and type(call.kwargs["maxlen"]) is not int:
            raise UntrustedError("the greatest length of a deque is an integer")
        made = cls(*call.args, **call.kwargs)
        call.budget.hold(made, itertools.chain(made, made.values() if cls in _KEYED else ()))
        return made

    return handler


def _sequence(cls: Any) -> Handler:
    def handler(call: Call) -> Any:
        if call.kwargs or len(call.args) > 1:
            raise UntrustedError(f"{cls.__name__} takes one argument")
        if not call.args:
            return cls()
        (items,) = call.args
        if cls in (list, tuple) and type(items) is _Words:
            return items.numbers if cls is list else tuple(items.numbers)
        charge_items(items, call.budget)
        if cls in (set, frozenset):
            check_hashes(list(items), call.budget)
        return cls(items)

    return handler


class _Words:
    """Numbers read from words, before they are put into a list or tuple."""

    def __init__(self, numbers: list[Any]) -> None:
        self.numbers = numbers


def _map(call: Call) -> Any:
    """Return the numbers of ``map(int, '…'.split())``."""
    if len(call.args) != 2 or call.kwargs or call.args[0] not in (int, float):
        raise UntrustedError("map is read for numbers in text only")
    kind, words = call.args
    if type(words) is not list or not set(map(type, words)) <= {str}:
        raise UntrustedError("map is read for numbers in text only")
    return _Words(list(map(kind, words)))


def _split(text: str, call: Call) -> list[str]:
    if call.args or call.kwargs:
        raise UntrustedError("text is split at blanks only")
    call.budget.take(60 * (len(text) // 2))
    return text.split()


def _int(call: Call) -> int:
    check_data(*call.args)
    kinds = [type(value) for value in call.args]
    if call.kwargs or not kinds or kinds[0] not in (str, int, float, bool) or len(kinds) > 2:
        raise UntrustedError("int takes a number or digits")
    return int(*call.args)


def _bytes(cls: Any) -> Handler:
    def handler(call: Call) -> Any:
        if call.kwargs or any(type(v) not in (bytes, bytearray, list, str) for v in call.args):
            raise UntrustedError(f"{cls.__name__} takes bytes")
        return cls(*call.args)

    return handler


def _type(call: Call) -> Any:
    if len(call.args) == 1 and call.args[0] in (None, Ellipsis, NotImplemented):
        return type(call.args[0])
    raise UntrustedError("type is read for None, Ellipsis and NotImplemented only")


def _slice(call: Call) -> Any:
    if call.kwargs:
        raise UntrustedError("a slice has no keywords")
    return make_slice(call.args, call.budget)


def make_slice(parts: Sequence[Any], budget: Budget) -> slice:
    """Return a slice; its parts may be anything."""
    made = slice(*parts)
    budget.hold(made, parts)
    return made


def _iter(call: Call) -> Any:
    if len(call.args) != 1 or type(call.args[0]) not in _SIZED or call.kwargs:
        raise UntrustedError("iter is read for builtin containers only")
    return iter(call.args[0])


def _wrapped(cls: Any) -> Handler:
    """Return a handler for an iterator over others."""

    def handler(call: Call) -> Any:
        for value in call.args:
            if type(value) not in (*_SIZED, *_ITERATORS, int):
                raise UntrustedError(f"{cls.__name__} is read for builtin containers only")
        return cls(*call.args, **call.kwargs)

    return handler


_ITERABLES: list[Any] = [[], (), "", "\xe9", b"", bytearray(), range(0), {}, set()]
_ITERATORS = tuple(dict.fromkeys(type(iter(iterable)) for iterable in _ITERABLES))


def _iterator_state(iterator: Any, call: Call) -> None:
    if type(call.args[0]) is not int:
        raise UntrustedError("the state of an iterator is an integer")
    iterator.__setstate__(call.args[0])


def _exception(cls: Any) -> Handler:
    def handler(call: Call) -> Any:
        for name in call.kwargs:
            settable(name)
        return cls(*call.args, **call.kwargs)

    return handler


def _new(cls: Any) -> Handler:
    def handler(call: Call) -> Any:
        if not call.args or call.args[0] is not cls:
            raise UntrustedError(f"{cls.__name__}.__new__ must be called with its own class")
        return cls.__new__(*call.args, **call.kwargs)

    return handler


def _getitem(call: Call) -> Any:
    owner, key = call.args
    if type(owner) not in (list, tuple, dict) or call.kwargs:
        raise UntrustedError("items are read of builtin containers only")
    return owner[key]


def _unpack(call: Call) -> Any:
    layout, data = call.args
    if layout not in (">d", "<d", ">f", "<f") or type(data) is not bytes:
        raise UntrustedError("struct.unpack is read for single floats only")
    return struct.unpack(layout, data)


def _short(cls: Any) -> Handler:
    """Return a handler for a number whose making takes the square of its digits."""

    def handler(call: Call) -> Any:
        bits = sum(v.bit_length() for v in call.args if type(v) is int)
        texts = [v for v in call.args if type(v) is str]
        is_long = cls is fractions.Fraction and any(map(_POWER.search, texts))
        if bits > _MAX_NUMBER_BITS or is_long:
            raise UntrustedError(f"a {cls.__name__} with so many digits is not read")
        return plain(cls, str, int)(call)

    return handler


def _pattern(call: Call) -> Any:
    pattern = call.args[0]
    if type(pattern) not in _TEXT or len(pattern) > _MAX_PATTERN or call.kwargs:
        raise UntrustedError("a pattern is text of at most 100 000 characters")
    if len(call.args) > 2 or any(type(f) not in (int, re.RegexFlag) for f in call.args[1:]):
        raise UntrustedError("the flags of a pattern are flags of re")
    text = pattern if type(pattern) is str else pattern.decode("latin-1")
    ignores_case = "(?" in text or any(flag & re.IGNORECASE for flag in call.args[1:])
    # The compiler goes through each character of a range, or takes 16 MB for it.
    call.budget.step(len(_WIDE_RANGE.findall(text)) * (200_000 if ignores_case else 20_000))
    return re.compile(pattern, *call.args[1:])


def _namespace(call: Call) -> Any:
    for name in call.kwargs:
        settable(name)
    return types.SimpleNamespace(**call.kwargs)


def _proxy(call: Call) -> Any:
    (mapping,) = call.args
    if type(mapping) not in (dict, collections.OrderedDict):
        raise UntrustedError("MappingProxyType is read for a dict only")
    return types.MappingProxyType(mapping)


def _array(call: Call) -> Any:
    check_data(*call.args)
    code = call.args[0]
    if type(code) is not str or any(type(v) not in (list, bytes, str) for v in call.args[1:]):
        raise UntrustedError("an array takes a type code, and numbers or bytes")
    return array.array(*call.args)


def _zone(cls_name: str) -> Handler:
    def handler(call: Call) -> Any:
        import zoneinfo

        (key,) = call.args
        if type(key) is not str or not _ZONE.match(key):
            raise UntrustedError("a time zone has a name such as Europe/Paris")
        make: Any = getattr(zoneinfo.ZoneInfo, cls_name) if cls_name else zoneinfo.ZoneInfo
        return make(key)

    return handler


def _timed(function: Any) -> Handler:
    def handler(call: Call) -> Any:
        zone = call.kwargs.get("tzinfo")
        if zone is not None and not isinstance(zone, datetime.tzinfo):
            raise UntrustedError("tzinfo is a time zone")
        return plain(function, other=("tzinfo",))(call)

    return handler


def _random(call: Call) -> Any:
    import random

    check_data(*call.args)
    return random.Random(*call.args)


def _random_state(source: Any, call: Call) -> None:
    check_data(*call.args)
    version, state, *_ = call.args[0]
    if version in (2, 3) and (len(state) != 625 or not 0 <= state[-1] <= 624):
        raise UntrustedError("the state of a Random has 624 words and a position among them")
    source.setstate(call.args[0])


def _context(call: Call) -> Any:
    signals = [*call.kwargs.get("flags", ()), *call.kwargs.get("traps", ())]
    if not all(isinstance(s, type) and issubclass(s, decimal.DecimalException) for s in signals):
        raise UntrustedError("flags and traps are signals of decimal")
    rest = {k: v for k, v in call.kwargs.items() if k not in ("flags", "traps")}
    check_data(*call.args, *rest.values())
    return decimal.Context(*call.args, **call.kwargs)


def _memory(cls: Any) -> Handler:
    return plain(cls, str, bytes)


def _add(module: str, **handlers: Handler) -> None:
    ENTRIES.update({f"{module}.{name}": Entry(call) for name, call in handlers.items()})


_add(
    "builtins",
    bool=plain(bool, bool, int, float),
    bytearray=_bytes(bytearray),
    bytes=_bytes(bytes),
    complex=plain(complex, int, float, complex, bool, str),
    dict=_filled(dict),
    float=plain(float, int, float, str, bool),
    frozenset=_sequence(frozenset),
    int=_int,
    iter=_iter,
    list=_sequence(list),
    map=_map,
    object=plain(object, most=0),
    range=plain(range, int),
    set=_sequence(set),
    slice=_slice,
    str=plain(str, str),
    tuple=_sequence(tuple),
    enumerate=_wrapped(enumerate),
    reversed=_wrapped(reversed),
    zip=_wrapped(zip),
)
ENTRIES["builtins.type"] = Entry(_type)
ENTRIES["builtins.setattr"] = Entry(None, is_value=False)
for _name in (
    *("None", "Ellipsis", "NotImplemented", "abs", "all", "any", "ascii", "bin", "callable"),
    *("chr", "divmod", "hash", "hex", "isinstance", "issubclass", "len", "max", "min", "oct"),
    *("ord", "repr", "round", "sorted", "sum", "filter", "memoryview"),
):
    ENTRIES.setdefault(f"builtins.{_name}", Entry())
for _name, _cls in vars(builtins).items():
    if isinstance(_cls, type) and issubclass(_cls, BaseException):
        ENTRIES[f"builtins.{_name}"] = Entry(_exception(_cls))
        ENTRIES[f"builtins.{_name}.__new__"] = Entry(_new(_cls), is_value=False)

_add(
    "collections",
    ChainMap=_filled(collections.ChainMap),
    Counter=_filled(collections.Counter),
    OrderedDict=_filled(collections.OrderedDict),
    UserDict=_filled(collections.UserDict),
    UserList=_filled(collections.UserList),
    UserString=plain(collections.UserString, str),
    defaultdict=_filled(collections.defaultdict),
    deque=_filled(collections.deque),
)
for _cls in (collections.ChainMap, collections.UserDict, collections.UserList):
    ENTRIES[f"collections.{_cls.__name__}.__new__"] = Entry(_new(_cls), is_value=False)
_add(
    "datetime",
    date=plain(datetime.date, int),
    datetime=_timed(datetime.datetime),
    time=_timed(datetime.time),
    timedelta=plain(datetime.timedelta, int, float),
    timezone=plain(datetime.timezone, datetime.timedelta, str),
)
ENTRIES["datetime.timezone.utc"] = Entry()
_add("decimal", Decimal=_short(decimal.Decimal), Context=_context)
for _name, _cls in vars(decimal).items():
    if isinstance(_cls, type) and issubclass(_cls, decimal.DecimalException):
        ENTRIES[f"decimal.{_name}"] = Entry(_exception(_cls))
_add("fractions", Fraction=_short(fractions.Fraction))
_add("uuid", UUID=plain(uuid.UUID), SafeUUID=plain(uuid.SafeUUID, int, type(None)))
for _member in uuid.SafeUUID.__members__:
    ENTRIES[f"uuid.SafeUUID.{_member}"] = Entry()
_add("zoneinfo", ZoneInfo=_zone(""))
ENTRIES["zoneinfo.ZoneInfo.no_cache"] = Entry(_zone("no_cache"), is_value=False)
_add("operator", getitem=_getitem)
for _name in (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "neg", "pos", "and_", "or_", "xor"),
    *("eq", "ne", "lt", "le", "gt", "ge", "not_", "truth", "is_", "is_not", "contains"),
):
    ENTRIES.setdefault(f"operator.{_name}", Entry())
    assert hasattr(operator, _name)
_add("struct", unpack=_unpack)
_add("types", SimpleNamespace=_namespace, MappingProxyType=_proxy)
for _name in ("NoneType", "EllipsisType", "NotImplementedType", "GenericAlias", "UnionType"):
    ENTRIES[f"types.{_name}"] = Entry()
_add("array", array=_array)
_add("re", compile=_pattern, RegexFlag=plain(re.RegexFlag, int))
ENTRIES["re.Pattern"] = ENTRIES["re.Match"] = Entry()
for _member in re.RegexFlag.__members__:
    ENTRIES[f"re.{_member}"] = ENTRIES[f"re.RegexFlag.{_member}"] = Entry()
_add("io", BytesIO=_memory(io.BytesIO), StringIO=_memory(io.StringIO))
_add("random", Random=_random)
for _name in ("PurePath", "PurePosixPath", "PureWindowsPath", "Path", "PosixPath", "WindowsPath"):

    def _path(call: Call, name: str = _name) -> Any:
        import pathlib

        return plain(getattr(pathlib, name), str)(call)

    _add("pathlib", **{_name: _path})
for _name in (
    *("IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network"),
    *("IPv4Interface", "IPv6Interface"),
):

    def _address(call: Call, name: str = _name) -> Any:
        import ipaddress

        return plain(getattr(ipaddress, name), str, int)(call)

    _add("ipaddress", **{_name: _address})


def _struct_time(call: Call) -> Any:
    import time

    return plain(time.struct_time)(call)


_add("time", struct_time=_struct_time)
for _name in vars(math):
    if not _name.startswith("_"):
        ENTRIES[f"math.{_name}"] = Entry()

METHODS[str, "split"] = _split
for _cls in _ITERATORS:
    if hasattr(_cls, "__setstate__"):
        METHODS[_cls, "__setstate__"] = _iterator_state
METHODS["random.Random", "__setstate__"] = _random_state
METHODS["random.Random", "setstate"] = _random_state
