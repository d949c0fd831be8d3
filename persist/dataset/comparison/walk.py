"""The walk of two object graphs side by side, without recursion."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy

from persist.archive.literals import ATOMS
from persist.dataset.comparison.descriptions import describe
from persist.dataset.comparison.identity import has_identity
from persist.dataset.comparison.levels import Levels, kind_of
from persist.dataset.comparison.matching import Frame, Waiting
from persist.dataset.comparison.reductions import Reductions, is_reference
from persist.dataset.comparison.sharing import Sharing
from persist.dataset.comparison.steps import (
    NOTHING,
    Fact,
    Place,
    Step,
    Unordered,
    path_of,
)
from persist.dataset.comparison.tolerance import Tolerance

__all__ = ["walk"]

# Types of objects that have an identity, and are not reduced.
_DIRECT = frozenset([list, tuple, dict, numpy.ndarray, numpy.memmap])


def walk(old: Any, new: Any, name: str, tolerance: Tolerance) -> Iterator[tuple[str, str, str]]:
    """Yield where two graphs differ: the path, and what stands there on either side."""
    found = _Walk(tolerance)
    frames = [Frame(None, False, iter([Step(name, old, new)]))]
    while frames:
        frame = frames[-1]
        step = next(frame.steps, None)
        if step is None:
            frames.pop()
            if not frames:
                frames.extend(found.waiting.frames())
            continue
        place: Place = (frame.place, step.label) if step.label else frame.place
        if isinstance(step, Unordered):
            found.waiting.add(step, place, frame.quiet)
            continue
        below = step if isinstance(step, Fact) else found.visit(step, place, frame.quiet)
        if isinstance(below, Fact):
            yield path_of(place), below.old, below.new
        elif below is not None:
            frames.append(below)


class _Walk:
    """What has been met, and what waits."""

    def __init__(self, tolerance: Tolerance) -> None:
        self._tolerance = tolerance
        self._reductions = Reductions()
        self._levels = Levels(self._reductions, tolerance)
        self._sharing = Sharing()
        self.waiting = Waiting(self._reductions, self._sharing, tolerance)

    def visit(self, step: Step, place: Place, quiet: bool) -> Fact | Frame | None:
        """Return how two parts differ, or what they are made of, or nothing if they do not."""
        old, new = step.old, step.new
        kind = kind_of(old)
        if kind is not kind_of(new) or old is NOTHING or new is NOTHING:
            return Fact("", describe(old), describe(new))
        if kind in ATOMS:
            same = self._tolerance.same_atom(old, new)
            return None if same else Fact("", describe(old), describe(new))
        if self._has_identity(old) and self._has_identity(new):
            return self._meet(old, new, place, quiet)
        if old is new or not self._sharing.is_first(old, new):
            return None
        return Frame(place, quiet, self._levels.steps(old, new))

    def _meet(self, old: Any, new: Any, place: Place, quiet: bool) -> Frame | None:
        deeper, differs = self._sharing.meet(old, new, place)
        steps = self._levels.steps(old, new) if deeper else iter(())
        if differs and not quiet:
            steps = chain([self._sharing.fact(old, new, place)], steps)
        # What is below one object here and below two there is shared differently as well.
        return Frame(place, quiet or differs, steps) if deeper or differs else None

    def _has_identity(self, obj: Any) -> bool:
        if not has_identity(obj):
            return False
        return type(obj) in _DIRECT or not is_reference(self._reductions.of(obj))
