"""A stable order for the members of a set, which iterates in an order that changes with every run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from persist.archive.literals import ATOMS
from persist.archive.reduction import NO_STATE, Attribute, Data, Expression, Import, Reduction

__all__ = ["in_stable_order"]

# Two members that differ only deeper than this are kept in the order in which they were found.
_DEPTH = 12
_FIELDS = ("items", "pairs", "attributes", "slots", "state")

Reduce = Callable[[Any], Any]


def in_stable_order(members: Iterable[Any], reduce: Reduce) -> list[Any]:
    """Return `members` sorted by value where they are of one type, else by type and content.

    Parameters
    ----------
    members : iterable
        The members of a set.
    reduce : callable
        Tells what a member reduces to.
    """
    found = list(members)
    kinds = set(map(type, found))
    if len(found) < 2:
        return found
    if len(kinds) == 1 and kinds <= {int, str, bytes, bool}:
        return sorted(found)
    return sorted(found, key=lambda member: (type(member).__name__, _key(member, reduce)))


def _key(member: Any, reduce: Reduce) -> tuple[float, str]:
    number = member if type(member) in (int, float) and member == member else 0
    try:
        return float(number), _digest(member, reduce, _DEPTH)
    except OverflowError:
        return float("inf" if number > 0 else "-inf"), _digest(member, reduce, _DEPTH)


def _digest(obj: Any, reduce: Reduce, depth: int) -> str:
    """Return a text that equal graphs have in common, whatever their addresses and the hash seed."""
    cls = type(obj)
    if cls in ATOMS:
        return f"{obj:x}" if cls is int else repr(obj)
    if not depth:
        return cls.__qualname__
    below = _Digests(reduce, depth - 1)
    if cls in (list, tuple):
        return cls.__name__ + below.ordered(obj)
    if cls is dict:
        return "dict" + below.ordered(obj.items())
    if cls in (set, frozenset):
        return cls.__name__ + below.unordered(obj)
    return cls.__qualname__ + below.reduced(reduce(obj))


class _Digests:
    def __init__(self, reduce: Reduce, depth: int) -> None:
        self._reduce = reduce
        self._depth = depth

    def ordered(self, items: Iterable[Any]) -> str:
        return "(" + ",".join(_digest(item, self._reduce, self._depth) for item in items) + ")"

    def unordered(self, items: Iterable[Any]) -> str:
        return "{" + ",".join(sorted(_digest(i, self._reduce, self._depth) for i in items)) + "}"

    def reduced(self, reduced: Any) -> str:
        if isinstance(reduced, Import):
            return f"{reduced.module}:{reduced.name}"
        if isinstance(reduced, Attribute):
            return self.ordered([reduced.owner, reduced.name])
        if isinstance(reduced, Expression):
            return reduced.rep + self.ordered(reduced.args.items())
        if isinstance(reduced, Data):
            array = reduced.array
            content = hashlib.sha256(array.tobytes()).hexdigest()
            return f"{array.dtype.str}{array.shape}{content}"
        return self._reduction(reduced)

    def _reduction(self, reduction: Reduction) -> str:
        parts = [self.ordered([*reduction.args, *reduction.kwargs.items()])]
        for field in _FIELDS:
            value = getattr(reduction, field)
            if value is not None and value is not NO_STATE:
                parts.append(self.ordered([dict(value) if hasattr(value, "keys") else value]))
        if reduction.members is not None:
            parts.append(self.unordered(reduction.members))
        return "".join(parts)
