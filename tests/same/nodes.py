"""One step into two objects, and what can be told of members of sets from what is near them."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy

from tests.same.arrays import ArrayKeeper, compare_arrays, compare_scalars
from tests.same.atoms import is_scalar, values
from tests.same.difference import Difference, Path, Step, check, format_path, show
from tests.same.reduced import (
    compare_reduced,
    compare_states,
    in_order,
    pairs_in_order,
    vars_of,
)

_Numbers = dict[int, int]


def compare_node(
    found: Any, wanted: Any, path: Path, walk: ArrayKeeper
) -> tuple[list[Step], tuple[list[Any], list[Any]] | None]:
    """Compare two objects without what they hold; return this, and the members if they are sets."""
    if type(found) in (list, tuple):
        return list(in_order(found, wanted, path)), None
    if type(found) is dict:
        return list(pairs_in_order(found.items(), wanted.items(), path)), None
    if isinstance(found, (set, frozenset)):
        check(path, "length", len(found), len(wanted))
        steps = compare_states(vars_of(found), vars_of(wanted), path, walk)
        return list(steps), (list(found), list(wanted))
    if isinstance(found, pathlib.PurePath):
        # Since Python 3.12 a path remembers how it was spelled, which is not its value.
        return [(".__str__()", str(found), str(wanted))], None
    if isinstance(found, numpy.ndarray):
        return list(compare_arrays(found, wanted, path, walk)), None
    if isinstance(found, numpy.generic) and not isinstance(found, (str, bytes)):
        return list(compare_scalars(found, wanted, path)), None
    return list(compare_reduced(found, wanted, path, walk)), None


def group_members(
    found: list[Any], wanted: list[Any], path: Path, numbers: tuple[_Numbers, _Numbers]
) -> dict[Any, Any]:
    """Group the members of two sets by what can be told of them without trial."""
    for depth in (0, 3):
        groups: dict[Any, tuple[list[Any], list[Any]]] = {}
        for side, members in enumerate((found, wanted)):
            for member in members:
                key = _signature(member, depth, numbers[side])
                groups.setdefault(key, ([], []))[side].append(member)
        if all(len(ours) == 1 for ours, _ in groups.values()):
            break
    for key, (ours, theirs) in groups.items():
        if len(ours) != len(theirs):
            message = f"{len(ours)} members such as {show(key)}, wanted {len(theirs)}"
            raise Difference(f"{format_path(path)}: {message}")
    return groups


def _signature(obj: Any, depth: int, numbers: _Numbers) -> Any:
    """Return what two objects must have in common to be a pair, `depth` steps around them."""
    if is_scalar(obj):
        return type(obj).__qualname__, values(obj, obj)[0]
    if id(obj) in numbers:
        return "pair", numbers[id(obj)]
    name = type(obj).__qualname__
    if depth == 0:
        return name
    steps, members = compare_node(obj, obj, None, _Parts())
    near = tuple((label, _signature(part, depth - 1, numbers)) for label, part, _ in steps[:8])
    inner = sorted(repr(_signature(member, depth - 1, numbers)) for member in (members or [[]])[0])
    return name, len(steps), near, tuple(inner)


class _Parts:
    """What `compare_node` needs of a walk, to list the parts of one object."""

    def __init__(self) -> None:
        self.arrays: list[Any] = []

    def keep(self, *objects: Any) -> None:
        """Keep nothing: the parts are looked at and forgotten."""
