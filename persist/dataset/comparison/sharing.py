"""Which objects of two graphs are pairs, and where each was met first."""

from __future__ import annotations

from typing import Any

from persist.dataset.comparison.descriptions import shorten
from persist.dataset.comparison.steps import Fact, Place, path_of

__all__ = ["Sharing"]


class Sharing:
    """The pairs so far: an object that is met twice on one side must be met so on the other.

    `numbers` has the number of the pair that an object belongs to, by `id`, of the old and of the
    new ones; `partners` has the `id` of the new one by that of the old one.
    """

    def __init__(self) -> None:
        self.numbers: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.partners: dict[int, int] = {}
        self._places: tuple[dict[int, Place], dict[int, Place]] = ({}, {})
        self._seen: set[tuple[int, int]] = set()
        # Classes of objects that are compared, by `id`: each leads to one that stands for it. They
        # can be taken to be equal, since it shows elsewhere if they are not; cycles of any two
        # lengths are then soon compared: J. E. Hopcroft and R. M. Karp, A linear algorithm for
        # testing equivalence of finite automata, Cornell University, 1971.
        self._parents: dict[int, int] = {}

    def is_first(self, old: Any, new: Any) -> bool:
        """Return True if two values are met side by side for the first time, and note that."""
        pair = id(old), id(new)
        if pair in self._seen:
            return False
        self._seen.add(pair)
        return True

    def meet(self, old: Any, new: Any, place: Place) -> tuple[bool, bool]:
        """Return whether to look into two objects at one place, and whether their sharing differs.

        Objects that have been compared are not looked into. The sharing differs if one of them was
        met before, and not with the other; that is true once for each two.
        """
        ours, theirs = self.numbers
        number = ours.get(id(old))
        if number is not None and number == theirs.get(id(new)):
            return False, False
        differs = id(old) in self._places[0] or id(new) in self._places[1]
        if not differs:
            ours[id(old)] = theirs[id(new)] = len(ours)
            self.partners[id(old)] = id(new)
        elif not self.is_first(old, new):
            return False, False
        self._places[0].setdefault(id(old), place)
        self._places[1].setdefault(id(new), place)
        first, second = self._root(id(old)), self._root(id(new))
        is_new = first != second
        self._parents[first] = second
        return is_new or not differs, differs

    def fact(self, old: Any, new: Any, place: Place) -> Fact:
        """Return how two objects that stand at a place are shared."""
        return Fact("", self._shared(0, old, place), self._shared(1, new, place))

    def _shared(self, side: int, obj: Any, place: Place) -> str:
        first = self._places[side][id(obj)]
        return "its own" if first is place else shorten(f"shared with {path_of(first)}")

    def _root(self, key: int) -> int:
        parents = self._parents
        while (parent := parents.get(key, key)) != key:
            parents[key] = parents.get(parent, parent)
            key = parent
        return key
