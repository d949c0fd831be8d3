"""The objects that objects are made of: one level of a graph at a time, in C where it can be."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from persist.archive.array_source import dtype_argument
from persist.archive.literals import ATOMS
from persist.archive.reduction import (
    NO_STATE,
    Attribute,
    Data,
    Expression,
    Reduced,
    Reduction,
)

__all__ = ["children_of", "dict_children", "sequence_children"]

Owned = tuple[Any, Any]


def sequence_children(owners: list[Any], atoms: set[type]) -> list[Owned]:
    """Return (item, owner) for what lists and tuples hold besides atoms; add the types of these."""
    if not _has_others(chain.from_iterable(owners), atoms):
        return []
    return [(item, owner) for owner in owners for item in owner if type(item) not in ATOMS]


def dict_children(owners: list[dict[Any, Any]], atoms: set[type]) -> list[Owned]:
    """Return (part, owner) for what dicts hold besides atoms, as keys and as values."""
    found: list[Owned] = []
    if _has_others(chain.from_iterable(owners), atoms):
        found = [(key, owner) for owner in owners for key in owner if type(key) not in ATOMS]
    if _has_others(chain.from_iterable(map(dict.values, owners)), atoms):
        found += [(part, own) for own in owners for part in own.values() if type(part) not in ATOMS]
    return found


def _has_others(parts: Iterator[Any], atoms: set[type]) -> bool:
    kinds = set(map(type, parts))
    atoms |= kinds & ATOMS
    return not kinds <= ATOMS


def children_of(reduced: Reduced) -> list[Any]:
    """Return the objects that `reduced` is made of, in the order in which they are written."""
    if type(reduced) is Reduction:
        return _parts(reduced)
    if type(reduced) is Expression:
        return list(reduced.values)
    if type(reduced) is Attribute:
        return [reduced.owner]
    if type(reduced) is Data:
        dtype = dtype_argument(reduced.array.dtype)
        return [] if type(dtype) is str else [dtype]
    return []


def _parts(reduction: Reduction) -> list[Any]:
    parts = [reduction.function, *reduction.args, *reduction.kwargs.values()]
    parts.extend(reduction.items or ())
    for pair in reduction.pairs or ():
        parts.extend(pair)
    parts.extend(reduction.members or ())
    for fills in (reduction.attributes, reduction.slots):
        if fills:
            parts.extend(fills.values())
    if reduction.state is not NO_STATE:
        parts.append(reduction.state)
        if reduction.setter is not None:
            parts.append(reduction.setter)
    return parts
