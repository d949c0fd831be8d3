"""Where two object graphs differ: a walk of both side by side, without recursion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain, islice, starmap
from types import MethodType
from typing import Any

import numpy

from persist.archive.literals import ATOMS
from persist.archive.reduction import (
    REDUCED,
    Attribute,
    Data,
    Expression,
    Import,
    Reduced,
    Reduction,
)
from persist.dataset.comparison.arrays import array_steps, dtype_facts, scalar_steps
from persist.dataset.comparison.descriptions import describe, is_shown, shorten
from persist.dataset.comparison.keys import Waiting, mapping_steps, set_steps
from persist.dataset.comparison.reductions import (
    SCALARS,
    Components,
    Reductions,
    has_identity,
    is_reference,
)
from persist.dataset.comparison.sharing import Sharing
from persist.dataset.comparison.steps import (
    NOTHING,
    Fact,
    Frame,
    Place,
    Step,
    Steps,
    Unordered,
    path_of,
)
from persist.dataset.comparison.tolerance import Tolerance
from persist.errors import DataSetError

__all__ = ["Change", "changes"]

_FIRST = "<argument 0>"


@dataclass(frozen=True, slots=True)
class Change:
    """A place at which two object graphs differ.

    Parameters
    ----------
    path : str
        The expression that leads to the place: ``x.b[3]``.
    old, new : str
        The values there, in a few words; ``(nothing)`` where only the other side has a part.

    Examples
    --------
    >>> print(Change("x.b[3]", "1", "2"))
    x.b[3]: 1 -> 2
    """

    path: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path}: {self.old} -> {self.new}"


def changes(
    old: Any,
    new: Any,
    name: str = "x",
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    most: int = 100,
) -> tuple[Change, ...]:
    """Return where two object graphs differ: in types, values, order and what is shared.

    Objects are compared by what they reduce to, so anything that can be stored can be compared; an
    object that cannot be stored is equal to itself only. Graphs may be deep and cyclic.

    Floats, in arrays too, are the same if identical, both NaN, or no further apart than
    ``atol + rtol * abs(new)``; complex numbers if both parts are, or their difference has such a
    modulus. The zeros of both signs differ only without a tolerance.

    Parameters
    ----------
    old, new : object
        Any two objects.
    name : str
        What the paths begin with.
    rtol, atol : float
        The relative and the absolute tolerance for floats and complex numbers.
    most : int
        How many changes to look for: the search ends there.

    Returns
    -------
    tuple of Change
        In the order of the old graph, members of sets last; empty if the graphs are the same.

    Raises
    ------
    ValueError
        If a tolerance is negative or NaN, or `most` is negative.

    Examples
    --------
    >>> for change in changes({"rate": 1, "on": [True]}, {"rate": 1.0, "on": [True, None]}):
    ...     print(change)
    x['rate']: 1 -> 1.0
    x['on'][1]: (nothing) -> None
    """
    if most < 0:
        raise DataSetError(f"cannot look for {most!r} changes: most must be 0 or greater")
    return tuple(starmap(Change, islice(_differences(old, new, name, Tolerance(rtol, atol)), most)))


def _kind_of(obj: Any) -> type:
    """Return the class of an object; a memory map is an array, wherever its bytes are."""
    cls = type(obj)
    if cls is numpy.memmap:
        return numpy.ndarray
    # Each kind of dtype is a class of its own, all of which have one metaclass.
    return numpy.dtype if type(cls) is not type and issubclass(cls, numpy.dtype) else cls


class _Levels:
    """Compares two objects without what they are made of, and says what that is."""

    def __init__(self, reductions: Reductions, tolerance: Tolerance) -> None:
        self._reductions = reductions
        self._tolerance = tolerance
        self._by_class: dict[type, Callable[[Any, Any], Steps]] = {
            list: self._items,
            tuple: self._items,
            dict: lambda old, new: mapping_steps(old.items(), new.items()),
            numpy.ndarray: lambda old, new: array_steps(old, new, tolerance),
            **dict.fromkeys(SCALARS, lambda old, new: scalar_steps(old, new, tolerance)),
            **dict.fromkeys(REDUCED, self._reduced),
        }

    def steps(self, old: Any, new: Any) -> Steps:
        """Yield the parts of two objects of one class, and how they differ apart from these."""
        steps = self._by_class.get(_kind_of(old))
        if steps is not None:
            return steps(old, new)
        if isinstance(old, numpy.dtype):
            return dtype_facts("", old, new)
        if isinstance(old, Enum):
            return iter([] if old is new else [_differ(old, new)])
        if is_shown(old) and is_shown(new):
            return iter([] if repr(old) == repr(new) else [_differ(old, new)])
        ours, theirs = self._reductions.of(old), self._reductions.of(new)
        if ours is None or theirs is None:
            return iter([] if old is new else [_differ(old, new)])
        if type(ours) is not type(theirs):
            return iter([_differ(old, new)])
        # Indices of a table or a series are those of what it is made of.
        return self._reduced(ours, theirs, hasattr(type(old), "__getitem__"))

    def _items(self, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Step]:
        same_atom = self._tolerance.same_atom
        for i, (ours, theirs) in enumerate(zip(old, new, strict=False)):
            cls = type(ours)
            if not (cls is type(theirs) and cls in ATOMS and same_atom(ours, theirs)):
                yield Step(f"[{i}]", ours, theirs)
        for i in range(len(new), len(old)):
            yield Step(f"[{i}]", old[i], NOTHING)
        for i in range(len(old), len(new)):
            yield Step(f"[{i}]", NOTHING, new[i])

    def _reduced(self, old: Reduced, new: Reduced, is_element: bool = False) -> Steps:
        if type(old) is not type(new) or type(old) is Import:
            if old != new:
                yield Fact("", _name(old), _name(new))
        elif type(old) is Data and type(new) is Data:
            yield from array_steps(old.array, new.array, self._tolerance)
        elif type(old) is Attribute and type(new) is Attribute:
            yield from _attribute(".__self__", old, new)
        else:
            yield from self._components(old, new, is_element)

    def _components(self, old: Any, new: Any, is_element: bool) -> Steps:
        ours, theirs = Components(old), Components(new)
        if type(old) is Expression:
            if ours.named.keys() == theirs.named.keys() and old.rep != new.rep:
                yield Fact("", shorten(old.rep), shorten(new.rep))
            elif old.imports != new.imports:
                yield Fact("", describe(old.imports), describe(new.imports))
        elif not _may_be_same(ours.function, theirs.function):
            yield Fact("", f"{_name(ours.function)}(...)", f"{_name(theirs.function)}(...)")
            return
        elif type(ours.function) is Attribute:
            yield from _attribute("", ours.function, theirs.function)
        else:
            yield Step("", ours.function, theirs.function)
        is_element = is_element and _is_made_of_one(ours) and _is_made_of_one(theirs)
        for label in {**ours.named, **theirs.named}:
            where = "" if is_element and label == _FIRST else label
            yield Step(where, ours.named.get(label, NOTHING), theirs.named.get(label, NOTHING))
        yield from self._items(ours.items, theirs.items)
        yield from mapping_steps(ours.pairs, theirs.pairs)
        yield from set_steps(ours.members, theirs.members)


def _is_made_of_one(found: Components) -> bool:
    """Return True if an object is made of one dict or array, as a table or a series is."""
    return (
        type(found.named.get(_FIRST)) in (dict, numpy.ndarray)
        and "<argument 1>" not in found.named
        and not (found.items or found.pairs or found.members)
    )


def _differ(old: Any, new: Any) -> Fact:
    return Fact("", describe(old), describe(new))


def _name(found: Any) -> str:
    if type(found) is Import:
        path = f"{found.module}.{found.name}".removeprefix("builtins.")
        return shorten(path.rstrip("."))
    if type(found) is Attribute:
        return shorten(f"{_name(found.owner)}.{found.name}")
    return _name(found.function) if type(found) is Reduction else describe(found)


def _may_be_same(old: Any, new: Any) -> bool:
    """Return True if two constructors are the same, apart from objects that they are made of."""
    if type(old) is Attribute and type(new) is Attribute:
        return bool(old.name == new.name)
    if type(old) is MethodType and type(new) is MethodType:
        return old.__func__ is new.__func__
    if type(old) in REDUCED and type(old) is not Import:
        return type(old) is type(new)
    return bool(old is new or (type(old) is type(new) is Import and old == new))


def _attribute(label: str, old: Attribute, new: Attribute) -> Steps:
    if old.name != new.name:
        yield Fact(".__name__", shorten(old.name), shorten(new.name))
    yield Step(label, old.owner, new.owner)


# Types of objects that have an identity, and are not reduced.
_DIRECT = frozenset([list, tuple, dict, numpy.ndarray, numpy.memmap])


def _differences(
    old: Any, new: Any, name: str, tolerance: Tolerance
) -> Iterator[tuple[str, str, str]]:
    """Yield where two graphs differ: the path, and both sides in words."""
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
        self._levels = _Levels(self._reductions, tolerance)
        self._sharing = Sharing()
        self.waiting = Waiting(self._reductions, self._sharing, tolerance)

    def visit(self, step: Step, place: Place, quiet: bool) -> Fact | Frame | None:
        """Return how two parts differ, or what they are made of, or nothing if they do not."""
        old, new = step.old, step.new
        kind = _kind_of(old)
        if kind is not _kind_of(new) or old is NOTHING or new is NOTHING:
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
