"""Keys of dicts and members of sets: those that are equal, and those that no other side has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from persist.archive.literals import ATOMS
from persist.dataset.comparison.descriptions import describe, describe_key
from persist.dataset.comparison.steps import NOTHING, Entry, Fact, Step, Steps, Unordered
from persist.dataset.comparison.tolerance import Tolerance

__all__ = ["lone_steps", "mapping_steps", "pair_steps", "set_steps"]

_EXACT = Tolerance()
_Pairs = Collection[tuple[Any, Any]]


def mapping_steps(old: _Pairs, new: _Pairs) -> Steps:
    """Yield the values of two dicts side by side, and the keys that are equal but not the same."""
    if len(old) == len(new) and all(
        _are_same(one, other) for (one, _), (other, _) in zip(old, new, strict=True)
    ):
        for (key, ours), (_, theirs) in zip(old, new, strict=True):
            if not _are_same(ours, theirs):
                yield Step(f"[{describe_key(key)}]", ours, theirs)
        return
    found = Unordered("", _entries(old), _entries(new), is_set=False, sources=(old, new))
    for one, other in _take_equal(found):
        yield from pair_steps(found, one, other)
    yield from _rest(found)


def set_steps(old: Collection[Any], new: Collection[Any]) -> Steps:
    """Yield members that only one of two sets has, and those that are equal but not the same."""
    found = Unordered("", _members(old), _members(new))
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
    if found.is_set:
        for side in (found.old, found.new):
            side.sort(key=lambda entry: describe(entry.key))
    for old in found.old:
        yield Step(_lone_label(found, old), _part(found, old), NOTHING)
    for new in found.new:
        yield Step(_lone_label(found, new), NOTHING, _part(found, new))
    if not (found.is_set or found.old or found.new):
        yield from _order_facts(found)


def _lone_label(found: Unordered, entry: Entry) -> str:
    if not found.is_set:
        return f"[{describe_key(entry.key)}]"
    found.matched.append((entry.position, entry.position))
    return f"<member {len(found.matched) - 1}>"


def _part(found: Unordered, entry: Entry) -> Any:
    return entry.key if found.is_set else entry.value


def _rest(found: Unordered) -> Steps:
    """Yield what is left: at once if no key can have a partner, else to be matched later."""
    if any(map(_may_match, found.old)) and any(map(_may_match, found.new)):
        yield found
    else:
        yield from lone_steps(found)


def _may_match(entry: Entry) -> bool:
    """Tell whether a key may have a partner that is not equal: floats may be near, or NaN."""
    cls = type(entry.key)
    return cls not in ATOMS or cls in (float, complex)


def _entries(pairs: Iterable[tuple[Any, Any]]) -> list[Entry]:
    return [Entry(i, key, value) for i, (key, value) in enumerate(pairs)]


def _members(members: Iterable[Any]) -> list[Entry]:
    return [Entry(i, member) for i, member in enumerate(members)]


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
    """Tell whether two parts are the same number or text: most are, and need no step."""
    cls = type(old)
    return cls is type(new) and cls in ATOMS and _EXACT.same_atom(old, new)


def _order_facts(found: Unordered) -> Iterator[Fact]:
    order = sorted(found.matched)
    moved = next((i for i, (_, position) in enumerate(order) if i != position), None)
    if moved is not None:
        texts = [
            f"order of keys: {describe(key, 30)} is number {moved}"
            for side in found.sources
            for key in (_key_at(side, moved),)
        ]
        yield Fact("", *texts)


def _key_at(pairs: Iterable[tuple[Any, Any]], position: int) -> Any:
    return next(key for i, (key, _) in enumerate(pairs) if i == position)
