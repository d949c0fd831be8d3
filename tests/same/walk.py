"""The walk of two graphs side by side, and the trials that pair members of sets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy

from tests.same.atoms import is_scalar, values
from tests.same.difference import Difference, Path, Step, check, format_path
from tests.same.nodes import compare_node, group_members
from tests.same.reduced import in_order

_TRIALS = 10_000


class Walk:
    """The pairs so far, the work to do, and how to take back what a trial did."""

    def __init__(self) -> None:
        self.partners: tuple[dict[int, Any], dict[int, Any]] = ({}, {})
        self.numbers: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.arrays: list[tuple[numpy.ndarray, numpy.ndarray, Path]] = []
        self.sets: list[tuple[list[Any], list[Any], Path]] = []
        self.work: list[tuple[Any, Any, Path]] = []
        self._trail: list[tuple[Any, Any]] = []
        self._alive: list[Any] = []
        self._atomic: dict[int, bool] = {}
        self._tuples: set[tuple[int, int]] = set()
        self._trials: list[Any] = []
        self._tried = 0

    def compare(self, found: Any, wanted: Any) -> None:
        """Walk both graphs from their roots."""
        self.work.append((found, wanted, None))
        while True:
            try:
                while self.work:
                    self._visit(*self.work.pop())
                if not self.sets:
                    return
                self._pair_members()
            except Difference:
                if not self._next_trial():
                    raise

    def keep(self, *objects: Any) -> None:
        """Keep `objects` alive until the end."""
        self._alive.extend(objects)

    def _visit(self, found: Any, wanted: Any, path: Path) -> None:
        check(path, "type", type(found), type(wanted))
        if self.is_atom(found) and self.is_atom(wanted):
            self._visit_atom(found, wanted, path)
        elif self._is_new(found, wanted, path):
            steps, members = compare_node(found, wanted, path, self)
            if members is not None:
                self.sets.append((*members, path))
            self._push(steps, path)

    def _visit_atom(self, found: Any, wanted: Any, path: Path) -> None:
        if found is wanted:
            return
        if type(found) is not tuple:
            check(path, "value", *values(found, wanted))
        elif (id(found), id(wanted)) not in self._tuples:
            self._tuples.add((id(found), id(wanted)))
            self.keep(found, wanted)
            self._push(in_order(found, wanted, path), path)

    def _push(self, steps: Iterable[Step], path: Path) -> None:
        work = [(found, wanted, (path, label)) for label, found, wanted in steps]
        self.work.extend(reversed(work))

    def _is_new(self, found: Any, wanted: Any, path: Path) -> bool:
        """Pair two objects, or check that they are a pair."""
        forth, back = self.partners
        if id(found) in forth or id(wanted) in back:
            if forth.get(id(found)) is not wanted:
                which = "found" if id(found) in forth else "wanted"
                raise Difference(
                    f"{format_path(path)}: only the object {which} here is met elsewhere"
                )
            return False
        forth[id(found)], back[id(wanted)] = wanted, found
        ours, theirs = self.numbers
        ours[id(found)] = theirs[id(wanted)] = len(self._trail)
        self._trail.append((found, wanted))
        return True

    def is_atom(self, obj: Any) -> bool:
        """Tell whether `obj` is compared by value alone."""
        return self._is_atomic_tuple(obj) if type(obj) is tuple else is_scalar(obj)

    def _is_atomic_tuple(self, obj: tuple[Any, ...]) -> bool:
        atomic, stack = self._atomic, [obj]
        while stack:
            last = stack[-1]
            if id(last) not in atomic:
                inner = [m for m in last if type(m) is tuple and id(m) not in atomic]
                if inner and all(type(m) is tuple or is_scalar(m) for m in last):
                    stack.extend(inner)
                    continue
                atomic[id(last)] = all(
                    atomic.get(id(m), False) if type(m) is tuple else is_scalar(m) for m in last
                )
                self.keep(last)
            stack.pop()
        return atomic[id(obj)]

    def _pair_members(self) -> None:
        """Pair the members of one set: first those that have only one possible partner."""
        for index, (found, wanted, path) in enumerate(self.sets):
            groups = group_members(found, wanted, path, self.numbers)
            certain = [key for key, (ours, _) in groups.items() if len(ours) == 1]
            if certain or not groups:
                del self.sets[index]
                pairs = [(groups[key][0][0], groups[key][1][0]) for key in certain]
                self._take(pairs, found, wanted, path)
                return
        self._try_pairs(0)

    def _take(self, pairs: Any, found: list[Any], wanted: list[Any], path: Path) -> None:
        gone = {id(member) for pair in pairs for member in pair}
        left = [m for m in found if id(m) not in gone], [m for m in wanted if id(m) not in gone]
        if left[0]:
            self.sets.append((*left, path))
        for ours, theirs in pairs:
            self.work.append((ours, theirs, (path, "{member}")))

    def _try_pairs(self, index: int) -> None:
        found, wanted, path = self.sets[index]
        groups = group_members(found, wanted, path, self.numbers)
        ours, theirs = min(groups.values(), key=lambda group: len(group[0]))
        state = (len(self._trail), len(self.arrays), list(self.sets))
        self._trials.append((state, index, ours[0], iter(theirs)))
        self._next_trial()

    def _next_trial(self) -> bool:
        """Take back the last trial, and begin the next. Tell whether there is one."""
        while self._trials:
            state, index, ours, candidates = self._trials[-1]
            for theirs in candidates:
                self._tried += 1
                if self._tried > _TRIALS:
                    raise RuntimeError(f"gave up pairing members of sets after {_TRIALS} trials")
                self._take_back(*state)
                found, wanted, path = self.sets.pop(index)
                self._take([(ours, theirs)], found, wanted, path)
                return True
            self._trials.pop()
        return False

    def _take_back(self, pairs: int, arrays: int, sets: list[Any]) -> None:
        for found, wanted in self._trail[pairs:]:
            for side, obj in enumerate((found, wanted)):
                del self.partners[side][id(obj)], self.numbers[side][id(obj)]
        self._alive.extend(self._trail[pairs:])
        del self._trail[pairs:], self.arrays[arrays:]
        self.sets = list(sets)
        self.work.clear()
        self._tuples.clear()
