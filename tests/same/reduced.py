"""Objects that are compared by what pickle asks of them."""

from __future__ import annotations

import copyreg
import types
from collections.abc import Iterator
from typing import Any, Protocol

from tests.same.atoms import Identity, is_scalar
from tests.same.difference import Path, Step, check, show


class Keeper(Protocol):
    """What keeps temporaries alive: one that dies would give its id to another object."""

    def keep(self, *objects: Any) -> None:
        """Keep `objects` alive until the end."""


def in_order(found: Any, wanted: Any, path: Path, label: str = "[{}]") -> Iterator[Step]:
    check(path, "length", len(found), len(wanted))
    for index, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
        yield label.format(index), ours, theirs


def pairs_in_order(found: Any, wanted: Any, path: Path) -> Iterator[Step]:
    check(path, "length", len(found), len(wanted))
    for (our_key, ours), (their_key, theirs) in zip(found, wanted, strict=True):
        name = show(their_key) if is_scalar(their_key) else type(their_key).__qualname__
        yield f".key({name})", our_key, their_key
        yield f"[{name}]", ours, theirs


def vars_of(obj: Any) -> dict[str, Any]:
    """Return attributes and slots of `obj` by name; slots of two classes may have one name."""
    found = dict(getattr(obj, "__dict__", {}))
    for cls in type(obj).__mro__:
        for name, value in vars(cls).items():
            if isinstance(value, types.MemberDescriptorType):
                try:
                    found.setdefault(name, value.__get__(obj))
                except AttributeError:
                    continue
    return found


def compare_states(found: Any, wanted: Any, path: Path, walk: Keeper) -> Iterator[Step]:
    """Compare attributes by name, in any order; other states are objects like any other."""
    walk.keep(found, wanted)
    if not (_is_attributes(found) and _is_attributes(wanted)):
        yield ".__getstate__()", found, wanted
        return
    check(path, "attributes", sorted(found), sorted(wanted))
    for name in sorted(wanted):
        label = f".{name}" if name.isidentifier() else f".__dict__[{name!r}]"
        yield label, found[name], wanted[name]


def _is_attributes(state: Any) -> bool:
    return type(state) is dict and all(type(name) is str for name in state)


def compare_reduced(found: Any, wanted: Any, path: Path, walk: Keeper) -> Iterator[Step]:
    ours, theirs = _reduce(found), _reduce(wanted)
    walk.keep(ours, theirs)
    if isinstance(ours, str) or isinstance(theirs, str):
        check(path, "value", Identity(found), Identity(wanted))
        return
    yield ".__class__()", ours[0], theirs[0]
    yield from in_order(ours[1], theirs[1], path, ".args[{}]")
    yield from _compare_split_states(ours[2], theirs[2], path, walk)
    if ours[3] is not None or theirs[3] is not None:
        yield from in_order(ours[3] or [], theirs[3] or [], path)
    if ours[4] is not None or theirs[4] is not None:
        yield from pairs_in_order(ours[4] or [], theirs[4] or [], path)
    yield ".__setstate__", ours[5], theirs[5]


def _compare_split_states(found: Any, wanted: Any, path: Path, walk: Keeper) -> Iterator[Step]:
    """Compare states, each part of which may be a dict of attributes, or of slots."""
    if not (_is_split(found) and _is_split(wanted)):
        found, wanted = (found,), (wanted,)
    for ours, theirs in zip(found, wanted, strict=True):
        ours, theirs = ({} if part is None else part for part in (ours, theirs))
        yield from compare_states(ours, theirs, path, walk)


def _is_split(state: Any) -> bool:
    return type(state) is tuple and len(state) == 2 and _is_attributes(state[1])


def _reduce(obj: Any) -> Any:
    """Return what pickle would ask for, with lists in place of iterators."""
    reducer = copyreg.dispatch_table.get(type(obj))
    try:
        answer = reducer(obj) if reducer else obj.__reduce_ex__(4)
    except TypeError:
        # Some classes refuse to be pickled but say in their own way how they are stored.
        answer = (type(obj), (), vars_of(obj))
    if isinstance(answer, str):
        return answer
    function, args, state, items, pairs, setter = (*answer, *[None] * (6 - len(answer)))
    items, pairs = (None if part is None else list(part) for part in (items, pairs))
    return function, args, state, items, pairs, setter
