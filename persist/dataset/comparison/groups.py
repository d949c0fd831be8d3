"""Members of two sets in groups that look alike."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from typing import Any, NamedTuple, TypeAlias

from persist.dataset.comparison.classes import Classes
from persist.dataset.comparison.signatures import Signature, Signatures
from persist.dataset.comparison.steps import Entry, Unordered
from persist.dataset.comparison.tolerance import Tolerance

__all__ = ["Group", "Pair", "References", "grouped", "near_pairs"]

# How many objects are looked at to tell two members apart: at first, and if they are still alike.
_FEW_OBJECTS = 32
_MOST_OBJECTS = 20_000
_MOST_TOGETHER = 500_000
_WINDOW = 50

# Stands for what is below a member and was not looked at; no object has this id.
_UNSEEN = 0

_Signed: TypeAlias = "tuple[Entry, Signature]"
Pair: TypeAlias = "tuple[Entry, Entry]"


class Group(NamedTuple):
    """Members of both sides that look alike."""

    old: list[_Signed]
    new: list[_Signed]

    @property
    def pairs(self) -> list[Pair]:
        """The members side by side, in their order."""
        return [(one, other) for (one, _), (other, _) in zip(self.old, self.new, strict=False)]

    @property
    def is_certain(self) -> bool:
        """Whether there is one member on either side."""
        return len(self.old) == len(self.new) == 1


class References:
    """Which members have something below them in common, and how often each object is below one.

    Parameters
    ----------
    groups : iterable of Group
        The members of all sets that wait.
    """

    def __init__(self, groups: Iterable[Group]) -> None:
        self._counts = (Counter[int](), Counter[int]())
        self._joined = (Classes(), Classes())
        for group in groups:
            for i, signed in enumerate(group):
                for _, signature in signed:
                    self._counts[i].update(signature.touched)
                    parts = [*signature.touched, *([] if signature.whole else [_UNSEEN])]
                    for one, other in pairwise(parts):
                        self._joined[i].join(one, other)

    def split(self, group: Group) -> list[Group]:
        """Return the members of a group whose parts are referred to as often."""
        parts: dict[Any, Group] = {}
        for i, signed in enumerate(group):
            for entry, signature in signed:
                counts = tuple(sorted(self._counts[i][key] for key in signature.touched))
                parts.setdefault(counts, Group([], []))[i].append((entry, signature))
        return _on_both_sides(parts.values())

    def independent(self, group: Group, used: set[tuple[int, int]]) -> list[Pair]:
        """Return pairs of a group that have nothing in common with each other.

        Parameters
        ----------
        group : Group
            Members that look alike.
        used : set
            What pairs that were chosen before are joined to; what these are joined to is added.
        """
        pairs = []
        for signed in zip(group.old, group.new, strict=False):
            roots = {
                (i, self._joined[i].root(key))
                for i, (_, signature) in enumerate(signed)
                for key in signature.touched[:1]
            }
            if used.isdisjoint(roots):
                used |= roots
                pairs.append((signed[0][0], signed[1][0]))
        return pairs


def _on_both_sides(groups: Iterable[Group]) -> list[Group]:
    return [group for group in groups if group.old and group.new]


def grouped(keys: Unordered, sides: list[Signatures]) -> list[Group]:
    """Return the groups that have members on both sides."""
    groups = _by_signature(keys.old, keys.new, sides, _FEW_OBJECTS)
    found = []
    for group in groups:
        if group.is_certain or all(s.whole for _, s in (*group.old, *group.new)):
            found.append(group)
            continue
        entries = [[entry for entry, _ in signed] for signed in group]
        limit = max(_FEW_OBJECTS, min(_MOST_OBJECTS, _MOST_TOGETHER // len(group.old)))
        found += _by_signature(entries[0], entries[1], sides, limit)
    return found


def _by_signature(
    old: list[Entry], new: list[Entry], sides: list[Signatures], limit: int
) -> list[Group]:
    groups: dict[Any, Group] = {}
    for i, entries in enumerate((old, new)):
        for entry in entries:
            signature = sides[i].of(entry.key, limit)
            groups.setdefault(signature.tokens, Group([], []))[i].append((entry, signature))
    return _on_both_sides(groups.values())


def near_pairs(group: Group, tolerance: Tolerance) -> Iterator[Pair]:
    """Yield members that differ only in floats, where these are near."""
    left = deque(sorted(group.new, key=_float_order))
    for one in sorted(group.old, key=_float_order):
        while left and _is_below(left[0], one, tolerance):
            left.popleft()
        for i, other in enumerate(islice(left, _WINDOW)):
            if _is_below(one, other, tolerance):
                break
            if all(map(tolerance.same, one[1].numbers, other[1].numbers)):
                del left[i]
                yield one[0], other[0]
                break


def _is_below(one: _Signed, other: _Signed, tolerance: Tolerance) -> bool:
    """Tell whether a member comes before another, and is not near it in the first float."""
    (_, first), (_, second) = one, other
    near = all(map(tolerance.same, first.numbers[:1], second.numbers[:1]))
    return not near and _float_order(one) < _float_order(other)


def _float_order(signed: _Signed) -> list[tuple[bool, float]]:
    parts = [part for number in signed[1].numbers for part in (number.real, number.imag)]
    return [(part != part, 0.0 if part != part else part) for part in parts]
