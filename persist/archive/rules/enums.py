"""Members of enumerations and combinations of flags."""

from __future__ import annotations

import sys
from enum import Enum, Flag
from typing import Any

from persist.archive.imports import find_import
from persist.archive.reduction import Attribute, Expression, Import, Reduced, Reduction
from persist.archive.registry import registry
from persist.names import is_identifier

__all__: list[str] = []


def reduce_member(member: Enum) -> Reduced:
    """Reduce a member of an enumeration to its name, unnamed flags to those that they combine."""
    cls = type(member)
    name = member.name
    if name is None or cls.__members__.get(name) is not member:
        return _unnamed(cls, member)
    if not is_identifier(name) or getattr(cls, name, None) is not member:
        return Expression.of("cls[name]", {"cls": cls, "name": name})
    if cls.__qualname__.startswith("_"):
        return _public_member(cls, member) or Attribute(cls, name)
    return Attribute(cls, name)


def _public_member(cls: type, member: Enum) -> Import | None:
    """Return the public name of a member whose class is private: ssl.PROTOCOL_TLS."""
    module = sys.modules[cls.__module__]
    if getattr(module, member.name, None) is member:
        return Import(find_import(cls).module, member.name)
    for name, value in sorted(vars(module).items()):
        public = isinstance(value, type) and not name.startswith("_")
        if public and vars(value).get(member.name) is member:
            return Import(find_import(value).module, f"{name}.{member.name}")
    return None


def _unnamed(cls: type[Enum], member: Enum) -> Reduced:
    if isinstance(member, Flag) and _combines_plainly(cls):
        flags = _flags(cls, member.value)
        if flags:
            args = {f"flag{i}": flag for i, flag in enumerate(flags)}
            return Expression.of(" | ".join(args), args)
    return Reduction(cls, (member.value,))


def _combines_plainly(cls: type[Enum]) -> bool:
    return getattr(getattr(cls, "__or__", None), "__module__", None) == "enum"


def _flags(cls: type[Enum], value: Any) -> list[Enum]:
    """Return the flags of one bit that together are `value`, or none if there are no such flags."""
    flags = [
        flag for flag in cls.__members__.values() if _is_bit(flag.value) and flag.value & value
    ]
    flags = list(dict.fromkeys(flags))
    return flags if sum(flag.value for flag in flags) == value else []


def _is_bit(value: Any) -> bool:
    return isinstance(value, int) and value > 0 and not value & (value - 1)


registry.register_predicate(lambda cls: issubclass(cls, Enum), reduce_member)
