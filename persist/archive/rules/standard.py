"""The standard library: containers, dates, numbers, paths, patterns, and what C holds."""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import fractions
import gc
import inspect
import io
import ipaddress
import pathlib
import re
import types
import uuid
import zoneinfo
from collections.abc import Callable
from functools import wraps
from typing import Any

from persist.archive.protocol import attributes_of, is_plain_subclass, reduce_by_protocol
from persist.archive.reduction import Attribute, Expression, Reduced, Reduction, Rule
from persist.archive.registry import rule
from persist.errors import UnsupportedObjectError

__all__: list[str] = []

_DAY = ("year", "month", "day")
_CLOCK = ("hour", "minute", "second", "microsecond", "tzinfo", "fold")
_SPAN = ("days", "seconds", "microseconds")


def plain_rule(base: type, *names: str) -> Callable[[Rule], Rule]:
    """Register the decorated function as the rule of `base`, and of its plain subclasses.

    Those add no more than methods and attributes, and have `names`, which the rule asks for, from
    `base`. Others reduce by the protocol.
    """

    def register(function: Rule) -> Rule:
        @rule(base, subclasses=True)
        @wraps(function)
        def reduce_plain(obj: Any) -> Reduced:
            if not is_plain_subclass(type(obj), base, *names):
                return reduce_by_protocol(obj)
            reduced = function(obj)
            if type(reduced) is Reduction:
                reduced.attributes = attributes_of(obj)
            return reduced

        return function

    return register


@plain_rule(collections.OrderedDict, "__setitem__", "items", "update")
def reduce_ordered_dict(mapping: collections.OrderedDict[Any, Any]) -> Reduced:
    """Reduce an OrderedDict to its pairs."""
    return Reduction(type(mapping), absorb=True, pairs=list(mapping.items()))


@plain_rule(collections.defaultdict, "__setitem__", "items", "default_factory")
def reduce_defaultdict(mapping: collections.defaultdict[Any, Any]) -> Reduced:
    """Reduce a defaultdict to its factory and its pairs."""
    factory, pairs = mapping.default_factory, list(mapping.items())
    # A dict of pairs is no factory, so None cannot be left out where pairs follow.
    args = (factory,) if pairs or factory is not None else ()
    return Reduction(type(mapping), args, absorb=True, pairs=pairs)


@plain_rule(collections.deque, "append", "extend", "__iter__", "maxlen")
def reduce_deque(items: collections.deque[Any]) -> Reduced:
    """Reduce a deque to its items and its greatest length."""
    kwargs = {} if items.maxlen is None else {"maxlen": items.maxlen}
    return Reduction(type(items), (), kwargs, absorb=True, items=list(items))


@plain_rule(types.SimpleNamespace)
def reduce_namespace(space: types.SimpleNamespace) -> Reduced:
    """Reduce a SimpleNamespace to its attributes, as keywords."""
    return Reduction(type(space), absorb=True)


@rule(types.MappingProxyType)
def reduce_mapping_proxy(proxy: types.MappingProxyType[Any, Any]) -> Reduced:
    """Reduce a read-only view of a mapping to the mapping, which may be shared."""
    mappings = gc.get_referents(proxy)
    mapping = mappings[0] if len(mappings) == 1 else dict(proxy)
    return Reduction(types.MappingProxyType, (mapping,))


@plain_rule(array.array, "typecode", "tolist", "tounicode", "tobytes")
def reduce_array(numbers: array.array[Any]) -> Reduced:
    """Reduce an array to its type code and its numbers, or to bytes where digits are not exact."""
    args: tuple[Any, ...] = (numbers.typecode,)
    if array.array.__len__(numbers):
        args += (_contents(numbers),)
    return Reduction(type(numbers), args)


def _contents(numbers: array.array[Any]) -> Any:
    if numbers.typecode in "uw":
        return numbers.tounicode()
    digits = numbers.tolist()
    # The payload of a NaN is lost in digits.
    exact = numbers.typecode not in "fd" or all(number == number for number in digits)
    return digits if exact else numbers.tobytes()


