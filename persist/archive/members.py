"""A stable order for the members of a set, whose own order changes with every run."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import groupby
from operator import eq, itemgetter
from typing import Any

from persist.archive.array_source import without_padding
from persist.archive.literals import ATOMS
from persist.archive.reduction import Attribute, Data, Expression, Import, Reduced

__all__ = ["in_stable_order", "member_digest"]

# How many objects are looked at to tell two members apart: at first, if they are still alike, and
# for all of the latter together. Beyond, they are ordered as the rest of the graph refers to them.
_FEW_OBJECTS = 32
_MOST_OBJECTS = 2000
_MOST_TOGETHER = 500_000
_MOST_DEEP = 50

_NUMBERS = frozenset([int, float])
_NAMED = frozenset(["keyword", "name", "attributes", "slots"])

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
        Orders members of like content; infinite where nothing but sets refers to a member.
    """
    found = list(members)
    kinds = set(map(type, found))
    if len(found) < 2:
        return found
    if len(kinds) == 1 and kinds <= {int, str, bytes, bool, float} and all(map(eq, found, found)):
        return sorted(found)
    ordered: list[Any] = []
    for alike in _groups(found, reduce, _FEW_OBJECTS):
        if len(alike) == 1:
            ordered += alike
        elif max(map(rank, alike)) < math.inf:
            ordered += sorted(alike, key=rank)
        else:
            limit = min(_MOST_OBJECTS, _MOST_TOGETHER // len(alike))
            for same in _groups(alike, reduce, max(limit, _FEW_OBJECTS)):
                ordered += sorted(same, key=rank)
    return ordered


def _groups(members: list[Any], reduce: Reduce, limit: int) -> Iterator[list[Any]]:
    """Yield the members in the order of their keys, those of one key together."""
    if len(members) < 2:
        yield members
        return
    kinds: dict[tuple[str, bool], list[Any]] = {}
    for member in members:
        kinds.setdefault((type(member).__name__, type(member) in _NUMBERS), []).append(member)
    for (_, is_number), found in sorted(kinds.items(), key=itemgetter(0)):
        # There may be many, so nothing is made for each of them but its key.
        keys: list[Any] = [_Digest(reduce, limit).of(member) for member in found]
        if is_number:
            keys = list(zip(map(_size, found), keys, strict=True))
        order = sorted(range(len(found)), key=keys.__getitem__)
        for _, group in groupby(order, keys.__getitem__):
            yield [found[i] for i in group]


def _size(number: float) -> float:
    try:
        return float(number) if number == number else 0.0
    except OverflowError:
        return math.inf if number > 0 else -math.inf


class _Digest:
    """A text that equal graphs have in common, whatever their addresses and the hash seed."""

    def __init__(self, reduce: Reduce, limit: int) -> None:
        self._reduce = reduce
        self._left = limit
        self._path: list[int] = []

    def of(self, obj: Any) -> str:
        cls = type(obj)
        if cls in ATOMS:
            if obj != obj:  # What tells one NaN from another is in its bits alone.
                return repr(obj) + struct.pack(">2d", obj.real, obj.imag).hex()
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

    def _unordered(self, items: Collection[Any]) -> str:
        """Give each item the same share of what may be looked at, as their order is by chance."""
        left = self._left
        if len(items) > left:
            return f"{{{len(items)}}}"
        found, used = [], 0
        for item in items:
            self._left = share = left // len(items)
            found.append(self.of(item))
            used += share - max(self._left, 0)
        self._left = left - used
        return "{" + ",".join(sorted(found)) + "}"

    def _reduced(self, reduced: Reduced) -> str:
        if isinstance(reduced, Import):
            return f"{reduced.module}:{reduced.name}"
        if isinstance(reduced, Data):
            array = without_padding(reduced.array)
            # In its own order: numpy fills padding with anything when it copies to another one.
            content = hashlib.sha256(array.tobytes("A")).hexdigest()
            return f"{array.dtype.str}{array.shape}{content}"
        text = ""
        if isinstance(reduced, Expression):
            text = reduced.rep
        elif isinstance(reduced, Attribute):
            text = f".{reduced.name}"
        for field, parts in groupby(reduced.parts(), itemgetter(0)):
            if field == "members":
                text += self._unordered([value for _, _, value in parts])
            elif field in _NAMED:
                text += self._pairs((name, value) for _, name, value in parts)
            elif field != "function":
                text += self._ordered(value for _, _, value in parts)
        return text


def member_digest(member: Any, reduce: Reduce, limit: int = _MOST_OBJECTS) -> str:
    """Return a text that equal graphs share, and others of up to `limit` objects do not."""
    return _Digest(reduce, limit).of(member)
