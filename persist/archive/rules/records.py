"""Dataclasses, named tuples and the tuples with names that C functions return."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Import, Reduced, Reduction
from persist.archive.registry import registry, rule
from persist.archive.rules.plain import attributes_of, has_same, is_leaf

__all__: list[str] = []

_GENERATED = "<string>"


def is_plain_dataclass(cls: type) -> bool:
    """Tell whether `cls` is a dataclass whose constructor only assigns each field."""
    if not dataclasses.is_dataclass(cls) or hasattr(cls, "__post_init__"):
        return False
    return _builds_plainly(cls) and _parameters(cls) == [f.name for f in dataclasses.fields(cls)]


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
    """Tell whether the state is what object, or a frozen dataclass with slots, says it is."""
    own = getattr(object, "__getstate__", None)
    return function is own or function is None or function.__module__ == "dataclasses"


def _parameters(cls: type) -> list[str]:
    return list(inspect.signature(cls).parameters)


def reduce_dataclass(obj: Any) -> Reduced:
    """Reduce a dataclass to a call of its constructor with keywords."""
    names = [field.name for field in dataclasses.fields(obj)]
    attributes = getattr(obj, "__dict__", {})
    if attributes.keys() == set(names):
        values = {name: attributes[name] for name in names}
        return Reduction(type(obj), absorb=True, attributes=values)
    if not attributes and all(is_leaf(getattr(obj, name, obj)) for name in names):
        # With slots nothing can be filled later, so the values must not lead back to the object.
        return Reduction(type(obj), (), {name: getattr(obj, name) for name in names})
    return reduce_by_protocol(obj)


@rule("dataclasses._MISSING_TYPE")
def reduce_missing(_: Any) -> Reduced:
    """Reduce the mark of a field without default to its name."""
    return Import("dataclasses", "MISSING")


def is_plain_named_tuple(cls: type) -> bool:
    """Tell whether `cls` is a named tuple with the constructor that namedtuple gave it."""
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
    """Tell whether `cls` is a tuple with names that a module written in C defines."""
    return issubclass(cls, tuple) and isinstance(getattr(cls, "n_sequence_fields", None), int)


def reduce_struct_sequence(obj: Any) -> Reduced:
    """Reduce a tuple with names to its items and to the fields that are not among them."""
    _, (items, rest) = obj.__reduce__()
    known = any(value is not None for value in rest.values())
    return Reduction(type(obj), (items, rest) if known else (items,))


registry.register_predicate(is_plain_dataclass, reduce_dataclass)
registry.register_predicate(is_plain_named_tuple, reduce_named_tuple)
registry.register_predicate(is_struct_sequence, reduce_struct_sequence)