@plain_rule(datetime.date, *_DAY)
def reduce_date(day: datetime.date) -> Reduced:
    """Reduce a date to year, month and day."""
    return Reduction(type(day), (day.year, day.month, day.day))


@plain_rule(datetime.datetime, *_DAY, *_CLOCK)
def reduce_datetime(moment: datetime.datetime) -> Reduced:
    """Reduce a datetime to its parts, without zeros at the end."""
    clock = _without_zeros(moment.hour, moment.minute, moment.second, moment.microsecond)
    args = (moment.year, moment.month, moment.day, *clock)
    return Reduction(type(moment), args, _zone(moment))


@plain_rule(datetime.time, *_CLOCK)
def reduce_time(clock: datetime.time) -> Reduced:
    """Reduce a time of the day to its parts, without zeros at the end."""
    parts = _without_zeros(clock.minute, clock.second, clock.microsecond)
    return Reduction(type(clock), (clock.hour, *parts), _zone(clock))


def _without_zeros(*parts: int) -> tuple[int, ...]:
    while parts and not parts[-1]:
        parts = parts[:-1]
    return parts


def _zone(moment: datetime.datetime | datetime.time) -> dict[str, Any]:
    # A time zone of the user's own may be false.
    zone = {} if moment.tzinfo is None else {"tzinfo": moment.tzinfo}
    return {**zone, "fold": 1} if moment.fold else zone


@plain_rule(datetime.timedelta, *_SPAN)
def reduce_timedelta(span: datetime.timedelta) -> Reduced:
    """Reduce a span of time to days, seconds and microseconds, as keywords."""
    parts = {name: getattr(span, name) for name in _SPAN}
    kwargs = {name: part for name, part in parts.items() if part}
    args = () if kwargs else (0,)
    return Reduction(type(span), args, kwargs)


@rule(datetime.timezone)
def reduce_timezone(zone: datetime.timezone) -> Reduced:
    """Reduce a fixed time zone to its offset and name."""
    if zone is datetime.timezone.utc:
        return Attribute(datetime.timezone, "utc")
    return reduce_by_protocol(zone)


@plain_rule(zoneinfo.ZoneInfo, "key")
def reduce_zone(zone: zoneinfo.ZoneInfo) -> Reduced:
    """Reduce a time zone to its key."""
    if zone.key is None:
        return reduce_by_protocol(zone)
    answer: Any = zone.__reduce__()
    _, (key, cached) = answer
    function = type(zone) if cached else Attribute(type(zone), "no_cache")
    return Reduction(function, (key,))


@rule(fractions.Fraction)
def reduce_fraction(number: fractions.Fraction) -> Reduced:
    """Reduce a fraction to numerator and denominator, on every Python."""
    return Reduction(fractions.Fraction, (number.numerator, number.denominator))


@rule(decimal.Context)
def reduce_context(context: decimal.Context) -> Reduced:
    """Reduce a context of decimal arithmetic to its settings, as keywords."""
    names = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
    kwargs = {name: getattr(context, name) for name in names}
    for name in ("flags", "traps"):
        kwargs[name] = [signal for signal, on in getattr(context, name).items() if on]
    return Reduction(decimal.Context, (), kwargs)


@plain_rule(uuid.UUID, "__str__", "is_safe")
def reduce_uuid(number: uuid.UUID) -> Reduced:
    """Reduce a UUID to its text."""
    known = number.is_safe is not uuid.SafeUUID.unknown
    return Reduction(type(number), (str(number),), {"is_safe": number.is_safe} if known else {})


@rule(ipaddress.IPv4Address, ipaddress.IPv6Address)
def reduce_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Reduced:
    """Reduce an address to its text."""
    return Reduction(type(address), (str(address),))


