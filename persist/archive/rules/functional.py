"""Partial functions, method callers and iterators."""

from __future__ import annotations

import functools
import itertools
import operator
import sys
from typing import Any

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import NO_STATE, Reduced, Reduction
from persist.archive.registry import registry, rule
from persist.archive.rules.plain import is_plain_subclass
from persist.errors import UnsupportedObjectError
from persist.names import is_identifier

__all__: list[str] = []


@rule(functools.partial, subclasses=True)
def reduce_partial(function: functools.partial[Any]) -> Reduced:
    """Reduce a partial function to the call that made it."""
    plain = is_plain_subclass(type(function), functools.partial)
    # A partial of a partial is flattened when it is made.
    flat = not isinstance(function.func, functools.partial)
    if not (plain and flat and all(map(is_identifier, function.keywords))):
        return reduce_by_protocol(function)
    # Asking for its __dict__ would give it one.
    answer: Any = function.__reduce__()
    args = (function.func, *function.args)
    return Reduction(type(function), args, dict(function.keywords), attributes=answer[2][3] or None)


@rule(operator.methodcaller)
def reduce_method_caller(caller: operator.methodcaller) -> Reduced:
    """Reduce a method caller to the call that made it."""
    answer: Any = caller.__reduce__()
    function, args = answer
    if not isinstance(function, functools.partial):
        return Reduction(function, args)
    if not all(map(is_identifier, function.keywords)):
        return reduce_by_protocol(caller)
    return Reduction(function.func, (*function.args, *args), function.keywords)


_ITERABLES: tuple[Any, ...] = ([], (), "", "\xe9", b"", bytearray(), range(0))


# Text has one class of iterators or two, as Python goes.
@rule(*dict.fromkeys(type(iter(iterable)) for iterable in _ITERABLES))
def reduce_iterator(iterator: Any) -> Reduced:
    """Reduce an iterator to what it runs over, and to how far it is."""
    function, args, *state = iterator.__reduce__()
    started = bool(state) and state[0] != 0
    return Reduction(function, args, state=state[0] if started else NO_STATE)


def reduce_itertool(iterator: Any) -> Reduced:
    """Reduce an iterator of itertools where Python still can: 3.12 warns, 3.14 cannot."""
    if sys.version_info < (3, 12):
        return reduce_by_protocol(iterator)
    raise UnsupportedObjectError(
        f"an iterator of class {type(iterator).__qualname__} has no form as source on this Python: "
        "store a list of its items, or what it is made from"
    )


registry.register_predicate(lambda cls: cls.__module__ == itertools.__name__, reduce_itertool)
