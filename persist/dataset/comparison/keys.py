"""Keys of dicts and members of sets: equal ones first, the rest by the digests of their content.

The rest waits until everything else has been compared: which objects are pairs is then known for
those that are reached in another way, and such pairs come first among members that look the same.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Collection, Iterator
from typing import Any

from persist.archive.literals import ATOMS
from persist.archive.members import member_digest
from persist.archive.reduction import Import
from persist.dataset.comparison.descriptions import describe, describe_key
from persist.dataset.comparison.reductions import Reductions
from persist.dataset.comparison.sharing import Sharing
from persist.dataset.comparison.steps import (
    NOTHING,
    Entry,
    Fact,
    Frame,
    Place,
    Step,
    Steps,
    Unordered,
)
from persist.dataset.comparison.tolerance import Tolerance

__all__ = ["Waiting", "mapping_steps", "set_steps"]

_EXACT = Tolerance()
_Pairs = Collection[tuple[Any, Any]]


def mapping_steps(old: _Pairs, new: _Pairs) -> Steps:
    """Yield the values of two dicts side by side, and the keys that are equal but not the same."""
    if len(old) == len(new) and all(
        _are_same(one, other) for (one, _), (other, _) in zip(old, new, strict=True)
    ):
        for (key, one), (_, other) in zip(old, new, strict=True):
            if not _are_same(one, other):
                yield Step(f"[{describe_key(key)}]", one, other)
        return
    ours, theirs = ([Entry(i, *pair) for i, pair in enumerate(side)] for side in (old, new))
    found = Unordered("", ours, theirs, is_set=False, sources=(old, new))
    for one, other in _take_equal(found):
        yield from pair_steps(found, one, other)
    yield from _rest(found)


def set_steps(old: Collection[Any], new: Collection[Any]) -> Steps:
    """Yield members that only one of two sets has, and those that are equal but not the same."""
    ours, theirs = ([Entry(i, one) for i, one in enumerate(side)] for side in (old, new))
    found = Unordered("", ours, theirs)
    pairs = [pair for pair in _take_equal(found) if not _are_same(pair[0].key, pair[1].key)]
    for one, other in sorted(pairs, key=lambda pair: describe(pair[0].key)):
        yield from pair_steps(found, one, other)
    yield from _rest(found)


def pair_steps(found: Unordered, old: Entry, new: Entry) -> Iterator[Step]:
    """Yield what to compare of two keys that are a pair, and note that they are."""
    found.matched.append((old.position, new.position))
    if found.is_set:
        yield Step(f"<member {len(found.matched) - 1}>", old.key, new.key)
        return
    if not _are_same(old.key, new.key):
        yield Step(f".keys()[{old.position}]", old.key, new.key)
    if not _are_same(old.value, new.value):
        yield Step(f"[{describe_key(old.key)}]", old.value, new.value)


def lone_steps(found: Unordered) -> Steps:
    """Yield the keys that are left on either side; if there are none, whether the order differs."""
    if not (found.is_set or found.old or found.new):
        yield from _order_facts(found)
    for side, is_old in ((found.old, True), (found.new, False)):
        if found.is_set:
            side.sort(key=lambda entry: describe(entry.key))
        for position, key, value in side:
            label, part = f"[{describe_key(key)}]", value
            if found.is_set:
                found.matched.append((position, position))
                label, part = f"<member {len(found.matched) - 1}>", key
            yield Step(label, part, NOTHING) if is_old else Step(label, NOTHING, part)


def _rest(found: Unordered) -> Steps:
    """Yield what is left: at once if no key can have a partner, else to be matched later."""
    if any(map(_may_match, found.old)) and any(map(_may_match, found.new)):
        yield found
    else:
        yield from lone_steps(found)


def _may_match(entry: Entry) -> bool:
    """Return True if a key may have a partner that is not equal: floats may be near, or NaN."""
    cls = type(entry.key)
    return cls not in ATOMS or cls in (float, complex)


def _take_equal(found: Unordered) -> list[tuple[Entry, Entry]]:
    """Take out the keys that Python calls equal, and return them as pairs."""
    index: dict[Any, Entry] = {}
    for entry in found.new:
        try:
            index.setdefault(entry.key, entry)
        except Exception:
            continue
    pairs = [(old, new) for old in found.old if (new := _find(index, old.key)) is not None]
    gone = {old.position for old, _ in pairs}, {new.position for _, new in pairs}
    found.old = [entry for entry in found.old if entry.position not in gone[0]]
    found.new = [entry for entry in found.new if entry.position not in gone[1]]
    return pairs


def _find(index: dict[Any, Entry], key: Any) -> Entry | None:
    try:
        return index.pop(key, None)
    except Exception:  # The class of a key hashes and compares as it likes, or not at all.
        return None


def _are_same(old: Any, new: Any) -> bool:
    """Return True if two parts are the same number or text: most are, and need no step."""
    cls = type(old)
    return cls is type(new) and cls in ATOMS and _EXACT.same_atom(old, new)


def _order_facts(found: Unordered) -> Iterator[Fact]:
    order = sorted(found.matched)
    moved = next((i for i, (_, position) in enumerate(order) if i != position), None)
    if moved is not None:
        texts = [
            f"order of keys: {describe(key, 30)} is number {moved}"
            for side in found.sources
            for key, _ in itertools.islice(side, moved, moved + 1)
        ]
        yield Fact("", *texts)


class Waiting:
    """Keys of dicts and members of sets that wait until all else has been compared."""

    def __init__(self, reductions: Reductions, sharing: Sharing, tolerance: Tolerance) -> None:
        self._reductions = reductions
        self._sharing = sharing
        self._tolerance = tolerance
        self._waiting: deque[tuple[Unordered, Place, bool]] = deque()

    def add(self, keys: Unordered, place: Place, quiet: bool) -> None:
        """Make keys or members wait; keys come before members."""
        if keys.is_set:
            self._waiting.append((keys, place, quiet))
        else:
            self._waiting.appendleft((keys, place, quiet))

    def frames(self) -> list[Frame]:
        """Return what to compare next, nothing if nothing waits."""
        if not self._waiting:
            return []
        keys, place, quiet = self._waiting.popleft()
        return [Frame(place, quiet, self._steps(keys))]

    def _steps(self, keys: Unordered) -> Steps:
        # What a pair leads to is compared before the next pair is chosen, and may decide it.
        for find in (self._equal_pairs, self._near_pairs, self._class_pairs):
            taken: tuple[set[int], set[int]] = (set(), set())
            for old, new in find(keys):
                taken[0].add(old.position)
                taken[1].add(new.position)
                yield from pair_steps(keys, old, new)
            keys.old = [entry for entry in keys.old if entry.position not in taken[0]]
            keys.new = [entry for entry in keys.new if entry.position not in taken[1]]
        yield from lone_steps(keys)

    def _class_pairs(self, keys: Unordered) -> Iterator[tuple[Entry, Entry]]:
        """Yield objects of one class in the order of their content, which may be near."""
        if self._tolerance.is_exact:
            return
        sides: tuple[dict[type, list[Entry]], dict[type, list[Entry]]] = ({}, {})
        for side, entries in zip(sides, (keys.old, keys.new), strict=True):
            for entry in entries:
                if type(entry.key) not in ATOMS:
                    side.setdefault(type(entry.key), []).append(entry)
        for cls, ours in sides[0].items():
            theirs = sides[1].get(cls, [])
            if len(ours) == len(theirs):
                order = [
                    sorted(found, key=lambda e: self._digest(e.key)) for found in (ours, theirs)
                ]
                yield from zip(*order, strict=True)

    def _equal_pairs(self, keys: Unordered) -> Iterator[tuple[Entry, Entry]]:
        """Yield entries that are pairs already, or of equal content: the only ones of it first."""
        sides: tuple[dict[str, list[Entry]], dict[str, list[Entry]]] = ({}, {})
        for side, entries in zip(sides, (keys.old, keys.new), strict=True):
            for entry in entries:
                side.setdefault(self._digest(entry.key), []).append(entry)
        groups = [(found, sides[1].get(digest, [])) for digest, found in sides[0].items()]
        for ours, theirs in sorted(groups, key=lambda group: len(group[0]) + len(group[1]) > 2):
            left = {id(new.key): new for new in theirs}
            for old in self._known_first(ours, left):
                if not left:
                    break
                partner = self._sharing.partners.get(id(old.key))
                free = [key for key in left if key not in self._sharing.numbers[1]]
                if partner not in left and not free:
                    continue
                yield old, left.pop(partner if partner in left else free[0])

    def _known_first(self, ours: list[Entry], left: dict[int, Entry]) -> Iterator[Entry]:
        """Yield entries, at each time one whose partner is known if there is any."""
        waiting = list(ours)
        while waiting:
            partners = self._sharing.partners
            known = (i for i, e in enumerate(waiting) if partners.get(id(e.key)) in left)
            yield waiting.pop(next(known, 0))

    def _near_pairs(self, keys: Unordered) -> list[tuple[Entry, Entry]]:
        """Return the entries that differ only in floats, which are near."""
        if self._tolerance.is_exact:
            return []
        left = sorted(keys.new, key=_order)
        pairs = []
        for old in sorted(keys.old, key=_order):
            near = next((i for i, new in enumerate(left) if self._is_near(old.key, new.key)), None)
            if near is not None:
                pairs.append((old, left.pop(near)))
        return pairs

    def _is_near(self, old: Any, new: Any) -> bool:
        if type(old) is not type(new):
            return False
        if isinstance(old, float | complex):
            return self._tolerance.same(old, new)
        if isinstance(old, tuple):
            return len(old) == len(new) and all(map(self._is_near, old, new))
        if isinstance(old, frozenset):
            return len(old) == len(new) and all(
                map(self._is_near, sorted(old, key=repr), sorted(new, key=repr))
            )
        return self._digest(old) == self._digest(new)

    def _digest(self, key: Any) -> str:
        return member_digest(key, self._reduce)

    def _reduce(self, obj: Any) -> Any:
        reduced = self._reductions.of(obj)
        # What cannot be stored is equal to itself only.
        return Import("", str(id(obj))) if reduced is None else reduced


def _order(entry: Entry) -> tuple[str, str]:
    return type(entry.key).__name__, repr(entry.key)
