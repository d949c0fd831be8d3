"""The builtins and the value types of the standard library, as the table has them."""

from __future__ import annotations

import array
import builtins
import collections
import datetime
import decimal
import fractions
import itertools
import math
import re
import struct
import types
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from persist.archive.rules.builtins import ITERATORS
from persist.archive.safe.budget import Budget
from persist.archive.safe.checks import charge_items, check_data, check_hashes, check_keys
from persist.archive.safe.table import (
    ENTRIES,
    Entry,
    Handler,
    Load,
    add_plain,
    add_values,
    entry,
    method,
    plain,
    resolved,
    settable,
    untrusted,
)
from persist.errors import UntrustedError

__all__ = ["make_slice"]

_SIZED = (list, tuple, dict, set, frozenset, range, str, bytes, bytearray, collections.deque)
_ITERATORS = (*ITERATORS, type(iter({})), type(iter(set())), type(reversed([])), reversed)
_KEYED = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter)
_MAX_PATTERN = 100_000
_MAX_NUMBER_BITS = 1 << 17
_WIDE_RANGE = re.compile(r"-(?<![0-9A-Za-z]-(?=[0-9A-Za-z]))")
_POWER = re.compile(r"[eE][+-]?[0-9_]{5}")
_ZONE = re.compile(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*\Z")


def _filled(cls: Any) -> Handler:
    """Return a handler for a container, made of another or of pairs."""

    def handler(load: Load, /, *args: Any, **kwargs: Any) -> Any:
        for value in args:
            if type(value) in _SIZED or isinstance(value, types.MappingProxyType):
                charge_items(value, load.budget)
                if type(value) in (list, tuple) and issubclass(cls, (dict, collections.UserDict)):
                    is_pairs = all(type(pair) in (list, tuple) and pair for pair in value)
                    check_hashes([p[0] for p in value] if is_pairs else list(value), load.budget)
            elif not (cls is collections.defaultdict and value is args[0]):
                raise UntrustedError(f"a {type(value).__qualname__} stands where a list is read")
        load.budget.take(64 * len(kwargs))
        if "maxlen" in kwargs and type(kwargs["maxlen"]) is not int:
            raise UntrustedError("the greatest length of a deque is an integer")
        made = cls(*args, **kwargs)
        load.budget.hold(made, itertools.chain(made, made.values() if cls in _KEYED else ()))
        return made

    return handler


def _sequence(cls: Any) -> Handler:
    def handler(load: Load, items: Any = (), /) -> Any:
        if type(items) is map and cls in (list, tuple):
            return cls(items)
        charge_items(items, load.budget)
        if cls in (set, frozenset):
            check_hashes(list(items), load.budget)
        return cls(items)

    return handler


def _exception(cls: Any) -> Handler:
    def handler(load: Load, /, *args: Any, **kwargs: Any) -> Any:
        for name in kwargs:
            settable(name)
        return cls(*args, **kwargs)

    return handler


def _new(cls: Any) -> Handler:
    def handler(load: Load, own: Any, /, *args: Any, **kwargs: Any) -> Any:
        if own is not cls:
            raise UntrustedError(f"{cls.__name__}.__new__ must be called with its own class")
        return cls.__new__(cls, *args, **kwargs)

    return handler


def _short(cls: type) -> Handler:
    """Return a handler for a number whose making takes the square of its digits."""
    make = plain(f"{cls.__module__}:{cls.__name__}", str, int)

    def handler(load: Load, /, *args: Any, **kwargs: Any) -> Any:
        bits = sum(v.bit_length() for v in args if type(v) is int)
        texts = [v for v in args if type(v) is str]
        is_long = cls is fractions.Fraction and any(map(_POWER.search, texts))
        if bits > _MAX_NUMBER_BITS or is_long:
            raise UntrustedError(f"a {cls.__name__} with so many digits is not read")
        return make(load, *args, **kwargs)

    return handler


@entry("builtins.map")
def _map(load: Load, kind: Any, words: Any, /) -> Any:
    """Return the numbers of ``map(int, '…'.split())``."""
    if kind not in (int, float) or type(words) is not list or not set(map(type, words)) <= {str}:
        raise untrusted("builtins.map")
    return map(kind, words)


@method("split", str)
def _split(load: Load, text: str, /) -> list[str]:
    load.budget.take(60 * (len(text) // 2))
    return text.split()


@entry("builtins.slice")
def _slice(load: Load, /, *parts: Any) -> slice:
    return make_slice(parts, load.budget)


def make_slice(parts: Sequence[Any], budget: Budget) -> slice:
    """Return a slice; its parts may be anything."""
    made = slice(*parts)
    budget.hold(made, parts)
    return made


@method("__setstate__", *(cls for cls in _ITERATORS if hasattr(cls, "__setstate__")))
def _iterator_state(load: Load, iterator: Any, state: Any, /) -> None:
    if type(state) is not int:
        raise UntrustedError("the state of an iterator is an integer")
    iterator.__setstate__(state)


@entry("operator.getitem")
def _getitem(load: Load, owner: Any, key: Any, /) -> Any:
    if type(owner) not in (list, tuple, dict):
        raise UntrustedError("items are read of builtin containers only")
    check_keys([key], load.budget)
    return owner[key]


@entry("struct.unpack")
def _unpack(load: Load, layout: Any, data: Any, /) -> Any:
    if layout not in (">d", "<d", ">f", "<f") or type(data) is not bytes:
        raise UntrustedError("struct.unpack is read for single floats only")
    return struct.unpack(layout, data)


@entry("re.compile")
def _pattern(load: Load, pattern: Any, flags: Any = 0, /) -> Any:
    if type(pattern) not in (str, bytes) or len(pattern) > _MAX_PATTERN:
        raise UntrustedError("a pattern is text of at most 100 000 characters")
    if type(flags) not in (int, re.RegexFlag):
        raise UntrustedError("the flags of a pattern are flags of re")
    text = pattern if type(pattern) is str else pattern.decode("latin-1")
    ignores_case = "(?" in text or flags & re.IGNORECASE
    # The compiler goes through each character of a range, or takes 16 MB for it.
    load.budget.step(len(_WIDE_RANGE.findall(text)) * (200_000 if ignores_case else 20_000))
    return re.compile(pattern, flags)


@entry("types.SimpleNamespace")
def _namespace(load: Load, /, **attributes: Any) -> Any:
    for name in attributes:
        settable(name)
    return types.SimpleNamespace(**attributes)


@entry("types.MappingProxyType")
def _proxy(load: Load, mapping: Any, /) -> Any:
    known = (dict, collections.OrderedDict, types.MappingProxyType)
    if type(mapping) not in known and not load.has_made(mapping):
        raise UntrustedError("MappingProxyType is read for a dict only")
    return types.MappingProxyType(mapping)


@entry("array.array")
def _array(load: Load, code: Any, /, *content: Any) -> Any:
    check_data(code, *content)
    if type(code) is not str or any(type(v) not in (list, bytes, str) for v in content):
        raise UntrustedError("an array takes a type code, and numbers or bytes")
    return array.array(code, *content)


def _zone(name: str) -> Handler:
    def handler(load: Load, key: Any, /) -> Any:
        if type(key) is not str or not _ZONE.match(key):
            raise UntrustedError("a time zone has a name such as Europe/Paris")
        return resolved(f"zoneinfo:{name}")(key)

    return handler


@method("__setstate__", "random.Random")
@method("setstate", "random.Random")
def _random_state(load: Load, source: Any, found: Any, /) -> None:
    check_data(found)
    version, state, *_ = found
    if version in (2, 3) and (len(state) != 625 or not 0 <= state[-1] <= 624):
        raise UntrustedError("the state of a Random has 624 words and a position among them")
    source.setstate(found)


@entry("decimal.Context")
def _context(load: Load, /, *args: Any, **kwargs: Any) -> Any:
    signals = [*kwargs.get("flags", ()), *kwargs.get("traps", ())]
    if not all(isinstance(s, type) and issubclass(s, decimal.DecimalException) for s in signals):
        raise UntrustedError("flags and traps are signals of decimal")
    check_data(*args, *(v for k, v in kwargs.items() if k not in ("flags", "traps")))
    return decimal.Context(*args, **kwargs)


def _add_classes(make: Callable[[Any], Handler], *classes: type, ending: str = "") -> None:
    for cls in classes:
        name = f"{cls.__module__}.{cls.__name__}{ending}"
        ENTRIES[name] = Entry(make(cls), is_value=not ending)


_WRAPPERS = (collections.ChainMap, collections.UserDict, collections.UserList)
_add_classes(_sequence, list, tuple, set, frozenset)
_add_classes(_filled, collections.deque, *_KEYED, *_WRAPPERS)
_add_classes(_short, decimal.Decimal, fractions.Fraction)
_add_classes(_new, *_WRAPPERS, collections.UserString, types.SimpleNamespace, ending=".__new__")
for _name, _cls in vars(builtins).items():
    if isinstance(_cls, type) and issubclass(_cls, BaseException):
        ENTRIES[f"builtins.{_name}"] = Entry(_exception(_cls))
        ENTRIES[f"builtins.{_name}.__new__"] = Entry(_new(_cls), is_value=False)
for _name, _cls in vars(decimal).items():
    if isinstance(_cls, type) and issubclass(_cls, decimal.DecimalException):
        ENTRIES[f"decimal.{_name}"] = Entry(_exception(_cls))
entry("zoneinfo.ZoneInfo")(_zone("ZoneInfo"))
entry("zoneinfo.ZoneInfo.no_cache", is_value=False)(_zone("ZoneInfo.no_cache"))
ENTRIES["builtins.setattr"] = Entry(None, is_value=False)

add_plain("builtins", "object")
add_plain("builtins", "bool", exact=(bool, int, float))
add_plain("builtins", "int", "float", exact=(int, float, str, bool))
add_plain("builtins", "complex", exact=(int, float, complex, bool, str))
add_plain("builtins", "bytes", "bytearray", exact=(bytes, bytearray, list, str))
add_plain("builtins", "range", exact=(int,))
add_plain("builtins", "str", exact=(str,))
add_plain("builtins", "type", exact=(type(None), type(Ellipsis), type(NotImplemented)))
add_plain("builtins", "iter", exact=_SIZED)
add_plain(*("builtins", "enumerate", "reversed", "zip"), exact=(*_SIZED, *_ITERATORS, int, bool))
add_plain("collections", "UserString", exact=(str,))
add_plain("datetime", "date", exact=(int,))
add_plain("datetime", "datetime", "time")
add_plain("datetime", "timedelta", exact=(int, float))
add_plain("datetime", "timezone", exact=(datetime.timedelta, str))
add_plain("uuid", "UUID")
add_plain("uuid", "SafeUUID", exact=(int, type(None)))
add_plain("re", "RegexFlag", exact=(int,))
add_plain("io", "BytesIO", "StringIO", exact=(str, bytes))
add_plain("random", "Random")
add_plain("time", "struct_time")
add_plain(
    "pathlib",
    *("PurePath", "PurePosixPath", "PureWindowsPath", "Path", "PosixPath", "WindowsPath"),
    exact=(str,),
)
add_plain(
    "ipaddress",
    *("IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network"),
    *("IPv4Interface", "IPv6Interface"),
    exact=(str, int),
)
add_values(
    "builtins",
    *("None", "Ellipsis", "NotImplemented", "abs", "all", "any", "ascii", "bin", "callable"),
    *("chr", "divmod", "hash", "hex", "isinstance", "issubclass", "len", "max", "min", "oct"),
    *("ord", "repr", "round", "sorted", "sum", "filter", "memoryview"),
)
add_values(
    "operator",
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "neg", "pos", "and_", "or_", "xor"),
    *("eq", "ne", "lt", "le", "gt", "ge", "not_", "truth", "is_", "is_not", "contains"),
)
add_values("types", "NoneType", "EllipsisType", "NotImplementedType", "GenericAlias", "UnionType")
add_values("re", "Pattern", "Match", *re.RegexFlag.__members__)
add_values("re.RegexFlag", *re.RegexFlag.__members__)
add_values("uuid.SafeUUID", *uuid.SafeUUID.__members__)
add_values("datetime.timezone", "utc")
add_values("typing", "Any")
add_values("math", *(name for name in vars(math) if not name.startswith("_")))
