"""The objects that are reached from the inserted ones, what they reduce to, and which are shared.

Lists, tuples and dicts of exactly these types are not reduced: most of a graph is made of them,
and C writes those below which nothing is shared. Only the ancestors of what needs a name or a
constructor are looked at again.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, compress, groupby, islice, pairwise
from types import ModuleType
from typing import Any

import numpy

from persist.archive.literals import ATOMS, is_constant
from persist.archive.members import in_stable_order
from persist.archive.reduce import reduce
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
)
from persist.archive.template import parse_template
from persist.archive.views import shared_buffers, view_of
from persist.errors import UnsupportedObjectError

__all__ = ["Graph", "is_value"]

_DICTS = frozenset([dict])
_SEQUENCES = frozenset([list, tuple])

# The fields of parts that are hashed, or handed to code that may hash them.
_USED = frozenset(["keys", "members", "argument", "keyword", "name", "state"])

# Brackets nest at most 98 deep on Python 3.8, and each level of a long container is indented
# further.
_MAX_DEPTH = 18


def is_value(obj: Any) -> bool:
    """Return True if `obj` is a number, text, or a tuple of such, which has no identity to keep."""
    cls = type(obj)
    return cls in ATOMS or (cls is tuple and is_constant(obj))


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
        twice.
    named : set of int
        The objects that need a name: inserted, referenced twice, or too deep for one expression.
    marked : set of int
        The objects whose place in the order of definitions matters, since they or something below
        them has a name, and the containers that C cannot write, since a node is below them.
    atoms : set of type
        The types of the numbers and texts in containers.
    arrays : list of numpy.ndarray
        The arrays that were met, before those that share memory are built upon one buffer.
    is_tree : bool
        Nothing is referenced twice, and only inserted objects are marked.
    """

    def __init__(
        self, roots: Iterable[tuple[str, Any]], envs: Mapping[str, Any] | None = None
    ) -> None:
        self.roots = list(roots)
        self.root_ids: set[int] = set()
        self.nodes: dict[int, Reduced] = {}
        self.named: set[int] = set()
        self.marked: set[int] = set()
        self.atoms: set[type] = set()
        self._arrays: dict[int, numpy.ndarray[Any, Any]] = {}
        self._references: set[int] = set()
        self._parents: dict[int, Any] = {}
        self._second_owners: list[Any] = []
        self._sets: list[tuple[Any, Reduction, int]] = []
        self._env: Any = None
        self._nans_of_their_own: bool | None = None
        self.is_tree = False
        groups: Iterable[tuple[Any, Any]] = [(None, self.roots)]
        if envs:
            groups = groupby(self.roots, lambda root: envs.get(root[0]))
        for env, group in groups:
            self._env = env
            owned: list[tuple[Any, Any]] = []
            for _, obj in group:
                if not is_value(obj):
                    owned.append((obj, None))
                    self.root_ids.add(id(obj))
            self.named |= self.root_ids
            self._visit(owned)
        self.arrays = list(self._arrays.values())
        if len(self.arrays) > 1:
            self._share_buffers()
        self._mark()

    def is_reference(self, obj: Any) -> bool:
        """Return True if `obj` is written as an import path wherever it is used."""
        return id(obj) in self._references

    def has_nans_of_their_own(self) -> bool:
        """Return True if several NaN are keys or members, or handed to code that may use them so.

        Each NaN is then an object of its own, since one that stands twice equals itself.
        """
        if self._nans_of_their_own is None:
            self._nans_of_their_own = self._count_nans(2) == 2
        return self._nans_of_their_own

    def _count_nans(self, most: int) -> int:
        """Return how many NaN are keys or members, or below them, or are handed to code."""
        seen: set[tuple[int, bool]] = set()
        waiting, count = [(obj, False) for _, obj in self.roots], 0
        while waiting and count < most:
            obj, is_used = waiting.pop()
            if type(obj) in ATOMS:
                count += is_used and type(obj) is float and obj != obj
            elif (id(obj), is_used) not in seen:
                seen.add((id(obj), is_used))
                for field, _, part in self.parts(obj):
                    if type(part) not in ATOMS or part != part:
                        waiting.append((part, is_used or field in _USED))
        return count

    def _visit(self, owned: list[tuple[Any, Any]]) -> None:
        """Visit objects, each with its owner, and all below them, level by level."""
        depth = 0
        while owned:
            found = self._meet(owned)
            owned = []  # before the next level is made, which is as large
            owned = self._children(found, depth)
            depth += 1
            if depth % _MAX_DEPTH == 0:
                self.named.update(id(owner) for _, owner in owned)
            if not owned and self._sets:
                owned = list(self._members(depth))

    def _members(self, depth: int) -> Iterator[tuple[Any, Any]]:
        """Yield the members of the sets that were met, after all else, in an order that stays.

        Members of equal content are ordered as the rest of the graph refers to them.
        """
        sets, self._sets = self._sets, []
        ranks: dict[int, int] = {}

        def rank(member: Any) -> float:
            if not ranks:
                ranks.update((key, i) for i, key in enumerate(self._parents))
            return ranks.get(id(member), math.inf)

        for obj, reduced, met in sets:
            if met // _MAX_DEPTH != depth // _MAX_DEPTH:
                self.named.add(id(obj))
            assert reduced.members is not None
            try:
                members = in_stable_order(reduced.members, self._reduce_member, rank)
            except UnsupportedObjectError:
                # It is raised again, with its path, when that object is visited.
                members = list(reduced.members)
            self.nodes[id(obj)] = dataclasses.replace(reduced, members=members)
            yield from ((member, obj) for member in members if type(member) not in ATOMS)

    def _meet(self, owned: list[tuple[Any, Any]]) -> list[Any]:
        """Return the objects that are met for the first time; name the others."""
        parents, known = self._parents, len(self._parents)
        objects, owners = zip(*owned, strict=True)
        if tuple in set(map(type, objects)):
            kept = [type(obj) is not tuple or not is_constant(obj) for obj in objects]
            objects, owners = tuple(compress(objects, kept)), tuple(compress(owners, kept))
        # Most levels share nothing, which C finds out fast.
        deque(map(parents.setdefault, map(id, objects), owners), 0)
        if len(parents) == known + len(objects):
            return list(objects)
        fresh = set(islice(reversed(parents), len(parents) - known))
        found = []
        for obj, owner in zip(objects, owners, strict=True):
            key = id(obj)
            if key in fresh:
                fresh.remove(key)
                found.append(obj)
            else:
                self.named.add(key)
                self._second_owners.append(owner)
        return found

    def _children(self, found: list[Any], depth: int) -> list[tuple[Any, Any]]:
        kinds = set(map(type, found))
        owned: list[tuple[Any, Any]] = []
        sequences = found if kinds <= _SEQUENCES else []
        dicts = found if kinds <= _DICTS else []
        nodes = []
        if not sequences and not dicts:
            for obj in found:
                if type(obj) in _SEQUENCES:
                    sequences.append(obj)
                elif type(obj) is dict:
                    dicts.append(obj)
                elif type(obj) not in ATOMS:
                    nodes.append(obj)
        if _has_others(chain.from_iterable(sequences), self.atoms):
            owned += [(item, own) for own in sequences for item in own if type(item) not in ATOMS]
        if dicts:
            owned += _dict_children(dicts, self.atoms)
        for obj in nodes:
            reduced = self.nodes[id(obj)] = self._reduce(obj)
            if type(reduced) is Expression and ATOMS.issuperset(map(type, reduced.values)):
                continue
            owned += self._node_children(obj, reduced, depth)
        return owned

    def _node_children(self, obj: Any, reduced: Reduced, depth: int) -> list[tuple[Any, Any]]:
        key = id(obj)
        if type(reduced) is Expression:
            # Arguments that are used more than once, or inside deep brackets, get a name.
            template = parse_template(reduced.rep)
            if template.repeated or template.is_deep:
                named = template.names if template.is_deep else template.repeated
                self.named.update(id(a) for n, a in reduced.args.items() if n in named)
        elif type(reduced) is Reduction:
            if reduced.unabsorbed():
                self.named.add(key)
        elif type(reduced) is Data:
            self._arrays[key] = reduced.array
            if not reduced.array.flags.writeable:
                self.named.add(key)
            if reduced.array.dtype.kind in "cV":
                self.atoms.add(complex)
            if type(dtype_argument(reduced.array.dtype)) is str:
                return []
        elif _leads_to(reduced, obj):
            self._references.add(key)
        if type(obj) is numpy.ndarray:
            self._arrays.setdefault(key, obj)
        owned = [
            (part, obj)
            for field, _, part in reduced.parts()
            if type(part) not in ATOMS and field != "members" and not self._is_path(part, obj)
        ]
        if type(reduced) is Reduction and reduced.members is not None:
            self._sets.append((obj, reduced, depth))
            self.marked.add(key)
        elif owned:
            self.marked.add(key)
        return owned

    def _is_path(self, part: Any, owner: Any) -> bool:
        """Return True if a part is an import path, and note so: most are classes, met often."""
        if not isinstance(part, type):
            return type(part) is Import
        key = id(part)
        if key not in self.nodes and key not in self._parents:
            self._parents[key] = owner
            reduced = self._reduce(part)
            if type(reduced) is not Import:
                del self._parents[key]
                return False
            self.nodes[key] = reduced
            self._references.add(key)
        return key in self._references

    def _reduce(self, obj: Any) -> Reduced:
        if type(obj) in REDUCED:
            reduced: Reduced = obj
            return reduced
        try:
            return reduce(obj, self._env)
        except UnsupportedObjectError as error:
            if error.path:
                raise
            raise UnsupportedObjectError(error.reason, self._path(obj)) from error

    def _path(self, obj: Any) -> str:
        way = [obj]
        while (owner := self._parents.get(id(way[-1]))) is not None:
            way.append(owner)
        path = next((name for name, root in self.roots if root is way[-1]), "")
        for owner, part in pairwise(way[::-1]):
            labels = (label(field, i) for field, i, value in self.parts(owner) if value is part)
            path += next(labels, "")
        return path

    def parts(self, obj: Any) -> Iterator[Part]:
        """Yield what a container or a node is made of."""
        if type(obj) in _SEQUENCES:
            yield from (("items", i, item) for i, item in enumerate(obj))
        elif type(obj) is dict:
            yield from Reduction(dict, pairs=obj.items()).parts()
        elif (reduced := self.nodes.get(id(obj))) is not None:
            yield from reduced.parts()

    def _reduce_member(self, obj: Any) -> Reduced:
        return self.nodes.get(id(obj)) or reduce(obj, self._env)

    def _share_buffers(self) -> None:
        """Build arrays that share memory upon one buffer."""
        keys = {id(array): key for key, array in self._arrays.items()}
        objects = [array for array in self._arrays.values() if array.dtype.hasobject]
        others = [array for array in self._arrays.values() if not array.dtype.hasobject]
        for buffer, views in chain(shared_buffers(others), shared_buffers(objects)):
            for view in views:
                key = keys[id(view)]
                reduced = self.nodes[key] = view_of(view, buffer)
                self.marked.add(key)
                if reduced.unabsorbed():
                    self.named.add(key)
                self._visit([(part, reduced) for _, _, part in reduced.parts()])

    def _mark(self) -> None:
        """Mark what has a name, what is reduced, and all that is above these."""
        marked = self.marked
        marked |= self.named
        # An import path is written wherever it is used.
        self.named -= self._references
        owners = map(self._parents.get, chain(self.nodes, self.named))
        for owner in chain(owners, self._second_owners):
            if owner is not None and id(owner) not in marked:
                self._mark_from(owner)
        self.is_tree = not self._second_owners and self.marked <= self.root_ids
        self._parents, self._second_owners, self._arrays = {}, [], {}

    def _mark_from(self, owner: Any) -> None:
        marked, parents = self.marked, self._parents
        while owner is not None and (key := id(owner)) not in marked:
            marked.add(key)
            owner = parents.get(key)


def _dict_children(owners: list[dict[Any, Any]], atoms: set[type]) -> list[tuple[Any, Any]]:
    """Return (part, owner) for what dicts hold besides atoms, as keys and as values."""
    found: list[tuple[Any, Any]] = []
    if _has_others(chain.from_iterable(owners), atoms):
        found = [(key, owner) for owner in owners for key in owner if type(key) not in ATOMS]
    if _has_others(chain.from_iterable(map(dict.values, owners)), atoms):
        found += [(part, own) for own in owners for part in own.values() if type(part) not in ATOMS]
    return found


def _has_others(parts: Iterator[Any], atoms: set[type]) -> bool:
    """Return True if there are other parts than atoms; add the types of these to `atoms`."""
    kinds = set(map(type, parts))
    atoms |= kinds & ATOMS
    return not kinds <= ATOMS


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
