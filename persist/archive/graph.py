"""The objects that are reached from the inserted ones, what they reduce to, and which are shared.

Lists, tuples and dicts of exactly these types are not reduced: most of a graph is made of them,
and C writes those below which nothing is shared. Only the ancestors of what needs a name or a
constructor are looked at again.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import chain, compress, groupby, islice, repeat
from operator import not_
from types import ModuleType
from typing import Any, cast

import numpy

from persist.archive.layout import CONTAINERS
from persist.archive.literals import ATOMS, is_constant
from persist.archive.members import in_stable_order
from persist.archive.reduce import has_rule, reduce, reduces_alike
from persist.archive.reduction import (
    REDUCED,
    Attribute,
    Data,
    Expression,
    Import,
    Part,
    Reduced,
    Reduction,
    dtype_argument,
    label,
    pair_parts,
)
from persist.archive.template import parse_template
from persist.archive.views import Views, shared_buffers
from persist.errors import UnsupportedObjectError

__all__ = ["Graph", "Mark", "Variable", "is_value"]

# Objects that are met at one depth, and the owner of each.
_Level = tuple[list[Any], list[Any]]

_SEQUENCES = frozenset([list, tuple])
# The fields of parts that are hashed, or handed to code that may hash them.
_USED = frozenset(["keys", "members", "argument", "keyword", "name", "state"])

# Brackets nest at most 98 deep on Python 3.8, and each level of a long container is indented
# further.
_MAX_DEPTH = 18
_MANY_LEVELS = 10_000
_MOST_PAIRS = 100


def is_value(obj: Any) -> bool:
    """Return True if `obj` is a number, text, or a tuple of such, which has no identity to keep."""
    cls = type(obj)
    return cls in ATOMS or (cls is tuple and is_constant(obj))


class Mark(Enum):
    """What is to become of an object whose place in the order of definitions matters."""

    BELOW = "a node or a name is below it"
    NAMED = "it needs a name: it is inserted, referenced twice, or too deep for one expression"
    DONE = "it is built, or about to be"


class Variable(str):
    """The name of an object that is defined, which ``%r`` writes as it is."""

    __slots__ = ()
    __repr__ = str.__str__


class Graph:
    """What is reached from the inserted objects.

    Parameters
    ----------
    roots : sequence of (name, object)
        The inserted objects.
    env : mapping, optional
        Handed to `get_persistent_rep`.

    Attributes
    ----------
    root_ids : set of int
        The inserted objects that are not values.
    nodes : dict of int to Reduced
        What each object that is neither a value nor a plain container reduces to, by `id`. The
        reductions keep alive the temporary objects that they brought, so that no `id` is used
        twice. What reduces to the same parts each time is left out, as is what a rule reduces to
        numbers and text alone: it is reduced when asked for.
    state : dict of int to Mark or Variable
        What C cannot write, since a node or a name is in it or below it; the name of what is
        defined.
    atoms : set of type
        The types of the numbers and texts in containers.
    arrays : list of numpy.ndarray
        The arrays that were met, before those that share memory are built upon one buffer.
    is_tree : bool
        Nothing is referenced twice, and only inserted objects have a state.
    """

    def __init__(
        self, roots: Iterable[tuple[str, Any]], envs: Mapping[str, Any] | None = None
    ) -> None:
        self.roots = list(roots)
        self.root_ids: set[int] = set()
        self.nodes: dict[int, Reduced | Views | None] = {}
        self.state: dict[int, Mark | Variable] = {}
        self.atoms: set[type] = set()
        self._arrays: list[numpy.ndarray[Any, Any]] = []
        # The objects, by id of the array that they reduce to, where that is another object.
        self._reduced_to: dict[int, int] = {}
        self._references: set[int] = set()
        # The containers that were met, each with what it was met in.
        self._owners: dict[int, Any] = {}
        self._alike: dict[type, bool] = {}
        self._leaves_out = self._is_complete = False
        self._sets: list[tuple[Any, Reduction, int]] = []
        self._env: Any = None
        self._recent: tuple[Any, Reduced] | None = None
        self._nans_of_their_own: bool | None = None
        # The object that was last reduced once more, the containers that this led to, what is to
        # be looked at, and the containers that the graph had, below which nothing was looked at.
        self._kept: tuple[Any, dict[int, Any], list[Any], list[Any]] = None, {}, [], []
        self.is_tree = True
        groups: Iterable[tuple[Any, Any]] = [(None, self.roots)]
        if envs:
            groups = groupby(self.roots, lambda root: envs.get(root[0]))
        for env, group in groups:
            self._env = env
            objects: list[Any] = []
            for _, obj in group:
                if not is_value(obj):
                    objects.append(obj)
                    self.root_ids.add(id(obj))
                    self.state[id(obj)] = Mark.NAMED
            self._visit((objects, [None] * len(objects)))
        self.arrays = self._arrays.copy()
        if len(self.arrays) > 1:
            self._share_buffers()
        self._mark()
        self._recent, self._is_complete = None, True

    def reduced(self, obj: Any) -> Reduced | None:
        """Return what a node reduces to, or None for a container."""
        found = self.nodes.get(id(obj))
        if found is not None and not isinstance(found, Views):
            return found
        if type(obj) in CONTAINERS:
            return None
        # Most are asked for several times in a row.
        if self._recent is None or self._recent[0] is not obj:
            reduced = self._reduce(obj) if found is None else found.reduce(obj)
            # What was left out is a leaf. What is still to be visited may lead back to itself.
            is_leaf = self._is_complete or id(obj) in self.nodes
            if is_leaf and type(reduced) is Reduction and reduced.members is not None:
                reduced.members = in_stable_order(reduced.members, self.reduced, lambda _: math.inf)
            self._recent = obj, reduced
        return self._recent[1]

    def keeps(self, obj: Any, part: Any, is_outermost: bool = True) -> bool:
        """Return True if reducing `obj` once more leads to the same container `part`.

        A class whose ``__reduce__`` copies what it holds is taken to copy its arguments, too. What
        is below other containers of the graph is looked at unless `part` `is_outermost`.
        """
        if self._kept[0] is not obj:
            self._kept = obj, {}, [found for _, _, found in self._reduce(obj).parts()], []
        _, kept, waiting, known = self._kept
        while waiting or (known and not is_outermost):
            if not waiting:
                waiting += [found for _, _, found in self.parts(known.pop())]
                continue
            owner = waiting.pop()
            if id(owner) not in kept and (type(owner) in CONTAINERS or type(owner) in REDUCED):
                kept[id(owner)] = owner
                if id(owner) in self.state:
                    known.append(owner)
                else:
                    waiting += [found for _, _, found in self.parts(owner)]
        return id(part) in kept

    def is_reference(self, obj: Any) -> bool:
        """Return True if `obj` is written as an import path wherever it is used."""
        return id(obj) in self._references

    def has_nans_of_their_own(self) -> bool:
        """Return True if several NaN are keys or members, or handed to code that may use them so.

        Each NaN is then an object of its own, since one that stands twice equals itself.
        """
        if self._nans_of_their_own is not None:
            return self._nans_of_their_own
        seen: set[tuple[int, bool]] = set()
        waiting, count = [(obj, False) for _, obj in self.roots], 0
        while waiting and count < 2:
            obj, is_used = waiting.pop()
            if type(obj) in ATOMS:
                count += is_used and type(obj) is float and obj != obj
            elif (id(obj), is_used) not in seen:
                seen.add((id(obj), is_used))
                for field, _, part in self.parts(obj):
                    if type(part) not in ATOMS or part != part:
                        waiting.append((part, is_used or field in _USED))
        self._nans_of_their_own = count == 2
        return self._nans_of_their_own

    def _visit(self, level: _Level) -> None:
        """Visit objects and all below them, level by level."""
        depth = 0
        while level[0]:
            kinds = set(map(type, level[0]))
            if tuple in kinds:
                kept = [type(part) is not tuple or not is_constant(part) for part in level[0]]
                level = _where(kept, level)
            nodes: _Level = [], []
            if kinds.isdisjoint(CONTAINERS):
                nodes, level = level, nodes
            elif not kinds <= CONTAINERS:
                are_nodes = [type(part) not in CONTAINERS for part in level[0]]
                nodes, level = _where(are_nodes, level), _where(map(not_, are_nodes), level)
            containers = self._meet(*level, self._owners)
            met = self._meet(*nodes, self.nodes)
            nodes = [], []  # before the next level is made, which is as large
            parts, owners = level = self._items(containers)
            for obj in met:
                found = self._parts_of_node(obj, depth)
                parts += found
                owners += repeat(obj, len(found))
            depth += 1
            if depth % _MAX_DEPTH == 0:
                self.state.update(zip(map(id, owners), repeat(Mark.NAMED), strict=False))
            if depth % _MANY_LEVELS == 0:
                self._check_end(owners)
            if not parts and self._sets:
                level = self._members(depth)

    def _members(self, depth: int) -> _Level:
        """Return the members of the sets that were met, after all else, in an order that stays.

        Members of equal content are ordered as the rest of the graph refers to them.
        """
        sets, self._sets = self._sets, []
        ranks: dict[int, int] = {}

        def rank(member: Any) -> float:
            if not ranks:
                ranks.update((key, i) for i, key in enumerate(chain(self._owners, self.nodes)))
            return ranks.get(id(member), math.inf)

        parts: list[Any] = []
        owners: list[Any] = []
        for obj, reduced, met in sets:
            if met // _MAX_DEPTH != depth // _MAX_DEPTH:
                self.state[id(obj)] = Mark.NAMED
            assert reduced.members is not None
            try:
                members = in_stable_order(reduced.members, self.reduced, rank)
            except UnsupportedObjectError:
                # It is raised again, with its path, when that object is visited.
                members = list(reduced.members)
            self.nodes[id(obj)] = dataclasses.replace(reduced, members=members)
            parts += (member for member in members if type(member) not in ATOMS)
            owners += repeat(obj, len(parts) - len(owners))
        return parts, owners

    def _meet(self, parts: list[Any], owners: list[Any], known: dict[int, Any]) -> list[Any]:
        """Return the objects that are met for the first time; name the others."""
        count = len(known)
        are_nodes = known is self.nodes
        # Most levels share nothing, which C finds out fast.
        deque(map(known.setdefault, map(id, parts), repeat(None) if are_nodes else owners), 0)
        if are_nodes:
            for owner in owners:
                if owner is not None and id(owner) not in self.state:
                    self._mark_from(owner)
        if len(known) == count + len(parts):
            return parts
        self.is_tree = False
        fresh = set(islice(reversed(known), len(known) - count))
        found = []
        for obj, owner in zip(parts, owners, strict=True):
            key = id(obj)
            if key in fresh:
                fresh.remove(key)
                found.append(obj)
            else:
                self.state[key] = Mark.NAMED
                self._mark_from(owner)
        return found

    def _items(self, containers: list[Any]) -> _Level:
        """Return what containers hold besides atoms."""
        sequences: list[Any] = []
        dicts: list[Any] = []
        for obj in containers:
            (dicts if type(obj) is dict else sequences).append(obj)
        level: _Level = [], []
        values = list(map(dict.values, dicts))
        for owners, held in ((sequences, sequences), (dicts, dicts), (dicts, values)):
            kinds = set(map(type, chain.from_iterable(held)))
            self.atoms |= kinds & ATOMS
            if kinds <= ATOMS:
                continue
            parts: Any = chain.from_iterable(held)
            owned: Any = chain.from_iterable(map(repeat, owners, map(len, owners)))
            if not kinds.isdisjoint(ATOMS):
                others = [type(part) not in ATOMS for part in chain.from_iterable(held)]
                parts, owned = compress(parts, others), compress(owned, others)
            level[0].extend(parts)
            level[1].extend(owned)
        return level

    def _parts_of_node(self, obj: Any, depth: int) -> Sequence[Any]:
        """Return what a node is made of besides atoms and import paths, once it is reduced."""
        key, cls = id(obj), cast(Any, type(obj))
        reduced = self._reduce(obj)
        if type(reduced) is not Reduction or not self._is_alike(cls):
            self.nodes[key] = reduced
        if type(reduced) is Expression:
            if ATOMS.issuperset(map(type, reduced.values)):
                return ()
            # Arguments that are used more than once, or inside deep brackets, get a name.
            template = parse_template(reduced.rep)
            if template.repeated or template.is_deep:
                named = template.names if template.is_deep else template.repeated
                args = (arg for name, arg in reduced.args.items() if name in named)
                self.state.update((id(arg), Mark.NAMED) for arg in args)
        elif type(reduced) is Reduction:
            if reduced.unabsorbed():
                self.state[key] = Mark.NAMED
        elif type(reduced) is Data:
            array = reduced.array
            self._arrays.append(array)
            if array is not obj:
                self._reduced_to[id(array)] = key
            if not array.flags.writeable:
                self.state[key] = Mark.NAMED
            if array.dtype.kind in "cV":
                self.atoms.add(complex)
            if type(dtype_argument(array.dtype)) is str:
                if array is obj:
                    self.nodes[key], self._leaves_out = None, True
                return ()
        elif _leads_to(reduced, obj):
            self._references.add(key)
        # Texts of any length are no memory that another array could be a view of.
        if cls is numpy.ndarray and type(reduced) is not Data and obj.dtype.kind != "T":
            self._arrays.append(obj)
        others = [
            (field, part)
            for field, _, part in reduced.parts()
            if type(part) not in ATOMS and not self._is_path(part)
        ]
        if type(reduced) is not Reduction:
            pass
        elif not others and has_rule(cls):
            self.nodes[key], self._leaves_out = None, True
        elif reduced.members is not None:
            self._sets.append((obj, reduced, depth))
        return [part for field, part in others if field != "members"]

    def _is_path(self, part: Any) -> bool:
        """Return True if a part is an import path, and note so: most are classes, met often."""
        if not isinstance(part, type):
            return type(part) is Import
        key = id(part)
        if key not in self.nodes:
            reduced = self._reduce(part)
            if type(reduced) is not Import:
                return False
            self.nodes[key] = reduced
            self._references.add(key)
        return key in self._references

    def _is_alike(self, cls: type) -> bool:
        if cls not in self._alike:
            self._alike[cls] = reduces_alike(cls)
        return self._alike[cls]

    def _reduce(self, obj: Any) -> Reduced:
        if type(obj) in REDUCED:
            reduced: Reduced = obj
            return reduced
        try:
            return reduce(obj, self._env)
        except UnsupportedObjectError as error:
            if error.path:
                raise
            raise UnsupportedObjectError(error.reason, self.path(obj)) from error
        except RecursionError as error:
            raise self._endless(obj) from error

    def _endless(self, obj: Any) -> UnsupportedObjectError:
        reason = (
            f"taking an object of class {type(obj).__qualname__} apart never ends; give its "
            "class a get_persistent_rep() method, or store what it holds"
        )
        return UnsupportedObjectError(reason, self.path(obj))

    def _check_end(self, owners: list[Any]) -> None:
        """Raise UnsupportedObjectError if objects are taken apart into ever new ones."""
        for owner in owners:
            if type(owner) not in CONTAINERS and self._renews(owner):
                raise self._endless(owner)

    def _renews(self, obj: Any) -> bool:
        """Return True if `obj`, taken apart twice, gives two new objects of its own class."""
        pairs = [(obj, obj)]
        for pair in pairs:
            parts = (
                self.parts(o) if type(o) in CONTAINERS else self._reduce(o).parts() for o in pair
            )
            for (_, _, one), (_, _, other) in zip(*parts, strict=False):
                if one is other or type(one) in ATOMS:
                    continue
                if type(one) is type(obj):
                    return True
                if len(pairs) < _MOST_PAIRS:
                    pairs.append((one, other))
        return False

    def path(self, wanted: Any) -> str:
        """Return the expression by which `wanted` is reached; a long one without its middle."""
        met = {id(obj): (name, None) for name, obj in reversed(self.roots)}
        waiting = deque(obj for _, obj in self.roots)
        while waiting and id(wanted) not in met:
            owner = waiting.popleft()
            is_known = type(owner) in CONTAINERS or self.nodes.get(id(owner)) is not None
            if not is_known and not self._is_alike(type(owner)):
                continue  # it is not reduced yet
            for field, index, part in self.parts(owner):
                if type(part) not in ATOMS and id(part) not in met:
                    met[id(part)] = (field, index), owner
                    waiting.append(part)
        labels: list[str] = []
        step = met.get(id(wanted))
        while step is not None and step[1] is not None:
            labels.append(label(*step[0]))
            step = met[id(step[1])]
        labels.append(step[0] if step else "")
        if len(labels) > 2 * _MAX_DEPTH:
            labels[_MAX_DEPTH:-_MAX_DEPTH] = ["..."]
        return "".join(labels[::-1])

    def parts(self, obj: Any) -> Iterator[Part]:
        """Yield what a container or a node is made of."""
        if type(obj) in _SEQUENCES:
            yield from (("items", i, item) for i, item in enumerate(obj))
        elif type(obj) is dict:
            yield from pair_parts(obj.items())
        elif (reduced := self.reduced(obj)) is not None:
            yield from reduced.parts()

    def _share_buffers(self) -> None:
        """Build arrays that share memory upon one buffer."""
        objects = [array for array in self.arrays if array.dtype.hasobject]
        others = [array for array in self.arrays if not array.dtype.hasobject]
        for buffer, arrays in chain(shared_buffers(others), shared_buffers(objects)):
            parts: list[Any] = []
            views = Views(buffer)
            for view in arrays:
                key = self._reduced_to.get(id(view), id(view))
                reduced = views.reduce(view)
                is_made_anew = key == id(view) and not view.dtype.hasobject
                self.nodes[key] = views if is_made_anew else reduced
                self.state.setdefault(key, Mark.BELOW)
                if reduced.unabsorbed():
                    self.state[key] = Mark.NAMED
                parts += (
                    part
                    for _, _, part in reduced.parts()
                    if not is_value(part) and not self._is_path(part)
                )
            self._visit((parts, [None] * len(parts)))

    def _mark(self) -> None:
        """Mark what is above a named container; what is above a node is marked when it is met."""
        for key, mark in list(self.state.items()):
            if mark is Mark.NAMED and (owner := self._owners.get(key)) is not None:
                self._mark_from(owner)
        # An import path is written wherever it is used.
        for key in self._references & self.state.keys():
            self.state[key] = Mark.BELOW
        self.is_tree = self.is_tree and self.state.keys() <= self.root_ids
        if self._leaves_out or any(self._alike.values()):
            self.nodes = {key: found for key, found in self.nodes.items() if found is not None}
        self._owners, self._arrays = {}, []

    def _mark_from(self, owner: Any) -> None:
        while owner is not None and (key := id(owner)) not in self.state:
            self.state[key] = Mark.BELOW
            owner = self._owners.get(key)


def _where(selectors: Iterable[bool], level: _Level) -> _Level:
    chosen = list(selectors)
    return list(compress(level[0], chosen)), list(compress(level[1], chosen))


def _leads_to(reduced: Reduced, obj: Any) -> bool:
    """Return True if an import path, or an attribute of one, always gives the same object."""
    if type(reduced) is not Attribute:
        return type(reduced) is Import
    owner = reduced.owner
    if type(owner) is Attribute:
        return _leads_to(owner, None)
    # A bound method is a new object each time; a member of an enumeration is not.
    return type(owner) is Import or (
        isinstance(owner, (type, ModuleType)) and getattr(owner, reduced.name, None) is obj
    )
