"""Types of the language: classes, functions, modules, methods, sets and the like."""

from __future__ import annotations

import builtins
import types
from typing import Any

from persist.archive.imports import find_import, module_import
from persist.archive.reduction import Attribute, Import, Reduced, Reduction
from persist.archive.registry import registry, rule
from persist.errors import UnsupportedObjectError

__all__: list[str] = []


@rule(types.FunctionType)
def reduce_function(function: Any) -> Reduced:
    """Reduce a function to its import path."""
    return find_import(function)


@rule(types.BuiltinFunctionType, types.MethodType)
def reduce_method(method: Any) -> Reduced:
    """Reduce a method to an attribute of what it is bound to, a function to its import path."""
    owner = method.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return find_import(method)
    if getattr(owner, method.__name__, None) != method:
        raise UnsupportedObjectError(
            f"the method {method.__qualname__} is not the attribute {method.__name__!r} of the "
            "object that it is bound to"
        )
    return Attribute(owner, method.__name__)


@rule(types.ModuleType)
def reduce_module(module: types.ModuleType) -> Reduced:
    """Reduce a module to its import."""
    return module_import(module)


@rule(type(None), type(Ellipsis), type(NotImplemented))
def reduce_singleton(obj: Any) -> Reduced:
    """Reduce a singleton to the name that it has everywhere."""
    return Import("builtins", repr(obj))


@rule(set)
def reduce_set(members: set[Any]) -> Reduced:
    """Reduce a set to its members."""
    return Reduction(set, absorb=True, members=members)


@rule(frozenset)
def reduce_frozenset(members: frozenset[Any]) -> Reduced:
    """Reduce a frozenset to its members, which must be there when it is built."""
    return Reduction(frozenset, absorb=True, members=members)


@rule(bytearray)
def reduce_bytearray(data: bytearray) -> Reduced:
    """Reduce a bytearray to its bytes."""
    return Reduction(bytearray, (bytes(data),) if data else ())


@rule(range)
def reduce_range(numbers: range) -> Reduced:
    """Reduce a range to the arguments that a person would write."""
    args: tuple[int, ...] = (numbers.start, numbers.stop, numbers.step)
    if numbers.step == 1:
        args = args[1:2] if numbers.start == 0 else args[:2]
    return Reduction(range, args)


@rule(slice)
def reduce_slice(part: slice) -> Reduced:
    """Reduce a slice to its three parts."""
    return Reduction(slice, (part.start, part.stop, part.step))


def reduce_class(cls: type) -> Reduced:
    """Reduce a class to its import path; the class of a singleton has none that is old enough."""
    for singleton in (None, Ellipsis, NotImplemented):
        if cls is type(singleton):
            return Reduction(type, (singleton,))
    if cls.__module__ == "builtins" and cls.__name__ not in vars(builtins):
        return Import("types", _name_in_types(cls))
    return find_import(cls)


def _name_in_types(cls: type) -> str:
    for name, value in sorted(vars(types).items()):
        if value is cls:
            return name
    raise UnsupportedObjectError(f"the builtin class {cls.__name__!r} has no name to import it by")


registry.register_predicate(lambda cls: issubclass(cls, type), reduce_class)
