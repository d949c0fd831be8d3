"""What objects reduce to, each asked once, and the names of the parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any

from persist.archive.reduce import reduce
from persist.archive.reduction import (
    NO_STATE,
    Attribute,
    Data,
    Expression,
    Import,
    Reduced,
    Reduction,
)
from persist.dataset.comparison.descriptions import describe_key
from persist.errors import ArchiveError

__all__ = ["REDUCED", "Reductions", "attribute_label", "is_reference", "named_parts"]

REDUCED = frozenset([Import, Attribute, Expression, Data, Reduction])
"""Types of what stands for the object that it builds."""


class Reductions:
    """What objects reduce to: asked once, and kept, so that no `id` is used twice."""

    def __init__(self) -> None:
        self._found: dict[int, Reduced | None] = {}

    def of(self, obj: Any) -> Reduced | None:
        """Return what `obj` reduces to, or None if nothing."""
        if type(obj) in REDUCED:
            reduced: Reduced = obj
            return reduced
        key = id(obj)
        if key not in self._found:
            self._found[key] = _reduce(obj)
        return self._found[key]


def _reduce(obj: Any) -> Reduced | None:
    try:
        reduced = reduce(obj)
    except ArchiveError:
        return None
    if type(reduced) is not Reduction:
        return reduced
    # A rule may answer with an iterator, which could be read only once.
    once: dict[str, Any] = {
        name: list(found)
        for name in ("items", "pairs", "members")
        if (found := getattr(reduced, name)) is not None and not isinstance(found, Collection)
    }
    return dataclasses.replace(reduced, **once) if once else reduced


def is_reference(reduced: Reduced | None) -> bool:
    """Tell whether an import path, or an attribute of one, always gives the same object."""
    while type(reduced) is Attribute:
        if isinstance(reduced.owner, type | ModuleType):
            return True
        reduced = reduced.owner
    return type(reduced) is Import


def named_parts(reduced: Reduction | Expression) -> dict[str, Any]:
    """Return the parts that have a name or a number, by the label that leads to each.

    A part may be given to the constructor or be set afterwards, as its value allows; its label is
    the same.
    """
    if type(reduced) is Expression:
        return {attribute_label(name): value for name, value in reduced.args.items()}
    assert type(reduced) is Reduction
    parts = {f"<argument {i}>": argument for i, argument in enumerate(reduced.args)}
    for named in (reduced.kwargs, reduced.attributes, reduced.slots):
        _add_names(parts, named or {})
    if reduced.state is not NO_STATE:
        _add_state(parts, reduced.state)
        if reduced.setter is not None:
            parts[".__setstate__"] = reduced.setter
    return parts


def attribute_label(name: Any) -> str:
    """Return the label of an attribute, which may have any name."""
    if isinstance(name, str) and name.isidentifier():
        return f".{name}"
    return f".__dict__[{describe_key(name)}]"


def _add_state(parts: dict[str, Any], state: Any) -> None:
    """Add a state: its items where it is a dict of attributes, or a pair of such, as most are."""
    split = state if type(state) is tuple and len(state) == 2 else (state,)
    if all(part is None or _is_attributes(part) for part in split) and any(split):
        for part in split:
            _add_names(parts, part or {})
    elif type(state) is not dict or state:
        parts[".__getstate__()"] = state


def _is_attributes(state: Any) -> bool:
    return type(state) is dict and all(type(name) is str for name in state)


def _add_names(parts: dict[str, Any], named: Mapping[Any, Any]) -> None:
    for name, value in named.items():
        label = attribute_label(name)
        while label in parts:  # an argument and an attribute of one name
            label += "'"
        parts[label] = value
