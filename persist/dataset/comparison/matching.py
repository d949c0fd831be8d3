"""Keys and members that are matched by what is in them, after all else has been compared."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from persist.archive.literals import ATOMS
from persist.dataset.comparison.groups import Group, Pair, References, grouped, near_pairs
from persist.dataset.comparison.keys import lone_steps, pair_steps
from persist.dataset.comparison.reductions import Reductions
from persist.dataset.comparison.sharing import Sharing
from persist.dataset.comparison.signatures import Signatures
from persist.dataset.comparison.steps import Place, Step, Steps, Unordered
from persist.dataset.comparison.tolerance import Tolerance

__all__ = ["Frame", "Waiting"]

_MOST_ROUNDS = 200


class Frame(NamedTuple):
    """The parts of two objects that are still to be compared.

    Parameters
    ----------
    place : Place
        Where the objects stand.
    quiet : bool
        That something is shared differently was said further up.
    steps : iterator
        What is left.
    """

    place: Place
    quiet: bool
    steps: Steps


class _Late(NamedTuple):
    """Keys or members that wait, and where they stand."""

    keys: Unordered
    place: Place
    quiet: bool

    def frame(self, steps: Steps) -> Frame:
        return Frame(self.place, self.quiet, steps)


_Scanned: TypeAlias = "tuple[_Late, list[Group]]"
_Chosen: TypeAlias = "tuple[_Late, list[Pair]]"


class Waiting:
    """Keys of dicts and members of sets that wait until all else has been compared.

    Which object is the partner of which is then known for what is reached in another way. Keys that
    are alike are pairs in their order. Members are first paired where only one can be the partner;
    then those that are alike, one at a time of those that have anything in common.

    Parameters
    ----------
    reductions : Reductions
        What objects reduce to.
    sharing : Sharing
        The pairs so far.
    tolerance : Tolerance
        For floats in keys and members.
    """

    def __init__(self, reductions: Reductions, sharing: Sharing, tolerance: Tolerance) -> None:
        self._reductions = reductions
        self._sharing = sharing
        self._tolerance = tolerance
        self._dicts: deque[_Late] = deque()
        self._sets: list[_Late] = []
        self._memberships: tuple[dict[int, list[int]], dict[int, list[int]]] = ({}, {})
        self._count = 0
        self._rounds = 0

    def add(self, keys: Unordered, place: Place, quiet: bool) -> None:
        """Let keys or members wait."""
        late = _Late(keys, place, quiet)
        if not keys.is_set:
            self._dicts.append(late)
            return
        self._sets.append(late)
        self._count += 1
        for side, entries in zip(self._memberships, (keys.old, keys.new), strict=True):
            for entry in entries:
                if type(entry.key) not in ATOMS:
                    side.setdefault(id(entry.key), []).append(self._count)

    def frames(self) -> list[Frame]:
        """Return what to compare next, nothing if nothing waits."""
        if self._dicts:
            late = self._dicts.popleft()
            return [late.frame(self._key_steps(late.keys))]
        while self._sets:
            if frames := self._round():
                return frames
        return []

    def _round(self) -> list[Frame]:
        """Pair members of sets that can be paired now, or give up on the rest."""
        self._rounds += 1
        scanned = [(late, self._groups(late.keys)) for late in self._sets]
        chosen = self._choose(scanned)
        if not chosen:
            self._sets = []
            return [late.frame(self._last_steps(late.keys)) for late, _ in scanned[::-1]]
        frames = [late.frame(_take(late.keys, pairs)) for late, pairs in chosen[::-1]]
        self._sets = [late for late in self._sets if late.keys.old or late.keys.new]
        return frames

    def _choose(self, scanned: list[_Scanned]) -> list[_Chosen]:
        """Return the pairs to make now: all that are sure, else those that decide nothing else."""
        references = References(group for _, groups in scanned for group in groups)
        if chosen := _pairs_of(scanned, _certain_pairs):
            return chosen
        finer = [
            (late, [part for group in groups for part in references.split(group)])
            for late, groups in scanned
        ]
        if chosen := _pairs_of(finer, _certain_pairs):
            return chosen
        if self._rounds > _MOST_ROUNDS:
            return _pairs_of(finer, lambda group: group.pairs)
        used: set[tuple[int, int]] = set()
        return _pairs_of(finer, lambda group: references.independent(group, used))

    def _key_steps(self, keys: Unordered) -> Steps:
        yield from _take(keys, [pair for group in self._groups(keys) for pair in group.pairs])
        yield from self._last_steps(keys)

    def _last_steps(self, keys: Unordered) -> Steps:
        """Yield keys or members that are alike in content, near ones, and what is then left."""
        yield from _take(keys, [pair for group in self._alike(keys) for pair in group.pairs])
        if not self._tolerance.is_exact:
            groups = self._alike(keys, without_floats=True)
            near = [pair for group in groups for pair in near_pairs(group, self._tolerance)]
            yield from _take(keys, near)
        yield from lone_steps(keys)

    def _groups(self, keys: Unordered) -> list[Group]:
        """Group what may be pairs, as far as pairs are known."""
        sides = [
            Signatures(self._reductions, *known)
            for known in zip(self._sharing.numbers, self._memberships, strict=True)
        ]
        return grouped(keys, sides)

    def _alike(self, keys: Unordered, without_floats: bool = False) -> list[Group]:
        """Group what may be pairs by content alone."""
        side = Signatures(self._reductions, {}, {}, without_floats=without_floats)
        return grouped(keys, [side, side])


def _certain_pairs(group: Group) -> list[Pair]:
    return group.pairs if group.is_certain else []


def _pairs_of(scanned: list[_Scanned], choose: Callable[[Group], list[Pair]]) -> list[_Chosen]:
    """Return the pairs that are chosen from the groups, for each set that has any."""
    chosen = [
        (late, [pair for group in groups for pair in choose(group)]) for late, groups in scanned
    ]
    return [(late, pairs) for late, pairs in chosen if pairs]


def _take(keys: Unordered, pairs: list[Pair]) -> Iterator[Step]:
    """Take pairs out of what waits; return their steps."""
    gone = {one.position for one, _ in pairs}, {other.position for _, other in pairs}
    keys.old = [entry for entry in keys.old if entry.position not in gone[0]]
    keys.new = [entry for entry in keys.new if entry.position not in gone[1]]
    return iter([step for one, other in pairs for step in pair_steps(keys, one, other)])
