"""Classes that Python makes from a declaration: enumerations, dataclasses, named tuples."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Iterable
from enum import Enum, Flag
from functools import lru_cache
from operator import attrgetter
from typing import Any

from persist.archive.imports import find_import
from persist.archive.literals import LEAVES, is_leaf
from persist.archive.protocol import attributes_of, has_same, reduce_by_protocol
from persist.archive.reduction import Attribute, Expression, Import, Reduced, Reduction
from persist.archive.registry import constant, registry
from persist.names import is_identifier

__all__: list[str] = []

# A class may give `name` and `value` a meaning of its own.
_name_of, _value_of = map(attrgetter, ("_name_", "_value_"))


def reduce_member(member: Enum) -> Reduced:
    """Reduce a member of an enumeration to its name, unnamed flags to those that they combine."""
    cls = type(member)
    name = _name_of(member)
    if name is None or cls.__members__.get(name) is not member:
        return _unnamed(cls, member)
    if not is_identifier(name) or getattr(cls, name, None) is not member:
        return Expression.of("cls[name]", {"cls": cls, "name": name})
    if cls.__qualname__.startswith("_"):
        return _public_member(cls, member) or Attribute(cls, name)
    return Attribute(cls, name)


def _public_member(cls: type, member: Enum) -> Import | None:
    """Return the public name of a member whose class is private: ssl.PROTOCOL_TLS."""
    module, own = sys.modules[cls.__module__], _name_of(member)
    if getattr(module, own, None) is member:
        return Import(find_import(cls).module, own)
    for name, value in sorted(vars(module).items()):
        public = isinstance(value, type) and not name.startswith("_")
        if public and vars(value).get(own) is member:
            return Import(find_import(value).module, f"{name}.{own}")
    return None


def _unnamed(cls: type[Enum], member: Enum) -> Reduced:
    combine = getattr(cls, "__or__", None)
    if isinstance(member, Flag) and getattr(combine, "__module__", None) == "enum":
        flags = _flags(cls, _value_of(member))
        if flags:
            args = {f"flag{i}": flag for i, flag in enumerate(flags)}
            return Expression.of(" | ".join(args), args)
    return Reduction(cls, (_value_of(member),))


def _flags(cls: type[Enum], value: Any) -> list[Enum]:
    """Return the flags of one bit that together are `value`, or none if there are no such flags."""
    bits = (flag for flag in cls.__members__.values() if isinstance(_value_of(flag), int))
    # Of one bit, as 2**n & (2**n - 1) is zero.
    found = (f for f in bits if (n := _value_of(f)) > 0 and not n & (n - 1) and n & value)
    flags = list(dict.fromkeys(found))
    return flags if sum(_value_of(flag) for flag in flags) == value else []


registry.register_predicate(lambda cls: issubclass(cls, Enum), reduce_member)


_GENERATED = "<string>"
_COLLECTIONS = frozenset([list, tuple, set, frozenset])
_FEW = 12


def is_plain_dataclass(cls: type) -> bool:
    """Return True if `cls` is a dataclass whose constructor only assigns each field."""
    if not dataclasses.is_dataclass(cls) or hasattr(cls, "__post_init__"):
        return False
    names = [f.name for f in dataclasses.fields(cls)]
    found = (inspect.getattr_static(cls, name, None) for name in names)
    if any(hasattr(type(f), "__set__") and not inspect.ismemberdescriptor(f) for f in found):
        return False
    return _builds_plainly(cls) and list(inspect.signature(cls).parameters) == names


def _builds_plainly(cls: Any) -> bool:
    return (
        type(cls).__call__ is type.__call__
        and has_same(cls, object, "__new__", "__reduce__", "__reduce_ex__")
        and _is_generated(cls.__init__)
        and (has_same(cls, object, "__setattr__") or _is_generated(cls.__setattr__))
        and all(_is_own(getattr(cls, name, None)) for name in ("__getstate__", "__setstate__"))
    )


def _is_generated(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and code.co_filename == _GENERATED


def _is_own(function: Any) -> bool:
    """Return True if the state is what object, or a frozen dataclass with slots, says it is."""
    own = getattr(object, "__getstate__", None)
    return function is own or function is None or function.__module__ == "dataclasses"


@lru_cache(maxsize=1024)
def _field_names(cls: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]


def reduce_dataclass(obj: Any) -> Reduced:
    """Reduce a dataclass to a call of its constructor with keywords."""
    cls: Any = type(obj)
    names = _field_names(cls)
    attributes = getattr(obj, "__dict__", {})
    if list(attributes) == names:
        return Reduction(cls, absorb=True, attributes=attributes)
    if attributes:
        return reduce_by_protocol(obj)
    values = {name: getattr(obj, name) for name in names if hasattr(obj, name)}
    # With slots nothing can be filled later, so the values must not lead back to the object.
    if len(values) == len(names) and (
        all(map(is_leaf, values.values())) or _end_soon(values.values())
    ):
        return Reduction(cls, (), values)
    return reduce_by_protocol(obj)


def _end_soon(values: Iterable[Any]) -> bool:
    """Return True if all below `values` are few, and plain values, containers and dataclasses."""
    waiting = list(values)
    for _ in range(_FEW):
        if not waiting:
            return True
        obj = waiting.pop()
        cls: Any = type(obj)
        if cls is dict:
            parts = [*obj, *obj.values()]
        elif cls in _COLLECTIONS:
            parts = obj
        elif registry.found[cls] is reduce_dataclass:
            # One that a field is missing from leads back here, and does not end.
            parts = [getattr(obj, name, obj) for name in _field_names(cls)]
            if len(getattr(obj, "__dict__", ())) > len(parts):
                return False
        elif is_leaf(obj):
            continue
        else:
            return False
        if not LEAVES.issuperset(map(type, parts)):
            if len(parts) > _FEW:
                return False
            waiting += parts
    return not waiting


constant("dataclasses", "MISSING", "dataclasses._MISSING_TYPE")


def is_plain_named_tuple(cls: type) -> bool:
    """Return True if `cls` is a named tuple with the constructor that namedtuple gave it."""
    if not issubclass(cls, tuple) or not isinstance(getattr(cls, "_fields", None), tuple):
        return False
    new, getnewargs = cls.__new__, getattr(cls, "__getnewargs__", None)
    return (
        getattr(new, "__globals__", {}).get("__name__", "").startswith("namedtuple_")
        and getattr(getnewargs, "__module__", "") == "collections"
        and type(cls).__call__ is type.__call__
        and has_same(cls, object, "__init__", "__reduce__", "__reduce_ex__")
        and has_same(cls, object, "__getstate__", "__setstate__")
    )


def reduce_named_tuple(obj: Any) -> Reduced:
    """Reduce a named tuple to a call of its constructor with keywords."""
    if len(obj) != len(obj._fields):
        return reduce_by_protocol(obj)
    values = dict(zip(obj._fields, tuple(obj), strict=True))
    return Reduction(type(obj), (), values, attributes=attributes_of(obj))


def is_struct_sequence(cls: type) -> bool:
    """Return True if `cls` is a tuple with names that a module written in C defines."""
    return issubclass(cls, tuple) and isinstance(getattr(cls, "n_sequence_fields", None), int)


def reduce_struct_sequence(obj: Any) -> Reduced:
    """Reduce a tuple with names to its items and to the fields that are not among them."""
    _, (items, rest) = obj.__reduce__()
    known = any(value is not None for value in rest.values())
    return Reduction(type(obj), (items, rest) if known else (items,))


registry.register_predicate(is_plain_dataclass, reduce_dataclass)
registry.register_predicate(is_plain_named_tuple, reduce_named_tuple)
registry.register_predicate(is_struct_sequence, reduce_struct_sequence)
