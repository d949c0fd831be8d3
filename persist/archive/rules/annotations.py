"""Annotations: generic types, unions and the forms of typing."""

from __future__ import annotations

import collections.abc
import types
import typing
from typing import Any

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Expression, Reduced, Reduction
from persist.archive.registry import registry, rule

__all__: list[str] = []


def _subscript(origin: Any, args: tuple[Any, ...]) -> Expression:
    names = {f"arg{i}": arg for i, arg in enumerate(args)}
    return Expression.of(f"origin[{', '.join(names) or '()'}]", {"origin": origin, **names})


@rule(types.GenericAlias)
def reduce_generic(alias: Any) -> Reduced:
    """Reduce a generic type to its subscription: ``list[int]``."""
    if getattr(alias, "__unpacked__", False):
        return reduce_by_protocol(alias)
    return _subscript(alias.__origin__, alias.__args__)


@rule(type(collections.abc.Callable[[], None]))
def reduce_callable(alias: Any) -> Reduced:
    """Reduce the type of a function to its subscription: ``Callable[[int], str]``."""
    _, (origin, args) = alias.__reduce__()
    return _subscript(origin, args)


@rule(types.UnionType)
def reduce_union(union: Any) -> Reduced:
    """Reduce a union to its alternatives: ``int | None``."""
    parts = [None if part is type(None) else part for part in union.__args__]
    if any(isinstance(part, str | typing.ForwardRef) for part in parts):
        return reduce_by_protocol(union)
    args = {f"part{i}": part for i, part in enumerate(parts)}
    return Expression.of(" | ".join(args), args)


@rule(typing.ForwardRef)
def reduce_forward_reference(reference: Any) -> Reduced:
    """Reduce a reference to a type that is defined later to its text."""
    module = getattr(reference, "__forward_module__", None)
    kwargs = {} if module is None else {"module": module}
    return Reduction(typing.ForwardRef, (reference.__forward_arg__,), kwargs)


def _is_typing_form(cls: type) -> bool:
    return cls.__module__ == "typing" and hasattr(cls, "__getitem__") and hasattr(cls, "__reduce__")


def reduce_form(form: Any) -> Reduced:
    """Reduce a form of typing with its arguments to the subscription that makes it."""
    reduced = reduce_by_protocol(form)
    if isinstance(reduced, Expression):
        key = reduced.args["key"]
        return _subscript(reduced.args["owner"], key if type(key) is tuple else (key,))
    return reduced


registry.register_predicate(_is_typing_form, reduce_form)
