"""A stable order for the members of a set, whose own order changes with every run."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from persist.archive.array_source import without_padding
from persist.archive.literals import ATOMS
from persist.archive.reduction import NO_STATE, Attribute, Data, Expression, Import, Reduction

__all__ = ["in_stable_order"]

# Two members that differ only beyond this many objects are kept in the order in which they were
# found.
_MOST_OBJECTS = 2000
_MOST_DEEP = 50

Reduce = Callable[[Any], Any]


def in_stable_order(
    members: Iterable[Any], reduce: Reduce, rank: Callable[[Any], float]
) -> list[Any]:
    """Return `members` sorted by value where they are of one type, else by type and content.

    Parameters
    ----------
    members : iterable
        The members of a set.
    reduce : callable
        Tells what a member reduces to.
    rank : callable
        Orders members of equal content.
    """
    found = list(members)
    kinds = set(map(type, found))
    if len(found) < 2:
        return found
    if len(kinds) == 1 and kinds <= {int, str, bytes, bool}:
        return sorted(found)
    keyed = sorted(((_key(m, reduce), m) for m in found), key=itemgetter(0))
    ordered: list[Any] = []
    for _, group in groupby(keyed, itemgetter(0)):
        alike = [member for _, member in group]
        ordered += alike if len(alike) == 1 else sorted(alike, key=rank)
    return ordered


def _key(member: Any, reduce: Reduce) -> tuple[str, float, str]:
    kind, digest = type(member).__name__, _Digest(reduce).of(member)
    number = member if type(member) in (int, float) and member == member else 0
    try:
        return kind, float(number), digest
    except OverflowError:
        return kind, math.inf if number > 0 else -math.inf, digest


class _Digest:
    """A text that equal graphs have in common, whatever their addresses and the hash seed."""

    def __init__(self, reduce: Reduce) -> None:
        self._reduce = reduce
        self._left = _MOST_OBJECTS
        self._path: list[int] = []

    def of(self, obj: Any) -> str:
        cls = type(obj)
        if cls in ATOMS:
            return f"{obj:x}" if cls is int else repr(obj)
        self._left -= 1
        if id(obj) in self._path:
            return f"^{len(self._path) - self._path.index(id(obj))}"
        if self._left < 0 or len(self._path) > _MOST_DEEP:
            return cls.__qualname__
        self._path.append(id(obj))
        try:
            return cls.__qualname__ + self._content(obj)
        finally:
            self._path.pop()

    def _content(self, obj: Any) -> str:
        cls = type(obj)
        if cls in (list, tuple):
            return self._ordered(obj)
        if cls is dict:
            return self._pairs(obj.items())
        if cls in (set, frozenset):
            return self._unordered(obj)
        return self._reduced(self._reduce(obj))

    def _ordered(self, items: Iterable[Any]) -> str:
        return "(" + ",".join(map(self.of, items)) + ")"

    def _pairs(self, pairs: Iterable[tuple[Any, Any]]) -> str:
        return "(" + ",".join(f"{self.of(key)}:{self.of(value)}" for key, value in pairs) + ")"

    def _unordered(self, items: Iterable[Any]) -> str:
        return "{" + ",".join(sorted(map(self.of, items))) + "}"

    def _reduced(self, reduced: Any) -> str:
        if isinstance(reduced, Import):
            return f"{reduced.module}:{reduced.name}"
        if isinstance(reduced, Attribute):
            return self._ordered([reduced.owner, reduced.name])
        if isinstance(reduced, Expression):
            return reduced.rep + self._pairs(reduced.args.items())
        if isinstance(reduced, Data):
            array = without_padding(reduced.array)
            content = hashlib.sha256(array.tobytes()).hexdigest()
            return f"{array.dtype.str}{array.shape}{content}"
        return self._reduction(reduced)

    def _reduction(self, reduction: Reduction) -> str:
        named = (reduction.attributes, reduction.slots)
        parts = [self._ordered(reduction.args), self._pairs(reduction.kwargs.items())]
        parts += map(self._pairs, (reduction.pairs or (), *map(_items, named)))
        parts.append(self._ordered(reduction.items or ()))
        parts.append(self._unordered(reduction.members or ()))
        if reduction.state is not NO_STATE:
            parts.append(self.of(reduction.state))
        return "".join(parts)


def _items(mapping: Mapping[str, Any] | None) -> Iterable[tuple[str, Any]]:
    return mapping.items() if mapping else ()
