"""Objects reduced once for a comparison, their parts sorted by what tells which are pairs."""

from __future__ import annotations

import datetime
import types
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy

from persist.archive.literals import ATOMS, LEAVES
from persist.archive.reduce import reduce
from persist.archive.reduction import REDUCED, Attribute, Import, Reduced
from persist.dataset.comparison.descriptions import describe_key
from persist.errors import ArchiveError

__all__ = ["SCALARS", "Components", "Reductions", "has_identity", "is_reference"]

SCALARS: frozenset[type] = frozenset(numpy.sctypeDict.values())
"""The types of the scalars of numpy, without those derived from them."""

# Methods are made anew each time they are asked for; the others are found by their name.
_NAMED = (
    type,
    Enum,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.ModuleType,
    datetime.tzinfo,
    numpy.dtype,
    numpy.ufunc,
)
_DEPTH = 8
_VALUES = ATOMS | LEAVES | SCALARS | REDUCED


def has_identity(obj: Any, depth: int = _DEPTH) -> bool:
    """Return True if it matters whether two references lead to `obj` or to two equal objects.

    It does not for numbers, texts, dates, functions, classes, methods, and tuples and frozensets of
    such.
    """
    cls: Any = type(obj)
    if cls in (tuple, frozenset):
        return not depth or any(has_identity(part, depth - 1) for part in obj)
    return not (cls in _VALUES or _is_named(cls))


@lru_cache(maxsize=1024)
def _is_named(cls: Any) -> bool:
    return issubclass(cls, _NAMED)


class Reductions:
    """What objects reduce to: asked once, and kept, so that no `id` is used twice."""

    def __init__(self) -> None:
        self._found: dict[int, Reduced | None] = {}

    def of(self, obj: Any) -> Reduced | None:
        """Return what `obj` reduces to, or None if it cannot be stored."""
        if type(obj) in REDUCED:
            reduced: Reduced = obj
            return reduced
        key = id(obj)
        if key not in self._found:
            try:
                self._found[key] = reduce(obj)
            except ArchiveError:
                self._found[key] = None
        return self._found[key]


def is_reference(reduced: Reduced | None) -> bool:
    """Return True if an import path, or an attribute of one, always gives the same object."""
    while type(reduced) is Attribute:
        if isinstance(reduced.owner, type | types.ModuleType):
            return True
        reduced = reduced.owner
    return type(reduced) is Import


class Components:
    """The parts of a reduction, by how those of two objects are paired.

    `named` has those with a name or a number, by the label that leads to each: a part that may be
    given to the constructor or be set afterwards has the same label. The rest is as `Reduction` has
    it.
    """

    __slots__ = ("function", "items", "members", "named", "pairs")

    def __init__(self, reduced: Reduced) -> None:
        self.function: Any = None
        self.named: dict[str, Any] = {}
        self.items: list[Any] = []
        self.pairs: list[tuple[Any, Any]] = []
        self.members: list[Any] = []
        setter = None
        for field, index, value in reduced.parts():
            if field == "items":
                self.items.append(value)
            elif field == "values":
                self.pairs.append((index[1], value))
            elif field == "members":
                self.members.append(value)
            elif field == "function":
                self.function = value
            elif field == "argument":
                self.named[f"<argument {index}>"] = value
            elif field == "state":
                self._add_state(value)
            elif field == "setter":
                setter = value
            elif field != "keys":
                self._add_name(index, value)
        if setter is not None:
            self.named[".__setstate__"] = setter

    def _add_state(self, state: Any) -> None:
        """Add a state: by name if it is a dict of attributes, or a pair of such, as most are."""
        split = state if type(state) is tuple and len(state) == 2 else (state,)
        if all(part is None or _is_attributes(part) for part in split) and any(split):
            for part in split:
                for name, value in (part or {}).items():
                    self._add_name(name, value)
        elif type(state) is not dict or state:
            self.named[".__getstate__()"] = state

    def _add_name(self, name: Any, value: Any) -> None:
        if isinstance(name, str) and name.isidentifier():
            label = f".{name}"
        else:
            label = f".__dict__[{describe_key(name)}]"
        while label in self.named:  # an argument and an attribute of one name
            label += "'"
        self.named[label] = value


def _is_attributes(state: Any) -> bool:
    return type(state) is dict and all(type(name) is str for name in state)
