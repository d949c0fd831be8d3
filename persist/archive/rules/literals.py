"""Values of the standard library that have a form as text: numbers, addresses, paths, patterns."""

from __future__ import annotations

import decimal
import fractions
import io
import ipaddress
import pathlib
import re
import uuid
from typing import Any

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Reduced, Reduction
from persist.archive.registry import rule
from persist.archive.rules.plain import attributes_of, is_plain_subclass

__all__: list[str] = []


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


@rule(uuid.UUID, subclasses=True)
def reduce_uuid(number: uuid.UUID) -> Reduced:
    """Reduce a UUID to its text."""
    if not is_plain_subclass(type(number), uuid.UUID):
        return reduce_by_protocol(number)
    known = number.is_safe is not uuid.SafeUUID.unknown
    return Reduction(type(number), (str(number),), {"is_safe": number.is_safe} if known else {})


@rule(ipaddress.IPv4Address, ipaddress.IPv6Address)
def reduce_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Reduced:
    """Reduce an address to its text."""
    return Reduction(type(address), (str(address),))


@rule(pathlib.PurePath, subclasses=True)
def reduce_path(path: pathlib.PurePath) -> Reduced:
    """Reduce a path to its text."""
    cls = type(path)
    builtin = next(base for base in cls.__mro__ if base.__module__.startswith("pathlib"))
    if not is_plain_subclass(cls, builtin) or cls(str(path)) != path:
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
    if file.closed or file.tell() or vars(file) or not _keeps_newlines(file):
        return reduce_by_protocol(file)
    return Reduction(type(file), (file.getvalue(),))


def _keeps_newlines(file: Any) -> bool:
    return isinstance(file, io.BytesIO) or file.__getstate__()[1] == "\n"