@rule(pathlib.PurePosixPath, pathlib.PosixPath, pathlib.PureWindowsPath, pathlib.WindowsPath)
@rule(pathlib.PurePath, subclasses=True)
def reduce_path(path: pathlib.PurePath) -> Reduced:
    """Reduce a path to its text."""
    cls = type(path)
    builtin = next(base for base in cls.__mro__ if base.__module__.startswith("pathlib"))
    if not is_plain_subclass(cls, builtin, "__eq__", "__str__") or cls(str(path)) != path:
        return reduce_by_protocol(path)
    return Reduction(cls, (str(path),), attributes=attributes_of(path))


@rule(re.Pattern)
def reduce_pattern(pattern: re.Pattern[Any]) -> Reduced:
    """Reduce a compiled pattern to its text and its flags."""
    default = re.compile(pattern.pattern[:0]).flags
    flags = pattern.flags & ~default
    args = (pattern.pattern, re.RegexFlag(flags)) if flags else (pattern.pattern,)
    return Reduction(re.compile, args)


@rule(io.BytesIO, io.StringIO)
def reduce_memory_file(file: Any) -> Reduced:
    """Reduce a file in memory that stands at its start to what it holds."""
    if file.closed or file.tell() or vars(file):
        return reduce_by_protocol(file)
    state: Any = file.__getstate__()
    if isinstance(file, io.StringIO) and state[1] != "\n":
        return reduce_by_protocol(file)
    return Reduction(type(file), (file.getvalue(),))


@rule(inspect.Parameter)
def reduce_parameter(parameter: inspect.Parameter) -> Reduced:
    """Reduce a parameter of a function to what it is made from."""
    kwargs = {"default": parameter.default, "annotation": parameter.annotation}
    return Reduction(inspect.Parameter, (parameter.name, parameter.kind), _without_empty(kwargs))


@rule(inspect.Signature)
def reduce_signature(signature: inspect.Signature) -> Reduced:
    """Reduce a signature to its parameters."""
    kwargs = _without_empty({"return_annotation": signature.return_annotation})
    return Reduction(inspect.Signature, (list(signature.parameters.values()),), kwargs)


def _without_empty(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if value is not inspect.Parameter.empty}


@rule("xml.etree.ElementTree.Element")
def reduce_element(element: Any) -> Reduced:
    """Reduce an element of XML to its tag, attributes, children and text."""
    args = (element.tag, dict(element.attrib)) if element.attrib else (element.tag,)
    texts = {"text": element.text, "tail": element.tail}
    return Reduction(
        type(element),
        args,
        items=list(element) or None,
        slots={name: text for name, text in texts.items() if text is not None},
    )


@rule("_ctypes._SimpleCData", subclasses=True)
def reduce_c_number(number: Any) -> Reduced:
    """Reduce a number of C to its value."""
    _check_no_pointers(number)
    cls = type(number)
    plain = cls.__module__ == "ctypes" and not vars(number)
    if plain and bytes(cls(number.value)) == bytes(number):
        return Reduction(cls, (number.value,))
    return _from_bytes(number)


@rule("_ctypes.Structure", "_ctypes.Union", "_ctypes.Array", subclasses=True)
def reduce_c_data(data: Any) -> Reduced:
    """Reduce data of C to its bytes."""
    _check_no_pointers(data)
    return _from_bytes(data)


def _check_no_pointers(data: Any) -> None:
    try:
        data.__reduce__()
    except ValueError as error:
        raise UnsupportedObjectError(f"{error}: store what the pointers lead to") from error


def _from_bytes(data: Any) -> Reduced:
    cls = type(data)
    if any("__reduce__" in vars(c) for c in cls.__mro__[:-1] if c.__module__ != "_ctypes"):
        return reduce_by_protocol(data)
    function = Attribute(_c_class(cls), "from_buffer_copy")
    return Reduction(function, (bytes(data),), attributes=attributes_of(data))


def _c_class(cls: Any) -> Any:
    """Return an array class as its items times its length: ``c_int * 2`` has no name."""
    length = getattr(cls, "_length_", None)
    if length is None or not cls.__name__.endswith(f"_Array_{length}"):
        return cls
    return Expression.of("item * length", {"item": _c_class(cls._type_), "length": length})
