"""What a comparison takes one at a time: two parts, a fact, or keys that are in no order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

__all__ = ["NOTHING", "Entry", "Fact", "Frame", "Place", "Step", "Steps", "Unordered", "path_of"]


class _Nothing(Enum):
    NOTHING = "(nothing)"


NOTHING: Final = _Nothing.NOTHING
"""Marks a part that only the other side has: any value, even None, can be a part."""

Place: TypeAlias = "tuple[Any, str] | None"
"""The position of two parts: that of the objects that hold them, and the label from there."""

# A longer path is of no use to a reader, and each of many changes would have one.
_MOST_LABELS = 100


def path_of(place: Place) -> str:
    """Return the expression that leads to a place; the middle of a very long one is left out."""
    labels = []
    while place is not None:
        place, label = place
        labels.append(label)
    if len(labels) > _MOST_LABELS:
        labels[_MOST_LABELS // 2 : -_MOST_LABELS // 2] = [" ... "]
    return "".join(reversed(labels))


class Step(NamedTuple):
    """Two parts to compare; either may be `NOTHING`."""

    label: str
    old: Any
    new: Any


class Fact(NamedTuple):
    """A difference, in words."""

    label: str
    old: str
    new: str


class Entry(NamedTuple):
    """A key of a dict with its position and value, or a member of a set."""

    position: int
    key: Any
    value: Any = NOTHING


@dataclass(slots=True, eq=False)
class Unordered:
    """Keys of two dicts, or members of two sets, that have no equal on the other side.

    They may still be pairs: objects that are equal only to themselves, as most are, and NaN.
    `matched` has the positions of pairs, `sources` all that two dicts hold.
    """

    label: str
    old: list[Entry]
    new: list[Entry]
    is_set: bool = True
    matched: list[tuple[int, int]] = field(default_factory=list)
    sources: tuple[Iterable[Any], Iterable[Any]] = ((), ())


Steps: TypeAlias = "Iterator[Step | Fact | Unordered]"


class Frame(NamedTuple):
    """The parts of two objects at a place that are still to be compared.

    It is quiet where it was said further up that something is shared differently.
    """

    place: Place
    quiet: bool
    steps: Steps
