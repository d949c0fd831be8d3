"""What two objects of one class are made of, side by side: one level of each graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any

import numpy

from persist.archive.literals import ATOMS
from persist.archive.reduction import Attribute, Data, Expression, Import, Reduced, Reduction
from persist.dataset.comparison.array_changes import array_steps, dtype_facts, scalar_steps
from persist.dataset.comparison.descriptions import describe, is_shown, shorten
from persist.dataset.comparison.identity import SCALARS
from persist.dataset.comparison.keys import mapping_steps, set_steps
from persist.dataset.comparison.reductions import REDUCED, Reductions, named_parts
from persist.dataset.comparison.steps import NOTHING, Fact, Step, Steps
from persist.dataset.comparison.tolerance import Tolerance

__all__ = ["Levels", "kind_of"]

_FIRST = "<argument 0>"


def kind_of(obj: Any) -> type:
    """Return the class of an object; a memory map is an array, wherever its bytes are."""
    cls = type(obj)
    if cls is numpy.memmap:
        return numpy.ndarray
    # Each kind of dtype is a class of its own, all of which have one metaclass.
    return numpy.dtype if type(cls) is not type and issubclass(cls, numpy.dtype) else cls


class Levels:
    """Compares two objects without what they are made of, and says what that is.

    Parameters
    ----------
    reductions : Reductions
        What objects reduce to.
    tolerance : Tolerance
        For floats and complex numbers.
    """

    def __init__(self, reductions: Reductions, tolerance: Tolerance) -> None:
        self._reductions = reductions
        self._tolerance = tolerance
        self._by_class: dict[type, Callable[[Any, Any], Steps]] = {
            list: self._items,
            tuple: self._items,
            dict: lambda old, new: mapping_steps(old.items(), new.items()),
            numpy.ndarray: self._array,
            **dict.fromkeys(SCALARS, lambda old, new: scalar_steps(old, new, tolerance)),
            **dict.fromkeys(REDUCED, self._reduced),
        }

    def steps(self, old: Any, new: Any) -> Steps:
        """Yield the parts of two objects of one class, and how they differ apart from these."""
        steps = self._by_class.get(kind_of(old))
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
        if type(ours) is Reduction and type(theirs) is Reduction:
            return self._reduction(ours, theirs, _is_indexed(old, ours, theirs))
        if type(ours) is not type(theirs):
            return iter([_differ(old, new)])
        return self._reduced(ours, theirs)

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

    def _array(self, old: Any, new: Any) -> Steps:
        return array_steps(old, new, self._tolerance)

    def _reduced(self, old: Reduced, new: Reduced) -> Steps:
        if type(old) is Import or type(new) is Import:
            if old != new:
                yield Fact("", _name(old), _name(new))
        elif type(old) is Data and type(new) is Data:
            yield from self._array(old.array, new.array)
        elif type(old) is Attribute and type(new) is Attribute:
            yield from _attribute(".__self__", old, new)
        elif type(old) is Expression and type(new) is Expression:
            yield from _expression(old, new)
        elif type(old) is Reduction and type(new) is Reduction:
            yield from self._reduction(old, new)

    def _reduction(self, old: Reduction, new: Reduction, is_indexed: bool = False) -> Steps:
        if not _may_be_same(old.function, new.function):
            yield Fact("", f"{_name(old.function)}(...)", f"{_name(new.function)}(...)")
            return
        if type(old.function) is Attribute:
            yield from _attribute("", old.function, new.function)
        else:
            yield Step("", old.function, new.function)
        for step in _named(named_parts(old), named_parts(new)):
            yield step._replace(label="") if is_indexed and step.label == _FIRST else step
        if old.items or new.items:
            yield from self._items(list(old.items or ()), list(new.items or ()))
        if old.pairs or new.pairs:
            yield from mapping_steps(list(old.pairs or ()), list(new.pairs or ()))
        if old.members or new.members:
            yield from set_steps(list(old.members or ()), list(new.members or ()))


def _is_indexed(obj: Any, *found: Reduction) -> bool:
    """Tell whether indices of an object are those of what it is made from: a table, a series."""
    return hasattr(type(obj), "__getitem__") and all(
        len(reduced.args) == 1
        and type(reduced.args[0]) in (dict, numpy.ndarray)
        and reduced.items is reduced.pairs is reduced.members is None
        for reduced in found
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
    """Tell whether two constructors are the same, apart from objects that they are made of."""
    if type(old) is Attribute and type(new) is Attribute:
        return bool(old.name == new.name)
    if type(old) in REDUCED and type(old) is not Import:
        return type(old) is type(new)
    return bool(old is new or (type(old) is type(new) is Import and old == new))


def _attribute(label: str, old: Attribute, new: Attribute) -> Steps:
    if old.name != new.name:
        yield Fact(".__name__", shorten(old.name), shorten(new.name))
    yield Step(label, old.owner, new.owner)


def _expression(old: Expression, new: Expression) -> Steps:
    ours, theirs = named_parts(old), named_parts(new)
    if ours.keys() == theirs.keys() and old.rep != new.rep:
        yield Fact("", shorten(old.rep), shorten(new.rep))
    elif old.imports != new.imports:
        yield Fact("", describe(old.imports), describe(new.imports))
    yield from _named(ours, theirs)


def _named(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Step]:
    for label in {**old, **new}:
        yield Step(label, old.get(label, NOTHING), new.get(label, NOTHING))
